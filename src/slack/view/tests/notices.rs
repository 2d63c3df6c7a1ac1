//! What stakeholders read, in Slack and by e-mail; and what a person reads who asks for a plan only.

use super::super::{journals, notices, preview};
use super::read;
use crate::domain::*;
use crate::notice::{Notice, compose};

use journals::{Story, in_context};

fn email(story: &Story, moment: Moment) -> Notice {
    let run = match moment {
        Moment::After => story.run(),
        Moment::Before => {
            let notify =
                |recorded: &&Recorded| matches!(&recorded.event, Event::Started { step } if step.0 == "notify");
            let told = story.journal.iter().find(notify).unwrap();
            Run::from_journal(&story.journal[..told.seq as usize]).unwrap()
        }
    };
    in_context(|context| compose(&run, &context.environments[&run.environment], moment, context.command_word))
}

#[test]
fn the_emails_read_well() {
    let emails = [
        email(&journals::promoted(), Moment::Before),
        email(&journals::promoted(), Moment::After),
        email(&journals::drifted_and_approved_again(), Moment::Before),
        email(&journals::skipped_in_production(), Moment::After),
        email(&journals::untold(), Moment::After),
        email(&journals::rollback_clicked(), Moment::After),
    ];
    let page: Vec<String> =
        emails.iter().map(|email| format!("Subject: {}\n\n{}", email.subject, email.text)).collect();
    insta::assert_snapshot!("emails", page.join("\n════\n\n"));
}

#[test]
fn an_email_is_plain_and_keeps_to_its_width() {
    for (name, story) in journals::all() {
        let run = story.run();
        let emails = in_context(|context| {
            let environment = &context.environments[&run.environment];
            [Moment::Before, Moment::After].map(|moment| compose(&run, environment, moment, context.command_word))
        });
        for Notice { subject, text } in emails {
            assert!(subject.is_ascii() && subject.len() <= 100 && subject.starts_with("[Alch] "), "{name}: {subject}");
            assert!(!subject.contains(char::is_control), "{name}: {subject}");
            assert!(text.lines().all(|line| line.chars().count() <= 76), "{name}:\n{text}");
            assert!(!text.contains("\n\n\n") && !text.contains("<@") && text.ends_with('\n'), "{name}:\n{text}");
        }
    }
}

#[test]
fn the_words_of_people_stay_on_their_line() {
    let reason = format!("one\r\nBcc: all\u{7} {}", "x".repeat(2000));
    let mut run = journals::promoted().run();
    run.environment = "prod\n\u{1f6d1}".repeat(40);
    run.command =
        Command::Promote { environment: run.environment.clone(), version: None, at: None, reason: Some(reason) };
    let email = in_context(|context| {
        let environment = Environment { name: run.environment.clone(), ..context.environments["prod"].clone() };
        compose(&run, &environment, Moment::After, "/alch")
    });
    assert!(email.subject.is_ascii() && email.subject.len() <= 100 && !email.subject.contains(char::is_control));
    assert!(!email.text.lines().any(|line| line.starts_with("Bcc")));
    assert!(!email.text.contains(|c: char| c.is_control() && c != '\n'));
}

#[test]
fn who_was_not_told_before_is_not_told_after() {
    in_context(|context| {
        assert_eq!(notices(&journals::rejected_with_a_reason().journal, context), []);
        assert_eq!(notices(&journals::rollback_lapsed().journal, context), []);
        let told: Vec<(Moment, String)> = notices(&journals::promoted().journal, context)
            .into_iter()
            .map(|notice| (notice.moment, notice.to))
            .collect();
        assert_eq!(told, [(Moment::Before, "C0OPS".to_owned()), (Moment::After, "C0OPS".to_owned())]);
        assert_eq!(notices(&journals::rollback_clicked().journal, context).len(), 1);
    });
}

/// The outbox asks the views, the engine asks the run: both have to mean the same.
#[test]
fn the_notices_are_those_that_the_run_still_owes() {
    for (name, story) in journals::all() {
        for length in 1..=story.journal.len() {
            let journal = &story.journal[..length];
            let run = Run::from_journal(journal).unwrap();
            let due = in_context(|context| notices(journal, context));
            for moment in [Moment::Before, Moment::After] {
                for owed in run.untold(moment) {
                    if let Destination::Slack(to) = owed {
                        assert!(
                            due.iter().any(|notice| notice.moment == moment && notice.to == *to),
                            "{name}, {length} events: {moment:?} to {to} is owed and not written"
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn a_preview_says_that_nothing_was_done() {
    let page: Vec<String> = [journals::promoted(), journals::overridden_and_scheduled()]
        .iter()
        .map(|story| {
            let run = story.run();
            let ((plan, digest), (_, facts)) = (run.plan.unwrap(), run.facts.unwrap());
            in_context(|context| read(&preview(&plan, &digest, &run.safeguards, &facts, context)))
        })
        .collect();
    insta::assert_snapshot!("preview", page.join("════\n"));
}
