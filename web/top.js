// The bar on top: pages, how fresh the screen is, language, time zone, light or dark; and what is read aloud.

import { html, useEffect, useState } from "./vendor/htm-preact.js";
import * as feed from "./feed.js";
import { ZONES, chooseZone, span, zoneChoice, zoneLabel } from "./format.js";
import { t } from "./i18n.js";
import { now } from "./now.js";
import { Go, toast, useTick } from "./parts.js";

const PAGES = [["/", "nav.board"], ["/alerts", "nav.alerts"], ["/silences", "nav.silences"], ["/topology", "nav.topology"],
  ["/dead-letters", "nav.dead"], ["/numbers", "nav.numbers"], ["/tuning", "nav.tuning"]];

/** A feed that was heard within this time is not called lost. */
const PATIENCE_MS = 3000;

/** Whether a page belongs to an entry of the bar. */
const here = (path, to) => path === to || (to !== "/" && path.startsWith(`${to}/`));

/** Whether the screen shows what is. */
function useFreshness() {
  useTick();
  const status = feed.feedStatus();
  const age = Date.now() - status.heardAt;
  // The first moments after opening, and a short cut, are no news.
  return { lost: (!status.connected || status.stale) && age > PATIENCE_MS, connected: status.connected, age };
}

const Live = () => {
  const { lost, age } = useFreshness();
  return html`<span class=${`live ${lost ? "lost" : ""}`} role="status">${lost ? t("feed.old", { age: span(age) }) : t("feed.live")}</span>`;
};

/** Says across the page that what is shown is old, and what happens about it. */
export const FeedBar = () => {
  const { lost, connected, age } = useFreshness();
  if (!lost) return null;
  return html`<div class="feedbar" role="alert">${t(connected ? "feed.stale" : "feed.lost", { age: span(age) })}
    <button onClick=${() => feed.start()}>${t("retry")}</button></div>`;
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

export const Top = ({ me, path, onLang, onZone, onSignOut }) => html`<header class="top">
  <${Go} to="/" class="brand"><img src="/assets/icon.svg" alt="" width="24" height="24" /><span>${t("app")}</span><//>
  <nav aria-label=${t("nav")}>${PAGES.map(([to, key]) => html`
    <${Go} key=${to} to=${to} class=${here(path, to) ? "here" : ""} aria-current=${here(path, to) ? "page" : undefined}>${t(key)}<//>`)}</nav>
  <${Live} />
  <${Zone} onZone=${onZone} />
  <button class="icon" onClick=${switchTheme} title=${t("theme")} aria-label=${t("theme")}>◐</button>
  <button class="icon lang" onClick=${onLang}>${t("lang")}</button>
  <span class="me" title=${(me.orgs ?? []).join(", ")}>${me.name} · ${t(`role.${me.role}`)}</span>
  <button class="icon" onClick=${onSignOut}>${t("sign_out")}</button>
</header>`;

/** Reads new critical incidents aloud, and shows them on whatever page is open. */
export const Announcer = () => {
  const [said, say] = useState("");
  useEffect(() => {
    const since = now() - 5000;
    const known = new Set();
    return feed.hear((changes) => {
      for (const { kind, data } of changes) {
        const incident = kind === "incident" ? data.incident : null;
        const news = incident && incident.severity === "critical" && incident.state === "abnormal" && incident.progress === "triggered";
        if (!news || known.has(incident.id) || Date.parse(incident.opened_at) < since) continue;
        known.add(incident.id);
        const text = t("announce", { id: incident.id, title: incident.title });
        say(text);
        if (location.pathname !== "/") toast(text, "bad", { to: `/incidents/${incident.id}`, text: t("open") });
      }
    });
  }, []);
  return html`<div class="unseen" aria-live="assertive" role="alert" id="announcer">${said}</div>`;
};
