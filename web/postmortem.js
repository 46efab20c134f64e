// A first draft of the post-mortem, from what is known: to be copied or saved and written on.

import { html, useEffect, useRef, useState } from "./vendor/htm-preact.js";
import { likelihood, moment, span, zoneLabel } from "./format.js";
import { say, t } from "./i18n.js";
import { toast } from "./parts.js";

/** Alerts and lines of the timeline that are written out. */
const ALERTS_MAX = 40;
const LINES_MAX = 200;

/** Text inside Markdown: nothing in it is taken for markup. @param {string} text */
const plain = (text) => text.replace(/[\\`*_{}[\]<>#|~]/g, "\\$&").replace(/\s+/g, " ");

/** @param {import("./types.js").IncidentDetail} incident @param {any[]} alerts */
export function draft(incident, alerts) {
  const root = incident.root;
  const end = incident.recovered_at ?? incident.closed_at;
  const lasted = end ? span(Date.parse(end) - Date.parse(incident.first_alert_at)) : t("pm.lasting");
  const lines = [
    `# ${t("pm.title")} ${incident.id} · ${plain(incident.title)}`, "",
    plain(say(incident.headline)), "",
    `| | |`, `|---|---|`,
    `| ${t("col.severity")} | ${t(`sev.${incident.severity}`)} · ${incident.priority} |`,
    `| ${t("glance.since")} | ${moment(incident.first_alert_at)} (${zoneLabel()}) |`,
    `| ${t("pm.recovered")} | ${end ? moment(end) : "–"} |`,
    `| ${t("pm.lasted")} | ${lasted} |`,
    `| ${t("pm.acknowledged")} | ${incident.acknowledged_at ? `${moment(incident.acknowledged_at)} · ${plain(incident.acknowledged_by ?? "")}` : "–"} |`,
    `| ${t("col.hit")} | ${plain([...incident.services, ...incident.orgs].join(t("and")) || t("hit.none"))} |`, "",
    `## ${t("inc.root")}`, "",
    root ? `**${plain(root.ci.name)}** (${plain(root.ci.id)}) · ${root.confirmed ? t("root.confirmed") : t("glance.likely", { p: likelihood(root.score) })}` : t("root.none"), "",
    ...(incident.candidates[0]?.evidence ?? []).map((item) => `- ${plain(say(item.text))} (${(item.points / 1000).toFixed(2)})`), "",
    `## ${t("inc.path")}`, "",
    ...incident.path.slice(0, ALERTS_MAX).map((step) => `- ${plain(step.cause.name)} → ${plain(step.effect.name)}`), "",
    `## ${t("inc.changes")}`, "",
    ...(incident.changes.length ? incident.changes.map((change) => `- ${moment(change.at)} ${plain(change.ci.name)}: ${plain(change.title)}`) : [t("inc.changes.none")]), "",
    `## ${t("inc.timeline")}`, "",
    ...incident.timeline.slice(-LINES_MAX).map((entry) => `- ${moment(entry.at)} **${plain(entry.label)}** ${entry.actor === "headwater" ? "" : plain(entry.actor)} ${plain(entry.detail ?? "")}`), "",
    `## ${t("inc.members")}`, "",
    ...alerts.slice(0, ALERTS_MAX).map((alert) => `- ${moment(alert.first_seen)} ${plain(alert.ci?.name ?? alert.object)}: ${plain(alert.title || alert.name)} (${t(`sev.${alert.severity}`)}, ×${alert.count})`),
    ...(alerts.length > ALERTS_MAX ? [`- … ${alerts.length - ALERTS_MAX}`] : []), "",
    ...["pm.what", "pm.good", "pm.bad", "pm.todo"].flatMap((word) => [`## ${t(word)}`, "", "- ", ""]),
  ];
  return lines.join("\n");
}

/** Shows the draft to copy or save it. */
export const PostMortem = ({ incident, alerts, onClose }) => {
  const [text, setText] = useState(() => draft(incident, alerts));
  const dialog = useRef(/** @type {HTMLDialogElement|null} */ (null));
  useEffect(() => { if (!dialog.current?.open) dialog.current?.showModal(); }, []);
  const save = () => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type: "text/markdown" }));
    link.download = `${incident.id}.md`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  };
  const copy = () => navigator.clipboard.writeText(text).then(() => toast(t("copied")), () => toast(t("copy.failed"), "bad"));
  return html`<dialog ref=${dialog} class="broad" aria-label=${t("pm.title")} onCancel=${(event) => { event.preventDefault(); onClose(); }}>
    <form method="dialog" onSubmit=${(event) => event.preventDefault()}><h2>${t("pm.title")}</h2><p class="dim">${t("pm.help")}</p>
    <textarea rows="22" spellcheck="false" value=${text} aria-label=${t("pm.title")} onInput=${(event) => setText(event.target.value)}></textarea>
    <footer><button type="button" onClick=${onClose}>${t("close")}</button><button type="button" onClick=${copy}>${t("copy")}</button><button type="button" class="main" onClick=${save}>${t("save")}</button></footer></form></dialog>`;
};
