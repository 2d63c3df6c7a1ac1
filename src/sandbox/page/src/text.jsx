// Slack text through the rendering library, with mentions, dates and links drawn by this page.
import { memo, useMemo } from "react";
import { Message as Blocks } from "slack-blocks-to-jsx";
import { linkedMessage } from "./conversations.js";
import { formatDate, fullTime } from "./dates.js";
import { toPlainRichText, toRichText } from "./mrkdwn.js";
import { channelOf, personOf, usePage } from "./page.js";

function Mention({ id }) {
  const page = usePage();
  return <span className={id === page.me ? "mention mine" : "mention"}>@{personOf(page, id).name}</span>;
}

function GroupMention({ name }) {
  const page = usePage();
  const group = page.groups.find((candidate) => candidate.handle === name || candidate.id === name);
  const mine = group?.members.includes(page.me);
  return <span className={mine ? "mention mine" : "mention"} title={group?.members.map((id) => personOf(page, id).name).join(", ")}>@{group?.handle ?? name}</span>;
}

function ChannelMention({ id }) {
  return <span className="mention">#{channelOf(usePage(), id)?.name ?? id}</span>;
}

const SAFE_LINK = /^(https?:|mailto:|tel:)/i;

/** A permalink to a message of this workspace opens here, everything else in a tab of its own. */
function Link({ href, children }) {
  const page = usePage();
  const linked = linkedMessage(href);
  if (linked && (channelOf(page, linked.channel) || linked.channel.startsWith("D"))) {
    return <a href={`#/${linked.channel}/p${linked.ts.replace(".", "")}`}>{children}</a>;
  }
  return SAFE_LINK.test(href) ? <a href={href} target="_blank" rel="noopener noreferrer">{children}</a> : <span>{children}</span>;
}

// The library takes its hooks once and keeps them, so whatever changes is read inside the components above.
const HOOKS = {
  user: ({ id }) => <Mention id={id} />,
  channel: ({ id }) => <ChannelMention id={id} />,
  usergroup: ({ id }) => <GroupMention name={id} />,
  atHere: () => <span className="mention mine">@here</span>,
  atChannel: () => <span className="mention mine">@channel</span>,
  atEveryone: () => <span className="mention mine">@everyone</span>,
  date: ({ timestamp, format }) => (
    <time dateTime={new Date(Number(timestamp) * 1000).toISOString()} title={fullTime(Number(timestamp) * 1000)}>
      {formatDate(Number(timestamp), format)}
    </time>
  ),
  link: ({ href, children }) => <Link href={href}>{children}</Link>,
};

/** Blocks that the library draws by itself. */
export const LibraryBlocks = memo(function LibraryBlocks({ blocks }) {
  const { theme } = usePage();
  return <Blocks withoutWrapper blocks={blocks} theme={theme} hooks={HOOKS} logo="" name="" />;
});

export const RichText = ({ elements }) => {
  const blocks = useMemo(() => [{ type: "rich_text", elements }], [elements]);
  return <LibraryBlocks blocks={blocks} />;
};

export function Mrkdwn({ text }) {
  const elements = useMemo(() => toRichText(text), [text]);
  return <RichText elements={elements} />;
}

export function PlainText({ text, emoji }) {
  const elements = useMemo(() => toPlainRichText(text, emoji), [text, emoji]);
  return <RichText elements={elements} />;
}

/** A text object: plain_text or mrkdwn. */
export function Text({ of }) {
  if (!of) return null;
  return of.type === "mrkdwn" ? <Mrkdwn text={of.text} /> : <PlainText text={of.text} emoji={of.emoji} />;
}
