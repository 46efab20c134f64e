// The list of keys, and keys that work on every page: `?` shows the list, `g` and a letter goes to a section.

import { html, useEffect, useRef, useState } from "./vendor/htm-preact.js";
import { t } from "./i18n.js";
import { useKeys, visit } from "./parts.js";

const PLACES = { b: "/", a: "/alerts", t: "/topology", s: "/silences", r: "/rules", p: "/reports", y: "/system" };
/** The second key has to follow soon. */
const SOON_MS = 1200;
const BOARD = [["j k ↑ ↓", "move"], ["Enter", "open"], ["x", "select"], ["Shift X", "range"], ["*", "all"], ["a", "ack"], ["s", "assign"], ["z", "snooze"], ["c", "comment"], ["m", "merge"], ["/", "search"], ["Esc", "clear"]];
const INCIDENT = [["u", "back"], ["[ ]", "next"], ["a", "ack"], ["s", "assign"], ["z", "snooze"], ["c", "comment"], ["m", "merge"], ["l", "silence"]];
const GRAPH = [["← ↑ ↓ →", "graph.move"], ["Enter", "graph.expand"], ["+ -", "graph.zoom"], ["0", "graph.fit"], ["Esc", "graph.drop"]];

const List = ({ title, keys }) => html`<section><h3>${title}</h3><dl>${keys.map(([key, word]) => html`<div key=${word}><dt>${key.split(" ").map((one) => html`<kbd>${one}</kbd> `)}</dt><dd>${t(`keys.${word}`)}</dd></div>`)}</dl></section>`;

export const Shortcuts = () => {
  const [open, setOpen] = useState(false);
  const dialog = useRef(/** @type {HTMLDialogElement|null} */ (null));
  const pressed = useRef(0);
  useKeys((key) => {
    if (key === "?") { setOpen(true); return true; }
    if (Date.now() - pressed.current < SOON_MS && PLACES[key]) { pressed.current = 0; visit(PLACES[key]); return true; }
    pressed.current = key === "g" ? Date.now() : 0;
    return key === "g";
  });
  useEffect(() => { if (open && dialog.current && !dialog.current.open) dialog.current.showModal(); }, [open]);
  if (!open) return null;
  const end = () => { dialog.current?.close(); setOpen(false); };
  const places = Object.entries(PLACES).map(([key, to]) => [`g ${key}`, `place.${to.slice(1) || "board"}`]);
  return html`<dialog ref=${dialog} class="keylist" aria-label=${t("keys.title")} onCancel=${end} onClick=${(event) => { if (event.target === dialog.current) end(); }}>
    <header><h2>${t("keys.title")}</h2><button class="icon" onClick=${end} aria-label=${t("close")}>✕</button></header>
    <div class="keycols"><${List} title=${t("nav.board")} keys=${BOARD} /><div><${List} title=${t("keys.incident")} keys=${INCIDENT} /><${List} title=${t("keys.graph")} keys=${GRAPH} /></div>
      <${List} title=${t("keys.places")} keys=${[["?", "help"], ...places]} /></div></dialog>`;
};
