// What is known of how things were solved, and the post-mortems: searched, taken along as a file, brought from elsewhere.

import { html, useEffect, useRef, useState } from "../vendor/htm-preact.js";
import { call, query, send } from "../api.js";
import { Findings } from "../ending.js";
import { moment } from "../format.js";
import { t } from "../i18n.js";
import { commandId, outcome, told } from "../orders.js";
import { Empty, Go, Panel } from "../parts.js";

/** What is typed is looked for when so long nothing more was typed. */
const TYPING_MS = 250;
const ANALYSTS = ["analyst", "admin"];

const Title = ({ one }) => {
  if (one.ours) return html`<${Go} to=${`/incidents/${encodeURIComponent(one.id)}`}>${one.title}<//>`;
  return /^https?:\/\//.test(one.url ?? "") ? html`<a href=${one.url} target="_blank" rel="noreferrer">${one.title}</a>` : html`<b>${one.title}</b>`;
};

const PostMortems = () => {
  const [page, set] = useState(/** @type {any} */ (null));
  const load = (after) => call(`/api/v1/post-mortems?${query({ after })}`).then((next) => set((old) => (after ? { ...next, items: [...old.items, ...next.items] } : next)), () => set({ items: [] }));
  useEffect(() => { load(); }, []);
  if (!page?.items.length) return null;
  return html`<${Panel} title=${t("act.postmortem")} kind="post-mortems"><ul>${page.items.map((one) => html`<li key=${one.incident}><em class=${`tag ${one.state === "published" ? "good" : ""}`}>${t(`kb.${one.state}`)}</em> ${" "}
      <${Go} to=${`/incidents/${encodeURIComponent(one.incident)}`}>${one.title || one.incident}<//> <span class="dim">${one.incident} · ${one.author} · ${moment(one.at)}</span></li>`)}</ul>
    ${page.next && html`<button class="more" onClick=${() => load(page.next)}>${t("more")}</button>`}<//>`;
};

export const KnowledgePage = ({ me }) => {
  const [q, setQ] = useState("");
  const [page, set] = useState(/** @type {any} */ (null));
  const [failed, setFailed] = useState("");
  const file = useRef(/** @type {HTMLInputElement|null} */ (null));
  const load = (after) => call(`/api/v1/knowledge?${query({ q: q.trim(), after })}`)
    .then((next) => { set((old) => (after ? { ...next, items: [...old.items, ...next.items] } : next)); setFailed(""); }, (failure) => setFailed(failure.message));
  useEffect(() => { const timer = setTimeout(load, q ? TYPING_MS : 0); return () => clearTimeout(timer); }, [q]);
  const bring = async () => {
    const text = await file.current?.files?.[0]?.text();
    if (file.current) file.current.value = "";
    if (!text) return;
    await told(t("kb.bring"), async () => {
      const { seq } = await send("POST", "/api/v1/knowledge", { text }, { "idempotency-key": commandId() });
      const refused = await outcome(seq);
      if (refused === "") await load();
      return refused;
    });
  };
  return html`<div class="page-head with-action"><div><h1>${t("nav.knowledge")}</h1><p class="dim">${t("kb.help")}</p></div>
      <div class="aside actions small"><a class="buttonish" href="/api/v1/knowledge-file?format=yaml" download>YAML</a><a class="buttonish" href="/api/v1/knowledge-file?format=json" download>JSON</a>
        ${ANALYSTS.includes(me.role) && html`<button onClick=${() => file.current?.click()}>${t("kb.bring")}</button><input ref=${file} type="file" hidden accept=".yaml,.yml,.json" aria-label=${t("kb.bring")} onChange=${bring} />`}</div></div>
    <div class="filters"><input id="search" type="search" placeholder=${t("kb.search")} aria-label=${t("kb.search")} value=${q} onInput=${(event) => setQ(event.target.value)} /></div>
    ${failed && html`<${Empty} text=${t("failed", { why: failed })} onRetry=${() => load()} />`}
    ${!page && !failed && html`<${Empty} text=${t("loading")} />`}
    ${page?.items.length === 0 && html`<${Empty} text=${t("kb.none")} />`}
    <div class="stack">${page?.items.length > 0 && html`<${Panel} title=${t("kb.entries")} kind="knowledge"><ul>${page.items.map((one) => html`<li key=${one.id}><p><${Title} one=${one} /> <span class="dim">${one.id}${one.class ? ` · ${one.class}` : ""} · ${one.by} · ${moment(one.at)}</span></p><${Findings} of=${one} /></li>`)}</ul>
      ${page.next && html`<button class="more" onClick=${() => load(page.next)}>${t("more")}</button>`}<//>`}
    <${PostMortems} /></div>`;
};
