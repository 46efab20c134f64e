// Incidents that were like this one, and how they were solved.

import { html, useEffect, useState } from "./vendor/htm-preact.js";
import { call } from "./api.js";
import { Findings } from "./ending.js";
import { moment, span } from "./format.js";
import { t } from "./i18n.js";
import { Ci, Go, Panel, Severity } from "./parts.js";

export const Similar = ({ id }) => {
  const [found, set] = useState(/** @type {import("headwater-api").Similar|null} */ (null));
  useEffect(() => { call(`/api/v1/incidents/${encodeURIComponent(id)}/similar`).then(set, () => set({ items: [], novel: false })); }, [id]);
  const items = found?.items;
  const known = found?.knowledge ?? [];
  return html`<${Panel} title=${t("similar")} kind="similar" aside=${found?.novel && html`<em class="tag strong">${t("similar.novel")}</em>`}>
    ${items?.length === 0 && known.length === 0 && html`<p class="dim">${t("similar.none")}</p>`}
    ${items && items.length > 0 && html`<ul>${items.map((one) => html`<li key=${one.id}>
      <p><${Severity} of=${one.severity} /> <${Go} to=${`/incidents/${one.id}`}>${one.title}<//></p>
      <p class="dim">${one.id} · ${moment(one.opened_at)}${one.closed_at ? ` · ${t("similar.took", { t: span(Date.parse(one.closed_at) - Date.parse(one.opened_at)) })}` : ` · ${t(`state.${one.state}`)}`}
        ${one.root && html` · <${Ci} ci=${one.root} />`}</p>
      <p class="chips">${one.because.map((word) => html`<span key=${word}>${t(`similar.${word}`)}</span>`)}</p>
      ${one.conclusion && html`<${Findings} of=${one.conclusion} />`}
      ${one.note && one.note !== one.conclusion?.solution && html`<blockquote>${one.by && html`<b>${one.by}</b> `}${one.note}</blockquote>`}</li>`)}</ul>`}
    ${known.length > 0 && html`<h3>${t("similar.known")}</h3><ul>${known.map((one) => html`<li key=${one.id}><p>${/^https?:\/\//.test(one.url ?? "") ? html`<a href=${one.url} target="_blank" rel="noreferrer">${one.title}</a>` : one.title} <span class="dim">${one.id}</span></p><${Findings} of=${one} /></li>`)}</ul>`}<//>`;
};
