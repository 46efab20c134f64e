// Small pieces that every page uses.

import { html, useEffect, useRef, useState } from "./vendor/htm-preact.js";
import { count, span } from "./format.js";
import { t } from "./i18n.js";
import { now } from "./now.js";
import { className } from "./vocabulary.js";

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
export const Severity = ({ of, label = false }) => html`
  <span class=${`sev sev-${of}`} title=${t(`sev.${of}`)}>
    <svg viewBox="0 0 16 16" aria-hidden="true"><path d=${SHAPES[of] ?? SHAPES.indeterminate} /></svg>
    <span class=${label ? "" : "unseen"}>${t(`sev.${of}`)}</span>
  </span>`;

/** A CI with its class; `link` leads to its page. */
export const Ci = ({ ci, link = false }) => {
  if (ci.outside) return html`<span class="ci outside" title=${t("ci.outside.help")}><b>${t("ci.outside")}</b></span>`;
  const name = html`<b>${ci.name}</b>`;
  return html`<span class="ci" title=${ci.id === ci.name ? ci.id : `${ci.name} (${ci.id})`}>
    ${link ? html`<${Go} to=${`/topology/${encodeURIComponent(ci.id)}`}>${name}<//>` : name}<i>${className(ci.class)}</i></span>`;
};

/** An incident's title; one that names a silent root cause by its class's id says the class's name.
 * @param {Pick<import("./types.js").Incident, "title"|"root">} incident */
export function titleOf({ title, root }) {
  return root && title === `${root.ci.name} (${root.ci.class})` ? `${root.ci.name} (${className(root.ci.class)})` : title;
}

/** What the root cause itself told, which its incident's title says behind its name; "" when it is silent.
 * @param {Pick<import("./types.js").Incident, "title"|"root">} incident */
export const symptomOf = ({ title, root }) => (!root || root.inferred || root.ci.outside ? "" : title.startsWith(`${root.ci.name}: `) ? title.slice(root.ci.name.length + 2) : title);

/** An incident's state and progress.
 * @param {{incident: import("headwater-api").IncidentItem}} props */
export const State = ({ incident }) => {
  const open = incident.state === "abnormal";
  const word = open ? incident.progress : incident.state;
  const label = open ? t(`progress.${word}`) : t(`state.${word}`);
  return html`<span class=${`state state-${word}`}>${label}</span>`;
};

const tickers = new Set();
setInterval(() => { if (!document.hidden) tickers.forEach((tick) => tick()); }, 1000);

/** Renders again every second. */
export function useTick() {
  const [, set] = useState(0);
  useEffect(() => {
    const tick = () => set((n) => n + 1);
    tickers.add(tick);
    return () => { tickers.delete(tick); };
  }, []);
}

/** How long something has lasted, counting. */
export const Age = ({ from, to = undefined }) => {
  useTick();
  return html`<time datetime=${from}>${span((to ? Date.parse(to) : now()) - Date.parse(from))}</time>`;
};

/** A link of the console that does not load the page again. */
export const Go = ({ to, children, ...rest }) => {
  const go = (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
    event.preventDefault();
    event.stopPropagation();
    visit(to);
  };
  return html`<a href=${to} onClick=${go} ...${rest}>${children}</a>`;
};

/** Goes to a page of the console.
 * @param {string} to */
export function visit(to) {
  history.pushState(null, "", to);
  dispatchEvent(new PopStateEvent("popstate"));
  scrollTo(0, 0);
}

/** A sentence in which what stands between backticks is to be typed.
 * @param {{text: string}} props */
export const Coded = ({ text }) => text.split("`").map((part, i) => (i % 2 ? html`<code key=${i}>${part}</code>` : part));

/** Something that has a title. */
export const Panel = ({ title, aside = null, children, kind = "" }) => html`
  <section class=${`panel ${kind}`}>
    <header><h2>${title}</h2>${aside && html`<div class="aside">${aside}</div>`}</header>
    <div class="body">${children}</div>
  </section>`;

/** Number with a label; a button when it leads somewhere. */
export const Tile = ({ label, value, note = "", kind = "", onClick = null, pressed = undefined }) => {
  const inside = html`<span class="label">${label}</span>
    <span class="value">${typeof value === "number" ? count(value) : value}</span>
    ${note && html`<span class="note">${note}</span>`}`;
  return onClick
    ? html`<button class=${`tile ${kind}`} onClick=${onClick} aria-pressed=${pressed}>${inside}</button>`
    : html`<div class=${`tile ${kind}`}>${inside}</div>`;
};

/** What a page shows while there is nothing to show, or why there is not. */
export const Empty = ({ text, calm = false, onRetry = null }) => html`
  <div class=${`empty ${calm ? "calm" : ""}`} role="status"><p>${text}</p>
    ${onRetry && html`<button onClick=${onRetry}>${t("retry")}</button>`}</div>`;

/** Several choices of which one holds. */
export const Switch = ({ label, choices, value, onChange }) => html`
  <div class="switch" role="group" aria-label=${label}>${choices.map(([word, text]) => html`
    <button key=${word} aria-pressed=${value === word} onClick=${() => onChange(word)}>${text}</button>`)}</div>`;

/** A key pressed outside a field calls the `act` of the newest rendering; it returns true when it took the key.
 * @param {(key: string) => boolean} act */
export function useKeys(act) {
  const newest = useRef(act);
  newest.current = act;
  useEffect(() => {
    const press = (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
      if (document.querySelector("dialog[open]")) return;
      if (event.target.closest?.("input:not([type=checkbox]), textarea, select")) {
        if (event.key === "Escape") event.target.blur();
        return;
      }
      // Enter and the space bar belong to the button or link that has the focus.
      if ((event.key === "Enter" || event.key === " ") && event.target.closest?.("button, a, summary, input")) return;
      if (newest.current(event.key)) event.preventDefault();
    };
    addEventListener("keydown", press);
    return () => removeEventListener("keydown", press);
  }, []);
}

/** @typedef {{id: number, text: string, kind: string, link?: {to: string, text: string}}} Toast */
/** @type {Set<(one: Toast|{gone: number}) => void>} */
const toasts = new Set();

/** Says something for a few seconds; a `link` is `{to, text}`.
 * @param {string} text @param {"good"|"bad"|"wait"} [kind] @param {{to: string, text: string}} [link] */
export function toast(text, kind = "good", link = undefined) {
  const one = { text, kind, link, id: Math.random() };
  toasts.forEach((show) => show(one));
  return () => toasts.forEach((show) => show({ gone: one.id }));
}

export const Toasts = () => {
  const [list, set] = useState(/** @type {Toast[]} */ ([]));
  useEffect(() => {
    /** @param {number} id */
    const drop = (id) => set((all) => all.filter((other) => other.id !== id));
    /** @param {Toast|{gone: number}} one */
    const show = (one) => {
      if ("gone" in one) { drop(one.gone); return; }
      set((all) => [...all, one].slice(-4));
      setTimeout(() => drop(one.id), one.kind === "good" ? 4000 : 12000);
    };
    toasts.add(show);
    return () => { toasts.delete(show); };
  }, []);
  return html`<div class="toasts" role="status" aria-live="polite">
    ${list.map((one) => html`<div key=${one.id} class=${`toast ${one.kind}`}>${one.text}
      ${one.link && html` <${Go} to=${one.link.to}>${one.link.text}<//>`}</div>`)}
  </div>`;
};
