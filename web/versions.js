// Versions of the topology, and what has changed since one of them.

import { html, useEffect, useState } from "./vendor/htm-preact.js";
import { call, query } from "./api.js";
import { count, moment } from "./format.js";
import { t } from "./i18n.js";
import { Ci, Empty, Panel } from "./parts.js";
import { relationName } from "./vocabulary.js";

const KINDS = ["added", "removed", "changed", "relations_added", "relations_removed"];

const Item = ({ kind, one }) => {
  if (kind === "changed") return html`<li><${Ci} ci=${one.ci} link /> ${one.fields.map((field) => html`<span key=${field.field} class="chip">${t(`topo.field.${field.field}`)}: <del>${field.before || "–"}</del> → ${field.after || "–"}</span> `)}</li>`;
  if (kind.startsWith("relations")) return html`<li>${one.cause} <span class="dim">${relationName(one.relation)}</span> → ${one.effect}</li>`;
  return html`<li><${Ci} ci=${one} link=${kind === "added"} /></li>`;
};

export const Versions = () => {
  const [items, set] = useState(/** @type {import("headwater-api").TopologyVersion[]} */ ([]));
  const [from, setFrom] = useState("");
  const [diff, setDiff] = useState(/** @type {import("headwater-api").TopologyDiff|null} */ (null));
  const [failed, setFailed] = useState("");
  useEffect(() => { call("/api/v1/topology/versions").then((page) => set(page.items), () => {}); }, []);
  const older = items.filter((one) => !one.current);
  useEffect(() => { if (older.length) call(`/api/v1/topology/diff?${query({ from })}`).then((found) => { setDiff(found); setFailed(""); }, (failure) => { setDiff(null); setFailed(failure.message); }); }, [from, items.length]);
  if (!older.length) return null;
  const tools = html`<select aria-label=${t("topo.since")} value=${from || String(older[0].version)} onChange=${(event) => setFrom(event.target.value)}>${older.map((one) => html`<option key=${one.version} value=${String(one.version)}>${t("topo.version", { v: one.version, t: moment(one.at), by: one.author })}</option>`)}</select>`;
  const calm = diff && KINDS.every((kind) => !diff[kind].count);
  return html`<${Panel} title=${t("topo.diff")} aside=${tools}>${failed && html`<${Empty} text=${failed} />`}${calm && html`<p class="dim">${t("topo.diff.none")}</p>`}
    ${diff && KINDS.filter((kind) => diff[kind].count).map((kind) => html`<details key=${kind} open=${diff[kind].count <= 12}><summary><b>${count(diff[kind].count)}</b> ${t(`topo.diff.${kind}`)}</summary>
      <ul class="relations">${diff[kind].items.map((one, i) => html`<${Item} key=${i} kind=${kind} one=${one} />`)}</ul>${diff[kind].count > diff[kind].items.length && html`<p class="dim">${t("topo.rest", { n: count(diff[kind].count - diff[kind].items.length) })}</p>`}</details>`)}<//>`;
};
