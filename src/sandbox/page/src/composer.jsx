// Where a person writes: a growing text box with suggestions, history and a send button.
import { useEffect, useId, useLayoutEffect, useMemo, useRef, useState } from "react";
import { Avatar } from "./avatar.jsx";
import { suggest, withMentions } from "./hints.js";
import { Close, Send } from "./icons.jsx";
import { escape } from "./mrkdwn.js";
import { usePage } from "./page.js";
import { say } from "./sandbox.js";

const HISTORY_LIMIT = 50;

function historyOf(key) {
  try {
    return JSON.parse(sessionStorage.getItem(key)) ?? [];
  } catch {
    return [];
  }
}

/** What Slack says instead of an error code. */
function explain(error, text) {
  const command = text.split(/\s/)[0];
  if (/thread/.test(error ?? "")) return `${command} is not supported in threads. Sorry!`;
  if (/unknown_command|not_found/.test(error ?? "")) return `${command} is not a valid command. In Slack, messages that start with "/" are commands.`;
  return error ?? "That could not be sent.";
}

export function Composer({ channel, threadTs, placeholder, label, testId, sendTestId, onSaid, footnote }) {
  const page = usePage();
  const [text, setText] = useState("");
  const [chosen, setChosen] = useState(null);
  const [hidden, setHidden] = useState(false);
  const [past, setPast] = useState(-1);
  const [problem, setProblem] = useState(null);
  const box = useRef(null);
  const listId = useId();
  const historyKey = `alch-history-${page.me}-${threadTs ? "thread" : "channel"}`;

  const offers = useMemo(
    () => (hidden ? [] : suggest(text, { hints: page.hints, world: page.world, people: page.people, bot: page.bot, inThread: Boolean(threadTs) })),
    [text, hidden, page.hints, page.world, page.people, page.bot, threadTs],
  );
  const active = offers.length === 0 ? -1 : Math.min(chosen ?? 0, offers.length - 1);

  useLayoutEffect(() => {
    box.current.style.height = "auto";
    box.current.style.height = `${Math.min(box.current.scrollHeight, 180)}px`;
  }, [text]);
  useEffect(() => {
    document.getElementById(`${listId}-${active}`)?.scrollIntoView({ block: "nearest" });
  }, [active, listId]);

  const change = (next) => {
    setText(next);
    setChosen(null);
    setHidden(false);
    setProblem(null);
  };
  const take = (offer) => {
    change(offer.insert);
    box.current.focus();
  };
  const send = async () => {
    const typed = text.trim();
    if (typed === "") return;
    const command = typed.startsWith("/");
    const history = historyOf(historyKey).filter((one) => one !== typed);
    sessionStorage.setItem(historyKey, JSON.stringify([...history, typed].slice(-HISTORY_LIMIT)));
    change("");
    setPast(-1);
    const said = command ? typed : withMentions(escape(typed), [page.bot, ...page.people]);
    onSaid?.(typed);
    const answer = await say({ user: page.me, text: said, channel, ...(threadTs ? { thread_ts: threadTs } : {}) });
    if (!answer.ok) {
      setProblem(explain(answer.error, typed));
      setText((now) => now || typed);
    }
  };
  const recall = (step) => {
    const history = historyOf(historyKey);
    const next = Math.max(-1, Math.min(history.length - 1, past + step));
    setPast(next);
    setText(next < 0 ? "" : history[history.length - 1 - next]);
    setHidden(true);
  };

  const keys = (event) => {
    if (event.nativeEvent.isComposing) return;
    const recalling = text === "" || past >= 0;
    if (offers.length > 0 && (event.key === "ArrowDown" || event.key === "ArrowUp")) {
      setChosen((active + (event.key === "ArrowDown" ? 1 : -1) + offers.length) % offers.length);
    } else if (offers.length > 0 && event.key === "Tab" && !event.shiftKey && offers[active].insert !== text) {
      take(offers[active]);
    } else if (offers.length > 0 && event.key === "Escape") {
      setHidden(true);
    } else if (event.key === "Enter" && !event.shiftKey) {
      // Enter sends, unless somebody picked an offer or is in the middle of a name.
      const naming = offers[active]?.person && chosen === null && !/@$/.test(text);
      if (active >= 0 && (chosen !== null || naming) && offers[active].insert.trim() !== text.trim()) take(offers[active]);
      else send();
    } else if (recalling && event.key === "ArrowUp") recall(1);
    else if (recalling && event.key === "ArrowDown" && past >= 0) recall(-1);
    else return;
    event.preventDefault();
  };

  return (
    <div className="composer-frame">
      {problem && (
        <div className="problem" role="alert" data-testid="composer-error">
          <span><strong>Slackbot</strong> <em>Only visible to you</em><br />{problem}</span>
          <button type="button" className="btn icon quiet" aria-label="Dismiss" onClick={() => setProblem(null)}><Close size={14} /></button>
        </div>
      )}
      {offers.length > 0 && (
        <div className="offers">
          <ul role="listbox" id={listId} aria-label="Suggestions" data-testid="hints">
            {offers.map((offer, index) => (
              <li key={offer.title} id={`${listId}-${index}`} role="option" aria-selected={index === active} data-testid="hint" onMouseDown={(event) => { event.preventDefault(); take(offer); }} onMouseMove={() => index !== active && setChosen(index)}>
                {offer.person && <Avatar id={offer.person} size={22} />}
                <Usage text={offer.title} />
                <span className="offer-detail">{offer.detail}</span>
              </li>
            ))}
          </ul>
          <p className="offer-keys" aria-hidden="true"><kbd>↑</kbd><kbd>↓</kbd> choose <kbd>Tab</kbd> complete <kbd>Enter</kbd> send</p>
        </div>
      )}
      <div className="composer">
        <textarea
          ref={box}
          rows={1}
          value={text}
          placeholder={placeholder}
          aria-label={label}
          data-testid={testId}
          role="combobox"
          aria-autocomplete="list"
          aria-expanded={offers.length > 0}
          aria-controls={listId}
          aria-activedescendant={active >= 0 ? `${listId}-${active}` : undefined}
          onChange={(event) => {
            change(event.target.value);
            setPast(-1);
          }}
          onKeyDown={keys}
          onBlur={() => setHidden(true)}
          onFocus={() => setHidden(false)}
        />
        <button type="button" className="send" data-testid={sendTestId} aria-label="Send" disabled={text.trim() === ""} onClick={send}><Send /></button>
      </div>
      <p className="footnote">{footnote}</p>
    </div>
  );
}

function Usage({ text }) {
  const parts = text.split(/(<[^>]*>|\[[^\]]*\])/);
  return <code className="usage">{parts.map((part, index) => (index % 2 ? <var key={index}>{part}</var> : part))}</code>;
}
