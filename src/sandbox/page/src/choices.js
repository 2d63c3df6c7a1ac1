// What the reader chose for this page and should find again: the theme everywhere, the person in this tab only.
import { useEffect, useState } from "react";

function stored(storage, key) {
  try {
    return storage.getItem(key);
  } catch {
    return null;
  }
}

function store(storage, key, value) {
  try {
    storage.setItem(key, value);
  } catch {
    // Private windows may refuse; the choice then lasts as long as the page.
  }
}

const THEME = "alch-theme";

export function useTheme() {
  const system = window.matchMedia("(prefers-color-scheme: dark)");
  const [chosen, setChosen] = useState(() => stored(localStorage, THEME));
  const [systemDark, setSystemDark] = useState(system.matches);
  useEffect(() => {
    const follow = (event) => setSystemDark(event.matches);
    system.addEventListener("change", follow);
    return () => system.removeEventListener("change", follow);
  }, []);
  const theme = chosen ?? (systemDark ? "dark" : "light");
  useEffect(() => {
    document.documentElement.dataset.theme = theme;
  }, [theme]);
  const toggle = () => {
    const next = theme === "dark" ? "light" : "dark";
    store(localStorage, THEME, next);
    setChosen(next);
  };
  return [theme, toggle];
}

const PERSON = "alch-person";

/** Two tabs can be two people; `?as=U…` says who at the start. */
export function usePersonChoice() {
  const [id, setId] = useState(() => new URLSearchParams(location.search).get("as") ?? stored(sessionStorage, PERSON));
  const choose = (next) => {
    store(sessionStorage, PERSON, next);
    setId(next);
  };
  return [id, choose];
}

export function useMedia(query) {
  const [matches, setMatches] = useState(() => window.matchMedia(query).matches);
  useEffect(() => {
    const media = window.matchMedia(query);
    const follow = () => setMatches(media.matches);
    follow();
    media.addEventListener("change", follow);
    return () => media.removeEventListener("change", follow);
  }, [query]);
  return matches;
}
