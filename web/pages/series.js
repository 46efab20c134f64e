// Series of metric points: what was expected, the band, the scores, and the alerts that came of them.

import { html, useEffect, useRef, useState } from "../vendor/htm-preact.js";
import { call, query } from "../api.js";
import { moment } from "../format.js";
import { labelOr, t } from "../i18n.js";
import { Age, Empty, Go, Panel, Switch, visit } from "../parts.js";
import { SeriesChart, SeriesLegend, figure } from "../series_chart.js";

const EVERY_MS = 5000;
/** Readings that stand below the chart, for those who read rather than look. */
const LISTED = 20;

/** What an alert of a series is called.
 * @param {string} name */
const kind = (name) => labelOr(`series.kind.${name}`, name);

/** @param {{one: import("headwater-api").SeriesItem}} props */
const Mark = ({ one }) => (one.unusual.length ? html`<em class="tag bad">${one.unusual.map(kind).join(t("and"))}</em>` : html`<em class="tag good">${t("series.usual")}</em>`);

const labels = (one) => Object.entries(one.labels).map(([key, value]) => `${key}=${value}`).join(" ");

/** The list, searched by the server. */
const List = () => {
  const asked = new URLSearchParams(location.search);
  const [filter, setFilter] = useState({ q: asked.get("q") ?? "", unusual: asked.get("unusual") ?? "" });
  const [page, set] = useState(/** @type {import("headwater-api").Listed_SeriesItem|null} */ (null));
  const [failed, setFailed] = useState("");
  const timer = useRef(0);
  const load = (wanted, after) => call(`/api/v1/series?${query({ limit: "100", after, ...wanted })}`)
    .then((next) => { set((old) => (after && old ? { ...next, items: [...old.items, ...next.items] } : next)); setFailed(""); }, (failure) => setFailed(failure.message));
  useEffect(() => { load(filter); return () => clearTimeout(timer.current); }, []);
  const onFilter = (change) => {
    const next = { ...filter, ...change };
    setFilter(next);
    clearTimeout(timer.current);
    timer.current = setTimeout(() => load(next), "q" in change ? 250 : 0);
    history.replaceState(null, "", `/series?${query(next)}`);
  };
  const to = (one) => `/series/${encodeURIComponent(one.id)}`;
  return html`<div class="page-head"><h1>${t("nav.series")}</h1><p class="dim">${t("series.help")}</p></div>
    <div class="filters"><${Switch} label=${t("nav.series")} value=${filter.unusual} onChange=${(unusual) => onFilter({ unusual })} choices=${[["", t("board.state.all")], ["true", t("series.unusual")]]} />
      <input id="search" type="search" placeholder=${t("series.search")} aria-label=${t("series.search")} value=${filter.q} onInput=${(event) => onFilter({ q: event.target.value })} /></div>
    ${failed && html`<${Empty} text=${t("failed", { why: failed })} onRetry=${() => load(filter)} />`}
    ${!page && !failed && html`<${Empty} text=${t("loading")} />`}
    ${page?.items.length === 0 && html`<${Empty} text=${t(filter.q || filter.unusual ? "series.none" : "series.nothing")} />`}
    ${page && page.items.length > 0 && html`<div class="scroll"><table class="plain series-list"><thead><tr>${["object", "name", "labels", "last", "expected", "score", "state", "heard"].map((word) => html`<th key=${word} class=${["last", "expected", "score"].includes(word) ? "n" : ""}>${t(`series.${word}`)}</th>`)}</tr></thead>
      <tbody>${page.items.map((one) => html`<tr key=${one.id} class="clickable" onClick=${() => visit(to(one))}><td><${Go} to=${to(one)}><b>${one.object}</b><//><small>${one.source}</small></td><td>${one.name}<small>${t(`series.aspect.${one.aspect}`)}</small></td><td class="comment dim">${labels(one)}</td>
        <td class="n">${one.last ? figure(one.last.value) : "–"}</td><td class="n dim">${one.last ? figure(one.last.expected) : "–"}</td><td class="n">${one.last ? one.last.score : "–"}</td><td><${Mark} one=${one} /></td><td><${Age} from=${one.heard_at} /></td></tr>`)}</tbody></table></div>`}
    ${page?.next && html`<button class="more" onClick=${() => load(filter, page.next)}>${t("more")}</button>`}`;
};

/** @param {{alerts: import("headwater-api").RaisedAlert[]}} props */
const Alerts = ({ alerts }) => html`<${Panel} title=${t("series.alerts")}>${alerts.length === 0 ? html`<p class="dim">${t("series.alerts.none")}</p>` : html`<ul class="relations">${alerts.map((alert) => html`<li key=${alert.id}><span class=${`state state-${alert.firing ? "firing" : "resolved"}`}>${t(`alert.${alert.firing ? "firing" : "resolved"}`)}</span> <b>${kind(alert.name)}</b> · <time>${moment(alert.first_seen_at)}</time>
  ${alert.incident_id && html` · <${Go} to=${`/incidents/${alert.incident_id}`}>${alert.incident_id}<//>`} · <${Go} to=${`/why/${alert.id}`}>${t("why")}<//></li>`)}</ul>`}<//>`;

/** @param {{samples: import("headwater-api").SampleItem[]}} props */
const Readings = ({ samples }) => html`<details class="readings"><summary>${t("series.list", { n: Math.min(LISTED, samples.length) })}</summary><table class="plain"><thead><tr>${["heard", "last", "expected", "legend.band", "score"].map((word) => html`<th key=${word} class=${word === "heard" ? "" : "n"}>${t(`series.${word}`)}</th>`)}</tr></thead>
  <tbody>${samples.slice(-LISTED).reverse().map((one) => html`<tr key=${one.at} class=${one.unusual ? "bad" : ""}><td>${moment(one.at)}</td><td class="n">${figure(one.value)}</td><td class="n">${figure(one.expected)}</td><td class="n">${figure(one.low)} – ${figure(one.high)}</td><td class="n">${one.score}</td></tr>`)}</tbody></table></details>`;

const One = ({ id }) => {
  const [found, set] = useState(/** @type {import("headwater-api").SeriesDetail|null|undefined} */ (undefined));
  const [failed, setFailed] = useState("");
  const load = () => call(`/api/v1/series/${encodeURIComponent(id)}`).then((one) => { set(one); setFailed(""); }, (failure) => (failure.status === 404 ? set(null) : setFailed(failure.message)));
  useEffect(() => { load(); const timer = setInterval(load, EVERY_MS); return () => clearInterval(timer); }, [id]);
  useEffect(() => { if (found) document.title = `${found.series.object} ${found.series.name}`; }, [found]);
  if (failed && !found) return html`<${Empty} text=${t("failed", { why: failed })} onRetry=${load} />`;
  if (found === undefined) return html`<${Empty} text=${t("loading")} />`;
  if (found === null) return html`<${Empty} text=${t("series.gone")} />`;
  const { series } = found;
  return html`<nav class="crumbs"><${Go} to="/series">← ${t("nav.series")}<//></nav>
    <div class="page-head"><h1>${series.object} · ${series.name} <${Mark} one=${series} /></h1><p class="dim">${[labels(series), series.source, t(`series.aspect.${series.aspect}`), t("series.readings", { n: series.readings })].filter(Boolean).join(" · ")}</p></div>
    <div class="stack"><${Panel} title=${t("series.chart")} aside=${html`<span class="dim">${t("series.zoom")}</span>`}><${SeriesChart} samples=${found.samples} label=${t("series.chart.of", { what: `${series.object} ${series.name}` })} marks=${found.alerts.map((alert) => alert.first_seen_at)} /><${SeriesLegend} /><${Readings} samples=${found.samples} /><//>
      <${Alerts} alerts=${found.alerts} /></div>`;
};

export const SeriesPage = ({ id }) => (id ? html`<${One} id=${id} />` : html`<${List} />`);
