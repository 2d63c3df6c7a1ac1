// A stand-in for the sandbox's server, for work on the page alone; it also says, by example, what the page expects.
//
//   npm run mock            serves dist/ and a made-up bot on http://127.0.0.1:4848
//
// GET  /sandbox/stream    server-sent events; `event: state`, data: the whole state, at once and after every change.
// POST /sandbox/say       {user, text, channel, thread_ts?}; text is as Slack stores it: & < > escaped, mentions as
//                         <@U…>. A text that begins with "/" is a slash command, sent raw. `channel` is the channel's
//                         id, or "D" and the rest of the user's id ("U0ALICE" → "D0ALICE"): the direct messages.
// POST /sandbox/act       {user, message_ts | view_id, block_id, action_id, value? , selected?}; `value` is a button's,
//                         `selected` what was chosen: an option's value, a date, an id, or a list of them.
// POST /sandbox/submit    {user, view_id, values: {block_id: {action_id: {type, value | selected_option | …}}}};
//                         may answer {"ok": false, "errors": {block_id: text}}, shown beside the fields.
// POST /sandbox/close     {user, view_id}
// POST /sandbox/home      {user}: this person opened the bot's place (Slack's app_home_opened)
// POST /sandbox/fault     {id, on}
// A person may have a `handle` (for @mentions) and a group an `id`; a message may have `reactions`, a list of names. A
// link to …/archives/<channel>/p<ts without the dot> opens here, and so does the page's fragment `#/<channel>/p<ts>`.
// Each POST answers {"ok": bool, "error"?: text}. `error` is shown to the person as it is, except when it speaks of
// threads or an unknown command: those get the sentence that Slack has for them.
import { createServer } from "node:http";
import { readFile } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";

const dist = path.join(path.dirname(fileURLToPath(import.meta.url)), "dist");
const port = Number(process.env.PORT ?? 4848);
/** How many times faster than the real bot the made-up one works. */
const SPEED = Number(process.env.SPEED ?? 1);

const bot = { id: "U0ALCH", name: "alch" };
const channel = { id: "C0PLATFORM", name: "alchemiser-platform", topic: "Deployments of the Alchemiser's event bus, one rule at a time" };
/** Further channels. */
const channels = [{ id: "C0STAKEHOLD", name: "trading-stakeholders", topic: "What happens in production, before and after" }];
const people = [
  { id: "U0ALICE", name: "Alice Moreau", handle: "alice.moreau", title: "Engineer", color: "#2f7d6b", initials: "AM", kind: "member" },
  { id: "U0BOB", name: "Bob Keller", handle: "bob.keller", title: "Release approver", color: "#b4512d", initials: "BK", kind: "member" },
  { id: "U0CAROL", name: "Carol Okafor", handle: "carol.okafor", title: "On call", color: "#7a4bb0", initials: "CO", kind: "member" },
  { id: "U0GUEST", name: "Gus Vale", handle: "gus.vale", title: "Contractor", color: "#3d6fb5", initials: "GV", kind: "guest" },
  { id: "U0STRANGER", name: "Sam Frost", handle: "sam.frost", title: "Partner company", color: "#8a6d1f", initials: "SF", kind: "stranger" },
];
const groups = [{ handle: "alch-responders", id: "S0RESPONDERS", members: ["U0CAROL"] }];
const hints = [
  { usage: "/alch enable <rule|all> <env>", description: "Enable a rule, watch it, report" },
  { usage: "/alch disable <rule|all> <env>", description: "Disable a rule" },
  { usage: "/alch rollback <env>", description: "Everything off, verified, at once" },
  { usage: "/alch verify <env>", description: "Check bus, rules, queue, alarms, table" },
  { usage: "/alch status [env]", description: "What is on, what is running" },
  { usage: "/alch runs [env]", description: "Recent runs" },
  { usage: "/alch show <run>", description: "One run's story" },
  { usage: "/alch cancel <run>", description: "Stop a run at its next safe point" },
  { usage: "/alch freeze <env>", description: "Close an environment to runs (opens a form)" },
  { usage: "/alch whoami", description: "Who Alch thinks you are" },
  { usage: "/alch help [command]", description: "What Alch can do" },
];
const faults = [
  { id: "rule-fails", label: "signal-generated fails in dev", group: "Events", active: false, momentary: false },
  { id: "no-traffic", label: "No events flow in dev", group: "Events", active: false, momentary: false },
  { id: "fill-dlq", label: "Put 12 messages on the DLQ", group: "Events", active: false, momentary: true },
  { id: "throttle", label: "AWS throttles every call", group: "AWS", active: false, momentary: false },
  { id: "late-metrics", label: "Metrics arrive late", group: "AWS", active: false, momentary: false },
  { id: "slack-down", label: "Slack is down", group: "Slack", active: false, momentary: false },
  { id: "slack-limit", label: "Answer the next call with 429", group: "Slack", active: false, momentary: true },
  { id: "kill", label: "Kill and restart the bot", group: "Bot", active: false, momentary: true },
];
const RULES = ["signal-generated", "rebalance-planned", "trade-executed", "workflow-completed", "workflow-failed"];
function environment(name, account, on) {
  return {
    name,
    account,
    rules: RULES.map((short, index) => ({ short, name: `alchemiser-${short}-${name}`, state: index < on ? "ENABLED" : "DISABLED", invocations_5m: index < on ? 23 - index * 4 : 0, failed_5m: 0 })),
    dlqs: [{ name: `alchemiser-event-dlq-${name}`, visible: 0, in_flight: 0, delayed: 0 }],
    function: { name: `alchemiser-trading-${name}`, invocations_5m: on ? 61 : 0, errors_5m: 0, throttles_5m: 0 },
    alarms: [
      { name: `alchemiser-dlq-messages-${name}`, state: "OK", since: new Date(Date.now() - 86e5).toISOString() },
      { name: `alchemiser-lambda-errors-${name}`, state: "OK", since: new Date(Date.now() - 86e5).toISOString() },
    ],
    table: { name: `alchemiser-event-dedup-${name}`, ttl: "ENABLED" },
    version: { label: "2026.11.20", artefact: "q83vEjRWeJq83vEjRWeJq83vEjRWeJq83vEjRWeJq8=", since: new Date(Date.now() - 86e6).toISOString() },
    // What SNS was given for the environment's topics, the newest first.
    published: on ? [{ id: "00000000-0000-4000-8000-000000000001", topic: `alchemiser-notices-${name}`, subject: `${name}: R-7 begins`, body: "What: all rules are enabled, one per hour.\nWhy: release 2026.11.20.\n", at: new Date(Date.now() - 36e5).toISOString() }] : [],
  };
}
const world = { environments: [environment("dev", "1111-1111-1111", 0), environment("prod", "2222-2222-2222", 5)] };
const dev = world.environments[0];

const messages = [];
let views = [];
const home = {
  U0ALICE: { type: "home", id: "VHOME", blocks: [{ type: "header", text: { type: "plain_text", text: "Good afternoon, Alice Moreau" } }, { type: "section", text: { type: "mrkdwn", text: "*dev* is idle. *prod* is frozen until <!date^1795651200^{date_short_pretty} at {time}|tomorrow> for the quarter's end." } }] },
};

let lastSeconds = 0;
function post(message, secondsAgo = 0) {
  let seconds = Date.now() / 1000 - secondsAgo;
  if (secondsAgo === 0) seconds = lastSeconds = Math.max(seconds, lastSeconds + 0.001);
  const full = { ts: seconds.toFixed(6), channel: channel.id, thread_ts: null, user: bot.id, text: "", blocks: null, edited: false, deleted: false, broadcast: false, ephemeral_to: null, files: [], reactions: [], ...message };
  messages.push(full);
  publish();
  return full;
}
function edit(ts, change) {
  const at = messages.findIndex((message) => message.ts === ts);
  messages[at] = { ...messages[at], ...change };
  publish();
}

const streams = new Set();
const state = () => ({ now: new Date().toISOString(), bot, channel, channels, people, groups, messages, views, home, hints, faults, world });
function publish() {
  const data = `event: state\ndata: ${JSON.stringify(state())}\n\n`;
  for (const stream of streams) stream.write(data);
}

// What the bot says.
const mrkdwn = (text) => ({ type: "mrkdwn", text });
const plain = (text) => ({ type: "plain_text", text, emoji: true });
const raw = (text) => ({ type: "raw_text", text });
const MARKS = { done: "✓", now: "▸", wait: "·", failed: "✗" };
const seconds = (count) => (count >= 60 ? `${Math.floor(count / 60)} min ${count % 60} s` : `${count} s`);

function card({ rule, env, who, state: runState, steps, progress, id, over }) {
  const lines = steps.map(([mark, text, took]) => `${mark === "done" ? ":white_check_mark:" : mark === "now" ? ":hourglass_flowing_sand:" : mark === "failed" ? ":x:" : ":white_small_square:"} ${text}${took === undefined ? "" : `  _${seconds(took)}_`}`);
  const bar = progress === undefined ? null : `${"█".repeat(Math.round(progress * 20))}${"░".repeat(20 - Math.round(progress * 20))} ${Math.round(progress * 100)} % of the wait`;
  const blocks = [
    { type: "header", text: plain(`Enable ${rule} in ${env}`) },
    { type: "section", block_id: "facts", fields: [mrkdwn(`*Requested by*\n<@${who}>`), mrkdwn(`*Environment*\n${env}`), mrkdwn(`*State*\n${runState}`), mrkdwn(`*Started*\n<!date^${Math.floor(Date.now() / 1000)}^{date_short_pretty} at {time}|now>`)] },
    { type: "section", block_id: "steps", text: mrkdwn(lines.join("\n")) },
  ];
  if (bar) blocks.push({ type: "section", block_id: "progress", text: mrkdwn(bar) });
  blocks.push({ type: "context", elements: [mrkdwn(`Run \`${id}\``), mrkdwn("plan `9f3ac1d`"), mrkdwn("bus `alchemiser-trading-events-dev`")] });
  if (!over) {
    blocks.push({
      type: "actions",
      block_id: "controls",
      elements: [
        { type: "button", action_id: "cancel", text: plain("Cancel"), style: "danger", value: id, confirm: { title: plain("Cancel this run?"), text: mrkdwn(`*${id}* stops at its next safe point. What it enabled stays enabled; the thread will say how to undo it.`), confirm: plain("Cancel the run"), deny: plain("Keep going"), style: "danger" } },
        { type: "button", action_id: "pause", text: plain("Pause"), value: id },
        { type: "overflow", action_id: "more", options: [{ text: plain("Show the plan"), value: "plan" }, { text: plain("Export the journal"), value: "journal" }] },
      ],
    });
  }
  const text = `Enable ${rule} in ${env}, requested by ${people.find((person) => person.id === who).name}: ${runState.replace(/[*:]/g, "")}. ${steps.map(([mark, step]) => `${MARKS[mark]} ${step}`).join(", ")}`;
  return { text, blocks };
}

const gateTable = (rows) => ({
  type: "table",
  block_id: "gate",
  column_settings: [{ is_wrapped: true }, { align: "right" }, { align: "right" }, {}],
  rows: [["Check", "Value", "Limit", "Verdict"], ...rows].map((row) => row.map(raw)),
});
const healthyRows = [
  ["FailedInvocations", "0 (23 invocations)", "0", "✓ pass"],
  ["ThrottledRules", "0", "0", "✓ pass"],
  ["Not sent to the DLQ", "0", "0", "✓ pass"],
  ["Function errors", "0", "0", "✓ pass"],
  ["Function throttles", "0", "0", "✓ pass"],
  ["DLQ messages", "0", "0", "✓ pass"],
  ["Alarms", "2 OK", "all OK", "✓ pass"],
];

function finishedRun(who, ago) {
  const id = "R-41";
  const steps = [["done", "Read the state: disabled, queue empty", 1], ["done", "Enable `rebalance-planned`", 1], ["done", "Confirm: enabled", 1], ["done", "Wait and watch", 120], ["done", "Gate: 7 of 7 checks pass", 4]];
  const parent = post({ ...card({ rule: "rebalance-planned", env: "dev", who, state: ":large_green_circle: healthy", steps, id, over: true }), edited: true }, ago);
  post({ thread_ts: parent.ts, text: "Enabled. Waiting 2 min, watching the queue and the alarms." }, ago - 5);
  post({ thread_ts: parent.ts, text: "Gate of rebalance-planned in dev: pass.", blocks: [{ type: "section", text: mrkdwn("*Gate of `rebalance-planned` in dev*") }, gateTable(healthyRows)] }, ago - 125);
  post({ thread_ts: parent.ts, text: "*healthy*: `rebalance-planned` is enabled in dev and delivers.\nTo undo it: `/alch disable rebalance-planned dev`" }, ago - 127);
  post({ thread_ts: parent.ts, user: "U0BOB", text: "<@U0ALCH> status" }, ago - 240);
  post({ thread_ts: parent.ts, text: "`rebalance-planned` is *enabled* in dev since <!date^" + Math.floor(Date.now() / 1000 - ago) + "^{time}|then>. No run holds dev." }, ago - 242);
}

post({ user: "U0BOB", text: "Morning. <@U0ALICE> the signal rule goes to dev today, prod once it has soaked. <!subteam^S0RESPONDERS> are around until six." }, 90_000);
post({ user: "U0ALICE", text: "Thanks! Checklist is in <https://example.com/runbook|the runbook>; I'll begin with `rebalance-planned`.\n> one rule at a time\nas *always* :slightly_smiling_face:" }, 89_900);
finishedRun("U0ALICE", 3600);
const first = messages.at(-6);
first.reactions = ["tada", "eyes", "tada"];
post({ user: "U0ALICE", text: "`rebalance-planned` is <http://127.0.0.1/archives/C0PLATFORM/p" + first.ts.replace(".", "") + "|fine>. Next one is signal-generated." }, 3300);
post({ ephemeral_to: "U0ALICE", text: "I don't know the rule “signal-generatd”. Did you mean *signal-generated*?\n```\n/alch enable <rule|all> <env>\n\nfor example:  /alch enable signal-generated dev\n```".replace("<rule|all> <env>", "&lt;rule|all&gt; &lt;env&gt;") }, 400);

let nextRun = 42;
const timers = new Map();

function startRun(rule, who) {
  const id = `R-${nextRun++}`;
  const target = dev.rules.find((one) => one.short === rule) ?? dev.rules[0];
  const base = { rule: target.short, env: "dev", who, id };
  const parent = post(card({ ...base, state: ":large_blue_circle: running", steps: [["now", "Read the state"], ["wait", `Enable \`${target.short}\``], ["wait", "Confirm"], ["wait", "Wait and watch, 2 min"], ["wait", "Gate"]] }));
  const steps = (mark, took, rest) => [["done", "Read the state: disabled, queue empty", 1], ["done", `Enable \`${target.short}\``, 1], ["done", "Confirm: enabled", 1], ...rest];
  const later = (millis, action) => timers.set(id, [...(timers.get(id) ?? []), setTimeout(action, millis / SPEED)]);
  later(900, () => {
    target.state = "ENABLED";
    post({ thread_ts: parent.ts, text: `\`${target.short}\` was disabled; it is enabled now. Waiting 2 min, watching the queue and the alarms.` });
  });
  for (let part = 1; part <= 10; part += 1) {
    later(900 + part * 500, () => {
      target.invocations_5m += 2;
      edit(parent.ts, { edited: true, ...card({ ...base, state: ":large_blue_circle: running", progress: part / 10, steps: steps(0, 0, [["now", "Wait and watch, 2 min", part * 12], ["wait", "Gate"]]) }) });
    });
  }
  later(6600, () => {
    const failing = faults[0].active;
    const rows = failing ? [["FailedInvocations", "7 of 23", "0", "✗ fail"], ...healthyRows.slice(1, 5), ["DLQ messages", "7", "0", "✗ fail"], ["Alarms", "1 in ALARM", "all OK", "✗ fail"]] : healthyRows;
    if (failing) {
      target.failed_5m = 7;
      dev.dlqs[0].visible = 7;
      dev.alarms[0] = { ...dev.alarms[0], state: "ALARM", since: new Date().toISOString() };
    }
    edit(parent.ts, { edited: true, ...card({ ...base, over: true, state: failing ? ":red_circle: stopped by its gate" : ":large_green_circle: healthy", steps: steps(0, 0, [["done", "Wait and watch", 120], failing ? ["failed", "Gate: 3 of 7 checks fail", 4] : ["done", "Gate: 7 of 7 checks pass", 4]]) }) });
    post({ thread_ts: parent.ts, text: `Gate of ${target.short}: ${failing ? "fail" : "pass"}.`, blocks: [{ type: "section", text: mrkdwn(`*Gate of \`${target.short}\` in dev*`) }, gateTable(rows)] });
    post({ thread_ts: parent.ts, broadcast: failing, text: failing ? `*Stopped*: 7 of 23 invocations of \`${target.short}\` failed. The rule is still enabled. To undo: \`/alch disable ${target.short} dev\`` : `*healthy*: \`${target.short}\` is enabled in dev and delivers.\nTo undo it: \`/alch disable ${target.short} dev\`` });
  });
  return id;
}

/** `/alch gallery`: one of each, to look at. */
function gallery(user) {
  const options = ["dev", "prod"].map((name) => ({ text: plain(name), value: name }));
  const rich = (text) => ({ type: "rich_text", elements: [{ type: "rich_text_section", elements: [{ type: "text", text }] }] });
  post({
    text: "One block of each kind.",
    blocks: [
      { type: "section", block_id: "g1", text: mrkdwn("A section with an overflow menu :tada: &lt;3"), accessory: { type: "overflow", action_id: "g-more", options } },
      { type: "section", block_id: "g2", text: mrkdwn("With a select"), accessory: { type: "static_select", action_id: "g-select", placeholder: plain("Environment"), options } },
      { type: "section", block_id: "g3", text: mrkdwn("With a date"), accessory: { type: "datepicker", action_id: "g-date", initial_date: "2026-11-30" } },
      { type: "section", block_id: "g4", text: plain("Plain *text*, with a button"), accessory: { type: "button", action_id: "g-button", text: plain("Look :eyes:"), value: "look" } },
      { type: "divider" },
      { type: "actions", block_id: "g5", elements: [
        { type: "button", action_id: "approve", style: "primary", text: plain("Approve"), value: "R-42", confirm: { title: plain("Approve?"), text: plain("The plan runs as shown."), confirm: plain("Approve"), deny: plain("Not yet") } },
        { type: "button", action_id: "reject", style: "danger", text: plain("Reject"), value: "R-42" },
        { type: "users_select", action_id: "g-user", placeholder: plain("Hand over to") },
        { type: "checkboxes", action_id: "g-boxes", options },
      ] },
      { type: "rich_text", elements: [
        { type: "rich_text_section", elements: [{ type: "text", text: "Rich ", style: { bold: true } }, { type: "user", user_id: user }, { type: "text", text: " and " }, { type: "link", url: "https://example.com", text: "a link" }] },
        { type: "rich_text_list", style: "bullet", elements: [{ type: "rich_text_section", elements: [{ type: "text", text: "one" }] }, { type: "rich_text_section", elements: [{ type: "text", text: "two" }] }] },
        { type: "rich_text_preformatted", elements: [{ type: "text", text: "$ alch check --live" }] },
        { type: "rich_text_quote", elements: [{ type: "text", text: "quoted" }] },
      ] },
      { type: "markdown", text: "**Markdown** with `code` and a table\n\n| a | b |\n|---|---|\n| 1 | 2 |" },
      { type: "plan", title: "Enable all in dev", tasks: [
        { type: "task_card", task_id: "t1", title: "signal-generated", status: "complete", details: rich("healthy after 2 min") },
        { type: "task_card", task_id: "t2", title: "rebalance-planned", status: "in_progress" },
        { type: "task_card", task_id: "t3", title: "trade-executed", status: "pending" },
        { type: "task_card", task_id: "t4", title: "workflow-failed", status: "error" },
      ] },
      { type: "image", title: plain("A picture"), alt_text: "the sandbox's mark", image_url: "favicon.svg", image_width: 64, image_height: 64 },
      { type: "context", elements: [{ type: "image", image_url: "favicon.svg", alt_text: "mark" }, mrkdwn("context with an image, <!date^1795651200^{date_long} at {time_secs}|then>")] },
      { type: "no_such_block" },
    ],
    files: [{ title: "failed-invocations.svg", url: "favicon.svg", alt: "Failed invocations over ten minutes" }, { title: "journal.jsonl", url: "LICENSES.txt", alt: null }],
  });
}

const freezeView = {
  type: "modal",
  callback_id: "freeze",
  title: plain("Freeze prod"),
  submit: plain("Freeze"),
  close: plain("Cancel"),
  blocks: [
    { type: "section", text: mrkdwn("Nobody can start a run that acts in *prod* until the freeze ends. A rollback still works.") },
    { type: "input", block_id: "reason", label: plain("Reason"), element: { type: "plain_text_input", action_id: "text", placeholder: plain("Quarter's end"), multiline: true } },
    { type: "input", block_id: "env", label: plain("Environment"), element: { type: "static_select", action_id: "name", initial_option: { text: plain("prod"), value: "prod" }, options: ["dev", "prod"].map((name) => ({ text: plain(name), value: name })) } },
    { type: "input", block_id: "day", label: plain("Until"), element: { type: "datepicker", action_id: "date" } },
    { type: "input", block_id: "hour", label: plain("At"), optional: true, element: { type: "timepicker", action_id: "time" }, hint: plain("Your local time; the end of the day when empty.") },
    { type: "input", block_id: "tell", label: plain("Tell"), optional: true, element: { type: "checkboxes", action_id: "whom", options: [{ text: plain("The channel"), value: "channel" }, { text: plain("Responders"), value: "responders", description: plain("as a direct message") }] } },
  ],
};

const answers = {
  say({ user, text, channel: where, thread_ts: thread = null }) {
    if (text.startsWith("/")) {
      if (thread) return { ok: false, error: "not_supported_in_threads" };
      const words = text.split(/\s+/);
      if (words[0] !== "/alch") return { ok: false, error: "unknown_command" };
      if (words[1] === "enable" && words[2]) startRun(words[2], user);
      else if (words[1] === "gallery") gallery(user);
      else if (words[1] === "freeze") views = [...views, { id: `V${Date.now()}`, user, view: freezeView }];
      else post({ channel: where, ephemeral_to: user, text: `I don't know “${words.slice(1).join(" ")}”.\n\`\`\`\n/alch enable &lt;rule|all&gt; &lt;env&gt;\n\`\`\`` });
    } else {
      post({ user, text, channel: where, thread_ts: thread });
      if (text.includes(`<@${bot.id}>`)) setTimeout(() => post({ channel: where, thread_ts: thread, text: `<@${user}> dev is idle; nothing holds it.` }), 600 / SPEED);
    }
    publish();
    return { ok: true };
  },
  act({ user, message_ts: ts, action_id: action, value }) {
    if (action === "cancel") {
      for (const timer of timers.get(value) ?? []) clearTimeout(timer);
      setTimeout(() => {
        const message = messages.find((one) => one.ts === ts);
        edit(ts, { edited: true, blocks: [...message.blocks.filter((block) => block.type !== "actions"), { type: "context", elements: [mrkdwn(`:octagonal_sign: Cancelled by <@${user}>, <!date^${Math.floor(Date.now() / 1000)}^{time}|now>`)] }] });
        post({ thread_ts: ts, text: `Cancelled by <@${user}>. The rule is still enabled.` });
      }, 800 / SPEED);
    } else if (ts) post({ ephemeral_to: user, thread_ts: ts, text: `You pressed *${action}* (\`${JSON.stringify(value ?? null)}\`).` });
    return { ok: true };
  },
  submit({ user, view_id: id, values }) {
    if ((values.reason.text.value ?? "").length < 4) return { ok: false, errors: { reason: "Say a little more; people will read this." } };
    views = views.filter((view) => view.id !== id);
    post({ text: `<@${user}> froze *prod*: ${values.reason.text.value}` });
    return { ok: true };
  },
  close({ view_id: id }) {
    views = views.filter((view) => view.id !== id);
    publish();
    return { ok: true };
  },
  home() {
    return { ok: true };
  },
  fault({ id, on }) {
    const fault = faults.find((one) => one.id === id);
    if (!fault) return { ok: false, error: `no fault ${id}` };
    if (id === "fill-dlq") dev.dlqs[0].visible += 12;
    if (!fault.momentary) fault.active = on;
    publish();
    return { ok: true };
  },
};

const TYPES = { ".html": "text/html; charset=utf-8", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", ".txt": "text/plain" };

const server = createServer(async (request, response) => {
  const { pathname } = new URL(request.url, "http://localhost");
  if (pathname === "/sandbox/stream") {
    response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-store" });
    streams.add(response);
    request.on("close", () => streams.delete(response));
    response.write(`event: state\ndata: ${JSON.stringify(state())}\n\n`);
    return;
  }
  const answer = request.method === "POST" && answers[pathname.replace("/sandbox/", "")];
  if (answer) {
    let body = "";
    for await (const chunk of request) body += chunk;
    response.writeHead(200, { "content-type": "application/json" });
    response.end(JSON.stringify(answer(JSON.parse(body))));
    return;
  }
  const file = path.join(dist, pathname === "/" ? "index.html" : path.basename(pathname));
  const content = await readFile(file).catch(() => null);
  if (content === null) response.writeHead(404).end("not found");
  else response.writeHead(200, { "content-type": TYPES[path.extname(file)] ?? "application/octet-stream", "content-security-policy": "default-src 'self'; img-src 'self' data: https:" }).end(content);
});
server.listen(port, "127.0.0.1", () => console.log(`http://127.0.0.1:${port}`));
