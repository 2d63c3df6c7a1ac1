//! The smoke test: invoke the function once, after it has proven paper mode, and look whether events flowed.

use jiff::SignedDuration;

use super::{NoPlan, step};
use crate::domain::{Effect, Environment, Facts, Inspection, Remark, Step, StepKind};

/// Between two looks whether the function has answered.
const POLL: SignedDuration = SignedDuration::from_secs(2);
/// A function runs for 15 minutes at most; the client gives up after 16.
const PATIENCE: SignedDuration = SignedDuration::from_mins(20);

/// The invoke, and the look. Without proof there is no plan, whoever asks and whoever would approve.
pub(super) fn steps(facts: &Facts, environment: &Environment) -> Result<Vec<Step>, NoPlan> {
    let name = &environment.name;
    let Some(smoke) = &environment.smoke else {
        return Err(NoPlan::Because(format!(
            "refused: nothing says how {} proves that it trades on paper, and without proof nothing is invoked. Add a table \
             [environments.{name}.smoke] with proof_variable and expected, such as ALPACA__ENDPOINT and the paper endpoint",
            environment.function
        )));
    };
    let unread = || format!("{} could not be asked for its proof of paper mode", environment.function);
    let refusal = match &facts.smoke {
        Some(known) => known.refusal.clone(),
        None => Some(unread()),
    };
    if let Some(why) = refusal {
        return Err(NoPlan::Because(format!("refused: {why}. Nothing was invoked")));
    }
    let effect = Effect::Invoke {
        function: environment.function.clone(),
        qualifier: smoke.qualifier.clone(),
        payload: smoke.payload.clone(),
        variable: smoke.proof_variable.clone(),
        expected: smoke.expected.clone(),
    };
    let evidence = StepKind::Inspect { inspection: Inspection::SmokeEvidence, lasting: Some(smoke.wait) };
    Ok(vec![step("invoke", StepKind::Effect { effect, poll: POLL, patience: PATIENCE }), step("evidence", evidence)])
}

/// What people have to know before.
pub(super) fn remarks(facts: &Facts, environment: &Environment) -> Vec<Remark> {
    let Some(smoke) = &environment.smoke else { return Vec::new() };
    let off = !facts.rules.values().any(|fact| fact.state.is_enabled());
    let off = off.then(|| {
        Remark::warned(format!(
            "Every rule of {0} is off: what the function publishes reaches nothing, so this cannot show that events flow. \
             `enable all {0}` turns them on.",
            environment.name
        ))
    });
    let always = [
        Remark::warned(format!(
            "{} ignores what the payload says of paper. Its own variable {} has to prove paper mode, and is read again right \
             before the invoke: if it has no expected value then, nothing is invoked, whatever was approved.",
            environment.function, smoke.proof_variable
        )),
        Remark::said(
            "It is invoked once and never again by itself. The correlation id names environment, run and time, and goes with \
             the payload as correlation_id.",
        ),
    ];
    always.into_iter().chain(off).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{ALCH_TOML, Config};
    use crate::domain::SmokeFacts;

    fn planned(refusal: Option<&str>, change: impl FnOnce(&mut Environment)) -> Result<Vec<Step>, String> {
        let (config, _) = Config::parse(ALCH_TOML, "alch.toml", &Default::default()).unwrap();
        let mut environment = config.environments["prod"].clone();
        change(&mut environment);
        let known = SmokeFacts { refusal: refusal.map(str::to_owned), archived: None };
        let facts = Facts { smoke: Some(Box::new(known)), ..Facts::default() };
        steps(&facts, &environment).map_err(|error| error.to_string())
    }

    #[test]
    fn with_proof_it_is_invoked_and_looked_after() {
        let steps = planned(None, |_| {}).unwrap();
        assert_eq!(steps.iter().map(|step| step.id.0.as_str()).collect::<Vec<_>>(), ["invoke", "evidence"]);
        assert!(steps[0].kind.acts() && !steps[1].kind.acts());
        assert!(steps.iter().all(|step| step.undo.is_none()), "an invoke is not undone");
    }

    #[test]
    fn without_proof_table_or_reading_there_is_no_plan() {
        let refused = planned(Some("no proof"), |_| {}).unwrap_err();
        assert_eq!(refused, "refused: no proof. Nothing was invoked");
        let untold = planned(None, |environment| environment.smoke = None).unwrap_err();
        assert!(untold.contains("[environments.prod.smoke]") && untold.contains("proof_variable"), "{untold}");
        let (config, _) = Config::parse(ALCH_TOML, "alch.toml", &Default::default()).unwrap();
        assert!(steps(&Facts::default(), &config.environments["dev"]).is_err());
    }
}
