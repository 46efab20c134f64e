// The incidents of the board: read once, kept up by the feed, filtered and sorted here, so that a filter answers at once.

import { useCallback, useEffect, useMemo, useRef, useState } from "./vendor/htm-preact.js";
import { call, query } from "./api.js";
import { hear } from "./feed.js";
import { momentOf } from "./format.js";
import { readAll } from "./rows.js";

export const OPEN = ["abnormal", "recovering", "recovered"];
const STATES = { open: OPEN, done: ["closed", "merged"], history: [] };
const SEVERITIES = ["critical", "major", "minor", "warning", "indeterminate"];
/** Lines of a timeline that tell who was told, and who not after all. */
const TOLD = ["notified", "notify_failed"];
const PAGE = 500;
/** The first page is small, so that the first look is. */
const FIRST = 60;
/** The rest is read when the first page is drawn and the browser has nothing else to do; at the latest after this time. */
const REST_MS = 400;
const rested = () => new Promise((go) => { (window.requestIdleCallback ?? ((act) => setTimeout(act, REST_MS)))(go, { timeout: REST_MS }); });
/** Incidents kept in the page; of the history fewer, it is searched by the server. */
export const KEPT_MAX = 20000;
const HISTORY_MAX = 500;

/** What the address may ask for. */
export const FIELDS = ["state", "severity", "area", "org", "service", "owner", "progress", "q", "since", "until", "sort"];

const newest = (a, b) => (a.opened_at < b.opened_at ? 1 : a.opened_at > b.opened_at ? -1 : a.id < b.id ? 1 : -1);

/** Open before ended, awake before snoozed, firing before recovering, major ones first, then priority, then severity: as `sort=urgent` of the API. */
const rank = (incident) => (OPEN.includes(incident.state) ? 0 : 10000) + (incident.snoozed_until ? 1000 : 0) + (incident.state === "abnormal" ? 0 : 100) + (incident.major ? 0 : 50)
  + Number(incident.priority.slice(1)) * 10 + SEVERITIES.indexOf(incident.severity);

const severity = (incident) => SEVERITIES.indexOf(incident.severity);

/** Ways to sort; each ends with the newest first. */
export const SORTS = {
  "": (a, b) => a.rank - b.rank || newest(a, b),
  newest,
  oldest: (a, b) => -newest(a, b),
  severity: (a, b) => severity(a) - severity(b) || newest(a, b),
  reach: (a, b) => b.alert_count - a.alert_count || newest(a, b),
};

const hay = (incident) => [incident.id, incident.title, incident.root?.ci.name, incident.root?.ci.id, ...incident.services, ...incident.orgs, incident.assignee]
  .filter(Boolean).join("\n").toLowerCase();

const owner = (incident) => incident.assignee ?? incident.acknowledged_by ?? "";

/** Whether an incident is wanted.
 * @param {any} filter @param {string} me */
export function wanted(filter, me) {
  const q = (filter.q ?? "").trim().toLowerCase();
  const states = STATES[filter.state || "open"] ?? [];
  const severities = filter.severity ? filter.severity.split(",") : [];
  return (incident) => (!states.length || states.includes(incident.state))
    && (!severities.length || severities.includes(incident.severity))
    && (!filter.area || filter.area === (incident.area ?? "unknown"))
    && (!filter.org || incident.orgs.includes(filter.org))
    && (!filter.service || incident.services.includes(filter.service))
    && (!filter.progress || filter.progress === incident.progress)
    && (!filter.owner || (filter.owner === "me" ? owner(incident) === me : filter.owner === "none" ? !owner(incident) : owner(incident) === filter.owner))
    && (!q || filter.state === "history" || incident.hay.includes(q));
}

/** What the server is asked for; everything else is filtered here. */
const asked = (filter) => (filter.state === "history"
  ? { archive: "true", q: filter.q, since: dayStart(filter.since, 0), until: dayStart(filter.until, 1), severity: filter.severity ? filter.severity.split(",") : undefined, area: filter.area === "unknown" ? "" : filter.area }
  : { state: STATES[filter.state || "open"] ?? OPEN });

/** When a day of the zone shown begins; `after` days later. */
function dayStart(day, after) {
  const at = momentOf(day ?? "", after);
  return Number.isNaN(at) ? "" : new Date(at).toISOString();
}

/** @typedef {import("headwater-api").IncidentItem & {rank: number, hay: string, fresh: string, told: string[]}} Known */

/** All incidents of a kind with what the feed changes in them.
 * @param {any} filter */
export function useIncidents(filter) {
  const [version, bump] = useState(0);
  const [state, setState] = useState({ ready: false, failed: "", cut: false });
  const known = useRef(new Map());
  const round = useRef(0);
  const key = JSON.stringify(asked(filter));
  const take = useCallback((incident, fresh) => {
    const old = known.current.get(incident.id);
    if (old && old.version > incident.version) return;
    known.current.set(incident.id, { ...incident, told: incident.told ?? old?.told ?? [], rank: rank(incident), hay: hay(incident), fresh: fresh && !old ? "fresh" : "" });
  }, []);
  const load = useCallback(async () => {
    const mine = ++round.current;
    const before = known.current;
    known.current = new Map();
    const most = filter.state === "history" ? HISTORY_MAX : KEPT_MAX;
    const read = async (after) => {
      if (after) await rested();
      return call(`/api/v1/incidents?${query({ limit: String(after ? PAGE : FIRST), after, ...asked(filter) })}`);
    };
    const tell = (items, next) => {
      if (mine !== round.current) return false;
      items.slice(-PAGE).forEach((incident) => take(incident, false));
      // The first page shows at once; further ones come in a few steps.
      if (!next || items.length <= FIRST || (items.length - FIRST) % (PAGE * 6) === 0) bump((n) => n + 1);
      setState({ ready: true, failed: "", cut: Boolean(next) && items.length >= most });
      return true;
    };
    try {
      await readAll(read, tell, most);
    } catch (failure) {
      if (mine !== round.current || failure.status === 401) return;
      if (!known.current.size) known.current = before;
      setState((old) => ({ ...old, failed: failure.message }));
    }
  }, [key]);
  useEffect(() => { setState((old) => ({ ...old, ready: false })); load(); return () => { round.current++; }; }, [load]);
  useEffect(() => hear((changes) => {
    if (changes.some((change) => change.kind === "resync")) { load(); return; }
    let news = false;
    const states = STATES[filter.state || "open"] ?? [];
    for (const { kind, data } of changes) {
      if (kind === "incident") {
        // What the history was searched for is not added to by the feed.
        if (data.gone || (states.length && !states.includes(data.incident.state))) news = known.current.delete(data.id) || news;
        else if (states.length || known.current.has(data.id)) { take(data.incident, true); news = true; }
      } else if (kind === "timeline" && TOLD.includes(data.entry.kind)) {
        const incident = known.current.get(data.incident);
        const receiver = data.entry.detail?.split(/[ :]/)[0];
        if (!incident || !receiver) continue;
        const others = incident.told.filter((one) => one !== receiver);
        known.current.set(data.incident, { ...incident, told: data.entry.kind === "notified" ? [...others, receiver] : others });
        news = true;
      }
    }
    if (news) bump((n) => n + 1);
  }), [load]);
  const list = useMemo(() => [...known.current.values()], [version, key]);
  return { list, ...state, load };
}

/** The same order with what has changed since: what has not is not compared with each other again.
 * @param {any[]} before @param {any[]} list @param {(a: any, b: any) => number} compare */
export function sortedAgain(before, list, compare) {
  const changed = new Set(list);
  const kept = before.filter((one) => changed.delete(one));
  if (changed.size * 4 > list.length) return [...list].sort(compare);
  const fresh = [...changed].sort(compare);
  const all = [];
  let next = 0;
  for (const one of kept) {
    while (next < fresh.length && compare(fresh[next], one) < 0) all.push(fresh[next++]);
    all.push(one);
  }
  return all.concat(fresh.slice(next));
}

/** What is shown: sorted, filtered. A filter that changes sorts nothing again.
 * @param {any[]} list @param {any} filter @param {string} me */
export function useShown(list, filter, me) {
  const last = useRef({ by: /** @type {any} */ (null), sorted: /** @type {any[]} */ ([]) });
  const sorted = useMemo(() => {
    const by = SORTS[filter.sort] ?? SORTS[""];
    last.current = { by, sorted: last.current.by === by ? sortedAgain(last.current.sorted, list, by) : [...list].sort(by) };
    return last.current.sorted;
  }, [list, filter.sort]);
  return useMemo(() => sorted.filter(wanted(filter, me)), [sorted, JSON.stringify(filter)]);
}

/** The board as it was last shown: the incident page steps through it.
 * @type {string[]} */
let lastOrder = [];

/** @param {any[]} list */
export const keepOrder = (list) => { lastOrder = list.map((incident) => incident.id); };

/** The incidents before and after one on the board.
 * @param {string} id @returns {(string|undefined)[]} */
export function neighbours(id) {
  const at = lastOrder.indexOf(id);
  return at < 0 ? [undefined, undefined] : [lastOrder[at - 1], lastOrder[at + 1]];
}

/** While the pointer moves over the list, rows keep their places: nobody clicks on what has just moved. What is new waits
 * at the end until the pointer rests.
 * @param {any[]} sorted @param {string} key another key is another list */
export function useSteady(sorted, key) {
  const REST_MS = 2500;
  const kept = useRef({ key: "", list: /** @type {any[]} */ ([]), order: /** @type {Map<string, number>|null} */ (null), movedAt: 0, timer: 0 });
  const [, settle] = useState(0);
  const onMove = useCallback(() => {
    kept.current.movedAt = Date.now();
    clearTimeout(kept.current.timer);
    kept.current.timer = setTimeout(() => settle((n) => n + 1), REST_MS + 20);
  }, []);
  useEffect(() => () => clearTimeout(kept.current.timer), []);
  const steady = kept.current.key === key && Date.now() - kept.current.movedAt < REST_MS;
  if (!steady) {
    Object.assign(kept.current, { key, list: sorted, order: null });
    return { list: sorted, onMove };
  }
  // The places are looked up only while somebody points.
  const order = (kept.current.order ??= new Map(kept.current.list.map((incident, i) => [incident.id, i])));
  const place = (incident) => order.get(incident.id) ?? Infinity;
  return { list: [...sorted].sort((a, b) => place(a) - place(b) || 0), onMove };
}
