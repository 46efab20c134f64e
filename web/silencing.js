// Making silences: of one's own wording, or pre-filled with what an incident alerts about.

import { call, send } from "./api.js";
import { ask, inMinutes, spans } from "./ask.js";
import { t } from "./i18n.js";
import { commandId, outcome, told } from "./orders.js";
import { titleOf } from "./parts.js";

const FIELDS = ["ci", "name", "severity", "source", "class", "area", "site", "org", "title"];
const OPS = ["is", "in", "regex", "glob"];
/** CIs of one silence; more are better silenced by a rule. */
const CIS_MAX = 200;

/** Makes a silence and tells what became of it.
 * @param {{field: string, op: string, value: string}[]} matchers @param {string} mins @param {string} comment */
const make = (matchers, mins, comment) => told(t("silence.make"), async () => {
  const { seq } = await send("POST", "/api/v1/silences", { matchers: [matchers], ends_at: inMinutes(mins), comment, command_id: commandId() });
  return outcome(seq);
});

const long = () => ({ name: "mins", kind: /** @type {const} */ ("choice"), label: t("silence.span"), choices: spans(), value: "60" });
const note = (value = "") => ({ name: "comment", kind: /** @type {const} */ ("line"), label: t("silence.comment"), value });

/** Asks for one comparison, a span and a reason. */
export async function askSilence() {
  const given = await ask({ title: t("silence.make"), ok: t("silence.make"), fields: [
    { name: "field", kind: "choice", label: t("silence.field"), choices: FIELDS.map((word) => [word, t(`silence.field.${word}`)]) },
    { name: "op", kind: "choice", label: t("silence.op"), choices: OPS.map((word) => [word, t(`silence.op.${word}`)]) },
    { name: "value", kind: "line", label: t("silence.value") }, long(), note()] });
  if (given) await make([{ field: given.field, op: given.op, value: given.value }], given.mins, given.comment);
}

/** The CIs on which an incident alerts.
 * @param {string} id @returns {Promise<string[]>} */
async function alertingCis(id) {
  const page = await call(`/api/v1/incidents/${encodeURIComponent(id)}/members?limit=500`);
  return [...new Set(page.items.flatMap((alert) => alert.ci?.id ?? []))];
}

/** Silences what an incident alerts about: its root cause only, or all CIs that alert now.
 * @param {import("./types.js").Incident} incident */
export async function silenceIncident(incident) {
  const cis = await alertingCis(incident.id).catch(() => []);
  const root = incident.root?.ci.outside ? undefined : incident.root?.ci;
  const choices = /** @type {[string, string][]} */ ([
    ...(cis.length && cis.length <= CIS_MAX ? [["all", t("silence.scope.all", { n: cis.length })]] : []),
    ...(root ? [["root", t("silence.scope.root", { ci: root.name })]] : [])]);
  if (!choices.length) {
    await ask({ title: t("act.silence"), fields: [{ name: "why", kind: "note", label: "", value: t("silence.scope.none") }] });
    return;
  }
  const given = await ask({ title: t("act.silence"), ok: t("silence.make"), fields: [
    { name: "scope", kind: "choice", label: t("silence.scope"), choices }, long(), note(`${incident.id} ${titleOf(incident)}`.slice(0, 200)),
    { name: "help", kind: "note", label: "", value: t("silence.help") }] });
  if (!given) return;
  const value = given.scope === "root" && root ? root.id : cis.join("|");
  await make([{ field: "ci", op: given.scope === "root" ? "is" : "in", value }], given.mins, given.comment);
}
