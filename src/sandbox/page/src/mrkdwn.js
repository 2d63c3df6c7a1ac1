// Turns Slack's mrkdwn into the elements of a rich_text block, which the rendering library draws. The library's own
// mrkdwn goes through a Markdown parser that loses blank lines, headings, group mentions and stars inside code.
import { formatDate } from "./dates.js";

const NAMED = { amp: "&", lt: "<", gt: ">" };
export const unescape = (text) => text.replace(/&(amp|lt|gt);/g, (_, name) => NAMED[name]);
export const escape = (text) => text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");

const STYLES = { "*": "bold", _: "italic", "~": "strike" };
const EMOJI = /^:([a-z0-9_+'-]+(?:::skin-tone-[2-6])?):/i;
const URL_START = /^https?:\/\/[^\s<>|]+/;
const word = (character) => character !== undefined && /[\p{L}\p{N}]/u.test(character);

/** The parts of a message: sections, quotes and preformatted text. */
export function toRichText(text) {
  // Odd parts stood between two fences; a fence that nothing closes stays in the text.
  const parts = text.split(/```([^]+?)```/);
  return parts.flatMap((part, index) => {
    if (index % 2 === 1) {
      const code = unescape(part.replace(/^\n/, "").replace(/\n$/, ""));
      return [{ type: "rich_text_preformatted", border: 0, elements: [{ type: "text", text: code || " " }] }];
    }
    // The line break next to a code block is the block's own.
    let prose = part;
    if (index > 0) prose = prose.replace(/^\n/, "");
    if (index < parts.length - 1) prose = prose.replace(/\n$/, "");
    return prose === "" ? [] : paragraphs(prose);
  });
}

/** The same as words alone, for a screen reader; `nameOf` tells people's names. */
export function toWords(text, nameOf) {
  const words = (element) => {
    if (element.type === "user") return nameOf(element.user_id);
    if (element.type === "channel") return element.channel_id;
    if (element.type === "usergroup") return element.usergroup_id;
    if (element.type === "broadcast") return element.range;
    if (element.type === "date") return formatDate(element.timestamp, element.format);
    if (element.type === "emoji") return element.name.replaceAll("_", " ");
    return element.text ?? element.url ?? "";
  };
  return toRichText(text).map((part) => part.elements.map(words).join("")).join(" ");
}

/** plain_text: nothing but emoji is markup. */
export function toPlainRichText(text, emoji = true) {
  const elements = emoji ? inline(text, {}, { markup: false }) : [{ type: "text", text }];
  return [{ type: "rich_text_section", elements }];
}

function paragraphs(text) {
  const groups = [];
  for (const line of text.split("\n")) {
    const quoted = line.match(/^(?:&gt;|>) ?(.*)$/);
    const last = groups.at(-1);
    const body = quoted ? quoted[1] : line;
    if (last && last.quoted === Boolean(quoted)) last.lines.push(body);
    else groups.push({ quoted: Boolean(quoted), lines: [body] });
  }
  return groups.map(({ quoted, lines }) => ({
    type: quoted ? "rich_text_quote" : "rich_text_section",
    ...(quoted ? { border: 1 } : {}),
    elements: inline(lines.join("\n")),
  }));
}

function inline(text, style = {}, { markup = true } = {}) {
  const out = [];
  let plain = "";
  const flush = () => {
    if (plain !== "") out.push({ type: "text", text: markup ? unescape(plain) : plain, style });
    plain = "";
  };
  let at = 0;
  while (at < text.length) {
    const rest = text.slice(at);
    const found = (markup && (codeAt(rest, style) ?? tokenAt(rest, style) ?? urlAt(rest, style, text[at - 1]))) || emojiAt(rest, text[at - 1]);
    if (found) {
      flush();
      out.push(found.element);
      at += found.length;
      continue;
    }
    const styled = markup && styledAt(text, at);
    if (styled) {
      flush();
      out.push(...inline(styled.inner, { ...style, [styled.style]: true }));
      at += styled.length;
      continue;
    }
    plain += text[at];
    at += 1;
  }
  flush();
  return out;
}

function codeAt(rest, style) {
  const match = rest.match(/^`([^`\n]+)`/);
  return match && { length: match[0].length, element: { type: "text", text: unescape(match[1]), style: { ...style, code: true } } };
}

function emojiAt(rest, before) {
  const match = !word(before) && rest.match(EMOJI);
  return match && { length: match[0].length, element: { type: "emoji", name: match[1] } };
}

function urlAt(rest, style, before) {
  const match = !word(before) && rest.match(URL_START);
  if (!match) return null;
  const url = match[0].replace(/[.,;:!?)'"*_~]+$/, "");
  return { length: url.length, element: { type: "link", url: unescape(url), style } };
}

function tokenAt(rest, style) {
  const match = rest.match(/^<([^<>\n]+)>/);
  if (!match) return null;
  const element = token(match[1], style);
  return element && { length: match[0].length, element };
}

function token(body, style) {
  const bar = body.indexOf("|");
  const target = bar < 0 ? body : body.slice(0, bar);
  const label = bar < 0 ? null : unescape(body.slice(bar + 1));
  if (target.startsWith("@")) return { type: "user", user_id: target.slice(1), style };
  if (target.startsWith("#")) return { type: "channel", channel_id: label || target.slice(1), style };
  if (target.startsWith("!subteam^")) {
    return { type: "usergroup", usergroup_id: (label || target.slice("!subteam^".length)).replace(/^@/, ""), style };
  }
  if (target.startsWith("!date^")) {
    const [seconds, format, link] = target.slice("!date^".length).split("^");
    if (!/^\d+$/.test(seconds) || !format) return { type: "text", text: label ?? "", style };
    if (link) return { type: "link", url: unescape(link), text: formatDate(Number(seconds), format), style };
    return { type: "date", timestamp: Number(seconds), format, style };
  }
  if (/^!(here|channel|everyone)$/.test(target)) return { type: "broadcast", range: target.slice(1), style };
  if (/^(https?:|mailto:|tel:)/.test(target)) return { type: "link", url: unescape(target), text: label ?? undefined, style };
  return null;
}

/** `*bold*`, `_italic_` and `~strike~` start after a non-word character and end before one, on one line. */
function styledAt(text, at) {
  const mark = text[at];
  const style = STYLES[mark];
  if (!style || word(text[at - 1]) || text[at - 1] === mark) return null;
  if (text[at + 1] === undefined || /\s/.test(text[at + 1]) || text[at + 1] === mark) return null;
  let code = false;
  for (let end = at + 1; end < text.length && text[end] !== "\n"; end += 1) {
    if (text[end] === "`") code = !code;
    if (code || text[end] !== mark || /\s/.test(text[end - 1]) || word(text[end + 1])) continue;
    return { style, inner: text.slice(at + 1, end), length: end - at + 1 };
  }
  return null;
}
