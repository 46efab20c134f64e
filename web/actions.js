// What an operator can do with an incident, and what became of it.

import { html, useState } from "./vendor/htm-preact.js";
import { call } from "./api.js";
import { ask, inMinutes, spans } from "./ask.js";
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

/** Other open incidents, to merge into or to move to. @param {string} self @returns {Promise<[string, string][]>} */
async function others(self) {
  const page = await call("/api/v1/incidents?state=abnormal&state=recovering&state=recovered&limit=500");
  return page.items.filter((one) => one.id !== self).map((one) => [one.id, `${one.id} · ${one.priority} · ${one.title}`]);
}

const one = (name, kind, more = {}) => ({ name, kind, label: t(`ask.${name}`), ...more });

/** @param {import("./types.js").Incident} incident @param {string} word */
async function details(incident, word) {
  const title = t(`act.${word}`);
  switch (word) {
    case "assign": {
      const page = await call("/api/v1/incidents?limit=500").catch(() => ({ items: [] }));
      const people = page.items.flatMap((other) => [other.assignee, other.acknowledged_by]).filter(Boolean);
      return ask({ title, fields: [one("assignee", "line", { value: incident.assignee ?? "", suggestions: [...new Set(people)] })] });
    }
    case "comment": return ask({ title, fields: [one("text", "text")] });
    case "close": return ask({ title, danger: true, ok: title, fields: [
      one("warn", "note", { label: "", value: incident.firing_count ? t("ask.firing", { n: incident.firing_count }) : t("ask.quiet") }),
      { ...one("text", "text", { optional: true }), label: t("ask.note") }] }).then((given) => given && { text: given.text });
    case "merge": return ask({ title, fields: [one("into", "pick", { choices: await others(incident.id) })] });
    case "severity": return ask({ title, fields: [
      one("severity", "choice", { value: incident.severity, choices: SEVERITIES.map((word) => [word, t(`sev.${word}`)]) })] });
    case "snooze": {
      const given = await ask({ title, fields: [one("until", "choice", { value: "60", choices: spans() })] });
      return given && { until: inMinutes(given.until) };
    }
    default: return {};
  }
}

/** Moves one alert elsewhere. @param {import("./types.js").Incident} incident @param {string} alert */
export async function moveAlert(incident, alert) {
  const given = await ask({ title: t("act.move"), fields: [one("into", "pick", { choices: await others(incident.id) })] });
  if (given) await act(incident, "move", { into: given.into, alerts: [alert] });
}

/** The row of buttons. */
export const Actions = ({ incident, me }) => {
  const [busy, setBusy] = useState("");
  if (me.role === "viewer") return html`<span class="dim">${t("role.read_only")}</span>`;
  if (incident.state === "merged") return null;
  const run = async (word) => {
    setBusy(word);
    try { await (word === "silence" ? silenceIncident(incident) : act(incident, word)); } finally { setBusy(""); }
  };
  const button = (word, kind = "") => html`<button class=${kind} disabled=${busy === word} aria-busy=${busy === word}
    data-act=${word} onClick=${() => run(word)}>${t(`act.${word}`)}</button>`;
  if (incident.state === "closed") return html`<div class="actions">${button("reopen", "main")} ${button("comment")}</div>`;
  return html`<div class="actions">
    ${incident.progress === "triggered" ? button("acknowledge", "main") : button("unacknowledge")}
    ${button("assign")} ${button("comment")}
    ${incident.snoozed_until ? button("wake") : button("snooze")}
    ${button("severity")} ${button("merge")} ${button("silence")}
    ${button("close", "warn")}
  </div>`;
};
