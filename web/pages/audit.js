// Who ordered what, and whether it was done.

import { html, useEffect, useState } from "../vendor/htm-preact.js";
import { call, query } from "../api.js";
import { moment } from "../format.js";
import { labelOr, t } from "../i18n.js";
import { Empty, Go } from "../parts.js";

const PAGE = "200";

/** What an entry is about, as a link where there is a page for it. */
const About = ({ about }) => (/^i\d/.test(about) ? html`<${Go} to=${`/incidents/${encodeURIComponent(about)}`}>${about}<//>` : html`<span>${about}</span>`);

export const Audit = () => {
  const [page, set] = useState(/** @type {import("headwater-api").Listed_AuditItem|null} */ (null));
  const [failed, setFailed] = useState("");
  const [q, setQ] = useState("");
  const load = (after) => call(`/api/v1/audit?${query({ limit: PAGE, after })}`)
    .then((next) => { set((old) => (after && old ? { ...next, items: [...old.items, ...next.items] } : next)); setFailed(""); }, (failure) => setFailed(failure.message));
  useEffect(() => { load(); }, []);
  const text = q.trim().toLowerCase();
  const shown = (page?.items ?? []).filter((one) => !text || `${one.actor} ${one.action} ${labelOr(`audit.${one.action}`, "")} ${one.about} ${JSON.stringify(one.detail)}`.toLowerCase().includes(text));
  return html`<div class="page-head"><h1>${t("nav.audit")}</h1><p class="dim">${t("audit.help")}</p></div>
    <div class="filters"><input id="search" type="search" placeholder=${t("audit.search")} aria-label=${t("audit.search")} value=${q} onInput=${(event) => setQ(event.target.value)} /></div>
    ${failed && html`<${Empty} text=${t("failed", { why: failed })} onRetry=${() => load()} />`}
    ${!page && !failed && html`<${Empty} text=${t("loading")} />`}
    ${page?.items.length === 0 && html`<${Empty} text=${t("audit.none")} />`}
    ${shown.length > 0 && html`<div class="scroll"><table class="plain"><thead><tr>${["at", "actor", "action", "about", "ended", "detail"].map((word) => html`<th key=${word}>${t(`audit.${word}`)}</th>`)}</tr></thead>
      <tbody>${shown.map((one) => html`<tr key=${one.seq}><td><time>${moment(one.at)}</time></td><td><b>${one.actor}</b></td><td>${labelOr(`audit.${one.action}`, one.action)}</td><td><${About} about=${one.about} /></td>
        <td>${one.refused ? html`<em class="tag bad" title=${one.refused}>${t("audit.refused")}</em> <small>${one.refused}</small>` : html`<em class="tag good">${t("done")}</em>`}</td>
        <td><details><summary class="dim">#${one.seq}</summary><pre>${JSON.stringify(one.detail, null, 2)}</pre></details></td></tr>`)}</tbody></table></div>`}
    ${page?.next && html`<button class="more" onClick=${() => load(page.next)}>${t("more")}</button>`}`;
};
