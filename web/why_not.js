// Why something did not happen: the engine's own numbers, and what would have changed the result.

import { html, useState } from "./vendor/htm-preact.js";
import { call } from "./api.js";
import { points } from "./evidence.js";
import { moment, says } from "./format.js";
import { t } from "./i18n.js";
import { Go, Panel } from "./parts.js";

/** @param {{node: import("headwater-api").NodeItem}} props */
const Node = ({ node }) => html`<span>${node.alert ? html`<${Go} to=${`/why/${node.alert}`}>${says(node.text)}<//>` : says(node.text)}</span>`;

/** One explanation with every term, its sum and what that had to be above.
 * @param {{one: import("headwater-api").WeighedItem}} props */
const Weighed = ({ one }) => html`<li>
  <p><${Node} node=${one.cause} />${one.effect && html` → <${Node} node=${one.effect} />`}
    ${one.bond && html` <em class="tag">${says(one.bond)}${one.rule ? ` · ${one.rule}` : ""}</em>`}</p>
  ${one.evidence.length > 0 && html`<ul class="evidence plain">
    ${one.evidence.map((item, i) => html`<li key=${i} class=${item.points < 0 ? "against" : ""}><span class="points">${points(item.points)}</span><span>${says(item.text)}</span></li>`)}
    <li class="sum"><span class="points">${points(one.sum)}</span><span>${t("whynot.sum", { needs: points(one.needs) })}</span></li></ul>`}
</li>`;

/** Explanations, one after the other.
 * @param {{all: any[]}} props */
export const Weighing = ({ all }) => all.length > 0 && html`<ol class="weighed">${all.map((one, i) => html`<${Weighed} key=${i} one=${one} />`)}</ol>`;

/** @param {{title: any, all: import("headwater-api").WeighedItem[]}} props */
const List = ({ title, all }) => all.length > 0 && html`<h3>${title}</h3><${Weighing} all=${all} />`;

/** The whole answer.
 * @param {{answer: import("headwater-api").WhyNot}} props */
const Answer = ({ answer }) => html`<div class="answer">
  <ul class="reasons">${answer.reasons.map((reason, i) => html`<li key=${i}>${says(reason)}</li>`)}</ul>
  <${List} title=${t("whynot.weighed")} all=${answer.weighed} />
  ${answer.what_if.length > 0 && html`<h3>${t("whynot.whatif")}</h3><ul class="whatif">${answer.what_if.map((one, i) => html`<li key=${i} class=${one.enough ? "good" : "dim"}>${says(one.text)}</li>`)}</ul>`}
  <${List} title=${t("whynot.path")} all=${answer.path} />
  <p class="dim">${t("whynot.asof", { at: moment(answer.as_of), rules: answer.ruleset_version, model: answer.model_version })}</p>
</div>`;

/** Questions, and what came of the last one.
 * @param {{questions: (run: (query: string) => Promise<void>) => any}} props */
const Asked = ({ questions }) => {
  const [answer, setAnswer] = useState(/** @type {import("headwater-api").WhyNot|null} */ (null));
  const [failed, setFailed] = useState("");
  const run = (query) => call(`/api/v1/why-not?${query}`)
    .then((found) => { setAnswer(found); setFailed(""); }, (failure) => { setAnswer(null); setFailed(failure.message); });
  return html`<${Panel} title=${t("whynot.title")} kind="whynot">
    <div class="filters">${questions(run)}</div>
    ${failed && html`<p class="dim">${t("failed", { why: failed })}</p>`}
    ${answer && html`<${Answer} answer=${answer} />`}<//>`;
};

/** Three questions about an incident.
 * @param {{incident: import("headwater-api").IncidentDetail}} props */
export const WhyNot = ({ incident }) => {
  const of = `incident=${encodeURIComponent(incident.id)}`;
  const submit = (kind, run) => (event) => {
    event.preventDefault();
    const asked = String(new FormData(event.target).get(kind) ?? "").trim();
    if (asked) run(`${of}&${kind === "alert" && !/^a\d/.test(asked) ? "event" : kind}=${encodeURIComponent(asked)}`);
  };
  return html`<${Asked} questions=${(run) => html`
    <form onSubmit=${submit("alert", run)}><input type="search" name="alert" placeholder=${t("whynot.alert.help")} aria-label=${t("whynot.alert.help")} /><button type="submit" data-ask="alert">${t("whynot.alert")}</button></form>
    <form onSubmit=${submit("ci", run)}><input type="search" name="ci" placeholder=${t("whynot.ci.help")} aria-label=${t("whynot.ci.help")} list="whynot-cis" /><button type="submit" data-ask="ci">${t("whynot.ci")}</button>
      <datalist id="whynot-cis">${incident.candidates.map((one) => html`<option key=${one.ci.id} value=${one.ci.id} />`)}</datalist></form>
    <button data-ask="told" onClick=${() => run(of)}>${t("whynot.told")}</button>`} />`;
};

/** Whether anybody was told of an alert.
 * @param {{alert: import("headwater-api").AlertItem}} props */
export const OfAlert = ({ alert }) => {
  const of = `alert=${encodeURIComponent(alert.id)}`;
  return html`<${Asked} questions=${(run) => html`
    <button data-ask="told" onClick=${() => run(of)}>${t("whynot.told")}</button>`} />`;
};
