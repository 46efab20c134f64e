// Storm mode: whether a storm of incidents holds messages back, what was told in a summary only, and telling it after all.

import { html, useEffect, useMemo, useState } from "../vendor/htm-preact.js";
import { call, send } from "../api.js";
import { count, moment } from "../format.js";
import { labelOr, t } from "../i18n.js";
import { outcome, told } from "../orders.js";
import { Age, Empty, Go, Panel, Tile } from "../parts.js";

const EVERY_MS = 5000;
/** Messages of one receiver that are listed. */
const SHOWN = 200;

/** @param {{id: any, items: import("headwater-api").HeldItem[], stormy: any, may: any, onTell: any}} props */
const Receiver = ({ id, items, stormy, may, onTell }) => html`<${Panel} title=${`${id} (${count(items.length)})`} aside=${may && html`<button data-act="tell" disabled=${stormy} onClick=${() => onTell(id)}>${t("storm.tell")}</button>`}>
  <div class="scroll"><table class="plain"><thead><tr>${["at", "person", "incident", "kind"].map((word) => html`<th key=${word}>${t(`dlv.${word}`)}</th>`)}</tr></thead>
    <tbody>${items.slice(0, SHOWN).map((one, i) => html`<tr key=${i}><td><time>${moment(one.at)}</time></td><td>${one.person ?? ""}</td><td><${Go} to=${`/incidents/${one.incident}`}>${one.incident}<//> ${one.title ?? ""}${one.budget ? html` <em class="tag bad">${t("dlv.budget.used", { id: one.budget })}</em>` : ""}</td><td>${labelOr(`dlv.kind.${one.kind}`, one.kind)}</td></tr>`)}</tbody></table></div>
  ${items.length > SHOWN && html`<p class="dim">${t("topo.rest", { n: count(items.length - SHOWN) })}</p>`}<//>`;

/** @param {{me: import("headwater-api").Me}} props */
export const StormPage = ({ me }) => {
  const [found, set] = useState(/** @type {import("headwater-api").HeldBack|null} */ (null));
  const [failed, setFailed] = useState("");
  const load = () => call("/api/v1/held-back").then((one) => { set(one); setFailed(""); }, (failure) => setFailed(failure.message));
  useEffect(() => { load(); const timer = setInterval(load, EVERY_MS); return () => clearInterval(timer); }, []);
  const byReceiver = useMemo(() => {
    const groups = new Map();
    for (const one of found?.items ?? []) { if (!groups.has(one.receiver)) groups.set(one.receiver, []); groups.get(one.receiver).push(one); }
    return [...groups];
  }, [found]);
  const may = me.role !== "viewer";
  const stormy = Boolean(found?.storm_since);
  const tell = (receiver) => told(t("storm.tell"), async () => outcome((await send("POST", "/api/v1/held-back/tell", { ...(receiver ? { receiver } : {}) })).seq)).then(load);
  return html`<div class="page-head with-action"><div><h1>${t("nav.storm")}</h1><p class="dim">${t("storm.help")}</p></div>${may && found && found.items.length > 0 && html`<button class="main" data-act="tell-all" disabled=${stormy} onClick=${() => tell("")}>${t("storm.tell.all")}</button>`}</div>
    ${failed && html`<${Empty} text=${t("failed", { why: failed })} onRetry=${load} />`}
    ${!found && !failed && html`<${Empty} text=${t("loading")} />`}
    ${found && html`<div class="strip"><${Tile} label=${t("storm.state")} value=${stormy ? html`<${Age} from=${found.storm_since} />` : t("storm.calm")} kind=${stormy ? "alarm" : ""} note=${found.storm_since ? t("storm.since", { t: moment(found.storm_since) }) : found.storm_ended ? t("storm.ended", { t: moment(found.storm_ended) }) : ""} />
        <${Tile} label=${t("storm.incidents")} value=${found.storm_incidents} /><${Tile} label=${t("storm.held")} value=${found.items.length} note=${found.cut ? t("storm.cut", { n: count(found.cut) }) : ""} /></div>
      ${stormy && html`<p class="notice">${t("storm.now")}</p>`}
      <div class="stack">${found.items.length === 0 && html`<${Empty} text=${t("storm.none")} calm />`}${byReceiver.map(([id, items]) => html`<${Receiver} key=${id} id=${id} items=${items} stormy=${stormy} may=${may} onTell=${tell} />`)}</div>`}`;
};
