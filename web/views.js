// Views of the board that one often looks at: some that everybody has, and those that people keep, for themselves or for all.

import { html, useEffect, useState } from "./vendor/htm-preact.js";
import { call, query, remove, send } from "./api.js";
import { ask } from "./ask.js";
import { t } from "./i18n.js";
import { toast } from "./parts.js";

/** @type {[string, Record<string, string>][]} */
const GIVEN = [["all", {}], ["mine", { owner: "me" }], ["waiting", { progress: "triggered" }], ["critical", { severity: "critical,major", progress: "triggered" }], ["nobody", { owner: "none" }]];

/** What an address asks for.
 * @param {string} text @returns {Record<string, string>} */
const read = (text) => Object.fromEntries(new URLSearchParams(text));

const same = (a, b) => query(a) === query(b);
const failed = (failure) => toast(failure.message, "bad");

/** @param {{filter: any, blank: any, me: any, onView: (asked: any) => void}} props */
export const Views = ({ filter, blank, me, onView }) => {
  const [kept, set] = useState(/** @type {import("headwater-api").ViewItem[]} */ ([]));
  const load = () => call("/api/v1/views").then((page) => set(page.items), () => {});
  useEffect(() => { load(); }, []);
  const whole = (asked) => ({ ...blank, ...asked });
  const save = async () => {
    const shares = me.role !== "viewer";
    const given = await ask({ title: t("view.save"), ok: t("view.save"), fields: [{ name: "name", kind: "line", label: t("view.name") },
      ...(shares ? [{ name: "whose", kind: /** @type {const} */ ("choice"), label: t("view.whose"), choices: /** @type {[string, string][]} */ (["own", "shared"].map((word) => [word, t(`view.${word}`)])) }] : [])] });
    if (given) await send("POST", "/api/v1/views", { name: given.name, query: query(filter), shared: given.whose === "shared" }).then(load, failed);
  };
  const drop = (one) => remove(`/api/v1/views?${query({ name: one.name, by: one.by })}`).then(load, failed);
  /** @type {{key: string, name: string, asked: Record<string, string>, by?: string, own?: boolean, shared?: boolean, drops?: boolean}[]} */
  const given = GIVEN.map(([word, asked]) => ({ key: word, name: t(`view.${word}`), asked }));
  const own = kept.map((one) => ({ ...one, key: `${one.by}/${one.name}`, asked: read(one.query), drops: one.own || me.role === "admin" }));
  const known = [...given, ...own];
  const label = (one) => (one.own || !one.by ? one.name : html`${one.name} <i>${one.by}</i>`);
  return html`<div class="views" role="group" aria-label=${t("view")}>
    ${known.map((one) => html`<span key=${one.key} class="view"><button aria-pressed=${same(whole(one.asked), filter)} title=${one.shared ? t("view.by", { by: one.by }) : ""} onClick=${() => onView(whole(one.asked))}>${label(one)}</button>${one.drops && html`<button
      class="drop" aria-label=${t("view.drop", { name: one.name })} title=${t("view.drop", { name: one.name })} onClick=${() => drop(one)}>✕</button>`}</span>`)}
    ${!known.some((one) => same(whole(one.asked), filter)) && html`<button class="save" onClick=${save}>＋ ${t("view.save")}</button>`}</div>`;
};
