// The incident board: live, filtered, sorted by urgency, worked with keys (j k Enter a /).

import { html, useCallback, useEffect, useMemo, useRef, useState } from "../vendor/htm-preact.js";
import { act } from "../actions.js";
import { call, query } from "../api.js";
import { hear } from "../feed.js";
import { likelihood, moment } from "../format.js";
import { say, t } from "../i18n.js";
import { AREAS, Overview, SEVERITIES } from "../overview.js";
import { Age, Ci, Empty, Go, Severity, State, Switch, useKeys, visit } from "../parts.js";
import { readAll, useRows } from "../rows.js";

const OPEN = ["abnormal", "recovering", "recovered"];
const STATES = { open: OPEN, done: ["closed", "merged"], all: [] };
const FIELDS = ["state", "severity", "area", "progress", "q", "sort"];
const PAGE = 500;
/** Incidents kept in the page. */
const KEPT_MAX = 5000;
const ROW = 58;

function readFilter() {
  const asked = new URLSearchParams(location.search);
  return Object.fromEntries(FIELDS.map((key) => [key, asked.get(key) ?? ""]));
}

function wanted(incident, filter) {
  const states = STATES[filter.state || "open"] ?? [];
  return (!states.length || states.includes(incident.state))
    && (!filter.severity || filter.severity === incident.severity)
    && (!filter.area || filter.area === incident.area)
    && (!filter.progress || filter.progress === incident.progress);
}

const newest = (a, b) => (a.opened_at < b.opened_at ? 1 : a.opened_at > b.opened_at ? -1 : a.id < b.id ? 1 : -1);
const rank = (incident) => [OPEN.includes(incident.state) ? 0 : 1, incident.snoozed_until ? 1 : 0, incident.state === "abnormal" ? 0 : 1,
  Number(incident.priority.slice(1)), SEVERITIES.indexOf(incident.severity)];

/** Open before ended, awake before snoozed, firing before recovering, then priority, severity, and the newest first. */
function urgency(a, b) {
  const [left, right] = [rank(a), rank(b)];
  const at = left.findIndex((value, i) => value !== right[i]);
  return at < 0 ? newest(a, b) : left[at] - right[at];
}

const SORTS = { "": urgency, newest, reach: (a, b) => b.alert_count - a.alert_count || newest(a, b) };

/** The list with what the feed changes in it. */
function useIncidents(filter) {
  const [list, set] = useState(/** @type {any[]|null} */ (null));
  const [failed, setFailed] = useState("");
  const known = useRef(new Map());
  const round = useRef(0);
  const key = JSON.stringify({ ...filter, sort: "" });
  const take = useCallback((incident, fresh) => {
    const old = known.current.get(incident.id);
    if (old && old.version > incident.version) return;
    known.current.set(incident.id, { ...incident, fresh: fresh && !old ? "fresh" : "" });
  }, []);
  const load = useCallback(async () => {
    const mine = ++round.current;
    known.current = new Map();
    const read = (after) => call(`/api/v1/incidents?${query({ limit: String(PAGE), after, state: STATES[filter.state || "open"],
      severity: filter.severity, area: filter.area, progress: filter.progress, q: filter.q })}`);
    const tell = (items) => {
      if (mine !== round.current) return false;
      items.slice(-PAGE).forEach((incident) => take(incident, false));
      set([...known.current.values()]);
      return true;
    };
    try {
      await readAll(read, tell, KEPT_MAX);
      setFailed("");
    } catch (failure) {
      if (mine === round.current && failure.status !== 401) setFailed(failure.message);
    }
  }, [key]);
  useEffect(() => { load(); return () => { round.current++; }; }, [load]);
  useEffect(() => hear((changes) => {
    if (changes.some((change) => change.kind === "resync")) { load(); return; }
    const news = changes.filter((change) => change.kind === "incident").map((change) => change.data);
    for (const { id, gone, incident } of news) {
      // With a text filter only the server knows whether a new one matches.
      if (gone || !wanted(incident, filter)) known.current.delete(id);
      else if (known.current.has(id) || !filter.q) take(incident, true);
    }
    if (news.length) set((old) => old && [...known.current.values()]);
  }), [load]);
  return { list, failed, load };
}

const Reach = ({ incident }) => {
  const share = incident.alert_count ? incident.firing_count / incident.alert_count : 0;
  return html`<span class="reach" title=${t("reach.firing", { n: incident.firing_count, of: incident.alert_count })}>
    <b>${t("reach.alerts", { n: incident.alert_count })}</b><i>${t("reach.cis", { n: incident.ci_count })}</i>
    <svg viewBox="0 0 60 3" preserveAspectRatio="none" aria-hidden="true"><rect class="all" width="60" height="3" /><rect width=${share * 60} height="3" /></svg>
  </span>`;
};

const Root = ({ root }) => root
  ? html`<span class="root"><span><${Ci} ci=${root.ci} />
      ${root.confirmed ? html`<em class="tag good">${t("root.confirmed")}</em>`
        : root.inferred ? html`<em class="tag" title=${t("root.inferred.help")}>${t("root.inferred")}</em>` : null}
      <i>${likelihood(root.score)}</i></span>
      <small title=${say(root.reason)}>${say(root.reason)}</small></span>`
  : html`<span class="dim">${t("root.none")}</span>`;

const Hit = ({ incident }) => {
  const services = incident.services;
  if (!services.length) return html`<small>${incident.orgs.join(t("and")) || t("hit.none")}</small>`;
  return html`<span>${services.slice(0, 2).join(t("and"))}${services.length > 2 ? ` +${services.length - 2}` : ""}</span>
    <small>${incident.orgs.slice(0, 3).join(t("and"))}</small>`;
};

const Row = ({ incident, chosen, onChoose }) => html`
  <tr class=${`sev-${incident.severity} ${chosen ? "chosen" : ""} ${incident.fresh}`} data-id=${incident.id}
    onClick=${() => visit(`/incidents/${incident.id}`)} onMouseMove=${chosen ? null : onChoose} aria-selected=${chosen}>
    <td class="mark"><${Severity} of=${incident.severity} /><b class=${`pri pri-${incident.priority}`}>${incident.priority}</b></td>
    <td class="what"><${Go} to=${`/incidents/${incident.id}`} title=${incident.title}>${incident.title}<//>
      <small>${incident.id}${incident.area ? ` · ${t(`area.${incident.area}`)}` : ""}</small></td>
    <td class="why"><${Root} root=${incident.root} /></td>
    <td class="hit" title=${incident.services.join("\n")}><${Hit} incident=${incident} /></td>
    <td class="far"><${Reach} incident=${incident} /></td>
    <td class="how"><${State} incident=${incident} />
      <small>${incident.assignee ?? incident.acknowledged_by ?? ""}${incident.snoozed_until ? ` ${t("snoozed")}` : ""}</small></td>
    <td class="age"><${Age} from=${incident.first_alert_at} to=${incident.recovered_at ?? incident.closed_at} />
      <small>${moment(incident.first_alert_at)}</small></td>
  </tr>`;

const Filters = ({ filter, onFilter, count }) => {
  const choice = (key, words, label, any) => html`<select value=${filter[key]} aria-label=${any} onChange=${(e) => onFilter({ [key]: e.target.value })}>
    <option value="">${any}</option>${words.map((word) => html`<option key=${word} value=${word}>${label(word)}</option>`)}</select>`;
  return html`<div class="filters">
    <${Switch} label=${t("col.state")} value=${filter.state || "open"} onChange=${(word) => onFilter({ state: word === "open" ? "" : word })}
      choices=${["open", "done", "all"].map((word) => [word, t(`board.state.${word}`)])} />
    ${choice("severity", SEVERITIES, (w) => t(`sev.${w}`), t("board.any_sev"))}
    ${choice("area", AREAS, (w) => t(`area.${w}`), t("board.any_area"))}
    <input id="search" type="search" placeholder=${`${t("board.search")}  /`} aria-label=${t("board.search")} value=${filter.q}
      onInput=${(e) => onFilter({ q: e.target.value })} />
    <span class="dim count" role="status">${count === null ? "" : t("board.count", { n: count })}</span>
    <label class="sort">${t("board.sort")} <select value=${filter.sort} onChange=${(e) => onFilter({ sort: e.target.value })}>
      ${Object.keys(SORTS).map((word) => html`<option key=${word} value=${word}>${t(`board.sort.${word || "urgency"}`)}</option>`)}</select></label>
  </div>`;
};

const COLUMNS = ["incident", "root", "hit", "reach", "state", "since"];

const Table = ({ list, at, onAt }) => {
  const rows = useRows(list.length, ROW);
  const space = (height) => height > 0 && html`<tr class="space"><td colspan="7" style=${{ height: `${height}px` }}></td></tr>`;
  return html`<table class="board" aria-rowcount=${list.length}>
    <thead><tr><th class="c-mark"></th>${COLUMNS.map((c) => html`<th key=${c} class=${`c-${c}`}>${t(`col.${c}`)}</th>`)}</tr></thead>
    <tbody ref=${rows.body}>${space(rows.above)}
      ${list.slice(rows.first, rows.last).map((incident, i) => html`<${Row} key=${incident.id} incident=${incident}
        chosen=${incident.id === at} onChoose=${() => onAt(incident.id)} />`)}
      ${space(rows.below)}</tbody>
  </table>`;
};

/** Brings a row into sight. */
const reveal = (id) => document.querySelector(`tr[data-id="${id}"]`)?.scrollIntoView({ block: "nearest" });

export const Board = ({ me }) => {
  const [filter, setFilter] = useState(readFilter);
  const [asked, setAsked] = useState(filter);
  const [at, setAt] = useState("");
  const timer = useRef(0);
  const onFilter = (change) => {
    const next = { ...filter, ...change };
    setFilter(next);
    clearTimeout(timer.current);
    timer.current = setTimeout(() => setAsked(next), "q" in change ? 250 : 0);
    const written = query(next);
    history.replaceState(null, "", written ? `/?${written}` : "/");
  };
  const { list, failed, load } = useIncidents(asked);
  const sorted = useMemo(() => list && [...list].sort(SORTS[filter.sort] ?? urgency), [list, filter.sort]);
  useKeys((key) => {
    const rows = sorted ?? [];
    const here = rows.findIndex((incident) => incident.id === at);
    const step = (to) => { const next = rows[Math.max(0, Math.min(rows.length - 1, to))]; if (next) { setAt(next.id); reveal(next.id); } };
    if (key === "j" || key === "ArrowDown") step(here + 1);
    else if (key === "k" || key === "ArrowUp") step(here - 1);
    else if (key === "Enter" && rows[here]) visit(`/incidents/${rows[here].id}`);
    else if (key === "a" && rows[here] && me.role !== "viewer") act(rows[here], "acknowledge");
    else if (key === "/") document.getElementById("search")?.focus();
    else return false;
    return true;
  }, [sorted, at]);
  const filtered = FIELDS.some((field) => field !== "sort" && asked[field]);
  return html`
    <h1 class="unseen">${t("nav.board")}</h1>
    <${Overview} filter=${filter} onFilter=${onFilter} />
    <${Filters} filter=${filter} onFilter=${onFilter} count=${sorted?.length ?? null} />
    ${failed && html`<${Empty} text=${t("failed", { why: failed })} onRetry=${load} />`}
    ${sorted === null && !failed && html`<${Empty} text=${t("loading")} />`}
    ${sorted?.length > 0 && html`<${Table} list=${sorted} at=${at} onAt=${setAt} />`}
    ${sorted?.length === 0 && html`<${Empty} text=${t(filtered ? "board.empty" : "board.calm")} calm=${!filtered} />`}
    ${sorted?.length >= KEPT_MAX && html`<p class="dim note">${t("board.cut", { n: KEPT_MAX })}</p>`}
    <p class="keys dim">${t("board.keys")}</p>`;
};
