// Reports that the API writes in Markdown, as a page: headings, lists, bold. Nothing in them is taken for markup of the page.

import { html } from "./vendor/htm-preact.js";
import { Go, toast } from "./parts.js";
import { t } from "./i18n.js";

/** Without the signs that kept text from being taken for Markdown. */
const bare = (text) => text.replace(/\\(.)/g, "$1");

/** Bold parts, and a link where a line begins with an incident.
 * @param {string} line */
function inline(line) {
  const [, id, rest] = line.match(/^(i\d+(?:-\d+)?)( .*)$/) ?? [null, "", line];
  const parts = (rest ?? "").split(/(\*\*(?:\\.|[^\\*])+\*\*)/).map((part, i) => (i % 2 ? html`<b key=${i}>${bare(part.slice(2, -2))}</b>` : bare(part)));
  return id ? [html`<${Go} to=${`/incidents/${id}`}>${id}<//>`, ...parts] : parts;
}

/** Lines as blocks: a heading, a paragraph, or the items of a list with their depth.
 * @param {string} text */
function blocks(text) {
  const all = /** @type {{kind: string, lines: [number, string][]}[]} */ ([]);
  for (const line of text.split("\n")) {
    const item = line.match(/^( *)[*-] (.*)$/);
    if (item) {
      if (all.at(-1)?.kind === "list") all.at(-1)?.lines.push([item[1].length / 2, item[2]]);
      else all.push({ kind: "list", lines: [[item[1].length / 2, item[2]]] });
    } else if (line.startsWith("## ")) all.push({ kind: "part", lines: [[0, line.slice(3)]] });
    else if (line.startsWith("# ")) all.push({ kind: "title", lines: [[0, line.slice(2)]] });
    else if (line.trim()) all.push({ kind: "text", lines: [[0, line.trim()]] });
  }
  return all;
}

/** @param {{text: string}} props */
export const Markdown = ({ text }) => html`<div class="prose">${blocks(text).map(({ kind, lines }, i) => {
  if (kind === "title") return html`<h2 key=${i}>${inline(lines[0][1])}</h2>`;
  if (kind === "part") return html`<h3 key=${i}>${inline(lines[0][1])}</h3>`;
  if (kind === "text") return html`<p key=${i}>${inline(lines[0][1])}</p>`;
  return html`<ul key=${i}>${lines.map(([depth, line], n) => html`<li key=${n} class=${depth ? "deeper" : ""}>${inline(line)}</li>`)}</ul>`;
})}</div>`;

/** Copies a text.
 * @param {string} text */
export const copy = (text) => navigator.clipboard.writeText(text).then(() => toast(t("copied")), () => toast(t("copy.failed"), "bad"));

/** Saves a text as a file.
 * @param {string} text @param {string} name */
export function save(text, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "text/markdown" }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}
