// What every part of the page may need to know: who is who, who is looking, and in which theme.
import { createContext, useContext } from "react";

export const PageContext = createContext(null);
export const usePage = () => useContext(PageContext);

/** Where a block's elements live: `{message}` or `{view}`. Decides what an action refers to. */
export const OriginContext = createContext({});
export const useOrigin = () => useContext(OriginContext);

export const SLACKBOT = "USLACKBOT";

/** A channel of the page; nothing for one that it does not show, or for direct messages. */
export const channelOf = (page, id) => page.channels.find((channel) => channel.id === id);

export function personOf(page, id) {
  if (id === page.bot.id) return { id, name: page.bot.name, isBot: true };
  if (id === SLACKBOT) return { id, name: "Slackbot", isBot: true, initials: "S", color: "#5f6b7a" };
  return page.people.find((person) => person.id === id) ?? { id, name: id, initials: "?", color: "#777" };
}
