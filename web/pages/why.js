// Why an event or an alert ended where it did: the decision record as a story.

import { html, useEffect, useState } from "../vendor/htm-preact.js";
import { call, query } from "../api.js";
import { points } from "../evidence.js";
import { moment, says } from "../format.js";
import { t } from "../i18n.js";
import { Ci, Empty, Go, Panel, Severity, visit } from "../parts.js";
import { Said } from "../said.js";
import { OfAlert, Weighing } from "../why_not.js";

/** A sentence whose incident leads to its page; one that does not name it is followed by it.
 * @param {string} text @param {string|null|undefined} incident */
function linked(text, incident) {
  if (!incident) return text;
  const [before, ...rest] = text.split(incident);
  const link = html`<${Go} to=${`/incidents/${incident}`}>${incident}<//>`;
  return rest.length ? html`${before}${link}${rest.join(incident)}` : html`${text} ${link}`;
}

// The sentence begins with its stage.
/** @param {{check: import("headwater-api").CheckItem}} props */
const Check = ({ check }) => html`<li class=${check.matched ? "matched" : "not"}>
  <em class=${`tag ${check.matched ? "good" : ""}`}>${t(check.matched ? "why.matched" : "why.not")}</em>
  <span>${says(check.text)}</span>
  ${check.evidence.length > 0 && html`<ul class="evidence plain">${check.evidence.map((item, i) => html`<li key=${i}>
    <span class="points">${points(item.points)}</span><span>${says(item.text)}</span></li>`)}</ul>`}
</li>`;

/** @param {{why: import("headwater-api").EventWhy}} props */
const Record = ({ why }) => html`
  <${Panel} title=${`${t("why.event")} ${why.event}`} aside=${html`${why.source} · ${moment(why.at)}`}>
    <p class="verdict"><em class="tag strong">${why.verdict_label}</em> ${linked(says(why.text), why.incident)}</p>
    ${why.now?.incident && why.now.incident !== why.incident && html`<p class="verdict">${t("why.now")} <${Go} to=${`/incidents/${why.now.incident}`}>${why.now.incident}<//></p>`}
    ${why.replayed_as && html`<p class="verdict">${t("why.replayed")} <${Go} to=${`/why/${why.replayed_as}`}>${why.replayed_as}<//></p>`}
    ${why.checks.length ? html`<ol class="checks">${why.checks.map((check, i) => html`<${Check} key=${i} check=${check} />`)}</ol>` : html`<p class="dim">${t(why.verdict === "duplicate" ? "why.none.repeat" : "why.none")}</p>`}
    ${why.raw && html`<details><summary>${t("why.raw")}</summary><pre>${JSON.stringify(why.raw, null, 2)}</pre></details>`}
  <//>`;

/** @param {{alert: import("headwater-api").AlertItem}} props */
const Alert = ({ alert }) => html`<p><${Severity} of=${alert.severity} label /> <b>${alert.title || alert.name}</b>
  · ${alert.ci ? html`<${Ci} ci=${alert.ci} link />` : alert.object} · ${t(`alert.${alert.state}`)}
  ${alert.incident && html` · <${Go} to=${`/incidents/${alert.incident}`}>${alert.incident}<//>`}</p>`;

/** How an alert came where it is now, as the engine holds it: the sentence first, then link by link with the numbers.
 * @param {{alert: import("headwater-api").AlertItem}} props */
const Story = ({ alert }) => {
  const [found, set] = useState(/** @type {import("headwater-api").WhyNot|null} */ (null));
  useEffect(() => {
    // Who sees only a part of the estate is not told; the records below say what concerns them.
    call(`/api/v1/why-not?${query({ alert: alert.id, path: "true" })}`).then(set, () => set(null));
  }, [alert.id]);
  if (!found) return null;
  return html`<${Panel} title=${t("why.story")} kind="story">
    <p class="verdict lead">${linked(found.reasons.map(says).join(t("then")), alert.incident)}</p>
    <${Weighing} all=${found.path} /><//>`;
};

/** How unusual it is that an alert of this type comes on a CI of this class.
 * @param {{unusual: import("headwater-api").UnusualItem}} props */
const Unusual = ({ unusual }) => html`<p class="dim unusual">${unusual.new && html`<em class="tag strong">${t("why.new")}</em> `}${says(unusual.text)}</p>`;

export const Why = ({ id }) => {
  const [found, set] = useState(/** @type {any} */ (undefined));
  const [failed, setFailed] = useState("");
  const load = () => {
    const read = /^a\d/.test(id) ? call(`/api/v1/alerts/${encodeURIComponent(id)}/why`) : call(`/api/v1/events/${encodeURIComponent(id)}/why`);
    read.then((why) => { set(why); setFailed(""); }, (failure) => (failure.status === 404 ? set(null) : setFailed(failure.message)));
  };
  useEffect(load, [id]);
  const search = (event) => {
    event.preventDefault();
    const asked = new FormData(event.target).get("id");
    if (asked) visit(`/why/${encodeURIComponent(String(asked).trim())}`);
  };
  return html`<div class="page-head"><h1>${t("why.title")} · ${id}</h1>
      ${found?.alert && html`<${Alert} alert=${found.alert} />`}
      ${found?.unusual && html`<${Unusual} unusual=${found.unusual} />`}
      <form class="filters" onSubmit=${search}><input type="search" name="id" placeholder=${t("why.search")} aria-label=${t("why.search")} /><button type="submit">${t("why")}</button></form></div>
    ${failed && html`<${Empty} text=${t("failed", { why: failed })} onRetry=${load} />`}
    ${found === undefined && !failed && html`<${Empty} text=${t("loading")} />`}
    ${found === null && html`<${Empty} text=${t("why.missing")} />`}
    ${found && html`<div class="stack">${found.alert && html`<${Story} alert=${found.alert} />${found.events[0]?.raw && html`<${Said} event=${found.events[0].raw} />`}<${OfAlert} alert=${found.alert} />`}${found.events.map((why) => html`<${Record} key=${why.event} why=${why} />`)}</div>`}`;
};
