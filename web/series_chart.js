// One series of metric points: what came, what was expected, the band in which readings usually lie, how unusual each
// reading was, and when alerts came of it. The library is loaded when the first chart is looked at.

import { html, useEffect, useRef, useState } from "./vendor/htm-preact.js";
import { clock, day, hourMinute, moment } from "./format.js";
import { t } from "./i18n.js";

const TALL = 190;
const SCORE_TALL = 78;
const DAY_SECS = 86_400;
/** From this score on a reading is worth telling. */
const BAR = 285;
/** Room for the numbers at the left, the same in both pictures. */
const NUMBERS_PX = 62;

/** @type {Promise<any>|undefined} */
let library;

/** The library with its style sheet. */
function load() {
  library ??= Promise.all([import("./vendor/uplot.js"), new Promise((resolve) => {
    const link = document.createElement("link");
    link.rel = "stylesheet";
    link.href = "/assets/vendor/uplot.css";
    link.onload = link.onerror = resolve;
    document.head.append(link);
  })]).then(([module]) => module.default);
  return library;
}

/** A number as short as it stays true.
 * @param {number} n */
export const figure = (n) => (Math.abs(n) >= 1000 ? n.toLocaleString("en-US", { maximumFractionDigits: 0 }) : Number(n.toPrecision(4)).toString());

const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

/** Times below a picture: the day where it changes or the span is long.
 * @param {number[]} all */
function times(all) {
  const far = all.length > 1 && all[all.length - 1] - all[0] > DAY_SECS;
  const near = all.length > 1 && all[1] - all[0] < 60;
  return all.map((at) => (far ? `${day(at * 1000)} ${hourMinute(at * 1000)}` : near ? clock(at * 1000) : hourMinute(at * 1000)));
}

/** Where the series was unusual, when alerts came of it and when a level that stayed was accepted, behind and before the lines. */
function marks(state) {
  const x = (plot, at) => plot.valToPos(at, "x", true);
  const behind = (plot) => {
    const { ctx, bbox } = plot;
    const [at, unusual] = [plot.data[0], state.unusual];
    ctx.save();
    ctx.fillStyle = `${color("critical")}30`;
    for (let i = 0; i < at.length; i++) {
      if (!unusual[i]) continue;
      const left = x(plot, i ? (at[i - 1] + at[i]) / 2 : at[i]);
      const right = x(plot, i + 1 < at.length ? (at[i] + at[i + 1]) / 2 : at[i]);
      if (right > bbox.left && left < bbox.left + bbox.width) ctx.fillRect(Math.max(left, bbox.left), bbox.top, Math.max(2, Math.min(right, bbox.left + bbox.width) - Math.max(left, bbox.left)), bbox.height);
    }
    ctx.restore();
  };
  const before = (plot) => {
    const { ctx, bbox } = plot;
    ctx.save();
    ctx.lineWidth = 2 * devicePixelRatio;
    ctx.setLineDash([6 * devicePixelRatio, 4 * devicePixelRatio]);
    for (const [mark, name] of [...state.marks.map((one) => [one, "critical"]), ...state.settled.map((one) => [one, "good"])]) {
      const left = x(plot, mark);
      if (left < bbox.left || left > bbox.left + bbox.width) continue;
      ctx.strokeStyle = color(name);
      ctx.beginPath();
      ctx.moveTo(left, bbox.top);
      ctx.lineTo(left, bbox.top + bbox.height);
      ctx.stroke();
    }
    ctx.restore();
  };
  return { drawAxes: [behind], draw: [before] };
}

/** What both pictures share. */
function shared(width, key) {
  const axis = { stroke: color("dim"), font: "12px system-ui, sans-serif", grid: { stroke: color("line"), width: 1 }, ticks: { stroke: color("line"), width: 1, size: 4 } };
  return { axis, base: { width, legend: { show: false }, padding: [8, 10, 0, 0], cursor: { y: false, sync: { key, setSeries: false } } } };
}

/** The readings. */
function readings(width, key, state, onAt) {
  const { axis, base } = shared(width, key);
  const line = (stroke, more = {}) => ({ stroke, width: 1.5, points: { show: false }, ...more });
  return { ...base, height: TALL, hooks: { ...marks(state), setCursor: [(plot) => onAt(plot.cursor.idx ?? -1)] },
    axes: [{ ...axis, size: 34, values: (_, all) => times(all) }, { ...axis, size: NUMBERS_PX, values: (_, all) => all.map(figure) }],
    bands: [{ series: [2, 1], fill: `${color("accent")}2e` }],
    series: [{}, line("transparent"), line("transparent"), line(color("accent"), { dash: [5, 4] }), line(color("text"), { width: 2 })] };
}

/** The scores below them. */
function scores(uPlot, width, key) {
  const { axis, base } = shared(width, key);
  const bars = (fill) => ({ fill, stroke: fill, width: 0, paths: uPlot.paths.bars({ size: [0.9, 40] }), points: { show: false } });
  return { ...base, height: SCORE_TALL, padding: [6, 10, 4, 0], scales: { y: { range: [0, 1000] } },
    axes: [{ ...axis, show: false }, { ...axis, size: NUMBERS_PX, splits: () => [0, BAR, 1000] }],
    series: [{}, bars(color("minor")), bars(color("critical")), { stroke: color("line-strong"), dash: [3, 4], width: 1, points: { show: false } }] };
}

const columns = (samples) => {
  const at = samples.map((one) => Date.parse(one.at) / 1000);
  const of = (key) => samples.map((one) => one[key]);
  return [[at, of("low"), of("high"), of("expected"), of("value")],
    [at, samples.map((one) => (one.unusual ? null : one.score)), samples.map((one) => (one.unusual ? one.score : null)), samples.map(() => BAR)]];
};

let made = 0;

/** `marks` are moments to point at, such as the begin of alerts.
 * @param {{samples: {at: string, value: number, expected: number, low: number, high: number, score: number, by: string, unusual: boolean, settled: boolean}[], label: string, marks?: string[]}} props */
export const SeriesChart = ({ samples, label, marks: pointed = [] }) => {
  const box = useRef(/** @type {HTMLDivElement|null} */ (null));
  const kept = useRef(/** @type {any} */ ({ plots: [], state: { marks: [], settled: [], unusual: [] } }));
  const [at, setAt] = useState(-1);
  const [theme, bump] = useState(0);
  const enough = samples.length > 1;
  kept.current.state.unusual = samples.map((one) => one.unusual);
  kept.current.state.settled = samples.filter((one) => one.settled).map((one) => Date.parse(one.at) / 1000);
  // What began after the last reading came of it.
  const last = Date.parse(samples.at(-1)?.at ?? "") / 1000;
  kept.current.state.marks = pointed.map((one) => Math.min(Date.parse(one) / 1000, last));
  const fill = () => { const all = columns(samples); kept.current.plots.forEach((plot, i) => plot.setData(all[i])); if (box.current) box.current.dataset.drawn = String(samples.length); };
  useEffect(() => {
    const again = () => bump((n) => n + 1);
    addEventListener("theme", again);
    return () => removeEventListener("theme", again);
  }, []);
  useEffect(() => {
    if (!enough) return undefined;
    let alive = true;
    const own = kept.current;
    const fit = new ResizeObserver(() => { const width = box.current?.clientWidth; if (width) own.plots.forEach((plot) => plot.setSize({ width, height: plot.height })); });
    load().then((uPlot) => {
      if (!alive || !box.current) return;
      const key = `series-${made++}`;
      const width = box.current.clientWidth || 600;
      const [values, scored] = columns(samples);
      own.plots = [new uPlot(readings(width, key, own.state, setAt), values, box.current), new uPlot(scores(uPlot, width, key), scored, box.current)];
      box.current.dataset.drawn = String(samples.length);
      fit.observe(box.current);
    });
    return () => { alive = false; fit.disconnect(); own.plots.forEach((plot) => plot.destroy()); own.plots = []; };
  }, [enough, theme]);
  useEffect(fill, [samples]);
  if (!enough) return html`<p class="dim">${t("series.few")}</p>`;
  const shown = samples[at] ?? samples[samples.length - 1];
  return html`<div class="series"><div class="series-chart" ref=${box} role="img" aria-label=${label}></div>
    <p class=${`series-at ${shown.unusual ? "bad" : "dim"}`}>${t("series.at", { t: moment(shown.at), value: figure(shown.value), expected: figure(shown.expected), low: figure(shown.low), high: figure(shown.high), score: shown.score, by: t(`series.by.${shown.by}`) })}${shown.settled && ` · ${t("series.settled")}`}</p></div>`;
};

/** What the marks of a chart mean. */
export const SeriesLegend = () => html`<p class="legend">${["value", "expected", "band", "unusual", "score", "alert", "settled"].map((word) => html`<span key=${word}><i class=${`sl-${word}`}></i>${t(`series.legend.${word}`)}</span>`)}</p>`;
