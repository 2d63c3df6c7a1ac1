import assert from "node:assert/strict";
import { test } from "node:test";
import { suggest, withMentions } from "./hints.js";

const bot = { id: "UALCH", name: "Alch" };
const people = [{ id: "UALICE", name: "Alice", title: "Engineer" }, { id: "UBO", name: "Bo Ek", title: "SRE" }];
const world = { environments: ["dev", "prod"].map((name) => ({ name, rules: [{ short: "signal-generated" }, { short: "trade-executed" }] })) };
const hints = ["/alch enable <rule|all> <env>", "/alch disable <rule|all> <env>", "/alch status [env]", "/alch whoami"].map((usage) => ({ usage, description: "" }));
const offers = (text, inThread = false) => suggest(text, { hints, world, people, bot, inThread }).map((offer) => offer.insert);

test("commands are found by the words typed so far", () => {
  assert.deepEqual(offers("/al"), ["/alch enable ", "/alch disable ", "/alch status ", "/alch whoami"]);
  assert.deepEqual(offers("/alch en"), ["/alch enable "]);
  assert.deepEqual(offers("/alch xyz"), []);
  assert.deepEqual(offers("hello"), []);
});

test("a gap is filled with what the world has", () => {
  assert.deepEqual(offers("/alch enable "), ["/alch enable signal-generated ", "/alch enable trade-executed ", "/alch enable all "]);
  assert.deepEqual(offers("/alch enable tr"), ["/alch enable trade-executed "]);
  assert.deepEqual(offers("/alch enable all "), ["/alch enable all dev", "/alch enable all prod"]);
  assert.deepEqual(offers("/alch status d"), ["/alch status dev"]);
});

test("a complete command offers only itself", () => {
  assert.deepEqual(offers("/alch enable all dev"), ["/alch enable all dev"]);
});

test("in a thread commands are addressed to the bot", () => {
  assert.deepEqual(offers("@alch wh", true), ["@alch whoami"]);
  assert.deepEqual(offers("/alch wh", true), []);
});

test("people are offered after an at sign", () => {
  assert.deepEqual(offers("ask @"), ["ask @alch ", "ask @alice ", "ask @bo.ek "]);
  assert.deepEqual(offers("ask @ali"), ["ask @alice "]);
  assert.deepEqual(offers("me@ali"), []);
});

test("names that are somebody's become mentions", () => {
  const everyone = [bot, ...people];
  assert.equal(withMentions("@alch ask @Alice. or @nobody", everyone), "<@UALCH> ask <@UALICE>. or @nobody");
  assert.equal(withMentions("@bo.ek.", everyone), "<@UBO>.");
  assert.equal(withMentions("mail me@alice", everyone), "mail me@alice");
});
