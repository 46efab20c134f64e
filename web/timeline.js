// The timeline: a strip that shows when things happened, and the list, newest first.

import { html, useState } from "./vendor/htm-preact.js";
import { clock, day, moment } from "./format.js";
import { labelOr, t } from "./i18n.js";
import { now } from "./now.js";
import { Go } from "./parts.js";

const WIDTH = 600;
const SHOWN = 10;
const SYSTEM = "headwater";

const Strip = ({ incident }) => {
  const from = Date.parse(incident.first_alert_at);
  const to = Math.max(from + 1000, Date.parse(incident.closed_at ?? incident.updated_at));
  const x = (at) => Math.min(WIDTH - 8, Math.max(8, 8 + ((Date.parse(at) - from) / (to - from)) * (WIDTH - 16)));
  const recovered = incident.recovered_at ? x(incident.recovered_at) : WIDTH - 8;
  const dot = (entry) => {
    const person = entry.actor !== SYSTEM;
    return html`<circle class=${person ? "person" : ""} cx=${x(entry.at)} cy="14" r=${person ? 4.5 : 3}>
      <title>${`${clock(entry.at)} ${entry.label} ${entry.detail ?? ""}`}</title></circle>`;
  };
  return html`<svg class="tl-strip" viewBox=${`0 0 ${WIDTH} 24`} aria-hidden="true">
    <rect class="span" x="8" y="11" width=${Math.max(2, recovered - 8)} height="6" rx="3" />
    <rect class="span calm" x=${recovered} y="11" width=${Math.max(0, WIDTH - 8 - recovered)} height="6" rx="3" />
    ${incident.timeline.map(dot)}
  </svg>
  <p class="tl-ends"><time>${moment(from)}</time><time>${moment(to)}</time></p>`;
};

/** What an entry speaks of: words get their label, incidents a link; everything else is text as it came. */
const Detail = ({ entry }) => {
  const detail = entry.detail ?? "";
  if (entry.kind === "state_changed") return labelOr(`state.${detail}`, detail);
  if (entry.kind === "severity_changed") return labelOr(`sev.${detail}`, detail);
  if (entry.kind === "snoozed" && !Number.isNaN(Date.parse(detail))) return moment(detail);
  if (entry.kind === "merged") return html`<${Go} to=${`/incidents/${encodeURIComponent(detail)}`}>${detail}<//>`;
  if (entry.kind === "moved") return html`<${Go} to=${`/why/${encodeURIComponent(detail)}`}>${detail}<//>`;
  return detail;
};

export const Timeline = ({ incident }) => {
  const [all, setAll] = useState(false);
  const entries = [...incident.timeline].reverse();
  const shown = all ? entries : entries.slice(0, SHOWN);
  const today = day(now());
  const time = (at) => (day(at) === today ? clock(at) : moment(at));
  return html`<${Strip} incident=${incident} />
    <ol class="timeline">${shown.map((entry, i) => html`<li key=${`${entry.at}${entry.kind}${i}`} class=${`tl-${entry.kind} ${entry.actor === SYSTEM ? "" : "person"}`}>
      <time datetime=${entry.at} title=${moment(entry.at)}>${time(entry.at)}</time><b>${entry.label}</b>
      <span>${entry.actor !== SYSTEM && html`<i>${entry.actor}</i> `}<${Detail} entry=${entry} /></span></li>`)}</ol>
    ${entries.length > shown.length && html`<button class="more" onClick=${() => setAll(true)}>${t("show_all")} (${entries.length})</button>`}`;
};
