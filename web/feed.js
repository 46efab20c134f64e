// The live feed, for as long as somebody is signed in: one connection for all tabs where the browser has shared workers,
// else one per tab. Changes are gathered and told once per animation frame; a feed that is lost or silent says so with the
// age of what is shown, and comes back by itself.

import { call } from "./api.js";
import { lang } from "./i18n.js";
import { setNow } from "./now.js";

/** The server speaks every two seconds; after this long something is wrong. */
const SILENT_MS = 8000;
/** A connection that stays silent for this long is given up. */
const DEAD_MS = 20000;
const RETRY_MS = 2000;
/** How often a tab says that it is still there. */
const ALIVE_MS = 20000;
const KINDS = ["incident", "timeline", "silence", "command", "resync", "pulse"];

/** @type {Set<(changes: import("./types.js").FeedChange[], status: import("./types.js").FeedStatus) => void>} */
const listeners = new Set();
const status = { connected: false, heardAt: Date.now(), pulse: null };
/** @type {EventSource|null} */
let source = null;
/** @type {MessagePort|null} */
let port = null;
let lastId = "";
let wanted = false;
let gathered = [];
let frame = 0;
let retry = 0;

/** Hears `(changes, status)` per frame; returns how to stop. A change is `{kind, data}`.
 * @param {(changes: import("./types.js").FeedChange[], status: import("./types.js").FeedStatus) => void} listener */
export function hear(listener) {
  listeners.add(listener);
  return () => { listeners.delete(listener); };
}

/** @returns {import("./types.js").FeedStatus} */
export const feedStatus = () => ({ ...status, stale: Date.now() - status.heardAt > SILENT_MS });

function flush() {
  frame = 0;
  const changes = gathered;
  gathered = [];
  for (const listener of [...listeners]) listener(changes, feedStatus());
}

function later() {
  // A hidden tab gets no frames: it catches up by timer.
  if (!frame) frame = document.hidden ? setTimeout(flush, 500) : requestAnimationFrame(flush);
}

/** @param {string} kind @param {string} text @param {string} id */
function gather(kind, text, id) {
  status.connected = true;
  status.heardAt = Date.now();
  if (id) lastId = id;
  const data = JSON.parse(text);
  if (kind === "pulse") {
    status.pulse = data;
    setNow(data.now);
  }
  gathered.push({ kind, data });
  later();
}

function opened() {
  status.connected = true;
  status.heardAt = Date.now();
  later();
}

/** @param {boolean} closed the browser gives up for good after an HTTP error; it does come back by itself after a cut */
function failed(closed) {
  status.connected = false;
  later();
  if (closed) again();
}

/** A connection of this tab's own. */
function openOwn() {
  source?.close();
  const query = new URLSearchParams({ lang: lang() });
  if (lastId) query.set("after", lastId);
  source = new EventSource(`/api/v1/feed?${query}`);
  source.onopen = opened;
  source.onerror = () => failed(source?.readyState === EventSource.CLOSED);
  for (const kind of KINDS) {
    source.addEventListener(kind, (event) => gather(kind, /** @type {MessageEvent} */ (event).data, /** @type {MessageEvent} */ (event).lastEventId));
  }
}

/** Joins the connection of all tabs; null where there is none to join.
 * @returns {MessagePort|null} */
function join() {
  if (!("SharedWorker" in window)) return null;
  try {
    const worker = new SharedWorker("/assets/feed_worker.js", { name: "headwater-feed" });
    worker.port.onmessage = ({ data }) => {
      if (!wanted) return;
      if (data.state === "open") opened();
      else if (data.state) failed(data.state === "closed");
      else gather(data.kind, data.data, data.id);
    };
    worker.onerror = () => { port = null; if (wanted) openOwn(); };
    worker.port.start();
    return worker.port;
  } catch {
    return null;
  }
}

function open() {
  port ??= join();
  if (port) port.postMessage({ join: lang(), after: lastId });
  else openOwn();
}

/** Tries again; a session that has ended shows when it is asked for. */
function again() {
  clearTimeout(retry);
  retry = setTimeout(async () => {
    if (!wanted) return;
    const failure = await call("/api/v1/session").then(() => null, (why) => why);
    if (!failure) { if (port) port.postMessage({ again: true }); else openOwn(); }
    else if (failure.status !== 401) again();
  }, RETRY_MS);
}

setInterval(() => {
  if (!port && wanted && status.connected && Date.now() - status.heardAt > DEAD_MS) {
    failed(false);
    openOwn();
  }
}, 1000);
setInterval(() => { if (wanted) port?.postMessage({ alive: true }); }, ALIVE_MS);

// A page that the browser keeps for the way back must not keep its connection.
addEventListener("pagehide", () => { port?.postMessage({ leave: true }); source?.close(); });
addEventListener("pageshow", (event) => { if (event.persisted && wanted) open(); });

/** Starts, starts again in another language, or tries again at once. */
export function start() {
  const tryAgain = wanted && port && !status.connected;
  wanted = true;
  open();
  if (tryAgain) port?.postMessage({ again: true });
}

/** Ends with the session. */
export function stop() {
  wanted = false;
  lastId = "";
  clearTimeout(retry);
  port?.postMessage({ leave: true });
  source?.close();
  source = null;
}
