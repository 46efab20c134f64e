// Who is on call: now and in the days to come, by roster; whom each escalation policy would tell; overrides and swaps.

import { html, useEffect, useState } from "../vendor/htm-preact.js";
import { call, query, remove, send } from "../api.js";
import { ask } from "../ask.js";
import { day, hourMinute, localMoment, midnight, moment, momentOf, span, zoneLabel } from "../format.js";
import { labelOr, t } from "../i18n.js";
import { now } from "../now.js";
import { outcome, told } from "../orders.js";
import { Empty, Panel, Switch } from "../parts.js";
import { Reach } from "../reach.js";

const DAY_MS = 86_400_000;
const EVERY_MS = 5000;
const DAYS = ["7", "14", "31"];
/** Colours that people are told apart by; their names stand beside them. */
const TONES = 8;

const names = (people) => people.map((person) => person.name || person.id).join(t("and"));

/** The same person has the same colour everywhere, in the order in which people come up.
 * @type {Map<string, number>} */
const tones = new Map();

/** @param {string} id */
function tone(id) {
  if (!tones.has(id)) tones.set(id, tones.size % TONES);
  return tones.get(id);
}

/** Who has duty now.
 * @param {{duty: import("headwater-api").OnDuty, onTake: any, may: any}} props */
const Duty = ({ duty, onTake, may }) => html`<div class=${`duty ${duty.people.length ? "" : "nobody"}`}><h3>${duty.roster}</h3>
  <p class="big">${duty.people.length ? duty.people.map((person) => html`<b key=${person.id} class=${`tone-${tone(person.id)}`}>${person.name || person.id}</b> `) : t("onc.nobody")}</p>
  <p class="dim">${duty.backup.length > 0 && t("onc.backup", { who: names(duty.backup) })}</p>
  <p class="dim">${duty.until ? t("win.until", { t: moment(duty.until) }) : t("onc.always")}${duty.by_override ? ` · ${t("onc.override")}` : ""}</p>
  ${may && html`<button onClick=${() => onTake(duty)}>${t("onc.take")}</button>`}</div>`;

/** Shows the secret address of a roster's calendar; another one can be made in its place. @param {string} roster */
async function link(roster) {
  const path = `/api/v1/oncall/rosters/${encodeURIComponent(roster)}/calendar`;
  const { url } = await call(path);
  const full = url.startsWith("http") ? url : location.origin + url;
  const given = await ask({ title: t("onc.link.title", { roster }), danger: true, ok: t("onc.link.revoke"), fields: [{ name: "url", kind: "line", label: t("onc.link.help"), value: full }] });
  if (given) await told(t("onc.link.revoke"), async () => { const { seq } = await remove(path); return outcome(seq); });
}

/** The shifts of a roster as bars over days.
 * @param {{roster: any, shifts: import("headwater-api").ShiftItem[], from: any, to: any, may: boolean}} props */
const Row = ({ roster, shifts, from, to, may }) => {
  const x = (at) => Math.max(0, Math.min(1000, ((Number(new Date(at)) - from) / (to - from)) * 1000));
  return html`<div class="cal-row"><span title=${roster}>${roster}<a class="ical" href=${`/api/v1/oncall/rosters/${encodeURIComponent(roster)}/ical`} download>iCal</a>${may && html`<button class="ical linkish" title=${t("onc.link.help")} onClick=${() => link(roster)}>${t("onc.link")}</button>`}</span>
    <svg class="shifts" viewBox="0 0 1000 26" preserveAspectRatio="none" role="img" aria-label=${t("onc.shifts.of", { roster })}>${shifts.map((shift) => html`<g key=${shift.from}>
      <title>${`${moment(shift.from)} – ${moment(shift.to)}  ${shift.people.length ? names(shift.people) : t("onc.nobody")}${shift.by_override ? ` (${t("onc.override")})` : ""}`}</title>
      <rect class=${shift.people.length ? `tone-${tone(shift.people[0].id)}` : "gap"} x=${x(shift.from)} width=${Math.max(1, x(shift.to) - x(shift.from) - 1)} y=${shift.by_override ? 0 : 3} height=${shift.by_override ? 26 : 20} /></g>`)}<rect class="now" x=${x(now())} width="2" height="26" /></svg></div>`;
};

const Calendar = ({ rosters, days, version, may }) => {
  const [found, set] = useState(/** @type {{id: string, shifts: import("headwater-api").ShiftItem[]}[]} */ ([]));
  const from = midnight(now());
  const to = midnight(now(), Number(days));
  useEffect(() => {
    const fields = query({ from: new Date(from).toISOString(), to: new Date(to).toISOString() });
    Promise.all(rosters.map((id) => call(`/api/v1/oncall/rosters/${encodeURIComponent(id)}?${fields}`).then((page) => ({ id, shifts: page.items }), () => ({ id, shifts: [] })))).then(set);
  }, [rosters.join("\n"), days, version, from]);
  const marks = Math.min(7, Number(days));
  const ticks = Array.from({ length: marks }, (_, i) => midnight(now(), Math.round((Number(days) / marks) * i)));
  const people = new Map(found.flatMap((one) => one.shifts.flatMap((shift) => shift.people)).map((person) => [person.id, person]));
  const gaps = found.flatMap((one) => one.shifts.filter((shift) => !shift.people.length).map((shift) => ({ ...shift, roster: one.id })));
  return html`<div class="calendar"><div class="cal-ticks">${ticks.map((at) => html`<span key=${at}>${day(at)}</span>`)}</div>
    ${found.map((one) => html`<${Row} key=${one.id} roster=${one.id} shifts=${one.shifts} from=${from} to=${to} may=${may} />`)}
    <p class="legend"><span><i class="now"></i>${t("cal.now", { t: `${hourMinute(now())} ${zoneLabel()}` })}</span>${[...people.values()].map((person) => html`<span key=${person.id}><i class=${`tone-${tone(person.id)}`}></i>${person.name || person.id}</span>`)}${gaps.length > 0 && html`<span><i class="gap"></i>${t("onc.nobody")}</span>`}</p>
    ${gaps.length > 0 && html`<p class="bad">${t("onc.gaps", { n: gaps.length, first: `${gaps[0].roster} ${moment(gaps[0].from)}` })}</p>`}</div>`;
};

/** `roster core` in the language shown.
 * @param {string} to */
function target(to) {
  const [kind, ...id] = to.split(" ");
  return `${labelOr(`onc.to.${kind}`, kind)} ${id.join(" ")}`;
}

/** @param {{policy: import("headwater-api").PolicyItem}} props */
const Policy = ({ policy }) => html`<li><h3>${policy.id}${policy.note && html` <span class="dim">${policy.note}</span>`}</h3>
  <ol class="levels-of">${policy.levels.map((level, i) => html`<li key=${i}><b>${i + 1}</b><span>${[names(level.people), ...level.receivers].filter(Boolean).join(t("and")) || t("onc.nobody")}</span>
    <i>${level.to.map(target).join(t("and"))}${level.round_robin ? ` · ${t("onc.robin")}` : ""}</i>${i < policy.levels.length - 1 || policy.rounds ? html`<em>${t("onc.waits", { t: span(level.wait_secs * 1000) })}</em>` : null}</li>`)}</ol>
  <p class="dim">${policy.rounds ? `${t("onc.rounds", { n: policy.rounds })} · ` : ""}${policy.until_close ? `${t("onc.until_close")} · ` : ""}${t("onc.fallback", { who: policy.fallback.join(t("and")) || "–" })}</p></li>`;

/** Asks for an override of a roster.
 * @param {any} duty @param {any[]} people @param {() => void} onMade */
async function takeOver(duty, people, onMade) {
  const given = await ask({ title: t("onc.take.title", { roster: duty.roster }), ok: t("onc.take"), fields: [
    { name: "person", kind: "line", label: t("onc.person"), suggestions: people.map((person) => person.id) },
    { name: "from", kind: "moment", label: t("win.from"), value: localMoment(now()) },
    { name: "to", kind: "moment", label: t("win.to"), value: localMoment(duty.until ? Date.parse(duty.until) : now() + DAY_MS / 3) },
    { name: "note", kind: "line", label: t("silence.comment"), optional: true }] });
  if (!given) return;
  await told(t("onc.take"), async () => {
    const { seq } = await send("POST", "/api/v1/oncall/overrides", { roster: duty.roster, person: given.person, from: new Date(momentOf(given.from)).toISOString(), to: new Date(momentOf(given.to)).toISOString(), note: given.note ?? "" });
    return outcome(seq);
  });
  onMade();
}

/** @param {{items: import("headwater-api").OverrideItem[], may: any, onEnd: any}} props */
const Overrides = ({ items, may, onEnd }) => html`<${Panel} title=${t("onc.overrides")}>${items.length === 0 ? html`<p class="dim">${t("onc.overrides.none")}</p>` : html`<div class="scroll"><table class="plain"><thead><tr>${["roster", "person", "from", "to", "by", "note"].map((word) => html`<th key=${word}>${t(`onc.col.${word}`)}</th>`)}<th></th></tr></thead>
  <tbody>${items.map((one) => html`<tr key=${one.id} class=${Date.parse(one.to) < now() ? "dim" : ""}><td><b>${one.roster}</b></td><td>${one.person.name || one.person.id}${one.of && html`<small>${t("onc.instead", { who: one.of.name || one.of.id })}</small>`}</td><td>${moment(one.from)}</td><td>${moment(one.to)}</td><td>${one.by}</td><td class="comment">${one.note ?? ""}</td>
    <td>${may && Date.parse(one.to) > now() && html`<button class="warn" onClick=${() => onEnd(one)}>${t("win.end.ok")}</button>`}</td></tr>`)}</tbody></table></div>`}<//>`;

/** @param {{me: import("headwater-api").Me}} props */
export const OnCall = ({ me }) => {
  const [found, set] = useState(/** @type {{who: import("headwater-api").OnDuty[], policies: import("headwater-api").PolicyItem[], overrides: import("headwater-api").OverrideItem[]}|null} */ (null));
  const [failed, setFailed] = useState("");
  const [days, setDays] = useState("14");
  const [version, bump] = useState(0);
  const load = () => Promise.all([call("/api/v1/oncall"), call("/api/v1/oncall/policies"), call("/api/v1/oncall/overrides")])
    .then(([who, policies, overrides]) => { set({ who: who.items, policies: policies.items, overrides: overrides.items }); bump((n) => n + 1); setFailed(""); }, (failure) => setFailed(failure.message));
  useEffect(() => { load(); const timer = setInterval(load, EVERY_MS); return () => clearInterval(timer); }, []);
  const may = me.role !== "viewer";
  const end = (one) => told(t("win.end.ok"), async () => { const { seq } = await remove(`/api/v1/oncall/overrides/${one.id}`); return outcome(seq); }).then(load);
  const people = found ? [...new Map([...found.who.flatMap((duty) => [...duty.people, ...duty.backup]), ...found.policies.flatMap((policy) => policy.levels.flatMap((level) => level.people))].map((person) => [person.id, person])).values()] : [];
  return html`<div class="page-head"><h1>${t("nav.oncall")}</h1><p class="dim">${t("onc.help", { t: hourMinute(now()) })}</p></div>
    ${failed && html`<${Empty} text=${t("failed", { why: failed })} onRetry=${load} />`}
    ${!found && !failed && html`<${Empty} text=${t("loading")} />`}
    ${found && html`<div class="stack">${found.who.length === 0 ? html`<${Empty} text=${t("onc.none")} />` : html`<div class="duties">${found.who.map((duty) => html`<${Duty} key=${duty.roster} duty=${duty} may=${may} onTake=${() => takeOver(duty, people, load)} />`)}</div>
        <${Panel} title=${t("win.calendar")} aside=${html`<${Switch} label=${t("sug.span")} value=${days} onChange=${setDays} choices=${DAYS.map((n) => [n, t("sug.days", { n })])} />`}><${Calendar} rosters=${found.who.map((duty) => duty.roster)} days=${days} version=${version} may=${may} /><//>`}
      ${found.policies.length > 0 && html`<${Panel} title=${t("onc.policies")}><ul class="policies">${found.policies.map((policy) => html`<${Policy} key=${policy.id} policy=${policy} />`)}</ul><//>`}
      <${Reach} may=${may} />
      <${Overrides} items=${found.overrides} may=${may} onEnd=${end} /></div>`}`;
};
