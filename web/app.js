// The console: who is signed in, which page, the bar on top, the feed.

import { html, render, useEffect, useState } from "./vendor/htm-preact.js";
import { call, whenSignedOut } from "./api.js";
import { Asker } from "./ask.js";
import * as feed from "./feed.js";
import { lang, t, use } from "./i18n.js";
import { Empty, Toasts, visit } from "./parts.js";
import { Alerts } from "./pages/alerts.js";
import { Board } from "./pages/board.js";
import { Dead } from "./pages/dead.js";
import { Incident } from "./pages/incident.js";
import { Login } from "./pages/login.js";
import { Numbers } from "./pages/numbers.js";
import { Silences } from "./pages/silences.js";
import { CiPage, Topology } from "./pages/topology.js";
import { Tuning } from "./pages/tuning.js";
import { Why } from "./pages/why.js";
import { Announcer, FeedBar, Top } from "./top.js";
import { loadVocabulary } from "./vocabulary.js";

/** @type {[RegExp, (me: import("./types.js").Me, id: string) => unknown][]} */
const PAGES = [
  [/^\/$/, (me) => html`<${Board} me=${me} />`],
  [/^\/incidents\/([^/]+)$/, (me, id) => html`<${Incident} key=${id} id=${id} me=${me} />`],
  [/^\/alerts$/, () => html`<${Alerts} />`],
  [/^\/silences$/, (me) => html`<${Silences} me=${me} />`],
  [/^\/topology$/, () => html`<${Topology} />`],
  [/^\/topology\/([^/]+)$/, (_, id) => html`<${CiPage} key=${id} id=${id} />`],
  [/^\/dead-letters$/, (me) => html`<${Dead} me=${me} />`],
  [/^\/tuning$/, (me) => html`<${Tuning} me=${me} />`],
  [/^\/numbers$/, () => html`<${Numbers} />`],
  [/^\/why\/([^/]+)$/, (_, id) => html`<${Why} key=${id} id=${id} />`],
];

function page(path, me) {
  for (const [pattern, show] of PAGES) {
    const match = path.match(pattern);
    if (match) return show(me, match[1] && decodeURIComponent(match[1]));
  }
  return html`<${Empty} text=${t("not_found")} />`;
}

const App = () => {
  const [me, setMe] = useState(/** @type {any} */ (undefined));
  const [ended, setEnded] = useState(false);
  const [path, setPath] = useState(location.pathname);
  const [shown, setShown] = useState(0);
  useEffect(() => {
    const move = () => setPath(location.pathname);
    addEventListener("popstate", move);
    whenSignedOut(() => { feed.stop(); setMe((old) => { setEnded(Boolean(old)); return null; }); });
    call("/api/v1/session").then(enter, () => setMe(null));
    return () => removeEventListener("popstate", move);
  }, []);
  async function enter(who) {
    await loadVocabulary();
    feed.start();
    setEnded(false);
    setMe(who);
    if (location.pathname === "/login") visit("/");
  }
  if (me === undefined) return null;
  const again = () => setShown((n) => n + 1);
  const switchLang = async () => { await use(lang() === "zh" ? "en" : "zh"); if (me) feed.start(); again(); };
  if (!me) return html`<${Login} ended=${ended} onSignedIn=${enter} onLang=${switchLang} />`;
  const signOut = async () => { await call("/api/v1/session", { method: "DELETE" }).catch(() => {}); feed.stop(); setMe(null); };
  return html`
    <a class="skip" href="#main">${t("skip")}</a>
    <${Top} me=${me} path=${path} onLang=${switchLang} onZone=${again} onSignOut=${signOut} />
    <${FeedBar} />
    <main id="main" key=${`${lang()}${shown}`}>${page(path, me)}</main>
    <${Asker} /><${Toasts} /><${Announcer} />`;
};

await use();
render(html`<${App} />`, /** @type {Element} */ (document.getElementById("app")));
