// The timeline: how many alerts began when, what people did and who was told, and the list, newest first.

import { html, useMemo, useState } from "./vendor/htm-preact.js";
import { act } from "./actions.js";
import { clock, count, day, hourMinute, moment } from "./format.js";
import { labelOr, t } from "./i18n.js";
import { now } from "./now.js";
import { SEVERITIES } from "./overview.js";
import { Go, Switch } from "./parts.js";

const WIDTH = 720;
const HEIGHT = 74;
const BINS = 72;
const SHOWN = 10;
const SYSTEM = "headwater";
/** What belongs to which choice above the list. */
const KINDS = {
  people: (entry) => entry.actor !== SYSTEM,
  told: (entry) => ["notified", "would_notify", "notify_failed"].includes(entry.kind),
  engine: (entry) => entry.actor === SYSTEM && !KINDS.told(entry),
};

/** From when to when the picture goes. */
function range(incident, alerts) {
  const times = alerts.map((alert) => Date.parse(alert.first_seen));
  const from = Math.min(Date.parse(incident.first_alert_at), ...(times.length ? [times.reduce((a, b) => Math.min(a, b))] : []));
  const to = Date.parse(incident.closed_at ?? incident.updated_at);
  return { from, to: Math.max(from + 10_000, to) };
}

/** Alerts per bin and severity; the worst is drawn at the bottom. */
function density(alerts, { from, to }) {
  const bins = Array.from({ length: BINS }, () => new Array(SEVERITIES.length).fill(0));
  for (const alert of alerts) {
    const bin = Math.min(BINS - 1, Math.max(0, Math.floor(((Date.parse(alert.first_seen) - from) / (to - from)) * BINS)));
    bins[bin][Math.max(0, SEVERITIES.indexOf(alert.severity))]++;
  }
  return bins;
}

/** How many alerts began when, with marks for what people did.
 * @param {{incident: import("headwater-api").IncidentDetail, alerts: import("headwater-api").AlertItem[]}} props */
export const Density = ({ incident, alerts }) => {
  const span = useMemo(() => range(incident, alerts), [incident, alerts]);
  const bins = useMemo(() => density(alerts, span), [alerts, span]);
  const sums = bins.map((bin) => bin.reduce((a, b) => a + b, 0));
  const most = Math.max(1, ...sums);
  const wide = WIDTH / BINS;
  const base = HEIGHT - 16;
  const x = (at) => Math.min(WIDTH - 4, Math.max(4, ((Date.parse(at) - span.from) / (span.to - span.from)) * WIDTH));
  const bar = (bin, i) => {
    let below = 0;
    return sums[i] > 0 && html`<g key=${i}><title>${`${clock(span.from + (i / BINS) * (span.to - span.from))} · ${t("reach.alerts", { n: count(sums[i]) })}`}</title>
      ${bin.map((n, severity) => {
        const height = n && Math.max(1.5, (n / most) * (base - 4));
        below += height;
        return n > 0 && html`<rect key=${severity} class=${`k-${SEVERITIES[severity]}`} x=${i * wide + 0.5} width=${wide - 1} y=${base - below} height=${height} />`;
      })}</g>`;
  };
  const marks = incident.timeline.filter((entry) => entry.actor !== SYSTEM || KINDS.told(entry)).slice(-80);
  const recovered = incident.recovered_at ? x(incident.recovered_at) : null;
  return html`<svg class="density" viewBox=${`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" role="img" aria-label=${t("inc.density", { n: count(alerts.length) })}>
    ${recovered !== null && html`<rect class="calm" x=${recovered} y="0" width=${WIDTH - recovered} height=${base} />`}
    <path class="base" d=${`M0 ${base}H${WIDTH}`} />${bins.map(bar)}
    ${marks.map((entry, i) => html`<g key=${i} class=${KINDS.told(entry) ? "note" : "person"}><title>${`${clock(entry.at)} ${entry.label} ${entry.actor === SYSTEM ? "" : entry.actor} ${entry.detail ?? ""}`}</title>
      <path class="stem" d=${`M${x(entry.at)} 2V${base}`} /><circle cx=${x(entry.at)} cy=${HEIGHT - 8} r="4" /></g>`)}
  </svg>
  <p class="tl-ends"><time>${moment(span.from)}</time><span class="dim">${t("inc.density.most", { n: count(most) })}</span><time>${day(span.to) === day(span.from) ? clock(span.to) : moment(span.to)}</time></p>`;
};

/** What an entry speaks of: words get their label, incidents a link; everything else is text as it came.
 * @param {{entry: import("headwater-api").TimelineItem}} props */
const Detail = ({ entry }) => {
  const detail = entry.detail ?? "";
  if (entry.kind === "state_changed") return labelOr(`state.${detail}`, detail);
  if (entry.kind === "severity_changed") return labelOr(`sev.${detail}`, detail);
  if (entry.kind === "snoozed" && !Number.isNaN(Date.parse(detail))) return moment(detail);
  if (entry.kind === "merged") return html`<${Go} to=${`/incidents/${encodeURIComponent(detail)}`}>${detail}<//>`;
  if (entry.kind === "moved") return html`<${Go} to=${`/why/${encodeURIComponent(detail)}`}>${detail}<//>`;
  return detail;
};

/** Writing a comment without leaving the page.
 * @param {{incident: import("headwater-api").IncidentItem}} props */
const Write = ({ incident }) => {
  const [text, setText] = useState("");
  const send = async (event) => {
    event.preventDefault();
    const said = text.trim();
    if (!said) return;
    setText("");
    await act(incident, "comment", { text: said });
  };
  return html`<form class="write" onSubmit=${send}><input value=${text} maxlength="4000" placeholder=${t("inc.write")} aria-label=${t("inc.write")} onInput=${(event) => setText(event.target.value)} />
    <button type="submit" disabled=${!text.trim()}>${t("act.comment")}</button></form>`;
};

/** @param {{incident: import("headwater-api").IncidentDetail, alerts: import("headwater-api").AlertItem[], may: any}} props */
export const Timeline = ({ incident, alerts, may }) => {
  const [all, setAll] = useState(false);
  const [kind, setKind] = useState("");
  const entries = incident.timeline.filter(KINDS[kind] ?? (() => true)).reverse();
  const shown = all ? entries : entries.slice(0, SHOWN);
  const today = day(now());
  const time = (at) => (day(at) === today ? clock(at) : `${day(at)} ${hourMinute(at)}`);
  return html`<${Density} incident=${incident} alerts=${alerts} />
    <div class="tl-tools"><${Switch} label=${t("inc.timeline")} value=${kind} onChange=${setKind} choices=${["", "people", "told", "engine"].map((word) => [word, t(`inc.timeline.${word || "all"}`)])} />
      ${may && html`<${Write} incident=${incident} />`}</div>
    <ol class="timeline">${shown.map((entry, i) => html`<li key=${`${entry.at}${entry.kind}${i}`} class=${`tl-${entry.kind} ${entry.actor === SYSTEM ? "" : "person"}`}>
      <time datetime=${entry.at} title=${moment(entry.at)}>${time(entry.at)}</time><b>${entry.label}</b>
      <span>${entry.actor !== SYSTEM && html`<i>${entry.actor}</i> `}${entry.via && html`<em class="tag">${t("inc.via", { way: entry.via })}</em> `}<${Detail} entry=${entry} /></span></li>`)}</ol>
    ${entries.length > shown.length && html`<button class="more" onClick=${() => setAll(true)}>${t("show_all")} (${entries.length})</button>`}`;
};
