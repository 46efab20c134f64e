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

let onSignedOut = () => {};

/** Called when a call finds no session. @param {() => void} act */
export const whenSignedOut = (act) => { onSignedOut = act; };

/** @param {string} path @param {RequestInit} [options] @returns {Promise<any>} */
export async function call(path, options = {}) {
  let response;
  try {
    response = await fetch(path, { ...options, headers: { "accept-language": lang(), ...options.headers } });
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

/** Sends JSON. @param {string} method @param {string} path @param {unknown} [body] */
export const send = (method, path, body) =>
  call(path, { method, headers: { "content-type": "application/json" }, body: JSON.stringify(body ?? {}) });

/** A query string of what is set; lists repeat their key. @param {Record<string, string|string[]|undefined>} fields */
export function query(fields) {
  const written = new URLSearchParams();
  for (const [key, value] of Object.entries(fields)) {
    for (const one of Array.isArray(value) ? value : [value]) if (one) written.append(key, one);
  }
  return written.toString();
}
