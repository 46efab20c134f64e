// Trying rules before they are valid: what is wrong with them, what they would do with an event, and what they would have
// told people in the last days.

import { html, useEffect, useState } from "./vendor/htm-preact.js";
import { call, send } from "./api.js";
import { moment, says } from "./format.js";
import { labelOr, t } from "./i18n.js";
import { Panel, Severity, titleOf } from "./parts.js";
import { Versus } from "./versus.js";

const WAIT_MS = 600;
const RECENT = 12;
const SAMPLE = { name: "LinkDown", title: "uplink of core-1 is down", severity: "critical", object: { name: "core-1" }, labels: {} };

/** Says what is wrong while one types.
 * @param {{files: () => Record<string, string>, changed: string, onPlace: (file: string) => void}} props */
export const Check = ({ files, changed, onPlace }) => {
  const [said, set] = useState(/** @type {import("headwater-api").Checked|null} */ (null));
  useEffect(() => {
    let alive = true;
    const timer = setTimeout(() => send("POST", "/api/v1/rules/check", { files: files() }).then((found) => { if (alive) set(found); }, (failure) => { if (alive) set({ errors: [failure.message, ...failure.errors], lints: [] }); }), WAIT_MS);
    return () => { alive = false; clearTimeout(timer); };
  }, [changed]);
  if (!said) return html`<${Panel} title=${t("rules.check")}><p class="dim">${t("loading")}</p><//>`;
  const line = (text, kind) => html`<li key=${text} class=${kind}><button class="linkish" onClick=${() => onPlace(text.split(":")[0])}>${text}</button></li>`;
  return html`<${Panel} title=${t("rules.check")} aside=${html`<em class=${`tag ${said.errors.length ? "bad" : "good"}`}>${said.errors.length ? t("rules.faulty", { n: said.errors.length }) : t("rules.fine")}</em>`} kind="checked">
    ${said.errors.length + said.lints.length === 0 && html`<p class="dim">${t("rules.fine.help")}</p>`}
    <ul>${said.errors.map((text) => line(text, "bad"))}${said.lints.map((text) => line(text, "lint"))}</ul><//>`;
};

/** The recent events to choose a sample from. */
function useRecent() {
  const [items, set] = useState(/** @type {import("headwater-api").AlertItem[]} */ ([]));
  useEffect(() => { call(`/api/v1/alerts?limit=${RECENT}`).then((page) => set(page.items), () => {}); }, []);
  return items;
}

/** An alert as an event of our own format. */
const asEvent = (alert) => ({ name: alert.name, title: alert.title, severity: alert.severity, object: { name: alert.object }, labels: alert.labels });

/** @param {{ran: import("headwater-api").DryRun}} props */
const Outcome = ({ ran }) => html`<div class="outcome"><p><em class="tag strong">${ran.verdict_label}</em> ${says(ran.text)}</p>
  ${ran.outcome.incident && html`<p><${Severity} of=${ran.outcome.incident.severity} label /> ${ran.outcome.incident.priority} · ${titleOf(ran.outcome.incident)}</p>`}
  <p class="dim">${ran.outcome.notices.length ? t("rules.tells", { who: ran.outcome.notices.map((one) => `${one.receiver} (${labelOr(`dlv.kind.${one.kind}`, one.kind)}, ${moment(one.at)})`).join(t("and")) }) : t("rules.tells.nobody")}</p>
  <table class="plain"><tbody>${ran.rules.filter((rule) => rule.matched || rule.text).map((rule) => html`<tr key=${rule.section + rule.id} class=${rule.matched ? "matched" : "dim"}><td>${rule.matched ? "✓" : "–"}</td><td>${t(`rules.section.${rule.section}`)}</td><td><b>${rule.id}</b></td><td>${rule.text ? says(rule.text) : ""}</td></tr>`)}</tbody></table>
  ${ran.checks.length > 0 && html`<details><summary>${t("why.title")}</summary><ol class="checks">${ran.checks.map((check, i) => html`<li key=${i} class=${check.matched ? "matched" : "not"}><span>${says(check.text)}</span></li>`)}</ol></details>`}</div>`;

/** One event on the rules as they are written.
 * @param {{files: () => Record<string, string>|undefined}} props */
export const TryEvent = ({ files }) => {
  const recent = useRecent();
  const [text, setText] = useState(JSON.stringify(SAMPLE, null, 2));
  const [ran, setRan] = useState(/** @type {import("headwater-api").DryRun|null} */ (null));
  const [failed, setFailed] = useState(/** @type {string[]} */ ([]));
  const run = async () => {
    try {
      const event = JSON.parse(text);
      setRan(await send("POST", "/api/v1/rules/dry-run", { event: { ...event, starts_at: event.starts_at ?? new Date().toISOString() }, files: files() }));
      setFailed([]);
    } catch (failure) {
      setRan(null);
      setFailed(failure instanceof SyntaxError ? [t("rules.json", { why: failure.message })] : [failure.message, ...(failure.errors ?? [])]);
    }
  };
  const tools = html`<select aria-label=${t("rules.sample")} value="" onChange=${(event) => { const alert = recent.find((one) => one.id === event.target.value); if (alert) setText(JSON.stringify(asEvent(alert), null, 2)); }}>
    <option value="">${t("rules.sample")}</option>${recent.map((alert) => html`<option key=${alert.id} value=${alert.id}>${`${alert.name} · ${alert.ci?.name ?? alert.object}`}</option>`)}</select>
    <button class="main" data-act="dryrun" onClick=${run}>${t("rules.run")}</button>`;
  return html`<${Panel} title=${t("rules.try")} aside=${tools}><div class="columns even"><div><textarea class="code" rows="12" spellcheck="false" aria-label=${t("rules.event")} value=${text} onInput=${(event) => setText(event.target.value)}></textarea></div>
    <div>${failed.map((why) => html`<p key=${why} class="bad">${why}</p>`)}${ran ? html`<${Outcome} ran=${ran} />` : failed.length === 0 && html`<p class="dim">${t("rules.try.help")}</p>`}</div></div><//>`;
};

/** What the rules would have told people.
 * @param {{files: () => Record<string, string>}} props */
export const Cost = ({ files }) => {
  const [days, setDays] = useState("7");
  const [report, set] = useState(/** @type {any} */ (null));
  const [failed, setFailed] = useState("");
  const [busy, setBusy] = useState(false);
  const run = () => {
    setBusy(true);
    send("POST", "/api/v1/rules/cost", { files: files(), days: Number(days) }).then((found) => { set(found.report); setFailed(""); }, (failure) => { set(null); setFailed(failure.message); }).finally(() => setBusy(false));
  };
  const tools = html`<select aria-label=${t("rules.days")} value=${days} onChange=${(event) => setDays(event.target.value)}>${["1", "7", "30"].map((n) => html`<option key=${n} value=${n}>${t("sug.days", { n })}</option>`)}</select>
    <button data-act="cost" disabled=${busy} onClick=${run}>${t("rules.cost.run")}</button>`;
  return html`<${Panel} title=${t("rules.cost")} aside=${tools}>${failed && html`<p class="bad">${failed}</p>`}
    ${!report && !failed && html`<p class="dim">${t(busy ? "sug.working" : "rules.cost.help")}</p>`}
    ${report && html`<${Versus} report=${report} tried=${t("rules.mine")} />`}<//>`;
};
