// Words in two languages. Wire words stay as they are; only labels are looked up here.

/** @type {Record<string, Record<string, string>>} */
const words = {};
/** @type {"zh"|"en"} */
let current = "zh";

/** @returns {"zh"|"en"} the language shown */
export const lang = () => current;

/** Loads a language; one that was chosen by hand is remembered, otherwise the browser's first one counts.
 * @param {"zh"|"en"} [wanted] */
export async function use(wanted) {
  const asked = wanted ?? localStorage.getItem("lang") ?? (navigator.language.startsWith("zh") ? "zh" : "en");
  current = asked === "en" ? "en" : "zh";
  if (wanted) localStorage.setItem("lang", current);
  words[current] ??= await (await fetch(`/assets/i18n/${current}.json`)).json();
  document.documentElement.lang = current === "zh" ? "zh-CN" : "en";
}

/** The label of a key; `{name}` is filled from `values`. One of something may have a label of its own: the key with `.one`.
 * @param {string} key @param {Record<string, unknown>} [values] */
export function t(key, values = {}) {
  const own = String(values.n) === "1" ? words[current]?.[`${key}.one`] : undefined;
  const text = own ?? words[current]?.[key] ?? key;
  return text.replace(/\{(\w+)\}/g, (_, name) => String(values[name] ?? ""));
}

/** The label of a key, or what to show when there is none.
 * @param {string} key @param {string} otherwise */
export const labelOr = (key, otherwise) => words[current]?.[key] ?? otherwise;

/** The sentence of the language shown.
 * @param {{zh: string, en: string}|undefined} text */
export const say = (text) => text?.[current] ?? "";
