// One dialog that asks for what an order needs.

import { html, useEffect, useRef, useState } from "./vendor/htm-preact.js";
import { DateField } from "./dates.js";
import { zoneLabel } from "./format.js";
import { t } from "./i18n.js";
import { now } from "./now.js";

/** @type {Set<(one: {question: Question, resolve: (given: Record<string, string>|null) => void}) => void>} */
const asked = new Set();
const SPANS = [15, 30, 60, 240, 480, 1440];

/** Spans to choose from, in minutes.
 * @returns {[string, string][]} */
export const spans = () =>
  SPANS.map((mins) => [String(mins), mins < 60 ? t("ask.mins", { n: mins }) : t("ask.hours", { n: mins / 60 })]);

/** @param {string} mins */
export const inMinutes = (mins) => new Date(now() + Number(mins) * 60000).toISOString();

/**
 * @typedef {{name: string, label: string, kind: "line"|"text"|"choice"|"pick"|"note"|"moment"|"days", value?: string, optional?: boolean, rows?: number,
 *   when?: (given: Record<string, string>) => boolean, choices?: [string, string][], suggestions?: string[], search?: (text: string) => Promise<[string, string][]>}} Field
 * @typedef {{title: string, ok?: string, danger?: boolean, fields: Field[], preview?: {title: string, read: (given: Record<string, string>) => Promise<string[]>}}} Question
 */

/** Asks; resolves to the values by name, or null when it was cancelled.
 * @param {Question} question @returns {Promise<Record<string, string>|null>} */
export const ask = (question) => new Promise((resolve) => asked.forEach((show) => show({ question, resolve })));

/** What is typed is looked for when so long nothing more was typed. */
const TYPING_MS = 200;

/** Chooses one of many, found by typing. */
const Pick = ({ field, value, onValue, focus }) => {
  const [text, setText] = useState("");
  const [found, set] = useState(/** @type {[string, string][]|null} */ (null));
  const [failed, setFailed] = useState("");
  useEffect(() => {
    let alive = true;
    const look = () => field.search(text.trim()).then((all) => { if (alive) { set(all); setFailed(""); } }, (failure) => { if (alive) setFailed(failure.message); });
    const timer = setTimeout(look, text ? TYPING_MS : 0);
    return () => { alive = false; clearTimeout(timer); };
  }, [text]);
  return html`<input type="search" autofocus=${focus} value=${text} placeholder=${t("ask.narrow")} aria-label=${t("ask.narrow")}
      onInput=${(event) => setText(event.target.value)} />
    <select size="7" value=${value} aria-label=${field.label} onChange=${(event) => onValue(event.target.value)}>
      ${(found ?? []).slice(0, 200).map(([word, label]) => html`<option key=${word} value=${word}>${label}</option>`)}
    </select>
    ${failed ? html`<p class="bad" role="alert">${t("failed", { why: failed })}</p>` : found?.length === 0 && html`<p class="dim">${t("ask.none")}</p>`}`;
};

const DAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/** Days of the week, one at least. */
const Days = ({ value, onValue }) => {
  const chosen = value.split(",");
  const turn = (day) => { const next = DAYS.filter((one) => (one === day) !== chosen.includes(one)); if (next.length) onValue(next.join(",")); };
  return html`<span class="days">${DAYS.map((day) => html`<button key=${day} type="button" aria-pressed=${chosen.includes(day)} onClick=${() => turn(day)}>${t(`day.${day}`)}</button>`)}</span>`;
};

/** What would come of the answers, read again when they change.
 * @param {{preview: {title: string, read: (given: Record<string, string>) => Promise<string[]>}, given: Record<string, string>}} props */
const Preview = ({ preview, given }) => {
  const [said, set] = useState({ lines: /** @type {string[]} */ ([]), failed: "" });
  useEffect(() => {
    let alive = true;
    const read = () => preview.read(given).then((lines) => { if (alive) set({ lines, failed: "" }); }, (failure) => { if (alive) set({ lines: [], failed: [failure.message, ...(failure.errors ?? [])].join(" ") }); });
    const timer = setTimeout(read, TYPING_MS);
    return () => { alive = false; clearTimeout(timer); };
  }, [JSON.stringify(given)]);
  return html`<div class="preview" role="status"><b>${preview.title}</b>
    ${said.failed ? html`<p class="bad">${said.failed}</p>` : html`<ul>${said.lines.map((line) => html`<li key=${line}>${line}</li>`)}</ul>`}</div>`;
};

const Input = ({ field, value, onValue, focus }) => {
  const type = (event) => onValue(event.target.value);
  const list = field.suggestions?.length ? `list-${field.name}` : undefined;
  switch (field.kind) {
    case "note": return html`<p class="dim">${field.value}</p>`;
    case "text": return html`<textarea name=${field.name} autofocus=${focus} rows=${field.rows ?? 4} value=${value} onInput=${type} maxlength="4000"></textarea>`;
    case "choice": return html`<select name=${field.name} autofocus=${focus} value=${value} onChange=${type}>
      ${field.choices.map(([word, label]) => html`<option key=${word} value=${word}>${label}</option>`)}</select>`;
    case "moment": return html`<${DateField} kind="moment" name=${field.name} focus=${focus} value=${value} onValue=${onValue} />`;
    case "days": return html`<${Days} value=${value} onValue=${onValue} />`;
    case "pick": return html`<${Pick} field=${field} value=${value} onValue=${onValue} focus=${focus} />`;
    default: return html`<input name=${field.name} autofocus=${focus} value=${value} onInput=${type} maxlength="200" list=${list} />
      ${list && html`<datalist id=${list}>${field.suggestions.map((one) => html`<option key=${one} value=${one} />`)}</datalist>`}`;
  }
};

const start = (field) => field.value ?? (field.kind === "choice" ? field.choices?.[0]?.[0] ?? "" : "");

export const Asker = () => {
  const [open, set] = useState(/** @type {{question: Question, resolve: (given: Record<string, string>|null) => void}|null} */ (null));
  const [values, setValues] = useState(/** @type {Record<string, string>} */ ({}));
  const dialog = useRef(/** @type {HTMLDialogElement|null} */ (null));
  useEffect(() => {
    const show = (one) => {
      setValues(Object.fromEntries(one.question.fields.map((field) => [field.name, start(field)])));
      set(one);
    };
    asked.add(show);
    return () => { asked.delete(show); };
  }, []);
  useEffect(() => { if (open && dialog.current && !dialog.current.open) dialog.current.showModal(); }, [open]);
  if (!open) return null;
  const { question, resolve } = open;
  const end = (result) => { dialog.current?.close(); set(null); resolve(result); };
  const trimmed = () => Object.fromEntries(Object.entries(values).map(([name, value]) => [name, value.trim()]));
  const fields = question.fields.filter((field) => !field.when || field.when(values));
  const ready = fields.every((field) => field.optional || field.kind === "note" || values[field.name]?.trim());
  return html`<dialog ref=${dialog} onCancel=${(event) => { event.preventDefault(); end(null); }} aria-label=${question.title}>
    <form method="dialog" onSubmit=${(event) => { event.preventDefault(); if (ready) end(trimmed()); }}>
      <h2>${question.title}</h2>
      ${fields.map((field, i) => {
        const input = html`<${Input} field=${field} value=${values[field.name] ?? ""} focus=${i === 0} onValue=${(value) => setValues((old) => ({ ...old, [field.name]: value }))} />`;
        // A label passes a click on to the first button that is in it.
        return field.kind === "days" ? html`<div key=${field.name} class="label" role="group" aria-label=${field.label}>${field.label}${input}</div>`
          : html`<label key=${field.name}>${field.label}${field.kind === "moment" ? ` (${zoneLabel()})` : ""}${input}</label>`;
      })}
      ${question.preview && html`<${Preview} preview=${question.preview} given=${trimmed()} />`}
      <footer>
        <button type="button" onClick=${() => end(null)}>${t("ask.cancel")}</button>
        <button type="submit" class=${question.danger ? "warn" : "main"} disabled=${!ready}>${question.ok ?? t("ask.ok")}</button>
      </footer>
    </form>
  </dialog>`;
};
