// What two sets of rules or models make of the same events: figures, courses over the time, what the truth says of both, and
// the incidents in which they differ. The report is the one of `headwater backtest --against`.

import { html } from "./vendor/htm-preact.js";
import { count, moment, span } from "./format.js";
import { t } from "./i18n.js";
import { Go, Severity } from "./parts.js";

const FIGURES = ["alerts", "incidents", "held", "muted", "compression", "root_changes", "messages", "messages_per_week", "pages", "pages_per_week"];
/** Events muted by only one that are shown. */
const MUTED_SHOWN = 50;
/** What the truth says of a side; `found` is the recall. */
const SCORES = ["pair_f1", "precision", "found", "f1", "root_top1", "root_top3", "root_top5"];

const score = ({ scores }, name) => {
  if (name !== "f1") return scores[name];
  const sum = scores.precision + scores.found;
  return sum === 0 ? 0 : (2 * scores.precision * scores.found) / sum;
};

const number = (value) => (typeof value !== "number" ? "–" : Number.isInteger(value) ? count(value) : value.toFixed(3));

/** Two rows of bars over the time, what is valid upwards and what is tried downwards.
 * @param {{title: string, course: {from: string, step_secs: number}, counts: [number[], number[]]}} props */
const Chart = ({ title, course, counts }) => {
  const most = Math.max(1, ...counts[0], ...counts[1]);
  const wide = 960 / Math.max(1, counts[0].length);
  const at = (n) => Date.parse(course.from) + n * course.step_secs * 1000;
  const bars = (list, side) => list.map((n, i) => n > 0 && html`<rect key=${`${side}${i}`} class=${side ? "tried" : "valid"} x=${i * wide} width=${Math.max(1, wide - 1)}
    y=${side ? 51 : 49 - (n / most) * 46} height=${(n / most) * 46}><title>${`${moment(at(i))} · ${count(n)}`}</title></rect>`);
  return html`<h3>${title}</h3><svg class="course" viewBox="0 0 960 100" preserveAspectRatio="none" role="img" aria-label=${title}>${bars(counts[0], 0)}${bars(counts[1], 1)}</svg>
    <p class="tl-ends"><time>${moment(at(0))}</time><span class="dim">${t("inc.density.most", { n: count(most), t: span(course.step_secs * 1000) })}</span><time>${moment(at(counts[0].length))}</time></p>`;
};

const Incident = ({ shown }) => html`<td>${shown.id}</td><td>${shown.title}</td><td><${Severity} of=${shown.severity} label /></td><td>${shown.root ?? "?"}</td><td>${shown.events}</td>
  <td>${shown.why && html`<${Go} to=${shown.why}>${t("why")}<//>`}</td>`;

const Differing = ({ report }) => html`<table class="plain"><tbody>
  ${report.changed.map((one, i) => html`<tr key=${`c${i}`} class="valid"><td>~</td><${Incident} shown=${one.before} /></tr><tr key=${`d${i}`} class="tried"><td></td><${Incident} shown=${one.after} /></tr>`)}
  ${report.gone.map((one) => html`<tr key=${`g${one.id}`} class="valid"><td>−</td><${Incident} shown=${one} /></tr>`)}
  ${report.fresh.map((one) => html`<tr key=${`f${one.id}`} class="tried"><td>+</td><${Incident} shown=${one} /></tr>`)}
</tbody></table>`;

/** What corrected incidents say of both, as bars beside each other. */
const Scores = ({ report, tried }) => html`<h3>${t("tuning.scores", { n: report.truth_incidents })}</h3>
  <table class="plain scores"><thead><tr><th></th><th class="valid">${t("tuning.valid")}</th><th></th><th class="tried">${tried}</th><th></th></tr></thead>
    <tbody>${SCORES.filter((name) => !name.startsWith("root") || report.figures[0].scores.rooted > 0).map((name) => html`<tr key=${name}><td>${t(`tuning.score.${name}`)}</td>${report.figures.map((side, i) => html`
      <td key=${i}>${score(side, name).toFixed(3)}</td><td key=${`b${i}`}><meter class=${i ? "tried" : "valid"} max="1" value=${score(side, name)} aria-label=${t(`tuning.score.${name}`)}></meter></td>`)}</tr>`)}</tbody></table>`;

/** Messages by receiver, on either side. */
const Receivers = ({ messages, tried }) => html`<h3>${t("tuning.receivers")}</h3><table class="plain receivers"><thead><tr><th></th><th class="valid">${t("tuning.valid")}</th><th class="tried">${tried}</th></tr></thead>
  <tbody>${Object.entries(messages).map(([receiver, pair]) => html`<tr key=${receiver}><td>${receiver}</td><td>${count(pair[0])}</td><td>${count(pair[1])}</td></tr>`)}</tbody></table>`;

/** Events that only one of the two mutes, and by what. */
const MutedOnce = ({ report, tried }) => html`<h3>${t("tuning.muted_once", { n: count(report.muted_once_events), valid: count(report.muted_once_by[0]), tried: count(report.muted_once_by[1]) })}</h3>
  <table class="plain muted-once"><tbody>${report.muted_once.slice(0, MUTED_SHOWN).map((one) => html`<tr key=${one.event} class=${one.by_run ? "tried" : "valid"}><td>${one.by_run ? tried : t("tuning.valid")}</td>
    <td><${Go} to=${one.why}>${one.event}<//></td></tr>`)}</tbody></table>`;

/** The report, `tried` names the second side.
 * @param {{report: any, tried: string}} props */
export const Versus = ({ report, tried }) => html`
  <table class="plain"><thead><tr><th></th><th class="valid">${t("tuning.valid")}</th><th class="tried">${tried}</th></tr></thead>
    <tbody>${FIGURES.map((name) => html`<tr key=${name}><td>${t(`tuning.figure.${name}`)}</td>${report.figures.map((side, i) => html`<td key=${i}>${number(side[name])}</td>`)}</tr>`)}</tbody></table>
  ${report.truth && html`<${Scores} report=${report} tried=${tried} />`}
  <p>${t("tuning.alike", { ari: report.agreement.ari.toFixed(3), ami: report.agreement.ami.toFixed(3), same: report.agreement.same })}</p>
  <${Chart} title=${t("tuning.figure.incidents")} course=${report.course} counts=${report.course.incidents} />
  <${Chart} title=${t("tuning.figure.messages")} course=${report.course} counts=${report.course.messages} />
  ${Object.keys(report.messages).length > 0 && html`<${Receivers} messages=${report.messages} tried=${tried} />`}
  <p>${t("tuning.differ", { changed: count(report.incidents[0]), gone: count(report.incidents[1]), fresh: count(report.incidents[2]) })}</p>
  <${Differing} report=${report} />
  ${report.not_listed > 0 && html`<p class="dim">${t("tuning.not_listed", { n: count(report.not_listed) })}</p>`}
  ${report.muted_once_events > 0 && html`<${MutedOnce} report=${report} tried=${tried} />`}`;
