// The topology of an incident in layers. Positions come from the server; the library is loaded when first needed.

import { html, useEffect, useRef, useState } from "./vendor/htm-preact.js";
import { call, query } from "./api.js";
import { likelihood } from "./format.js";
import { onKey } from "./graph_keys.js";
import { say, t } from "./i18n.js";
import { Empty, Go, Panel, Severity } from "./parts.js";
import { className, relationName } from "./vocabulary.js";

/** CIs drawn one by one until the viewer wants all. */
const FEW = 36;
const ALL = 2000;
/** Larger pictures are drawn plainer, so that they stay quick. */
const LARGE = 350;
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
    { selector: "node[count > 1]", style: { width: 46, height: 46, "border-style": "double", "border-width": 7, "border-color": color("line-strong"), "text-max-width": 200 } },
    { selector: "node[count > 1][state='resolved']", style: { "border-color": color("good") } },
    { selector: "node[?is_root]", style: { width: 46, height: 46, "border-width": 6, "border-color": color("accent"), "font-weight": 700, "font-size": 21, "text-max-width": 320, color: color("text"), "z-index": 9 } },
    { selector: "node[state='inferred']", style: { "background-color": color("panel"), "border-style": "dashed", shape: "ellipse" } },
    { selector: "node:selected", style: { "overlay-color": color("accent"), "overlay-opacity": 0.2, "overlay-padding": 8 } },
    { selector: "edge", style: { width: 1, "line-color": color("line-strong"), "curve-style": "bezier", "target-arrow-shape": "triangle",
      "target-arrow-color": color("line-strong"), "arrow-scale": 0.8, opacity: 0.45 } },
    { selector: 'edge[kind="spread"]', style: { width: 3, "line-color": color("critical"), "target-arrow-color": color("critical"), opacity: 0.85 } },
    // Between neighbours of one row a straight line would run through those in between.
    { selector: "edge.flat", style: { "curve-style": "unbundled-bezier", "control-point-distances": [-44], "control-point-weights": [0.5] } },
    { selector: "edge.plain", style: { "curve-style": "haystack", "target-arrow-shape": "none", opacity: 0.25 } },
    { selector: 'edge.plain[kind="spread"]', style: { opacity: 0.9 } },
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

function elements(graph) {
  const rows = new Map(graph.nodes.map((node) => [node.id, node.y]));
  const large = graph.nodes.length > LARGE;
  const kind = (edge) => (large ? "plain" : rows.get(edge.source) === rows.get(edge.target) ? "flat" : "");
  return [
    ...bands(graph),
    ...graph.nodes.map(({ x, y, ...node }) => ({ data: { ...node, label: label(node) }, position: { x, y }, group: "nodes" })),
    ...graph.edges.map((edge) => ({ data: { id: `${edge.source}→${edge.target}`, ...edge }, group: "edges", classes: kind(edge) })),
  ];
}

/** What a picture consists of: the same consists only changes its colours. */
const shape = (graph) => graph.nodes.map((node) => `${node.id}@${node.x},${node.y}`).join(" ") + graph.edges.length;

/** What the picked node is, in words.
 * @param {{node: import("headwater-api").Node, graph: import("headwater-api").Graph, onMembers: any, onExpand: any, onClose: any}} props */
const Picked = ({ node, graph, onMembers, onExpand, onClose }) => {
  const name = (id) => { const other = graph.nodes.find((one) => one.id === id); return other ? label(other) : id; };
  const from = graph.edges.filter((edge) => edge.target === node.id && edge.kind === "spread");
  return html`<div class="picked" role="status">
    <header><b>${label(node)}</b><button class="icon" onClick=${onClose} aria-label=${t("close")}>✕</button></header>
    <p>${node.severity && node.on_alert > 0 && html`<${Severity} of=${node.severity} label /> `}${className(node.class)} · ${t(`graph.state.${node.state}`)}</p>
    ${node.on_alert > 0 && html`<p>${t("graph.firing", { n: node.on_alert })}</p>`}
    ${node.score > 0 && html`<p>${t("graph.score", { p: likelihood(node.score) })}</p>`}
    ${from.map((edge) => html`<p key=${edge.source} class="dim">← ${name(edge.source)} · ${relationName(edge.relation)}</p>`)}
    ${node.count === 1 && !node.outside && html`<p class="links">${onMembers && html`<button onClick=${() => onMembers(node)}>${t("graph.members")}</button>`}
      ${onExpand && html`<button data-expand onClick=${() => onExpand(node)}>${t("graph.expand")}</button>`}
      <${Go} to=${`/topology/${encodeURIComponent(node.id)}`}>${t("graph.ci")}<//></p>`}
  </div>`;
};

/** Draws into `box`; returns the drawing. */
async function draw(box, graph, onPick) {
  const cytoscape = await library();
  const large = graph.nodes.length > LARGE;
  const coarse = matchMedia("(pointer: coarse)").matches;
  const drawing = cytoscape({ container: box, elements: elements(graph), style: styles(), layout: { name: "preset" },
    minZoom: 0.04, maxZoom: 2.5, autoungrabify: true, boxSelectionEnabled: false, hideEdgesOnViewport: large, textureOnViewport: large, ...(large ? { pixelRatio: 1 } : {}),
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

/** Where to zoom: at what is picked, while it is in sight, else in the middle. */
function aim(drawing) {
  const [wide, high, picked] = [drawing.width(), drawing.height(), drawing.$("node:selected")];
  const at = picked.nonempty() && picked[0].renderedPosition();
  return at && at.x >= 0 && at.y >= 0 && at.x <= wide && at.y <= high ? at : { x: wide / 2, y: high / 2 };
}

const Legend = ({ centre }) => html`<span class="legend">
  ${(centre ? ["self", "alerting", "redundant", "quiet"] : ["root", "alerting", "inferred", "resolved", "redundant", "quiet", "spread"]).map((word) => html`
    <span key=${word}><i class=${`l-${word === "self" ? "root" : word}`}></i>${t(`graph.legend.${word}`)}</span>`)}</span>`;

/** A drawing in a box, drawn again when the picture has other parts, else only coloured anew.
 * @param {any} graph @param {(node: any) => void} onPick */
function useDrawing(graph, onPick) {
  const box = useRef(null);
  const drawn = useRef(/** @type {any} */ (null));
  const known = useRef("");
  useEffect(() => {
    if (!graph?.nodes.length) return undefined;
    const now = shape(graph);
    let alive = true;
    if (drawn.current && known.current === now) {
      drawn.current.batch(() => graph.nodes.forEach(({ x, y, ...node }) => drawn.current.getElementById(node.id).data({ ...node, label: label(node) })));
    } else {
      draw(box.current, graph, onPick).then((drawing) => {
        if (!alive) { drawing.destroy(); return; }
        drawn.current?.$("node:selected").forEach((node) => drawing.getElementById(node.id()).select());
        drawn.current?.destroy();
        drawn.current = drawing;
        known.current = now;
        if (box.current) /** @type {any} */ (box.current).dataset.drawn = String(graph.nodes.length);
      });
    }
    const repaint = () => drawn.current?.style(styles());
    addEventListener("theme", repaint);
    return () => { alive = false; removeEventListener("theme", repaint); };
  }, [graph]);
  useEffect(() => () => drawn.current?.destroy(), []);
  return { box, drawn };
}

/** A graph that the API has given positions to. `load` reads it again; further `tools` stand before the zoom.
 * @param {{title: string, graph: any, failed: string, load: () => void, tools?: any, note?: any, onMembers?: (node: any) => void, onExpand?: (node: any) => void, centre?: boolean}} props */
export const Drawn = ({ title, graph, failed, load, tools = null, note = null, onMembers = undefined, onExpand = undefined, centre = false }) => {
  const [whole, setWhole] = useState(false);
  const [picked, setPicked] = useState(/** @type {any} */ (null));
  const { box, drawn } = useDrawing(graph, setPicked);
  useEffect(() => { if (drawn.current) { drawn.current.resize(); fit(drawn.current); } }, [whole]);
  useEffect(() => {
    if (!whole) return undefined;
    const leave = (event) => { if (event.key === "Escape") { event.stopPropagation(); setWhole(false); } };
    addEventListener("keydown", leave, true);
    return () => removeEventListener("keydown", leave, true);
  }, [whole]);
  const zoom = (by) => {
    const drawing = drawn.current;
    drawing?.zoom({ level: drawing.zoom() * by, renderedPosition: aim(drawing) });
  };
  const press = (event) => {
    if (!drawn.current || event.ctrlKey || event.metaKey || event.altKey) return;
    // It stays picked, so that the arrows go on from there.
    const expand = onExpand && ((node) => { if (node.count === 1 && !node.outside) onExpand(node); });
    if (!onKey(drawn.current, event.key, { zoom, fit: () => fit(drawn.current), pick: setPicked, expand })) return;
    event.preventDefault();
    event.stopPropagation();
  };
  const aside = graph?.nodes.length > 0 && html`${tools}
    <button class="icon" onClick=${() => zoom(1.35)} aria-label=${t("graph.in")} title=${t("graph.in")}>＋</button>
    <button class="icon" onClick=${() => zoom(0.74)} aria-label=${t("graph.out")} title=${t("graph.out")}>－</button>
    <button onClick=${() => drawn.current && fit(drawn.current)}>${t("graph.fit")}</button>
    <button aria-pressed=${whole} onClick=${() => setWhole(!whole)}>${t(whole ? "graph.small" : "graph.large")}</button>`;
  const close = () => { drawn.current?.elements().unselect(); setPicked(null); };
  return html`<${Panel} title=${title} aside=${aside} kind=${`graph ${whole ? "whole" : ""}`}>
    ${failed ? html`<${Empty} text=${failed} onRetry=${load} />` : graph && !graph.nodes.length && html`<${Empty} text=${t("graph.none")} />`}
    <div class="canvas" ref=${box} role="application" tabindex="0" onKeyDown=${press} aria-label=${graph ? t("graph.label", { n: graph.total }) : t("loading")} aria-description=${t("graph.keys")} data-nodes=${graph?.nodes.length ?? ""}></div>
    ${picked && graph && html`<${Picked} node=${picked} graph=${graph} onMembers=${onMembers} onExpand=${onExpand && ((node) => { onExpand(node); close(); })} onClose=${close} />`}
    <footer><${Legend} centre=${centre} />${note}</footer><//>`;
};

/** The graph of an incident. */
export const Graph = ({ id, version, onMembers }) => {
  const [graph, set] = useState(/** @type {import("headwater-api").Graph|null} */ (null));
  const [wide, setWide] = useState(false);
  const [expanded, setExpanded] = useState(/** @type {string[]} */ ([]));
  const [failed, setFailed] = useState("");
  const [today, setToday] = useState(false);
  const fields = query({ nodes: String(wide ? ALL : FEW + expanded.length * 20), expand: expanded, topology: today ? "now" : "then" });
  const load = () => call(`/api/v1/incidents/${encodeURIComponent(id)}/graph?${fields}`).then((found) => { set(found); setFailed(""); }, (failure) => setFailed(failure.message));
  useEffect(() => { load(); }, [id, fields, version]);
  const on = graph?.topology;
  const isOld = on && on.version !== on.current;
  const tools = html`
    ${(isOld || today) && html`<button data-ground aria-pressed=${today} onClick=${() => setToday(!today)}>${t("graph.today")}</button>`}
    ${expanded.length > 0 && html`<button onClick=${() => setExpanded([])}>${t("graph.collapse")}</button>`}
    ${(graph?.aggregated || wide) && html`<button data-all aria-pressed=${wide} onClick=${() => setWide(!wide)}>${t(wide ? "graph.few" : "graph.all", { n: graph?.total ?? 0 })}</button>`}`;
  return html`<${Drawn} title=${t("inc.graph")} graph=${graph} failed=${failed} load=${load} tools=${tools} onMembers=${onMembers}
    onExpand=${(node) => setExpanded((old) => (old.includes(node.id) ? old : [...old, node.id].slice(-20)))}
    note=${html`${isOld && html`<span data-old>${t("graph.then", on)}</span>`}${on?.lost && html`<span data-old>${t("graph.lost", on)}</span>`}
      ${graph?.aggregated && html`<span class="dim">${t("graph.aggregated", { n: graph.total })}</span>`}`} />`;
};
