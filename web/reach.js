// How I am reached when I have duty: my ways, a test page to myself, and showing that an address is mine.

import { html, useEffect, useState } from "./vendor/htm-preact.js";
import { ask } from "./ask.js";
import { call, send } from "./api.js";
import { moment } from "./format.js";
import { t } from "./i18n.js";
import { outcome, told } from "./orders.js";
import { Panel, toast } from "./parts.js";

// Whoever asks.
const ME = "me";

/** Says how each way did. @param {any[]} items */
const tell = (items) => items.forEach((one) => toast(`${one.receiver}${one.address ? ` ${one.address}` : ""} · ${t(one.taken ? "reach.taken" : "reach.failed", { why: one.said ?? "" })}`, one.taken ? "good" : "bad"));

export const Reach = ({ may }) => {
  const [ways, set] = useState(/** @type {any[]|null} */ (null));
  const [busy, setBusy] = useState("");
  const load = () => call(`/api/v1/oncall/people/${ME}`).then((found) => set(found.items), () => set(null));
  useEffect(() => { load(); }, []);
  // Whoever is none of the people of the rules is not told of anything.
  if (!ways?.length) return null;
  const test = async (receiver) => {
    setBusy(receiver ?? "all");
    try { tell((await send("POST", `/api/v1/oncall/people/${ME}/test`, receiver ? { receiver } : {})).items); } catch (failure) { toast(t("failed", { why: failure.message }), "bad"); }
    setBusy("");
  };
  const verify = async (one) => {
    setBusy(one.receiver);
    try {
      const [sent] = (await send("POST", `/api/v1/oncall/people/${ME}/test`, { receiver: one.receiver, code: true })).items;
      tell([sent]);
      const given = sent.taken && await ask({ title: t("reach.code.title", { to: one.address }), fields: [{ name: "code", kind: "line", label: t("reach.code") }] });
      if (given) await told(t("reach.verify"), async () => { const { seq } = await send("POST", `/api/v1/oncall/people/${ME}/verify`, { receiver: one.receiver, code: given.code }); return outcome(seq); });
      // What has been shown is counted once a second.
      setTimeout(load, 1500);
    } catch (failure) { toast(t("failed", { why: failure.message }), "bad"); }
    setBusy("");
  };
  const state = (one) => {
    if (!one.kind) return html`<em class="tag bad">${t("reach.off")}</em>`;
    if (!one.address) return html`<em class="tag bad">${t("reach.nowhere")}</em>`;
    if (one.verified_at) return html`<em class="tag good">${t("reach.verified", { t: moment(one.verified_at) })}</em>`;
    return html`<em class=${`tag ${one.asked ? "bad" : ""}`}>${t(one.asked ? "reach.unused" : "reach.unverified")}</em>`;
  };
  return html`<${Panel} title=${t("reach.title")} kind="ways" aside=${may && html`<button disabled=${busy !== ""} data-act="test-page" onClick=${() => test()}>${t("reach.test")}</button>`}>
    <div class="scroll"><table class="plain"><thead><tr><th>${t("dlv.receiver")}</th><th>${t("reach.address")}</th><th>${t("dlv.state")}</th><th></th></tr></thead><tbody>${ways.map((one) => html`<tr key=${one.receiver} data-way=${one.receiver}><td><b>${one.receiver}</b> <span class="dim">${one.kind}</span></td><td>${one.address ?? ""}</td><td>${state(one)}</td>
      <td>${may && one.address && html`<span class="actions small"><button disabled=${busy !== ""} onClick=${() => test(one.receiver)}>${t("reach.test.one")}</button>${!one.verified_at && html`<button disabled=${busy !== ""} data-act="verify" onClick=${() => verify(one)}>${t("reach.verify")}</button>`}</span>`}</td></tr>`)}</tbody></table></div>
    <p class="dim">${t("reach.help")}</p><//>`;
};
