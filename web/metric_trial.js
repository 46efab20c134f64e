// What two metric models told of the same readings: the valid one, and the one that is tried.

import { html } from "./vendor/htm-preact.js";
import { count, moment } from "./format.js";
import { t } from "./i18n.js";
import { Go } from "./parts.js";
import { figure } from "./series_chart.js";

/** @param {{trial: any}} props */
export const MetricTrial = ({ trial }) => {
  const rate = (value) => (value === undefined ? "–" : value.toFixed(3));
  return html`<h3>${t("mtrial.title")}</h3><p class="dim">${t("mtrial.seen", { n: count(trial.readings), days: trial.series_days.toFixed(1) })}</p>
    <table class="plain numbers metric-trial"><thead><tr><th></th><th class="valid">${t("tuning.valid")}</th><th class="tried">${t("tuning.tried")}</th></tr></thead><tbody>
      <tr><td>${t("mtrial.alone")}</td><td>${count(trial.only_valid)}</td><td>${count(trial.only_tried)}</td></tr><tr><td>${t("mtrial.both")}</td><td>${count(trial.both)}</td><td>${count(trial.both)}</td></tr>
      <tr><td>${t("mtrial.rate")}</td><td>${rate(trial.valid_per_series_day)}</td><td>${rate(trial.tried_per_series_day)}</td></tr></tbody></table>
    ${trial.latest.length > 0 && html`<div class="scroll"><table class="plain"><thead><tr>${["heard", "object", "name", "last", "expected"].map((word) => html`<th key=${word}>${t(`series.${word}`)}</th>`)}<th class="valid">${t("tuning.valid")}</th><th class="tried">${t("tuning.tried")}</th></tr></thead>
      <tbody>${trial.latest.slice(0, 20).map((one, i) => html`<tr key=${i}><td>${moment(one.at)}</td><td><${Go} to=${`/series/${encodeURIComponent(one.series)}`}><b>${one.object}</b><//></td><td>${one.name}</td><td>${figure(one.value)}</td><td>${figure(one.expected)}</td><td>${one.told_by === "valid" ? html`<b>${one.valid_score}</b>` : one.valid_score}</td><td>${one.told_by === "tried" ? html`<b>${one.tried_score}</b>` : one.tried_score}</td></tr>`)}</tbody></table></div>`}`;
};
