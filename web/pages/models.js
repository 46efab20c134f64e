// Models: which are valid and were, how the metric model is doing, trying one beside what is valid, putting one in force and
// going back.

import { html, useEffect, useRef, useState } from "../vendor/htm-preact.js";
import { call, send } from "../api.js";
import { ask } from "../ask.js";
import { tryBeside } from "../beside.js";
import { count, moment } from "../format.js";
import { t } from "../i18n.js";
import { told } from "../orders.js";
import { Empty, Go, Panel, toast } from "../parts.js";

const EVERY_MS = 5000;
const KINDS = ["correlation", "metric"];
/** From this population stability index on something has changed. */
const DRIFTED = 0.25;

/** Of which kind a model's text is: it says so itself.
 * @param {string} text */
const kindOf = (text) => text.match(/^model:\s*(\w+)/m)?.[1] ?? "correlation";

const why = (title, more = []) => ask({ title, ok: title, fields: [{ name: "reason", kind: "line", label: t("tuning.reason"), optional: true }, ...more] });

/** Readings by rarity: the last day beside what the model was made from.
 * @param {{scores: import("headwater-api").ScoreBin[]}} props */
const Scores = ({ scores }) => {
  const most = Math.max(1, ...scores.flatMap((bin) => [bin.seen, bin.made_from ?? 0]));
  const wide = 600 / Math.max(1, scores.length);
  const bar = (n, i, side) => n > 0 && html`<rect class=${side ? "k-all" : "k-indeterminate"} x=${i * wide + (side ? wide * 0.5 : wide * 0.12)} width=${wide * 0.36} y=${104 - Math.max(1.5, Math.sqrt(n / most) * 98)} height=${Math.max(1.5, Math.sqrt(n / most) * 98)} />`;
  const label = (bin, i) => (typeof bin.below !== "number" ? `> ${scores[i - 1]?.below ?? 0}` : `≤ ${bin.below}`);
  return html`<svg class="chart score-bins" viewBox="0 0 600 104" preserveAspectRatio="none" role="img" aria-label=${t("model.scores")}>
      ${scores.map((bin, i) => html`<g key=${i}><title>${`${label(bin, i)}: ${(bin.seen / 100).toFixed(2)}%${typeof bin.made_from !== "number" ? "" : ` (${(bin.made_from / 100).toFixed(2)}%)`}`}</title><rect class="hit" x=${i * wide} width=${wide} y="0" height="104" />${bar(bin.made_from ?? 0, i, false)}${bar(bin.seen, i, true)}</g>`)}</svg>
    <p class="tl-ends"><span>${t("model.usual")}</span><span>${t("model.rare")}</span></p>
    <p class="legend"><span><i class="k-all"></i>${t("model.seen")}</span><span><i class="k-indeterminate"></i>${t("model.made_from")}</span></p>`;
};

/** How the metric model is doing.
 * @param {{health: import("headwater-api").MetricHealth, may: any, onChange: any}} props */
const Health = ({ health, may, onChange }) => {
  const retrain = async () => {
    const given = await why(t("model.retrain"), [{ name: "help", kind: "note", label: "", value: t("model.retrain.help") }]);
    if (given) await told(t("model.retrain"), async () => {
      const made = await send("POST", "/api/v1/models/metric/retrain", { reason: given.reason ?? "" });
      toast(t("model.retrained", { version: made.version, n: count(made.series), rate: made.false_alarms_per_day.toFixed(3) }), "good", { to: "/tuning", text: t("open") });
      return "";
    }).then(onChange);
  };
  const fact = (label, value, kind = "") => html`<div key=${label} class=${kind}><dt>${label}</dt><dd>${value}</dd></div>`;
  const drift = typeof health.drift === "number" ? health.drift.toFixed(3) : t("model.unknown");
  return html`<${Panel} title=${t("model.health")} aside=${html`<em class=${`tag ${health.degraded.length || health.drifted || health.stale ? "bad" : "good"}`}>${t(health.degraded.length ? "model.degraded" : health.drifted ? "model.drifted" : health.stale ? "model.stale" : "model.well")}</em>${may && html`<button data-act="retrain" onClick=${retrain}>${t("model.retrain")}</button>`}`} kind="model-health">
    ${health.degraded.map((reason) => html`<p key=${reason} class="bad">${reason}</p>`)}
    <dl class="facts">${fact(t("model.version"), health.version ?? t("model.none"))}${fact(t("model.trained"), health.trained_until ? moment(health.trained_until) : t("model.shipped"))}${fact(t("model.readings"), count(health.readings))}${fact(t("model.drift"), html`<span class=${(health.drift ?? 0) >= DRIFTED ? "bad" : ""}>${drift}</span>`)}</dl>
    ${health.scores.length > 0 && html`<${Scores} scores=${health.scores} />`}<p class="dim">${t("model.drift.help", { n: DRIFTED })}</p><//>`;
};

/** The versions of one kind.
 * @param {{kind: any, items: import("headwater-api").ModelItem[], may: any, onChange: any}} props */
const Versions = ({ kind, items, may, onChange }) => {
  const back = async (one) => {
    const given = await why(t("model.back", { v: one.version }));
    if (given) await told(t("model.back", { v: one.version }), async () => { await send("POST", "/api/v1/models/rollback", { kind, version: one.version, reason: given.reason ?? "" }); return ""; }).then(onChange);
  };
  return html`<${Panel} title=${t(`model.kind.${kind}`)} kind=${`models-${kind}`}><div class="scroll"><table class="plain"><thead><tr>${["version", "at", "author", "reason", "digest"].map((word) => html`<th key=${word}>${t(`rules.${word}`)}</th>`)}<th></th></tr></thead>
    <tbody>${items.map((one) => html`<tr key=${one.version}><td><b>${one.version}</b> ${one.current && html`<em class="tag good">${t("tuning.valid")}</em>`}</td><td>${one.at ? moment(one.at) : ""}</td><td>${one.author || t("tuning.builtin")}</td><td class="comment">${one.reason ?? ""}</td><td><code>${one.digest.slice(0, 12)}</code></td>
      <td>${may && !one.current && html`<button class="warn" data-act="model-back" onClick=${() => back(one)}>${t("model.back", { v: one.version })}</button>`}</td></tr>`)}</tbody></table></div><//>`;
};

/** Putting a model's file in force, or trying it beside what is valid. */
const Put = ({ onChange }) => {
  const [text, setText] = useState("");
  const [failed, setFailed] = useState(/** @type {string[]} */ ([]));
  const file = useRef(/** @type {HTMLInputElement|null} */ (null));
  const kind = kindOf(text);
  const act = (beside) => async () => {
    if (beside) { await tryBeside(t("rules.beside"), () => ({ [kind === "metric" ? "metric" : "model"]: text })); return; }
    const given = await why(t("rules.put"));
    if (!given) return;
    await send("PUT", "/api/v1/models", { text, reason: given.reason ?? "" })
      .then(() => { setText(""); setFailed([]); if (file.current) file.current.value = ""; toast(t("done")); onChange(); }, (failure) => setFailed([failure.message, ...failure.errors]));
  };
  return html`<${Panel} title=${t("model.put")} aside=${text && html`<em class="tag">${t(`model.kind.${KINDS.includes(kind) ? kind : "correlation"}`)}</em>`}><p class="dim">${t("model.put.help")}</p>
    <p class="actions small"><label class="file">${t("model.choose")}<input ref=${file} type="file" accept=".yaml,.yml" onChange=${(event) => event.target.files[0]?.text().then(setText)} /></label>${text && html`<span class="dim">${file.current?.files?.[0]?.name}</span>`}
      <button data-act="model-beside" disabled=${!text} onClick=${act(true)}>${t("rules.beside")}</button><button class="main" data-act="model-put" disabled=${!text} onClick=${act(false)}>${t("rules.put")}</button></p>
    ${failed.map((reason) => html`<p key=${reason} class="bad">${reason}</p>`)}
    ${text && html`<details><summary>${t("model.text", { n: text.split("\n").length })}</summary><pre>${text}</pre></details>`}<//>`;
};

/** @param {{me: import("headwater-api").Me}} props */
export const Models = ({ me }) => {
  const [found, set] = useState(/** @type {{health: import("headwater-api").MetricHealth, kinds: import("headwater-api").ModelItem[][]}|null} */ (null));
  const [failed, setFailed] = useState("");
  const load = () => Promise.all([call("/api/v1/models/metric"), Promise.all(KINDS.map((kind) => call(`/api/v1/models?kind=${kind}`)))])
    .then(([health, kinds]) => { set({ health, kinds: kinds.map((page) => page.items) }); setFailed(""); }, (failure) => setFailed(failure.message));
  useEffect(() => { load(); const timer = setInterval(load, EVERY_MS); return () => clearInterval(timer); }, []);
  const may = me.role === "analyst" || me.role === "admin";
  return html`<div class="page-head"><h1>${t("nav.models")}</h1><p class="dim">${t("model.help")} <${Go} to="/tuning">${t("nav.tuning")}<//></p></div>
    ${failed && html`<${Empty} text=${t("failed", { why: failed })} onRetry=${load} />`}
    ${!found && !failed && html`<${Empty} text=${t("loading")} />`}
    ${found && html`<div class="stack"><${Health} health=${found.health} may=${may} onChange=${load} />
      <div class="columns even">${KINDS.map((kind, i) => html`<${Versions} key=${kind} kind=${kind} items=${found.kinds[i]} may=${may} onChange=${load} />`)}</div>
      ${may && html`<${Put} onChange=${load} />`}</div>`}`;
};
