// The row of filters of the board.

import { html, useEffect, useState } from "./vendor/htm-preact.js";
import { DateField } from "./dates.js";
import { zoneLabel } from "./format.js";
import { t } from "./i18n.js";
import { SORTS } from "./incidents.js";
import { AREAS, SEVERITIES } from "./overview.js";
import { Switch } from "./parts.js";

/** Organisations and services to choose from. */
const OFFERED_MAX = 200;

/** At the latest after this time, however busy the browser is. */
const IDLE_MS = 500;
const whenIdle = "requestIdleCallback" in window ? (act) => requestIdleCallback(act, { timeout: IDLE_MS }) : (act) => setTimeout(act, IDLE_MS);
const dropIdle = window.cancelIdleCallback ?? clearTimeout;

/** The values of a list in the incidents, the most frequent first.
 * @param {any[]} list @param {"orgs"|"services"} key */
function offered(list, key) {
  const counts = new Map();
  for (const incident of list) for (const one of incident[key]) counts.set(one, (counts.get(one) ?? 0) + 1);
  return [...counts].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1)).slice(0, OFFERED_MAX);
}

/** What there is to choose from in a list, counted when the browser has nothing else to do.
 * @param {any[]} list */
export function useOffered(list) {
  const [found, set] = useState(/** @type {[string, number][][]} */ ([[], []]));
  useEffect(() => {
    const count = () => {
      const next = [offered(list, "orgs"), offered(list, "services")];
      set((old) => (JSON.stringify(old) === JSON.stringify(next) ? old : next));
    };
    const asked = whenIdle(count);
    return () => dropIdle(asked);
  }, [list]);
  return found;
}

/** A choice of words, or of values with their counts. */
const Choice = ({ value, any, options, onChange }) => html`<select class=${value ? "set" : ""} value=${value} aria-label=${any} onChange=${(event) => onChange(event.target.value)}>
  <option value="">${any}</option>${options.map(([word, label]) => html`<option key=${word} value=${word}>${label}</option>`)}
  ${value && !options.some(([word]) => word === value) && html`<option value=${value}>${value.split(",").map((one) => t(`sev.${one}`)).join(t("and"))}</option>`}</select>`;

/** @param {{filter: any, onFilter: (change: any) => void, orgs: [string, number][], services: [string, number][], count: number|null, total: number}} props */
export const Filters = ({ filter, onFilter, orgs, services, count, total }) => {
  const counted = (all) => all.map(([word, n]) => /** @type {[string, string]} */ ([word, `${word} (${n})`]));
  const past = filter.state === "history";
  return html`<div class="filters">
    <${Switch} label=${t("col.state")} value=${filter.state || "open"} onChange=${(word) => onFilter({ state: word === "open" ? "" : word })}
      choices=${["open", "done", "history"].map((word) => [word, t(`board.state.${word}`)])} />
    <input id="search" type="search" placeholder=${`${t(past ? "board.search.history" : "board.search")}  /`} aria-label=${t("board.search")} value=${filter.q}
      onInput=${(event) => onFilter({ q: event.target.value })} />
    ${past && html`<span class="when" title=${zoneLabel()}>${t("board.since")} <${DateField} kind="day" name="since" label=${`${t("board.since")} (${zoneLabel()})`} value=${filter.since} onValue=${(since) => onFilter({ since })} /></span>
      <span class="when" title=${zoneLabel()}>${t("board.until")} <${DateField} kind="day" name="until" label=${`${t("board.until")} (${zoneLabel()})`} value=${filter.until} onValue=${(until) => onFilter({ until })} /></span>`}
    <${Choice} value=${filter.severity} any=${t("board.any_sev")} options=${SEVERITIES.map((word) => [word, t(`sev.${word}`)])} onChange=${(severity) => onFilter({ severity })} />
    <${Choice} value=${filter.area} any=${t("board.any_area")} options=${[...AREAS, "unknown"].map((word) => [word, t(`area.${word}`)])} onChange=${(area) => onFilter({ area })} />
    ${orgs.length > 0 && html`<${Choice} value=${filter.org} any=${t("board.any_org")} options=${counted(orgs)} onChange=${(org) => onFilter({ org })} />`}
    ${services.length > 0 && html`<${Choice} value=${filter.service} any=${t("board.any_service")} options=${counted(services)} onChange=${(service) => onFilter({ service })} />`}
    <${Choice} value=${filter.owner} any=${t("board.any_owner")} options=${[["me", t("board.owner.me")], ["none", t("board.owner.none")]]} onChange=${(owner) => onFilter({ owner })} />
    <label class="sort"><span class="dim count" role="status">${count === null ? "" : count === total ? t("board.count", { n: count }) : t("board.count.of", { n: count, of: total })}</span>
      <select value=${filter.sort} aria-label=${t("board.sort")} onChange=${(event) => onFilter({ sort: event.target.value })}>
      ${Object.keys(SORTS).map((word) => html`<option key=${word} value=${word}>${t(`board.sort.${word || "urgency"}`)}</option>`)}</select></label>
  </div>`;
};
