// One dialog that asks for one thing.

import { html, useEffect, useRef, useState } from "./vendor/htm-preact.js";
import { t } from "./i18n.js";

const asked = new Set();

/** Asks; resolves to the text, or null when it was cancelled.
 * @param {{title: string, kind: "line"|"text"|"choice"|"yes", choices?: [string, string][], optional?: boolean}} question */
export const ask = (question) => new Promise((resolve) => asked.forEach((show) => show({ question, resolve })));

export const Asker = () => {
  const [open, set] = useState(null);
  const [value, setValue] = useState("");
  const dialog = useRef(null);
  useEffect(() => {
    const show = (one) => { setValue(one.question.choices?.[0][0] ?? ""); set(one); };
    asked.add(show);
    return () => asked.delete(show);
  }, []);
  useEffect(() => { if (open && !dialog.current.open) dialog.current.showModal(); }, [open]);
  if (!open) return null;
  const { question, resolve } = open;
  const end = (result) => { dialog.current.close(); set(null); resolve(result); };
  const submit = (event) => { event.preventDefault(); end(value.trim()); };
  const type = (event) => setValue(event.target.value);
  const ready = question.optional || question.kind === "yes" || value.trim();
  return html`<dialog ref=${dialog} onCancel=${(event) => { event.preventDefault(); end(null); }} aria-label=${question.title}>
    <form method="dialog" onSubmit=${submit}>
      <h2>${question.title}</h2>
      ${question.kind === "line" && html`<input autofocus value=${value} onInput=${type} maxlength="200" />`}
      ${question.kind === "text" && html`<textarea autofocus rows="4" value=${value} onInput=${type} maxlength="4000"></textarea>`}
      ${question.kind === "choice" && html`<select autofocus value=${value} onChange=${type}>
        ${question.choices.map(([word, label]) => html`<option value=${word}>${label}</option>`)}</select>`}
      <footer>
        <button type="button" class="quiet" onClick=${() => end(null)}>${t("ask.cancel")}</button>
        <button type="submit" class="main" disabled=${!ready}>${t("ask.ok")}</button>
      </footer>
    </form>
  </dialog>`;
};
