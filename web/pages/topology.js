// The CMDB as it is valid now: finding a CI, what it needs, what needs it, and how far its failure reaches.

import { html, useEffect, useRef, useState } from "../vendor/htm-preact.js";
import { call, query } from "../api.js";
import { count, moment, percent, span } from "../format.js";
import { t } from "../i18n.js";
import { AREAS } from "../overview.js";
import { Ci, Empty, Go, Panel, Switch } from "../parts.js";
import { useRows } from "../rows.js";
import { className, classes, relationName } from "../vocabulary.js";

const ROW = 36;
/** Objects that are no CI, shown at once. */
const STRANGERS_SHOWN = 20;

const CiTable = ({ items }) => {
  const rows = useRows(items.length, ROW);
  const space = (height) => height > 0 && html`<tr class="space"><td colspan="4" style=${{ height: `${height}px` }}></td></tr>`;
  return html`<table class="plain cis"><thead><tr>${["ci", "class", "area", "org"].map((c) => html`<th key=${c}>${t(`topo.${c}`)}</th>`)}</tr></thead>
    <tbody ref=${rows.body}>${space(rows.above)}${items.slice(rows.first, rows.last).map((ci) => html`<tr key=${ci.id}>
      <td><${Go} to=${`/topology/${encodeURIComponent(ci.id)}`}><b>${ci.name}</b>${ci.name !== ci.id && html` <small>${ci.id}</small>`}<//></td>
      <td>${className(ci.class)}</td><td>${ci.area ? t(`area.${ci.area}`) : ""}</td><td>${ci.org ?? ""}</td></tr>`)}${space(rows.below)}</tbody></table>`;
};

/** What is wrong with the data, as a list of counts; nothing when all is well. */
const Quality = () => {
  const [found, set] = useState(/** @type {any} */ (null));
  useEffect(() => { call("/api/v1/topology/quality").then(set, () => {}); }, []);
  if (!found) return null;
  const sum = (map) => Object.values(map ?? {}).reduce((all, n) => all + n, 0);
  const faults = [["orphans", found.orphans.count], ["cycles", found.cycles_unexpected], ["dangling", found.dangling.count],
    ["missing", found.missing_relations.count], ["unowned", sum(found.without_owner)], ["unkeyed", found.without_key.count], ["shared", found.shared_keys.count],
    ["unknown", Object.values(found.unknown_classes).reduce((all, one) => all + one.count, 0)]];
  return html`<${Panel} title=${t("topo.quality")}><ul class="quality">${faults.map(([word, n]) => html`
    <li key=${word} class=${n ? "" : "dim"}><b>${count(n)}</b> ${t(`topo.quality.${word}`)}</li>`)}</ul><//>
    ${found.lookups && html`<${Coverage} lookups=${found.lookups} />`}`;
};

/** The share of events that found their CI, and the objects that are none or several. */
const Coverage = ({ lookups }) => html`<${Panel} title=${t("topo.lookups")}>
  <ul class="quality"><li><b>${lookups.coverage === null ? "–" : percent(lookups.coverage)}</b> ${t("topo.lookups.coverage")}</li>
    ${["resolved", "unresolved", "ambiguous"].map((word) => html`<li key=${word} class=${lookups[word] ? "" : "dim"}><b>${count(lookups[word])}</b> ${t(`topo.lookups.${word}`)}</li>`)}</ul>
  ${lookups.strangers.length > 0 && html`<table class="plain"><thead><tr>${["object", "source", "events", "may_be", "seen"].map((word) => html`<th key=${word}>${t(`topo.lookups.${word}`)}</th>`)}</tr></thead>
    <tbody>${lookups.strangers.slice(0, STRANGERS_SHOWN).map((one) => html`<tr key=${one.object}><td>${one.object}</td><td>${one.source}</td><td>${count(one.events)}</td>
      <td>${one.cis.length ? one.cis.join(", ") : t("topo.lookups.nothing")}</td><td>${moment(one.last_seen)}</td></tr>`)}</tbody></table>`}<//>`;

export const Topology = () => {
  const asked = new URLSearchParams(location.search);
  const [filter, setFilter] = useState({ q: asked.get("q") ?? "", class: asked.get("class") ?? "", area: asked.get("area") ?? "" });
  const [summary, setSummary] = useState(/** @type {any} */ (null));
  const [page, set] = useState(/** @type {any} */ (null));
  const [failed, setFailed] = useState("");
  const timer = useRef(0);
  const load = (wanted, after) => call(`/api/v1/topology/cis?${query({ limit: "500", after, ...wanted })}`)
    .then((next) => { set((old) => (after ? { ...next, items: [...old.items, ...next.items] } : next)); setFailed(""); }, (failure) => setFailed(failure.message));
  useEffect(() => { call("/api/v1/topology").then(setSummary, () => {}); load(filter); }, []);
  const onFilter = (change) => {
    const next = { ...filter, ...change };
    setFilter(next);
    clearTimeout(timer.current);
    timer.current = setTimeout(() => load(next), "q" in change ? 250 : 0);
    history.replaceState(null, "", `/topology?${query(next)}`);
  };
  return html`<div class="page-head"><h1>${t("nav.topology")}</h1>
      ${summary && html`<p class="dim">${summary.version ? t("topo.summary", { v: summary.version, cis: count(summary.cis), edges: count(summary.edges) }) : t("topo.empty")}</p>`}</div>
    <div class="filters"><input id="search" type="search" placeholder=${t("topo.search")} aria-label=${t("topo.search")} value=${filter.q} onInput=${(e) => onFilter({ q: e.target.value })} />
      <select value=${filter.area} aria-label=${t("board.any_area")} onChange=${(e) => onFilter({ area: e.target.value })}><option value="">${t("board.any_area")}</option>
        ${AREAS.map((area) => html`<option key=${area} value=${area}>${t(`area.${area}`)}</option>`)}</select>
      <select value=${filter.class} aria-label=${t("topo.any_class")} onChange=${(e) => onFilter({ class: e.target.value })}><option value="">${t("topo.any_class")}</option>
        ${classes().map(([id, name]) => html`<option key=${id} value=${id}>${name}</option>`)}</select></div>
    ${failed && html`<${Empty} text=${t("failed", { why: failed })} onRetry=${() => load(filter)} />`}
    <div class="side"><div>
      ${page?.items.length > 0 && html`<${CiTable} items=${page.items} />`}
      ${page?.items.length === 0 && html`<${Empty} text=${t("topo.none")} />`}
      ${page?.next && html`<button class="more" onClick=${() => load(filter, page.next)}>${t("more")}</button>`}</div>
      <${Quality} /></div>`;
};

const Relations = ({ title, items }) => html`<${Panel} title=${`${title} (${count(items.length)})`}>
  ${items.length ? html`<ul class="relations">${items.slice(0, 200).map((item) => html`<li key=${item.ci.id + item.relation}>
    <span class="dim">${relationName(item.relation)}</span> <${Ci} ci=${item.ci} link />${item.group > 0 && html` <em class="tag">${t("topo.group", { n: item.group })}</em>`}</li>`)}</ul>
    ${items.length > 200 && html`<p class="dim">${t("topo.rest", { n: items.length - 200 })}</p>`}`
  : html`<p class="dim">${t("topo.no_relation")}</p>`}<//>`;

/** Everything that a failure reaches, or that may have caused one. */
const Reach = ({ id }) => {
  const [way, setWay] = useState("impact");
  const [found, set] = useState(/** @type {any} */ (null));
  useEffect(() => {
    set(null);
    const ci = encodeURIComponent(id);
    (way === "impact" ? call(`/api/v1/topology/cis/${ci}/impact`) : call(`/api/v1/topology/cis/${ci}/causes`)).then(set, () => set({ items: [], cut: false }));
  }, [id, way]);
  const choices = [["impact", t("topo.impact")], ["causes", t("topo.causes")]];
  const title = `${t(`topo.${way}`)}${found ? ` (${count(found.items.length)})` : ""}`;
  return html`<${Panel} title=${title} aside=${html`<${Switch} label=${t("topo.reach")} value=${way} onChange=${setWay} choices=${choices} />`} kind="members">
    ${found?.items.length > 0 && html`<div class="scroll short"><table class="plain"><thead><tr>${["ci", "state", "chance", "hops", "delay"].map((c) => html`<th key=${c}>${t(`topo.${c}`)}</th>`)}</tr></thead>
      <tbody>${found.items.slice(0, 500).map((item) => html`<tr key=${item.ci.id}><td><${Ci} ci=${item.ci} link /></td>
        <td><span class=${`reach-${item.state}`}>${t(`topo.state.${item.state}`)}</span></td><td>${percent(item.chance_per_mille / 1000)}</td><td>${item.hops}</td><td>${span(item.delay_usual_seconds * 1000)}</td></tr>`)}</tbody></table></div>`}
    ${found?.items.length === 0 && html`<p class="dim note">${t("topo.no_reach")}</p>`}
    ${found?.cut && html`<p class="dim note">${t("topo.cut")}</p>`}<//>`;
};

/** Alerts of a CI that fire now. */
const Firing = ({ id }) => {
  const [found, set] = useState(/** @type {any} */ (null));
  useEffect(() => { call(`/api/v1/alerts?${query({ ci: id, limit: "50" })}`).then(set, () => {}); }, [id]);
  return html`<${Panel} title=${t("topo.alerts")}>${found?.items.length ? html`<ul class="relations">${found.items.map((alert) => html`<li key=${alert.id}>
      <span class=${`state state-${alert.state}`}>${t(`alert.${alert.state}`)}</span> ${alert.title || alert.name}
      ${alert.incident && html` <${Go} to=${`/incidents/${alert.incident}`}>${alert.incident}<//>`}</li>`)}</ul>` : html`<p class="dim">${t("alerts.empty.firing")}</p>`}<//>`;
};

export const CiPage = ({ id }) => {
  const [ci, set] = useState(/** @type {any} */ (undefined));
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
    <div class="columns even"><div><${Firing} id=${id} /><${Relations} title=${t("topo.needs")} items=${ci.causes} /><${Relations} title=${t("topo.carries")} items=${ci.effects} /></div>
      <div><${Reach} id=${id} /></div></div>`;
};
