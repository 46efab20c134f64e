// The estate: its health by layer and site, finding a CI, and how good the CMDB is.

import { html, useEffect, useRef, useState } from "../vendor/htm-preact.js";
import { call, query } from "../api.js";
import { hear } from "../feed.js";
import { count, moment, percent } from "../format.js";
import { say, t } from "../i18n.js";
import { AREAS } from "../overview.js";
import { Ci, Empty, Go, Panel, Severity } from "../parts.js";
import { useRows } from "../rows.js";
import { Versions } from "../versions.js";
import { className, classes } from "../vocabulary.js";

const ROW = 36;
/** Objects that are no CI, shown at once. */
const STRANGERS_SHOWN = 20;

/** @param {{items: import("headwater-api").Ci[]}} props */
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
  <ul class="quality"><li><b>${percent(lookups.coverage)}</b> ${t("topo.lookups.coverage")}</li>
    ${["resolved", "unresolved", "ambiguous"].map((word) => html`<li key=${word} class=${lookups[word] ? "" : "dim"}><b>${count(lookups[word])}</b> ${t(`topo.lookups.${word}`)}</li>`)}</ul>
  ${lookups.strangers.length > 0 && html`<div class="scroll"><table class="plain numbers"><thead><tr>${["object", "events", "may_be", "seen"].map((word) => html`<th key=${word}>${t(`topo.lookups.${word}`)}</th>`)}</tr></thead>
    <tbody>${lookups.strangers.slice(0, STRANGERS_SHOWN).map((one) => html`<tr key=${one.object}><td>${one.object}<small>${one.source}</small></td><td>${count(one.events)}</td>
      <td>${one.cis.length ? one.cis.join(", ") : t("topo.lookups.nothing")}</td><td>${moment(one.last_seen)}</td></tr>`)}</tbody></table></div>`}<//>`;

const EVERY_MS = 3000;

/** Health by layer and site, and the CIs in the most trouble; read again while incidents change. */
const Health = () => {
  const [estate, set] = useState(/** @type {import("headwater-api").Estate|null} */ (null));
  const timer = useRef(0);
  useEffect(() => {
    const load = () => call("/api/v1/topology/health").then(set, () => {});
    load();
    const stop = hear((changes) => { if (changes.some((change) => change.kind === "incident" || change.kind === "resync")) timer.current ||= setTimeout(() => { timer.current = 0; load(); }, EVERY_MS); });
    return () => { stop(); clearTimeout(timer.current); timer.current = 0; };
  }, []);
  if (!estate?.cis) return null;
  const line = (key, label, part) => html`<li key=${key} class=${`s-${part.alerting ? part.worst : "cleared"}`}><strong>${label}</strong>
    <svg viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true"><rect class="all" width="100" height="6" /><rect class=${`k-${part.worst ?? "well"}`} width=${part.alerting ? Math.max(2, (part.alerting / part.cis) * 100) : 0} height="6" /></svg>
    <span>${t("topo.alerting", { n: count(part.alerting), of: count(part.cis) })}</span></li>`;
  return html`<div class="thirds estate"><${Panel} title=${t("topo.layers")}><ul class="levels">${estate.layers.map((layer) => line(layer.layer, say(layer.label), layer))}</ul><//>
    <${Panel} title=${estate.sites.length ? t("topo.sites") : t("topo.areas")}><ul class="levels">${estate.sites.length ? estate.sites.map((site) => line(site.site, site.site, site)) : estate.areas.map((area) => line(area.area, t(`area.${area.area}`), area))}</ul><//>
    <${Panel} title=${t("wall.hot")}>${estate.hot.length === 0 && html`<p class="dim">${t("topo.calm")}</p>`}<ul class="levels hot">${estate.hot.slice(0, 10).map((one) => html`<li key=${one.ci.id}><${Severity} of=${one.severity} /><${Ci} ci=${one.ci} link />
      <span>${t("graph.firing", { n: one.firing })}${one.incident && html` · <${Go} to=${`/incidents/${one.incident}`}>${one.incident}<//>`}</span></li>`)}</ul><//></div>`;
};

export const Topology = () => {
  const asked = new URLSearchParams(location.search);
  const [filter, setFilter] = useState({ q: asked.get("q") ?? "", class: asked.get("class") ?? "", area: asked.get("area") ?? "" });
  const [summary, setSummary] = useState(/** @type {import("headwater-api").Summary|null} */ (null));
  const [page, set] = useState(/** @type {import("headwater-api").Listed_Ci|null} */ (null));
  const [failed, setFailed] = useState("");
  const timer = useRef(0);
  const load = (wanted, after) => call(`/api/v1/topology/cis?${query({ limit: "500", after, ...wanted })}`)
    .then((next) => { set((old) => (after && old ? { ...next, items: [...old.items, ...next.items] } : next)); setFailed(""); }, (failure) => setFailed(failure.message));
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
    <${Health} />
    <div class="filters"><input id="search" type="search" placeholder=${t("topo.search")} aria-label=${t("topo.search")} value=${filter.q} onInput=${(e) => onFilter({ q: e.target.value })} />
      <select value=${filter.area} aria-label=${t("board.any_area")} onChange=${(e) => onFilter({ area: e.target.value })}><option value="">${t("board.any_area")}</option>
        ${AREAS.map((area) => html`<option key=${area} value=${area}>${t(`area.${area}`)}</option>`)}</select>
      <select value=${filter.class} aria-label=${t("topo.any_class")} onChange=${(e) => onFilter({ class: e.target.value })}><option value="">${t("topo.any_class")}</option>
        ${classes().map(([id, name]) => html`<option key=${id} value=${id}>${name}</option>`)}</select></div>
    ${failed && html`<${Empty} text=${t("failed", { why: failed })} onRetry=${() => load(filter)} />`}
    <div class="side"><div>
      ${page && page.items.length > 0 && html`<${CiTable} items=${page.items} />`}
      ${page?.items.length === 0 && html`<${Empty} text=${t("topo.none")} />`}
      ${page?.next && html`<button class="more" onClick=${() => load(filter, page.next)}>${t("more")}</button>`}</div>
      <div class="stack"><${Quality} /><${Versions} /></div></div>`;
};
