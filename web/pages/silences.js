// Silences that hold now or later.

import { html, useCallback, useEffect, useState } from "../vendor/htm-preact.js";
import { call, remove } from "../api.js";
import { hear } from "../feed.js";
import { moment, span } from "../format.js";
import { t } from "../i18n.js";
import { now } from "../now.js";
import { outcome, told } from "../orders.js";
import { Empty } from "../parts.js";
import { askSilence } from "../silencing.js";

/** @param {import("headwater-api").MatcherBody} matcher */
const wording = (matcher) => `${t(`silence.field.${matcher.field}`) === `silence.field.${matcher.field}` ? matcher.field : t(`silence.field.${matcher.field}`)}
  ${t(`silence.op.${matcher.not ? "not_" : ""}${matcher.op ?? "is"}`)} ${matcher.value.replaceAll("|", ", ")}`;

/** @param {{silence: import("headwater-api").SilenceItem, me: import("headwater-api").Me, onEnd: any}} props */
const Row = ({ silence, me, onEnd }) => {
  const waits = Date.parse(silence.starts_at) > now();
  return html`<tr><td class="matchers">${silence.matchers.map((group, i) => html`<div key=${i}>${i > 0 && html`<i>${t("silence.or")}</i> `}
      ${group.map((matcher, j) => html`<span class="chip" key=${j}>${wording(matcher)}</span>`)}</div>`)}</td>
    <td>${waits ? html`<em class="tag">${t("silence.from", { t: moment(silence.starts_at) })}</em>` : html`<em class="tag good">${t("silence.active")}</em>`}</td>
    <td><time>${moment(silence.ends_at)}</time><small>${t("silence.left", { t: span(Date.parse(silence.ends_at) - now()) })}</small></td>
    <td>${silence.created_by}</td><td class="comment">${silence.comment}</td>
    <td>${me.role !== "viewer" && html`<button onClick=${() => onEnd(silence)}>${t("silence.expire")}</button>`}</td></tr>`;
};

/** @param {{me: import("headwater-api").Me}} props */
export const Silences = ({ me }) => {
  const [list, set] = useState(/** @type {import("headwater-api").SilenceItem[]|null} */ (null));
  const [failed, setFailed] = useState("");
  const load = useCallback(() => call("/api/v1/silences").then((page) => { set(page.items); setFailed(""); }, (failure) => setFailed(failure.message)), []);
  useEffect(() => {
    load();
    return hear((changes) => { if (changes.some((c) => c.kind === "silence" || c.kind === "resync")) load(); });
  }, []);
  const end = (silence) => told(t("silence.expire"), async () => {
    const { seq } = await remove(`/api/v1/silences/${encodeURIComponent(silence.id)}`);
    return outcome(seq);
  });
  return html`
    <div class="page-head with-action"><div><h1>${t("silence.title")}</h1><p class="dim">${t("silence.help")}</p></div>
      ${me.role !== "viewer" && html`<button class="main" data-act="silence" onClick=${askSilence}>${t("silence.make")}</button>`}</div>
    ${failed && html`<${Empty} text=${t("failed", { why: failed })} onRetry=${load} />`}
    ${!list && !failed && html`<${Empty} text=${t("loading")} />`}
    ${list?.length === 0 && html`<${Empty} text=${t("silence.empty")} calm />`}
    ${list && list.length > 0 && html`<div class="scroll"><table class="plain"><thead><tr>${["matchers", "state", "until", "by", "comment"].map((c) => html`<th key=${c}>${t(`silence.${c}`)}</th>`)}<th></th></tr></thead>
      <tbody>${list.map((silence) => html`<${Row} key=${silence.id} silence=${silence} me=${me} onEnd=${end} />`)}</tbody></table></div>`}`;
};
