// One EventSource per tab, for as long as somebody is signed in. Changes are gathered and told once per animation
// frame; a feed that is lost or silent says so with the age of what is shown, and comes back by itself.

import { call } from "./api.js";
import { lang } from "./i18n.js";
import { setNow } from "./now.js";

/** The server speaks every two seconds; after this long something is wrong. */
const SILENT_MS = 8000;
/** A connection that stays silent for this long is given up. */
const DEAD_MS = 20000;
const RETRY_MS = 2000;
const KINDS = ["incident", "timeline", "silence", "command", "resync", "pulse"];

/** @type {Set<(changes: import("./types.js").FeedChange[], status: import("./types.js").FeedStatus) => void>} */
const listeners = new Set();
const status = { connected: false, heardAt: Date.now(), pulse: null };
/** @type {EventSource|null} */
let source = null;
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

/** @param {string} kind @param {MessageEvent} event */
function gather(kind, event) {
  status.connected = true;
  status.heardAt = Date.now();
  if (event.lastEventId) lastId = event.lastEventId;
  const data = JSON.parse(event.data);
  if (kind === "pulse") {
    status.pulse = data;
    setNow(data.now);
  }
  gathered.push({ kind, data });
  later();
}

function open() {
  source?.close();
  const query = new URLSearchParams({ lang: lang() });
  if (lastId) query.set("after", lastId);
  source = new EventSource(`/api/v1/feed?${query}`);
  source.onopen = () => { status.connected = true; status.heardAt = Date.now(); later(); };
  source.onerror = () => {
    status.connected = false;
    later();
    // The browser gives up for good after an HTTP error; it does come back by itself after a cut.
    if (source?.readyState === EventSource.CLOSED) again();
  };
  for (const kind of KINDS) source.addEventListener(kind, (event) => gather(kind, /** @type {MessageEvent} */ (event)));
}

/** Tries again; a session that has ended shows when it is asked for. */
function again() {
  clearTimeout(retry);
  retry = setTimeout(async () => {
    if (!wanted) return;
    const failure = await call("/api/v1/session").then(() => null, (why) => why);
    if (!failure) open();
    else if (failure.status !== 401) again();
  }, RETRY_MS);
}

setInterval(() => {
  if (wanted && status.connected && Date.now() - status.heardAt > DEAD_MS) {
    status.connected = false;
    later();
    open();
  }
}, 1000);

/** Starts, or starts again in another language without missing anything. */
export function start() {
  wanted = true;
  open();
}

/** Ends with the session. */
export function stop() {
  wanted = false;
  lastId = "";
  clearTimeout(retry);
  source?.close();
  source = null;
}
