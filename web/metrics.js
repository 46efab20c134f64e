// The metrics of what alerts (or of any CI) with their baselines, where points are watched.

import { html, useEffect, useState } from "./vendor/htm-preact.js";
import { call, query } from "./api.js";
import { t } from "./i18n.js";
import { Go, Panel } from "./parts.js";
import { SeriesChart, SeriesLegend } from "./series_chart.js";

/** Charts shown: the unusual ones first. */
const SHOWN = 4;
/** Objects that are asked about. */
const ASKED_MAX = 40;
const EVERY_MS = 10_000;

/** The most unusual series of the objects, whole.
 * @param {string[]} objects */
async function charts(objects) {
  const found = await call(`/api/v1/series?${query({ object: objects, limit: "500" })}`);
  const strongest = found.items.sort((a, b) => b.unusual.length - a.unusual.length || (b.last?.score ?? 0) - (a.last?.score ?? 0));
  const shown = await Promise.all(strongest.slice(0, SHOWN).map((one) => call(`/api/v1/series/${encodeURIComponent(one.id)}`)));
  return { shown, rest: strongest.length - shown.length };
}

/** @param {{objects: string[], since?: string}} props objects as their sources call them */
export const Metrics = ({ objects, since = undefined }) => {
  const asked = [...new Set(objects)].slice(0, ASKED_MAX);
  const [found, set] = useState(/** @type {any} */ (null));
  useEffect(() => {
    let alive = true;
    // Who may not see series sees no panel.
    const read = () => (asked.length ? charts(asked).then((all) => { if (alive) set(all); }, () => {}) : set(null));
    read();
    const timer = setInterval(read, EVERY_MS);
    return () => { alive = false; clearInterval(timer); };
  }, [asked.join("\n")]);
  if (!found?.shown.length) return null;
  return html`<${Panel} title=${t("series.metrics")} aside=${found.rest > 0 && html`<span class="dim">${t("series.rest", { n: found.rest })}</span>`} kind="metric-charts">${found.shown.map((one) => html`<div key=${one.series.id}>
    <h3><${Go} to=${`/series/${encodeURIComponent(one.series.id)}`}>${one.series.object} · ${one.series.name}<//> <span class="dim">${Object.entries(one.series.labels).map(([key, value]) => `${key}=${value}`).join(" ")}</span></h3>
    <${SeriesChart} samples=${one.samples} label=${t("series.chart.of", { what: `${one.series.object} ${one.series.name}` })} marks=${[...one.alerts.map((alert) => alert.first_seen_at), ...(since ? [since] : [])]} /></div>`)}<${SeriesLegend} /><//>`;
};
