// The timeline: a strip that shows when things happened, and the list, newest first.

import { html, useState } from "./vendor/htm-preact.js";
import { clock, moment } from "./format.js";
import { t } from "./i18n.js";

const WIDTH = 600;
const SHOWN = 12;
const SYSTEM = "headwater";

const Strip = ({ incident }) => {
  const from = new Date(incident.first_alert_at).getTime();
  const to = Math.max(from + 1000, new Date(incident.closed_at ?? incident.updated_at).getTime());
  const x = (at) => Math.min(WIDTH - 8, Math.max(8, 8 + ((new Date(at).getTime() - from) / (to - from)) * (WIDTH - 16)));
  const recovered = incident.recovered_at ? x(incident.recovered_at) : WIDTH - 8;
  return html`<svg class="tl-strip" viewBox=${`0 0 ${WIDTH} 34`} role="img" aria-label=${t("inc.timeline")}>
    <rect class="span" x="8" y="11" width=${Math.max(2, recovered - 8)} height="6" rx="3" />
    <rect class="span calm" x=${recovered} y="11" width=${Math.max(0, WIDTH - 8 - recovered)} height="6" rx="3" />
    ${incident.timeline.map((entry) => html`<circle class=${`tl-${entry.kind} ${entry.actor === SYSTEM ? "" : "person"}`} cx=${x(entry.at)} cy="14" r=${entry.actor === SYSTEM ? 3 : 4.5}><title>${`${clock(entry.at)} ${entry.label} ${entry.detail ?? ""}`}</title></circle>`)}
    <text x="8" y="31">${moment(incident.first_alert_at)}</text><text x=${WIDTH - 8} y="31" text-anchor="end">${clock(to)}</text>
  </svg>`;
};

export const Timeline = ({ incident }) => {
  const [all, setAll] = useState(false);
  const entries = [...incident.timeline].reverse();
  const shown = all ? entries : entries.slice(0, SHOWN);
  return html`<${Strip} incident=${incident} />
    <ol class="timeline">${shown.map((entry) => html`<li class=${`tl-${entry.kind} ${entry.actor === SYSTEM ? "" : "person"}`}>
      <time title=${moment(entry.at)}>${clock(entry.at)}</time><b>${entry.label}</b>
      ${entry.actor !== SYSTEM && html`<i>${entry.actor}</i>`}<span>${entry.detail}</span></li>`)}</ol>
    ${entries.length > shown.length && html`<button class="quiet" onClick=${() => setAll(true)}>${t("show_all")} (${entries.length})</button>`}`;
};
