//! The second factor of approvers: setting one up, approving with it, and what is kept of codes and secrets.

use std::sync::{Arc, Mutex};

use alch::domain::{PlanDigest, RunId};
use alch::sandbox::slack::{Delivered, Message, View, WorkspaceSpec};
use jiff::SignedDuration;
use serde_json::json;
use totp_rs::Totp;

use crate::decisions::{asks, button, ends, last};
use crate::world::{Person, World, story_with};

const R1: RunId = RunId(1);
/// Approvals in production take a code, and Carol resets second factors.
const STEP_UP: [(&str, &str); 3] = [
    ("ALCH__ENVIRONMENTS__PROD__APPROVALS__STEP_UP", "totp"),
    ("STEP_UP_KEY", "a key of a story that has 32 characters"),
    ("ALCH__ENVIRONMENTS__PROD__ROLES__ADMIN", r#"["U0CAROL"]"#),
];
const STEP: SignedDuration = SignedDuration::from_secs(31);

/// What the bot wrote last into the direct conversation with the person.
fn told_directly(world: &World, person: &Person<'_>) -> Option<Message> {
    let channel = WorkspaceSpec::direct_message(person.id());
    world.slack.messages().into_iter().rfind(|message| message.channel == channel && message.user == "U0ALCH")
}

fn form(world: &World, person: &Person<'_>) -> Option<View> {
    world.slack.views(person.id()).pop()
}

/// Opens the form that shows a secret, and adds it to an authenticator app.
async fn is_shown_a_secret(world: &World, person: &Person<'_>) -> (View, Totp) {
    person.says_directly("enrol").await;
    let offer = told_directly(world, person).expect("it is answered");
    person.clicks(&offer, "enrol").await;
    let form = form(world, person).unwrap_or_else(|| panic!("a form is open: {}", last(world, person.id())));
    let shown = form.view["blocks"][0]["text"]["text"].as_str().unwrap().to_owned();
    let url = &shown[shown.find("otpauth://").expect("it shows the URL")..];
    let url = url[..url.find('`').unwrap()].replace("&amp;", "&");
    let app = Totp::from_url(&url).unwrap();
    let typed: String = shown.split('`').nth(1).unwrap().split(' ').collect();
    assert!(url.contains(&typed), "the key to type is that of the URL: {shown}");
    (form, app)
}

/// As people type it, and as it would be noticed anywhere: `123 456`.
fn code(world: &World, app: &Totp) -> String {
    let code = app.generate(u64::try_from(world.clock.now().as_second()).unwrap()).to_string();
    format!("{} {}", &code[..3], &code[3..])
}

/// A code that is not right now, nor a moment ago or later.
fn wrong_code(world: &World, app: &Totp) -> String {
    let hour = world.clock.now() + SignedDuration::from_hours(1);
    app.generate(u64::try_from(hour.as_second()).unwrap()).to_string()
}

async fn sends(world: &World, person: &Person<'_>, code: &str) -> Delivered {
    let form = form(world, person).expect("a form is open");
    let sent = world.slack.submits(person.id(), &form.id, json!({"code": {"code": code}})).await;
    world.settle().await;
    sent
}

fn problem(sent: &Delivered) -> &str {
    sent.errors.get("code").and_then(|problem| problem.as_str()).unwrap_or_default()
}

async fn enrols(world: &World, person: &Person<'_>) -> Totp {
    let (_, app) = is_shown_a_secret(world, person).await;
    let sent = sends(world, person, &code(world, &app)).await;
    assert!(sent.is_ok() && sent.errors.is_empty(), "{sent:?}");
    assert!(told_directly(world, person).unwrap().text.contains("second factor is set up"));
    world.passes(STEP).await;
    app
}

async fn presses_approve(world: &World, person: &Person<'_>, digest: &PlanDigest) {
    let approve = button(world, "approve", &format!("{R1} {} plan", digest.0)).await;
    person.clicks_stale(&approve, "approve").await;
}

#[test]
fn an_approval_takes_a_code_that_is_right_and_was_not_used() {
    story_with(&STEP_UP, async |world| {
        let digest = asks(world, 1).await;
        let (alice, bob) = (world.alice(), world.bob());
        presses_approve(world, &bob, &digest).await;
        assert!(last(world, "U0BOB").contains("no second factor yet"), "{}", last(world, "U0BOB"));
        bob.types("enrol").await;
        assert!(last(world, "U0BOB").contains("direct message"), "{}", last(world, "U0BOB"));
        let app = enrols(world, &bob).await;
        bob.types(&format!("approve R-1 {digest}")).await;
        assert!(last(world, "U0BOB").contains("never typed into a channel"), "{}", last(world, "U0BOB"));
        bob.types("whoami").await;
        assert!(last(world, "U0BOB").contains("yours is set up since 2026-11-23"), "{}", last(world, "U0BOB"));
        // Who may not approve is told so, and asked for no code.
        presses_approve(world, &alice, &digest).await;
        assert!(last(world, "U0ALICE").contains("asked for this yourself"), "{}", last(world, "U0ALICE"));
        assert_eq!(form(world, &alice), None);

        presses_approve(world, &bob, &digest).await;
        let sent = sends(world, &bob, &wrong_code(world, &app)).await;
        assert!(problem(&sent).contains("not the code of now"), "{sent:?}");
        assert!(!world.run(R1).await.is_approved());
        let form = form(world, &bob).expect("the form stays open");
        let right = code(world, &app);
        let values = json!({"code": {"code": right}, "note": {"note": "seen the <graphs>"}});
        let sent = world.slack.submits("U0BOB", &form.id, values).await;
        assert!(sent.is_ok() && sent.errors.is_empty(), "{sent:?}");
        world.settle().await;
        let run = world.run(R1).await;
        let approval = &run.rounds[0].approvals[0];
        assert!(run.is_approved() && approval.stepped_up);
        assert_eq!(
            (approval.actor.to_string().as_str(), approval.note.as_deref()),
            ("<@U0BOB>", Some("seen the <graphs>"))
        );
        assert!(last(world, "U0BOB").contains("1 of 1"), "{}", last(world, "U0BOB"));
        ends(world).await;
    });
}

#[test]
fn a_code_counts_once_and_is_not_lost_on_what_is_declined() {
    story_with(&STEP_UP, async |world| {
        let digest = asks(world, 2).await;
        let (bob, carol) = (world.bob(), world.carol());
        let app = enrols(world, &bob).await;
        let hers = enrols(world, &carol).await;
        let right = code(world, &app);
        presses_approve(world, &bob, &digest).await;
        presses_approve(world, &carol, &digest).await;
        assert!(sends(world, &bob, &right).await.errors.is_empty());
        assert_eq!(world.run(R1).await.rounds[0].approvals.len(), 1);
        assert_eq!(
            world.store().second_factor("U0BOB").await.unwrap().unwrap().last_step,
            Some(world.clock.now().as_second() / 30)
        );
        // The code of somebody else is a wrong one.
        assert!(problem(&sends(world, &carol, &right).await).contains("not the code of now"));
        let before = world.store().second_factor("U0CAROL").await.unwrap().unwrap().last_step;
        ends(world).await;
        sends(world, &carol, &code(world, &hers)).await;
        assert!(last(world, "U0CAROL").contains("has ended"), "{}", last(world, "U0CAROL"));
        let after = world.store().second_factor("U0CAROL").await.unwrap().unwrap().last_step;
        assert_eq!(after, before, "the code is not spent");
    });
}

#[test]
fn the_same_code_does_not_approve_twice() {
    story_with(&STEP_UP, async |world| {
        let digest = asks(world, 1).await;
        let bob = world.bob();
        let (_, app) = is_shown_a_secret(world, &bob).await;
        let first = code(world, &app);
        assert!(sends(world, &bob, &first).await.errors.is_empty());
        presses_approve(world, &bob, &digest).await;
        let sent = sends(world, &bob, &first).await;
        assert!(problem(&sent).contains("used already"), "{sent:?}");
        assert!(!world.run(R1).await.is_approved());
        ends(world).await;
    });
}

#[test]
fn five_wrong_codes_close_it_and_an_admin_opens_it_anew() {
    story_with(&STEP_UP, async |world| {
        let digest = asks(world, 1).await;
        let (bob, carol) = (world.bob(), world.carol());
        let app = enrols(world, &bob).await;
        presses_approve(world, &bob, &digest).await;
        for attempt in 1..=5 {
            let sent = sends(world, &bob, &wrong_code(world, &app)).await;
            assert_eq!(problem(&sent).contains("none is taken until"), attempt == 5, "{attempt}: {sent:?}");
        }
        let sent = sends(world, &bob, &code(world, &app)).await;
        assert!(problem(&sent).contains("none is taken until"), "also the right one: {sent:?}");
        presses_approve(world, &bob, &digest).await;
        assert!(last(world, "U0BOB").contains("none is taken until"), "{}", last(world, "U0BOB"));

        world.alice().types("enrol --reset <@U0BOB>").await;
        assert!(last(world, "U0ALICE").contains("refused"), "{}", last(world, "U0ALICE"));
        carol.types("enrol --reset <@U0CAROL>").await;
        assert!(last(world, "U0CAROL").contains("their own second factor"), "{}", last(world, "U0CAROL"));
        carol.types("enrol --reset <@U0BOB>").await;
        assert!(last(world, "U0CAROL").contains("is reset"), "{}", last(world, "U0CAROL"));
        assert!(told_directly(world, &bob).unwrap().text.contains("was reset"));
        // Everybody sees both: that it was set up, and that it was taken away.
        insta::assert_snapshot!(
            "step_up_seen",
            [world.thread(RunId(2)).await, world.thread(RunId(3)).await].join("\n")
        );
        presses_approve(world, &bob, &digest).await;
        assert!(last(world, "U0BOB").contains("no second factor yet"), "{}", last(world, "U0BOB"));
        let anew = enrols(world, &bob).await;
        assert_ne!(code(world, &anew), code(world, &app));
        bob.says_directly("enrol").await;
        assert!(told_directly(world, &bob).unwrap().text.contains("not shown again"));
        ends(world).await;
    });
}

#[test]
fn codes_that_are_tried_at_once_are_not_tried_for_nothing() {
    story_with(&STEP_UP, async |world| {
        let digest = asks(world, 1).await;
        let bob = world.bob();
        let app = enrols(world, &bob).await;
        presses_approve(world, &bob, &digest).await;
        let (form, wrong) = (form(world, &bob).unwrap(), wrong_code(world, &app));
        let attempt = || world.slack.submits("U0BOB", &form.id, json!({"code": {"code": wrong.clone()}}));
        let sent = futures_util::future::join_all((0..20).map(|_| attempt())).await;
        let looked_at = sent.iter().filter(|sent| problem(sent).contains("not the code of now")).count();
        let counted = world.store().second_factor("U0BOB").await.unwrap().unwrap().wrong;
        assert!(looked_at <= 4 && counted <= 5, "{looked_at} were answered as wrong, {counted} were counted");
        assert!(sent.iter().all(|sent| !problem(sent).is_empty()), "{sent:?}");
        ends(world).await;
    });
}

#[test]
fn a_secret_that_was_shown_and_not_confirmed_is_worth_nothing_once_another_is() {
    story_with(&STEP_UP, async |world| {
        let bob = world.bob();
        // Somebody with Bob's session has looked first, and says nothing.
        let (_, stolen) = is_shown_a_secret(world, &bob).await;
        let (_, app) = is_shown_a_secret(world, &bob).await;
        assert!(problem(&sends(world, &bob, &code(world, &stolen)).await).contains("not the code of now"));
        // And again, while Bob has his form open.
        world.store().begin_second_factor("U0BOB").await.unwrap();
        let sent = sends(world, &bob, &code(world, &app)).await;
        assert!(problem(&sent).contains("Another key was shown"), "{sent:?}");
        assert_eq!(world.store().second_factor("U0BOB").await.unwrap().unwrap().confirmed_at, None);
        enrols(world, &bob).await;
    });
}

#[test]
fn without_step_up_an_approval_is_one_click_and_there_is_nothing_to_enrol() {
    story_with(&STEP_UP[1..], async |world| {
        let digest = asks(world, 1).await;
        let bob = world.bob();
        presses_approve(world, &bob, &digest).await;
        assert!(world.run(R1).await.is_approved());
        bob.says_directly("enrol").await;
        assert!(told_directly(world, &bob).unwrap().text.contains("not in use"));
        ends(world).await;
    });
}

/// Everything that is logged, as text.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, written: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(written);
        Ok(written.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn neither_a_code_nor_a_secret_is_kept_or_logged() {
    let log = Log::default();
    let writer = log.clone();
    let _ = tracing_subscriber::fmt()
        .with_env_filter("info,alch=trace,sqlx=trace")
        .with_writer(move || writer.clone())
        .try_init();
    story_with(&STEP_UP, async |world| {
        let digest = asks(world, 1).await;
        let bob = world.bob();
        let (shown, app) = is_shown_a_secret(world, &bob).await;
        let text = shown.view["blocks"][0]["text"]["text"].as_str().unwrap().to_owned();
        let grouped = text.split('`').nth(1).unwrap().to_owned();
        let mut forbidden = vec![grouped.replace(' ', ""), grouped];
        forbidden.push(code(world, &app));
        sends(world, &bob, &code(world, &app)).await;
        world.passes(STEP).await;
        presses_approve(world, &bob, &digest).await;
        forbidden.push(wrong_code(world, &app));
        forbidden.push(code(world, &app));
        sends(world, &bob, &wrong_code(world, &app)).await;
        sends(world, &bob, &code(world, &app)).await;
        assert!(world.run(R1).await.is_approved());
        ends(world).await;

        let file = world.database.strip_prefix("sqlite:").unwrap();
        let mut kept = std::fs::read(file).unwrap();
        kept.extend(std::fs::read(format!("{file}-wal")).unwrap_or_default());
        let kept = String::from_utf8_lossy(&kept);
        assert!(kept.contains("view_submission") && kept.contains("\"shown\":{"), "the requests are there");
        let said: Vec<_> = world.slack.calls().into_iter().filter(|call| call.method != "views.open").collect();
        let said = format!("{said:?} {:?}", world.slack.messages());
        let logged = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
        assert!(logged.contains("inbox"), "what is done to the database is logged here");
        for word in &forbidden {
            for (name, text) in [("the database", kept.as_ref()), ("Slack's messages", &said), ("the log", &logged)] {
                assert!(!text.contains(&format!("\"{word}\"")), "{name} has {word:?}");
                // Six digits alone are found by chance.
                assert!(word.len() == 6 || !text.contains(word.as_str()), "{name} has {word:?}");
            }
        }
    });
}
