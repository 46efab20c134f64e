// Calls to the API with the browser's session.

import { lang, t } from "./i18n.js";

/** A failed call; `status` 0 means that the network failed. */
export class Failure extends Error {
  constructor(status, detail) {
    super(detail);
    this.status = status;
  }
}

let onSignedOut = () => {};

/** Called when a call finds no session. */
export const whenSignedOut = (act) => { onSignedOut = act; };

/** @param {string} path @param {RequestInit} [options] */
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
    if (response.status === 401 && !path.endsWith("/session")) onSignedOut();
    throw new Failure(response.status, body?.detail ?? response.statusText);
  }
  return body;
}

/** Sends JSON. */
export const send = (method, path, body) =>
  call(path, { method, headers: { "content-type": "application/json" }, body: JSON.stringify(body ?? {}) });

/** Orders something about an incident and waits for its end: the reason when refused, else "". */
export async function order(id, word, body) {
  const commandId = Array.from(crypto.getRandomValues(new Uint32Array(4)), (n) => n.toString(16)).join("");
  const { seq } = await send("POST", `/api/v1/incidents/${encodeURIComponent(id)}/${word}`, { command_id: commandId, ...body });
  for (let wait = 60; wait < 4000; wait *= 1.6) {
    await new Promise((next) => setTimeout(next, wait));
    const end = await call(`/api/v1/commands/${seq}`);
    if (end.state !== "pending") return end.reason ?? "";
  }
  return "";
}
