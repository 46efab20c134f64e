// The wall screen: what matters at a glance from ten metres, on one screen without scrolling, with stable positions. It
// says loudly when what it shows is old.

import { html, useEffect, useRef, useState } from "../vendor/htm-preact.js";
import { call, query } from "../api.js";
import { Spark } from "../charts.js";
import { Major } from "../ending.js";
import { hear } from "../feed.js";
import { clock, count, day, percent, span, zoneLabel } from "../format.js";
import { say, t } from "../i18n.js";
import { OPEN } from "../incidents.js";
import { NOTICES, chooseNotice, mayChime, noticeChoice, useAlarm } from "../news.js";
import { now } from "../now.js";
import { AREAS, DEGRADED, SEVERITIES, useNewest } from "../overview.js";
import { Age, Severity, useTick } from "../parts.js";
import { useFreshness } from "../top.js";
import { className } from "../vocabulary.js";

const SHOWN = 8;
const HOT_SHOWN = 6;
const SITES_SHOWN = 8;
const SOURCES_SHOWN = 6;
const ESTATE_MS = 5000;
const TREND_MS = 20_000;
const TREND_MINUTES = 60;
/** A number that grew shows so for this long. */
const FLASH_MS = 4000;

/** Reads again and again; keeps what was read last and tells why it could not be read again.
 * @template T @param {() => Promise<T>} read @param {number} every */
function useEvery(read, every) {
  const [state, set] = useState({ found: /** @type {T|null} */ (null), failed: "" });
  useEffect(() => {
    let alive = true;
    const load = () => read().then((found) => { if (alive) set({ found, failed: "" }); }, (failure) => { if (alive && failure.status !== 401) set((old) => ({ ...old, failed: failure.message })); });
    load();
    const timer = setInterval(load, every);
    return () => { alive = false; clearInterval(timer); };
  }, []);
  return state;
}

/** Events per minute of the last hour, without the minute that goes on. */
const trend = () => call(`/api/v1/stats?record=event&step=minute&since=${new Date(now() - (TREND_MINUTES + 1) * 60_000).toISOString()}`).then((stats) => {
  const until = Math.floor(Date.parse(stats.until) / 60_000);
  const values = new Array(TREND_MINUTES).fill(0);
  for (const bucket of stats.buckets) {
    const at = TREND_MINUTES - (until - Math.floor(Date.parse(bucket.at) / 60_000));
    if (at >= 0 && at < TREND_MINUTES) values[at] += bucket.n;
  }
  return values;
});

/** The sources: those in trouble first, then the busiest. */
const feeds = () => call("/api/v1/sources").then((page) => page.items.sort((a, b) => Number(b.silent) - Number(a.silent) || b.events - a.events));

/** The numbers, and the open incidents that want somebody most: read together, so that one does not deny the other. */
const newest = () => Promise.all([call("/api/v1/overview"), call(`/api/v1/incidents?${query({ state: OPEN, sort: "urgent", limit: String(SHOWN) })}`)])
  .then(([overview, page]) => ({ overview, list: page.items }));

/** The worse of two severities. */
const worse = (a, b) => (SEVERITIES.indexOf(a) + 1 || Infinity) <= (SEVERITIES.indexOf(b) + 1 || Infinity) ? a : b;

/** Whether a number has just grown.
 * @param {number} n */
function useGrown(n) {
  const before = useRef(n);
  const [at, set] = useState(0);
  useEffect(() => {
    if (n > before.current) set(Date.now());
    before.current = n;
  }, [n]);
  useTick();
  return Date.now() - at < FLASH_MS;
}

const Clock = () => {
  useTick();
  return html`<time class="w-clock"><b>${clock(now())}</b><i>${day(now())} ${zoneLabel()}</i></time>`;
};

/** How old the screen is, or what of it cannot be read again, in words that cannot be overlooked.
 * @param {{unread: [string, string][]}} props names of the parts and why */
const Fresh = ({ unread }) => {
  const { lost, why, age } = useFreshness();
  if (lost) return html`<p class="w-stale" role="alert">⚠ ${t(`feed.${why}`, { age: span(age) })}</p>`;
  if (!unread.length) return null;
  return html`<p class="w-stale w-unread" role="alert">⚠ ${t("wall.unread", { what: unread.map(([word]) => t(word)).join(t("and")), why: unread[0][1] })}</p>`;
};

const ByOne = ({ severity, n }) => html`<div class=${`w-sev ${n ? "" : "zero"} ${useGrown(n) ? "grown" : ""} s-${severity}`}><${Severity} of=${severity} /><b>${count(n)}</b><i>${t(`sev.${severity}`)}</i></div>`;

/** @param {{overview: import("headwater-api").OverviewBody}} props */
const Open = ({ overview }) => html`<section class="w-open" aria-label=${t("ov.open")}>
  <div class=${`w-total ${overview.by_severity.critical ? "bad" : overview.open ? "" : "calm"}`}><b>${count(overview.open)}</b><i>${t("ov.open")}</i></div>
  <div class="w-sevs">${SEVERITIES.slice(0, 4).map((severity) => html`<${ByOne} key=${severity} severity=${severity} n=${overview.by_severity[severity]} />`)}</div>
  <div class=${`w-wait ${overview.unacknowledged ? "bad" : ""}`}><b>${count(overview.unacknowledged)}</b><i>${t("ov.unack")}</i></div></section>`;

/** One managed-object area: its open incidents, and how much of it alerts. It is as bad as the worst of both. */
const Area = ({ area, open, worst, health }) => {
  const share = health?.cis ? health.alerting / health.cis : 0;
  const alerts = health?.alerting ? health.worst : "cleared";
  const state = worse(open ? worst : "cleared", alerts);
  return html`<div class=${`w-area s-${state}`} data-area=${area}><h3><${Severity} of=${state} />${t(`area.${area}`)}</h3>
    <p><b>${count(open)}</b><i>${t("wall.incidents")}</i></p>
    <svg viewBox="0 0 100 4" preserveAspectRatio="none" aria-hidden="true"><rect class="all" width="100" height="4" /><rect class=${`k-${alerts}`} width=${share ? Math.max(1.5, share * 100) : 0} height="4" /></svg>
    <small>${health ? t("wall.cis", { n: count(health.alerting), of: count(health.cis) }) : ""}</small></div>`;
};

const Funnel = ({ funnel, pulse, rate }) => {
  const events = Math.max(funnel.events, pulse?.events ?? 0);
  const parts = /** @type {[string, number][]} */ ([["ov.events", events], ["ov.alerts", funnel.alerts], ["ov.incidents", funnel.incidents]]);
  return html`<section class="w-funnel" aria-label=${t("ov.funnel")}><h2>${t("ov.funnel")}</h2>
    <div class="w-steps">${parts.map(([word, n]) => html`<div key=${word} class="w-step"><b>${count(n)}</b><i>${t(word)}</i>
      <svg viewBox="0 0 100 4" preserveAspectRatio="none" aria-hidden="true"><rect class="all" width="100" height="4" /><rect class="w-bar" width=${n ? Math.max(0.8, (n / Math.max(1, events)) * 100) : 0} height="4" /></svg></div>`)}</div>
    <div class="w-ratio"><b>${percent(funnel.compression)}</b><i>${t("ov.compression")}</i></div>
    <p class="w-rate"><i>${t("wall.rate", { n: count(rate?.at(-1) ?? 0) })}</i></p><${Spark} values=${rate ?? []} label=${t("wall.trend")} /></section>`;
};

/** @param {{overview: import("headwater-api").OverviewBody}} props */
const Times = ({ overview }) => {
  const mean = (secs) => (typeof secs === "number" ? span(secs * 1000) : "–");
  return html`<section class="w-times"><div><b>${mean(overview.mtta_seconds)}</b><i>${t("ov.mtta")}</i></div><div><b>${mean(overview.mttr_seconds)}</b><i>${t("ov.mttr")}</i></div>
    <div><b>${count(overview.opened_in_window)}</b><i>${t("wall.today", { h: overview.window_hours })}</i></div><div><b>${count(overview.alerts_held)}</b><i>${t("ov.held")}</i></div></section>`;
};

/** @param {{list: any[], total: number}} props of how many open ones these are the first */
const Incidents = ({ list, total }) => html`<section class="w-list" aria-label=${t("wall.worst")}><h2>${t("wall.worst")}</h2>
  ${list.length === 0 && html`<p class="w-calm">✓ ${t("board.calm")}</p>`}
  <ol>${list.map((one) => html`<li key=${one.id} data-id=${one.id} class=${`sev-${one.severity}`}>
    <${Severity} of=${one.severity} /><b class=${`pri pri-${one.priority}`}>${one.priority}</b>
    <div><p><${Major} incident=${one} /><strong>${one.root ? (one.root.ci.outside ? t("ci.outside") : one.root.ci.name) : one.title}</strong><i>${one.root ? className(one.root.ci.class) : ""}</i></p>
      <small>${one.services.length ? one.services.slice(0, 3).join(t("and")) + (one.services.length > 3 ? ` +${one.services.length - 3}` : "") : say(one.headline)}</small></div>
    <span class="w-n">${count(one.alert_count)}<i>${t("ov.alerts")}</i></span>
    <span class=${`state state-${one.state === "abnormal" ? one.progress : one.state}`}>${one.state === "abnormal" ? one.assignee ?? one.acknowledged_by ?? t(`progress.${one.progress}`) : t(`state.${one.state}`)}</span>
    <${Age} from=${one.first_alert_at} to=${one.recovered_at} /></li>`)}</ol>
  ${total > list.length && html`<p class="w-more">${t("wall.more", { n: count(total - list.length) })}</p>`}</section>`;

/** @param {{hot: import("headwater-api").HotCi[]}} props */
const Hot = ({ hot }) => html`<section class="w-hot" aria-label=${t("wall.hot")}><h2>${t("wall.hot")}</h2><ol>${hot.slice(0, HOT_SHOWN).map((one) => html`<li key=${one.ci.id}>
  <${Severity} of=${one.severity} /><strong>${one.ci.name}</strong><i>${className(one.ci.class)}</i><b>${count(one.firing)}</b></li>`)}</ol></section>`;

/** A site as a tower of its layers: facility below, business on top, each as bad as its worst CI.
 * @param {{site: import("headwater-api").SiteHealth, tall: any}} props */
const Site = ({ site, tall }) => {
  const layers = [...site.layers].reverse();
  return html`<div class=${`w-site s-${site.alerting ? site.worst : "cleared"}`}><div class="w-tower">${Array.from({ length: tall }, (_, i) => tall - 1 - i).map((number) => {
    const layer = layers.find((one) => one.layer === number);
    if (!layer) return html`<span key=${number} class="none"></span>`;
    return html`<span key=${number} class=${`k-${layer.alerting ? layer.worst : "well"}`} title=${`${say(layer.label)} ${layer.alerting} / ${layer.cis}`}>${layer.alerting > 0 ? count(layer.alerting) : ""}</span>`;
  })}</div><strong>${site.site}</strong><i>${count(site.alerting)} / ${count(site.cis)}</i></div>`;
};

/** Sites where the CMDB has them, else the layers of the whole estate.
 * @param {{estate: import("headwater-api").Estate}} props */
const Sites = ({ estate }) => {
  const tall = 7;
  if (estate.sites.length < 2) {
    return html`<section class="w-map" aria-label=${t("wall.layers")}><h2>${t("wall.layers")}</h2><div class="w-layers">${estate.layers.map((layer) => html`<div key=${layer.layer} class=${`s-${layer.alerting ? layer.worst : "cleared"}`}>
      <strong>${say(layer.label)}</strong><svg viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true"><rect class="all" width="100" height="6" /><rect class=${`k-${layer.worst ?? "well"}`} width=${layer.alerting ? Math.max(2, (layer.alerting / layer.cis) * 100) : 0} height="6" /></svg>
      <b>${count(layer.alerting)}</b><i>/ ${count(layer.cis)}</i></div>`)}</div></section>`;
  }
  const sites = [...estate.sites].sort((a, b) => b.cis - a.cis).slice(0, SITES_SHOWN).sort((a, b) => (a.site < b.site ? -1 : 1));
  const names = estate.layers;
  return html`<section class="w-map" aria-label=${t("wall.map")}><h2>${t("wall.map")}</h2><div class="w-sites"><div class="w-names">${Array.from({ length: tall }, (_, i) => tall - 1 - i).map((number) => html`<span key=${number}>${say(names.find((one) => one.layer === number)?.label)}</span>`)}</div>
    ${sites.map((site) => html`<${Site} key=${site.site} site=${site} tall=${tall} />`)}</div></section>`;
};

/** What the program itself has to say: the sources, and what is degraded.
 * @param {{overview: import("headwater-api").OverviewBody, feeds: import("headwater-api").SourceItem[], silent: any}} props */
const Health = ({ overview, feeds, silent }) => html`<section class="w-health" aria-label=${t("wall.sources")}><h2>${t("wall.sources")}</h2>
  <ol>${feeds.slice(0, SOURCES_SHOWN).map((one) => html`<li key=${one.id} class=${one.silent ? "late" : ""}><i class=${`w-dot ${one.silent ? "late" : one.enabled && one.last_seen ? "" : "off"}`}></i><strong>${one.id}</strong>${one.last_seen && html`<${Age} from=${one.last_seen} />`}</li>`)}</ol>
  ${silent.length > 0 && html`<p class="w-bad w-silent" role="alert">⚠ ${t("wall.silent", { who: silent.slice(0, 3).join(t("and")) + (silent.length > 3 ? ` +${silent.length - 3}` : "") })}</p>`}
  ${overview.tells_nobody && html`<p class="w-bad">⚠ ${t("ov.nobody")}</p>`}
  ${overview.degraded.filter((kind) => DEGRADED[kind]).map((kind) => html`<p key=${kind} class="w-bad">⚠ ${t(DEGRADED[kind])}</p>`)}</section>`;

/** Whether the wall makes a sound; asked for by a click, as browsers want it. */
const Sound = () => {
  const [choice, set] = useState(noticeChoice());
  useTick();
  // A browser lets nothing be heard before somebody has clicked; a click anywhere is enough.
  const mute = choice !== "off" && !mayChime();
  const next = async () => set(await chooseNotice(choice === "off" || mute ? NOTICES[1] : "off"));
  return html`<button class=${`icon ${mute ? "w-mute" : ""}`} onClick=${next} aria-pressed=${choice !== "off"}>${mute ? `⚠ ${t("notice.mute")}` : t(`notice.${choice}`)}</button>`;
};

const whole = () => (document.fullscreenElement ? document.exitFullscreen() : document.documentElement.requestFullscreen()).catch(() => {});

export const Wall = () => {
  const { found, failed } = useNewest(newest);
  const health = useEvery(() => call("/api/v1/topology/health"), ESTATE_MS);
  const rate = useEvery(trend, TREND_MS);
  const sources = useEvery(feeds, ESTATE_MS);
  const estate = health.found;
  const { overview, list } = found ?? {};
  const [pulse, setPulse] = useState(/** @type {any} */ (null));
  const { lost } = useFreshness();
  useEffect(() => hear((_, status) => setPulse(status.pulse)), []);
  const unread = /** @type {[string, string][]} */ ([["wall.numbers", failed], ["wall.layers", health.failed], ["wall.trend", rate.failed], ["wall.sources", sources.failed]]).filter(([, why]) => why);
  const silent = (sources.found ?? []).filter((one) => one.silent).map((one) => one.id);
  // What the wall does not know may be worse than what it shows.
  useAlarm([lost ? "feed" : "", ...unread.map(([word]) => word), ...silent].filter(Boolean));
  useEffect(() => { document.title = `${overview?.by_severity.critical ? `(${overview.by_severity.critical}) ` : ""}${t("nav.wall")} · ${t("app")}`; }, [overview]);
  if (!overview) return html`<div class="wall"><header class="w-head"><h1>${t("wall.title")}</h1><${Fresh} unread=${unread} /></header></div>`;
  const of = (area) => estate?.areas.find((one) => one.area === area);
  return html`<div class=${`wall ${lost ? "old" : ""}`}>
    <header class="w-head"><img src="/assets/icon.svg" alt="" /><h1>${t("wall.title")}</h1><${Fresh} unread=${unread} />
      <span class="w-tools"><${Sound} /><button class="icon" onClick=${whole}>${t("wall.whole")}</button></span><${Clock} /></header>
    <${Open} overview=${overview} />
    <section class="w-areas" aria-label=${t("ov.areas")}>${[...AREAS, "unknown"].map((area) => html`<${Area} key=${area} area=${area} open=${overview.by_area[area]} worst=${overview.worst_by_area[area]} health=${of(area)} />`)}</section>
    <${Incidents} list=${list} total=${overview.open} />
    <div class="w-middle">${estate && html`<${Sites} estate=${estate} /><${Hot} hot=${estate.hot} />`}</div>
    <div class="w-side">${overview.funnel && html`<${Funnel} funnel=${overview.funnel} pulse=${pulse} rate=${rate.found} />`}<${Times} overview=${overview} /></div>
    <${Health} overview=${overview} feeds=${sources.found ?? []} silent=${silent} />
  </div>`;
};
