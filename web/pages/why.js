// Why an event or an alert ended where it did: the decision record as a story.

import { html, useEffect, useState } from "../vendor/htm-preact.js";
import { call } from "../api.js";
import { moment } from "../format.js";
import { say, t } from "../i18n.js";
import { Go, Panel } from "../parts.js";

const Check = ({ check }) => html`<li class=${check.matched ? "matched" : "not"}>
  <b>${check.stage_label}</b><em class=${`tag ${check.matched ? "good" : ""}`}>${t(check.matched ? "why.matched" : "why.not")}</em>
  <span>${check.rule ?? ""} ${check.about ?? ""}</span>
  ${check.evidence.length > 0 && html`<ul class="evidence plain">${check.evidence.map((item) => html`<li>
    <span class="points">${item.points > 0 ? "+" : ""}${(item.points / 1000).toFixed(2)}</span><span>${say(item.text)}</span></li>`)}</ul>`}
</li>`;

const Record = ({ why }) => html`
  <${Panel} title=${`${t("why.event")} ${why.event}`} aside=${moment(why.at)}>
    <p class="verdict"><em class="tag strong">${why.verdict_label}</em> ${say(why.text)}
      ${why.incident && html` <${Go} to=${`/incidents/${why.incident}`}>${why.incident}<//>`}</p>
    ${why.checks.length ? html`<ol class="checks">${why.checks.map((check) => html`<${Check} check=${check} />`)}</ol>` : html`<p class="dim">${t("why.none")}</p>`}
    ${why.raw && html`<details><summary>${t("why.raw")}</summary><pre>${JSON.stringify(why.raw, null, 2)}</pre></details>`}
  <//>`;

export const Why = ({ id }) => {
  const [found, set] = useState(null);
  useEffect(() => {
    const kind = id.startsWith("e") ? "events" : "alerts";
    call(`/api/v1/${kind}/${encodeURIComponent(id)}/why`).then(set, () => set(false));
  }, [id]);
  if (found === null) return html`<p class="empty">${t("loading")}</p>`;
  if (found === false) return html`<p class="empty">${t("why.missing")}</p>`;
  const records = found.events ?? [found];
  return html`<div class="page-head"><h1>${t("why.title")} · ${id}</h1>${found.alert && html`<p class="dim">${found.alert.title || found.alert.name} · ${found.alert.object}</p>`}</div>
    <div class="stack">${records.map((why) => html`<${Record} key=${why.event} why=${why} />`)}</div>`;
};
