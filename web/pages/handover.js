// What a shift hands to the next one: who has duty, what is open with notes, what ended, what is held and muted.

import { html, useEffect, useState } from "../vendor/htm-preact.js";
import { query, text } from "../api.js";
import { localDay, moment, zoneName } from "../format.js";
import { lang, t } from "../i18n.js";
import { Markdown, copy, save } from "../markdown.js";
import { now } from "../now.js";
import { Empty, Panel, Switch } from "../parts.js";

const HOUR_MS = 3_600_000;
const SHIFTS = ["8", "12", "24", "72"];

export const HandoverPage = () => {
  const [hours, setHours] = useState("12");
  const [found, set] = useState(/** @type {{text: string, at: number}|null} */ (null));
  const [failed, setFailed] = useState("");
  const load = () => text(`/api/v1/oncall/handover?${query({ since: new Date(now() - Number(hours) * HOUR_MS).toISOString(), lang: lang(), zone: zoneName() })}`)
    .then((report) => { set({ text: report, at: now() }); setFailed(""); }, (failure) => setFailed(failure.message));
  useEffect(() => { load(); }, [hours]);
  const name = `handover-${localDay(now())}.md`;
  const tools = found && html`<button onClick=${load}>${t("hand.again")}</button><button onClick=${() => copy(found.text)}>${t("copy")}</button><button onClick=${() => save(found.text, name)}>${t("save")}</button><button class="main" onClick=${() => print()}>${t("report.print")}</button>`;
  return html`<div class="page-head with-action"><div><h1>${t("nav.handover")}</h1><p class="dim">${t("hand.help")}</p></div>
      <div class="aside screen-only"><${Switch} label=${t("hand.since")} value=${hours} onChange=${setHours} choices=${SHIFTS.map((n) => [n, t("hand.hours", { n })])} /></div></div>
    ${failed && html`<${Empty} text=${t("failed", { why: failed })} onRetry=${load} />`}
    ${!found && !failed && html`<${Empty} text=${t("loading")} />`}
    ${found && html`<${Panel} title=${t("hand.made", { t: moment(found.at) })} aside=${html`<span class="screen-only actions small">${tools}</span>`} kind="handover"><${Markdown} text=${found.text} /><//>`}`;
};
