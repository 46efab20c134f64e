// Views of the board that one often looks at: some that everybody has, and those that the viewer has kept in this browser.

import { html, useState } from "./vendor/htm-preact.js";
import { query } from "./api.js";
import { ask } from "./ask.js";
import { t } from "./i18n.js";

/** @type {[string, Record<string, string>][]} */
const GIVEN = [["all", {}], ["mine", { owner: "me" }], ["waiting", { progress: "triggered" }], ["critical", { severity: "critical,major", progress: "triggered" }], ["nobody", { owner: "none" }]];
const KEPT_MAX = 20;

/** @returns {{name: string, asked: Record<string, string>}[]} */
function kept() {
  try {
    const all = JSON.parse(localStorage.getItem("views") ?? "[]");
    return Array.isArray(all) ? all.filter((one) => typeof one?.name === "string" && one.asked).slice(0, KEPT_MAX) : [];
  } catch {
    return [];
  }
}

const same = (a, b) => query(a) === query(b);

/** @param {{filter: any, blank: any, onView: (asked: any) => void}} props */
export const Views = ({ filter, blank, onView }) => {
  const [own, setOwn] = useState(kept);
  const write = (all) => { localStorage.setItem("views", JSON.stringify(all)); setOwn(all); };
  const whole = (asked) => ({ ...blank, ...asked });
  const save = async () => {
    const given = await ask({ title: t("view.save"), ok: t("view.save"), fields: [{ name: "name", kind: "line", label: t("view.name") }] });
    if (given) write([...own.filter((one) => one.name !== given.name), { name: given.name, asked: Object.fromEntries(Object.entries(filter).filter(([, value]) => value)) }]);
  };
  const known = [...GIVEN.map(([word, asked]) => ({ name: t(`view.${word}`), asked, own: false })), ...own.map((one) => ({ ...one, own: true }))];
  const isKnown = known.some((one) => same(whole(one.asked), filter));
  return html`<div class="views" role="group" aria-label=${t("view")}>
    ${known.map((one) => html`<span key=${one.name} class="view"><button aria-pressed=${same(whole(one.asked), filter)} onClick=${() => onView(whole(one.asked))}>${one.name}</button>${one.own && html`<button
      class="drop" aria-label=${t("view.drop", { name: one.name })} title=${t("view.drop", { name: one.name })} onClick=${() => write(own.filter((other) => other.name !== one.name))}>✕</button>`}</span>`)}
    ${!isKnown && html`<button class="save" onClick=${save}>＋ ${t("view.save")}</button>`}</div>`;
};
