// A drawing worked with the keyboard: arrows go from node to node, Enter asks for neighbours, + and - zoom, 0 shows all.

const WAYS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
/** What lies aside counts so much more than what lies ahead. */
const ASIDE = 2.5;

/** The node that is picked, or the one to begin with: the root, else the first.
 * @param {any} drawing */
const here = (drawing) => {
  const [picked, nodes] = [drawing.$("node:selected"), drawing.nodes().not(".band")];
  return picked.nonempty() ? picked[0] : nodes.filter("[?is_root]")[0] ?? nodes[0];
};

/** The nearest node in a direction; undefined when there is none.
 * @param {any} drawing @param {number[]} way */
function next(drawing, [dx, dy]) {
  const from = here(drawing);
  if (drawing.$("node:selected").empty()) return from;
  const { x, y } = from.position();
  let [best, least] = [/** @type {any} */ (undefined), Infinity];
  drawing.nodes().not(".band").forEach((node) => {
    const at = node.position();
    const along = (at.x - x) * dx + (at.y - y) * dy;
    const far = along + Math.abs((at.x - x) * dy) * ASIDE + Math.abs((at.y - y) * dx) * ASIDE;
    if (along > 1 && far < least) [best, least] = [node, far];
  });
  return best;
}

/** Brings a node into sight, where it is not.
 * @param {any} drawing @param {any} node */
function reveal(drawing, node) {
  const [{ x, y }, seen] = [node.position(), drawing.extent()];
  if (x < seen.x1 || x > seen.x2 || y < seen.y1 || y > seen.y2) drawing.center(node);
}

/** What a key does to a drawing; false when it is none of its own.
 * @param {any} drawing @param {string} key
 * @param {{zoom: (by: number) => void, fit: () => void, pick: (node: any) => void, expand?: (node: any) => void}} acts */
export function onKey(drawing, key, { zoom, fit, pick, expand }) {
  if (WAYS[key]) {
    const node = next(drawing, WAYS[key]);
    if (!node) return true;
    drawing.elements().unselect();
    node.select();
    reveal(drawing, node);
    pick(node.data());
  } else if (key === "+" || key === "=") zoom(1.35);
  else if (key === "-") zoom(0.74);
  else if (key === "0") fit();
  else if (key === "Enter" && expand && drawing.$("node:selected").nonempty()) expand(drawing.$("node:selected")[0].data());
  // Also when nothing is picked: who drops what is picked once too often stays on the page.
  else if (key === "Escape") { drawing.elements().unselect(); pick(null); }
  else return false;
  return true;
}
