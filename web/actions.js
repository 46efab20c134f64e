// What an operator can do with an incident.

import { html } from "./vendor/htm-preact.js";
import { order } from "./api.js";
import { ask } from "./ask.js";
import { t } from "./i18n.js";
import { toast } from "./parts.js";

const SPANS = [15, 30, 60, 240, 480, 1440];

/** Asks what is needed, orders it and tells the end. */
export async function act(incident, word, given) {
  const body = given ?? (await details(word));
  if (body === null) return;
  try {
    const refused = await order(incident.id, word, body);
    toast(refused ? t("refused", { why: refused }) : `${t(`act.${word}`)} · ${t("done")}`, refused ? "bad" : "good");
  } catch (failure) {
    toast(t("failed", { why: failure.message }), "bad");
  }
}

async function details(word) {
  const title = (key) => t(`ask.${key}`);
  const take = (field, text) => (text === null ? null : { [field]: text });
  switch (word) {
    case "assign": return take("assignee", await ask({ title: title("assignee"), kind: "line" }));
    case "comment": return take("text", await ask({ title: title("text"), kind: "text" }));
    case "close": return take("text", await ask({ title: title("note"), kind: "text", optional: true }));
    case "merge": return take("into", await ask({ title: title("into"), kind: "line" }));
    case "snooze": {
      const label = (mins) => (mins < 60 ? t("ask.mins", { n: mins }) : t("ask.hours", { n: mins / 60 }));
      const mins = await ask({ title: title("until"), kind: "choice", choices: SPANS.map((m) => [String(m), label(m)]) });
      return mins === null ? null : { until: new Date(Date.now() + Number(mins) * 60000).toISOString() };
    }
    default: return {};
  }
}

/** The row of buttons; `picked` are the ids of chosen member alerts. */
export const Actions = ({ incident, me, picked = [] }) => {
  if (!me || me.role === "viewer") return html`<span class="dim">${t("role.read_only")}</span>`;
  const over = incident.state === "closed" || incident.state === "merged";
  const button = (word, kind = "quiet") => html`<button class=${kind} onClick=${() => act(incident, word)}>${t(`act.${word}`)}</button>`;
  if (incident.state === "merged") return null;
  if (over) return html`<div class="actions">${button("reopen", "main")}${button("comment")}</div>`;
  return html`<div class="actions">
    ${incident.progress === "triggered" ? button("acknowledge", "main") : button("unacknowledge")}
    ${button("assign")} ${button("comment")}
    ${incident.snoozed_until ? button("wake") : button("snooze")}
    ${button("merge")}
    ${picked.length > 0 && html`<button class="quiet" onClick=${() => act(incident, "split", { alerts: picked })}>${t("act.split")} (${picked.length})</button>`}
    ${button("close", "warn")}
  </div>`;
};
