// Times, spans and numbers for people.

import { lang } from "./i18n.js";

const zone = () => localStorage.getItem("zone") ?? "Asia/Shanghai";
const cache = new Map();

function format(kind, options) {
  const key = `${kind}${lang()}${zone()}`;
  if (!cache.has(key)) {
    cache.set(key, new Intl.DateTimeFormat(lang() === "zh" ? "zh-CN" : "en-GB", { timeZone: zone(), hourCycle: "h23", ...options }));
  }
  return cache.get(key);
}

/** `14:03:09` */
export const clock = (at) => format("clock", { hour: "2-digit", minute: "2-digit", second: "2-digit" }).format(new Date(at));

/** Date and time. */
export const moment = (at) =>
  format("moment", { month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit", second: "2-digit" }).format(new Date(at));

const UNITS = { zh: ["秒", "分", "时", "天"], en: ["s", "m", "h", "d"] };

/** A span in at most two units: `3m 12s`. @param {number} ms */
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

/** `12,345`, or `1.2M` from a million on. */
export function count(n) {
  if (n >= 1e6) return `${(n / 1e6).toFixed(n >= 1e7 ? 0 : 1)}M`;
  return n.toLocaleString("en-US");
}

/** A share of 1 as percent with the digits that matter near 1. */
export function percent(share) {
  const p = share * 100;
  return `${p >= 99.95 && p < 100 ? "99.9" : p.toFixed(p >= 90 ? 1 : 0)}%`;
}
