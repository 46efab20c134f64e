// The console: who is signed in, which page, the strip on top, the feed.

import { html, render, useEffect, useState } from "./vendor/htm-preact.js";
import { call, whenSignedOut } from "./api.js";
import { Asker } from "./ask.js";
import * as feed from "./feed.js";
import { span } from "./format.js";
import { lang, t, use } from "./i18n.js";
import { Go, Toasts, useTick, visit } from "./parts.js";
import { Board } from "./pages/board.js";
import { Held } from "./pages/held.js";
import { Incident } from "./pages/incident.js";
import { Login } from "./pages/login.js";
import { Silences } from "./pages/silences.js";
import { Why } from "./pages/why.js";

const PAGES = [
  [/^\/$/, (me) => html`<${Board} me=${me} />`],
  [/^\/incidents\/([^/]+)$/, (me, id) => html`<${Incident} key=${id} id=${id} me=${me} />`],
  [/^\/held$/, () => html`<${Held} />`],
  [/^\/silences$/, (me) => html`<${Silences} me=${me} />`],
  [/^\/why\/([^/]+)$/, (_, id) => html`<${Why} key=${id} id=${id} />`],
];

function page(path, me) {
  for (const [pattern, show] of PAGES) {
    const match = path.match(pattern);
    if (match) return show(me, match[1] && decodeURIComponent(match[1]));
  }
  return html`<p class="empty">${t("not_found")}</p>`;
}

const Banner = () => {
  useTick();
  const status = feed.feedStatus();
  const age = span(Date.now() - status.heardAt);
  const lost = !status.connected || status.stale;
  return html`<span class=${`live ${lost ? "lost" : ""}`} role="status">${lost
    ? t(status.connected ? "feed.stale" : "feed.lost", { age })
    : t("feed.live")}</span>`;
};

const Top = ({ me, path, onLang, onSignOut }) => {
  const link = (to, key) => html`<${Go} to=${to} class=${path === to ? "here" : ""}>${t(key)}<//>`;
  const theme = () => {
    const next = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
    document.documentElement.dataset.theme = next;
    localStorage.setItem("theme", next);
    dispatchEvent(new Event("theme"));
  };
  return html`<header class="top">
    <${Go} to="/" class="brand"><img src="/assets/icon.svg" alt="" />${t("app")}<//>
    <nav>${link("/", "nav.board")}${link("/held", "nav.held")}${link("/silences", "nav.silences")}</nav>
    <${Banner} />
    <span class="me" title=${(me.orgs ?? []).join(", ")}>${me.name} · ${me.role}</span>
    <button class="icon" onClick=${theme} title=${t("theme")} aria-label=${t("theme")}>◐</button>
    <button class="icon" onClick=${onLang}>${t("lang")}</button>
    <button class="icon" onClick=${onSignOut}>${t("sign_out")}</button>
  </header>`;
};

const App = () => {
  const [me, setMe] = useState(undefined);
  const [path, setPath] = useState(location.pathname);
  const [, setShown] = useState(lang());
  useEffect(() => {
    const move = () => setPath(location.pathname);
    addEventListener("popstate", move);
    whenSignedOut(() => { feed.stop(); setMe(null); });
    call("/api/v1/session").then(setMe, () => setMe(null));
    return () => removeEventListener("popstate", move);
  }, []);
  useEffect(() => { document.title = t("app"); });
  if (me === undefined) return null;
  const switchLang = async () => { await use(lang() === "zh" ? "en" : "zh"); setShown(lang()); };
  const signedIn = (who) => { setMe(who); if (path === "/login") visit("/"); };
  if (!me) return html`<${Login} onSignedIn=${signedIn} onLang=${switchLang} />`;
  const signOut = async () => { await call("/api/v1/session", { method: "DELETE" }).catch(() => {}); feed.stop(); setMe(null); };
  return html`
    <${Top} me=${me} path=${path} onLang=${switchLang} onSignOut=${signOut} />
    <main key=${lang()}>${page(path, me)}</main>
    <${Asker} /><${Toasts} />`;
};

await use();
render(html`<${App} />`, document.getElementById("app"));
