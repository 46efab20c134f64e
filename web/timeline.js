// The timeline: what happened, what people did and who was told, newest first, under a picture of when alerts began.

import { html, useState } from "./vendor/htm-preact.js";
import { act } from "./actions.js";
import { Density } from "./density.js";
import { clock, day, hourMinute, moment } from "./format.js";
import { labelOr, t } from "./i18n.js";
import { now } from "./now.js";
import { Go, Switch } from "./parts.js";

const SHOWN = 10;
const SYSTEM = "headwater";
/** What belongs to which choice above the list. */
const KINDS = {
  people: (entry) => entry.actor !== SYSTEM,
  told: (entry) => ["notified", "would_notify", "notify_failed"].includes(entry.kind),
  engine: (entry) => entry.actor === SYSTEM && !KINDS.told(entry),
};

/** `sms/qian updated digest` with its kind in words; whom it went to stays as it is.
 * @param {string} detail */
const delivery = (detail) => detail.split(" ").map((word, i) => (i === 0 ? word : labelOr(`dlv.kind.${word}`, word))).join(" ");

/** What an entry speaks of: words get their label, incidents a link; everything else is text as it came.
 * @param {{entry: import("headwater-api").TimelineItem}} props */
const Detail = ({ entry }) => {
  const detail = entry.detail ?? "";
  if (entry.kind === "state_changed") return labelOr(`state.${detail}`, detail);
  if (entry.kind === "severity_changed") return labelOr(`sev.${detail}`, detail);
  if (entry.kind === "snoozed" && !Number.isNaN(Date.parse(detail))) return moment(detail);
  if (KINDS.told(entry)) return delivery(detail);
  if (entry.kind === "merged") return html`<${Go} to=${`/incidents/${encodeURIComponent(detail)}`}>${detail}<//>`;
  if (entry.kind === "moved") return html`<${Go} to=${`/why/${encodeURIComponent(detail)}`}>${detail}<//>`;
  return detail;
};

/** Writing a comment without leaving the page.
 * @param {{incident: import("headwater-api").IncidentItem}} props */
const Write = ({ incident }) => {
  const [text, setText] = useState("");
  const send = async (event) => {
    event.preventDefault();
    const said = text.trim();
    if (!said) return;
    setText("");
    await act(incident, "comment", { text: said });
  };
  return html`<form class="write" onSubmit=${send}><input value=${text} maxlength="4000" placeholder=${t("inc.write")} aria-label=${t("inc.write")} onInput=${(event) => setText(event.target.value)} />
    <button type="submit" disabled=${!text.trim()}>${t("act.comment")}</button></form>`;
};

/** @param {{incident: import("headwater-api").IncidentDetail, alerts: import("headwater-api").AlertItem[], may: any}} props */
export const Timeline = ({ incident, alerts, may }) => {
  const [all, setAll] = useState(false);
  const [kind, setKind] = useState("");
  const [part, setPart] = useState(/** @type {import("./density.js").Span|null} */ (null));
  const lies = (at) => !part || (Date.parse(at) >= part.from && Date.parse(at) <= part.to);
  const entries = incident.timeline.filter(KINDS[kind] ?? (() => true)).filter((entry) => lies(entry.at)).reverse();
  const shown = all ? entries : entries.slice(0, SHOWN);
  const today = day(now());
  const time = (at) => (day(at) === today ? clock(at) : `${day(at)} ${hourMinute(at)}`);
  return html`<${Density} incident=${incident} alerts=${alerts} part=${part} onPart=${setPart} told=${KINDS.told} system=${SYSTEM} />
    <div class="tl-tools"><${Switch} label=${t("inc.timeline")} value=${kind} onChange=${setKind} choices=${["", "people", "told", "engine"].map((word) => [word, t(`inc.timeline.${word || "all"}`)])} />
      ${may && html`<${Write} incident=${incident} />`}</div>
    <ol class="timeline">${shown.map((entry, i) => html`<li key=${`${entry.at}${entry.kind}${i}`} class=${`tl-${entry.kind} ${entry.actor === SYSTEM ? "" : "person"}`}>
      <time datetime=${entry.at} title=${moment(entry.at)}>${time(entry.at)}</time><b>${entry.label}</b>
      <span>${entry.actor !== SYSTEM && html`<i>${entry.actor}</i> `}${entry.via && html`<em class="tag">${t("inc.via", { way: entry.via })}</em> `}<${Detail} entry=${entry} /></span></li>`)}</ol>
    ${entries.length === 0 && html`<p class="dim">${t("inc.timeline.none")}</p>`}
    ${entries.length > shown.length && html`<button class="more" onClick=${() => setAll(true)}>${t("show_all")} (${entries.length})</button>`}`;
};
