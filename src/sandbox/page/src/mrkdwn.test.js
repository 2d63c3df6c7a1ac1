import assert from "node:assert/strict";
import { test } from "node:test";
import { toPlainRichText, toRichText, toWords } from "./mrkdwn.js";

/** Rich text as one readable line: [bold code: text] for styled text, {type …} for the rest. */
function show(elements) {
  const leaf = (element) => {
    const styles = Object.keys(element.style ?? {}).join(" ");
    if (element.type === "text") return styles ? `[${styles}: ${element.text}]` : element.text;
    const { type, style: _, ...others } = element;
    return `{${[styles, type, ...Object.values(others)].filter((part) => part !== "" && part !== undefined).join(" ")}}`;
  };
  const names = { rich_text_section: "", rich_text_quote: "quote ", rich_text_preformatted: "pre " };
  return elements.map((element) => `${names[element.type]}${element.elements.map(leaf).join("")}`);
}

const check = (text, ...expected) => assert.deepEqual(show(toRichText(text)), expected);

test("styles begin and end at word boundaries, on one line", () => {
  check("*Bold* and _it_ and ~gone~.", "[bold: Bold] and [italic: it] and [strike: gone].");
  check("*bold _both_*", "[bold: bold ][bold italic: both]");
  check("10 * 3 * 4, snake_case_name, 2*3*4", "10 * 3 * 4, snake_case_name, 2*3*4");
  check("*open\nclose*", "*open\nclose*");
  check("*`signal-generated` in dev*", "[bold code: signal-generated][bold:  in dev]");
});

test("code keeps what is inside as it is", () => {
  check("`a*b*c` and `x &lt; y`", "[code: a*b*c] and [code: x < y]");
  check("see\n```\n*x*\n  indent\n```\nafter", "see", "pre *x*\n  indent", "after");
  check("an unclosed ``` fence", "an unclosed ``` fence");
});

test("quotes and blank lines stay where they are", () => {
  check("&gt; one\n&gt; *two*\nrest\n\nend", "quote one\n[bold: two]", "rest\n\nend");
  check("# not a heading\n1. not a list", "# not a heading\n1. not a list");
});

test("tokens become mentions, links and dates", () => {
  check("<@UALICE> in <#C1|general>", "{user UALICE} in {channel general}");
  check("<!subteam^S1|@responders> <!here>", "{usergroup responders} {broadcast here}");
  check("<https://a.example/?x=1&amp;y=2|the runbook>", "{link https://a.example/?x=1&y=2 the runbook}");
  check("see https://a.example/b.", "see {link https://a.example/b}.");
  check("<!date^1700000000^{time}|10:00>", "{date 1700000000 {time}}");
  check("<!date^soon^{time}|10:00>", "10:00");
  check("*<@UALICE>*", "{bold user UALICE}");
});

test("an unknown token, an entity or a script link is only text", () => {
  check("a &lt;b&gt; &amp;&amp; c < d", "a <b> && c < d");
  check("<javascript:alert(1)|x>", "<javascript:alert(1)|x>");
});

test("emoji are names between colons, not times", () => {
  check(":white_check_mark: at 10:30:45", "{emoji white_check_mark} at 10:30:45");
});

test("plain text has emoji but no markup", () => {
  assert.deepEqual(show(toPlainRichText("*a* :tada: &amp;")), ["*a* {emoji tada} &amp;"]);
  assert.deepEqual(show(toPlainRichText("a :tada:", false)), ["a :tada:"]);
});

test("words alone have no markup and name people", () => {
  const said = toWords("<@U1> froze *prod*: `x &lt; y` :white_check_mark: <https://a.example|here>", () => "Alice");
  assert.equal(said, "Alice froze prod: x < y white check mark here");
});
