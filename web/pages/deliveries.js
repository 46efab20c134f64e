// How receivers are doing, what waits for them and what could not be delivered.

import { html, useEffect, useState } from "../vendor/htm-preact.js";
import { call, query, send } from "../api.js";
import { clock, count, moment } from "../format.js";
import { labelOr, t } from "../i18n.js";
import { commandId, outcome, told } from "../orders.js";
import { Empty, Go, Panel, Tile } from "../parts.js";

const EVERY_MS = 5000;

/** @param {{one: import("headwater-api").ReceiverLine}} props */
const Receiver = ({ one }) => html`<tr><td><b>${one.id}</b>${one.kind && html`<small>${one.kind}</small>`}</td>
  <td>${!one.reachable ? html`<em class="tag bad">${t("dlv.unreachable")}</em>` : one.paused ? html`<em class="tag bad" title=${one.paused}>${t("dlv.paused")}</em>` : html`<em class="tag good">${t("dlv.well")}</em>`}</td>
  ${["waiting", "accepted", "failed", "given_up", "folded", "held_back"].map((word) => html`<td key=${word} class=${`n ${["failed", "given_up"].includes(word) && one[word] ? "bad" : ""}`}>${count(one[word])}</td>`)}
  <td class="comment">${(one.budgets ?? []).map((budget) => html`<p key=${budget.id} class=${(budget.hour_max && budget.hour >= budget.hour_max) || (budget.day_max && budget.day >= budget.day_max) ? "bad" : "dim"}>${t("dlv.budget", { id: budget.id, hour: `${count(budget.hour)}${budget.hour_max ? `/${count(budget.hour_max)}` : ""}`, day: `${count(budget.day)}${budget.day_max ? `/${count(budget.day_max)}` : ""}`, held: count(budget.held) })}</p>`)}${one.paused ?? one.last_failure ?? ""}</td></tr>`;

/** @param {{items: import("headwater-api").UndeliveredNotice[], may: any, onAgain: any}} props */
const Undelivered = ({ items, may, onAgain }) => html`<${Panel} title=${`${t("dlv.undelivered")} (${count(items.length)})`}>
  ${items.length === 0 ? html`<p class="dim">${t("dlv.undelivered.none")}</p>` : html`<div class="scroll"><table class="plain"><thead><tr>${["at", "receiver", "incident", "attempts", "why"].map((word) => html`<th key=${word} class=${word === "attempts" ? "n" : ""}>${t(`dlv.${word}`)}</th>`)}<th></th></tr></thead>
    <tbody>${items.map((one) => html`<tr key=${one.key}><td>${moment(one.at)}</td><td><b>${one.receiver}</b></td><td><${Go} to=${`/incidents/${one.incident}`}>${one.incident}<//></td><td class="n">${one.attempts}</td><td class="comment">${one.why}</td>
      <td>${may && html`<button data-act="resend" onClick=${() => onAgain(one)}>${t("dlv.resend")}</button>`}</td></tr>`)}</tbody></table></div>`}<//>`;

const OUTCOMES = ["accepted", "pending", "folded", "gave_up", "unaddressed", "unverified"];
const KINDS = { accepted: "good", gave_up: "bad", unaddressed: "bad" };

/** Every message to every person and receiver, narrowed by who, by what and how it ended.
 * @param {{receivers: import("headwater-api").ReceiverLine[]}} props */
const Log = ({ receivers }) => {
  const asked = new URLSearchParams(location.search);
  const [filter, setFilter] = useState({ person: asked.get("person") ?? "", receiver: asked.get("receiver") ?? "", outcome: asked.get("outcome") ?? "" });
  const [page, set] = useState(/** @type {import("headwater-api").Listed_LogItem|null} */ (null));
  const [people, setPeople] = useState(/** @type {[string, string][]} */ ([]));
  const [failed, setFailed] = useState("");
  const load = (wanted, after) => call(`/api/v1/notices?${query({ limit: "100", after, ...wanted })}`)
    .then((next) => { set((old) => (after && old ? { ...next, items: [...old.items, ...next.items] } : next)); setFailed(""); setPeople((old) => [...new Map([...old, ...next.items.filter((one) => one.person).map((one) => /** @type {[string, string]} */ ([one.person, one.person_name || one.person]))])]); }, (failure) => setFailed(failure.message));
  useEffect(() => { load(filter); }, []);
  const change = (one) => { const next = { ...filter, ...one }; setFilter(next); load(next); history.replaceState(null, "", `/deliveries?${query(next)}`); };
  const choice = (key, any, options) => html`<select class=${filter[key] ? "set" : ""} aria-label=${any} value=${filter[key]} onChange=${(event) => change({ [key]: event.target.value })}><option value="">${any}</option>${options.map(([word, label]) => html`<option key=${word} value=${word}>${label}</option>`)}</select>`;
  const known = filter.person && !people.some(([id]) => id === filter.person) ? [...people, [filter.person, filter.person]] : people;
  const tools = html`${choice("person", t("dlv.any_person"), known)}${choice("receiver", t("dlv.any_receiver"), receivers.map((one) => [one.id, one.id]))}${choice("outcome", t("dlv.any_outcome"), OUTCOMES.map((word) => [word, t(`dlv.outcome.${word}`)]))}<button onClick=${() => load(filter)}>${t("dlv.refresh")}</button>`;
  return html`<${Panel} title=${t("dlv.log")} aside=${tools} kind="told-log">${failed && html`<${Empty} text=${failed} onRetry=${() => load(filter)} />`}
    ${page?.items.length === 0 && html`<p class="dim">${t(Object.values(filter).some(Boolean) ? "dlv.log.none" : "dlv.log.nothing")}</p>`}
    ${page && page.items.length > 0 && html`<div class="scroll"><table class="plain"><thead><tr>${["at", "person", "receiver", "incident", "kind", "outcome", "attempts", "why"].map((word) => html`<th key=${word} class=${word === "attempts" ? "n" : ""}>${t(`dlv.${word}`)}</th>`)}</tr></thead>
      <tbody>${page.items.map((one) => html`<tr key=${one.key}><td><time>${moment(one.at)}</time></td><td>${one.person && html`<button class="linkish" onClick=${() => change({ person: one.person })}>${one.person_name || one.person}</button>`}${one.policy && html`<small>${t("dlv.level", { policy: one.policy, n: one.level })}</small>`}</td><td>${one.receiver}${one.address && html`<small>${one.address}</small>`}${one.rule && html`<small>${one.rule}</small>`}</td><td><${Go} to=${`/incidents/${one.incident}`}>${one.incident}<//></td>
        <td>${labelOr(`dlv.kind.${one.kind}`, one.kind)}</td><td><em class=${`tag ${KINDS[one.outcome] ?? ""}`}>${labelOr(`dlv.outcome.${one.outcome}`, one.outcome)}</em>${one.ended_at && html`<small>${clock(one.ended_at)}</small>`}</td><td class="n">${one.attempts}</td><td class="comment">${one.why ?? (one.ticket ? `${t("inc.ticket")} ${one.ticket}` : one.said ?? "")}</td></tr>`)}</tbody></table></div>`}
    ${page?.next && html`<button class="more" onClick=${() => load(filter, page.next)}>${t("more")}</button>`}<//>`;
};

/** @param {{me: import("headwater-api").Me}} props */
export const Deliveries = ({ me }) => {
  const [found, set] = useState(/** @type {{receivers: import("headwater-api").ReceiverList, undelivered: import("headwater-api").UndeliveredNotice[]}|null} */ (null));
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
      <${Panel} title=${t("dlv.receivers")}>${found.receivers.items.length === 0 ? html`<p class="dim">${t("dlv.receivers.none")}</p>` : html`<div class="scroll"><table class="plain"><thead><tr>${["receiver", "state", "waiting", "accepted", "failed", "given_up", "folded", "held_back", "last"].map((word) => html`<th key=${word} class=${["receiver", "state", "last"].includes(word) ? "" : "n"}>${t(`dlv.${word}`)}</th>`)}</tr></thead>
        <tbody>${found.receivers.items.map((one) => html`<${Receiver} key=${one.id} one=${one} />`)}</tbody></table></div>`}<//>
      <${Undelivered} items=${found.undelivered} may=${me.role !== "viewer"} onAgain=${again} />
      <${Log} receivers=${found.receivers.items} /></div>`}`;
};
