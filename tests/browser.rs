//! A person at the sandbox's page: the real program and a real browser, with keys and clicks, up to what is read.
//!
//! What the page looked like is kept as pictures; their names are printed. With `ALCH_README_SCREENSHOT=1` the picture in
//! the README, `docs/images/sandbox.png`, is made anew.

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

const THREAD: &str = "[data-testid=thread]";
const CHANNEL: &str = "main";
const CONFIRM: &str = "[data-testid=confirm]";

/// Browsers measure in real time: one at a time, so that they do not slow each other down.
static TURN: Mutex<()> = Mutex::const_new(());

/// Opens the sandbox's page and tells the story; in the end nothing may have gone wrong in the page.
async fn story(tell: impl AsyncFnOnce(&mut Page)) {
    let _turn = TURN.lock().await;
    let Some(mut chromium) = Chromium::start() else { return };
    let sandbox = Sandbox::start();
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
        let holds = format!("document.querySelector('[data-testid=rule-dev-{rule}]')?.dataset.state === '{state}'");
        self.until_within(SOON, &format!("{rule} {state}"), &holds).await;
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
        if std::env::var("ALCH_README_SCREENSHOT").is_ok_and(|wanted| wanted == "1") {
            page.picture(&Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/images/sandbox.png")).await;
        }
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
        page.until_within(SOON, "the question gone", &format!("!document.querySelector('{CONFIRM}')")).await;
        page.click(cancel).await;
        page.click("[data-testid=confirm-ok]").await;
        page.until_text(SOON, THREAD, "asked to cancel R-1").await;
        page.until_text(SOON, THREAD, "Now signal-generated is enabled.").await;
        page.until_text(SOON, CHANNEL, "cancelled").await;
        page.until_within(SOON, "no button to cancel with", &format!("!document.querySelector('{cancel}')")).await;
        page.pictured("cancelled").await;
        page.shows_world().await;
        page.until_rule("signal-generated", "ENABLED").await;
    })
    .await;
}

#[tokio::test]
async fn all_rules_are_enabled_in_under_a_minute_and_a_rollback_disables_them_all() {
    let rules = ["signal-generated", "rebalance-planned", "trade-executed", "all-events-monitor"];
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
        for rule in rules {
            page.until_rule(rule, "ENABLED").await;
        }
        page.says("/alch rollback dev").await;
        page.until_text(SOON, THREAD, "dev: all rules off and verified").await;
        page.newest_reply_is_in_view().await;
        page.pictured("rolled-back").await;
        page.shows_world().await;
        for rule in rules {
            page.until_rule(rule, "DISABLED").await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_guest_is_refused_in_a_message_that_only_the_guest_sees() {
    let refusal = "main [data-testid=message][data-ephemeral=true]";
    story(async |page| {
        page.click("[data-testid=person-U0GUEST]").await;
        page.says("/alch enable signal-generated dev").await;
        page.until_text(SOON, refusal, "Guests may look, but not act").await;
        page.pictured("refused").await;
        page.click("[data-testid=person-U0ALICE]").await;
        page.until_within(SOON, "nothing for Alice", &format!("!document.querySelector('{refusal}')")).await;
        page.until_rule("signal-generated", "DISABLED").await;
    })
    .await;
}

#[tokio::test]
async fn help_status_home_and_a_typing_mistake_are_answered_at_once() {
    let answer = "main [data-testid=message][data-ephemeral=true]";
    story(async |page| {
        page.says("/alch help").await;
        page.until_text(SOON, answer, "rollback").await;
        page.pictured("help").await;
        page.says("/alch enable signal-genrated dev").await;
        page.until_text(SOON, answer, "signal-genrated").await;
        page.until_text(SOON, answer, "signal-generated").await;
        page.pictured("mistake").await;
        page.says("/alch status dev").await;
        page.until_text(SOON, answer, "free: no run holds it").await;
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
