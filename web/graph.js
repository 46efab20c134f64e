// The topology of an incident. Positions come from the server; the library is loaded when first needed.

import { html, useEffect, useRef, useState } from "./vendor/htm-preact.js";
import { call } from "./api.js";
import { t } from "./i18n.js";
import { Panel } from "./parts.js";

const library = () => import("./vendor/cytoscape.js").then((module) => module.default);
const SHAPES = { critical: "triangle", major: "diamond", minor: "round-rectangle", warning: "ellipse", indeterminate: "ellipse" };

function styles() {
  const css = getComputedStyle(document.documentElement);
  const color = (name) => css.getPropertyValue(`--${name}`).trim();
  const severity = (word) => ({ selector: `node[severity="${word}"]`, style: { "background-color": color(word), shape: SHAPES[word] } });
  return [
    { selector: "node", style: {
      width: 26, height: 26, "background-color": color("line-strong"), label: "data(label)", color: color("text"), "font-size": 10.5,
      "font-family": "system-ui, sans-serif", "text-valign": "bottom", "text-margin-y": 5, "text-max-width": 132, "text-wrap": "ellipsis",
      "border-width": 0, "min-zoomed-font-size": 7 } },
    ...Object.keys(SHAPES).map(severity),
    { selector: "node[!is_anomaly]", style: { width: 18, height: 18, shape: "ellipse", color: color("dim") } },
    { selector: "node[?is_root]", style: { width: 40, height: 40, "border-width": 4, "border-color": color("accent"), "font-weight": 700, "font-size": 12.5, "z-index": 9 } },
    { selector: "node[count > 1]", style: { width: 44, height: 44, "border-style": "double", "border-width": 5, "border-color": color("panel") } },
    { selector: "edge", style: { width: 1, "line-color": color("line-strong"), "curve-style": "bezier", "target-arrow-shape": "triangle",
      "target-arrow-color": color("line-strong"), "arrow-scale": 0.7, opacity: 0.75 } },
    { selector: 'edge[kind="spread"]', style: { width: 2.6, "line-color": color("critical"), "target-arrow-color": color("critical"), opacity: 0.9 } },
  ];
}

const elements = (graph) => [
  ...graph.nodes.map(({ x, y, ...node }) => ({
    data: { ...node, label: node.count > 1 ? `${node.class} × ${node.count}` : node.name }, position: { x, y }, group: "nodes" })),
  ...graph.edges.map((edge) => ({ data: { id: `${edge.source}→${edge.target}`, ...edge }, group: "edges" })),
];

export const Graph = ({ id, version }) => {
  const [graph, set] = useState(null);
  const box = useRef(null);
  const drawn = useRef(null);
  useEffect(() => { call(`/api/v1/incidents/${encodeURIComponent(id)}/graph`).then(set, () => {}); }, [id, version]);
  useEffect(() => {
    if (!graph?.nodes.length) return undefined;
    let alive = true;
    library().then((cytoscape) => {
      if (!alive) return;
      drawn.current?.destroy();
      drawn.current = cytoscape({ container: box.current, elements: elements(graph), style: styles(), layout: { name: "preset" },
        minZoom: 0.15, maxZoom: 2.5, wheelSensitivity: 0.3, autoungrabify: true, boxSelectionEnabled: false });
      drawn.current.fit(undefined, 30);
      // Two nodes should not be blown up to the whole panel.
      if (drawn.current.zoom() > 1.25) { drawn.current.zoom(1.25); drawn.current.center(); }
    });
    const repaint = () => drawn.current?.style(styles());
    addEventListener("theme", repaint);
    return () => { alive = false; removeEventListener("theme", repaint); };
  }, [graph]);
  useEffect(() => () => drawn.current?.destroy(), []);
  const fit = () => drawn.current?.fit(undefined, 30);
  const legend = html`<span class="legend"><i class="l-root"></i>${t("graph.legend.root")}<i class="l-alert"></i>${t("graph.legend.alerting")}
    <i class="l-silent"></i>${t("graph.legend.silent")}<i class="l-spread"></i>${t("graph.legend.spread")}</span>
    <button class="quiet" onClick=${fit}>${t("inc.fit")}</button>`;
  return html`<${Panel} title=${t("inc.graph")} aside=${legend} kind="graph">
    <div class="canvas" ref=${box} role="img" aria-label=${t("inc.graph")}></div>
    ${graph?.aggregated && html`<p class="dim">${t("inc.aggregated", { n: graph.total })}</p>`}<//>`;
};
