// One EventSource per tab. Changes are gathered and told once per animation frame; a feed that is lost or silent
// says so with the age of what is shown.

import { lang } from "./i18n.js";

const SILENT_MS = 8000;
const listeners = new Set();
const status = { connected: false, heardAt: Date.now(), pulse: null };
let source = null;
let gathered = [];
let frame = 0;

/** Hears `(changes, status)` per frame; returns how to stop. A change is `{kind, data}`. */
export function hear(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export const feedStatus = () => ({ ...status, stale: Date.now() - status.heardAt > SILENT_MS });

function flush() {
  frame = 0;
  const changes = gathered;
  gathered = [];
  for (const listener of listeners) listener(changes, feedStatus());
}

function gather(kind, event) {
  status.connected = true;
  status.heardAt = Date.now();
  if (kind === "pulse") status.pulse = JSON.parse(event.data);
  gathered.push({ kind, data: JSON.parse(event.data) });
  // A hidden tab gets no frames: it catches up by timer, with a bounded list.
  if (!frame) frame = document.hidden ? setTimeout(flush, 500) : requestAnimationFrame(flush);
}

/** Starts (again) after a change of the lists. @param {string|null} after */
export function start(after) {
  stop();
  const from = after ? `&after=${encodeURIComponent(after)}` : "";
  source = new EventSource(`/api/v1/feed?lang=${lang()}${from}`);
  source.onopen = () => { status.connected = true; };
  source.onerror = () => {
    status.connected = false;
    // The browser gives up for good after an HTTP error; it does come back by itself after a cut.
    if (source && source.readyState === EventSource.CLOSED) setTimeout(() => start(status.pulse?.feed ?? after), 3000);
  };
  for (const kind of ["incident", "timeline", "silence", "command", "resync", "pulse"]) {
    source.addEventListener(kind, (event) => gather(kind, event));
  }
}

export function stop() {
  source?.close();
  source = null;
}
