// The incident board: live, filtered, worked with keys (j k Enter / a).

import { html, useCallback, useEffect, useRef, useState } from "../vendor/htm-preact.js";
import { act } from "../actions.js";
import { call } from "../api.js";
import * as feed from "../feed.js";
import { t } from "../i18n.js";
import { AREAS, Overview, SEVERITIES } from "../overview.js";
import { Age, Ci, Severity, State, toast, useKeys, visit } from "../parts.js";

const OPEN = ["abnormal", "recovering", "recovered"];
const DONE = ["closed", "merged"];
const STATES = { open: OPEN, done: DONE, all: [] };
const LIMIT = 100;

function readFilter() {
  const query = new URLSearchParams(location.search);
  return Object.fromEntries(["state", "severity", "area", "progress", "q"].map((key) => [key, query.get(key) ?? ""]));
}

function queryOf(filter, after) {
  const query = new URLSearchParams({ limit: String(LIMIT) });
  for (const state of STATES[filter.state || "open"] ?? []) query.append("state", state);
  for (const key of ["severity", "area", "progress", "q"]) if (filter[key]) query.append(key, filter[key]);
  if (after) query.append("after", after);
  return query;
}

function wanted(incident, filter) {
  const states = STATES[filter.state || "open"];
  return (!states.length || states.includes(incident.state))
    && (!filter.severity || filter.severity === incident.severity)
    && (!filter.area || filter.area === incident.area)
    && (!filter.progress || filter.progress === incident.progress);
}

const newestFirst = (a, b) => (a.opened_at < b.opened_at ? 1 : a.opened_at > b.opened_at ? -1 : Number(b.id.slice(1)) - Number(a.id.slice(1)));

/** The list with what the feed changes in it. */
function useIncidents(filter) {
  const [list, set] = useState(null);
  const next = useRef(null);
  const key = JSON.stringify(filter);
  const load = useCallback(async (after) => {
    try {
      const page = await call(`/api/v1/incidents?${queryOf(filter, after)}`);
      next.current = page.next ?? null;
      set((old) => (after ? [...old, ...page.items.filter((i) => !old.some((o) => o.id === i.id))] : page.items));
      if (!after) feed.start(page.feed);
    } catch (failure) {
      if (failure.status !== 401) toast(t("failed", { why: failure.message }), "bad");
    }
  }, [key]);
  useEffect(() => { load(); }, [load]);
  useEffect(() => feed.hear((changes) => {
    if (changes.some((change) => change.kind === "resync")) { load(); return; }
    const news = changes.filter((change) => change.kind === "incident").map((change) => change.data);
    if (news.length) set((old) => old && merge(old, news, filter));
  }), [load]);
  return [list, next.current ? () => load(next.current) : null];
}

function merge(old, news, filter) {
  const byId = new Map(old.map((incident) => [incident.id, incident]));
  for (const change of news) {
    const known = byId.has(change.id);
    if (change.gone || !wanted(change.incident, filter)) byId.delete(change.id);
    // With a text filter only the server knows whether a new one matches.
    else if (known || !filter.q) byId.set(change.id, { ...change.incident, fresh: known ? "" : "fresh" });
  }
  return [...byId.values()].sort(newestFirst);
}

const Reach = ({ incident }) => {
  const share = incident.alert_count ? incident.firing_count / incident.alert_count : 0;
  return html`<span class="reach">
    <b>${t("reach.alerts", { n: incident.alert_count })}</b><i>${t("reach.cis", { n: incident.ci_count })}</i>
    <svg viewBox="0 0 60 3" preserveAspectRatio="none" aria-hidden="true"><rect class="all" width="60" height="3" /><rect width=${share * 60} height="3" /></svg>
  </span>`;
};

export const Root = ({ root }) => root
  ? html`<span class="root"><${Ci} ci=${root.ci} />
      ${root.confirmed ? html`<em class="tag good">${t("root.confirmed")}</em>`
        : root.inferred ? html`<em class="tag">${t("root.inferred")}</em>` : null}
      <i>${Math.round(root.score / 10)}%</i></span>`
  : html`<span class="dim">${t("root.none")}</span>`;

const Row = ({ incident, chosen, onChoose }) => html`
  <tr class=${`sev-${incident.severity} ${chosen ? "chosen" : ""} ${incident.fresh ?? ""}`}
    onClick=${() => visit(`/incidents/${incident.id}`)} onMouseEnter=${onChoose} aria-selected=${chosen}>
    <td class="mark"><${Severity} of=${incident.severity} /></td>
    <td class="what"><a href=${`/incidents/${incident.id}`} onClick=${(e) => e.preventDefault()}>${incident.title}</a>
      <small>${incident.id} · ${incident.priority}${incident.area ? ` · ${t(`area.${incident.area}`)}` : ""}</small></td>
    <td><${Root} root=${incident.root} /></td>
    <td><${Reach} incident=${incident} /></td>
    <td class="services" title=${incident.services.join("\n")}>${incident.services.slice(0, 2).join("、")}${incident.services.length > 2 ? ` +${incident.services.length - 2}` : ""}</td>
    <td><${State} incident=${incident} /></td>
    <td class="owner">${incident.assignee ?? incident.acknowledged_by ?? ""}</td>
    <td class="age"><${Age} from=${incident.opened_at} to=${incident.closed_at} /></td>
  </tr>`;

const Filters = ({ filter, onFilter }) => {
  const choice = (key, words, label, any) => html`<select value=${filter[key]} aria-label=${any} onChange=${(e) => onFilter({ [key]: e.target.value })}>
    ${any && html`<option value="">${any}</option>`}${words.map((word) => html`<option value=${word}>${label(word)}</option>`)}</select>`;
  return html`<div class="filters">
    <div class="switch" role="group">${["open", "done", "all"].map((word) => html`
      <button aria-pressed=${(filter.state || "open") === word} onClick=${() => onFilter({ state: word === "open" ? "" : word })}>${t(`board.state.${word}`)}</button>`)}</div>
    ${choice("severity", SEVERITIES, (w) => t(`sev.${w}`), t("board.any_sev"))}
    ${choice("area", AREAS, (w) => t(`area.${w}`), t("board.any_area"))}
    <input id="search" type="search" placeholder=${`${t("board.search")}  /`} aria-label=${t("board.search")} value=${filter.q}
      onInput=${(e) => onFilter({ q: e.target.value })} />
  </div>`;
};

export const Board = ({ me }) => {
  const [filter, setFilter] = useState(readFilter);
  const [asked, setAsked] = useState(filter);
  const [at, setAt] = useState(-1);
  const timer = useRef(0);
  const onFilter = (change) => {
    const next = { ...filter, ...change };
    setFilter(next);
    clearTimeout(timer.current);
    timer.current = setTimeout(() => setAsked(next), "q" in change ? 250 : 0);
    const query = new URLSearchParams(Object.entries(next).filter(([, value]) => value));
    history.replaceState(null, "", query.size ? `/?${query}` : "/");
  };
  const [list, more] = useIncidents(asked);
  useKeys((key) => {
    const rows = list ?? [];
    if (key === "j") setAt(Math.min(rows.length - 1, at + 1));
    else if (key === "k") setAt(Math.max(0, at - 1));
    else if (key === "Enter" && rows[at]) visit(`/incidents/${rows[at].id}`);
    else if (key === "a" && rows[at] && me.role !== "viewer") act(rows[at], "acknowledge");
    else if (key === "/") document.getElementById("search").focus();
    else return false;
    return true;
  }, [list, at]);
  const filtered = Object.values(asked).some(Boolean);
  return html`
    <${Overview} filter=${filter} onFilter=${onFilter} />
    <${Filters} filter=${filter} onFilter=${onFilter} />
    <table class="board">
      <thead><tr><th></th>${["incident", "root", "reach", "services", "state", "owner", "age"].map((c) => html`<th class=${`c-${c}`}>${t(`col.${c}`)}</th>`)}</tr></thead>
      <tbody>${(list ?? []).map((incident, i) => html`<${Row} key=${incident.id} incident=${incident} chosen=${i === at} onChoose=${() => setAt(i)} />`)}</tbody>
    </table>
    ${list === null && html`<p class="empty">${t("loading")}</p>`}
    ${list?.length === 0 && html`<p class=${`empty ${filtered ? "" : "calm"}`}>${t(filtered ? "board.empty" : "board.calm")}</p>`}
    ${more && html`<button class="quiet more" onClick=${more}>${t("board.more")}</button>`}`;
};
