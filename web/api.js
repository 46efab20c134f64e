// Calls to the API with the browser's session.

import { lang, t } from "./i18n.js";

/** A failed call; `status` 0 means that the network failed. `errors` lists further problems, one per line. */
export class Failure extends Error {
  /** @param {number} status @param {string} detail @param {string[]} [errors] */
  constructor(status, detail, errors = []) {
    super(detail);
    this.status = status;
    this.errors = errors;
  }
}

/** Somebody who has done nothing for this long may have gone: what the page asks for then is no use of the session. */
const AWAY_MS = 60_000;
let touchedAt = Date.now();
let toldAt = Date.now();

/** Somebody is there; the server is told now and then, for a page that only listens asks for nothing. */
function touch() {
  touchedAt = Date.now();
  if (touchedAt - toldAt < AWAY_MS) return;
  toldAt = touchedAt;
  fetch("/api/v1/session").catch(() => {});
}
for (const kind of ["pointerdown", "pointermove", "keydown", "wheel"]) addEventListener(kind, touch, { passive: true });

let onSignedOut = () => {};

/** Called when a call finds no session.
 * @param {() => void} act */
export const whenSignedOut = (act) => { onSignedOut = act; };

/** Reads; the answer's type is the one that the API's own document gives for the address.
 * @template {string} P @param {P} path @returns {Promise<import("headwater-api").Answers<"GET", P>>} */
export const call = (path) => ask(path, {});

/** Takes something away.
 * @template {string} P @param {P} path @returns {Promise<import("headwater-api").Answers<"DELETE", P>>} */
export const remove = (path) => ask(path, { method: "DELETE" });

/** @param {string} path @param {RequestInit} options @returns {Promise<any>} */
async function ask(path, options) {
  let response;
  try {
    const headers = new Headers(options.headers);
    headers.set("accept-language", lang());
    if (Date.now() - touchedAt > AWAY_MS) headers.set("x-headwater-background", "1");
    response = await fetch(path, { ...options, headers });
  } catch {
    throw new Failure(0, t("error.network"));
  }
  if (response.status === 204) return null;
  const body = await response.json().catch(() => null);
  if (!response.ok) {
    if (response.status === 401 && !(path.endsWith("/session") && options.method === "POST")) onSignedOut();
    throw new Failure(response.status, body?.detail ?? response.statusText, body?.errors);
  }
  return body;
}

/** @param {string} path */
async function plain(path) {
  const response = await fetch(path, { headers: { "x-headwater-background": "1", "accept-language": lang() } }).catch(() => { throw new Failure(0, t("error.network")); });
  if (response.status === 401) onSignedOut();
  if (!response.ok) throw new Failure(response.status, (await response.json().catch(() => null))?.detail ?? response.statusText);
  return response;
}

/** Reads an answer that is no JSON, such as a report. @param {string} path @returns {Promise<string>} */
export const text = async (path) => (await plain(path)).text();

/** The same with the version that it names, 0 for none. @param {string} path */
export async function versioned(path) {
  const response = await plain(path);
  return { text: await response.text(), version: Number(response.headers.get("etag")?.match(/\d+/)?.[0] ?? 0) };
}

/** Sends JSON.
 * @template {"POST"|"PUT"} M @template {string} P
 * @param {M} method @param {P} path @param {unknown} [body] @param {Record<string, string>} [headers]
 * @returns {Promise<import("headwater-api").Answers<M, P>>} */
export const send = (method, path, body, headers) =>
  ask(path, { method, headers: { "content-type": "application/json", ...headers }, body: JSON.stringify(body ?? {}) });

/** A query string of what is set; lists repeat their key.
 * @param {Record<string, string|string[]|null|undefined>} fields */
export function query(fields) {
  const written = new URLSearchParams();
  for (const [key, value] of Object.entries(fields)) {
    for (const one of Array.isArray(value) ? value : [value]) if (one) written.append(key, one);
  }
  return written.toString();
}
