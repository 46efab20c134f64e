// Sources: who sends and how each is doing, what came last, and what a payload would become before its source is
// connected.

import { html, useEffect, useState } from "../vendor/htm-preact.js";
import { call, remove, send } from "../api.js";
import { ask } from "../ask.js";
import { briefly, count, moment } from "../format.js";
import { say, t } from "../i18n.js";
import { Age, Empty, Panel, Severity, Switch, toast } from "../parts.js";

const EVERY_MS = 5000;
const FORMATS = ["", "native", "cloudevents", "alertmanager", "grafana"];
const SHAPES = ["json", "lines", "form"];
const CADENCE = ["", "60", "300", "3600", "86400"];

/** @param {{one: import("headwater-api").SourceItem}} props */
const State = ({ one }) => (!one.enabled ? html`<em class="tag">${t("src.off")}</em>` : one.silent ? html`<em class="tag bad">${t("src.silent")}</em>` : one.last_seen ? html`<em class="tag good">${t("src.well")}</em>` : html`<em class="tag">${t("src.waiting")}</em>`);

/** Registering a source, or changing what was registered.
 * @param {any} one @param {() => void} onDone */
async function change(one, onDone) {
  const given = await ask({ title: t(one ? "src.change" : "src.register"), ok: t("save"), fields: [
    ...(one ? [] : [{ name: "id", kind: /** @type {const} */ ("line"), label: t("src.id") }]),
    { name: "kind", kind: "line", label: t("src.kind"), value: one?.kind ?? "", optional: true }, { name: "owner", kind: "line", label: t("src.owner"), value: one?.owner ?? "", optional: true },
    { name: "note", kind: "line", label: t("src.note"), value: one?.note ?? "", optional: true },
    { name: "every", kind: "choice", optional: true, label: t("src.expected"), value: String(one?.expected?.every_secs ?? ""), choices: CADENCE.map((secs) => [secs, t(`src.every.${secs || "never"}`)]) },
    { name: "enabled", kind: "choice", label: t("src.enabled"), value: one?.enabled === false ? "no" : "yes", choices: [["yes", t("yes")], ["no", t("no")]] }] });
  if (!given) return;
  const { id, kind, owner, note, every, enabled } = given;
  const expected = every ? { every_secs: Number(every), grace_secs: one?.expected?.grace_secs ?? Math.ceil(Number(every) / 2) } : one?.expected?.schedule ? one.expected : undefined;
  const body = { kind, owner, note, enabled: enabled === "yes", rate: one?.rate ?? {}, ...(expected ? { expected } : {}) };
  await send("PUT", `/api/v1/sources/${encodeURIComponent(one?.id ?? id)}`, body).then(() => { toast(t("done")); onDone(); }, (failure) => toast([failure.message, ...failure.errors].join(" · "), "bad"));
}

/** What a payload would become. */
const Preview = ({ start }) => {
  const [asked, setAsked] = useState({ payload: start?.body ?? "", format: start?.format ?? "", shape: "json", mapping: "" });
  const [found, set] = useState(/** @type {import("headwater-api").Preview|null} */ (null));
  const [failed, setFailed] = useState(/** @type {string[]} */ ([]));
  useEffect(() => { if (start) setAsked((old) => ({ ...old, payload: start.body, format: start.format })); }, [start]);
  const type = (event, key) => { const { value } = event.target; setAsked((old) => ({ ...old, [key]: value })); };
  const run = () => send("POST", "/api/v1/sources/preview", { payload: asked.payload, format: asked.format, shape: asked.shape, ...(asked.mapping.trim() ? { mapping: asked.mapping } : {}), ...(start?.source ? { source: start.source } : {}) })
    .then((one) => { set(one); setFailed([]); }, (failure) => { set(null); setFailed([failure.message, ...failure.errors]); });
  const sketch = () => send("POST", "/api/v1/sources/sketch", { payload: asked.payload }).then((one) => setAsked((old) => ({ ...old, mapping: one.mapping })), (failure) => setFailed([failure.message, ...failure.errors]));
  const tools = html`<input list="formats" value=${asked.format} placeholder=${t("src.format")} aria-label=${t("src.format")} onInput=${(event) => type(event, "format")} /><datalist id="formats">${FORMATS.map((word) => html`<option key=${word} value=${word} />`)}</datalist>
    <select aria-label=${t("src.shape")} value=${asked.shape} onChange=${(event) => type(event, "shape")}>${SHAPES.map((word) => html`<option key=${word} value=${word}>${word}</option>`)}</select>
    <button disabled=${!asked.payload.trim()} onClick=${sketch}>${t("src.sketch")}</button><button class="main" data-act="preview" disabled=${!asked.payload.trim()} onClick=${run}>${t("src.preview")}</button>`;
  return html`<${Panel} title=${t("src.try")} aside=${tools}><div class="columns even"><div class="stack">
      <textarea class="code" rows="12" spellcheck="false" placeholder=${t("src.payload")} aria-label=${t("src.payload")} value=${asked.payload} onInput=${(event) => type(event, "payload")}></textarea>
      <details open=${Boolean(asked.mapping)}><summary>${t("src.mapping")}</summary><textarea class="code" rows="12" spellcheck="false" aria-label=${t("src.mapping")} value=${asked.mapping} onInput=${(event) => type(event, "mapping")}></textarea></details></div>
    <div>${failed.map((why) => html`<p key=${why} class="bad">${why}</p>`)}${!found && failed.length === 0 && html`<p class="dim">${t("src.try.help")}</p>`}
      ${found && html`<p class="dim">${t("src.became", { n: found.events.length, rejected: found.rejected.length, left: found.left_out })}${found.orders > 0 ? ` ${t("src.orders", { n: found.orders })}` : ""}</p>
        <ul class="letters">${found.events.map((one, i) => html`<li key=${i}><p><${Severity} of=${one.event.severity} label /> <b>${one.event.title || one.event.name}</b> <em class="tag strong">${one.verdict_label}</em></p><p class="dim">${say(one.text)}</p><details><summary>${t("src.event")}</summary><pre>${JSON.stringify(one.event, null, 2)}</pre></details></li>`)}
          ${found.rejected.map((one) => html`<li key=${`r${one.index}`} class="bad"><p>#${one.index} ${one.detail}</p></li>`)}</ul>`}</div></div><//>`;
};

/** A source's newest bodies. */
const Payloads = ({ source, onTry, onClose }) => {
  const [items, set] = useState(/** @type {import("headwater-api").PayloadItem[]|null} */ (null));
  useEffect(() => { set(null); call(`/api/v1/sources/${encodeURIComponent(source)}/payloads`).then((page) => set(page.items), () => set([])); }, [source]);
  return html`<${Panel} title=${t("src.payloads.of", { source })} aside=${html`<button class="icon" onClick=${onClose} aria-label=${t("close")}>✕</button>`}>
    ${items?.length === 0 && html`<p class="dim">${t("src.payloads.none")}</p>`}
    ${items?.map((one, i) => html`<details key=${i} open=${i === 0}><summary>${moment(one.at)} · ${one.format}${one.cut ? ` · ${t("src.cut")}` : ""} <button onClick=${(event) => { event.preventDefault(); onTry({ ...one, source }); }}>${t("src.again")}</button></summary><pre>${one.body}</pre></details>`)}<//>`;
};

/** @param {{me: import("headwater-api").Me}} props */
export const SourcesPage = ({ me }) => {
  const [items, set] = useState(/** @type {import("headwater-api").SourceItem[]|null} */ (null));
  const [failed, setFailed] = useState("");
  const [open, setOpen] = useState("");
  const [start, setStart] = useState(/** @type {any} */ (null));
  const [show, setShow] = useState("all");
  const load = () => call("/api/v1/sources").then((page) => { set(page.items); setFailed(""); }, (failure) => setFailed(failure.message));
  useEffect(() => { load(); const timer = setInterval(load, EVERY_MS); return () => clearInterval(timer); }, []);
  const may = me.role === "admin";
  const tries = me.role === "analyst" || may;
  const shown = (items ?? []).filter((one) => show === "all" || one.silent || one.rejected > 0 || !one.enabled);
  const remove = async (one) => {
    const given = await ask({ title: t("src.remove", { source: one.id }), ok: t("src.remove.ok"), danger: true, fields: [{ name: "note", kind: "note", label: "", value: t("src.remove.help") }] });
    if (given) await remove(`/api/v1/sources/${encodeURIComponent(one.id)}`).then(() => { toast(t("done")); load(); }, (failure) => toast(failure.message, "bad"));
  };
  return html`<div class="page-head with-action"><div><h1>${t("nav.sources")}</h1><p class="dim">${t("src.help")}</p></div>${may && html`<button class="main" data-act="register" onClick=${() => change(null, load)}>${t("src.register")}</button>`}</div>
    <div class="filters"><${Switch} label=${t("nav.sources")} value=${show} onChange=${setShow} choices=${["all", "trouble"].map((word) => [word, t(`src.show.${word}`)])} /></div>
    ${failed && html`<${Empty} text=${t("failed", { why: failed })} onRetry=${load} />`}
    ${!items && !failed && html`<${Empty} text=${t("loading")} />`}
    ${items?.length === 0 && html`<${Empty} text=${t("src.none")} />`}
    <div class="stack">${shown.length > 0 && html`<div class="scroll"><table class="plain sources"><thead><tr>${["id", "state", "kind", "owner", "last", "events", "rejected", "expected"].map((word) => html`<th key=${word} class=${["events", "rejected"].includes(word) ? "n" : ""}>${t(`src.${word}`)}</th>`)}<th></th></tr></thead>
      <tbody>${shown.map((one) => html`<tr key=${one.id}><td><b>${one.id}</b>${one.note && html`<small>${one.note}</small>`}</td><td><${State} one=${one} /></td><td>${one.kind || one.format}</td><td>${one.owner}</td><td>${one.last_seen ? html`<${Age} from=${one.last_seen} />` : "–"}</td>
        <td class="n">${count(one.events)}</td><td class=${`n ${one.rejected ? "bad" : ""}`} title=${one.last_rejection?.detail ?? ""}>${count(one.rejected)}</td><td>${one.missed_at ? t("src.missed", { t: briefly(one.missed_at) }) : ""}</td>
        <td><div class="actions small"><button data-act="payloads" onClick=${() => setOpen(one.id)}>${t("src.payloads")}</button>${may && html`<button onClick=${() => change(one, load)}>${t("src.change")}</button>${one.registered && html`<button class="warn" onClick=${() => remove(one)}>${t("src.remove.ok")}</button>`}`}</div></td></tr>`)}</tbody></table></div>`}
      ${open && html`<${Payloads} source=${open} onTry=${setStart} onClose=${() => setOpen("")} />`}
      ${tries && html`<${Preview} start=${start} />`}</div>`;
};
