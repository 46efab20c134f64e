// Orders to the engine: sent, then watched until the engine has done or refused them.

import { call, send } from "./api.js";
import { hear } from "./feed.js";
import { t } from "./i18n.js";
import { toast } from "./parts.js";

/** Asks for the end when the feed has not told it. */
const ASK_MS = 1500;
/** After this long the order is left to itself: it is durable and will be done. */
const PATIENCE_MS = 20000;

/** A fresh id: the same order sent twice is done once. */
export const commandId = () =>
  Array.from(crypto.getRandomValues(new Uint32Array(4)), (n) => n.toString(16).padStart(8, "0")).join("");

/** Orders something about an incident and waits for its end: "" when done, the reason when refused, null when it is
 * still waiting after a while.
 * @param {string} id @param {string} word @param {object} [body] */
export async function order(id, word, body) {
  const path = `/api/v1/incidents/${encodeURIComponent(id)}/${word}`;
  const { seq } = await send("POST", path, { command_id: commandId(), ...body });
  return outcome(seq);
}

/** What became of a command: "" when done, the reason when refused, null when nobody knows yet.
 * @param {number} seq @returns {Promise<string|null>} */
export function outcome(seq) {
  return new Promise((resolve) => {
    const started = Date.now();
    const end = (result) => { stop(); clearInterval(timer); resolve(result); };
    const stop = hear((changes) => {
      const told = changes.find((change) => change.kind === "command" && change.data.seq === seq);
      if (told) end(told.data.refused ?? "");
    });
    const timer = setInterval(async () => {
      const state = await call(`/api/v1/commands/${seq}`).catch(() => null);
      if (state && state.state !== "pending") end(state.reason ?? "");
      else if (Date.now() - started > PATIENCE_MS) end(null);
    }, ASK_MS);
  });
}

/** Runs an order and tells how it ended.
 * @param {string} name @param {() => Promise<string|null>} run */
export async function told(name, run) {
  const sent = toast(`${name} · ${t("sent")}`, "wait");
  try {
    const refused = await run();
    sent();
    if (refused === null) toast(`${name} · ${t("waiting")}`, "wait");
    else if (refused) toast(`${name} · ${t("refused", { why: refused })}`, "bad");
    else toast(`${name} · ${t("done")}`);
  } catch (failure) {
    sent();
    toast(`${name} · ${t("failed", { why: [failure.message, ...(failure.errors ?? []).slice(0, 1)].join(" ") })}`, "bad");
  }
}
