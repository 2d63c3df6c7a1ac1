// The connection to the sandbox: the state that it streams, and what a person can do there.
import { useSyncExternalStore } from "react";
import { setServerNow } from "./dates.js";

let snapshot = { state: null, connected: false };
const listeners = new Set();

function publish(change) {
  snapshot = { ...snapshot, ...change };
  for (const listener of listeners) listener();
}

/** Keeps the old value wherever the new one says the same, so that unchanged messages are not drawn again. */
export function share(previous, next) {
  if (Object.is(previous, next)) return previous;
  const comparable = previous && next && typeof previous === "object" && typeof next === "object";
  if (!comparable || Array.isArray(previous) !== Array.isArray(next)) return next;
  const keys = Object.keys(next);
  let same = keys.length === Object.keys(previous).length;
  const merged = Array.isArray(next) ? [] : {};
  for (const key of keys) {
    merged[key] = share(previous[key], next[key]);
    if (!Object.is(merged[key], previous[key]) || !(key in previous)) same = false;
  }
  return same ? previous : merged;
}

/** A server that has nothing to say about a part may leave it out. */
function complete(state) {
  const lists = { people: [], channels: [], groups: [], messages: [], views: [], hints: [], faults: [], home: {}, world: {} };
  const full = { ...lists, ...Object.fromEntries(Object.entries(state).filter(([, value]) => value !== null)) };
  const environments = (full.world.environments ?? []).map((environment) => ({ rules: [], dlqs: [], alarms: [], ...environment }));
  return { ...full, world: { ...full.world, environments } };
}

/** Messages are matched by their ts, so that a deleted one does not make all later ones look new. */
function shareState(previous, next) {
  if (!previous) return next;
  const known = new Map(previous.messages.map((message) => [message.ts, message]));
  const messages = next.messages.map((message) => share(known.get(message.ts), message));
  return share(previous, { ...next, messages });
}

const RETRY_MILLIS = 1000;

function connect() {
  const source = new EventSource("/sandbox/stream");
  source.addEventListener("state", (event) => {
    const next = complete(JSON.parse(event.data));
    setServerNow(next.now);
    publish({ state: shareState(snapshot.state, next), connected: true });
  });
  source.onopen = () => publish({ connected: true });
  source.onerror = () => {
    publish({ connected: false });
    // The browser reconnects after a lost connection, but gives up after an HTTP error.
    if (source.readyState === EventSource.CLOSED) setTimeout(connect, RETRY_MILLIS);
  };
}

let started = false;
function subscribe(listener) {
  if (!started) {
    started = true;
    connect();
  }
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export const useSandbox = () => useSyncExternalStore(subscribe, () => snapshot);

async function post(path, body) {
  try {
    const response = await fetch(`/sandbox/${path}`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    });
    const answer = await response.json().catch(() => null);
    return answer ?? { ok: response.ok, error: response.ok ? undefined : `HTTP ${response.status}` };
  } catch {
    return { ok: false, error: "The sandbox did not answer." };
  }
}

export const say = (body) => post("say", body);
export const act = (body) => post("act", body);
export const submitView = (body) => post("submit", body);
export const closeView = (body) => post("close", body);
export const openHome = (user) => post("home", { user });
export const setFault = (id, on) => post("fault", { id, on });
