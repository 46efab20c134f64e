// Tuning: what runs beside what is valid and how it differs so far, and what people's
// corrections teach.

import { html, useEffect, useState } from "../vendor/htm-preact.js";
import { call, remove, send } from "../api.js";
import { ask } from "../ask.js";
import { count, moment } from "../format.js";
import { say, t } from "../i18n.js";
import { MetricTrial } from "../metric_trial.js";
import { now } from "../now.js";
import { told } from "../orders.js";
import { Coded, Empty, Go, Panel } from "../parts.js";

const RELOAD_MS = 5000;
/** What may run beside what is valid. */
const PARTS = ["rules", "model", "metric"];
/** How long before its end a rule is marked. */
const SOON_MS = 14 * 24 * 3600 * 1000;
/** Events muted by only one that are shown. */
const MUTED_SHOWN = 50;
const FIGURES = ["alerts", "incidents", "held", "muted", "compression", "root_changes", "messages", "messages_per_week", "pages", "pages_per_week"];
/** What the truth says of a side; `found` is the recall. */
const SCORES = ["pair_f1", "precision", "found", "f1", "root_top1", "root_top3", "root_top5"];

const score = ({ scores }, name) => {
  if (name !== "f1") return scores[name];
  const sum = scores.precision + scores.found;
  return sum === 0 ? 0 : (2 * scores.precision * scores.found) / sum;
};

const number = (value) => (Number.isInteger(value) ? count(value) : value.toFixed(3));

/** Two rows of bars, what is valid upwards and what is tried downwards. */
const Chart = ({ title, counts }) => {
  const most = Math.max(1, ...counts[0], ...counts[1]);
  const wide = 960 / Math.max(1, counts[0].length);
  const bars = (list, side) => list.map((n, at) => n > 0 && html`<rect key=${`${side}${at}`} class=${side ? "tried" : "valid"} x=${at * wide} width=${Math.max(1, wide - 1)}
    y=${side ? 51 : 49 - (n / most) * 46} height=${(n / most) * 46}><title>${n}</title></rect>`);
  return html`<h3>${title}</h3><svg class="course" viewBox="0 0 960 100" preserveAspectRatio="none" role="img" aria-label=${title}>${bars(counts[0], 0)}${bars(counts[1], 1)}</svg>`;
};

const Incident = ({ shown }) => html`<td>${shown.id}</td><td>${shown.title}</td><td>${shown.severity}</td><td>${shown.root ?? "?"}</td><td>${shown.events}</td>
  <td>${shown.why && html`<${Go} to=${shown.why}>${t("why")}<//>`}</td>`;

const Differing = ({ report }) => html`<table class="plain"><tbody>
  ${report.changed.map((one, i) => html`<tr key=${`c${i}`} class="valid"><td>~</td><${Incident} shown=${one.before} /></tr><tr key=${`d${i}`} class="tried"><td></td><${Incident} shown=${one.after} /></tr>`)}
  ${report.gone.map((one) => html`<tr key=${`g${one.id}`} class="valid"><td>−</td><${Incident} shown=${one} /></tr>`)}
  ${report.fresh.map((one) => html`<tr key=${`f${one.id}`} class="tried"><td>+</td><${Incident} shown=${one} /></tr>`)}
</tbody></table>`;

/** Events that only one of the two mutes, and by what. */
const MutedOnce = ({ report }) => html`<h3>${t("tuning.muted_once", { n: count(report.muted_once_events), valid: count(report.muted_once_by[0]), tried: count(report.muted_once_by[1]) })}</h3>
  <table class="plain muted-once"><tbody>${report.muted_once.slice(0, MUTED_SHOWN).map((one) => html`<tr key=${one.event} class=${one.by_run ? "tried" : "valid"}><td>${t(one.by_run ? "tuning.tried" : "tuning.valid")}</td>
    <td><${Go} to=${one.why}>${one.event}<//></td></tr>`)}</tbody></table>`;

/** Messages by receiver, on either side. */
const Receivers = ({ messages }) => html`<h3>${t("tuning.receivers")}</h3><table class="plain receivers"><thead><tr><th></th><th class="valid">${t("tuning.valid")}</th><th class="tried">${t("tuning.tried")}</th></tr></thead>
  <tbody>${Object.entries(messages).map(([receiver, pair]) => html`<tr key=${receiver}><td>${receiver}</td><td>${count(pair[0])}</td><td>${count(pair[1])}</td></tr>`)}</tbody></table>`;

/** What corrected incidents say of both, as bars beside each other. */
const Scores = ({ report }) => html`<h3>${t("tuning.scores", { n: report.truth_incidents })}</h3>
  <table class="plain scores"><thead><tr><th></th><th class="valid">${t("tuning.valid")}</th><th></th><th class="tried">${t("tuning.tried")}</th><th></th></tr></thead>
    <tbody>${SCORES.filter((name) => !name.startsWith("root") || report.figures[0].scores.rooted > 0).map((name) => html`<tr key=${name}><td>${t(`tuning.score.${name}`)}</td>${report.figures.map((side, i) => html`
      <td key=${i}>${score(side, name).toFixed(3)}</td><td key=${`b${i}`}><meter class=${i ? "tried" : "valid"} max="1" value=${score(side, name)} aria-label=${t(`tuning.score.${name}`)}></meter></td>`)}</tr>`)}</tbody></table>`;

const Report = ({ report }) => html`
  <table class="plain"><thead><tr><th></th><th class="valid">${t("tuning.valid")}</th><th class="tried">${t("tuning.tried")}</th></tr></thead>
    <tbody>${FIGURES.map((name) => html`<tr key=${name}><td>${t(`tuning.figure.${name}`)}</td>${report.figures.map((side, i) => html`<td key=${i}>${number(side[name])}</td>`)}</tr>`)}</tbody></table>
  ${report.truth && html`<${Scores} report=${report} />`}
  <p>${t("tuning.alike", { ari: report.agreement.ari.toFixed(3), ami: report.agreement.ami.toFixed(3), same: report.agreement.same })}</p>
  <${Chart} title=${t("tuning.figure.incidents")} counts=${report.course.incidents} />
  <${Chart} title=${t("tuning.figure.messages")} counts=${report.course.messages} />
  ${Object.keys(report.messages).length > 0 && html`<${Receivers} messages=${report.messages} />`}
  <p>${t("tuning.differ", { changed: count(report.incidents[0]), gone: count(report.incidents[1]), fresh: count(report.incidents[2]) })}</p>
  <${Differing} report=${report} />
  ${report.not_listed > 0 && html`<p class="dim">${t("tuning.not_listed", { n: count(report.not_listed) })}</p>`}
  ${report.muted_once_events > 0 && html`<${MutedOnce} report=${report} />`}`;

/** @param {{shadow: import("headwater-api").ShadowBody, may: any, onChange: any}} props */
const Shadow = ({ shadow, may, onChange }) => {
  // Whoever reads the journal later wants to know why.
  const act = (name, run, doubt = "") => async () => {
    const note = doubt ? [{ name: "doubt", kind: "note", label: "", value: doubt, optional: true }] : [];
    const given = await ask({ title: t(name), ok: t(name), danger: doubt !== "", fields: [...note, { name: "reason", kind: "line", label: t("tuning.reason"), optional: doubt === "" }] });
    if (given) await told(t(name), async () => { await run(given.reason ?? ""); return ""; }).then(onChange);
  };
  const since_seq = shadow.since_seq;
  const doubt = shadow.doubt ? say(shadow.doubt) : "";
  const activate = (reason) => send("POST", "/api/v1/shadow/activate", { reason, since_seq, force: doubt !== "" });
  const end = (reason) => remove(`/api/v1/shadow?${new URLSearchParams({ reason })}`);
  const rollback = (reason) => send("POST", "/api/v1/shadow/rollback", { reason });
  const tools = may && html`
    ${shadow.running && html`<button data-act="activate" onClick=${act(doubt ? "tuning.activate.anyway" : "tuning.activate", activate, doubt)}>${t(doubt ? "tuning.activate.anyway" : "tuning.activate")}</button>
      <button data-act="end" onClick=${act("tuning.end", end)}>${t("tuning.end")}</button>`}
    <button data-act="rollback" onClick=${act("tuning.rollback", rollback)}>${t("tuning.rollback")}</button>`;
  return html`<${Panel} title=${t("tuning.shadow")} aside=${tools}>
    ${!shadow.running && html`<p class="dim"><${Coded} text=${t("tuning.none")} /></p>`}
    ${shadow.running && html`<p>${PARTS.filter((word) => shadow[`has_${word}`]).map((word) => t(`tuning.part.${word}`)).join(t("and"))}
      · ${shadow.author} · ${shadow.at && moment(shadow.at)} ${shadow.reason && `· ${shadow.reason}`}</p>
      <p class="dim">${t("tuning.lag", { lag: count(shadow.lag), anew: shadow.begun_anew })}</p>`}
    ${doubt && html`<p class="notice">${doubt}</p>`}
    ${shadow.metric && html`<${MetricTrial} trial=${shadow.metric} />`}
    ${shadow.report && html`<${Report} report=${shadow.report} />`}<//>`;
};

/** Rules that somebody gave an end: those that are over, and those that will be.
 * @param {{rules: import("headwater-api").RuleItem[]}} props */
const Expiring = ({ rules }) => {
  const ending = rules.filter((rule) => rule.expires).sort((a, b) => (a.expires ?? "").localeCompare(b.expires ?? ""));
  const soon = (rule) => new Date(rule.expires).getTime() - now() < SOON_MS;
  const tag = (rule) => (rule.expired ? html`<em class="tag bad">${t("tuning.expired")}</em>` : soon(rule) && html`<em class="tag warn">${t("tuning.expires.soon")}</em>`);
  return html`<${Panel} title=${t("tuning.expiring")}>
    ${ending.length === 0 && html`<p class="dim"><${Coded} text=${t("tuning.expiring.none")} /></p>`}
    <table class="plain expiring"><tbody>${ending.map((rule) => html`<tr key=${rule.id} class=${rule.expired ? "dim" : ""}><td>${rule.id}</td><td>${rule.section}</td><td>${rule.owner ?? ""}</td>
      <td>${moment(rule.expires ?? "")}</td><td>${tag(rule)}</td><td class="dim">${rule.file}:${rule.line}</td></tr>`)}</tbody></table><//>`;
};

/** @param {{items: import("headwater-api").FeedbackItem[], may: any, onChange: any}} props */
const Feedback = ({ items, may, onChange }) => {
  const revoke = (one) => () => told(t("tuning.revoke"), async () => { await send("POST", `/api/v1/feedback/${one.seq}/revoke`); return ""; }).then(onChange);
  return html`<${Panel} title=${t("tuning.feedback")}>
    ${items.length === 0 && html`<p class="dim">${t("tuning.feedback.none")}</p>`}
    <table class="plain"><tbody>${items.map((one) => html`<tr key=${one.seq} class=${one.revoked ? "dim" : ""}><td>${moment(one.at)}</td><td>${one.by}</td><td>${t(`tuning.says.${one.says}`)}</td>
      <td>${/^i\d/.test(one.about) ? html`<${Go} to=${`/incidents/${one.about}`}>${one.about}<//>` : one.about}${one.note && html`<small>${one.note}</small>`}</td><td>${one.weight ? (one.weight / 1000).toFixed(1) : "–"}</td>
      <td>${one.revoked ? t("tuning.revoked") : may && html`<button data-act="revoke" onClick=${revoke(one)}>${t("tuning.revoke")}</button>`}</td></tr>`)}</tbody></table><//>`;
};

/** @param {{me: import("headwater-api").Me}} props */
export const Tuning = ({ me }) => {
  const [found, set] = useState(/** @type {{shadow: import("headwater-api").ShadowBody, feedback: import("headwater-api").FeedbackItem[], rules: import("headwater-api").RuleItem[]}|null} */ (null));
  const [failed, setFailed] = useState("");
  const load = () => Promise.all([call("/api/v1/shadow"), call("/api/v1/feedback"), call("/api/v1/rules")])
    .then(([shadow, feedback, rules]) => { set({ shadow, feedback: feedback.items, rules: rules.rules }); setFailed(""); }, (failure) => setFailed(failure.message));
  useEffect(() => { load(); const timer = setInterval(load, RELOAD_MS); return () => clearInterval(timer); }, []);
  const may = me.role === "analyst" || me.role === "admin";
  return html`<div class="page-head"><h1>${t("nav.tuning")}</h1><p class="dim">${t("tuning.help")}</p></div>
    ${failed && html`<${Empty} text=${t("failed", { why: failed })} onRetry=${load} />`}
    ${!found && !failed && html`<${Empty} text=${t("loading")} />`}
    ${found && html`<div class="stack"><${Shadow} shadow=${found.shadow} may=${may} onChange=${load} /><${Expiring} rules=${found.rules} />
      <${Feedback} items=${found.feedback} may=${may} onChange=${load} /></div>`}`;
};
