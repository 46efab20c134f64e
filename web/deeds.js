// What is done about an incident beside telling people: actions that executors are asked for, and service levels that run.

import { html, useState } from "./vendor/htm-preact.js";
import { act } from "./actions.js";
import { ask } from "./ask.js";
import { moment, says, span } from "./format.js";
import { t } from "./i18n.js";
import { now } from "./now.js";
import { Ci, Panel, useTick } from "./parts.js";

/** Actions shown until somebody wants all. */
const SHOWN = 2;
const ENDS = { done: "good", failed: "bad", silent: "bad", lapsed: "bad", asked: "strong", requested: "strong" };

/** What is not plain from the state alone. */
const EXPLAINED = ["held_back", "tried", "dropped", "failed", "silent", "lapsed"];

/** Clocks of the service level.
 * @param {{levels: import("headwater-api").ServiceClock[]}} props */
export const Levels = ({ levels }) => {
  useTick();
  if (!levels?.length) return null;
  const left = (clock) => Date.parse(clock.due) - now();
  const said = (clock) => (clock.met_at ? t("level.met", { t: moment(clock.met_at) }) : clock.state === "breached" ? t("level.over", { t: span(-left(clock)) }) : t("level.left", { t: span(Math.max(0, left(clock))) }));
  const share = (clock) => Math.max(0, Math.min(1, (now() - Date.parse(clock.since)) / Math.max(1, Date.parse(clock.due) - Date.parse(clock.since))));
  return html`<${Panel} title=${t("level.title")} kind="service-levels"><ul>${levels.map((clock) => html`<li key=${clock.kind} class=${`level-${clock.state}`}><b>${clock.label}</b>
    <svg viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true"><rect class="all" width="100" height="6" /><rect width=${(clock.met_at ? 1 : share(clock)) * 100} height="6" /></svg>
    <span>${said(clock)}</span><small class="dim">${t("level.limit", { t: span(clock.limit_secs * 1000), due: moment(clock.due), rule: clock.rule })}</small></li>`)}</ul><//>`;
};

/** Actions, and a person's yes or no.
 * @param {{incident: import("headwater-api").IncidentDetail, may: any}} props */
export const Deeds = ({ incident, may }) => {
  const [all, setAll] = useState(false);
  if (!incident.actions?.length) return null;
  // What waits for somebody comes first.
  const sorted = [...incident.actions].sort((a, b) => Number(b.state === "asked") - Number(a.state === "asked"));
  const shown = all ? sorted : sorted.slice(0, SHOWN);
  const answer = (word, one) => async () => {
    const given = await ask({ title: t(`act.${word}`), ok: t(`act.${word}`), danger: word === "approve", fields: [{ name: "what", kind: "note", label: "", value: `${one.run} · ${one.ci.name} · ${one.executor}` }] });
    if (given) await act(incident, word, { action: one.id });
  };
  return html`<${Panel} title=${t("deed.title")} kind="deeds"><ul>${shown.map((one) => html`<li key=${one.id}>
    <p><em class=${`tag ${ENDS[one.state] ?? ""}`}>${one.state_label}</em> <b>${one.run}</b> <${Ci} ci=${one.ci} link /> <span class="dim">${one.executor} · ${one.rule}</span></p>
    ${EXPLAINED.includes(one.state) && html`<p>${says(one.text)}</p>`}${Object.keys(one.with ?? {}).length > 0 && html`<p class="chips">${Object.entries(one.with ?? {}).map(([key, value]) => html`<span key=${key}>${key}=${value}</span>`)}</p>`}
    <p class="dim">${moment(one.at)}${one.due ? ` · ${t("deed.due", { t: moment(one.due) })}` : ""}${one.by ? ` · ${one.by}` : ""}${one.said ? ` · ${one.said}` : ""}</p>
    ${may && one.may_be_approved && html`<p class="actions small"><button class="main" data-act="approve" onClick=${answer("approve", one)}>${t("act.approve")}</button>${one.state === "asked" && html`<button data-act="deny" onClick=${answer("deny", one)}>${t("act.deny")}</button>`}</p>`}</li>`)}</ul>
    ${sorted.length > shown.length && html`<button class="more" onClick=${() => setAll(true)}>${t("show_all")} (${sorted.length})</button>`}<//>`;
};
