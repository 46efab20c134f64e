// Tables of alerts: an incident's members, held alerts, all alerts.

import { html, useEffect, useMemo, useRef, useState } from "./vendor/htm-preact.js";
import { act, moveAlerts } from "./actions.js";
import { call } from "./api.js";
import { briefly, count, moment } from "./format.js";
import { t } from "./i18n.js";
import { Ci, Empty, Go, Panel, Severity, Switch } from "./parts.js";
import { readAll, useRows } from "./rows.js";

const ROW = 46;
/** Members read for the table; the count is always the whole one. */
const READ_MAX = 5000;

/** @param {{alert: import("headwater-api").AlertItem}} props */
const Marks = ({ alert }) => html`
  ${alert.held && html`<em class="tag">${t("alert.held")}</em>`}
  ${alert.muted_by.map((mute) => html`<em key=${mute.kind} class="tag" title=${mute.id ?? mute.alert ?? ""}>${t(`mute.${mute.kind}`)}</em>`)}
  ${alert.flapping && html`<em class="tag">${t("alert.flapping")}</em>`}`;

/** @param {{alert: import("headwater-api").AlertItem, picked: any, onPick: any, incident: any}} props */
const Row = ({ alert, picked, onPick, incident }) => html`<tr class=${alert.state}>
  ${onPick && html`<td class="pickone"><input type="checkbox" aria-label=${t("pick", { what: alert.title || alert.name })} checked=${picked} onChange=${onPick} /></td>`}
  <td class="sevcell"><${Severity} of=${alert.severity} /></td>
  <td class="what" title=${alert.title}><span>${alert.title || alert.name}</span><small>${alert.name}</small></td>
  <td class="object">${alert.ci ? html`<${Ci} ci=${alert.ci} link />` : html`<span title=${t("alert.unresolved")}>${alert.object} <em class="tag">?</em></span>`}</td>
  <td class="source">${alert.source}</td>
  <td class="n">${count(alert.count)}</td>
  <td class="first"><time title=${moment(alert.first_seen)}>${briefly(alert.first_seen)}</time></td>
  <td class="last"><time title=${moment(alert.last_seen)}>${briefly(alert.last_seen)}</time></td>
  <td class="how"><span class=${`state state-${alert.state}`}>${t(`alert.${alert.state}`)}</span> <${Marks} alert=${alert} /></td>
  ${incident && html`<td class="in">${alert.incident && html`<${Go} to=${`/incidents/${alert.incident}`}>${alert.incident}<//>`}</td>`}
  <td class="whys"><${Go} to=${`/why/${alert.id}`}>${t("why")}<//></td>
</tr>`;

/** A table of alerts, only the rows in sight; `onPick` makes them choosable, `incident` shows where they belong.
 * @param {{alerts: import("headwater-api").AlertItem[], picked?: any, onPick?: any, incident?: any}} props */
export const AlertTable = ({ alerts, picked = [], onPick = undefined, incident = false }) => {
  const rows = useRows(alerts.length, ROW);
  const columns = ["alert", "object", "source", "count", "first", "last", "state", ...(incident ? ["in"] : [])];
  const wide = columns.length + (onPick ? 3 : 2);
  const space = (height) => height > 0 && html`<tr class="space"><td colspan=${wide} style=${{ height: `${height}px` }}></td></tr>`;
  return html`<table class=${`alerts ${rows.isWhole ? "" : "long"}`} aria-rowcount=${alerts.length}>
    <thead><tr>${onPick && html`<th class="c-pick"></th>`}<th class="c-sev"></th>
      ${columns.map((c) => html`<th key=${c} class=${`c-${c}`}>${t(`col.${c}`)}</th>`)}<th class="c-why"></th></tr></thead>
    <tbody ref=${rows.body}>${space(rows.above)}
      ${alerts.slice(rows.first, rows.last).map((alert) => html`<${Row} key=${alert.id} alert=${alert} incident=${incident}
        picked=${picked.includes(alert.id)} onPick=${onPick && (() => onPick(alert.id))} />`)}
      ${space(rows.below)}</tbody>
  </table>`;
};

/** An incident's members, read page by page.
 * @param {string} id @param {number} version another one reads again */
export function useMembers(id, version) {
  const [found, set] = useState(/** @type {import("headwater-api").Members|null} */ (null));
  const [failed, setFailed] = useState("");
  const round = useRef(0);
  const load = () => {
    const mine = ++round.current;
    const known = { total: 0, hidden: 0 };
    const read = async (after) => {
      const page = await call(`/api/v1/incidents/${encodeURIComponent(id)}/members?limit=500${after ? `&after=${after}` : ""}`);
      known.total = page.total;
      known.hidden += page.hidden;
      return page;
    };
    const tell = (items) => { if (mine === round.current) set({ items, ...known }); return mine === round.current; };
    readAll(read, tell, READ_MAX).then(() => setFailed(""), (failure) => setFailed(failure.message));
  };
  useEffect(() => { load(); return () => { round.current++; }; }, [id, version]);
  return { found, failed, load };
}

const shown = (alert, state, text) => (!state || alert.state === state)
  && (!text || [alert.title, alert.name, alert.object, alert.source, alert.ci?.name, alert.ci?.id].some((part) => part?.toLowerCase().includes(text)));

/** @param {{incident: import("headwater-api").IncidentItem, members: any, me: import("headwater-api").Me, text: any, onText: any}} props */
export const Members = ({ incident, members, me, text, onText }) => {
  const { found, failed, load } = members;
  const [state, setState] = useState("");
  const [picked, setPicked] = useState(/** @type {string[]} */ ([]));
  const may = me.role !== "viewer" && incident.state !== "merged";
  const alerts = useMemo(() => (found?.items ?? []).filter((alert) => shown(alert, state, text.trim().toLowerCase())), [found, state, text]);
  const pick = (id) => setPicked((old) => (old.includes(id) ? old.filter((other) => other !== id) : [...old, id]));
  const chosen = picked.filter((id) => found?.items.some((alert) => alert.id === id));
  const split = () => act(incident, "split", { alerts: chosen }).then(() => setPicked([]));
  const move = () => moveAlerts(incident, chosen).then(() => setPicked([]));
  const tools = html`
    ${may && chosen.length > 0 && html`<button data-act="split" onClick=${split}>${t("act.split")} (${chosen.length})</button>`}
    ${may && chosen.length > 0 && html`<button data-act="move" onClick=${move}>${t("act.move")}</button>`}
    <input type="search" value=${text} placeholder=${t("inc.members.search")} aria-label=${t("inc.members.search")} onInput=${(e) => onText(e.target.value)} />
    <${Switch} label=${t("col.state")} value=${state} onChange=${setState}
      choices=${[["", t("board.state.all")], ["firing", t("alert.firing")], ["resolved", t("alert.resolved")]]} />`;
  const title = `${t("inc.members")} (${found ? count(found.total) : "…"})`;
  return html`<div id="members"><${Panel} title=${title} aside=${tools} kind="members">
    ${failed && html`<${Empty} text=${failed} onRetry=${load} />`}
    ${found && alerts.length > 0 && html`<${AlertTable} alerts=${alerts} picked=${picked} onPick=${may ? pick : undefined} />`}
    ${found && alerts.length === 0 && html`<${Empty} text=${t("inc.members.none")} />`}
    ${found?.hidden > 0 && html`<p class="dim note">${t("inc.hidden", { n: found.hidden })}</p>`}
    ${found && found.total > READ_MAX && html`<p class="dim note">${t("inc.members.cut", { n: READ_MAX })}</p>`}<//></div>`;
};
