// How the program itself is: whether it serves, how far it is behind, whether every event has an end, what is degraded.

import { html, useEffect, useState } from "../vendor/htm-preact.js";
import { call, text } from "../api.js";
import { Spark } from "../charts.js";
import { count, percent, span } from "../format.js";
import { t } from "../i18n.js";
import { Law } from "../law.js";
import { Empty, Go, Panel, Tile } from "../parts.js";

const EVERY_MS = 3000;
/** Points of the small charts. */
const KEPT = 60;

/** Reads OpenMetrics: samples by name, with labels as they stand.
 * @param {string} page @returns {Record<string, Record<string, number>>} */
export function samples(page) {
  /** @type {Record<string, Record<string, number>>} */
  const found = {};
  for (const line of page.split("\n")) {
    const match = line.match(/^([a-z_:0-9]+)(?:\{(.*)\})? ([-+0-9.eE]+|NaN)$/);
    if (match) (found[match[1]] ??= {})[match[2] ?? ""] = Number(match[3]);
  }
  return found;
}

/** What was measured, with what it was before. */
function useVitals() {
  const [state, set] = useState({ ready: /** @type {any} */ (null), now: /** @type {any} */ (null), kept: /** @type {any[]} */ ([]), failed: "" });
  useEffect(() => {
    let alive = true;
    const load = async () => {
      try {
        const [ready, page] = await Promise.all([call("/readyz").catch((failure) => ({ ready: false, missing: [failure.message], degraded: [] })), text("/metrics")]);
        const now = { at: Date.now(), ...samples(page) };
        if (alive) set((old) => ({ ready, now, kept: [...old.kept, now].slice(-KEPT), failed: "" }));
      } catch (failure) {
        if (alive) set((old) => ({ ...old, failed: failure.message }));
      }
    };
    load();
    const timer = setInterval(load, EVERY_MS);
    return () => { alive = false; clearInterval(timer); };
  }, []);
  return state;
}

const one = (metrics, name) => metrics?.[`headwater_${name}`]?.[""];

/** A rate per second between two looks. */
function rates(kept, name) {
  return kept.slice(1).map((after, i) => {
    const [a, b] = [one(kept[i], name), one(after, name)];
    return a === undefined || b === undefined ? 0 : Math.max(0, (b - a) / ((after.at - kept[i].at) / 1000));
  });
}

/** @param {{ready: import("headwater-api").Ready}} props */
const Troubles = ({ ready }) => html`<${Panel} title=${t("sys.state")} aside=${html`<em class=${`tag ${ready.ready ? "good" : "bad"}`}>${t(ready.ready ? "sys.ready" : "sys.not_ready")}</em>`}>
  ${ready.missing.map((why) => html`<p key=${why} class="bad">${why}</p>`)}
  ${ready.degraded.map((why) => html`<p key=${why} class="warned">⚠ ${why}</p>`)}
  ${ready.missing.length + ready.degraded.length === 0 && html`<p class="dim">${t("sys.fine")}</p>`}<//>`;

/** Events whose content was poor. */
const Quality = ({ metrics }) => {
  const all = Object.entries(metrics.headwater_events_quality ?? {}).map(([labels, n]) => [labels.match(/word="([^"]*)"/)?.[1] ?? labels, n]);
  return html`<${Panel} title=${t("sys.quality")}><ul class="quality">${all.map(([word, n]) => html`<li key=${word} class=${n ? "" : "dim"}><b>${count(Number(n))}</b> ${t(`sys.quality.${word}`)}</li>`)}</ul><//>`;
};

const All = ({ metrics }) => {
  const [q, setQ] = useState("");
  const rows = Object.entries(metrics).filter(([name]) => name.startsWith("headwater_") && name.includes(q.trim())).flatMap(([name, values]) => Object.entries(values).map(([labels, value]) => [name, labels, value]));
  return html`<${Panel} title=${t("sys.metrics")} aside=${html`<input type="search" aria-label=${t("sys.metrics.search")} placeholder=${t("sys.metrics.search")} value=${q} onInput=${(event) => setQ(event.target.value)} />`}>
    <div class="scroll short"><table class="plain metrics"><tbody>${rows.slice(0, 400).map(([name, labels, value]) => html`<tr key=${name + labels}><td><code>${name}</code></td><td><code>${labels}</code></td><td class="n">${Number(value).toLocaleString("en-US")}</td></tr>`)}</tbody></table></div><//>`;
};

/** @param {{me: import("headwater-api").Me}} props */
export const System = ({ me }) => {
  const { ready, now: metrics, kept, failed } = useVitals();
  if (failed && !metrics) return html`<${Empty} text=${t("failed", { why: failed })} />`;
  if (!metrics || !ready) return html`<${Empty} text=${t("loading")} />`;
  const perSecond = rates(kept, "events_accepted_total");
  const lag = (one(metrics, "journal_seq") ?? 0) - (one(metrics, "history_seq") ?? 0);
  const memory = one(metrics, "process_resident_bytes") ?? one(metrics, "resident_memory_bytes");
  const dead = Object.entries(metrics.headwater_events_ended ?? {}).filter(([labels]) => labels.includes('"dead_')).reduce((sum, [, n]) => sum + n, 0);
  return html`<div class="page-head"><h1>${t("nav.system")}</h1><p class="dim">${t("sys.help", { version: me.version })}</p></div>
    <div class="strip"><${Tile} label=${t("sys.rate")} value=${count(Math.round(perSecond.at(-1) ?? 0))} note=${t("sys.per_second")} />
      <${Tile} label=${t("num.pending")} value=${one(metrics, "events_pending") ?? 0} kind=${one(metrics, "events_pending") > 10000 ? "alarm" : ""} note=${t("sys.pending")} />
      <${Tile} label=${t("sys.lag")} value=${Math.max(0, lag)} note=${t("sys.records")} />
      <${Tile} label=${t("nav.dead")} value=${dead} kind=${dead ? "alarm" : ""} />
      <${Tile} label=${t("num.firing")} value=${one(metrics, "alerts_firing") ?? 0} /><${Tile} label=${t("ov.held")} value=${one(metrics, "alerts_held") ?? 0} />
      ${memory !== undefined && html`<${Tile} label=${t("sys.memory")} value=${`${Math.round(memory / 1048576)} MiB`} />`}</div>
    <div class="stack"><div class="columns even"><${Troubles} ready=${ready} />
      <${Panel} title=${t("sys.rate.chart")} aside=${t("sys.rate.span", { t: span(((kept.at(-1)?.at ?? 0) - (kept[0]?.at ?? 0))) })}><${Spark} values=${perSecond} label=${t("sys.rate.chart")} /><p class="tl-ends"><span>${t("num.most", { n: count(Math.round(Math.max(0, ...perSecond))) })}</span></p><//></div>
      <${Law} />
      <div class="columns even"><${Quality} metrics=${metrics} /><${Panel} title=${t("nav.dead")}><p>${dead ? t("sys.dead", { n: count(dead) }) : t("dead.empty")} <${Go} to="/dead-letters">${t("open")}<//></p>
        <p class="dim">${t("sys.share", { p: one(metrics, "events_accepted_total") ? percent(dead / one(metrics, "events_accepted_total")) : "–" })}</p><//></div>
      <${All} metrics=${metrics} /></div>`;
};
