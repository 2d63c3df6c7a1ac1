// The page: what is open, who is looking, and the places where the parts go.
import { useCallback, useEffect, useMemo, useRef, useState } from "react";
import { Avatar } from "./avatar.jsx";
import { BlockList } from "./blocks.jsx";
import { useMedia, usePersonChoice, useTheme } from "./choices.js";
import { Composer } from "./composer.jsx";
import { ConfirmProvider } from "./confirm.jsx";
import { channelsOf, dmChannel, linkedMessage, sortMessages } from "./conversations.js";
import { Modal } from "./form.jsx";
import { handle } from "./hints.js";
import { Close, Globe, Menu } from "./icons.jsx";
import { toWords } from "./mrkdwn.js";
import { MessageList, ThreadList } from "./messages.jsx";
import { OriginContext, PageContext, channelOf, personOf, usePage } from "./page.js";
import { openHome, useSandbox } from "./sandbox.js";
import { Sidebar } from "./sidebar.jsx";
import { World } from "./world.jsx";

const TICK_MILLIS = 10_000;
/** Long enough to be read out; then it is only the list that holds the text. */
const ANNOUNCED_MILLIS = 4_000;
const COMPLAINT_MILLIS = 8_000;
/** The pane that a link opens is drawn by then. */
const POINT_DELAY_MILLIS = 120;
/** How long a card may take to appear and still count as the answer to a command. */
const CARD_WAIT_MILLIS = 30_000;

export function App() {
  const { state, connected } = useSandbox();
  const [theme, toggleTheme] = useTheme();
  if (state === null) {
    return <div className="loading" role="status"><span className="spinner" aria-hidden="true" /> Connecting to the sandbox…</div>;
  }
  return <Workspace state={state} connected={connected} theme={theme} toggleTheme={toggleTheme} />;
}

function useTick() {
  const [, setTick] = useState(0);
  useEffect(() => {
    const timer = setInterval(() => setTick((tick) => tick + 1), TICK_MILLIS);
    return () => clearInterval(timer);
  }, []);
}

/** Follows permalinks: the fragment the page came with, and each that is clicked. */
function useFragment(show) {
  const latest = useRef(show);
  latest.current = show;
  useEffect(() => {
    const follow = () => {
      if (!location.hash) return;
      latest.current(location.hash);
      // The same link can be followed again.
      history.replaceState(null, "", location.pathname + location.search);
    };
    follow();
    window.addEventListener("hashchange", follow);
    return () => window.removeEventListener("hashchange", follow);
  }, []);
}

/** Brings a message into view and lights it up for a moment. */
function point(ts) {
  for (const element of document.querySelectorAll(`[data-testid="message"][data-ts="${CSS.escape(ts)}"]`)) {
    element.scrollIntoView({ block: "center" });
    element.classList.remove("linked");
    void element.offsetWidth;
    element.classList.add("linked");
  }
}

/** How many of the bot's messages arrived in a conversation since the person last looked at it. */
function useUnread(me, place, lists) {
  const seen = useRef(new Map());
  return Object.fromEntries(
    Object.entries(lists).map(([name, messages]) => {
      const key = `${me}/${name}`;
      const last = Number.parseFloat(messages.at(-1)?.ts ?? "0");
      if (name === place || !seen.current.has(key)) seen.current.set(key, last);
      const since = seen.current.get(key);
      return [name, messages.filter((message) => Number.parseFloat(message.ts) > since && message.user !== me).length];
    }),
  );
}

/** The text of a message that just arrived, for screen readers; edits are not news. */
function useAnnouncement(messages, page) {
  const known = useRef(null);
  const [text, setText] = useState("");
  useEffect(() => {
    const fresh = known.current ? messages.filter((message) => !known.current.has(message.ts) && message.user !== page.me) : [];
    known.current = new Set(messages.map((message) => message.ts));
    if (fresh.length > 0) setText(fresh.map((message) => `${personOf(page, message.user).name}: ${toWords(message.text ?? "", (id) => personOf(page, id).name)}`).join("\n"));
  }, [messages, page]);
  useEffect(() => {
    const timer = setTimeout(() => setText(""), ANNOUNCED_MILLIS);
    return () => clearTimeout(timer);
  }, [text]);
  return text;
}

function Workspace({ state, connected, theme, toggleTheme }) {
  useTick();
  const [chosen, choosePerson] = usePersonChoice();
  // A channel's id, or "dm".
  const [place, setPlace] = useState(state.channel.id);
  const [dmTab, setDmTab] = useState("messages");
  const [thread, setThread] = useState(null);
  const [pane, setPane] = useState("world");
  const [paneOpen, setPaneOpen] = useState(() => window.matchMedia("(min-width: 1100px)").matches);
  const [menuOpen, setMenuOpen] = useState(false);
  const [complaint, setComplaint] = useState(null);
  const [jump, setJump] = useState(0);
  const both = useMedia("(min-width: 1560px)");
  const narrow = useMedia("(max-width: 820px)");
  const awaited = useRef(null);

  const me = state.people.some((person) => person.id === chosen) ? chosen : state.people[0]?.id;
  const complain = useCallback((text) => setComplaint({ text }), []);
  useEffect(() => {
    if (complaint === null) return undefined;
    const timer = setTimeout(() => setComplaint(null), COMPLAINT_MILLIS);
    return () => clearTimeout(timer);
  }, [complaint]);

  const { bot, people, groups, hints, faults, world } = state;
  const channels = useMemo(() => channelsOf(state), [state.channel, state.channels]);
  const page = useMemo(
    () => ({ me, theme, bot, people, groups, channels, hints, faults, world, complain }),
    [me, theme, bot, people, groups, channels, hints, faults, world, complain],
  );
  const channel = channelOf(page, place) ?? channels[0];
  const sorted = useMemo(() => sortMessages(state, me), [state.messages, state.people, channels, me]);
  const unread = useUnread(me, place, { ...sorted.channels, dm: sorted.dm });
  const announcement = useAnnouncement(sorted.visible, page);

  const openThread = useCallback((ts) => {
    setThread(ts);
    setPane("thread");
    setPaneOpen(true);
  }, []);
  const replyTo = useCallback(
    (ts) => {
      openThread(ts);
      requestAnimationFrame(() => document.querySelector("[data-testid=thread-composer]")?.focus());
    },
    [openThread],
  );

  // The card that answers this person's command opens its thread, once.
  const messages = place === "dm" ? sorted.dm : sorted.channels[channel.id];
  useEffect(() => {
    const wait = awaited.current;
    if (wait === null) return;
    if (wait.user !== me || Date.now() - wait.at > CARD_WAIT_MILLIS) {
      awaited.current = null;
      return;
    }
    const card = messages.find((message) => !wait.known.has(message.ts) && message.user === bot.id && !message.ephemeral_to && message.blocks);
    if (card) {
      awaited.current = null;
      openThread(card.ts);
    }
  }, [messages, me, bot.id, openThread]);
  const onSaid = (text) => {
    setJump((count) => count + 1);
    if (text.startsWith("/")) awaited.current = { user: me, at: Date.now(), known: new Set(messages.map((message) => message.ts)) };
  };

  // The bot may fill its Home tab when somebody opens it.
  useEffect(() => {
    if (place === "dm") openHome(me);
  }, [place, me]);

  const show = useCallback(
    (link) => {
      const linked = linkedMessage(link);
      const message = linked && sorted.visible.find((one) => one.ts === linked.ts && one.channel === linked.channel);
      if (!message) return;
      const root = message.thread_ts ?? message.ts;
      setPlace(channelOf(page, message.channel)?.id ?? "dm");
      if (sorted.replies.has(root)) openThread(root);
      setTimeout(() => point(message.ts), POINT_DELAY_MILLIS);
    },
    [sorted, openThread, page],
  );
  useFragment(show);

  const parent = thread && sorted.visible.find((message) => message.ts === thread);
  const threadShown = Boolean(thread && parent);
  const shownPane = pane === "thread" && !threadShown ? "world" : pane;
  const view = state.views.findLast((one) => one.user === me);
  const home = state.home?.[me];
  const goTo = (next) => {
    setPlace(next);
    setMenuOpen(false);
    if (next !== place) setThread(null);
  };
  const becomePerson = (id) => {
    choosePerson(id);
    setMenuOpen(false);
    if (place === "dm") setThread(null);
  };
  const sideBySide = both && threadShown && paneOpen;
  const closeThread = () => {
    setThread(null);
    setPane("world");
    if (narrow) setPaneOpen(false);
  };
  const threadPane = threadShown && (
    <ThreadPane key="thread" parent={parent} replies={sorted.replies.get(thread) ?? []} onClose={sideBySide ? closeThread : undefined} />
  );

  return (
    <PageContext.Provider value={page}>
      <ConfirmProvider>
        <div className={["app", menuOpen && "menu-open", paneOpen && "pane-open", sideBySide && "both"].filter(Boolean).join(" ")}>
          <Sidebar place={place} onPlace={goTo} unread={unread} onPerson={becomePerson} theme={theme} onTheme={toggleTheme} connected={connected} />
          {menuOpen && <div className="scrim" onClick={() => setMenuOpen(false)} />}
          <main className="main" inert={narrow && paneOpen} aria-label={place === "dm" ? `Direct messages with ${bot.name}` : `Channel ${channel.name}`}>
            <header className="main-header">
              <button type="button" className="btn icon quiet only-narrow" aria-label="Menu" aria-expanded={menuOpen} onClick={() => setMenuOpen(!menuOpen)}><Menu /></button>
              <div className="main-title">
                <h1>{place === "dm" ? bot.name : <><span className="mark" aria-hidden="true">#</span>{channel.name}</>}</h1>
                <p>{place === "dm" ? "Your direct messages with the bot" : channel.topic}</p>
              </div>
              {place === "dm" && home && (
                <div className="tabs" role="tablist" aria-label="App">
                  {["home", "messages"].map((tab) => (
                    <button key={tab} type="button" role="tab" aria-selected={dmTab === tab} data-testid={`dm-${tab}`} onClick={() => setDmTab(tab)}>{tab === "home" ? "Home" : "Messages"}</button>
                  ))}
                </div>
              )}
              <button type="button" className="btn world-toggle" aria-pressed={paneOpen && (sideBySide || shownPane === "world")} data-testid="world-toggle" onClick={() => {
                if (paneOpen && shownPane === "world") setPaneOpen(false);
                else {
                  setPane("world");
                  setPaneOpen(true);
                }
              }}>
                <Globe size={16} /> <span>World</span>
                {faults.some((fault) => fault.active) && <span className="dot bad" aria-label="Faults are active" />}
              </button>
            </header>
            {!connected && <p className="offline" role="status">The connection to the sandbox was lost. Trying again…</p>}
            {place === "dm" && home && dmTab === "home" ? (
              <OriginContext.Provider value={{ view: home, viewId: home.id }}>
                <div className="home" data-testid="home"><BlockList blocks={home.blocks ?? []} /></div>
              </OriginContext.Provider>
            ) : (
              <>
                <MessageList
                  key={`${place}/${me}`}
                  label={place === "dm" ? `Messages with ${bot.name}` : `Messages in ${channel.name}`}
                  messages={messages}
                  repliesOf={sorted.counted}
                  onThread={replyTo}
                  openThread={threadShown ? thread : null}
                  jump={jump}
                  intro={<Intro place={place} />}
                />
                <Composer
                  key={`composer/${place}/${me}`}
                  channel={place === "dm" ? dmChannel(state, me, sorted.dm) : channel.id}
                  testId="composer"
                  sendTestId="send"
                  label={place === "dm" ? `Message ${bot.name}` : `Message #${channel.name}`}
                  placeholder={place === "dm" ? `Message ${bot.name}` : `Message #${channel.name}, or type / for commands`}
                  onSaid={onSaid}
                  footnote={<>as <strong>{personOf(page, me).name}</strong> · <kbd>Shift</kbd>+<kbd>Enter</kbd> for a new line</>}
                />
              </>
            )}
          </main>
          {paneOpen && sideBySide && threadPane}
          {paneOpen && (
            <aside className="pane" aria-label="Side panel">
              <header className="pane-header">
                {threadShown && !sideBySide ? (
                  <div className="tabs" role="tablist" aria-label="Side panel">
                    <button type="button" role="tab" aria-selected={shownPane === "thread"} data-testid="tab-thread" onClick={() => setPane("thread")}>Thread</button>
                    <button type="button" role="tab" aria-selected={shownPane === "world"} data-testid="tab-world" onClick={() => setPane("world")}>World</button>
                  </div>
                ) : (
                  <h2>World <span className="live"><span className="dot on" aria-hidden="true" />live</span></h2>
                )}
                {threadShown && !sideBySide && shownPane === "thread" ? (
                  <button type="button" className="btn icon quiet" aria-label="Close the thread" data-testid="thread-close" onClick={closeThread}><Close /></button>
                ) : (
                  <button type="button" className="btn icon quiet" aria-label="Close the world panel" data-testid="world-close" onClick={() => setPaneOpen(false)}><Close /></button>
                )}
              </header>
              {!sideBySide && shownPane === "thread" ? threadPane : <World />}
            </aside>
          )}
          {view && <Modal key={view.id} id={view.id} view={view.view} />}
          {complaint && <div className="toast" role="alert">{complaint.text}</div>}
          <div className="sr-only" role="status" aria-live="polite" data-testid="announcement">{announcement}</div>
        </div>
      </ConfirmProvider>
    </PageContext.Provider>
  );
}

function ThreadPane({ parent, replies, onClose }) {
  const page = usePage();
  const { me, bot } = page;
  const channel = channelOf(page, parent.channel);
  const where = channel ? `#${channel.name}` : bot.name;
  return (
    <section className="thread" data-testid="thread" data-ts={parent.ts} aria-label="Thread">
      {onClose && (
        <header className="pane-header">
          <h2>Thread <small>{where}</small></h2>
          <button type="button" className="btn icon quiet" aria-label="Close the thread" data-testid="thread-close" onClick={onClose}><Close /></button>
        </header>
      )}
      <ThreadList key={`${parent.ts}/${me}`} parent={parent} replies={replies} />
      <Composer
        key={`composer/${parent.ts}/${me}`}
        channel={parent.channel}
        threadTs={parent.ts}
        testId="thread-composer"
        sendTestId="thread-send"
        label="Reply in the thread"
        placeholder="Reply…"
        footnote={<>mention <strong>@{handle(bot)}</strong> to give commands in a thread</>}
      />
    </section>
  );
}

/** What stands above the first message. */
function Intro({ place }) {
  const page = usePage();
  const { bot, channels, hints } = page;
  const channel = channelOf(page, place);
  // What one tries first.
  const hint = hints.find(({ usage }) => usage.includes(" enable ")) ?? hints[0];
  if (place === "dm") {
    return (
      <div className="intro">
        <Avatar id={bot.id} size={52} />
        <h2>{bot.name}</h2>
        <p>Only you and the bot see these messages. Commands that change nothing work here too.</p>
      </div>
    );
  }
  if (channel !== channels[0]) {
    return (
      <div className="intro">
        <span className="intro-mark" aria-hidden="true">#</span>
        <h2>{channel.name}</h2>
        <p>{channel.topic}</p>
      </div>
    );
  }
  return (
    <div className="intro">
      <span className="intro-mark" aria-hidden="true">#</span>
      <h2>{channel.name}</h2>
      <p>
        A sandbox: the real bot, an emulated chat and an emulated AWS. Type a command
        {hint && <>, such as <code>{hint.usage}</code></>}, then break something under <em>World</em> and see what the bot does.
      </p>
    </div>
  );
}
