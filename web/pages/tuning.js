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
import { Versus } from "../versus.js";

const RELOAD_MS = 5000;
/** What may run beside what is valid. */
const PARTS = ["rules", "model", "metric"];
/** How long before its end a rule is marked. */
const SOON_MS = 14 * 24 * 3600 * 1000;
/** @param {{shadow: import("headwater-api").ShadowBody, may: any, onChange: any}} props */
const Shadow = ({ shadow, may, onChange }) => {
  // Whoever reads the journal later wants to know why.
  const act = (name, run, doubt = "") => async () => {
    /** @type {import("../ask.js").Field[]} */
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
    ${shadow.report && html`<${Versus} report=${shadow.report} tried=${t("tuning.tried")} />`}<//>`;
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
