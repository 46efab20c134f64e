// Saying that an incident was none: counted in the reports, shown on its page, and taken back by analysts.

import { html, useEffect, useState } from "./vendor/htm-preact.js";
import { call, query, send } from "./api.js";
import { ask } from "./ask.js";
import { t } from "./i18n.js";
import { outcome, told } from "./orders.js";

/** Asks why, and says so.
 * @param {string} id */
export async function sayFalse(id) {
  const given = await ask({ title: t("act.false_alarm"), ok: t("act.false_alarm"), fields: [{ name: "note", kind: "line", label: t("ask.note"), optional: true }, { name: "help", kind: "note", label: "", value: t("false.help") }] });
  if (!given) return;
  await told(t("act.false_alarm"), async () => outcome((await send("POST", "/api/v1/feedback", { says: "false_alarm", about: id, note: given.note ?? "" })).seq));
  dispatchEvent(new CustomEvent("judged", { detail: id }));
}

/** Who said so.
 * @param {{id: string}} props */
export const FalseAlarm = ({ id }) => {
  const [items, set] = useState(/** @type {import("headwater-api").FeedbackItem[]} */ ([]));
  useEffect(() => {
    let alive = true;
    const load = () => call(`/api/v1/feedback?${query({ about: id, limit: "50" })}`).then((page) => { if (alive) set(page.items.filter((one) => one.says === "false_alarm" && !one.revoked)); }, () => {});
    load();
    addEventListener("judged", load);
    return () => { alive = false; removeEventListener("judged", load); };
  }, [id]);
  return items.length > 0 && html` · <em class="tag warn" title=${items[0].note}>${t("false.said", { by: items[0].by })}</em>`;
};
