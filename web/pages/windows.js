// Maintenance windows and silences on a calendar of the coming days, and making windows.

import { html, useEffect, useState } from "../vendor/htm-preact.js";
import { call, remove, send } from "../api.js";
import { ask } from "../ask.js";
import { day, hourMinute, midnight, moment, zoneLabel } from "../format.js";
import { t } from "../i18n.js";
import { now } from "../now.js";
import { outcome, told } from "../orders.js";
import { Empty, Panel, Switch } from "../parts.js";
import { askWindow, asked } from "../window_ask.js";

const DAYS = ["1", "7", "30"];

/** When a window holds: from and to, in milliseconds, as often as it comes.
 * @param {import("headwater-api").WindowItem} one @returns {[number, number][]} */
const holds = (one) => one.coming.map(({ from, to }) => [Date.parse(from), Date.parse(to)]);

/** Parts of the calendar by the days that it shows. */
const PARTS = { 1: 8, 7: 7, 30: 6 };

/** Bars over today and the coming days. */
const Calendar = ({ rows, days }) => {
  const from = midnight(now());
  const to = midnight(now(), Number(days));
  const x = (at) => Math.max(0, Math.min(1000, ((at - from) / (to - from)) * 1000));
  const parts = PARTS[days];
  const ticks = Array.from({ length: parts }, (_, i) => (days === "1" ? from + ((to - from) / parts) * i : midnight(now(), (Number(days) / parts) * i)));
  const shown = rows.filter(({ at }) => at.some((one) => one[0] < to && one[1] > from));
  return html`<div class="calendar"><div class="cal-ticks">${ticks.map((at) => html`<span key=${at}>${days === "1" ? hourMinute(at) : day(at)}</span>`)}</div>
    ${shown.length === 0 && html`<p class="dim">${t("win.calm")}</p>`}
    ${shown.map((row) => html`<div key=${row.key} class="cal-row"><span title=${row.label}>${row.label}</span>
      <svg viewBox="0 0 1000 10" preserveAspectRatio="none" aria-hidden="true"><rect class="all" width="1000" height="10" />${row.at.filter((one) => one[0] < to && one[1] > from).map((one) => html`<rect key=${one[0]} class=${row.kind} x=${x(one[0])} width=${Math.max(4, x(one[1]) - x(one[0]))} height="10" />`)}<rect class="now" x=${x(now())} width="2" height="10" /></svg></div>`)}
    <p class="legend"><span><i class="now"></i>${t("cal.now", { t: `${hourMinute(now())} ${zoneLabel()}` })}</span></p></div>`;
};

/** When a proposed window is to hold, in the words of its rule.
 * @param {any} schedule */
const spanOf = (schedule) => {
  const zone = schedule?.zone ?? "";
  if (schedule?.once) return `${schedule.once.from} – ${schedule.once.to} ${zone}`;
  if (schedule?.daily) return `${t("win.repeat.daily")} ${schedule.daily} ${zone}`;
  if (schedule?.weekly) return `${schedule.weekly.days.map((day) => t(`day.${day}`)).join(t("and"))} ${schedule.weekly.at} ${zone}`;
  if (schedule?.monthly) return `${t("win.repeat.monthly")} ${schedule.monthly.days.map((day) => (day === "last" ? t("win.day.last") : day)).join(t("and"))} ${schedule.monthly.at} ${zone}`;
  return JSON.stringify(schedule ?? {});
};

/** What a proposed window mutes.
 * @param {any} window */
const scopeOf = (window) => [...(window.subtree ?? []).map((ci) => t("win.below.of", { ci })), ...Object.entries(window.match ?? {}).map(([field, value]) => `${field}: ${value}`)].join(t("and"));

/** Windows that wait for a second person.
 * @param {{items: any[], me: any, onChange: () => void}} props */
const Proposals = ({ items, me, onChange }) => {
  const may = me.role !== "viewer";
  const approve = async (one) => {
    const given = await ask({ title: t(one.window ? "win.approve" : "win.approve.end", { id: one.id }), ok: t("win.approve.ok"), fields: [{ name: "reason", kind: "line", label: t("tuning.reason"), optional: true }] });
    if (given) await told(t("win.approve.ok"), async () => { await send("POST", `/api/v1/windows/proposals/${one.seq}/approve`, { reason: given.reason ?? "" }); return ""; }).then(onChange);
  };
  const refuse = (one) => told(t("win.refuse"), async () => outcome((await send("POST", `/api/v1/windows/proposals/${one.seq}/refuse`)).seq)).then(onChange);
  return html`<${Panel} title=${`${t("win.proposals")} (${items.length})`} kind="proposals"><p class="dim">${t("win.proposals.help")}</p><div class="scroll"><table class="plain"><thead><tr>${["id", "what", "when", "note", "by"].map((word) => html`<th key=${word}>${t(`win.${word}`)}</th>`)}<th></th></tr></thead>
    <tbody>${items.map((one) => html`<tr key=${one.seq}><td><b>${one.id}</b></td><td>${one.window ? scopeOf(one.window) : html`<em class="tag">${t("win.ends")}</em>`}</td><td>${one.window ? spanOf(one.window.schedule) : ""}</td><td class="comment">${one.window?.note ?? ""}${one.reason && one.reason !== one.window?.note && html`<small>${one.reason}</small>`}</td><td>${one.by}<small>${moment(one.at)}</small></td>
      <td>${may && html`<div class="actions small">${one.by !== me.name && html`<button class="main" data-act="approve" onClick=${() => approve(one)}>${t("win.approve.ok")}</button>`}<button class="warn" data-act="refuse" onClick=${() => refuse(one)}>${t(one.by === me.name ? "win.withdraw" : "win.refuse")}</button></div>`}</td></tr>`)}</tbody></table></div><//>`;
};

/** @param {{me: import("headwater-api").Me}} props */
export const Windows = ({ me }) => {
  const [found, set] = useState(/** @type {{windows: import("headwater-api").WindowItem[], silences: import("headwater-api").SilenceItem[], proposals: import("headwater-api").ProposalItem[]}|null} */ (null));
  const [failed, setFailed] = useState("");
  const [days, setDays] = useState("7");
  const load = () => Promise.all([call("/api/v1/windows"), call("/api/v1/silences"), call("/api/v1/windows/proposals")])
    .then(([windows, silences, proposals]) => { set({ windows: windows.items, silences: silences.items, proposals: proposals.items }); setFailed(""); }, (failure) => setFailed(failure.message));
  useEffect(() => { load(); }, []);
  const may = me.role !== "viewer";
  const end = async (one) => {
    const given = await ask({ title: t("win.end", { id: one.id }), ok: t("win.end.ok"), danger: true, fields: [{ name: "reason", kind: "line", label: t("tuning.reason"), optional: true }] });
    if (given) await told(t("win.end.ok"), async () => asked(await remove(`/api/v1/windows/${encodeURIComponent(one.id)}?${new URLSearchParams({ reason: given.reason ?? "" })}`))).then(load);
  };
  const rows = found ? [...found.windows.map((one) => ({ key: `w${one.id}`, label: one.note || one.id, kind: "window", at: holds(one) })),
    ...found.silences.map((one) => ({ key: `s${one.id}`, label: `${t("silence.title")} · ${one.comment || one.matchers.flat().map((matcher) => matcher.value).join(t("and"))}`, kind: "silenced", at: [[Date.parse(one.starts_at), Date.parse(one.ends_at)]] }))] : [];
  return html`<div class="page-head with-action"><div><h1>${t("nav.windows")}</h1><p class="dim">${t("win.help")}</p></div>${may && html`<button class="main" data-act="window" onClick=${() => askWindow(load)}>${t("win.make")}</button>`}</div>
    ${failed && html`<${Empty} text=${t("failed", { why: failed })} onRetry=${load} />`}
    ${found && html`<div class="stack">${found.proposals.length > 0 && html`<${Proposals} items=${found.proposals} me=${me} onChange=${load} />`}<${Panel} title=${t("win.calendar")} aside=${html`<${Switch} label=${t("sug.span")} value=${days} onChange=${setDays} choices=${DAYS.map((n) => [n, t("sug.days", { n })])} />`}><${Calendar} rows=${rows} days=${days} /><//>
      <${Panel} title=${`${t("nav.windows")} (${found.windows.length})`}>${found.windows.length === 0 ? html`<p class="dim">${t("win.none")}</p>` : html`<div class="scroll"><table class="plain"><thead><tr>${["id", "note", "state", "when", "below", "place"].map((word) => html`<th key=${word}>${t(`win.${word}`)}</th>`)}<th></th></tr></thead>
        <tbody>${found.windows.map((one) => html`<tr key=${one.id}><td><b>${one.id}</b></td><td class="comment">${one.note}</td><td><em class=${`tag ${one.active ? "good" : ""}`}>${t(one.active ? "silence.active" : "win.waits")}</em></td>
          <td>${one.active && one.ends_at ? t("win.until", { t: moment(one.ends_at) }) : one.starts_at ? t("silence.from", { t: moment(one.starts_at) }) : t("win.over")}</td><td>${one.subtree.join(t("and"))}</td><td>${one.file}:${one.line}</td>
          <td>${may && one.removable && html`<button class="warn" onClick=${() => end(one)}>${t("win.end.ok")}</button>`}</td></tr>`)}</tbody></table></div>`}<//></div>`}`;
};
