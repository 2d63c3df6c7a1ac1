//! A person at the sandbox's page: the real program and a real browser, with keys and clicks, up to what is read.
//!
//! What the page looked like is kept as pictures; their names are printed. With `ALCH_README_SCREENSHOT=1` the pictures in
//! the README, `docs/images/`, are made anew.

#![cfg(feature = "sandbox")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support {
    pub mod chromium;
    pub mod required;
    pub mod sandbox;
}

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::json;
use support::chromium::{Chromium, Page, pictures};
use support::sandbox::Sandbox;
use tokio::sync::Mutex;

/// A large window, and a phone's.
const WIDE: (u32, u32) = (1440, 900);
const PHONE: (u32, u32) = (390, 800);
/// An answer that needs no waiting of the bot's own.
const SOON: Duration = Duration::from_secs(15);
/// A run of one rule, whose waits take 9 s in the sandbox.
const ONE_RULE: Duration = Duration::from_secs(40);
/// What `enable all dev` may take.
const ALL_RULES: Duration = Duration::from_secs(60);
/// Production with waits so short that metrics just arrive in them.
const HASTY: [(&str, &str); 6] = [
    ("ALCH__ENVIRONMENTS__PROD__WAITS__AFTER_ENABLE", "4s"),
    ("ALCH__ENVIRONMENTS__PROD__WAITS__SETTLE", "5s"),
    ("ALCH__ENVIRONMENTS__PROD__SAFEGUARDS__SOAK", "1s"),
    ("ALCH__ENVIRONMENTS__PROD__SAFEGUARDS__ONE_RULE_PER", "4s"),
    ("ALCH__ENVIRONMENTS__PROD__SAFEGUARDS__WATCH_AFTER", "4s"),
    ("ALCH__ENVIRONMENTS__DEV__WAITS__AFTER_ENABLE", "4s"),
];

const THREAD: &str = "[data-testid=thread]";
const CHANNEL: &str = "main";
const CONFIRM: &str = "[data-testid=confirm]";
const MODAL: &str = "[data-testid=modal]";
/// What only the person sees who looks.
const ANSWER: &str = "main [data-testid=message][data-ephemeral=true]";
const ANSWER_IN_THREAD: &str = "[data-testid=thread] [data-testid=message][data-ephemeral=true]";
const ALICE: &str = "U0ALICE";
const BOB: &str = "U0BOB";
const CAROL: &str = "U0CAROL";
const RULES: [&str; 4] = ["signal-generated", "rebalance-planned", "trade-executed", "all-events-monitor"];

/// Browsers measure in real time: one at a time, so that they do not slow each other down.
static TURN: Mutex<()> = Mutex::const_new(());

/// Opens the sandbox's page and tells the story; in the end nothing may have gone wrong in the page.
async fn story(tell: impl AsyncFnOnce(&mut Page)) {
    story_with(&[], tell).await;
}

/// The same, in a sandbox with these variables.
async fn story_with(variables: &[(&str, &str)], tell: impl AsyncFnOnce(&mut Page)) {
    let _turn = TURN.lock().await;
    let Some(mut chromium) = Chromium::start() else { return };
    let sandbox = Sandbox::start(variables);
    let mut page = chromium.open(&sandbox.url, WIDE).await;
    tell(&mut page).await;
    assert!(page.complaints().is_empty(), "the page complains: {:#?}", page.complaints());
    chromium.close(page).await;
}

impl Page {
    /// Types into the channel and sends it.
    async fn says(&mut self, text: &str) {
        self.types("[data-testid=composer]", text).await;
        self.enter().await;
    }

    /// Waits until the emulated EventBridge has this rule of dev so: what is true, whatever the bot says.
    async fn until_rule(&mut self, rule: &str, state: &str) {
        self.until_rule_of("dev", rule, state).await;
    }

    async fn until_rule_of(&mut self, environment: &str, rule: &str, state: &str) {
        let selector = format!("[data-testid=rule-{environment}-{rule}]");
        let holds = format!("document.querySelector('{selector}')?.dataset.state === '{state}'");
        self.until_within(SOON, &format!("{rule} of {environment} {state}"), &holds).await;
    }

    /// From now on, what is clicked and typed is this person's.
    async fn becomes(&mut self, person: &str) {
        self.click(&format!("[data-testid=person-{person}]")).await;
    }

    /// Clicks a button of the bot's.
    async fn presses(&mut self, place: &str, action: &str) {
        self.click(&format!("{place} [data-testid=button][data-action-id='{action}']")).await;
    }

    /// Waits until one message of the channel says all of this.
    async fn until_said(&mut self, limit: Duration, parts: &[&str]) {
        let holds = format!(
            "[...document.querySelectorAll('main [data-testid=message]')]
                .some((message) => {}.every((part) => message.innerText.includes(part)))",
            json!(parts)
        );
        self.until_within(limit, &format!("a message with {parts:?}"), &holds).await;
    }

    /// Waits until the thread shows a chart that says this to who does not see it.
    async fn until_drawn(&mut self, words: &str) {
        let drawn = format!(
            "[...document.querySelectorAll('{THREAD} img')]
                .some((one) => one.alt.includes({}) && one.complete && one.naturalWidth === 1200)",
            json!(words)
        );
        self.until_within(SOON, &format!("a chart with {words:?}"), &drawn).await;
    }

    async fn until_gone(&mut self, selector: &str) {
        let holds = format!("!document.querySelector({})", json!(selector));
        self.until_within(SOON, &format!("no {selector}"), &holds).await;
    }

    /// Scrolls the thread to its first message.
    async fn brings_up_the_beginning(&mut self) {
        self.value(&format!("document.querySelector('{THREAD} .list').scrollTop = 0")).await;
    }

    /// Scrolls the thread to its last message, and leaves it there as more come.
    async fn brings_up_the_end(&mut self) {
        self.value(&format!("document.querySelector('{THREAD} .list').scrollTop = 1e6")).await;
        self.newest_reply_is_in_view().await;
    }

    /// A picture in each theme.
    async fn pictured_in_both(&mut self, name: &str) {
        self.pictured(name).await;
        self.theme("dark").await;
        self.pictured(&format!("{name}-dark")).await;
        self.theme("light").await;
    }

    /// Keeps the README's picture with this name, when that is asked for.
    async fn pictured_for_the_readme(&mut self, name: &str) {
        if std::env::var("ALCH_README_SCREENSHOT").is_ok_and(|wanted| wanted == "1") {
            let images = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/images");
            self.picture(&images.join(format!("{name}.png"))).await;
        }
    }

    async fn shows_world(&mut self) {
        let open = "document.querySelector('[data-testid=world]') !== null";
        if self.value(open).await != json!(true) {
            self.click("[data-testid=tab-world], [data-testid=world-toggle]").await;
        }
        self.until_within(SOON, "the world panel", open).await;
    }

    /// In the thread pane, the newest message is in view to its end.
    async fn newest_reply_is_in_view(&mut self) {
        let in_view = format!(
            "(() => {{
                const list = document.querySelector('{THREAD} .list');
                const last = [...list.querySelectorAll('[data-testid=message]')].at(-1);
                return last.getBoundingClientRect().bottom <= list.getBoundingClientRect().bottom + 1;
            }})()"
        );
        self.until_within(SOON, "the end of the thread in view", &in_view).await;
    }

    /// Scrolls a message of the thread to the top, and says so only when it is there.
    async fn brings_up(&mut self, text: &str) {
        let found = format!(
            "(() => {{
                const said = [...document.querySelectorAll('{THREAD} [data-testid=message]')];
                const one = said.find((message) => message.innerText.includes({}));
                one?.scrollIntoView({{ block: 'start' }});
                return one !== undefined;
            }})()",
            json!(text)
        );
        self.until_within(SOON, text, &found).await;
    }

    async fn pictured(&mut self, name: &str) {
        self.picture(&pictures().join(format!("{name}.png"))).await;
    }
}

#[tokio::test]
async fn a_rule_is_enabled_and_its_thread_grows_to_healthy() {
    story(async |page| {
        page.says("/alch enable signal-generated dev").await;
        page.until_text(SOON, THREAD, "Plan of R-1").await;
        page.until_text(SOON, CHANNEL, "Watch signal-generated").await;
        page.pictured("running").await;
        page.until_text(ONE_RULE, THREAD, "signal-generated is healthy").await;
        page.until_text(SOON, THREAD, "succeeded").await;
        page.newest_reply_is_in_view().await;
        page.pictured("healthy").await;
        page.theme("dark").await;
        page.pictured("healthy-dark").await;
        page.resize(PHONE).await;
        page.newest_reply_is_in_view().await;
        page.pictured("healthy-phone-dark").await;
        page.theme("light").await;
        page.pictured("healthy-phone").await;
        page.brings_up("signal-generated is healthy").await;
        page.pictured("gate-phone").await;
        page.click("[data-testid=thread-close]").await;
        page.pictured("channel-phone").await;
        page.resize(WIDE).await;
        page.click("main [data-testid=thread-summary]").await;
        page.brings_up("signal-generated is healthy").await;
        page.pictured("gate").await;
        page.pictured_for_the_readme("sandbox").await;
        page.shows_world().await;
        page.until_rule("signal-generated", "ENABLED").await;
    })
    .await;
}

#[tokio::test]
async fn a_rule_that_fails_is_stopped_by_its_gate_which_says_what_to_do() {
    story(async |page| {
        page.says("/alch disable signal-generated dev").await;
        page.until_text(SOON, CHANNEL, "R-1").await;
        page.until_text(SOON, CHANNEL, "succeeded").await;
        page.shows_world().await;
        page.click("[data-testid='fault-dev.rule.signal-generated.fails']").await;
        let on =
            "document.querySelector(`[data-testid='fault-dev.rule.signal-generated.fails']`).ariaChecked === 'true'";
        page.until_within(SOON, "the fault switched on", on).await;
        page.pictured("world").await;
        page.says("/alch enable signal-generated dev").await;
        page.until_text(SOON, THREAD, "Plan of R-2").await;
        page.until_text(ONE_RULE, THREAD, "❌ signal-generated failed").await;
        page.until_text(SOON, THREAD, "To undo or go on").await;
        page.newest_reply_is_in_view().await;
        page.pictured("gate-failed").await;
        let told = page.text(THREAD).await;
        for wanted in
            ["❌ fail ·", "dev holds on a failed gate", "/alch disable signal-generated dev", "Primary contact"]
        {
            assert!(told.contains(wanted), "it does not say {wanted:?}:\n{told}");
        }
        page.until_text(SOON, CHANNEL, "The gate of signal-generated failed").await;
        page.theme("dark").await;
        page.pictured("gate-failed-dark").await;
        page.resize(PHONE).await;
        page.pictured("gate-failed-phone").await;
        page.click("[data-testid=tab-world]").await;
        page.pictured("world-phone-dark").await;
        page.until_rule("signal-generated", "ENABLED").await;
    })
    .await;
}

#[tokio::test]
async fn a_run_is_cancelled_by_its_button_only_once_the_question_is_confirmed() {
    let cancel = "main [data-testid=button][data-action-id=cancel]";
    story(async |page| {
        page.says("/alch enable signal-generated dev").await;
        page.until_text(SOON, CHANNEL, "of 6 s").await;
        page.click(cancel).await;
        page.until_text(SOON, CONFIRM, "stops at its next safe point").await;
        page.pictured("confirm").await;
        page.click("[data-testid=confirm-cancel]").await;
        page.until_gone(CONFIRM).await;
        page.click(cancel).await;
        page.click("[data-testid=confirm-ok]").await;
        page.until_text(SOON, THREAD, "asked to cancel R-1").await;
        page.until_text(SOON, THREAD, "Now signal-generated is enabled.").await;
        page.until_text(SOON, CHANNEL, "cancelled").await;
        page.until_gone(cancel).await;
        page.pictured("cancelled").await;
        page.shows_world().await;
        page.until_rule("signal-generated", "ENABLED").await;
    })
    .await;
}

#[tokio::test]
async fn all_rules_are_enabled_in_under_a_minute_and_a_rollback_disables_them_all() {
    story(async |page| {
        let began = Instant::now();
        page.says("/alch enable all dev").await;
        page.until_text(ALL_RULES, THREAD, "all-events-monitor is healthy").await;
        page.until_text(SOON, CHANNEL, "succeeded").await;
        let taken = began.elapsed();
        println!("enable all dev took {} s", taken.as_secs());
        assert!(taken < ALL_RULES, "{taken:?}");
        page.newest_reply_is_in_view().await;
        page.pictured("all-enabled").await;
        page.shows_world().await;
        for rule in RULES {
            page.until_rule(rule, "ENABLED").await;
        }
        page.says("/alch rollback dev").await;
        page.until_text(SOON, THREAD, "dev: all rules off and verified").await;
        page.newest_reply_is_in_view().await;
        page.pictured("rolled-back").await;
        page.shows_world().await;
        for rule in RULES {
            page.until_rule(rule, "DISABLED").await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_guest_is_refused_in_a_message_that_only_the_guest_sees() {
    story(async |page| {
        page.click("[data-testid=person-U0GUEST]").await;
        page.says("/alch enable signal-generated dev").await;
        page.until_text(SOON, ANSWER, "Guests may look, but not act").await;
        page.pictured("refused").await;
        page.becomes(ALICE).await;
        page.until_gone(ANSWER).await;
        page.until_rule("signal-generated", "DISABLED").await;
    })
    .await;
}

#[tokio::test]
async fn help_status_home_and_a_typing_mistake_are_answered_at_once() {
    story(async |page| {
        page.says("/alch help").await;
        page.until_text(SOON, ANSWER, "rollback").await;
        page.pictured("help").await;
        page.says("/alch enable signal-genrated dev").await;
        page.until_text(SOON, ANSWER, "signal-genrated").await;
        page.until_text(SOON, ANSWER, "signal-generated").await;
        page.pictured("mistake").await;
        page.says("/alch status dev").await;
        page.until_text(SOON, ANSWER, "free: no run holds it").await;
        page.pictured("status").await;
        page.types("[data-testid=composer]", "/alch en").await;
        page.until_text(SOON, "[data-testid=hints]", "enable").await;
        page.pictured("hints").await;
        page.click("[data-testid=place-dm]").await;
        page.click("[data-testid=dm-home]").await;
        page.until_text(SOON, "[data-testid=home]", "signal-generated").await;
        page.pictured("home").await;
    })
    .await;
}

#[tokio::test]
async fn a_version_is_promoted_by_two_people_with_every_safeguard_and_stakeholders_are_told() {
    story_with(&HASTY, async |page| {
        page.says("/alch rollback dev").await;
        page.until_said(SOON, &["R-1 ", "succeeded"]).await;
        page.says("/alch enable all dev").await;
        page.until_said(ALL_RULES, &["R-2 ", "succeeded"]).await;
        page.says("/alch promote --reason \"release 2026.11.20\"").await;
        page.until_text(SOON, THREAD, "It cannot be approved, because this does not hold: Healthy in dev").await;
        page.until_text(SOON, THREAD, "Override soak…").await;
        page.until_said(SOON, &["R-3 ", "waiting for approval"]).await;
        page.brings_up("R-3 needs approval").await;
        page.pictured_in_both("promotion-blocked").await;
        page.presses("main", "cancel").await;
        page.click("[data-testid=confirm-ok]").await;
        page.until_said(SOON, &["R-3 ", "cancelled"]).await;
        page.says("/alch verify dev").await;
        page.until_said(SOON, &["R-4 ", "succeeded"]).await;
        // The soak of a second is over before anybody could ask.
        page.until_within(SOON, "a second", "new Promise((done) => setTimeout(() => done(true), 1100))").await;
        page.says("/alch promote --reason \"release 2026.11.20\"").await;
        page.until_text(SOON, THREAD, "R-5 needs approval").await;
        page.until_text(SOON, THREAD, "Safeguards: 9 of 9 hold").await;
        page.until_said(SOON, &["R-5 ", "waiting for approval"]).await;
        page.brings_up("R-5 needs approval").await;
        page.pictured_in_both("approval").await;
        page.pictured_for_the_readme("approval").await;
        page.presses(THREAD, "approve").await;
        page.until_text(SOON, ANSWER_IN_THREAD, "somebody else has to approve it").await;
        page.becomes(BOB).await;
        page.presses(THREAD, "approve").await;
        page.until_text(SOON, ANSWER_IN_THREAD, "You approved R-5").await;
        page.until_text(SOON, THREAD, "Approved, 1 of 1").await;
        page.brings_up_the_beginning().await;
        page.pictured_in_both("approved").await;
        page.until_said(ONE_RULE, &["R-5 ", "Watch rebalance-planned"]).await;
        page.until_text(ONE_RULE, THREAD, "signal-generated is healthy").await;
        page.brings_up_the_end().await;
        page.pictured_in_both("promotion-watch").await;
        page.until_said(ALL_RULES, &["R-5 ", "succeeded"]).await;
        page.until_text(SOON, THREAD, "Stakeholders were told of the end").await;
        page.newest_reply_is_in_view().await;
        page.pictured_in_both("promoted").await;
        page.pictured_for_the_readme("promoted").await;
        page.until_drawn("4 rules of prod: promote").await;
        page.brings_up("📈 4 rules of prod: promote").await;
        page.pictured_in_both("chart").await;
        page.pictured_for_the_readme("chart").await;
        page.shows_world().await;
        for rule in RULES {
            page.until_rule_of("prod", rule, "ENABLED").await;
        }
        page.click("[data-testid=notices-prod] summary").await;
        page.until_text(SOON, "[data-testid=notices-prod]", "promotion R-5 succeeded").await;
        page.click("[data-testid=place-C0STAKEHOLD]").await;
        page.until_said(SOON, &["R-5 begins", "Object"]).await;
        page.until_said(SOON, &["succeeded", "R-5"]).await;
        page.pictured_in_both("stakeholders").await;
    })
    .await;
}

#[tokio::test]
async fn a_rule_that_fails_midway_ends_a_run_in_production_and_is_undone_by_itself() {
    story_with(&HASTY, async |page| {
        page.click("[data-testid='fault-prod.rule.rebalance-planned.fails']").await;
        page.says("/alch enable all prod").await;
        page.until_text(SOON, THREAD, "R-1 needs approval").await;
        page.becomes(BOB).await;
        page.presses(THREAD, "approve").await;
        page.until_text(ONE_RULE, THREAD, "❌ rebalance-planned failed").await;
        page.until_said(SOON, &["R-1 ", "failed", "undone"]).await;
        page.until_text(SOON, THREAD, "Stakeholders were told of the end").await;
        page.newest_reply_is_in_view().await;
        page.pictured_in_both("failed-midway").await;
        page.resize(PHONE).await;
        page.newest_reply_is_in_view().await;
        page.pictured("failed-midway-phone").await;
        page.resize(WIDE).await;
        page.brings_up("❌ rebalance-planned failed").await;
        page.pictured("failed-midway-gate").await;
        page.shows_world().await;
        for rule in RULES {
            page.until_rule_of("prod", rule, "DISABLED").await;
        }
        page.click("[data-testid=place-C0STAKEHOLD]").await;
        page.until_said(SOON, &["failed", "R-1", "undone again"]).await;
        page.pictured("failed-midway-stakeholders").await;
    })
    .await;
}

#[tokio::test]
async fn who_rejects_says_why_in_a_form_and_everybody_reads_it() {
    story(async |page| {
        page.says("/alch enable signal-generated prod").await;
        page.until_text(SOON, THREAD, "R-1 needs approval").await;
        page.becomes(BOB).await;
        page.presses(THREAD, "reject").await;
        page.until_text(SOON, MODAL, "Reject R-1").await;
        page.click("[data-testid=modal-submit]").await;
        page.until_text(SOON, MODAL, "required").await;
        page.types(&format!("{MODAL} textarea"), "The release notes are not there yet").await;
        page.pictured_in_both("reject").await;
        page.click("[data-testid=modal-submit]").await;
        page.until_gone(MODAL).await;
        page.until_text(SOON, THREAD, "The release notes are not there yet").await;
        page.until_gone("[data-testid=button][data-action-id=approve]").await;
        page.until_said(SOON, &["R-1 ", "Nothing was changed"]).await;
        page.brings_up_the_beginning().await;
        page.pictured_in_both("rejected").await;
        page.shows_world().await;
        page.until_rule_of("prod", "signal-generated", "DISABLED").await;
    })
    .await;
}

#[tokio::test]
async fn in_an_incident_one_click_turns_production_off_and_stops_the_run_there() {
    story_with(&HASTY, async |page| {
        page.says("/alch enable all prod").await;
        page.until_text(SOON, THREAD, "R-1 needs approval").await;
        page.becomes(BOB).await;
        page.presses(THREAD, "approve").await;
        page.until_said(SOON, &["R-1 ", "Watch signal-generated"]).await;
        page.shows_world().await;
        page.until_rule_of("prod", "signal-generated", "ENABLED").await;
        page.becomes(CAROL).await;
        page.says("/alch rollback prod").await;
        page.until_said(SOON, &["R-2 ", "rollback"]).await;
        page.pictured_in_both("rollback-card").await;
        page.presses("main", "rollback:now").await;
        page.until_text(SOON, CONFIRM, "prod").await;
        page.pictured_in_both("rollback-confirm").await;
        page.click("[data-testid=confirm-ok]").await;
        page.until_text(SOON, THREAD, "prod: all rules off and verified").await;
        page.until_said(SOON, &["R-1 ", "pre-empted"]).await;
        page.until_text(SOON, THREAD, "Stakeholders were told of the end").await;
        page.newest_reply_is_in_view().await;
        page.pictured_in_both("production-off").await;
        page.shows_world().await;
        for rule in RULES {
            page.until_rule_of("prod", rule, "DISABLED").await;
        }
        page.click("[data-testid=place-C0STAKEHOLD]").await;
        page.until_said(SOON, &["succeeded", "R-2 rollback"]).await;
        page.pictured("production-off-stakeholders").await;
    })
    .await;
}
