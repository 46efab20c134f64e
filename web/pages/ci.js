// One CI: its picture in layers, what it needs, what needs it, how far its failure reaches and what alerts on it now.

import { html, useEffect, useState } from "../vendor/htm-preact.js";
import { call, query } from "../api.js";
import { count, percent, span } from "../format.js";
import { Drawn } from "../graph.js";
import { t } from "../i18n.js";
import { Metrics } from "../metrics.js";
import { Ci, Empty, Go, Panel, Switch, visit } from "../parts.js";
import { className, relationName } from "../vocabulary.js";

const WAYS = ["both", "impact", "causes"];
const HOPS = [1, 2, 3, 5, 12];
const NODES = [60, 200, 600, 2000];

/** The picture around it. */
const Around = ({ id }) => {
  const [asked, setAsked] = useState({ way: "both", hops: "2", nodes: "60" });
  const [graph, set] = useState(/** @type {import("headwater-api").Graph|null} */ (null));
  const [failed, setFailed] = useState("");
  const fields = query(asked);
  const load = () => call(`/api/v1/topology/cis/${encodeURIComponent(id)}/graph?${fields}`).then((found) => { set(found); setFailed(""); }, (failure) => setFailed(failure.message));
  useEffect(() => { load(); }, [id, fields]);
  const choose = (key, words, label) => html`<select value=${asked[key]} aria-label=${t(`topo.${key}`)} onChange=${(event) => setAsked({ ...asked, [key]: event.target.value })}>
    ${words.map((word) => html`<option key=${word} value=${String(word)}>${label(word)}</option>`)}</select>`;
  const tools = html`<${Switch} label=${t("topo.way")} value=${asked.way} onChange=${(way) => setAsked({ ...asked, way })} choices=${WAYS.map((word) => [word, t(`topo.way.${word}`)])} />
    ${choose("hops", HOPS, (n) => t("topo.hops.n", { n }))}${choose("nodes", NODES, (n) => t("topo.nodes.n", { n }))}`;
  return html`<${Drawn} title=${t("topo.around")} graph=${graph} failed=${failed} load=${load} tools=${tools} centre onExpand=${(node) => visit(`/topology/${encodeURIComponent(node.id)}`)}
    note=${graph?.aggregated && html`<span class="dim">${t("topo.nodes.cut", { n: graph.nodes.length, of: count(graph.total) })}</span>`} />`;
};

/** @param {{title: any, items: import("headwater-api").Relation[]}} props */
const Relations = ({ title, items }) => html`<${Panel} title=${`${title} (${count(items.length)})`}>
  ${items.length ? html`<ul class="relations">${items.slice(0, 200).map((item) => html`<li key=${item.ci.id + item.relation}>
    <span class="dim">${relationName(item.relation)}</span> <${Ci} ci=${item.ci} link />${item.group > 0 && html` <em class="tag">${t("topo.group", { n: item.group })}</em>`}${item.presumed && html` <em class="tag" title=${t("topo.presumed.why")}>${t("topo.presumed")}</em>`}</li>`)}</ul>
    ${items.length > 200 && html`<p class="dim">${t("topo.rest", { n: items.length - 200 })}</p>`}`
  : html`<p class="dim">${t("topo.no_relation")}</p>`}<//>`;

/** Everything that a failure reaches, or that may have caused one. */
const Reach = ({ id }) => {
  const [way, setWay] = useState("impact");
  const [found, set] = useState(/** @type {import("headwater-api").Reach|null} */ (null));
  useEffect(() => {
    set(null);
    const ci = encodeURIComponent(id);
    (way === "impact" ? call(`/api/v1/topology/cis/${ci}/impact`) : call(`/api/v1/topology/cis/${ci}/causes`)).then(set, () => set({ items: [], cut: false, version: 0 }));
  }, [id, way]);
  const choices = [["impact", t("topo.impact")], ["causes", t("topo.causes")]];
  const title = `${t(`topo.${way}`)}${found ? ` (${count(found.items.length)})` : ""}`;
  return html`<${Panel} title=${title} aside=${html`<${Switch} label=${t("topo.reach")} value=${way} onChange=${setWay} choices=${choices} />`} kind="members">
    ${found && found.items.length > 0 && html`<div class="scroll short"><table class="plain"><thead><tr>${["ci", "state", "chance", "hops", "delay"].map((c) => html`<th key=${c}>${t(`topo.${c}`)}</th>`)}</tr></thead>
      <tbody>${found.items.slice(0, 500).map((item) => html`<tr key=${item.ci.id}><td><${Ci} ci=${item.ci} link /></td>
        <td><span class=${`reach-${item.state}`}>${t(`topo.state.${item.state}`)}</span></td><td>${percent(item.chance_per_mille / 1000)}</td><td>${item.hops}</td><td>${span(item.delay_usual_seconds * 1000)}</td></tr>`)}</tbody></table></div>`}
    ${found?.items.length === 0 && html`<p class="dim note">${t("topo.no_reach")}</p>`}
    ${found?.cut && html`<p class="dim note">${t("topo.cut")}</p>`}<//>`;
};

/** Alerts of a CI that fire now. */
const Firing = ({ id }) => {
  const [found, set] = useState(/** @type {import("headwater-api").Listed_AlertItem|null} */ (null));
  useEffect(() => { call(`/api/v1/alerts?${query({ ci: id, limit: "50" })}`).then(set, () => {}); }, [id]);
  return html`<${Panel} title=${t("topo.alerts")}>${found?.items.length ? html`<ul class="relations">${found.items.map((alert) => html`<li key=${alert.id}>
      <span class=${`state state-${alert.state}`}>${t(`alert.${alert.state}`)}</span> ${alert.title || alert.name}
      ${alert.incident && html` <${Go} to=${`/incidents/${alert.incident}`}>${alert.incident}<//>`}</li>`)}</ul>` : html`<p class="dim">${t("alerts.empty.firing")}</p>`}<//>`;
};

export const CiPage = ({ id }) => {
  const [ci, set] = useState(/** @type {import("headwater-api").CiDetail|null|undefined} */ (undefined));
  const [failed, setFailed] = useState("");
  const load = () => call(`/api/v1/topology/cis/${encodeURIComponent(id)}`)
    .then((found) => { set(found); setFailed(""); }, (failure) => (failure.status === 404 ? set(null) : setFailed(failure.message)));
  useEffect(() => { load(); }, [id]);
  if (failed) return html`<${Empty} text=${t("failed", { why: failed })} onRetry=${load} />`;
  if (ci === undefined) return html`<${Empty} text=${t("loading")} />`;
  if (ci === null) return html`<${Empty} text=${t("topo.gone")} />`;
  const fact = (label, value) => value && html`<div key=${label}><dt>${label}</dt><dd>${value}</dd></div>`;
  return html`<nav class="crumbs"><${Go} to="/topology">← ${t("nav.topology")}<//></nav>
    <div class="page-head"><h1>${ci.name} <small class="dim">${className(ci.class)}</small></h1></div>
    <dl class="facts">${fact(t("topo.id"), ci.id)}${fact(t("topo.area"), ci.area && t(`area.${ci.area}`))}${fact(t("topo.org"), ci.org)}${fact(t("topo.team"), ci.owner_team)}
      ${fact(t("topo.site"), ci.site)}${fact(t("topo.criticality"), ci.criticality && String(ci.criticality))}${fact(t("topo.ci_state"), t(`topo.ci_state.${ci.state}`))}
      ${fact(t("topo.monitored"), t(ci.monitored ? "yes" : "no"))}${fact(t("topo.keys"), ci.keys.slice(0, 6).join(", "))}</dl>
    <${Around} id=${id} />
    <div class="columns even"><div><${Firing} id=${id} /><${Metrics} objects=${[ci.id, ci.name, ...ci.keys]} /><${Relations} title=${t("topo.needs")} items=${ci.causes} /><${Relations} title=${t("topo.carries")} items=${ci.effects} /></div>
      <div><${Reach} id=${id} /></div></div>`;
};
