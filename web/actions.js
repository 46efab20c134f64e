// What an operator can do with an incident, and what became of it.

import { html, useState } from "./vendor/htm-preact.js";
import { call } from "./api.js";
import { ask, inMinutes, spans } from "./ask.js";
import { sayFalse } from "./false_alarm.js";
import { t } from "./i18n.js";
import { order, told } from "./orders.js";
import { silenceIncident } from "./silencing.js";

const SEVERITIES = ["critical", "major", "minor", "warning"];

/** Asks what is needed, orders it and tells the end.
 * @param {import("./types.js").Incident} incident @param {string} word @param {object} [given]
 * @param {string} [name] the label, when it is not the word's own */
export async function act(incident, word, given = undefined, name = `act.${word}`) {
  const body = given ?? (await details(incident, word));
  if (body === null) return;
  await told(t(name), () => order(incident.id, word, body));
}

/** Open incidents, to merge into or to move to: the nearest in time first. @param {import("./types.js").Incident} self
 * @param {string[]} but @returns {Promise<[string, string][]>} */
async function others(self, but) {
  const page = await call("/api/v1/incidents?state=abnormal&state=recovering&state=recovered&limit=500");
  const apart = (one) => Math.abs(Date.parse(one.first_alert_at) - Date.parse(self.first_alert_at));
  return page.items.filter((one) => !but.includes(one.id)).sort((a, b) => apart(a) - apart(b))
    .map((one) => [one.id, `${one.id} · ${one.priority} · ${one.title}${one.root ? ` · ${one.root.ci.name}` : ""}`]);
}

/** Who has handled incidents: to choose from. */
async function people() {
  const page = await call("/api/v1/incidents?limit=500").catch(() => ({ items: [] }));
  return [...new Set(page.items.flatMap((other) => [other.assignee, other.acknowledged_by]).filter(Boolean))];
}

const one = (name, kind, more = {}) => ({ name, kind, label: t(`ask.${name}`), ...more });

/** Asks what an order needs: its body, or null when it was thought better of. `about` are the incidents that it is about.
 * @param {import("./types.js").Incident} incident @param {string} word @param {string[]} [about] @param {string} [title] */
export async function details(incident, word, about = [incident.id], title = t(`act.${word}`)) {
  switch (word) {
    case "assign": {
      return ask({ title, fields: [one("assignee", "line", { value: incident.assignee ?? "", suggestions: await people() })] });
    }
    case "comment": return ask({ title, fields: [one("text", "text")] });
    case "close": return ask({ title, danger: true, ok: title, fields: [
      one("warn", "note", { label: "", value: incident.firing_count ? t("ask.firing", { n: incident.firing_count }) : t("ask.quiet") }),
      { ...one("text", "text", { optional: true }), label: t("ask.note") }] }).then((given) => given && { text: given.text });
    case "merge": return ask({ title, fields: [one("into", "pick", { choices: about.length > 1 ? await among(about) : await others(incident, about) })] });
    case "severity": return ask({ title, fields: [
      one("severity", "choice", { value: incident.severity, choices: SEVERITIES.map((word) => [word, t(`sev.${word}`)]) })] });
    case "snooze": {
      const given = await ask({ title, fields: [one("until", "choice", { value: "60", choices: spans() })] });
      return given && { until: inMinutes(given.until) };
    }
    default: return {};
  }
}

/** Which of several takes the others: the largest is offered first. @param {string[]} about @returns {Promise<[string, string][]>} */
async function among(about) {
  const page = await call("/api/v1/incidents?state=abnormal&state=recovering&state=recovered&limit=500");
  return page.items.filter((other) => about.includes(other.id)).sort((a, b) => b.alert_count - a.alert_count)
    .map((other) => [other.id, `${other.id} · ${other.priority} · ${other.title}`]);
}

/** Moves alerts elsewhere. @param {import("./types.js").Incident} incident @param {string[]} alerts */
export async function moveAlerts(incident, alerts) {
  const given = await ask({ title: t("act.move"), fields: [one("into", "pick", { choices: await others(incident, [incident.id]) })] });
  if (!given) return;
  // One after the other: the engine moves one alert at a time.
  await told(t("act.move"), async () => {
    for (const alert of alerts) {
      const refused = await order(incident.id, "move", { into: given.into, alerts: [alert] });
      if (refused !== "") return refused;
    }
    return "";
  });
}

/** The row of buttons. */
export const Actions = ({ incident, me, onPostMortem }) => {
  const [busy, setBusy] = useState("");
  if (me.role === "viewer") return html`<span class="dim">${t("role.read_only")}</span>`;
  if (incident.state === "merged") return null;
  const run = async (word) => {
    setBusy(word);
    try { await (word === "silence" ? silenceIncident(incident) : word === "false_alarm" ? sayFalse(incident.id) : act(incident, word)); } finally { setBusy(""); }
  };
  const button = (word, kind = "") => html`<button class=${kind} disabled=${busy === word} aria-busy=${busy === word}
    data-act=${word} onClick=${() => run(word)}>${t(`act.${word}`)}</button>`;
  const post = html`<button data-act="postmortem" onClick=${onPostMortem}>${t("act.postmortem")}</button>`;
  if (incident.state === "closed") return html`<div class="actions">${button("reopen", "main")} ${button("comment")} ${button("false_alarm")} ${post}</div>`;
  return html`<div class="actions">
    ${incident.progress === "triggered" ? button("acknowledge", "main") : button("unacknowledge")}
    ${button("assign")} ${button("comment")}
    ${incident.snoozed_until ? button("wake") : button("snooze")}
    ${button("severity")} ${button("merge")} ${button("silence")} ${button("false_alarm")} ${post}
    ${button("close", "warn")}
  </div>`;
};
