// Tables of alerts: an incident's members, held alerts.

import { html, useEffect, useState } from "./vendor/htm-preact.js";
import { call } from "./api.js";
import { count, moment } from "./format.js";
import { t } from "./i18n.js";
import { Ci, Go, Panel, Severity } from "./parts.js";

/** A table of alerts; `onPick` makes them choosable. */
export const AlertTable = ({ alerts, picked = [], onPick }) => {
  const pick = (id) => onPick(picked.includes(id) ? picked.filter((other) => other !== id) : [...picked, id]);
  return html`<table class="alerts">
    <thead><tr>${onPick && html`<th></th>`}<th></th>${["alert", "object", "source", "count", "first", "last", "state"].map((c) => html`<th class=${`c-${c}`}>${t(`col.${c}`)}</th>`)}<th></th></tr></thead>
    <tbody>${alerts.map((alert) => html`<tr key=${alert.id} class=${alert.state}>
      ${onPick && html`<td><input type="checkbox" aria-label=${alert.id} checked=${picked.includes(alert.id)} onChange=${() => pick(alert.id)} /></td>`}
      <td><${Severity} of=${alert.severity} /></td>
      <td class="what"><span>${alert.title || alert.name}</span><small>${alert.name}</small></td>
      <td>${alert.ci ? html`<${Ci} ci=${alert.ci} />` : alert.object}</td>
      <td>${alert.source}</td>
      <td class="n">${count(alert.count)}</td>
      <td><time>${moment(alert.first_seen)}</time></td><td><time>${moment(alert.last_seen)}</time></td>
      <td><span class=${`state state-${alert.state}`}>${t(`alert.${alert.state}`)}</span>
        ${alert.muted_by.map((mute) => html`<em class="tag">${mute.kind}</em>`)}${alert.flapping && html`<em class="tag">~</em>`}</td>
      <td><${Go} to=${`/why/${alert.id}`}>${t("why")}<//></td>
    </tr>`)}</tbody>
  </table>`;
};

export const Members = ({ incident, version, picked, onPick }) => {
  const [page, set] = useState(null);
  const path = `/api/v1/incidents/${encodeURIComponent(incident.id)}/members?limit=100`;
  useEffect(() => { call(path).then(set, () => {}); }, [incident.id, version]);
  const more = async () => {
    const next = await call(`${path}&after=${page.next}`);
    set({ ...next, items: [...page.items, ...next.items], hidden: page.hidden + next.hidden });
  };
  return html`<${Panel} title=${`${t("inc.members")} (${page?.total ?? "…"})`} aside=${page?.hidden > 0 && t("inc.hidden", { n: page.hidden })}>
    ${page && html`<${AlertTable} alerts=${page.items} picked=${picked} onPick=${onPick} />`}
    ${page?.next && html`<button class="quiet more" onClick=${more}>${t("board.more")}</button>`}<//>`;
};
