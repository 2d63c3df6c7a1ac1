// The left side: the workspace, its conversations, and who the reader is acting as.
import { Avatar } from "./avatar.jsx";
import { Alembic, Moon, Sun } from "./icons.jsx";
import { usePage } from "./page.js";

const KINDS = { guest: "Guest", stranger: "External" };

export function Sidebar({ place, onPlace, unread, onPerson, theme, onTheme, connected }) {
  const page = usePage();
  const me = page.people.find((person) => person.id === page.me);
  const link = (id, mark, name, count) => (
    <button type="button" key={id} className="place" aria-current={place === id ? "page" : undefined} data-testid={`place-${id}`} onClick={() => onPlace(id)}>
      {mark}
      <span className={count > 0 ? "place-name unread" : "place-name"}>{name}</span>
      {count > 0 && <span className="unread-count" aria-label={`${count} unread`}>{count}</span>}
    </button>
  );
  const keys = (event) => {
    const step = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const at = page.people.findIndex((person) => person.id === page.me);
    const next = page.people[(at + step + page.people.length) % page.people.length];
    onPerson(next.id);
    event.currentTarget.querySelector(`[data-testid="person-${next.id}"]`)?.focus();
  };
  return (
    <nav className="sidebar" aria-label="Workspace">
      <header className="workspace">
        <span className="workspace-mark"><Alembic size={30} /></span>
        <span className="workspace-name">Alchemiser<small>{connected ? "Sandbox" : "Connecting…"}</small></span>
        <button type="button" className="btn icon side" data-testid="theme" aria-label={theme === "dark" ? "Switch to the light theme" : "Switch to the dark theme"} onClick={onTheme}>
          {theme === "dark" ? <Sun size={17} /> : <Moon size={17} />}
        </button>
      </header>
      <div className="places">
        <h2>Channels</h2>
        {page.channels.map((channel) => link(channel.id, <span className="mark" aria-hidden="true">#</span>, channel.name, unread[channel.id]))}
        <h2>Apps</h2>
        {link("dm", <Avatar id={page.bot.id} size={20} />, page.bot.name, unread.dm)}
      </div>
      <section className="switcher" aria-label="People">
        <h2 id="acting">You are acting as <strong>{me?.name}</strong></h2>
        <div role="radiogroup" aria-labelledby="acting" onKeyDown={keys}>
          {page.people.map((person) => (
            <button
              type="button"
              key={person.id}
              className="person"
              role="radio"
              aria-checked={person.id === page.me}
              tabIndex={person.id === page.me ? 0 : -1}
              data-testid={`person-${person.id}`}
              onClick={() => onPerson(person.id)}
            >
              <Avatar id={person.id} size={30} />
              <span className="person-text">
                <span className="person-name">{person.name}{KINDS[person.kind] && <span className="badge side">{KINDS[person.kind]}</span>}</span>
                <span className="person-title">{person.title}</span>
              </span>
            </button>
          ))}
        </div>
      </section>
    </nav>
  );
}
