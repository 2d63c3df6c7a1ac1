// Messages as a channel or a thread shows them: one message, and a list that keeps to its end.
import { Component, memo, useLayoutEffect, useMemo, useRef, useState } from "react";
import { Avatar } from "./avatar.jsx";
import { MessageBody } from "./blocks.jsx";
import { clockTime, dayKey, dayLabel, fullTime, relative, tsToMillis } from "./dates.js";
import { Down, Eye, File, Reply } from "./icons.jsx";
import { OriginContext, personOf, usePage } from "./page.js";
import { Mrkdwn, PlainText } from "./text.jsx";

const GROUP_MILLIS = 5 * 60_000;

/** A message follows on from the one before it when the same person wrote both, close together. */
function followsOn(message, before) {
  return (
    before !== undefined &&
    before.user === message.user &&
    !before.ephemeral_to === !message.ephemeral_to &&
    !message.broadcast &&
    !before.deleted &&
    tsToMillis(message.ts) - tsToMillis(before.ts) < GROUP_MILLIS &&
    dayKey(tsToMillis(message.ts)) === dayKey(tsToMillis(before.ts))
  );
}

/** Blocks that cannot be drawn leave the message's text, as in a client that does not know them. */
class Fallback extends Component {
  state = { failed: null };

  static getDerivedStateFromError(error) {
    return { failed: error };
  }

  componentDidUpdate(previous) {
    if (previous.message !== this.props.message && this.state.failed) this.setState({ failed: null });
  }

  render() {
    if (this.state.failed === null) return this.props.children;
    return (
      <>
        <Mrkdwn text={this.props.message.text ?? ""} />
        <p className="block-unknown">The blocks of this message could not be drawn: {String(this.state.failed.message)}</p>
      </>
    );
  }
}

const IMAGE = /^data:image\/|\.(png|jpe?g|gif|svg|webp)(\?|$)/i;

function Files({ files }) {
  return files.map((file) => (
    <figure className="file" key={file.url}>
      <figcaption>{file.title}</figcaption>
      {IMAGE.test(file.url) || file.alt ? (
        <a href={file.url} target="_blank" rel="noopener noreferrer"><img src={file.url} alt={file.alt ?? file.title} /></a>
      ) : (
        <a className="file-link" href={file.url} target="_blank" rel="noopener noreferrer"><File /> Open</a>
      )}
    </figure>
  ));
}

function Reactions({ names }) {
  return (
    <ul className="reactions" aria-label="Reactions">
      {[...new Set(names)].map((name) => (
        <li key={name} title={`:${name}:`}><PlainText text={`:${name}:`} /> {names.filter((one) => one === name).length}</li>
      ))}
    </ul>
  );
}

function ThreadSummary({ replies, onOpen }) {
  const people = [...new Set(replies.map((reply) => reply.user))].slice(0, 4);
  return (
    <button type="button" className="thread-summary" data-testid="thread-summary" onClick={onOpen}>
      <span className="faces">{people.map((id) => <Avatar key={id} id={id} size={22} />)}</span>
      <span className="count">{replies.length} {replies.length === 1 ? "reply" : "replies"}</span>
      <span className="last">Last reply {relative(tsToMillis(replies.at(-1).ts))}</span>
      <span className="view">View thread</span>
    </button>
  );
}

/** One message. `replies` and `onThread` are given where it can open a thread. */
const Message = memo(function Message({ message, compact, replies, onThread, inThread, selected }) {
  const page = usePage();
  const author = personOf(page, message.user);
  const millis = tsToMillis(message.ts);
  const origin = useMemo(() => ({ message }), [message]);
  const classes = ["message", compact && "compact", message.ephemeral_to && "ephemeral", selected && "selected"].filter(Boolean).join(" ");
  const time = <time dateTime={new Date(millis).toISOString()} title={fullTime(millis)}>{clockTime(millis)}</time>;
  const open = onThread && (() => onThread(message.thread_ts ?? message.ts));
  return (
    <li className={classes} data-testid="message" data-ts={message.ts} data-user={message.user} data-ephemeral={message.ephemeral_to ? "true" : undefined} aria-label={compact ? undefined : `${author.name}, ${clockTime(millis)}`}>
      <div className="gutter">{compact ? time : <Avatar id={message.user} />}</div>
      <div className="content">
        {message.ephemeral_to && <p className="only-you"><Eye size={14} /> Only visible to you</p>}
        {!compact && (
          <p className="byline">
            <span className="author">{author.name}</span>
            {author.isBot && <span className="badge">APP</span>}
            {author.kind === "guest" && <span className="badge soft">Guest</span>}
            {author.kind === "stranger" && <span className="badge soft">External</span>}
            {time}
          </p>
        )}
        {message.broadcast && (
          <p className="broadcast">
            {inThread ? "Also sent to the channel" : <>replied to a thread{open && <> · <button type="button" className="linkish" onClick={open}>View thread</button></>}</>}
          </p>
        )}
        {message.deleted ? (
          <p className="tombstone">This message was deleted.</p>
        ) : (
          <OriginContext.Provider value={origin}>
            <div className="body"><Fallback message={message}><MessageBody message={message} /></Fallback></div>
            {message.edited && <span className="edited" title="This message was edited">(edited)</span>}
            {message.reactions?.length > 0 && <Reactions names={message.reactions} />}
            {message.files?.length > 0 && <Files files={message.files} />}
          </OriginContext.Provider>
        )}
        {replies?.length > 0 && <ThreadSummary replies={replies} onOpen={open} />}
      </div>
      {open && !message.ephemeral_to && !message.deleted && (
        <div className="message-tools">
          <button type="button" className="btn icon quiet" data-testid="reply" aria-label="Reply in thread" title="Reply in thread" onClick={open}><Reply size={17} /></button>
        </div>
      )}
    </li>
  );
});

const AT_END_PIXELS = 40;

/** Keeps the end in view while the reader is there, and leaves a reader who scrolled up alone. */
function useStickToEnd(messages, me, jump) {
  const box = useRef(null);
  const atEnd = useRef(true);
  const observed = useRef(null);
  const [missed, setMissed] = useState(false);
  const last = messages.at(-1);
  const toEnd = () => {
    box.current.scrollTop = box.current.scrollHeight;
  };
  const size = () => `${box.current.scrollHeight}/${box.current.clientHeight}`;
  useLayoutEffect(() => {
    const grown = new ResizeObserver(() => {
      observed.current = size();
      if (atEnd.current) toEnd();
    });
    grown.observe(box.current.firstElementChild);
    grown.observe(box.current);
    return () => grown.disconnect();
  }, []);
  useLayoutEffect(() => {
    if (last === undefined) return;
    if (atEnd.current || last.user === me) {
      atEnd.current = true;
      toEnd();
    } else setMissed(true);
  }, [last?.ts]);
  // Whoever says something wants to see what comes of it, even if a command itself leaves no message.
  useLayoutEffect(() => {
    if (!jump) return;
    atEnd.current = true;
    toEnd();
  }, [jump]);
  const onScroll = () => {
    const { scrollHeight, scrollTop, clientHeight } = box.current;
    const isAtEnd = scrollHeight - scrollTop - clientHeight < AT_END_PIXELS;
    // A layout that moved the text is not a reader who scrolled up: the observer is about to tell of it.
    if (!isAtEnd && size() !== observed.current) return;
    atEnd.current = isAtEnd;
    if (isAtEnd) setMissed(false);
  };
  return { box, onScroll, missed, toEnd };
}

/** The list of a channel: days, groups of messages, and threads behind their summaries. */
export function MessageList({ label, messages, intro, repliesOf, onThread, openThread, jump }) {
  const page = usePage();
  const { box, onScroll, missed, toEnd } = useStickToEnd(messages, page.me, jump);
  const rows = [];
  messages.forEach((message, index) => {
    const before = messages[index - 1];
    const millis = tsToMillis(message.ts);
    if (before === undefined || dayKey(tsToMillis(before.ts)) !== dayKey(millis)) {
      rows.push(<li className="day" key={`day-${dayKey(millis)}`}><span>{dayLabel(millis)}</span></li>);
    }
    const replies = repliesOf?.get(message.ts);
    // A card starts afresh, so that one run reads as one thing.
    const compact = !message.blocks && followsOn(message, before);
    rows.push(<Message key={message.ts} message={message} compact={compact} replies={replies} onThread={onThread} selected={message.ts === openThread} />);
  });
  return (
    <div className="list-frame">
      <div className="list" ref={box} onScroll={onScroll} tabIndex={0} role="region" aria-label={label}>
        <div className="list-inner">
          {intro}
          <ol className="messages">{rows}</ol>
        </div>
      </div>
      {missed && <button type="button" className="missed" onClick={toEnd}><Down size={14} /> New messages</button>}
    </div>
  );
}

/** A thread: the message that began it, a rule with the number of replies, the replies. */
export function ThreadList({ parent, replies }) {
  const page = usePage();
  const { box, onScroll, missed, toEnd } = useStickToEnd(replies, page.me);
  return (
    <div className="list-frame">
      <div className="list" ref={box} onScroll={onScroll} tabIndex={0} role="region" aria-label="Messages of the thread">
        <div className="list-inner">
          <ol className="messages">
            {parent && <Message message={parent} inThread />}
            {replies.length > 0 && <li className="reply-count"><span>{replies.length} {replies.length === 1 ? "reply" : "replies"}</span></li>}
            {replies.map((reply, index) => (
              <Message key={reply.ts} message={reply} compact={!reply.blocks && followsOn(reply, replies[index - 1])} inThread />
            ))}
          </ol>
        </div>
      </div>
      {missed && <button type="button" className="missed" onClick={toEnd}><Down size={14} /> New messages</button>}
    </div>
  );
}
