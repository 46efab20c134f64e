// Times, spans and numbers for people. Times are shown in one zone, which the viewer can change.

import { lang, say } from "./i18n.js";
import { now } from "./now.js";

/** The zones to choose from; Chinese government estates run on one. */
export const ZONES = ["Asia/Shanghai", "browser", "UTC"];

/** The zone chosen: one of ZONES. */
export const zoneChoice = () => localStorage.getItem("zone") ?? ZONES[0];

/** @param {string} choice */
export const chooseZone = (choice) => localStorage.setItem("zone", choice);

const zone = () => (zoneChoice() === "browser" ? undefined : zoneChoice());

/** The zone's name, for those who write times for us. */
export const zoneName = () => zone() ?? Intl.DateTimeFormat().resolvedOptions().timeZone;
const cache = new Map();

/** @param {string} kind @param {Intl.DateTimeFormatOptions} options */
function format(kind, options) {
  const key = `${kind}${lang()}${zoneChoice()}`;
  if (!cache.has(key)) {
    const locale = lang() === "zh" ? "zh-CN" : "en-GB";
    cache.set(key, new Intl.DateTimeFormat(locale, { timeZone: zone(), hourCycle: "h23", ...options }));
  }
  return cache.get(key);
}

/** `14:03:09`
 * @param {string|number|Date} at */
export const clock = (at) =>
  format("clock", { hour: "2-digit", minute: "2-digit", second: "2-digit" }).format(new Date(at));

/** `14:03`
 * @param {string|number|Date} at */
export const hourMinute = (at) => format("short", { hour: "2-digit", minute: "2-digit" }).format(new Date(at));

/** The day, with the year when it is another one.
 * @param {string|number|Date} at */
export function day(at) {
  const year = { year: /** @type {const} */ ("numeric") };
  const other = format("year", year).format(new Date(at)) !== format("year", year).format(new Date(now()));
  const month = lang() === "zh" ? /** @type {const} */ ("2-digit") : /** @type {const} */ ("short");
  return format(`day${other}`, { month, day: "2-digit", ...(other ? year : {}) }).format(new Date(at));
}

/** Day and time.
 * @param {string|number|Date} at */
export const moment = (at) => `${day(at)} ${clock(at)}`;

const INSTANT = /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z/g;

/** The sentence of the language shown; the moments in it are told in the zone of the times shown.
 * @param {{zh: string, en: string}|undefined} text */
export const says = (text) => say(text).replace(INSTANT, (at) => moment(at));

/** Only the time today, else day and time.
 * @param {string|number|Date} at */
export const briefly = (at) => (day(at) === day(now()) ? clock(at) : `${day(at)} ${hourMinute(at)}`);

/** `UTC+8`: the zone of the times shown. */
export function zoneLabel() {
  const parts = format("zone", { timeZoneName: "shortOffset" }).formatToParts(new Date());
  return (parts.find((part) => part.type === "timeZoneName")?.value ?? "").replace("GMT", "UTC");
}

/** How the zone of the times shown writes a moment: year to minute.
 * @param {number} at */
function local(at) {
  const two = /** @type {const} */ ("2-digit");
  const parts = format("local", { year: "numeric", month: two, day: two, hour: two, minute: two }).formatToParts(new Date(at));
  const part = (type) => parts.find((one) => one.type === type)?.value ?? "";
  return { date: `${part("year")}-${part("month")}-${part("day")}`, time: `${part("hour")}:${part("minute")}` };
}

/** Milliseconds that the zone of the times shown is ahead of UTC at a moment.
 * @param {number} at */
function ahead(at) {
  const { date, time } = local(at);
  return Date.parse(`${date}T${time}:00Z`) - Math.floor(at / 60_000) * 60_000;
}

/** Minutes that the zone of the times shown is ahead of UTC now. */
export const zoneMinutes = () => ahead(now()) / 60_000;

/** `2026-11-27`: the day of a moment as fields have it.
 * @param {number} at */
export const localDay = (at) => local(at).date;

/** `2026-11-27 14:00`: a moment as fields have it.
 * @param {number} at */
export const localMoment = (at) => `${local(at).date} ${local(at).time}`;

/** The moment of what a field says, such as `2026-11-27` or `2026-11-27 14:00`, in the zone of the times shown; NaN when it
 * says none. `days` later.
 * @param {string} text @param {number} [days] */
export function momentOf(text, days = 0) {
  const [, year, month, date, hour = "0", minute = "0"] = text.trim().match(/^(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})(?:[ T](\d{1,2}):(\d{2}))?$/) ?? [];
  const [y, m, d, h, min] = [year, month, date, hour, minute].map(Number);
  const real = new Date(Date.UTC(y, m - 1, d));
  if (!year || real.getUTCMonth() !== m - 1 || real.getUTCDate() !== d || h > 23 || min > 59) return NaN;
  const plain = Date.UTC(y, m - 1, d + days, h, min);
  // The zone's distance at that moment, which may differ from the one now; twice, for moments beside its change.
  const near = plain - ahead(plain);
  return plain - ahead(near);
}

/** When the day of a moment began, `days` later.
 * @param {number} at @param {number} [days] */
export const midnight = (at, days = 0) => momentOf(localDay(at), days);

const UNITS = { zh: ["秒", "分", "时", "天"], en: ["s", "m", "h", "d"] };

/** A span in at most two units: `3m 12s`.
 * @param {number} ms */
export function span(ms) {
  const [s, m, h, d] = UNITS[lang()];
  const gap = lang() === "zh" ? "" : " ";
  const secs = Math.max(0, Math.round(ms / 1000));
  const two = (big, bigUnit, small, smallUnit) => `${big}${bigUnit}${small ? `${gap}${small}${smallUnit}` : ""}`;
  if (secs < 60) return `${secs}${s}`;
  if (secs < 3600) return two(Math.floor(secs / 60), m, secs < 600 ? secs % 60 : 0, s);
  if (secs < 86400) return two(Math.floor(secs / 3600), h, Math.floor((secs % 3600) / 60), m);
  return two(Math.floor(secs / 86400), d, Math.floor((secs % 86400) / 3600), h);
}

/** `12,345`, or `1.2M` from a million on.
 * @param {number} n */
export function count(n) {
  if (n >= 1e6) return `${(n / 1e6).toFixed(n >= 1e7 ? 0 : 1)}M`;
  return n.toLocaleString("en-US");
}

/** A share of 1 as percent with the digits that matter near 1; a dash for a share of nothing.
 * @param {number|null|undefined} share */
export function percent(share) {
  if (typeof share !== "number") return "–";
  const p = share * 100;
  return `${p >= 99.95 && p < 100 ? "99.9" : p.toFixed(p >= 90 ? 1 : 0)}%`;
}

/** A likelihood per mille: never "0%" for what is possible, nor "100%" for what is not certain.
 * @param {number} pm */
export function likelihood(pm) {
  if (pm < 10) return "<1%";
  if (pm > 990 && pm < 1000) return ">99%";
  return `${Math.round(pm / 10)}%`;
}
