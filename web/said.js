// What the source of an alert said of it beside what correlates: its words, addresses and the reading.

import { html } from "./vendor/htm-preact.js";
import { t } from "./i18n.js";
import { Panel } from "./parts.js";
import { figure } from "./series_chart.js";

/** An address leads there when it is one of the web.
 * @param {string} text */
const address = (text) => (/^https?:\/\//.test(text) ? html`<a href=${text} target="_blank" rel="noopener noreferrer">${text}</a>` : text);

/** @param {any} metric */
const reading = (metric) => [`${metric.name}${metric.value === undefined || metric.value === null ? "" : ` = ${figure(metric.value)}`}`, metric.unit,
  metric.threshold === undefined || metric.threshold === null ? "" : `(${t("said.threshold")} ${figure(metric.threshold)})`].filter(Boolean).join(" ");

/** @param {{event: any}} props the newest event as it was decoded */
export const Said = ({ event }) => {
  const rows = Object.entries(event.annotations ?? {}).map(([key, value]) => [key, address(String(value))]);
  if (event.metric?.name) rows.unshift([t("said.metric"), reading(event.metric)]);
  if (event.proposed_repair) rows.unshift([t("said.repair"), event.proposed_repair]);
  if (event.trace_id) rows.push([t("said.trace"), html`<code>${event.trace_id}</code>`]);
  for (const link of event.links ?? []) rows.push([t("said.link"), address(link)]);
  if (!event.description && !rows.length) return null;
  return html`<${Panel} title=${t("said.title")} kind="said">
    ${event.description && html`<p class="said-words">${event.description}</p>`}
    ${rows.length > 0 && html`<dl class="facts">${rows.map(([key, value], i) => html`<div key=${i}><dt>${key}</dt><dd>${value}</dd></div>`)}</dl>`}<//>`;
};
