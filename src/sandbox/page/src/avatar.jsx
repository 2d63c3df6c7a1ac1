// A person's picture: initials on their colour; the bot has a face.
import { Alembic } from "./icons.jsx";
import { personOf, usePage } from "./page.js";

export function Avatar({ id, size = 36 }) {
  const page = usePage();
  const person = personOf(page, id);
  const style = { width: size, height: size, fontSize: Math.round(size * 0.38), background: person.color };
  if (id === page.bot.id) {
    return <span className="avatar" style={{ width: size, height: size }} aria-hidden="true"><Alembic size={size} /></span>;
  }
  return <span className="avatar" style={style} aria-hidden="true">{person.initials}</span>;
}
