// What the composer offers while someone types: commands that match, the words that may come next, and people.

const isPlaceholder = (word) => /^[<[]/.test(word);
const words = (text) => text.split(/\s+/).filter(Boolean);

/** `<rule|all> [env]` keeps a placeholder with spaces, such as `<run id>`, in one piece. */
const usageWords = (usage) => usage.match(/<[^>]*>|\[[^\]]*\]|\S+/g) ?? [];

/** What may stand for a placeholder, as far as the sandbox's world knows. */
function valuesFor(placeholder, world) {
  const parts = placeholder.replace(/[<>[\]]/g, "").split("|");
  return parts.flatMap((part) => {
    if (/^rules?$/.test(part)) return [...new Set(world.environments.flatMap((environment) => environment.rules.map((rule) => rule.short)))];
    if (/^env(ironment)?$/.test(part)) return world.environments.map((environment) => environment.name);
    return parts.length > 1 && /^[a-z-]+$/.test(part) ? [part] : [];
  });
}

function matches(usage, typed, open) {
  const pattern = usageWords(usage);
  if (typed.length > pattern.length) return false;
  return typed.every((word, index) => {
    if (isPlaceholder(pattern[index])) return true;
    const last = index === typed.length - 1;
    return last && open ? pattern[index].startsWith(word.toLowerCase()) : pattern[index] === word.toLowerCase();
  });
}

/** The text after choosing a hint: what was typed, and the command's own words up to the first gap. */
function completed(usage, typed) {
  const pattern = usageWords(usage);
  const out = [];
  for (let index = 0; index < pattern.length; index += 1) {
    if (!isPlaceholder(pattern[index])) out.push(pattern[index]);
    else if (typed[index]) out.push(typed[index]);
    else return `${out.join(" ")} `;
  }
  return out.join(" ");
}

/**
 * Suggestions for `text`, each `{ insert, title, detail }`; choosing one replaces the text by `insert`. `command` is
 * what commands begin with here: `/alch` in a channel, `@alch` in a thread.
 */
export function suggest(text, { hints, world, people, bot, inThread }) {
  const mention = text.match(/(^|\s)@([\p{L}\p{N}._-]*)$/u);
  if (mention) {
    const wanted = mention[2].toLowerCase();
    const start = text.slice(0, text.length - mention[2].length);
    return [{ ...bot, title: "app" }, ...people]
      .filter((person) => handle(person).startsWith(wanted))
      .map((person) => ({ insert: `${start}${handle(person)} `, title: `@${handle(person)}`, detail: person.name === handle(person) ? person.title : `${person.name} · ${person.title}`, person: person.id }));
  }
  const address = `@${handle(bot)}`;
  const commands = inThread ? hints.map((hint) => ({ ...hint, usage: hint.usage.replace(/^\/\S+/, address) })) : hints;
  const begun = inThread ? text.toLowerCase().startsWith(`${address} `) : text.startsWith("/");
  if (!begun || text.includes("\n")) return [];

  const typed = words(text);
  const open = !/\s$/.test(text);
  const found = commands.filter(({ usage }) => matches(usage, typed, open));
  const values = nextValues(found, typed, open, world);
  if (values.length > 0) {
    const kept = open ? typed.slice(0, -1) : typed;
    return values.map(({ value, usage }) => ({ insert: completed(usage, [...kept, value]), title: [...kept, value].join(" "), detail: usage }));
  }
  return found.map(({ usage, description }) => ({ insert: completed(usage, typed), title: usage, detail: description }));
}

/** The values for the gap being typed, once one command is left. */
function nextValues(found, typed, open, world) {
  if (found.length !== 1) return [];
  const [{ usage }] = found;
  const at = open ? typed.length - 1 : typed.length;
  const gap = usageWords(usage)[at];
  if (gap === undefined || !isPlaceholder(gap)) return [];
  const begun = open ? typed[at].toLowerCase() : "";
  const values = valuesFor(gap, world).filter((value) => value.startsWith(begun));
  return values.length === 1 && values[0] === begun ? [] : values.map((value) => ({ value, usage }));
}

/** The name by which someone is mentioned. */
export const handle = (person) => person.handle ?? person.name.trim().toLowerCase().replace(/[^\p{L}\p{N}_-]+/gu, ".");

/** `@alice` becomes the mention that Slack sends, once it names somebody. */
export function withMentions(text, everyone) {
  return text.replace(/(^|[\s(])@([\p{L}\p{N}._-]+)/gu, (whole, before, name) => {
    const trimmed = name.replace(/[.]+$/, "");
    const person = everyone.find((candidate) => handle(candidate) === trimmed.toLowerCase());
    return person ? `${before}<@${person.id}>${name.slice(trimmed.length)}` : whole;
  });
}
