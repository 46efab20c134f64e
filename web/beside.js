// Letting rules or models run beside what is valid. Only one trial runs at a time: whose it is is said before it ends.

import { call, send } from "./api.js";
import { ask } from "./ask.js";
import { moment } from "./format.js";
import { t } from "./i18n.js";
import { told } from "./orders.js";
import { visit } from "./parts.js";

/** The trial that runs, in words.
 * @param {import("headwater-api").ShadowBody} running */
const named = (running) => t("beside.running", { who: running.author, at: running.at ? moment(running.at) : "–", why: running.reason || t("beside.no_reason") });

/** Asks why, starts the trial and shows it. True when it was taken.
 * @param {string} title @param {() => Promise<object>|object} make what is to run
 * @param {import("./ask.js").Field[]} [notes] what else is said before @param {string} [reason] to begin with */
export async function tryBeside(title, make, notes = [], reason = "") {
  const running = await call("/api/v1/shadow").catch(() => null);
  const ends = running?.running ? running : null;
  /** @type {import("./ask.js").Field[]} */
  const doubt = ends ? [{ name: "running", kind: "note", label: "", value: named(ends) }] : [];
  const given = await ask({ title, ok: ends ? t("beside.instead") : title, danger: ends !== null,
    fields: [...doubt, ...notes, { name: "reason", kind: "line", label: t("tuning.reason"), value: reason, optional: true }] });
  if (!given) return false;
  let taken = false;
  await told(title, async () => {
    // Had another one begun meanwhile, it would be refused: that one was not asked about.
    await send("PUT", "/api/v1/shadow", { ...await make(), reason: given.reason, in_place_of: ends?.since_seq });
    taken = true;
    return "";
  });
  if (taken) visit("/tuning");
  return taken;
}
