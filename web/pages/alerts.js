// All alerts: those without an incident of their own (held) are listed and counted, never hidden.

import { html, useCallback, useEffect, useRef, useState } from "../vendor/htm-preact.js";
import { call, query } from "../api.js";
import { hear } from "../feed.js";
import { t } from "../i18n.js";
import { AlertTable } from "../members.js";
import { SEVERITIES } from "../overview.js";
import { Empty, Switch } from "../parts.js";
import { readAll } from "../rows.js";

const SHOWS = ["firing", "held", "muted", "all"];
/** Alerts kept in the page; who needs more, filters. */
const KEPT_MAX = 20000;
const EVERY_MS = 4000;

/** @param {{show: string, q: string, severity: string}} filter @param {string|null} [after]
 * @returns {`/api/v1/alerts?${string}`|`/api/v1/alerts/held?${string}`} */
function address(filter, after) {
  const path = filter.show === "held" ? "/api/v1/alerts/held" : "/api/v1/alerts";
  return `${path}?${query({ limit: "500", after, q: filter.q, severity: filter.severity,
    state: filter.show === "firing" ? "firing" : "", muted: filter.show === "muted" ? "true" : "" })}`;
}

function useAlerts(filter) {
  const [list, set] = useState(/** @type {import("headwater-api").AlertItem[]|null} */ (null));
  const [failed, setFailed] = useState("");
  const round = useRef(0);
  const timer = useRef(0);
  const held = useRef(undefined);
  const load = useCallback(async () => {
    const mine = ++round.current;
    let items = [];
    const tell = (found, next) => {
      if (mine !== round.current) return false;
      items = found;
      // The first page shows at once; later ones together, so that a long list is drawn once.
      if (!next || found.length <= 500) set(items);
      return true;
    };
    try {
      await readAll((after) => call(address(filter, after)), tell, KEPT_MAX);
      if (mine === round.current) { set(items); setFailed(""); }
    } catch (failure) {
      if (mine === round.current && failure.status !== 401) setFailed(failure.message);
    }
  }, [JSON.stringify(filter)]);
  useEffect(() => {
    load();
    const stop = hear((changes, status) => {
      const moved = changes.some((change) => change.kind === "incident" || change.kind === "resync") || status.pulse?.held !== held.current;
      held.current = status.pulse?.held;
      if (moved) timer.current ||= setTimeout(() => { timer.current = 0; load(); }, EVERY_MS);
    });
    return () => { stop(); round.current++; clearTimeout(timer.current); timer.current = 0; };
  }, [load]);
  return { list, failed, load };
}

export const Alerts = () => {
  const asked = new URLSearchParams(location.search);
  const [filter, setFilter] = useState({ show: asked.get("show") ?? "firing", q: asked.get("q") ?? "", severity: asked.get("severity") ?? "" });
  const [settled, setSettled] = useState(filter);
  const timer = useRef(0);
  const onFilter = (change) => {
    const next = { ...filter, ...change };
    setFilter(next);
    clearTimeout(timer.current);
    timer.current = setTimeout(() => setSettled(next), "q" in change ? 250 : 0);
    history.replaceState(null, "", `/alerts?${query(next)}`);
  };
  const { list, failed, load } = useAlerts(settled);
  return html`
    <div class="page-head"><h1>${t("nav.alerts")}</h1><p class="dim">${t(`alerts.help.${settled.show}`)}</p></div>
    <div class="filters">
      <${Switch} label=${t("nav.alerts")} value=${filter.show} onChange=${(show) => onFilter({ show })} choices=${SHOWS.map((word) => [word, t(`alerts.${word}`)])} />
      <select value=${filter.severity} aria-label=${t("board.any_sev")} onChange=${(e) => onFilter({ severity: e.target.value })}>
        <option value="">${t("board.any_sev")}</option>${SEVERITIES.map((word) => html`<option key=${word} value=${word}>${t(`sev.${word}`)}</option>`)}</select>
      <input id="search" type="search" placeholder=${t("alerts.search")} aria-label=${t("alerts.search")} value=${filter.q} onInput=${(e) => onFilter({ q: e.target.value })} />
      <span class="dim count" role="status">${list ? t("alerts.count", { n: list.length }) : ""}</span>
    </div>
    ${failed && html`<${Empty} text=${t("failed", { why: failed })} onRetry=${load} />`}
    ${!list && !failed && html`<${Empty} text=${t("loading")} />`}
    ${list && list.length > 0 && html`<${AlertTable} alerts=${list} incident />`}
    ${list?.length === 0 && html`<${Empty} text=${t(settled.q || settled.severity ? "alerts.none" : `alerts.empty.${settled.show}`)} calm=${!settled.q && !settled.severity} />`}
    ${list && list.length >= KEPT_MAX && html`<p class="dim note">${t("alerts.cut", { n: KEPT_MAX })}</p>`}`;
};
