// The rules that are valid: how often each applied and what asking it costs, an editor with check, a trial on an event and a look at what they would
// have cost, and all versions.

import { html, useEffect, useMemo, useState } from "../vendor/htm-preact.js";
import { call, send } from "../api.js";
import { ask } from "../ask.js";
import { tryBeside } from "../beside.js";
import { count, moment } from "../format.js";
import { t } from "../i18n.js";
import { told } from "../orders.js";
import { Empty, Panel, Switch } from "../parts.js";
import { RuleTests, SKELETON } from "../rule_tests.js";
import { Check, Cost, TryEvent } from "../rule_trial.js";

const TABS = ["list", "edit", "tests", "versions"];
const SORTED = {
  order: () => 0,
  hits: (a, b) => b.hits - a.hits,
  never: (a, b) => a.hits - b.hits,
  slow: (a, b) => (b.cost?.median_ns ?? 0) - (a.cost?.median_ns ?? 0),
};

/** A short time in words.
 * @param {number|null|undefined} ns */
const brief = (ns) => (typeof ns !== "number" ? "–" : ns < 1000 ? `${ns} ns` : ns < 1e6 ? `${(ns / 1000).toFixed(1)} µs` : `${(ns / 1e6).toFixed(1)} ms`);

/** What asking a rule once costs.
 * @param {{cost: import("headwater-api").RuleLatency|undefined}} props */
const Asked = ({ cost }) => (cost?.median_ns ? html`<span title=${t("rules.asked", { n: cost.asked, of: cost.of, worst: brief(cost.worst_ns) })}>${brief(cost.median_ns)}</span>` : cost ? html`<span class="dim" title=${t("rules.unasked", { of: cost.of })}>–</span>` : null);

/** Rules with what asking each one costs, once that is measured.
 * @param {import("headwater-api").RuleItem[]} rules @param {boolean} may */
const useCosts = (rules, may) => {
  const [costs, set] = useState(/** @type {Record<string, import("headwater-api").RuleLatency>} */ ({}));
  useEffect(() => {
    if (may) call("/api/v1/rules/latency").then((found) => set(Object.fromEntries(found.items.map((one) => [`${one.section}/${one.id}`, one]))), () => {});
  }, [rules]);
  return useMemo(() => rules.map((rule) => ({ ...rule, cost: costs[`${rule.section}/${rule.id}`] })), [rules, costs]);
};

/** @param {{rule: import("headwater-api").RuleItem}} props */
const Mark = ({ rule }) => (rule.expired ? html`<em class="tag bad">${t("tuning.expired")}</em>` : rule.errors ? html`<em class="tag bad">${t("rules.errors", { n: rule.errors })}</em>` : rule.hits ? null : html`<em class="tag">${t("rules.never")}</em>`);

/** All rules with what they did.
 * @param {{rules: import("headwater-api").RuleItem[], me: import("headwater-api").Me, onOpen: any}} props */
const List = ({ rules: valid, me, onOpen }) => {
  const rules = useCosts(valid, me.role === "analyst" || me.role === "admin");
  const [q, setQ] = useState("");
  const [sort, setSort] = useState("order");
  const most = Math.max(1, ...rules.map((rule) => rule.hits));
  const text = q.trim().toLowerCase();
  const shown = useMemo(() => rules.filter((rule) => !text || `${rule.id} ${rule.section} ${rule.file} ${rule.owner ?? ""}`.toLowerCase().includes(text)).sort(SORTED[sort]), [rules, text, sort]);
  return html`<div class="filters"><input id="search" type="search" placeholder=${t("rules.search")} aria-label=${t("rules.search")} value=${q} onInput=${(event) => setQ(event.target.value)} />
      <${Switch} label=${t("board.sort")} value=${sort} onChange=${setSort} choices=${Object.keys(SORTED).map((word) => [word, t(`rules.sort.${word}`)])} />
      <span class="dim count" role="status">${t("rules.count", { n: shown.length })}</span></div>
    <div class="scroll"><table class="plain rules"><thead><tr>${["id", "section", "hits", "cost.once", "owner", "expires", "place"].map((word) => html`<th key=${word}>${t(`rules.${word}`)}</th>`)}</tr></thead>
    <tbody>${shown.map((rule) => html`<tr key=${rule.section + rule.id} class=${rule.expired ? "dim" : ""}><td><b>${rule.id}</b> <${Mark} rule=${rule} /></td><td>${t(`rules.section.${rule.section}`)}</td>
      <td class="hits"><b>${count(rule.hits)}</b><svg viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true"><rect class="all" width="100" height="6" /><rect width=${(rule.hits / most) * 100} height="6" /></svg>${rule.cut > 0 && html`<small>${t("rules.cut", { n: count(rule.cut) })}</small>`}</td>
      <td><${Asked} cost=${rule.cost} /></td><td>${rule.owner ?? ""}</td><td>${rule.expires ? moment(rule.expires) : ""}</td><td><button class="linkish" onClick=${() => onOpen(rule)}>${rule.file}:${rule.line}</button></td></tr>`)}</tbody></table></div>`;
};

/** A text with line numbers.
 * @param {{text: string, onText: (text: string) => void, line: number, readonly: boolean, label: string}} props */
const Editor = ({ text, onText, line, readonly, label }) => {
  const lines = text.split("\n").length;
  const jump = (area) => {
    if (!area || !line || area.dataset.line === String(line)) return;
    area.dataset.line = String(line);
    const at = text.split("\n").slice(0, line - 1).join("\n").length + (line > 1 ? 1 : 0);
    area.focus();
    area.setSelectionRange(at, text.indexOf("\n", at) < 0 ? text.length : text.indexOf("\n", at));
    area.closest(".editor").scrollTop = Math.max(0, (line - 6) * 20);
  };
  const indent = (event) => {
    if (event.key !== "Tab" || event.shiftKey || readonly) return;
    event.preventDefault();
    const area = event.target;
    const at = area.selectionStart;
    onText(`${text.slice(0, at)}  ${text.slice(area.selectionEnd)}`);
    requestAnimationFrame(() => area.setSelectionRange(at + 2, at + 2));
  };
  return html`<div class="editor"><pre class="lines" aria-hidden="true">${Array.from({ length: lines }, (_, i) => i + 1).join("\n")}</pre>
    <textarea ref=${jump} spellcheck="false" wrap="off" aria-label=${label} rows=${Math.max(18, lines + 1)} value=${text} readonly=${readonly} onInput=${(event) => onText(event.target.value)} onKeyDown=${indent}></textarea></div>`;
};

/** Files that differ from those that are valid. */
const changedFiles = (mine, valid) => [...new Set([...Object.keys(mine), ...Object.keys(valid)])].filter((name) => mine[name] !== valid[name]);

/** @param {{rules: import("headwater-api").RulesBody, me: import("headwater-api").Me, open: any, onTaken: any, onPlace: any}} props */
const Edit = ({ rules, me, open, onTaken, onPlace }) => {
  const [mine, setMine] = useState(/** @type {Record<string, string>} */ (rules.files));
  const [name, setName] = useState(open?.file ?? Object.keys(rules.files)[0] ?? "");
  const may = me.role === "analyst" || me.role === "admin";
  const changed = changedFiles(mine, rules.files);
  const files = () => Object.fromEntries(Object.entries(mine).filter(([, text]) => text.trim()));
  const add = async () => {
    const given = await ask({ title: t("rules.add"), ok: t("rules.add"), fields: [{ name: "name", kind: "line", label: t("rules.file"), value: "new.yaml" }] });
    if (given && !(given.name in mine)) { setMine({ ...mine, [given.name]: given.name.startsWith("tests/") ? SKELETON : "# \n" }); setName(given.name); }
  };
  /** @returns {import("../ask.js").Field[]} */
  const notes = () => [{ name: "note", kind: "note", label: "", value: t("rules.changed", { n: changed.length, names: changed.join(", ") }) }];
  const put = async () => {
    const given = await ask({ title: t("rules.put"), ok: t("rules.put"), fields: [...notes(), { name: "reason", kind: "line", label: t("tuning.reason"), optional: true }] });
    if (!given) return;
    let taken = false;
    await told(t("rules.put"), async () => {
      await send("PUT", "/api/v1/rules", { files: files(), reason: given.reason }, { "if-match": `"${rules.version}"` });
      taken = true;
      return "";
    });
    // What is refused stays in the editor.
    if (taken) onTaken();
  };
  return html`<div class="edit"><aside><ul class="files">${Object.keys(mine).sort().map((file) => html`<li key=${file}><button aria-pressed=${file === name} onClick=${() => setName(file)}>${file}${changed.includes(file) ? " •" : ""}</button></li>`)}</ul>
      ${may && html`<button class="more" onClick=${add}>＋ ${t("rules.add")}</button>`}</aside>
    <div class="stack"><${Panel} title=${name} aside=${may && html`${changed.length > 0 && html`<button onClick=${() => setMine(rules.files)}>${t("rules.undo")}</button>`}
        <button data-act="beside" disabled=${!changed.length} onClick=${() => tryBeside(t("rules.beside"), () => ({ files: files() }), notes())}>${t("rules.beside")}</button><button class="main" data-act="put" disabled=${!changed.length} onClick=${put}>${t("rules.put")}</button>`}>
      <${Editor} text=${mine[name] ?? ""} readonly=${!may} line=${open?.file === name ? open.line : 0} label=${name} onText=${(text) => setMine({ ...mine, [name]: text })} /><//>
      ${may && html`<${Check} files=${files} changed=${JSON.stringify(mine)} onPlace=${(file) => { if (file in mine) setName(file); }} />`}
      ${may && html`<${RuleTests} files=${files} onPlace=${onPlace} />`}
      ${may && html`<${TryEvent} files=${() => (changed.length ? files() : undefined)} />`}
      ${may && html`<${Cost} files=${files} />`}</div></div>`;
};

/** All versions, and going back to one.
 * @param {{me: import("headwater-api").Me, onTaken: any}} props */
const Versions = ({ me, onTaken }) => {
  const [items, set] = useState(/** @type {import("headwater-api").VersionItem[]|null} */ (null));
  const [shown, setShown] = useState(/** @type {import("headwater-api").OldRules|null} */ (null));
  useEffect(() => { call("/api/v1/rules/versions").then((page) => set(page.items), () => set([])); }, []);
  const may = me.role === "analyst" || me.role === "admin";
  const back = async (version) => {
    const given = await ask({ title: t("rules.back", { v: version }), ok: t("rules.back", { v: version }), danger: true, fields: [{ name: "reason", kind: "line", label: t("tuning.reason"), optional: true }] });
    if (given) await told(t("rules.back", { v: version }), async () => { await send("POST", "/api/v1/rules/rollback", { version, reason: given.reason }); return ""; }).then(onTaken);
  };
  const look = (version) => call(`/api/v1/rules/versions/${version}`).then(setShown, () => {});
  if (!items) return html`<${Empty} text=${t("loading")} />`;
  return html`<div class="scroll"><table class="plain"><thead><tr>${["version", "at", "author", "reason", "digest"].map((word) => html`<th key=${word}>${t(`rules.${word}`)}</th>`)}<th></th></tr></thead>
    <tbody>${items.map((one) => html`<tr key=${one.version}><td><b>${one.version}</b> ${one.current && html`<em class="tag good">${t("tuning.valid")}</em>`}</td><td>${one.at ? moment(one.at) : ""}</td><td>${one.author || t("tuning.builtin")}</td><td class="comment">${one.reason ?? ""}</td><td><code>${one.digest.slice(0, 12)}</code></td>
      <td><button onClick=${() => look(one.version)}>${t("rules.look")}</button> ${may && !one.current && html`<button class="warn" onClick=${() => back(one.version)}>${t("rules.back", { v: one.version })}</button>`}</td></tr>`)}</tbody></table></div>
    ${shown && html`<${Panel} title=${t("rules.version.n", { v: shown.version })}>${Object.entries(shown.files).map(([name, text]) => html`<details key=${name}><summary>${name}</summary><pre>${text}</pre></details>`)}<//>`}`;
};

/** @param {{me: import("headwater-api").Me}} props */
export const RulesPage = ({ me }) => {
  const [rules, set] = useState(/** @type {import("headwater-api").RulesBody|null} */ (null));
  const [failed, setFailed] = useState("");
  const [tab, setTab] = useState("list");
  const [open, setOpen] = useState(/** @type {any} */ (null));
  const load = () => call("/api/v1/rules").then((found) => { set(found); setFailed(""); }, (failure) => setFailed(failure.message));
  useEffect(() => { load(); }, []);
  const place = (file, line) => { setOpen({ file, line }); setTab("edit"); };
  const taken = () => { load(); setTab("list"); };
  return html`<div class="page-head with-action"><div><h1>${t("nav.rules")}</h1>
      ${rules && html`<p class="dim">${t("rules.summary", { v: rules.version, n: rules.rules.length, files: Object.keys(rules.files).length, by: rules.author || t("tuning.builtin") })}</p>`}</div>
      <${Switch} label=${t("nav.rules")} value=${tab} onChange=${(word) => { setOpen(null); setTab(word); }} choices=${TABS.filter((word) => word !== "tests" || me.role === "analyst" || me.role === "admin").map((word) => [word, t(`rules.tab.${word}`)])} /></div>
    ${failed && html`<${Empty} text=${t("failed", { why: failed })} onRetry=${load} />`}
    ${!rules && !failed && html`<${Empty} text=${t("loading")} />`}
    ${rules && rules.lints.length > 0 && tab === "list" && html`<details class="notice lints"><summary>${t("rules.lints", { n: rules.lints.length })}</summary><ul>${rules.lints.map((lint) => html`<li key=${lint}>${lint}</li>`)}</ul></details>`}
    ${rules && tab === "list" && html`<${List} rules=${rules.rules} me=${me} onOpen=${(rule) => { setOpen(rule); setTab("edit"); }} />`}
    ${rules && tab === "edit" && html`<${Edit} key=${rules.version} rules=${rules} me=${me} open=${open} onTaken=${taken} onPlace=${place} />`}
    ${rules && tab === "tests" && html`<${RuleTests} atOnce onPlace=${place} />`}
    ${rules && tab === "versions" && html`<${Versions} me=${me} onTaken=${taken} />`}`;
};
