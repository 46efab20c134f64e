// What an operator can do with an incident, and what became of it.

import { html, useRef, useState } from "./vendor/htm-preact.js";
import { call, query } from "./api.js";
import { ask, inMinutes, spans } from "./ask.js";
import { CLOSING, CONCLUDING, findings, said } from "./ending.js";
import { sayFalse } from "./false_alarm.js";
import { t } from "./i18n.js";
import { OPEN } from "./incidents.js";
import { order, told } from "./orders.js";
import { titleOf } from "./parts.js";
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

/** Candidates that are offered at a time. */
const OFFERED = "100";
/** What opened so much later at most is offered before anything is typed. */
const LATER_MS = 3_600_000;

/** An incident as a choice. Most titles name the root already.
 * @param {import("./types.js").Incident} one @returns {[string, string]} */
const choice = (one) => [one.id, [one.id, one.priority, titleOf(one), ...(one.root && !one.title.includes(one.root.ci.name) ? [one.root.ci.name] : [])].join(" · ")];

/** Finds open incidents to merge into or to move to, the nearest in time first: the server looks through all of them.
 * @param {import("./types.js").Incident} self */
const others = (self) => async (text) => {
  const near = text ? { q: text } : { until: new Date(Date.parse(self.opened_at) + LATER_MS).toISOString() };
  const page = await call(`/api/v1/incidents?${query({ state: OPEN, limit: OFFERED, ...near })}`);
  const apart = (one) => Math.abs(Date.parse(one.first_alert_at) - Date.parse(self.first_alert_at));
  return page.items.filter((one) => one.id !== self.id).sort((a, b) => apart(a) - apart(b)).map(choice);
};

/** Which of several takes the others: the largest is offered first.
 * @param {import("./types.js").Incident[]} about */
const among = (about) => async (text) => [...about].sort((a, b) => b.alert_count - a.alert_count).map(choice)
  .filter(([, label]) => label.toLowerCase().includes(text.toLowerCase()));

/** Who has handled incidents: to choose from. */
async function people() {
  const page = await call("/api/v1/incidents?limit=500").catch(() => ({ items: [] }));
  return [...new Set(page.items.flatMap((other) => [other.assignee, other.acknowledged_by]).filter(Boolean))];
}

const one = (name, kind, more = {}) => ({ name, kind, label: t(`ask.${name}`), ...more });

/** Systems that could have a ticket of an incident and have none.
 * @param {Partial<import("headwater-api").IncidentDetail>} incident @returns {string[]} */
const systems = (incident) => incident.ticket_systems ?? [];

/** Asks what an order needs: its body, or null when it was thought better of. `about` are the incidents that it is about.
 * @param {import("./types.js").Incident} incident @param {string} word @param {import("./types.js").Incident[]} [about] @param {string} [title] */
export async function details(incident, word, about = [incident], title = t(`act.${word}`)) {
  switch (word) {
    case "assign": {
      return ask({ title, fields: [one("assignee", "line", { value: incident.assignee ?? "", suggestions: await people() })] });
    }
    case "comment": return ask({ title, fields: [one("text", "text")] });
    case "close": return ask({ title, danger: true, ok: title, fields: [
      one("warn", "note", { label: "", value: incident.firing_count ? t("ask.firing", { n: incident.firing_count }) : t("ask.quiet") }),
      ...await findings(incident, CLOSING), { ...one("text", "text", { optional: true, rows: 2 }), label: t("ask.note") }] })
      .then((given) => given && said(given));
    case "conclude": return ask({ title, fields: await findings(incident, CONCLUDING) }).then((given) => given && said(given));
    case "declare_major": case "revoke_major": return ask({ title, danger: true, ok: title, fields: [
      { ...one("text", "text", { optional: true, rows: 2 }), label: t("ask.why") }] });
    case "merge": return ask({ title, fields: [one("into", "pick", { search: about.length > 1 ? among(about) : others(incident) })] });
    case "severity": return ask({ title, fields: [
      one("severity", "choice", { value: incident.severity, choices: SEVERITIES.map((word) => [word, t(`sev.${word}`)]) })] });
    case "snooze": {
      const given = await ask({ title, fields: [one("until", "choice", { value: "60", choices: spans() })] });
      return given && { until: inMinutes(given.until) };
    }
    case "ticket": return ask({ title, ok: title, fields: [one("help", "note", { label: "", value: t("ask.ticket") }),
      one("receiver", "choice", { choices: systems(incident).map((system) => [system, system]) })] }).then((given) => given && { receiver: given.receiver });
    default: return {};
  }
}

/** Moves alerts elsewhere.
 * @param {import("./types.js").Incident} incident @param {string[]} alerts */
export async function moveAlerts(incident, alerts) {
  const given = await ask({ title: t("act.move"), fields: [one("into", "pick", { search: others(incident) })] });
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

/** What is seldom wanted, behind one button. It shuts when something in it is pressed, or the focus goes elsewhere. */
const More = ({ children }) => {
  const menu = useRef(/** @type {HTMLDetailsElement|null} */ (null));
  const shut = () => menu.current?.removeAttribute("open");
  return html`<details class="more-acts" ref=${menu} onFocusOut=${(event) => { if (!menu.current?.contains(event.relatedTarget)) shut(); }} onKeyDown=${(event) => { if (event.key === "Escape") { event.stopPropagation(); shut(); } }}>
    <summary>${t("act.more")} ▾</summary><div onClick=${shut}>${children}</div></details>`;
};

/** The row of buttons.
 * @param {{incident: import("headwater-api").IncidentDetail, me: import("headwater-api").Me, onPostMortem: any}} props */
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
  if (incident.state === "closed") return html`<div class="actions">${button("reopen", "main")} ${button("conclude")} ${button("comment")} ${button("false_alarm")} ${post}</div>`;
  return html`<div class="actions">
    ${incident.progress === "triggered" ? button("acknowledge", "main") : button("unacknowledge")}
    ${button("assign")} ${button("comment")}
    ${incident.snoozed_until ? button("wake") : button("snooze")}
    ${button("silence")} ${button("close", "warn")}
    <${More}>${systems(incident).length > 0 && button("ticket")} ${button("severity")} ${button("merge")} ${button(incident.major ? "revoke_major" : "declare_major")} ${button("conclude")} ${button("false_alarm")} ${post}<//>
  </div>`;
};
