// The topology of an incident in layers. Positions come from the server; the library is loaded when first needed.

import { html, useEffect, useRef, useState } from "./vendor/htm-preact.js";
import { call } from "./api.js";
import { likelihood } from "./format.js";
import { say, t } from "./i18n.js";
import { Empty, Go, Panel, Severity } from "./parts.js";
import { className, relationName } from "./vocabulary.js";

/** CIs drawn one by one until the viewer wants all. */
const FEW = 36;
const ALL = 300;
/** Room around the outermost nodes, in drawing units. */
const MARGIN = { x: 110, y: 48 };
const SHAPES = { critical: "triangle", major: "diamond", minor: "rectangle", warning: "ellipse", indeterminate: "ellipse" };

const library = () => import("./vendor/cytoscape.js").then((module) => module.default);

function styles() {
  const css = getComputedStyle(document.documentElement);
  const color = (name) => css.getPropertyValue(`--${name}`).trim();
  const severity = (word) => ({ selector: `node[severity="${word}"]`, style: { "background-color": color(word), shape: SHAPES[word] } });
  const state = (word, style) => ({ selector: `node[state="${word}"]`, style });
  return [
    { selector: "node", style: {
      width: 30, height: 30, "background-color": color("line-strong"), label: "data(label)", color: color("text"), "font-size": 18,
      "font-family": "system-ui, sans-serif", "text-valign": "bottom", "text-margin-y": 6, "text-max-width": 148, "text-wrap": "ellipsis",
      "text-outline-color": color("panel"), "text-outline-width": 3, "border-width": 0, "min-zoomed-font-size": 6, "z-index": 5 } },
    ...Object.keys(SHAPES).map(severity),
    state("quiet", { width: 20, height: 20, shape: "ellipse", color: color("dim") }),
    state("resolved", { "background-color": color("panel"), "border-width": 3, "border-color": color("good"), shape: "ellipse", color: color("dim") }),
    state("redundant", { width: 24, height: 24, "background-color": color("panel"), "border-width": 3, "border-style": "dashed", "border-color": color("minor"), shape: "ellipse", color: color("dim") }),
    { selector: "node[count > 1]", style: { width: 46, height: 46, "border-style": "double", "border-width": 6, "border-color": color("panel"), "text-max-width": 200 } },
    { selector: "node[?is_root]", style: { width: 46, height: 46, "border-width": 6, "border-color": color("accent"), "font-weight": 700, "font-size": 21, "text-max-width": 320, color: color("text"), "z-index": 9 } },
    { selector: "node[state='inferred']", style: { "background-color": color("panel"), "border-style": "dashed", shape: "ellipse" } },
    { selector: "node:selected", style: { "overlay-color": color("accent"), "overlay-opacity": 0.2, "overlay-padding": 8 } },
    { selector: "edge", style: { width: 1, "line-color": color("line-strong"), "curve-style": "bezier", "target-arrow-shape": "triangle",
      "target-arrow-color": color("line-strong"), "arrow-scale": 0.8, opacity: 0.45 } },
    { selector: 'edge[kind="spread"]', style: { width: 3, "line-color": color("critical"), "target-arrow-color": color("critical"), opacity: 0.85 } },
    // Between neighbours of one row a straight line would run through those in between.
    { selector: "edge.flat", style: { "curve-style": "unbundled-bezier", "control-point-distances": [-44], "control-point-weights": [0.5] } },
    { selector: "node.band", style: { width: "data(w)", height: "data(h)", shape: "rectangle", "background-color": color("raised"), "background-opacity": 0.75,
      "border-width": 0, "z-compound-depth": "bottom", color: color("dim"), "font-size": 17, "text-valign": "top", "text-halign": "right", "text-margin-x": "data(shift)",
      "text-margin-y": 22, "text-max-width": 300, "text-outline-width": 0, "font-weight": 600, events: "no" } },
    { selector: "node.band.odd", style: { "background-opacity": 0.3 } },
  ];
}

/** The layers behind the nodes, from edge to edge. */
function bands(graph) {
  const width = graph.width + 2 * MARGIN.x;
  return graph.layers.map((band, i) => {
    const height = band.bottom - band.top + 2 * MARGIN.y + 22;
    return {
      data: { id: `layer:${band.layer}`, label: say(band.label), w: width, h: height, shift: -width + 4 },
      position: { x: graph.width / 2, y: (band.top + band.bottom) / 2 + 6 }, group: "nodes", selectable: false, classes: i % 2 ? "band odd" : "band" };
  });
}

const label = (node) => (node.outside ? t("ci.outside") : node.count > 1 || !node.name ? `${className(node.class)} × ${node.count}` : node.name);

/** Whether an edge joins two nodes of one row. */
function isFlat(graph, edge) {
  const y = (id) => graph.nodes.find((node) => node.id === id)?.y;
  return y(edge.source) === y(edge.target);
}

const elements = (graph) => [
  ...bands(graph),
  ...graph.nodes.map(({ x, y, ...node }) => ({ data: { ...node, label: label(node) }, position: { x, y }, group: "nodes" })),
  ...graph.edges.map((edge) => ({ data: { id: `${edge.source}→${edge.target}`, ...edge }, group: "edges", classes: isFlat(graph, edge) ? "flat" : "" })),
];

/** What the picked node is, in words. */
const Picked = ({ node, graph, onMembers, onClose }) => {
  const name = (id) => { const other = graph.nodes.find((one) => one.id === id); return other ? label(other) : id; };
  const from = graph.edges.filter((edge) => edge.target === node.id && edge.kind === "spread");
  return html`<div class="picked" role="status">
    <header><b>${label(node)}</b><button class="icon" onClick=${onClose} aria-label=${t("close")}>✕</button></header>
    <p>${node.severity && node.on_alert > 0 && html`<${Severity} of=${node.severity} label /> `}${className(node.class)} · ${t(`graph.state.${node.state}`)}</p>
    ${node.on_alert > 0 && html`<p>${t("graph.firing", { n: node.on_alert })}</p>`}
    ${node.score > 0 && html`<p>${t("graph.score", { p: likelihood(node.score) })}</p>`}
    ${from.map((edge) => html`<p key=${edge.source} class="dim">← ${name(edge.source)} · ${relationName(edge.relation)}</p>`)}
    ${node.count === 1 && !node.outside && html`<p class="links"><button onClick=${() => onMembers(node)}>${t("graph.members")}</button>
      <${Go} to=${`/topology/${encodeURIComponent(node.id)}`}>${t("graph.ci")}<//></p>`}
  </div>`;
};

/** Draws into `box`; returns the drawing. */
async function draw(box, graph, onPick) {
  const cytoscape = await library();
  const coarse = matchMedia("(pointer: coarse)").matches;
  const drawing = cytoscape({ container: box, elements: elements(graph), style: styles(), layout: { name: "preset" },
    minZoom: 0.12, maxZoom: 2.5, autoungrabify: true, boxSelectionEnabled: false,
    // The wheel and a finger scroll the page; buttons and two fingers work the picture.
    userZoomingEnabled: coarse, userPanningEnabled: !coarse });
  drawing.on("tap", (event) => onPick(event.target === drawing || event.target.isEdge?.() ? null : event.target.data()));
  fit(drawing);
  return drawing;
}

function fit(drawing) {
  drawing.fit(undefined, 12);
  // Two nodes should not be blown up to the whole panel.
  if (drawing.zoom() > 1) { drawing.zoom(1); drawing.center(); }
}

const Legend = () => html`<span class="legend">
  ${["root", "alerting", "inferred", "resolved", "redundant", "quiet", "spread"].map((word) => html`
    <span key=${word}><i class=${`l-${word}`}></i>${t(`graph.legend.${word}`)}</span>`)}</span>`;

export const Graph = ({ id, version, onMembers }) => {
  const [graph, set] = useState(/** @type {any} */ (null));
  const [wide, setWide] = useState(false);
  const [whole, setWhole] = useState(false);
  const [picked, setPicked] = useState(null);
  const [failed, setFailed] = useState("");
  const box = useRef(null);
  const drawn = useRef(/** @type {any} */ (null));
  const path = `/api/v1/incidents/${encodeURIComponent(id)}/graph?nodes=${wide ? ALL : FEW}`;
  const load = () => call(path).then((found) => { set(found); setFailed(""); }, (failure) => setFailed(failure.message));
  useEffect(() => { load(); }, [path, version]);
  useEffect(() => {
    if (!graph?.nodes.length) return undefined;
    let alive = true;
    draw(box.current, graph, (node) => alive && setPicked(node)).then((drawing) => {
      if (!alive) { drawing.destroy(); return; }
      drawn.current?.destroy();
      drawn.current = drawing;
    });
    const repaint = () => drawn.current?.style(styles());
    addEventListener("theme", repaint);
    return () => { alive = false; removeEventListener("theme", repaint); };
  }, [graph]);
  useEffect(() => () => drawn.current?.destroy(), []);
  useEffect(() => { if (drawn.current) { drawn.current.resize(); fit(drawn.current); } }, [whole]);
  const zoom = (by) => () => {
    const drawing = drawn.current;
    drawing?.zoom({ level: drawing.zoom() * by, renderedPosition: { x: drawing.width() / 2, y: drawing.height() / 2 } });
  };
  const tools = graph?.nodes.length > 0 && html`
    ${(graph.aggregated || wide) && html`<button aria-pressed=${wide} onClick=${() => setWide(!wide)}>${t(wide ? "graph.few" : "graph.all", { n: graph.total })}</button>`}
    <button class="icon" onClick=${zoom(1.35)} aria-label=${t("graph.in")} title=${t("graph.in")}>＋</button>
    <button class="icon" onClick=${zoom(0.74)} aria-label=${t("graph.out")} title=${t("graph.out")}>－</button>
    <button onClick=${() => drawn.current && fit(drawn.current)}>${t("graph.fit")}</button>
    <button aria-pressed=${whole} onClick=${() => setWhole(!whole)}>${t(whole ? "graph.small" : "graph.large")}</button>`;
  return html`<${Panel} title=${t("inc.graph")} aside=${tools} kind=${`graph ${whole ? "whole" : ""}`}>
    ${failed ? html`<${Empty} text=${failed} onRetry=${load} />` : graph && !graph.nodes.length && html`<${Empty} text=${t("graph.none")} />`}
    <div class="canvas" ref=${box} role="img" aria-label=${graph ? t("graph.label", { n: graph.total }) : t("loading")} data-nodes=${graph?.nodes.length ?? ""}></div>
    ${picked && graph && html`<${Picked} node=${picked} graph=${graph} onMembers=${onMembers} onClose=${() => { drawn.current?.elements().unselect(); setPicked(null); }} />`}
    <footer><${Legend} />${graph?.aggregated && html`<span class="dim">${t("graph.aggregated", { n: graph.total })}</span>`}</footer><//>`;
};
