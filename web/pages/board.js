// The incident board: live, filtered, sorted by urgency, worked with keys; many incidents at once.

import { html, useEffect, useMemo, useRef, useState } from "../vendor/htm-preact.js";
import { act } from "../actions.js";
import { query } from "../api.js";
import { BulkBar, actMany } from "../bulk.js";
import { Major } from "../ending.js";
import { Filters, useOffered } from "../filters.js";
import { likelihood, moment } from "../format.js";
import { say, t } from "../i18n.js";
import { FIELDS, KEPT_MAX, keepOrder, useIncidents, useShown, useSteady } from "../incidents.js";
import { Overview } from "../overview.js";
import { Age, Ci, Empty, Go, Severity, State, symptomOf, titleOf, useKeys, visit } from "../parts.js";
import { useRows } from "../rows.js";
import { Views } from "../views.js";

const ROW = 58;
const BLANK = Object.fromEntries(FIELDS.map((key) => [key, ""]));
/** Keys that order something about the marked incidents, or the one that is chosen. */
const ORDERS = { a: "acknowledge", s: "assign", z: "snooze", c: "comment", m: "merge" };
/** Farther down than this, what is new is out of sight. */
const FAR_PX = 400;

function readFilter() {
  const asked = new URLSearchParams(location.search);
  return Object.fromEntries(FIELDS.map((key) => [key, asked.get(key) ?? ""]));
}

/** @param {{incident: import("headwater-api").IncidentItem}} props */
const Reach = ({ incident }) => {
  const share = incident.alert_count ? incident.firing_count / incident.alert_count : 0;
  return html`<span class="reach" title=${t("reach.firing", { n: incident.firing_count, of: incident.alert_count })}>
    <b>${t("reach.alerts", { n: incident.alert_count })}</b><i>${t("reach.cis", { n: incident.ci_count })}</i>
    <svg viewBox="0 0 60 3" preserveAspectRatio="none" aria-hidden="true"><rect class="all" width="60" height="3" /><rect width=${share * 60} height="3" /></svg>
  </span>`;
};

/** The root cause: what it told itself, then why it is thought to be the cause.
 * @param {{incident: import("headwater-api").IncidentItem, root: import("headwater-api").RootItem|null|undefined}} props */
const Root = ({ incident, root }) => root
  ? html`<span class="root"><span><${Ci} ci=${root.ci} />
      ${root.possible && !root.confirmed && html`<em class="tag" title=${t("root.possible.help")}>${t("root.possible")}</em>`}
      ${root.confirmed ? html`<em class="tag good">${t("root.confirmed")}</em>`
        : root.inferred ? html`<em class="tag" title=${t("root.inferred.help")}>${t("root.inferred")}</em>` : null}
      <i>${likelihood(root.score)}</i></span>
      <small title=${[symptomOf(incident), say(root.reason)].filter(Boolean).join("\n")}>${symptomOf(incident) || say(root.reason)}</small></span>`
  : html`<span class="dim">${t("root.none")}</span>`;

/** @param {{incident: import("headwater-api").IncidentItem}} props */
const Hit = ({ incident }) => {
  const services = incident.services;
  if (!services.length) return html`<small>${incident.orgs.join(t("and")) || (incident.hidden_services ? t("hit.hidden", { n: incident.hidden_services }) : t("hit.none"))}</small>`;
  return html`<span>${services.slice(0, 2).join(t("and"))}${services.length > 2 ? ` +${services.length - 2}` : ""}</span>
    <small>${incident.orgs.slice(0, 3).join(t("and"))}</small>`;
};

/** @param {{incident: import("../incidents.js").Known}} props */
const Owner = ({ incident }) => {
  const owner = incident.assignee ?? incident.acknowledged_by;
  const told = incident.told.length ? html`<span class="told" title=${`${t("board.told")} ${incident.told.join(t("and"))}`}>✉ ${incident.told.length > 1 ? `${incident.told[0]} +${incident.told.length - 1}` : incident.told[0]}</span>` : null;
  return html`<small>${owner && html`<b>${owner}</b> `}${incident.snoozed_until ? t("snoozed") : ""} ${told}</small>`;
};

/** @param {{incident: import("../incidents.js").Known, chosen: any, marked: any, may: any, onChoose: any, onMark: any}} props */
const Row = ({ incident, chosen, marked, may, onChoose, onMark }) => html`
  <tr class=${`sev-${incident.severity} ${chosen ? "chosen" : ""} ${marked ? "marked" : ""} ${incident.fresh}`} data-id=${incident.id}
    onClick=${() => visit(`/incidents/${incident.id}`)} onMouseMove=${chosen ? null : onChoose} aria-selected=${marked}>
    ${may && html`<td class="pickone" onClick=${(event) => { event.stopPropagation(); if (event.target.tagName !== "INPUT") onMark(event.shiftKey); }}>
      <input type="checkbox" checked=${marked} aria-label=${t("pick", { what: titleOf(incident) })} onClick=${(event) => onMark(event.shiftKey)} /></td>`}
    <td class="mark"><${Severity} of=${incident.severity} /><b class=${`pri pri-${incident.priority}`}>${incident.priority}</b></td>
    <td class="what"><${Major} incident=${incident} /><${Go} to=${`/incidents/${incident.id}`} title=${titleOf(incident)}>${titleOf(incident)}<//>
      <small>${incident.id}${incident.area ? ` · ${t(`area.${incident.area}`)}` : ""}</small></td>
    <td class="why"><${Root} incident=${incident} root=${incident.root} /></td>
    <td class="hit" title=${incident.services.join("\n")}><${Hit} incident=${incident} /></td>
    <td class="far"><${Reach} incident=${incident} /></td>
    <td class="how"><${State} incident=${incident} /><${Owner} incident=${incident} /></td>
    <td class="age"><${Age} from=${incident.first_alert_at} to=${incident.recovered_at ?? incident.closed_at} />
      <small>${moment(incident.first_alert_at)}</small></td>
  </tr>`;

/** Columns, and how a click on the head sorts.
 * @type {[string, string][]} */
const COLUMNS = [["incident", "severity"], ["root", ""], ["hit", ""], ["reach", "reach"], ["state", ""], ["since", "newest"]];

/** @param {{list: import("../incidents.js").Known[], at: any, marked: any, may: any, sort: any, onAt: any, onMark: any, onMarkAll: any, onSort: any, onMove: any}} props */
const Table = ({ list, at, marked, may, sort, onAt, onMark, onMarkAll, onSort, onMove }) => {
  const rows = useRows(list.length, ROW);
  const space = (height) => height > 0 && html`<tr class="space"><td colspan="8" style=${{ height: `${height}px` }}></td></tr>`;
  const head = ([word, by]) => html`<th key=${word} class=${`c-${word}`} aria-sort=${by && sort === by ? "descending" : undefined}>
    ${by ? html`<button class="by" aria-pressed=${sort === by} onClick=${() => onSort(sort === by ? "" : by)}>${t(`col.${word}`)}${sort === by ? " ↓" : ""}</button>` : t(`col.${word}`)}</th>`;
  const all = list.length > 0 && marked.size >= list.length;
  return html`<table class=${`board ${rows.isWhole ? "" : "long"}`} aria-rowcount=${list.length} onMouseMove=${onMove}>
    <thead><tr>${may && html`<th class="c-pick"><input type="checkbox" checked=${all} indeterminate=${marked.size > 0 && !all} aria-label=${t("pick.all")} onClick=${() => onMarkAll(all)} /></th>`}
      <th class="c-mark"></th>${COLUMNS.map(head)}</tr></thead>
    <tbody ref=${rows.body}>${space(rows.above)}
      ${list.slice(rows.first, rows.last).map((incident) => html`<${Row} key=${incident.id} incident=${incident} may=${may} marked=${marked.has(incident.id)}
        chosen=${incident.id === at} onChoose=${() => onAt(incident.id)} onMark=${(range) => onMark(incident.id, range)} />`)}
      ${space(rows.below)}</tbody>
  </table>`;
};

/** Brings a row into sight; one that is not in the page is scrolled to first. */
function reveal(id, place) {
  const row = document.querySelector(`tr[data-id="${id}"]`);
  if (row) { row.scrollIntoView({ block: "nearest" }); return; }
  const body = document.querySelector("table.board tbody");
  if (body) scrollTo(0, scrollY + body.getBoundingClientRect().top + place * ROW - innerHeight / 2);
}

/** What is marked, by id. */
function useMarks(list) {
  const [marked, set] = useState(/** @type {Set<string>} */ (new Set()));
  const last = useRef("");
  const mark = (id, range) => {
    const next = new Set(marked);
    const [from, to] = [list.findIndex((one) => one.id === last.current), list.findIndex((one) => one.id === id)];
    if (range && from >= 0 && to >= 0) list.slice(Math.min(from, to), Math.max(from, to) + 1).forEach((one) => next.add(one.id));
    else if (!next.delete(id)) next.add(id);
    last.current = id;
    set(next);
  };
  const all = (none) => set(none ? new Set() : new Set(list.map((one) => one.id)));
  // What has left the list is not acted on unseen.
  const there = useMemo(() => list.filter((one) => marked.has(one.id)), [list, marked]);
  return { marked, there, mark, all, clear: () => set(new Set()) };
}

/** Says that something new is above, out of sight.
 * @param {{list: import("../incidents.js").Known[]}} props */
const Above = ({ list }) => {
  const [far, setFar] = useState(false);
  const seen = useRef({ list: /** @type {any[]} */ ([]), ids: /** @type {Set<string>|null} */ (null) });
  useEffect(() => {
    const look = () => setFar(scrollY > FAR_PX);
    look();
    addEventListener("scroll", look, { passive: true });
    return () => removeEventListener("scroll", look);
  }, []);
  if (!far) { seen.current = { list, ids: null }; return null; }
  const ids = (seen.current.ids ??= new Set(seen.current.list.map((one) => one.id)));
  const fresh = list.filter((one) => one.fresh && !ids.has(one.id)).length;
  if (!fresh) return null;
  return html`<button class="above main" onClick=${() => scrollTo({ top: 0, behavior: "smooth" })}>↑ ${t("board.above", { n: fresh })}</button>`;
};

/** @param {{me: import("headwater-api").Me}} props */
export const Board = ({ me }) => {
  const [filter, setFilter] = useState(readFilter);
  const [asked, setAsked] = useState(filter);
  const [at, setAt] = useState("");
  const timer = useRef(0);
  const may = me.role !== "viewer";
  const onFilter = (change) => {
    const next = { ...filter, ...change };
    setFilter(next);
    clearTimeout(timer.current);
    // Only the history is searched by the server; everything else is drawn at once, and once.
    if (next.state === "history" && "q" in change) timer.current = setTimeout(() => setAsked(next), 250);
    else setAsked(next);
    const written = query(next);
    history.replaceState(null, "", written ? `/?${written}` : "/");
  };
  const { list: all, ready, failed, cut, load } = useIncidents(asked);
  const shown = useShown(all, asked, me.name);
  const { list, onMove } = useSteady(shown, JSON.stringify(asked));
  const { marked, there, mark, all: markAll, clear } = useMarks(list);
  useEffect(() => keepOrder(list), [list]);
  useKeys((key) => {
    const here = list.findIndex((incident) => incident.id === at);
    const step = (to) => { const place = Math.max(0, Math.min(list.length - 1, to)); const next = list[place]; if (next) { setAt(next.id); reveal(next.id, place); } };
    if (key === "j" || key === "ArrowDown") step(here + 1);
    else if (key === "k" || key === "ArrowUp") step(here - 1);
    else if (key === "Home") step(0);
    else if (key === "End") step(list.length - 1);
    else if (key === "Enter" && list[here]) visit(`/incidents/${list[here].id}`);
    else if (key === "/") document.getElementById("search")?.focus();
    else if (key === "Escape" && marked.size) clear();
    else if (!may) return false;
    else if ((key === "x" || key === "X") && list[here]) mark(list[here].id, key === "X");
    else if (key === "*") markAll(marked.size >= list.length);
    else if (ORDERS[key] && there.length) actMany(there, ORDERS[key]).then(clear);
    else if (ORDERS[key] && list[here]) act(list[here], ORDERS[key]);
    else return false;
    return true;
  });
  const filtered = FIELDS.some((field) => field !== "sort" && asked[field]);
  const [orgs, services] = useOffered(all);
  return html`
    <h1 class="unseen">${t("nav.board")}</h1>
    <${Overview} filter=${filter} onFilter=${onFilter} />
    <${Views} filter=${filter} blank=${BLANK} me=${me} onView=${onFilter} />
    <${Filters} filter=${filter} onFilter=${onFilter} orgs=${orgs} services=${services} count=${ready ? list.length : null} total=${all.length} />
    ${failed && html`<${Empty} text=${t("failed", { why: failed })} onRetry=${load} />`}
    ${!ready && !all.length && !failed && html`<${Empty} text=${t("loading")} />`}
    ${list.length > 0 && html`<${Table} list=${list} at=${at} marked=${marked} may=${may} sort=${filter.sort} onAt=${setAt} onMark=${mark} onMarkAll=${markAll}
      onSort=${(sort) => onFilter({ sort })} onMove=${onMove} />`}
    ${ready && list.length === 0 && html`<${Empty} text=${t(filtered ? "board.empty" : "board.calm")} calm=${!filtered} />`}
    ${cut && html`<p class="dim note">${t("board.cut", { n: filter.state === "history" ? 500 : KEPT_MAX })}</p>`}
    <${Above} list=${list} />
    <${BulkBar} incidents=${there} onClear=${clear} />
    <p class="keys dim">${t("board.keys")}</p>`;
};
