// The bar on top: sections and their pages, how fresh the screen is, notices, language, time zone, light or dark.

import { html, useState } from "./vendor/htm-preact.js";
import * as feed from "./feed.js";
import { ZONES, chooseZone, span, zoneChoice, zoneLabel } from "./format.js";
import { t } from "./i18n.js";
import { NOTICES, chooseNotice, mayChime, noticeChoice } from "./news.js";
import { now } from "./now.js";
import { Go, useTick } from "./parts.js";

const ANALYSTS = ["analyst", "admin"];

/** Sections with their pages: address, word, and the roles it is for when not for all.
 * @type {[string, [string, string, string[]?][]][]} */
const SECTIONS = [
  ["nav.board", [["/", "nav.board"]]],
  ["nav.alerts", [["/alerts", "nav.alerts"]]],
  ["nav.topology", [["/topology", "nav.topology"], ["/series", "nav.series"]]],
  ["nav.duty", [["/silences", "nav.silences"], ["/windows", "nav.windows"], ["/oncall", "nav.oncall"], ["/handover", "nav.handover"], ["/deliveries", "nav.deliveries"], ["/storm", "nav.storm"]]],
  ["nav.analysis", [["/rules", "nav.rules"], ["/suggestions", "nav.suggestions", ANALYSTS], ["/tuning", "nav.tuning"], ["/models", "nav.models"]]],
  ["nav.reports", [["/reports", "nav.reports"], ["/numbers", "nav.numbers"], ["/knowledge", "nav.knowledge"]]],
  ["nav.admin", [["/system", "nav.system"], ["/sources", "nav.sources"], ["/dead-letters", "nav.dead"], ["/audit", "nav.audit", ANALYSTS], ["/tokens", "nav.tokens", ["admin"]]]],
];

/** A feed that was heard within this time is not called lost. */
const PATIENCE_MS = 3000;
/** Events are decided within a second; when one waits for so long, the engine is behind or stands still. */
const BEHIND_MS = 10_000;

/** Whether a page belongs to an entry of the bar. */
const here = (path, to) => path === to || (to !== "/" && path.startsWith(`${to}/`)) || (to === "/" && path.startsWith("/incidents/"));

/** Whether the screen shows what is: else why not, and how old it is. What was taken and is not decided is not on it. */
export function useFreshness() {
  useTick();
  const status = feed.feedStatus();
  const age = Date.now() - status.heardAt;
  // The first moments after opening, and a short cut, are no news.
  if ((!status.connected || status.stale) && age > PATIENCE_MS) return { lost: true, why: status.connected ? "stale" : "lost", age };
  const behind = status.pulse?.waits_since ? now() - Date.parse(status.pulse.waits_since) : 0;
  return { lost: behind > BEHIND_MS, why: "behind", age: behind };
}

const Live = () => {
  const { lost, age } = useFreshness();
  return html`<span class=${`live ${lost ? "lost" : ""}`} role="status">${lost ? t("feed.old", { age: span(age) }) : t("feed.live")}</span>`;
};

/** Says across the page that what is shown is old, and what happens about it. */
export const FeedBar = () => {
  const { lost, why, age } = useFreshness();
  if (!lost) return null;
  return html`<div class="feedbar" role="alert">${t(`feed.${why}`, { age: span(age) })}
    ${why !== "behind" && html`<button onClick=${() => feed.start()}>${t("retry")}</button>`}</div>`;
};

function switchTheme() {
  const next = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
  document.documentElement.dataset.theme = next;
  localStorage.setItem("theme", next);
  dispatchEvent(new Event("theme"));
}

const Zone = ({ onZone }) => html`<select class="zone" value=${zoneChoice()} aria-label=${t("zone")} title=${`${t("zone")} ${zoneLabel()}`}
  onChange=${(event) => { chooseZone(event.target.value); onZone(); }}>
  ${ZONES.map((zone) => html`<option key=${zone} value=${zone}>${t(`zone.${zone}`)}</option>`)}</select>`;

/** Whether new critical incidents make a sound or a notice of the desktop. */
const Bell = () => {
  const [choice, set] = useState(noticeChoice());
  const next = async () => set(await chooseNotice(NOTICES[(NOTICES.indexOf(choice) + 1) % NOTICES.length]));
  useTick();
  const mute = choice !== "off" && !mayChime();
  const label = mute ? t("notice.mute") : t(`notice.${choice}`);
  return html`<button class=${`icon bell bell-${mute ? "mute" : choice}`} onClick=${next} title=${label} aria-label=${label}>
    <svg viewBox="0 0 16 16" width="16" height="16" aria-hidden="true"><path d="M8 1a4 4 0 0 0-4 4v3.2L2.6 11h10.8L12 8.2V5a4 4 0 0 0-4-4Zm-1.8 11a1.8 1.8 0 0 0 3.6 0Z" />
      ${(choice === "off" || mute) && html`<path class="strike" d="M2 2 14 14" />`}</svg></button>`;
};

/** @param {{me: import("headwater-api").Me, path: any, onLang: any, onZone: any, onSignOut: any}} props */
export const Top = ({ me, path, onLang, onZone, onSignOut }) => {
  const may = (page) => !page[2] || page[2].includes(me.role);
  const section = SECTIONS.find(([, pages]) => pages.some(([to]) => here(path, to)));
  const pages = section ? section[1].filter(may) : [];
  return html`<header class="top">
    <${Go} to="/" class="brand"><img src="/assets/icon.svg" alt="" width="24" height="24" /><span>${t("app")}</span><//>
    <nav aria-label=${t("nav")}>${SECTIONS.map(([word, all]) => html`
      <${Go} key=${word} to=${all[0][0]} class=${section?.[0] === word ? "here" : ""} aria-current=${section?.[0] === word ? "page" : undefined}>${t(word)}<//>`)}</nav>
    <${Live} />
    <a class="icon walllink" href="/wall" target="_blank" title=${t("nav.wall.help")}>${t("nav.wall")}</a>
    <${Bell} />
    <${Zone} onZone=${onZone} />
    <button class="icon" onClick=${switchTheme} title=${t("theme")} aria-label=${t("theme")}>◐</button>
    <button class="icon lang" onClick=${onLang}>${t("lang")}</button>
    <span class="me" title=${[...(me.orgs ?? []), ...(me.areas ?? []).map((area) => t(`area.${area}`))].join(", ")}>${me.name} · ${t(`role.${me.role}`)}</span>
    <button class="icon" onClick=${onSignOut}>${t("sign_out")}</button>
  </header>
  ${section && pages.length > 1 && html`<nav class="subnav" aria-label=${t(section[0])}>${pages.map(([to, word]) => html`
    <${Go} key=${to} to=${to} class=${here(path, to) ? "here" : ""} aria-current=${here(path, to) ? "page" : undefined}>${t(word)}<//>`)}</nav>`}`;
};
