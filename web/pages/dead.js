// Dead letters: events that could not be taken, with their bytes and reasons, and trying them again.

import { html, useEffect, useState } from "../vendor/htm-preact.js";
import { call, query, send } from "../api.js";
import { moment } from "../format.js";
import { labelOr, say, t } from "../i18n.js";
import { told } from "../orders.js";
import { Empty, Go } from "../parts.js";

const REASONS = ["malformed", "too_large", "bad_time", "over_limit"];

/** @param {{letter: import("headwater-api").DeadLetterItem, may: any, onReplay: any}} props */
const Letter = ({ letter, may, onReplay }) => html`<li>
  <p><em class="tag strong">${labelOr(`dead.reason.${letter.reason}`, letter.reason)}</em> <b>${letter.source}</b>
    <time class="dim">${moment(letter.at)}</time> <span class="dim">${letter.decoder}</span>
    ${letter.replayed_as ? html`<em class="tag good">${t("dead.replayed")}</em> <${Go} to=${`/why/${letter.replayed_as}`}>${letter.replayed_as}<//>`
      : may && html`<button data-act="replay" onClick=${() => onReplay(letter)}>${t("dead.replay")}</button>`}</p>
  <p>${say(letter.text)}</p>
  <details><summary>${t("dead.raw")}</summary><pre>${letter.raw}</pre></details>
</li>`;

/** @param {{me: import("headwater-api").Me}} props */
export const Dead = ({ me }) => {
  const [filter, setFilter] = useState({ reason: "", source: "" });
  const [page, set] = useState(/** @type {import("headwater-api").Listed_DeadLetterItem|null} */ (null));
  const [failed, setFailed] = useState("");
  const load = (after) => call(`/api/v1/dead-letters?${query({ limit: "100", after, ...filter })}`)
    .then((next) => { set((old) => (after && old ? { ...next, items: [...old.items, ...next.items] } : next)); setFailed(""); }, (failure) => setFailed(failure.message));
  useEffect(() => { load(); }, [JSON.stringify(filter)]);
  const may = me.role === "analyst" || me.role === "admin";
  const replay = (letter) => told(t("dead.replay"), async () => {
    await send("POST", `/api/v1/dead-letters/${encodeURIComponent(letter.id)}/replay`);
    return "";
  }).then(() => load());
  return html`<div class="page-head"><h1>${t("nav.dead")}</h1><p class="dim">${t(may ? "dead.help" : "dead.help.viewer")}</p></div>
    <div class="filters"><select value=${filter.reason} aria-label=${t("dead.any_reason")} onChange=${(e) => setFilter({ ...filter, reason: e.target.value })}>
        <option value="">${t("dead.any_reason")}</option>${REASONS.map((word) => html`<option key=${word} value=${word}>${t(`dead.reason.${word}`)}</option>`)}</select>
      <input type="search" placeholder=${t("col.source")} aria-label=${t("col.source")} value=${filter.source} onChange=${(e) => setFilter({ ...filter, source: e.target.value.trim() })} /></div>
    ${failed && html`<${Empty} text=${t("failed", { why: failed })} onRetry=${() => load()} />`}
    ${!page && !failed && html`<${Empty} text=${t("loading")} />`}
    ${page?.items.length === 0 && html`<${Empty} text=${t("dead.empty")} calm />`}
    ${page && page.items.length > 0 && html`<ul class="letters">${page.items.map((letter) => html`<${Letter} key=${letter.id} letter=${letter} may=${may} onReplay=${replay} />`)}</ul>`}
    ${page?.next && html`<button class="more" onClick=${() => load(page.next)}>${t("more")}</button>`}`;
};
