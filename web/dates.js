// Fields for days and moments, written as 2026-11-27 and 2026-11-27 14:00 in every language, in the zone of the times shown.
// Browsers write their own date fields in their own language and zone.

import { html, useEffect, useRef, useState } from "./vendor/htm-preact.js";
import { localDay, localMoment, momentOf } from "./format.js";
import { t } from "./i18n.js";

const KINDS = {
  day: { chars: 10, picker: "date", write: localDay },
  moment: { chars: 16, picker: "datetime-local", write: localMoment },
};

/** A day or a moment, typed or picked. It tells a text that `momentOf` understands, as soon as it is one, or "".
 * @param {{kind: "day"|"moment", value: string, onValue: (text: string) => void, name?: string, label?: string, focus?: boolean}} props */
export const DateField = ({ kind, value, onValue, name = undefined, label = undefined, focus = false }) => {
  const { chars, picker, write } = KINDS[kind];
  const [text, setText] = useState(value);
  const native = useRef(/** @type {HTMLInputElement|null} */ (null));
  const told = useRef(value);
  useEffect(() => { if (value !== told.current) { told.current = value; setText(value); } }, [value]);
  const take = (typed) => {
    setText(typed);
    const at = momentOf(typed);
    told.current = Number.isNaN(at) || typed.trim().length < chars ? "" : write(at);
    onValue(told.current);
  };
  const bad = text.trim() !== "" && Number.isNaN(momentOf(text));
  return html`<span class="datefield"><input type="text" inputmode="numeric" autocomplete="off" spellcheck="false" size=${chars + 1} maxlength="16" name=${name} autofocus=${focus}
      placeholder=${t(`date.${kind}`)} value=${text} aria-label=${label} aria-invalid=${bad} onInput=${(event) => take(event.target.value)} onBlur=${() => { if (!bad && text.trim()) take(write(momentOf(text))); }} />
    <button type="button" class="icon" title=${t("date.pick")} aria-label=${t("date.pick")} onClick=${() => native.current?.showPicker()}>▾</button>
    <input ref=${native} type=${picker} tabindex="-1" aria-hidden="true" value=${value.replace(" ", "T")} onInput=${(event) => take(event.target.value.replace("T", " "))} /></span>`;
};
