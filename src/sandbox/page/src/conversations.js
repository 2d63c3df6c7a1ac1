// Which messages belong where, for the person who is looking.

/** A person's direct messages have the id `D` and the rest of the person's id, unless the person says another. */
export const dmChannelOf = (person) => person?.dm ?? `D${person?.id.slice(1)}`;

function dmOwner(channel, people, messages) {
  const named = people.find((person) => dmChannelOf(person) === channel);
  return named?.id ?? messages.find((message) => message.channel === channel && people.some((person) => person.id === message.user))?.user;
}

const isReply = (message) => Boolean(message.thread_ts) && message.thread_ts !== message.ts;
const byTs = (a, b) => Number.parseFloat(a.ts) - Number.parseFloat(b.ts) || (a.ts < b.ts ? -1 : 1);

/** Every channel that the page shows; the first is the bot's own. */
export const channelsOf = (state) => [state.channel, ...(state.channels ?? [])];

/** Each channel's and the direct messages' top level, and the replies of each thread. */
export function sortMessages(state, me) {
  const owners = new Map();
  const ownerOf = (channel) => {
    if (!owners.has(channel)) owners.set(channel, dmOwner(channel, state.people, state.messages));
    return owners.get(channel);
  };
  const visible = state.messages
    .filter((message) => !message.ephemeral_to || message.ephemeral_to === me)
    .filter((message) => !message.channel.startsWith("D") || (ownerOf(message.channel) ?? me) === me)
    .sort(byTs);
  const replies = new Map();
  for (const message of visible) {
    if (!isReply(message) || message.deleted) continue;
    replies.set(message.thread_ts, [...(replies.get(message.thread_ts) ?? []), message]);
  }
  const top = visible.filter((message) => (!isReply(message) || message.broadcast) && (!message.deleted || replies.has(message.ts)));
  // What only one person sees is no part of a thread's summary.
  const counted = new Map([...replies].map(([ts, list]) => [ts, list.filter((reply) => !reply.ephemeral_to)]));
  return {
    visible,
    replies,
    counted,
    channels: Object.fromEntries(channelsOf(state).map(({ id }) => [id, top.filter((message) => message.channel === id)])),
    dm: top.filter((message) => message.channel.startsWith("D")),
  };
}

/** The channel id to which a person's direct messages go. */
export function dmChannel(state, me, dm) {
  return dm[0]?.channel ?? dmChannelOf(state.people.find((person) => person.id === me));
}

/** The message that a permalink's path or this page's fragment names: `/archives/C1/p1700000000000100`, `#/C1/p…`. */
export function linkedMessage(link) {
  const found = link.match(/(?:\/archives|#)\/([CDG][A-Z0-9]+)\/p(\d+)(\d{6})(?:$|[?#])/);
  return found && { channel: found[1], ts: `${found[2]}.${found[3]}` };
}
