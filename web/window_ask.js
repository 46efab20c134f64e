// Asks for a maintenance window: once, or again and again; when it will hold is shown before it is made.

import { send } from "./api.js";
import { ask } from "./ask.js";
import { day, hourMinute, localDay, localMoment, zoneName } from "./format.js";
import { t } from "./i18n.js";
import { now } from "./now.js";
import { outcome, told } from "./orders.js";
import { toast } from "./parts.js";

const HOUR_MS = 3_600_000;
const FIELDS = ["ci", "site", "class", "area", "org", "name", "source"];
const REPEATS = ["once", "daily", "weekly", "monthly"];
const NIGHT = { from: "22:00", to: "06:00" };

/** What became of a change: where the rules ask for a second person, it waits for one.
 * @param {any} taken */
export async function asked(taken) {
  if (!taken?.waits) return "";
  const refused = await outcome(taken.seq);
  if (!refused) toast(t("win.asked"), "wait");
  return refused;
}

/** When it holds, as rules write it. `starts` and `ends` bound what comes again.
 * @param {Record<string, string>} given */
function schedule(given) {
  const at = `${given.begin}-${given.end}`;
  const zone = zoneName();
  const bounds = given.ends ? { ends: given.ends } : {};
  switch (given.repeat) {
    case "daily": return { daily: at, zone, ...bounds };
    case "weekly": return { weekly: { days: given.days.split(","), at }, zone, ...bounds };
    case "monthly": return { monthly: { days: given.dates.split(/[\s,，、]+/).filter(Boolean), at }, zone, ...bounds };
    default: return { once: { from: given.from, to: given.to }, zone };
  }
}

/** The window as the API takes it.
 * @param {Record<string, string>} given */
function written(given) {
  const below = given.subtree === "yes" && given.field === "ci";
  return { id: given.id, note: given.note, ...(below ? { subtree: [given.value] } : { match: { [given.field]: given.value } }),
    schedule: schedule(given), effect: given.effect, reason: given.note };
}

/** The next times that it would hold, as soon as enough is known.
 * @param {Record<string, string>} given @returns {Promise<string[]>} */
async function coming(given) {
  const known = given.repeat === "once" ? given.from && given.to : given.begin && given.end;
  if (!known) return [];
  const { items } = await send("POST", "/api/v1/windows/preview", written({ ...given, id: given.id || "-", value: given.value || "-" }));
  return items.length ? items.map(({ from, to }) => `${day(from)} ${hourMinute(from)} – ${day(from) === day(to) ? "" : `${day(to)} `}${hourMinute(to)}`) : [t("win.over")];
}

/** Asks for a window and makes it.
 * @param {() => void} onMade */
export async function askWindow(onMade) {
  const [once, again] = [(given) => given.repeat === "once", (given) => given.repeat !== "once"];
  const only = (word) => (given) => given.repeat === word;
  const choice = (name, label, words, say, more = {}) => ({ name, kind: /** @type {const} */ ("choice"), label, choices: words.map((word) => /** @type {[string, string]} */ ([word, say(word)])), ...more });
  const given = await ask({ title: t("win.make"), ok: t("win.make"), preview: { title: t("win.coming"), read: coming }, fields: [
    { name: "id", kind: "line", label: t("win.id"), value: `mw-${localDay(now())}` },
    choice("field", t("silence.field"), FIELDS, (word) => t(`silence.field.${word}`)),
    { name: "value", kind: "line", label: t("win.value") },
    choice("subtree", t("win.reach"), ["no", "yes"], (word) => t(word === "yes" ? "win.reach.below" : "win.reach.own"), { when: (given) => given.field === "ci" }),
    choice("repeat", t("win.repeat"), REPEATS, (word) => t(`win.repeat.${word}`)),
    { name: "from", kind: "moment", label: t("win.from"), value: localMoment(now() + HOUR_MS), when: once },
    { name: "to", kind: "moment", label: t("win.to"), value: localMoment(now() + 3 * HOUR_MS), when: once },
    { name: "days", kind: "days", label: t("win.days"), value: "sun", when: only("weekly") },
    { name: "dates", kind: "line", label: t("win.dates"), value: "1", when: only("monthly") },
    { name: "begin", kind: "line", label: t("win.begin"), value: NIGHT.from, when: again },
    { name: "end", kind: "line", label: t("win.finish"), value: NIGHT.to, when: again },
    { name: "ends", kind: "moment", label: t("win.ends_at"), optional: true, when: again },
    choice("effect", t("win.effect"), ["keep", "notice", "drop"], (word) => t(`win.effect.${word}`)),
    { name: "note", kind: "line", label: t("silence.comment") }] });
  if (!given) return;
  await told(t("win.make"), async () => asked(await send("POST", "/api/v1/windows", written(given))));
  onMade();
}
