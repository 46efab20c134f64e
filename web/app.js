// The console: who is signed in, which page, the bar on top, the feed.

import { html, render, useEffect, useState } from "./vendor/htm-preact.js";
import { call, remove, send, whenSignedOut } from "./api.js";
import { Asker } from "./ask.js";
import { followTables } from "./cards.js";
import * as feed from "./feed.js";
import { lang, t, use } from "./i18n.js";
import { Announcer } from "./news.js";
import { setNow } from "./now.js";
import { Empty, Toasts, visit } from "./parts.js";
import { Login } from "./pages/login.js";
import { Shortcuts } from "./shortcuts.js";
import { FeedBar, Top } from "./top.js";
import { loadVocabulary } from "./vocabulary.js";

/** Address, how its page is loaded, and the page's name in its module. A page is loaded when it is first looked at.
 * @type {[RegExp, () => Promise<any>, string][]} */
const PAGES = [
  [/^\/$/, () => import("./pages/board.js"), "Board"],
  [/^\/incidents\/([^/]+)$/, () => import("./pages/incident.js"), "Incident"],
  [/^\/alerts$/, () => import("./pages/alerts.js"), "Alerts"],
  [/^\/wall$/, () => import("./pages/wall.js"), "Wall"],
  [/^\/oncall$/, () => import("./pages/oncall.js"), "OnCall"],
  [/^\/silences$/, () => import("./pages/silences.js"), "Silences"],
  [/^\/windows$/, () => import("./pages/windows.js"), "Windows"],
  [/^\/handover$/, () => import("./pages/handover.js"), "HandoverPage"],
  [/^\/storm$/, () => import("./pages/storm.js"), "StormPage"],
  [/^\/deliveries$/, () => import("./pages/deliveries.js"), "Deliveries"],
  [/^\/series$/, () => import("./pages/series.js"), "SeriesPage"],
  [/^\/series\/([^/]+)$/, () => import("./pages/series.js"), "SeriesPage"],
  [/^\/topology$/, () => import("./pages/topology.js"), "Topology"],
  [/^\/topology\/([^/]+)$/, () => import("./pages/ci.js"), "CiPage"],
  [/^\/rules$/, () => import("./pages/rules.js"), "RulesPage"],
  [/^\/suggestions$/, () => import("./pages/suggestions.js"), "Suggestions"],
  [/^\/tuning$/, () => import("./pages/tuning.js"), "Tuning"],
  [/^\/models$/, () => import("./pages/models.js"), "Models"],
  [/^\/reports$/, () => import("./pages/reports.js"), "Reports"],
  [/^\/knowledge$/, () => import("./pages/knowledge.js"), "KnowledgePage"],
  [/^\/numbers$/, () => import("./pages/numbers.js"), "Numbers"],
  [/^\/sources$/, () => import("./pages/sources.js"), "SourcesPage"],
  [/^\/system$/, () => import("./pages/system.js"), "System"],
  [/^\/dead-letters$/, () => import("./pages/dead.js"), "Dead"],
  [/^\/audit$/, () => import("./pages/audit.js"), "Audit"],
  [/^\/tokens$/, () => import("./pages/tokens.js"), "TokensPage"],
  [/^\/why\/([^/]+)$/, () => import("./pages/why.js"), "Why"],
];

/** A wall whose session has ended tries again so often while the server cannot be asked. */
const AGAIN_MS = 5000;

/** The token of a wall: nobody stands there to sign in again when the session ends. Only a viewer's is kept, here only. */
let standing = "";

/** Signs a wall in again; null when it cannot be. */
async function signInAgain() {
  for (;;) {
    try {
      return await send("POST", "/api/v1/session", { token: standing });
    } catch (failure) {
      if (failure.status === 401 || failure.status === 403) { standing = ""; return null; }
      await new Promise((resolve) => { setTimeout(resolve, AGAIN_MS); });
    }
  }
}

/** Modules that are there, by the page's name. */
const loaded = new Map();

function find(path) {
  for (const [pattern, load, name] of PAGES) {
    const match = path.match(pattern);
    if (match) return { load, name, id: match[1] && decodeURIComponent(match[1]) };
  }
  return null;
}

/** Loads a page's module once.
 * @param {{load: () => Promise<any>, name: string}|null} found */
async function fetchPage(found) {
  if (found && !loaded.has(found.name)) loaded.set(found.name, (await found.load())[found.name]);
}

/** The page of an address; the one before stays until the next one is there. */
const Page = ({ path, me }) => {
  const found = find(path);
  const [, again] = useState(0);
  const [failed, setFailed] = useState("");
  const get = () => fetchPage(found).then(() => { setFailed(""); again((n) => n + 1); }, () => setFailed(t("error.network")));
  useEffect(() => { if (found && !loaded.has(found.name)) get(); }, [path]);
  if (!found) return html`<${Empty} text=${t("not_found")} />`;
  const Shown = loaded.get(found.name);
  if (failed) return html`<${Empty} text=${failed} onRetry=${get} />`;
  return Shown ? html`<${Shown} key=${found.name + (found.id ?? "")} me=${me} id=${found.id} />` : html`<div class="coming" role="status"><span class="unseen">${t("loading")}</span></div>`;
};

const App = () => {
  const [me, setMe] = useState(/** @type {any} */ (undefined));
  const [ended, setEnded] = useState(false);
  const [path, setPath] = useState(location.pathname);
  const [shown, setShown] = useState(0);
  useEffect(() => {
    const move = () => setPath(location.pathname);
    addEventListener("popstate", move);
    let again = null;
    whenSignedOut(async () => {
      if (standing) {
        // Whatever finds no session meanwhile waits for the same answer.
        again ??= signInAgain().finally(() => { again = null; });
        const who = await again;
        if (who) { feed.start(); return; }
      }
      feed.stop();
      setMe((old) => { setEnded(Boolean(old)); return null; });
    });
    Promise.all([call("/api/v1/session"), fetchPage(find(location.pathname))]).then(([who]) => enter(who), () => setMe(null));
    return () => removeEventListener("popstate", move);
  }, []);
  async function enter(who, token = "") {
    if (location.pathname === "/wall" && who.role === "viewer") standing = token;
    setNow(who.now);
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
  const signOut = async () => { await remove("/api/v1/session").catch(() => {}); feed.stop(); setMe(null); };
  const page = html`<${Page} path=${path} me=${me} />`;
  if (path === "/wall") return html`<main id="main" class="wall-main" key=${`${lang()}${shown}`}>${page}</main><${Announcer} quiet />`;
  return html`
    <a class="skip" href="#main">${t("skip")}</a>
    <${Top} me=${me} path=${path} onLang=${switchLang} onZone=${again} onSignOut=${signOut} />
    <${FeedBar} />
    <main id="main" tabindex="-1" key=${`${lang()}${shown}`}>${page}</main>
    <${Shortcuts} /><${Asker} /><${Toasts} /><${Announcer} />`;
};

await use();
followTables(/** @type {Element} */ (document.getElementById("app")));
render(html`<${App} />`, /** @type {Element} */ (document.getElementById("app")));
