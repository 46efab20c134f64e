// The strip of numbers on top of the board.

import { html, useEffect, useRef, useState } from "./vendor/htm-preact.js";
import { call } from "./api.js";
import { hear } from "./feed.js";
import { count, percent, span } from "./format.js";
import { t } from "./i18n.js";
import { Severity, Tile, visit } from "./parts.js";

export const SEVERITIES = ["critical", "major", "minor", "warning", "indeterminate"];
export const AREAS = ["facility", "cloud", "application", "support", "security"];
const EVERY_MS = 1000;

/** What is read at once and, while things change, at most once a second. What was read last stays; why it could not be
 * read again is told.
 * @template T @param {() => Promise<T>} read */
export function useNewest(read) {
  const [state, set] = useState({ found: /** @type {T|null} */ (null), failed: "" });
  const timer = useRef(0);
  useEffect(() => {
    let alive = true;
    let askedAt = 0;
    const load = () => { askedAt = Date.now(); return read().then((found) => { if (alive) set({ found, failed: "" }); }, (failure) => { if (alive && failure.status !== 401) set((old) => ({ ...old, failed: failure.message })); }); };
    load();
    const stop = hear(() => { timer.current ||= setTimeout(() => { timer.current = 0; load(); }, Math.max(0, askedAt + EVERY_MS - Date.now())); });
    return () => { alive = false; stop(); clearTimeout(timer.current); timer.current = 0; };
  }, []);
  return state;
}

/** @param {{overview: import("headwater-api").OverviewBody, filter: any, onFilter: any}} props */
const BySeverity = ({ overview, filter, onFilter }) => html`
  <div class="tile sevs">
    <span class="label">${t("ov.open")} <b class="all">${count(overview.open)}</b></span>
    <div>${SEVERITIES.slice(0, 4).map((severity) => html`
      <button key=${severity} aria-pressed=${filter.severity === severity}
        class=${`pick ${overview.by_severity[severity] ? "" : "zero"}`}
        onClick=${() => onFilter({ severity: filter.severity === severity ? "" : severity })}>
        <${Severity} of=${severity} /><b>${count(overview.by_severity[severity])}</b><i>${t(`sev.${severity}`)}</i>
      </button>`)}</div>
  </div>`;

/** @param {{overview: import("headwater-api").OverviewBody, filter: any, onFilter: any}} props */
const ByArea = ({ overview, filter, onFilter }) => {
  const most = Math.max(1, ...AREAS.map((area) => overview.by_area[area]));
  return html`<div class="tile areas">
    <span class="label">${t("ov.areas")}</span>
    <div>${AREAS.map((area) => html`
      <button key=${area} aria-pressed=${filter.area === area} class=${`pick ${overview.by_area[area] ? "" : "zero"}`}
        onClick=${() => onFilter({ area: filter.area === area ? "" : area })}>
        <i>${t(`area.short.${area}`)}</i>
        <svg viewBox="0 0 60 4" preserveAspectRatio="none" aria-hidden="true"><rect width=${(overview.by_area[area] / most) * 60} height="4" /></svg>
        <b>${count(overview.by_area[area])}</b>
      </button>`)}</div>
  </div>`;
};

/** @param {{funnel: import("headwater-api").FunnelBody|null|undefined}} props */
const Funnel = ({ funnel }) => funnel && html`
  <div class="tile funnel">
    <span class="label">${t("ov.funnel")}</span>
    <div class="steps">
      <span><b>${count(funnel.events)}</b><i>${t("ov.events")}</i></span><em>›</em>
      <span><b>${count(funnel.alerts)}</b><i>${t("ov.alerts")}</i></span><em>›</em>
      <span><b>${count(funnel.incidents)}</b><i>${t("ov.incidents")}</i></span>
      ${typeof funnel.compression === "number" && html`<span class="ratio"><b>${percent(funnel.compression)}</b><i>${t("ov.compression")}</i></span>`}
    </div>
  </div>`;

/** The manual's paragraph on receivers. */
const RECEIVERS = "/docs/operations.md#:~:text=Routes%20in%20the%20rules%20name%20receivers";

const Nobody = () => html`<p class="notice nobody" role="status">${t("ov.nobody")}
  <a href=${RECEIVERS} target="_blank">${t("ov.nobody.how")}</a></p>`;

/** What is degraded and concerns who looks at the board. */
export const DEGRADED = { "Redis is away": "ov.redis", "events over NATS wait": "ov.nats", "metric series are judged by the last hours alone": "ov.metric" };

const Degraded = ({ kinds }) => html`<p class="notice nobody" role="status">${kinds.map((kind) => t(DEGRADED[kind])).join(" ")}</p>`;

/** Numbers; severities, areas and what waits also filter the board. */
export const Overview = ({ filter, onFilter }) => {
  const { found: overview, failed } = useNewest(() => call("/api/v1/overview"));
  useEffect(() => {
    if (overview) document.title = `${overview.unacknowledged ? `(${overview.unacknowledged}) ` : ""}${t("app")}`;
  }, [overview]);
  const unread = failed && html`<p class="notice nobody" role="status">${t("ov.unread", { why: failed })}</p>`;
  if (!overview) return html`${unread}<div class="strip"></div>`;
  const window = t("ov.window", { h: overview.window_hours });
  const mean = (secs) => (secs === null ? "–" : span(secs * 1000));
  const waits = filter.progress === "triggered";
  const degraded = overview.degraded.filter((kind) => DEGRADED[kind]);
  return html`${unread}${overview.tells_nobody && html`<${Nobody} />`}${degraded.length > 0 && html`<${Degraded} kinds=${degraded} />`}<div class="strip">
    <${BySeverity} ...${{ overview, filter, onFilter }} />
    <${Tile} label=${t("ov.unack")} value=${overview.unacknowledged} kind=${overview.unacknowledged ? "alarm" : ""} pressed=${waits}
      note=${overview.recovering ? `${overview.recovering} ${t("ov.recovering")}` : ""}
      onClick=${() => onFilter({ progress: waits ? "" : "triggered" })} />
    <${ByArea} ...${{ overview, filter, onFilter }} />
    <div class="tile times"><span><i>${t("ov.mtta")}</i><b>${mean(overview.mtta_seconds)}</b></span><span><i>${t("ov.mttr")}</i><b>${mean(overview.mttr_seconds)}</b></span><span class="note">${window}</span></div>
    <${Funnel} funnel=${overview.funnel} />
    <${Tile} label=${t("ov.held")} value=${overview.alerts_held} note=${t("ov.held.note")} onClick=${() => visit("/alerts?show=held")} />
  </div>`;
};
