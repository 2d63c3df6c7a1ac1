import assert from "node:assert/strict";
import { test } from "node:test";
import { linkedMessage, sortMessages } from "./conversations.js";

const people = [{ id: "UALICE", name: "Alice" }, { id: "UBO", name: "Bo" }];
const channel = { id: "C1", name: "platform" };
const message = (ts, more) => ({ ts, channel: "C1", thread_ts: null, user: "UALCH", ephemeral_to: null, deleted: false, broadcast: false, ...more });
const tsOf = (list) => list.map((one) => one.ts);
const sort = (messages, me = "UALICE") => sortMessages({ people, channel, messages }, me);

test("replies stay in their thread, broadcasts are in both places", () => {
  const sorted = sort([message("2.0", { thread_ts: "1.0" }), message("1.0", { thread_ts: "1.0" }), message("3.0", { thread_ts: "1.0", broadcast: true })]);
  assert.deepEqual(tsOf(sorted.channels.C1), ["1.0", "3.0"]);
  assert.deepEqual(tsOf(sorted.replies.get("1.0")), ["2.0", "3.0"]);
});

test("an ephemeral message is for one person and no part of a summary", () => {
  const messages = [message("1.0"), message("2.0", { ephemeral_to: "UBO" }), message("3.0", { thread_ts: "1.0", ephemeral_to: "UBO" })];
  assert.deepEqual(tsOf(sort(messages).channels.C1), ["1.0"]);
  assert.deepEqual(tsOf(sort(messages, "UBO").channels.C1), ["1.0", "2.0"]);
  assert.deepEqual(tsOf(sort(messages, "UBO").counted.get("1.0")), []);
});

test("direct messages are seen by the person who has them", () => {
  const messages = [message("1.0", { channel: "DALICE" }), message("2.0", { channel: "DBO", user: "UBO" })];
  assert.deepEqual(tsOf(sort(messages).dm), ["1.0"]);
  assert.deepEqual(tsOf(sort(messages, "UBO").dm), ["2.0"]);
});

test("a deleted message stays only above its replies, and another channel's message is not shown", () => {
  const messages = [message("1.0", { deleted: true }), message("2.0", { deleted: true }), message("3.0", { thread_ts: "2.0" }), message("4.0", { channel: "C2" })];
  assert.deepEqual(tsOf(sort(messages).channels.C1), ["2.0"]);
});

test("permalinks name a channel and a message", () => {
  assert.deepEqual(linkedMessage("http://127.0.0.1:1/archives/C1/p1700000000000100?thread_ts=1.0&cid=C1"), { channel: "C1", ts: "1700000000.000100" });
  assert.deepEqual(linkedMessage("#/DALICE/p1700000000000100"), { channel: "DALICE", ts: "1700000000.000100" });
  assert.equal(linkedMessage("https://example.com/archives/"), null);
});

test("each channel that is shown has its own messages", () => {
  const messages = [message("1.0"), message("2.0", { channel: "C2" })];
  const sorted = sortMessages({ people, channel, channels: [{ id: "C2", name: "stakeholders" }], messages }, "UALICE");
  assert.deepEqual(tsOf(sorted.channels.C1), ["1.0"]);
  assert.deepEqual(tsOf(sorted.channels.C2), ["2.0"]);
});
