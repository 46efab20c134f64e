// Small charts as inline SVG: a few hundred shapes need no library.

import { html } from "./vendor/htm-preact.js";
import { count } from "./format.js";

const WIDTH = 600;
const HEIGHT = 120;

/** Stacked bars.
 * @param {{slots: {label: string, parts: [string, number][]}[], label: string, tall?: number}} props parts are `[class, n]` */
export const Bars = ({ slots, label, tall = HEIGHT }) => {
  const sums = slots.map((slot) => slot.parts.reduce((sum, [, n]) => sum + n, 0));
  const most = Math.max(1, ...sums);
  const wide = WIDTH / Math.max(1, slots.length);
  const gap = Math.min(6, wide * 0.2);
  return html`<svg class="chart bars-chart" viewBox=${`0 0 ${WIDTH} ${tall}`} preserveAspectRatio="none" role="img" aria-label=${label}>
    ${[0.25, 0.5, 0.75, 1].map((share) => html`<path key=${share} class="rule" d=${`M0 ${tall - share * (tall - 6)}H${WIDTH}`} />`)}
    ${slots.map((slot, i) => {
      let below = 0;
      return html`<g key=${i}><title>${`${slot.label}  ${slot.parts.map(([word, n]) => `${slot.parts.length > 1 ? `${word} ` : ""}${count(n)}`).join(", ")}`}</title>
        <rect class="hit" x=${i * wide} width=${wide} y="0" height=${tall} />
        ${slot.parts.map(([word, n]) => {
          const height = (n / most) * (tall - 6);
          below += height;
          return n > 0 && html`<rect key=${word} class=${`k-${word}`} x=${i * wide + gap / 2} width=${Math.max(1, wide - gap)} y=${tall - below} height=${height} />`;
        })}</g>`;
    })}</svg>`;
};

/** A line with the area below it.
 * @param {{values: number[], label: string, kind?: string}} props */
export const Spark = ({ values, label, kind = "all" }) => {
  const most = Math.max(1, ...values);
  const step = WIDTH / Math.max(1, values.length - 1);
  const points = values.map((n, i) => `${(i * step).toFixed(1)} ${(60 - (n / most) * 54).toFixed(1)}`);
  if (points.length < 2) return html`<svg class="spark" viewBox=${`0 0 ${WIDTH} 60`} aria-hidden="true"></svg>`;
  return html`<svg class="spark" viewBox=${`0 0 ${WIDTH} 60`} preserveAspectRatio="none" role="img" aria-label=${label}>
    <path class=${`area k-${kind}`} d=${`M0 60L${points.join("L")}L${WIDTH} 60Z`} /><path class=${`line s-${kind}`} d=${`M${points.join("L")}`} /></svg>`;
};

/** A share as a ring.
 * @param {{share: number|null, label: string}} props */
export const Ring = ({ share, label }) => {
  const length = 2 * Math.PI * 42;
  return html`<svg class="ring" viewBox="0 0 100 100" role="img" aria-label=${label}><circle class="back" cx="50" cy="50" r="42" />
    <circle class="front" cx="50" cy="50" r="42" stroke-dasharray=${`${(share ?? 0) * length} ${length}`} transform="rotate(-90 50 50)" /></svg>`;
};
