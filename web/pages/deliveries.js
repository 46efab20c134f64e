// How receivers are doing, what waits for them and what could not be delivered.

import { html, useEffect, useState } from "../vendor/htm-preact.js";
import { call, send } from "../api.js";
import { count, moment } from "../format.js";
import { t } from "../i18n.js";
import { commandId, outcome, told } from "../orders.js";
import { Empty, Go, Panel, Tile } from "../parts.js";

const EVERY_MS = 5000;

const Receiver = ({ one }) => html`<tr><td><b>${one.id}</b></td>
  <td>${!one.reachable ? html`<em class="tag bad">${t("dlv.unreachable")}</em>` : one.paused ? html`<em class="tag bad" title=${one.paused}>${t("dlv.paused")}</em>` : html`<em class="tag good">${t("dlv.well")}</em>`}</td>
  ${["waiting", "accepted", "failed", "given_up", "folded", "held_back"].map((word) => html`<td key=${word} class=${`n ${["failed", "given_up"].includes(word) && one[word] ? "bad" : ""}`}>${count(one[word])}</td>`)}
  <td class="comment">${one.paused ?? one.last_failure ?? ""}</td></tr>`;

const Undelivered = ({ items, may, onAgain }) => html`<${Panel} title=${`${t("dlv.undelivered")} (${count(items.length)})`}>
  ${items.length === 0 ? html`<p class="dim">${t("dlv.undelivered.none")}</p>` : html`<div class="scroll"><table class="plain"><thead><tr>${["at", "receiver", "incident", "attempts", "why"].map((word) => html`<th key=${word}>${t(`dlv.${word}`)}</th>`)}<th></th></tr></thead>
    <tbody>${items.map((one) => html`<tr key=${one.key}><td>${moment(one.at)}</td><td><b>${one.receiver}</b></td><td><${Go} to=${`/incidents/${one.incident}`}>${one.incident}<//></td><td class="n">${one.attempts}</td><td class="comment">${one.why}</td>
      <td>${may && html`<button data-act="resend" onClick=${() => onAgain(one)}>${t("dlv.resend")}</button>`}</td></tr>`)}</tbody></table></div>`}<//>`;

export const Deliveries = ({ me }) => {
  const [found, set] = useState(/** @type {any} */ (null));
  const [failed, setFailed] = useState("");
  const load = () => Promise.all([call("/api/v1/receivers"), call("/api/v1/notices/undelivered")])
    .then(([receivers, undelivered]) => { set({ receivers, undelivered: undelivered.items }); setFailed(""); }, (failure) => setFailed(failure.message));
  useEffect(() => { load(); const timer = setInterval(load, EVERY_MS); return () => clearInterval(timer); }, []);
  const again = (one) => told(t("dlv.resend"), async () => {
    const { seq } = await send("POST", `/api/v1/notices/undelivered/${encodeURIComponent(one.key)}/resend`, { command_id: commandId() });
    return outcome(seq);
  }).then(load);
  return html`<div class="page-head"><h1>${t("nav.deliveries")}</h1><p class="dim">${t("dlv.help")}</p></div>
    ${failed && html`<${Empty} text=${t("failed", { why: failed })} onRetry=${load} />`}
    ${!found && !failed && html`<${Empty} text=${t("loading")} />`}
    ${found && html`<div class="strip"><${Tile} label=${t("dlv.pending")} value=${found.receivers.pending} /><${Tile} label=${t("dlv.configured")} value=${found.receivers.configured} kind=${found.receivers.configured ? "" : "alarm"} />
        <${Tile} label=${t("dlv.undelivered")} value=${found.undelivered.length} kind=${found.undelivered.length ? "alarm" : ""} /></div>
      <div class="stack">${found.receivers.configured === 0 && html`<p class="notice">${t("ov.nobody")}</p>`}
      <${Panel} title=${t("dlv.receivers")}>${found.receivers.items.length === 0 ? html`<p class="dim">${t("dlv.receivers.none")}</p>` : html`<div class="scroll"><table class="plain"><thead><tr>${["receiver", "state", "waiting", "accepted", "failed", "given_up", "folded", "held_back", "last"].map((word) => html`<th key=${word}>${t(`dlv.${word}`)}</th>`)}</tr></thead>
        <tbody>${found.receivers.items.map((one) => html`<${Receiver} key=${one.id} one=${one} />`)}</tbody></table></div>`}<//>
      <${Undelivered} items=${found.undelivered} may=${me.role !== "viewer"} onAgain=${again} /></div>`}`;
};
