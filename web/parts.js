// Small pieces that every page uses.

import { html, useEffect, useState } from "./vendor/htm-preact.js";
import { count, span } from "./format.js";
import { t } from "./i18n.js";

// Severity is told by shape and colour, never by colour alone.
const SHAPES = {
  critical: "M8 .8 15.4 14.4H.6Z",
  major: "M8 .8 15.2 8 8 15.2.8 8Z",
  minor: "M2 2h12v12H2Z",
  warning: "M8 1.4a6.6 6.6 0 1 0 0 13.2A6.6 6.6 0 0 0 8 1.4Z",
  indeterminate: "M8 2.4a5.6 5.6 0 1 0 0 11.2A5.6 5.6 0 0 0 8 2.4Zm0 2.4a3.2 3.2 0 1 1 0 6.4 3.2 3.2 0 0 1 0-6.4Z",
  cleared: "M1.6 8.4 6 12.8 14.4 4 13 2.6l-7 7.2-3-3Z",
};

/** Shape and colour of a severity. */
export const Severity = ({ of, label }) => html`
  <span class=${`sev sev-${of}`} title=${t(`sev.${of}`)}>
    <svg viewBox="0 0 16 16" aria-hidden="true"><path d=${SHAPES[of] ?? SHAPES.indeterminate} /></svg>
    ${label ? html`<span>${t(`sev.${of}`)}</span>` : html`<span class="unseen">${t(`sev.${of}`)}</span>`}
  </span>`;

/** A CI with its class. */
export const Ci = ({ ci }) => html`<span class="ci" title=${ci.id}><b>${ci.name}</b><i>${ci.class}</i></span>`;

/** An incident's state and progress. */
export const State = ({ incident }) => {
  const open = incident.state === "abnormal";
  const word = open ? `progress.${incident.progress}` : `state.${incident.state}`;
  return html`<span class=${`state state-${open ? incident.progress : incident.state}`}>${t(word)}</span>`;
};

const tickers = new Set();
setInterval(() => tickers.forEach((tick) => tick()), 1000);

/** Renders again every second. */
export function useTick() {
  const [, set] = useState(0);
  useEffect(() => {
    const tick = () => set((n) => n + 1);
    tickers.add(tick);
    return () => tickers.delete(tick);
  }, []);
}

/** How long something has lasted, counting. */
export const Age = ({ from, to }) => {
  useTick();
  return html`<time datetime=${from}>${span((to ? new Date(to) : Date.now()) - new Date(from))}</time>`;
};

/** A link of the console that does not load the page again. */
export const Go = ({ to, children, ...rest }) => {
  const go = (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
    event.preventDefault();
    visit(to);
  };
  return html`<a href=${to} onClick=${go} ...${rest}>${children}</a>`;
};

/** Goes to a page of the console. */
export function visit(to) {
  history.pushState(null, "", to);
  dispatchEvent(new PopStateEvent("popstate"));
  scrollTo(0, 0);
}

/** A link from an alert: http and https only, with its host in sight. */
export const Outside = ({ to }) => {
  let url;
  try { url = new URL(to); } catch { return html`<span>${to}</span>`; }
  if (url.protocol !== "http:" && url.protocol !== "https:") return html`<span>${to}</span>`;
  return html`<a href=${url.href} target="_blank" rel="noopener noreferrer nofollow">${url.host}${url.pathname}</a>`;
};

/** Something that has a title. */
export const Panel = ({ title, aside, children, kind = "" }) => html`
  <section class=${`panel ${kind}`}>
    <header><h2>${title}</h2>${aside && html`<div class="aside">${aside}</div>`}</header>
    <div class="body">${children}</div>
  </section>`;

/** Number with a label. */
export const Tile = ({ label, value, note, kind = "", onClick }) => html`
  <button class=${`tile ${kind}`} onClick=${onClick} disabled=${!onClick}>
    <span class="label">${label}</span>
    <span class="value">${typeof value === "number" ? count(value) : value}</span>
    ${note && html`<span class="note">${note}</span>`}
  </button>`;

/** A key pressed outside a field calls `act`; it returns true when it took the key. */
export function useKeys(act, deps) {
  useEffect(() => {
    const press = (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      if (event.target.closest?.("input, textarea, select, dialog")) {
        if (event.key === "Escape") event.target.blur();
        return;
      }
      if (act(event.key)) event.preventDefault();
    };
    addEventListener("keydown", press);
    return () => removeEventListener("keydown", press);
  }, deps);
}

const toasts = new Set();

/** Says something for a few seconds. @param {string} text @param {"good"|"bad"} [kind] */
export const toast = (text, kind = "good") => toasts.forEach((show) => show({ text, kind, id: Math.random() }));

export const Toasts = () => {
  const [list, set] = useState([]);
  useEffect(() => {
    const show = (one) => {
      set((all) => [...all, one].slice(-4));
      setTimeout(() => set((all) => all.filter((other) => other.id !== one.id)), one.kind === "bad" ? 9000 : 3500);
    };
    toasts.add(show);
    return () => toasts.delete(show);
  }, []);
  return html`<div class="toasts" role="status" aria-live="polite">
    ${list.map((one) => html`<div key=${one.id} class=${`toast ${one.kind}`}>${one.text}</div>`)}
  </div>`;
};
