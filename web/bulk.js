// Orders about many incidents at once: asked once, sent a few at a time, and told how all of them ended.

import { html, useState } from "./vendor/htm-preact.js";
import { details } from "./actions.js";
import { t } from "./i18n.js";
import { order } from "./orders.js";
import { toast } from "./parts.js";

/** Orders on their way at once. */
const AT_ONCE = 6;

/** What can be done with many. */
const WORDS = ["acknowledge", "assign", "snooze", "severity", "comment", "merge", "close"];

/** Whether an order says anything to an incident as it is. */
const fits = (word) => (incident) => (word === "acknowledge" ? incident.progress === "triggered" : true) && incident.state !== "merged" && incident.state !== "closed";

/** Sends; tells how they ended.
 * @param {any[]} incidents @param {string} word @param {object} body */
async function run(incidents, word, body) {
  const left = [...incidents];
  const ends = { done: 0, waiting: 0, refused: /** @type {string[]} */ ([]) };
  let shown = toast(t("bulk.running", { what: t(`act.${word}`), n: 0, of: incidents.length }), "wait");
  const work = async () => {
    for (let one = left.shift(); one; one = left.shift()) {
      const ended = await order(one.id, word, body).catch((failure) => failure.message);
      if (ended === "") ends.done++;
      else if (ended === null) ends.waiting++;
      else ends.refused.push(`${one.id}: ${ended}`);
      const n = ends.done + ends.waiting + ends.refused.length;
      if (n % 25 === 0) { shown(); shown = toast(t("bulk.running", { what: t(`act.${word}`), n, of: incidents.length }), "wait"); }
    }
  };
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, left.length) }, work));
  shown();
  toast(t("bulk.done", { what: t(`act.${word}`), n: ends.done, of: incidents.length }), ends.refused.length ? "bad" : "good");
  if (ends.waiting) toast(t("bulk.waiting", { n: ends.waiting }), "wait");
  if (ends.refused.length) toast(`${t("bulk.refused", { n: ends.refused.length })} ${ends.refused.slice(0, 3).join(" · ")}`, "bad");
}

/** Asks what the order needs and sends it for all.
 * @param {any[]} incidents @param {string} word */
export async function actMany(incidents, word) {
  const all = incidents.filter(fits(word));
  if (!all.length) { toast(t("bulk.nothing"), "bad"); return; }
  const example = { ...all[0], firing_count: all.reduce((sum, one) => sum + one.firing_count, 0) };
  const body = await details(example, word, all, t("bulk.title", { what: t(`act.${word}`), n: all.length }));
  if (body === null) return;
  // Merging into one of them: it takes the others.
  await run(word === "merge" ? all.filter((one) => one.id !== body.into) : all, word, body);
}

/** The bar that shows while incidents are marked.
 * @param {{incidents: any[], onClear: () => void}} props */
export const BulkBar = ({ incidents, onClear }) => {
  const [busy, setBusy] = useState(false);
  if (!incidents.length) return null;
  const act = (word) => async () => {
    setBusy(true);
    try { await actMany(incidents, word); } finally { setBusy(false); }
  };
  return html`<div class="bulk" role="toolbar" aria-label=${t("bulk")}><b>${t("bulk.chosen", { n: incidents.length })}</b>
    ${WORDS.map((word) => html`<button key=${word} data-bulk=${word} class=${word === "acknowledge" ? "main" : word === "close" ? "warn" : ""} disabled=${busy} onClick=${act(word)}>${t(`act.${word}`)}</button>`)}
    <button class="icon" onClick=${onClear}>${t("bulk.clear")}</button></div>`;
};
