// Times as people read them, in the reader's own zone.

const format = (options) => new Intl.DateTimeFormat(undefined, options);
const TIME = format({ hour: "numeric", minute: "2-digit" });
const TIME_SECS = format({ hour: "numeric", minute: "2-digit", second: "2-digit" });
const DATE_NUM = new Intl.DateTimeFormat("sv-SE", { year: "numeric", month: "2-digit", day: "2-digit" });
const DATE = format({ year: "numeric", month: "long", day: "numeric" });
const DATE_SHORT = format({ year: "numeric", month: "short", day: "numeric" });
const DATE_LONG = format({ weekday: "long", year: "numeric", month: "long", day: "numeric" });
const FULL = format({ dateStyle: "full", timeStyle: "medium" });

let skew = 0;

/** The sandbox may keep its own time; what is said about "now" follows the server. */
export function setServerNow(rfc3339) {
  const server = Date.parse(rfc3339);
  if (!Number.isNaN(server)) skew = server - Date.now();
}

export const serverNow = () => Date.now() + skew;
export const tsToMillis = (ts) => Number.parseFloat(ts) * 1000;
export const clockTime = (millis) => TIME.format(millis);
export const fullTime = (millis) => FULL.format(millis);
export const dayKey = (millis) => DATE_NUM.format(millis);

function nearDay(millis) {
  const day = dayKey(millis);
  const now = serverNow();
  if (day === dayKey(now)) return "Today";
  if (day === dayKey(now - 86_400_000)) return "Yesterday";
  if (day === dayKey(now + 86_400_000)) return "Tomorrow";
  return null;
}

export const dayLabel = (millis) => nearDay(millis) ?? DATE_LONG.format(millis);

/** "2 minutes ago", "in 3 hours". */
export function relative(millis) {
  const seconds = Math.round((millis - serverNow()) / 1000);
  const distance = Math.abs(seconds);
  if (distance < 10) return "just now";
  const steps = [["second", 1, 60], ["minute", 60, 3600], ["hour", 3600, 86_400], ["day", 86_400, Infinity]];
  const [unit, size] = steps.find(([, , below]) => distance < below);
  return new Intl.RelativeTimeFormat(undefined, { numeric: "always" }).format(Math.trunc(seconds / size), unit);
}

/** Slack's date tokens: `{date_short_pretty} at {time}`. */
export function formatDate(seconds, tokens) {
  const millis = seconds * 1000;
  // "today at 10:04" inside a sentence, "Today at 10:04" at its start.
  const pretty = (formatter) => nearDay(millis)?.toLowerCase() ?? formatter.format(millis);
  const makers = {
    date_num: () => DATE_NUM.format(millis),
    date: () => DATE.format(millis),
    date_short: () => DATE_SHORT.format(millis),
    date_long: () => DATE_LONG.format(millis),
    date_pretty: () => pretty(DATE),
    date_short_pretty: () => pretty(DATE_SHORT),
    date_long_pretty: () => pretty(DATE_LONG),
    day_divider_pretty: () => pretty(DATE_LONG),
    time: () => TIME.format(millis),
    time_secs: () => TIME_SECS.format(millis),
    ago: () => relative(millis),
  };
  const text = tokens.replace(/\{(\w+)\}/g, (whole, name) => makers[name]?.() ?? whole);
  return tokens.startsWith("{") ? text.charAt(0).toUpperCase() + text.slice(1) : text;
}
