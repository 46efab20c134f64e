// Credentials of people and sources: who has one, making and ending them.

import { html, useEffect, useState } from "../vendor/htm-preact.js";
import { call, remove, send } from "../api.js";
import { ask } from "../ask.js";
import { moment } from "../format.js";
import { t } from "../i18n.js";
import { now } from "../now.js";
import { Empty, Switch, toast } from "../parts.js";

const ROLES = ["viewer", "operator", "analyst", "admin", "source"];
const AREAS = ["facility", "cloud", "application", "support", "security"];
/** What can be chosen of the areas, and which areas it means.
 * @type {Record<string, string[]|null>} */
const LIMITS = { all: null, others: AREAS.filter((area) => area !== "security"), ...Object.fromEntries(AREAS.map((area) => [area, [area]])) };
const DAYS = ["0", "1", "30", "90", "365"];

/** A fresh token: it is shown once.
 * @param {{made: import("headwater-api").TokenMade&{name:string}, onClose: any}} props */
const Made = ({ made, onClose }) => html`<div class="notice made" role="status"><p><b>${t("token.made", { name: made.name })}</b> ${t("token.once")}</p>
  <p><code class="secret">${made.token}</code> <button onClick=${() => navigator.clipboard.writeText(made.token).then(() => toast(t("copied")), () => toast(t("copy.failed"), "bad"))}>${t("copy")}</button> <button onClick=${onClose}>${t("close")}</button></p></div>`;

export const TokensPage = () => {
  const [items, set] = useState(/** @type {import("headwater-api").TokenItem[]|null} */ (null));
  const [failed, setFailed] = useState("");
  const [show, setShow] = useState("alive");
  const [made, setMade] = useState(/** @type {import("headwater-api").TokenMade & {name: string}|null} */ (null));
  const load = () => call("/api/v1/tokens").then((page) => { set(page.items); setFailed(""); }, (failure) => setFailed(failure.message));
  useEffect(() => { load(); }, []);
  const make = async () => {
    const given = await ask({ title: t("token.make"), ok: t("token.make"), fields: [{ name: "name", kind: "line", label: t("token.ask.name") },
      { name: "role", kind: "choice", label: t("token.role"), value: "operator", choices: ROLES.map((word) => [word, t(`role.${word}`)]) },
      { name: "orgs", kind: "line", label: t("token.ask.orgs"), optional: true },
      { name: "areas", kind: "choice", label: t("token.areas"), value: "all", choices: Object.keys(LIMITS).map((word) => [word, word === "all" ? t("token.all_areas") : word === "others" ? t("token.area.others") : t(`area.${word}`)]) },
      { name: "days", kind: "choice", label: t("token.expires"), value: "0", choices: DAYS.map((n) => [n, n === "0" ? t("token.never") : t("sug.days", { n })]) }] });
    if (!given) return;
    const orgs = (given.orgs ?? "").split(/[,，、\s]+/).filter(Boolean);
    const areas = LIMITS[given.areas];
    const body = { name: given.name, role: given.role, ...(orgs.length ? { orgs } : {}), ...(areas ? { areas } : {}), ...(given.days === "0" ? {} : { expires_at: new Date(now() + Number(given.days) * 86_400_000).toISOString() }) };
    await send("POST", "/api/v1/tokens", body).then((answer) => { setMade({ ...answer, name: given.name }); load(); }, (failure) => toast([failure.message, ...failure.errors].join(" · "), "bad"));
  };
  const end = async (one) => {
    const given = await ask({ title: t("token.end", { name: one.name }), ok: t("token.end.ok"), danger: true, fields: [{ name: "note", kind: "note", label: "", value: t("token.end.help") }] });
    if (given) await remove(`/api/v1/tokens/${encodeURIComponent(one.id)}`).then(() => { toast(t("done")); load(); }, (failure) => toast(failure.message, "bad"));
  };
  const shown = (items ?? []).filter((one) => show === "all" || one.alive);
  return html`<div class="page-head with-action"><div><h1>${t("nav.tokens")}</h1><p class="dim">${t("token.help")}</p></div><button class="main" data-act="token" onClick=${make}>${t("token.make")}</button></div>
    ${made && html`<${Made} made=${made} onClose=${() => setMade(null)} />`}
    <div class="filters"><${Switch} label=${t("token.state")} value=${show} onChange=${setShow} choices=${["alive", "all"].map((word) => [word, t(`token.${word}`)])} /></div>
    ${failed && html`<${Empty} text=${t("failed", { why: failed })} onRetry=${load} />`}
    ${!items && !failed && html`<${Empty} text=${t("loading")} />`}
    ${shown.length > 0 && html`<div class="scroll"><table class="plain"><thead><tr>${["name", "role", "orgs", "areas", "created", "used", "expires", "state"].map((word) => html`<th key=${word}>${t(`token.${word}`)}</th>`)}<th></th></tr></thead>
      <tbody>${shown.map((one) => html`<tr key=${one.id} class=${one.alive ? "" : "dim"}><td><b>${one.name}</b><small>${one.id}</small></td><td>${t(`role.${one.role}`)}</td><td>${one.orgs ? one.orgs.join(t("and")) : t("token.all_orgs")}</td><td>${one.areas ? one.areas.map((area) => t(`area.${area}`)).join(t("and")) : t("token.all_areas")}</td><td>${moment(one.created_at)}</td>
        <td>${one.last_used_at ? moment(one.last_used_at) : t("token.unused")}</td><td>${one.expires_at ? moment(one.expires_at) : t("token.never")}</td>
        <td><em class=${`tag ${one.alive ? "good" : "bad"}`}>${t(one.alive ? "token.alive" : one.revoked_at ? "token.revoked" : "token.expired")}</em></td><td>${one.alive && html`<button class="warn" onClick=${() => end(one)}>${t("token.end.ok")}</button>`}</td></tr>`)}</tbody></table></div>`}`;
};
