// How many alerts of an incident began when, with marks for what people did and who was told. A part can be chosen with the
// pointer, or with the buttons below; what stands under the picture then tells of that part only.

import { html, useMemo, useRef, useState } from "./vendor/htm-preact.js";
import { clock, count, day, moment, span } from "./format.js";
import { t } from "./i18n.js";
import { SEVERITIES } from "./overview.js";

const WIDTH = 720;
const HEIGHT = 74;
const BINS = 72;
const MARKS = 80;
/** The shortest part, a tenth of a second a bar. */
const LEAST_MS = BINS * 100;
/** A shorter stroke of the pointer is a click. */
const STROKE = 0.01;

/** @typedef {{from: number, to: number}} Span */

/** From when to when the picture goes when all of it is shown.
 * @param {import("headwater-api").IncidentDetail} incident @param {import("headwater-api").AlertItem[]} alerts @returns {Span} */
function whole(incident, alerts) {
  const times = alerts.map((alert) => Date.parse(alert.first_seen));
  const from = Math.min(Date.parse(incident.first_alert_at), ...(times.length ? [times.reduce((a, b) => Math.min(a, b))] : []));
  const to = Date.parse(incident.closed_at ?? incident.updated_at);
  return { from, to: Math.max(from + 10_000, to) };
}

/** How long a bar is.
 * @param {number} ms */
const bar = (ms) => (ms < 1000 ? `${(ms / 1000).toFixed(1)} s` : span(ms));

/** A part that lies inside of all, and is no shorter than can be shown; null when it is all.
 * @param {Span} part @param {Span} all @returns {Span|null} */
function inside(part, all) {
  const long = Math.max(part.to - part.from, Math.min(LEAST_MS, all.to - all.from));
  if (long >= all.to - all.from) return null;
  const from = Math.min(Math.max(part.from, all.from), all.to - long);
  return { from, to: from + long };
}

/** Alerts per bin and severity; the worst is drawn at the bottom.
 * @param {import("headwater-api").AlertItem[]} alerts @param {Span} part */
function density(alerts, { from, to }) {
  const bins = Array.from({ length: BINS }, () => new Array(SEVERITIES.length).fill(0));
  for (const alert of alerts) {
    const at = Date.parse(alert.first_seen);
    if (at < from || at > to) continue;
    const bin = Math.min(BINS - 1, Math.floor(((at - from) / (to - from)) * BINS));
    bins[bin][Math.max(0, SEVERITIES.indexOf(alert.severity))]++;
  }
  return bins;
}

/** @param {{bins: number[][], shown: Span, most: number, base: number}} props */
const Bars = ({ bins, shown, most, base }) => {
  const wide = WIDTH / BINS;
  return html`${bins.map((bin, i) => {
    const sum = bin.reduce((a, b) => a + b, 0);
    let below = 0;
    return sum > 0 && html`<g key=${i}><title>${`${clock(shown.from + (i / BINS) * (shown.to - shown.from))} · ${t("reach.alerts", { n: count(sum) })}`}</title>
      ${bin.map((n, severity) => {
        const height = n && Math.max(1.5, (n / most) * (base - 4));
        below += height;
        return n > 0 && html`<rect key=${severity} class=${`k-${SEVERITIES[severity]}`} x=${i * wide + 0.5} width=${wide - 1} y=${base - below} height=${height} />`;
      })}</g>`;
  })}`;
};

/** The pointer's stroke over the picture: from and to, as shares of its width.
 * @param {(from: number, to: number) => void} onChoose */
function useStroke(onChoose) {
  const [stroke, set] = useState(/** @type {[number, number]|null} */ (null));
  const began = useRef(0);
  const share = (event) => {
    const box = event.currentTarget.getBoundingClientRect();
    return Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
  };
  const down = (event) => { if (event.button) return; began.current = share(event); event.currentTarget.setPointerCapture(event.pointerId); set([began.current, began.current]); };
  const move = (event) => { if (stroke) set([began.current, share(event)]); };
  const up = (event) => {
    if (!stroke) return;
    const ends = [began.current, share(event)].sort((a, b) => a - b);
    set(null);
    if (ends[1] - ends[0] >= STROKE) onChoose(ends[0], ends[1]);
  };
  return { stroke, down, move, up, drop: () => set(null) };
}

/** `part` is what is shown, null for all; `told` says which entries tell somebody, `system` who is no person.
 * @param {{incident: import("headwater-api").IncidentDetail, alerts: import("headwater-api").AlertItem[], part: Span|null, onPart: (part: Span|null) => void,
 *   told: (entry: import("headwater-api").TimelineItem) => boolean, system: string}} props */
export const Density = ({ incident, alerts, part, onPart, told, system }) => {
  const all = useMemo(() => whole(incident, alerts), [incident, alerts]);
  const shown = part ?? all;
  const long = shown.to - shown.from;
  const bins = useMemo(() => density(alerts, shown), [alerts, shown.from, shown.to]);
  const sums = bins.map((bin) => bin.reduce((a, b) => a + b, 0));
  const base = HEIGHT - 16;
  const { stroke, down, move, up, drop } = useStroke((from, to) => onPart(inside({ from: shown.from + from * long, to: shown.from + to * long }, all)));
  const x = (at) => Math.min(WIDTH - 4, Math.max(4, ((Date.parse(at) - shown.from) / long) * WIDTH));
  const lies = (at) => Date.parse(at) >= shown.from && Date.parse(at) <= shown.to;
  const marks = incident.timeline.filter((entry) => (entry.actor !== system || told(entry)) && lies(entry.at)).slice(-MARKS);
  const recovered = incident.recovered_at && Date.parse(incident.recovered_at) < shown.to ? Math.max(0, ((Date.parse(incident.recovered_at) - shown.from) / long) * WIDTH) : null;
  const by = (scale, shift = 0) => () => {
    const [middle, half] = [(shown.from + shown.to) / 2 + shift * long, (long * scale) / 2];
    onPart(inside({ from: middle - half, to: middle + half }, all));
  };
  const button = (word, sign, act, off) => html`<button class="icon" data-zoom=${word} onClick=${act} disabled=${off} title=${t(`inc.density.${word}`)} aria-label=${t(`inc.density.${word}`)}>${sign}</button>`;
  return html`<svg class="density" viewBox=${`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" role="img" aria-label=${t("inc.density", { n: count(alerts.length) })}
      onPointerDown=${down} onPointerMove=${move} onPointerUp=${up} onPointerCancel=${drop}>
    ${recovered !== null && html`<rect class="calm" x=${recovered} y="0" width=${WIDTH - recovered} height=${base} />`}
    <path class="base" d=${`M0 ${base}H${WIDTH}`} /><${Bars} bins=${bins} shown=${shown} most=${Math.max(1, ...sums)} base=${base} />
    ${marks.map((entry, i) => html`<g key=${i} class=${told(entry) ? "note" : "person"}><title>${`${clock(entry.at)} ${entry.label} ${entry.actor === system ? "" : entry.actor} ${entry.detail ?? ""}`}</title>
      <path class="stem" d=${`M${x(entry.at)} 2V${base}`} /><circle cx=${x(entry.at)} cy=${HEIGHT - 8} r="4" /></g>`)}
    ${stroke && html`<rect class="stroke" x=${Math.min(...stroke) * WIDTH} y="0" width=${Math.abs(stroke[1] - stroke[0]) * WIDTH} height=${HEIGHT} />`}
  </svg>
  <p class="tl-ends"><time>${moment(shown.from)}</time>
    <span class="zoom" role="group" aria-label=${t("inc.density.zoom")}><span class="dim">${t("inc.density.most", { n: count(Math.max(...sums)), t: bar(long / BINS) })}</span>
      ${button("earlier", "◀", by(1, -0.5), !part || shown.from <= all.from)}${button("in", "＋", by(0.5), long <= Math.min(LEAST_MS, all.to - all.from))}${button("out", "－", by(2), !part)}${button("later", "▶", by(1, 0.5), !part || shown.to >= all.to)}
      ${part && html`<button data-zoom="all" onClick=${() => onPart(null)}>${t("inc.density.all")}</button>`}</span>
    <time>${day(shown.to) === day(shown.from) ? clock(shown.to) : moment(shown.to)}</time></p>`;
};
