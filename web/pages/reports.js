// Reports: noise, reaction times, who is noisy and how often the root cause was right, for a week, a month or any span;
// as a table file or on paper.

import { html, useEffect, useState } from "../vendor/htm-preact.js";
import { call, query, send } from "../api.js";
import { ask } from "../ask.js";
import { Bars, Ring } from "../charts.js";
import { DateField } from "../dates.js";
import { count, day, moment, momentOf, percent, span, zoneLabel, zoneMinutes } from "../format.js";
import { labelOr, t } from "../i18n.js";
import { now } from "../now.js";
import { outcome, told } from "../orders.js";
import { Empty, Go, Panel, Switch } from "../parts.js";

const DAY_MS = 86_400_000;
const SPANS = ["1", "7", "30", "90"];
const GROUPS = /** @type {[string, string, string][]} */ ([["by_team", "report.team", ""], ["by_area", "report.area", "area"], ["by_org", "report.org", ""], ["by_severity", "report.severity", "sev"], ["by_hours", "report.hours", "hours"]]);

/** What a group's key is called.
 * @type {Record<string, (key: string) => string>} */
const NAMES = { area: (key) => labelOr(`area.${key}`, key), sev: (key) => labelOr(`sev.${key}`, key), hours: (key) => labelOr(`hours.${key}`, key) };

const secs = (value) => (value === null || value === undefined ? "–" : span(value * 1000));

/** How a figure stands to the span before; less is better unless told otherwise.
 * @param {{before: number|null|undefined, after: number|null|undefined, better?: "less"|"more"}} props */
const Change = ({ before, after, better = "less" }) => {
  if (before === null || before === undefined || after === null || after === undefined || (!before && !after)) return null;
  if (!before) return html`<em class="trend">${t("report.fresh")}</em>`;
  const change = (after - before) / Math.abs(before);
  const kind = Math.abs(change) < 0.005 ? "" : (change < 0) === (better === "less") ? "good" : "bad";
  return html`<em class=${`trend ${kind}`} title=${t("report.before")}>${change > 0 ? "▲" : change < 0 ? "▼" : "="} ${percent(Math.abs(change))}</em>`;
};

const Figure = ({ label, value, before, after, better = "less" }) => html`<div class="figure"><span>${label}</span><b>${value}</b><${Change} before=${before} after=${after} better=${better} /></div>`;

/** @param {{title: any, prefix: any, groups: import("headwater-api").Group[]}} props */
const Group = ({ title, prefix, groups }) => html`<${Panel} title=${title}>${groups.length === 0 ? html`<p class="dim">${t("num.none")}</p>` : html`<div class="scroll"><table class="plain numbers"><thead><tr><th></th>${["incidents", "acknowledged", "closed", "mtta", "p90", "mttr", "p90"].map((word, i) => html`<th key=${i}>${t(`report.${word}`)}</th>`)}</tr></thead>
  <tbody>${groups.map((one) => html`<tr key=${one.key}><td>${one.key ? (NAMES[prefix]?.(one.key) ?? one.key) : t("report.nobody")}</td><td>${count(one.incidents)}</td><td>${count(one.acknowledged)}</td><td>${count(one.closed)}</td>
    <td>${secs(one.mtta_seconds)}</td><td class="dim">${secs(one.mtta_p90_seconds)}</td><td>${secs(one.mttr_seconds)}</td><td class="dim">${secs(one.mttr_p90_seconds)}</td></tr>`)}</tbody></table></div>`}<//>`;

/** @param {{title: string, items: {key: string, n: number}[], unit: string}} props */
const Noisy = ({ title, items, unit }) => {
  const most = Math.max(1, ...items.map((item) => item.n));
  return html`<${Panel} title=${title}>${items.length ? html`<ol class="bars">${items.slice(0, 12).map((item) => html`<li key=${item.key}><span title=${item.key}>${item.key}</span>
    <svg viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true"><rect width=${(item.n / most) * 100} height="6" /></svg><b title=${unit}>${count(item.n)}</b></li>`)}</ol>` : html`<p class="dim">${t("num.none")}</p>`}<//>`;
};

/** Every day of the span, also those without anything.
 * @param {any} report */
function everyDay(report) {
  const key = (at) => new Date(at + zoneMinutes() * 60_000).toISOString().slice(0, 10);
  const known = new Map(report.days.map((one) => [one.day, one]));
  const all = [];
  for (let at = Date.parse(report.since); at <= Date.parse(report.until); at += DAY_MS) all.push(key(at));
  if (all.at(-1) !== key(Date.parse(report.until) - 1)) all.push(key(Date.parse(report.until) - 1));
  return [...new Set(all)].map((name) => known.get(name) ?? { day: name, events: 0, incidents: 0, notifications: 0 });
}

/** How often people were interrupted, by hour class.
 * @param {{people: import("headwater-api").PersonLoad[]}} props */
const Load = ({ people }) => {
  const most = Math.max(1, ...people.map((one) => one.all));
  const part = (one, word) => one[word] > 0 && html`<rect key=${word} class=${`load-${word}`} x=${(["work", "rest", "sleep"].slice(0, ["work", "rest", "sleep"].indexOf(word)).reduce((sum, before) => sum + one[before], 0) / most) * 100} width=${(one[word] / most) * 100} height="8"><title>${t(`hours.${word}`)} ${count(one[word])}</title></rect>`;
  return html`<${Panel} title=${t("report.load")}><p class="dim">${t("report.load.help")}</p>${people.length === 0 ? html`<p class="dim">${t("report.load.none")}</p>` : html`<div class="scroll"><table class="plain numbers load"><thead><tr><th></th>${["work", "rest", "sleep", "all"].map((word) => html`<th key=${word}>${t(`hours.${word}`)}</th>`)}<th></th></tr></thead>
    <tbody>${people.map((one) => html`<tr key=${one.person}><td><a href=${`/deliveries?${query({ person: one.person })}`}>${one.name || one.person}</a></td><td>${count(one.work)}</td><td>${count(one.rest)}</td><td class=${one.sleep ? "bad" : ""}>${count(one.sleep)}</td><td><b>${count(one.all)}</b></td>
      <td class="load-bar"><svg viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">${["work", "rest", "sleep"].map((word) => part(one, word))}</svg></td></tr>`)}</tbody></table></div>`}<//>`;
};

/** Whose alerts people acknowledge least: noise, which rules may take away.
 * @param {{items: import("headwater-api").Heeded[], me: import("headwater-api").Me}} props */
const Heeded = ({ items, me }) => html`<${Panel} title=${t("report.heeded")} aside=${["analyst", "admin"].includes(me.role) && html`<${Go} class="screen-only" to="/suggestions">${t("report.heeded.rules")}<//>`}><p class="dim">${t("report.heeded.help")}</p>
  ${items.length === 0 ? html`<p class="dim">${t("num.none")}</p>` : html`<div class="scroll"><table class="plain numbers heeded"><thead><tr><th></th>${["ov.alerts", "ov.incidents", "report.acknowledged", "report.share"].map((word) => html`<th key=${word}>${t(word)}</th>`)}</tr></thead>
    <tbody>${items.map((one) => html`<tr key=${one.name}><td>${one.name}</td><td>${count(one.alerts)}</td><td>${count(one.incidents)}</td><td>${count(one.acknowledged)}</td><td><b>${percent(one.rate)}</b></td></tr>`)}</tbody></table></div>`}<//>`;

/** What people said was told in vain, and what nothing told of.
 * @param {{report: import("headwater-api").Report, me: import("headwater-api").Me, onChange: any}} props */
const Said = ({ report, me, onChange }) => {
  const { judged, noise } = report;
  const miss = async () => {
    const given = await ask({ title: t("report.miss"), ok: t("report.miss"), fields: [{ name: "about", kind: "line", label: t("report.miss.about") }, { name: "note", kind: "text", label: t("report.miss.note"), optional: true }] });
    if (given) await told(t("report.miss"), async () => outcome((await send("POST", "/api/v1/feedback", { says: "missed", about: given.about, note: given.note ?? "" })).seq)).then(onChange);
  };
  const share = noise.incidents ? judged.false_alarms / noise.incidents : null;
  return html`<${Panel} title=${t("report.said")} aside=${me.role !== "viewer" && html`<button class="screen-only" data-act="missed" onClick=${miss}>${t("report.miss")}</button>`}><div class="ringed said"><p><b>${count(judged.false_alarms)}</b><i>${t("report.false", { share: percent(share) })}</i></p><p><b>${count(judged.missed)}</b><i>${t("report.missed")}</i></p></div><//>`;
};

/** @param {{report: import("headwater-api").Report}} props */
const Days = ({ report }) => {
  const days = everyDay(report);
  const slots = (parts) => days.map((one) => ({ label: one.day, parts: parts.map(([word, key]) => [word, one[key]]) }));
  const ends = days.length > 0 && html`<p class="tl-ends"><time>${days[0].day}</time><time>${days[days.length - 1].day}</time></p>`;
  return html`<div class="thirds"><${Panel} title=${t("report.events.day")}><${Bars} slots=${slots([["all", "events"]])} label=${t("report.events.day")} />${ends}<//>
    <${Panel} title=${t("report.incidents.day")}><${Bars} slots=${slots([["major", "incidents"]])} label=${t("report.incidents.day")} />${ends}<//>
    <${Panel} title=${t("report.notices.day")}><${Bars} slots=${slots([["application", "notifications"]])} label=${t("report.notices.day")} />${ends}<//></div>`;
};

/** @param {{report: import("headwater-api").Report, me: import("headwater-api").Me, onChange: any}} props */
const Body = ({ report, me, onChange }) => {
  const { noise, reaction, before, root_hits: hits } = report;
  const n = (items, key, value) => items.map((one) => ({ key: one[key], n: one[value] }));
  return html`<div class="figures">
      <${Figure} label=${t("ov.events")} value=${count(noise.events)} before=${before.noise.events} after=${noise.events} />
      <${Figure} label=${t("ov.alerts")} value=${count(noise.alerts)} before=${before.noise.alerts} after=${noise.alerts} />
      <${Figure} label=${t("ov.incidents")} value=${count(noise.incidents)} before=${before.noise.incidents} after=${noise.incidents} />
      <${Figure} label=${t("report.notifications")} value=${count(noise.notifications)} before=${before.noise.notifications} after=${noise.notifications} />
      <${Figure} label=${t("ov.mtta")} value=${secs(reaction.mtta_seconds)} before=${before.reaction.mtta_seconds} after=${reaction.mtta_seconds} />
      <${Figure} label=${t("ov.mttr")} value=${secs(reaction.mttr_seconds)} before=${before.reaction.mttr_seconds} after=${reaction.mttr_seconds} /></div>
    <div class="rings"><${Panel} title=${t("report.noise")}><div class="ringed"><${Ring} share=${noise.compression} label=${t("ov.compression")} /><p><b>${percent(noise.compression)}</b><i>${t("report.noise.help", { events: count(noise.events), incidents: count(noise.incidents) })}</i></p></div><//>
      <${Panel} title=${t("report.root")}><div class="ringed"><${Ring} share=${hits.rate} label=${t("report.root")} /><p><b>${percent(hits.rate)}</b><i>${hits.judged ? t("report.root.help", { right: count(hits.right), judged: count(hits.judged) }) : t("report.root.none")}</i></p></div><//>
      <${Panel} title=${t("report.delivered")}><div class="ringed"><${Ring} share=${report.delivered.rate} label=${t("report.delivered")} /><p><b>${percent(report.delivered.rate)}</b><i>${report.delivered.accepted + report.delivered.gave_up === 0 ? t("report.delivered.none") : t("report.delivered.help", { accepted: count(report.delivered.accepted), gave_up: count(report.delivered.gave_up) })}</i></p></div><//>
      <${Said} report=${report} me=${me} onChange=${onChange} /></div>
    <${Days} report=${report} />
    <div class="columns even">${GROUPS.map(([key, word, prefix]) => html`<${Group} key=${key} title=${t(word)} prefix=${prefix} groups=${report[key]} />`)}</div>
    <${Load} people=${report.by_person} />
    <${Heeded} items=${report.heeded} me=${me} />
    <div class="thirds"><${Noisy} title=${t("num.noisy.names")} items=${n(report.noisy_names, "key", "alerts")} unit=${t("ov.alerts")} /><${Noisy} title=${t("num.noisy.cis")} items=${n(report.noisy_cis, "key", "alerts")} unit=${t("ov.alerts")} />
      <${Noisy} title=${t("report.rules")} items=${n(report.noisy_rules, "id", "hits")} unit=${t("rules.hits")} /></div>
    ${report.cut && html`<p class="dim note">${t("report.cut")}</p>`}`;
};

/** @param {{me: import("headwater-api").Me}} props */
export const Reports = ({ me }) => {
  const [days, setDays] = useState("7");
  const [own, setOwn] = useState({ since: "", until: "" });
  const [report, set] = useState(/** @type {import("headwater-api").Report|null} */ (null));
  const [failed, setFailed] = useState("");
  const custom = own.since && own.until;
  const fields = () => {
    const offset_minutes = String(zoneMinutes());
    if (custom) return { since: new Date(momentOf(own.since)).toISOString(), until: new Date(momentOf(own.until, 1)).toISOString(), offset_minutes };
    return { since: new Date(now() - Number(days) * DAY_MS).toISOString(), until: new Date(now()).toISOString(), offset_minutes };
  };
  const load = () => call(`/api/v1/reports?${query(fields())}`).then((found) => { set(found); setFailed(""); }, (failure) => setFailed(failure.message));
  useEffect(() => { if (!own.since === !own.until) load(); }, [days, own.since, own.until]);
  return html`<div class="page-head with-action"><div><h1>${t("nav.reports")}</h1>${report && html`<p class="dim">${moment(report.since)} – ${moment(report.until)}</p>`}</div>
      <div class="aside screen-only"><${Switch} label=${t("sug.span")} value=${custom ? "" : days} onChange=${(n) => { setOwn({ since: "", until: "" }); setDays(n); }} choices=${SPANS.map((n) => [n, t("sug.days", { n })])} />
        <span class="when" title=${zoneLabel()}>${t("board.since")} <${DateField} kind="day" name="since" label=${`${t("board.since")} (${zoneLabel()})`} value=${own.since} onValue=${(since) => setOwn((old) => ({ ...old, since }))} /></span><span class="when" title=${zoneLabel()}>${t("board.until")} <${DateField} kind="day" name="until" label=${`${t("board.until")} (${zoneLabel()})`} value=${own.until} onValue=${(until) => setOwn((old) => ({ ...old, until }))} /></span>
        <a class="buttonish" href=${`/api/v1/reports.csv?${query(fields())}`} download>CSV</a><button onClick=${() => print()}>${t("report.print")}</button></div></div>
    ${failed && html`<${Empty} text=${t("failed", { why: failed })} onRetry=${load} />`}
    ${!report && !failed && html`<${Empty} text=${t("loading")} />`}
    ${report && html`<div class="stack report"><${Body} report=${report} me=${me} onChange=${load} /></div>`}
    <p class="paper-only">${t("report.made", { t: `${day(now())}` })}</p>`;
};
