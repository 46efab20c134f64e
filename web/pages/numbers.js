// Numbers: where every accepted event ended, who is noisy, and counts over time.

import { html, useEffect, useState } from "../vendor/htm-preact.js";
import { call, query } from "../api.js";
import { count, moment, percent, span } from "../format.js";
import { labelOr, t } from "../i18n.js";
import { Law } from "../law.js";
import { now } from "../now.js";
import { SEVERITIES, AREAS, useNewest } from "../overview.js";
import { Empty, Panel, Switch, Tile } from "../parts.js";

const RECORDS = ["event", "alert", "incident", "notification"];
const STEPS = { minute: 60_000, hour: 3_600_000, day: 86_400_000 };
/** Buckets shown per step. */
const SHOWN = { minute: 60, hour: 48, day: 30 };
const SPLITS = ["total", "severity", "area"];

/** @param {{title: any, items: import("headwater-api").Noisy[]}} props */
const Noisy = ({ title, items }) => {
  const most = Math.max(1, ...items.map((item) => item.events));
  return html`<${Panel} title=${title}>${items.length ? html`<ol class="bars">${items.map((item) => html`<li key=${item.key}>
    <span title=${item.key}>${item.key}</span><svg viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true"><rect width=${(item.events / most) * 100} height="6" /></svg>
    <b>${count(item.events)}</b></li>`)}</ol>` : html`<p class="dim">${t("num.none")}</p>`}<//>`;
};

/** What the events of each source became.
 * @param {{items: import("headwater-api").SourceCounts[]}} props */
const Sources = ({ items }) => html`<${Panel} title=${t("num.sources")}>${items.length ? html`<table class="plain"><thead><tr>
    <th>${t("num.source")}</th><th>${t("ov.events")}</th><th>${t("ov.incidents")}</th><th>${t("ov.compression")}</th></tr></thead>
  <tbody>${items.map((item) => html`<tr key=${item.source}><td>${item.source}</td><td>${count(item.events)}</td><td>${count(item.incidents)}</td><td>${percent(item.compression)}</td></tr>`)}</tbody></table>`
  : html`<p class="dim">${t("num.none")}</p>`}<//>`;

/** Bars over time, stacked by key.
 * @param {{stats: import("headwater-api").Stats, step: any}} props */
const Chart = ({ stats, step }) => {
  const width = STEPS[step];
  const until = Math.floor(Date.parse(stats.until) / width) * width;
  const slots = Array.from({ length: SHOWN[step] }, (_, i) => until - (SHOWN[step] - 1 - i) * width);
  const keys = [...new Set(stats.buckets.map((bucket) => bucket.key ?? ""))];
  keys.sort((a, b) => (SEVERITIES.indexOf(a) - SEVERITIES.indexOf(b)) || (AREAS.indexOf(a) - AREAS.indexOf(b)) || (a < b ? -1 : 1));
  const at = new Map();
  for (const bucket of stats.buckets) {
    const slot = Math.floor(Date.parse(bucket.at) / width) * width;
    at.set(slot, { ...at.get(slot), [bucket.key ?? ""]: bucket.n });
  }
  const sum = (slot) => keys.reduce((all, key) => all + (at.get(slot)?.[key] ?? 0), 0);
  const most = Math.max(1, ...slots.map(sum));
  const label = (key) => labelOr(`sev.${key}`, labelOr(`area.${key}`, key));
  const bar = (slot, i) => {
    let below = 0;
    return html`<g key=${slot}><title>${`${moment(slot)}  ${keys.map((key) => `${key ? `${label(key)} ` : ""}${count(at.get(slot)?.[key] ?? 0)}`).join(", ")}`}</title>
      <rect class="hit" x=${i * 10} width="10" y="0" height="100" />
      ${keys.map((key) => {
        const height = ((at.get(slot)?.[key] ?? 0) / most) * 96;
        below += height;
        return html`<rect key=${key} class=${`k-${key || "all"}`} x=${i * 10 + 1} width="8" y=${100 - below} height=${height} />`;
      })}</g>`;
  };
  return html`<svg class="chart" viewBox=${`0 0 ${slots.length * 10} 100`} preserveAspectRatio="none" role="img" aria-label=${t("num.chart", { n: count(slots.reduce((all, slot) => all + sum(slot), 0)) })}>${slots.map(bar)}</svg>
    <p class="tl-ends"><time>${moment(slots[0])}</time><span>${t("num.most", { n: count(most) })}</span><time>${moment(until)}</time></p>
    ${keys.length > 1 && html`<p class="legend">${keys.map((key) => html`<span key=${key}><i class=${`k-${key}`}></i>${label(key) || t("area.unknown")}</span>`)}</p>`}`;
};

const Counts = () => {
  const [asked, setAsked] = useState({ record: "event", step: "minute", by: "total" });
  const [stats, set] = useState(/** @type {import("headwater-api").Stats & {step: string}|null} */ (null));
  const [failed, setFailed] = useState("");
  const fields = () => ({ ...asked, since: new Date(now() - SHOWN[asked.step] * STEPS[asked.step]).toISOString() });
  const load = () => call(`/api/v1/stats?${query(fields())}`).then((found) => { set({ ...found, step: asked.step }); setFailed(""); }, (failure) => setFailed(failure.message));
  useEffect(() => { load(); }, [JSON.stringify(asked)]);
  const choose = (key, words) => html`<${Switch} label=${t("num.counts")} value=${asked[key]} onChange=${(word) => setAsked({ ...asked, [key]: word })} choices=${words.map((word) => [word, t(`num.${key}.${word}`)])} />`;
  const tools = html`${choose("record", RECORDS)}${choose("step", Object.keys(STEPS))}${choose("by", SPLITS)}<a href=${`/api/v1/stats.csv?${query(fields())}`} download>CSV</a>`;
  return html`<${Panel} title=${t("num.counts")} aside=${tools}>
    ${failed ? html`<${Empty} text=${failed} onRetry=${load} />` : stats && html`<${Chart} stats=${stats} step=${stats.step} />`}<//>`;
};

export const Numbers = () => {
  const { found: overview, failed } = useNewest(() => call("/api/v1/overview"));
  if (!overview) return html`<${Empty} text=${failed ? t("failed", { why: failed }) : t("loading")} />`;
  const mean = (secs) => (secs === null ? "–" : span(secs * 1000));
  const window = t("ov.window", { h: overview.window_hours });
  const funnel = overview.funnel;
  return html`<div class="page-head"><h1>${t("nav.numbers")}</h1><p class="dim">${t("num.at", { t: moment(overview.at) })}</p>${failed && html`<p class="bad" role="alert">${t("ov.unread", { why: failed })}</p>`}</div>
    <div class="strip"><${Tile} label=${t("ov.open")} value=${overview.open} /><${Tile} label=${t("ov.unack")} value=${overview.unacknowledged} />
      <${Tile} label=${t("num.opened_in_window")} value=${overview.opened_in_window} note=${window} />
      <${Tile} label=${t("ov.mtta")} value=${mean(overview.mtta_seconds)} note=${window} /><${Tile} label=${t("ov.mttr")} value=${mean(overview.mttr_seconds)} note=${window} />
      ${funnel && html`<${Tile} label=${t("ov.events")} value=${funnel.events} /><${Tile} label=${t("num.firing")} value=${funnel.alerts_firing} />
        <${Tile} label=${t("ov.compression")} value=${percent(funnel.compression)} />`}</div>
    <div class="stack"><${Law} /><${Counts} />
      ${funnel && html`<${Sources} items=${funnel.by_source} />`}
      ${funnel && html`<div class="thirds"><${Noisy} title=${t("num.noisy.names")} items=${funnel.noisy_names} /><${Noisy} title=${t("num.noisy.cis")} items=${funnel.noisy_cis} /><${Noisy} title=${t("num.noisy.sources")} items=${funnel.noisy_sources} /></div>`}</div>`;
};
