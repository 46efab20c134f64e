// What the recorded alerts give reason for: drafts of rules with their proof, tried before anybody is told, and relations
// that the CMDB seems to lack.

import { html, useEffect, useState } from "../vendor/htm-preact.js";
import { call } from "../api.js";
import { tryBeside } from "../beside.js";
import { count, percent, span } from "../format.js";
import { say, t } from "../i18n.js";
import { Empty, Go, Panel, Switch, toast } from "../parts.js";
import { now } from "../now.js";

const SPANS = { "1": 1, "7": 7, "30": 30 };
const PAIRS_SHOWN = 30;
/** More often than by chance: beyond this the number says nothing more. */
const LIFT_SHOWN = 1000;

/** Lets a draft run beside what is valid.
 * @param {any} draft */
const tryDraft = (draft) => tryBeside(t("sug.try"), async () => {
  const { files } = await call("/api/v1/rules");
  return { files: { ...files, [draft.file]: draft.yaml } };
}, [], say(draft.because).slice(0, 190));

/** A figure without and with the draft. */
const Beside = ({ word, pair }) => {
  const change = pair[1] - pair[0];
  return html`<div><dt>${t(`sug.${word}`)}</dt><dd>${count(pair[0])} → <b class=${change < 0 ? "less" : change > 0 ? "more" : ""}>${count(pair[1])}</b></dd></div>`;
};

/** @param {{draft: import("headwater-api").DraftItem}} props */
const Draft = ({ draft, draft: { trial } }) => html`<${Panel} title=${draft.id} aside=${html`<em class="tag strong">${t(`sug.reason.${draft.reason}`)}</em>`} kind="draft">
  <p>${say(draft.because)}</p>
  ${trial && html`<dl class="facts">${["incidents", "notices", "held", "muted"].map((word) => html`<${Beside} key=${word} word=${word} pair=${trial[word]} />`)}
    <div><dt>${t("sug.hits")}</dt><dd>${count(trial.hits)}</dd></div></dl>`}
  <pre>${draft.yaml}</pre>
  <div class="actions small"><button class="main" data-act="try" onClick=${() => tryDraft(draft)}>${t("sug.try")}</button>
    <button onClick=${() => navigator.clipboard.writeText(draft.yaml).then(() => toast(t("copied")), () => toast(t("copy.failed"), "bad"))}>${t("copy")}</button></div><//>`;

/** @param {{pairs: import("headwater-api").PairItem[]}} props */
const Pairs = ({ pairs }) => html`<${Panel} title=${`${t("sug.pairs")} (${pairs.length})`}><div class="scroll"><table class="plain"><thead><tr>
    ${["cause", "effect", "share", "lift", "lead", "same"].map((word) => html`<th key=${word}>${t(`sug.${word}`)}</th>`)}</tr></thead>
  <tbody>${pairs.slice(0, PAIRS_SHOWN).map((pair) => html`<tr key=${pair.cause.name + pair.effect.name + pair.cause.source}><td>${pair.cause.name}<small>${pair.cause.source}</small></td><td>${pair.effect.name}<small>${pair.effect.source}</small></td>
    <td>${percent(pair.share)}</td><td>${pair.lift < LIFT_SHOWN ? pair.lift.toFixed(1) : `>${count(LIFT_SHOWN)}`}×</td><td>${span(pair.lead_seconds * 1000)}</td><td>${percent(pair.same_place)}</td></tr>`)}</tbody></table></div><//>`;

const link = (id) => html`<${Go} to=${`/topology/${encodeURIComponent(id)}`}>${id}<//>`;

/** @param {{missing: import("headwater-api").MissingRelation[], silent: import("headwater-api").SilentRelation[]}} props */
const Relations = ({ missing, silent }) => html`<div class="columns even"><${Panel} title=${`${t("sug.missing")} (${missing.length})`}><p class="dim">${t("sug.missing.help")}</p>
    <table class="plain"><tbody>${missing.slice(0, PAIRS_SHOWN).map((one) => html`<tr key=${one.cause + one.effect}><td>${link(one.cause)} → ${link(one.effect)}</td><td>${t("sug.occasions", { n: one.occasions, chance: one.by_chance.toFixed(1) })}</td><td>${span(one.lead_seconds * 1000)}</td></tr>`)}</tbody></table><//>
  <${Panel} title=${`${t("sug.silent")} (${silent.length})`}><p class="dim">${t("sug.silent.help")}</p>
    <table class="plain"><tbody>${silent.slice(0, PAIRS_SHOWN).map((one) => html`<tr key=${one.cause + one.effect}><td>${link(one.cause)} → ${link(one.effect)}</td><td>${t("sug.failures", { n: one.failures, expected: one.expected.toFixed(1) })}</td></tr>`)}</tbody></table><//></div>`;

export const Suggestions = () => {
  const [days, setDays] = useState("7");
  const [found, set] = useState(/** @type {import("headwater-api").Suggested|null} */ (null));
  const [failed, setFailed] = useState("");
  const load = () => {
    set(null);
    const since = new Date(now() - SPANS[days] * 86_400_000).toISOString();
    return call(`/api/v1/suggestions?since=${since}`).then((all) => { set(all); setFailed(""); }, (failure) => setFailed(failure.message));
  };
  useEffect(() => { load(); }, [days]);
  return html`<div class="page-head with-action"><div><h1>${t("nav.suggestions")}</h1><p class="dim">${t("sug.help")}</p></div>
      <${Switch} label=${t("sug.span")} value=${days} onChange=${setDays} choices=${Object.keys(SPANS).map((n) => [n, t("sug.days", { n })])} /></div>
    ${failed && html`<${Empty} text=${t("failed", { why: failed })} onRetry=${load} />`}
    ${!found && !failed && html`<${Empty} text=${t("sug.working")} />`}
    ${found && html`<p class="dim note">${t("sug.looked", { n: count(found.events), episodes: count(found.episodes), dropped: found.drafts_dropped })}</p>
      ${found.drafts.length === 0 && html`<${Empty} text=${t("sug.none")} calm />`}
      <div class="drafts">${found.drafts.map((draft) => html`<${Draft} key=${draft.id} draft=${draft} />`)}</div>
      <div class="stack">${found.pairs.length > 0 && html`<${Pairs} pairs=${found.pairs} />`}
      <${Relations} missing=${found.missing_relations} silent=${found.silent_relations} /></div>`}`;
};
