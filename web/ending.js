// How an incident ends: what people found out, and whether it is a major one.

import { html } from "./vendor/htm-preact.js";
import { call } from "./api.js";
import { moment } from "./format.js";
import { t } from "./i18n.js";
import { Panel } from "./parts.js";

const FINDINGS = ["cause", "solution", "impact", "category"];
/** Whether what the rules ask for must be said. */
export const CLOSING = "closing";
export const CONCLUDING = "concluding";

/** The fields that ask for it; what is known stands in them.
 * @param {any} incident @param {string} when @returns {Promise<import("./ask.js").Field[]>} */
export async function findings(incident, when) {
  /** @type {{needs: string[], from: string, categories: string[]}} */
  const rules = await call("/api/v1/closing").catch(() => ({ needs: [], from: "P4", categories: [] }));
  const needed = (word) => when === CLOSING && incident.priority <= rules.from && rules.needs.includes(word);
  /** @param {string} word @returns {import("./ask.js").Field} */
  const field = (word) => {
    const more = { label: t(`end.${word}`) + (needed(word) ? " *" : ""), optional: !needed(word), value: incident.conclusion?.[word] ?? "" };
    if (word !== "category") return { name: word, kind: "text", rows: 2, ...more };
    if (!rules.categories.length) return { name: word, kind: "line", ...more };
    const choices = ["", ...rules.categories].map((one) => /** @type {[string, string]} */ ([one, one]));
    return { name: word, kind: "choice", choices, ...more };
  };
  const wanted = (word) => when === CONCLUDING || word !== "impact" || needed(word) || incident.major;
  return FINDINGS.filter(wanted).map(field);
}

/** What was said, as an order takes it: what is empty is left out. @param {Record<string, string>} given */
export const said = (given) => Object.fromEntries([...FINDINGS, "text"].filter((word) => given[word]).map((word) => [word, given[word]]));

/** What was found out, line by line. */
export const Findings = ({ of }) => html`<dl class="found">${FINDINGS.filter((word) => of[word]).map((word) => html`<div key=${word}><dt>${t(`end.${word}`)}</dt><dd>${of[word]}</dd></div>`)}</dl>`;

/** The panel of an incident. */
export const Conclusion = ({ incident }) => incident.conclusion && html`<${Panel} title=${t("end.title")} aside=${`${incident.conclusion.by} · ${moment(incident.conclusion.at)}`} kind="conclusion"><${Findings} of=${incident.conclusion} /><//>`;

/** The mark of a major incident. */
export const Major = ({ incident }) => incident.major && html`<em class="tag major">${t("major")}</em>`;

/** Since when it is one, by whom, and what is still to be written. */
export const MajorNotice = ({ incident, onPostMortem }) => {
  if (!incident.major) return null;
  const by = incident.major.by.startsWith("rule:") ? t("major.by_rule", { rule: incident.major.by.slice(5) }) : t("major.by", { who: incident.major.by });
  return html`<p class="notice major-notice"><b>${t("major")}</b> · ${moment(incident.major.since)} · ${by} · ${t(`major.review.${incident.major.review}`)}
    ${incident.major.review !== "published" && html` <button class="linkish" onClick=${onPostMortem}>${t("act.postmortem")}</button>`}</p>`;
};
