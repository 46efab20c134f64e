// The post-mortem: drafted by the API from what is known, written on, kept as a draft, published; copied or saved as a file.

import { html, useEffect, useRef, useState } from "./vendor/htm-preact.js";
import { call, query, send, versioned } from "./api.js";
import { moment, zoneName } from "./format.js";
import { lang, t } from "./i18n.js";
import { Markdown, copy, save } from "./markdown.js";
import { commandId, outcome, told } from "./orders.js";
import { Empty, Switch } from "./parts.js";

/** @param {{id: string, may: boolean, onClose: () => void}} props */
export const PostMortem = ({ id, may, onClose }) => {
  const [draft, setDraft] = useState(/** @type {{text: string, version: number}|null} */ (null));
  const [kept, setKept] = useState(/** @type {any[]} */ ([]));
  const [failed, setFailed] = useState("");
  const [busy, setBusy] = useState(false);
  const [tab, setTab] = useState("read");
  const dialog = useRef(/** @type {HTMLDialogElement|null} */ (null));
  const path = `/api/v1/incidents/${encodeURIComponent(id)}/post-mortem`;
  const load = async () => {
    try {
      setDraft(await versioned(`${path}?${query({ lang: lang(), zone: zoneName() })}`));
      setKept((await call(`${path}/versions`)).items);
      setFailed("");
    } catch (failure) { setFailed(failure.message); }
  };
  useEffect(() => { if (!dialog.current?.open) dialog.current?.showModal(); load(); }, []);
  const keep = (state) => async () => {
    setBusy(true);
    await told(t(`pm.${state}`), async () => {
      const { seq } = await send("PUT", path, { text: draft?.text ?? "", version: draft?.version ?? 0, state, command_id: commandId() });
      const refused = await outcome(seq);
      if (refused === "") await load();
      return refused;
    });
    setBusy(false);
  };
  const choices = ["read", "write"].map((word) => /** @type {[string, string]} */ ([word, t(`pm.tab.${word}`)]));
  // What is published, and the newest draft after it.
  const states = kept.filter((one, n) => one.state === "published" ? one === kept.find((other) => other.state === "published") : n === 0).reverse();
  const none = draft === null || busy;
  return html`<dialog ref=${dialog} class="broad" aria-label=${t("pm.title")} onCancel=${(event) => { event.preventDefault(); onClose(); }}>
    <form method="dialog" onSubmit=${(event) => event.preventDefault()}><div class="with-action"><div><h2>${t("pm.title")}</h2>
      ${states.length === 0 && html`<p class="dim" data-state="missing">${t("pm.help")}</p>`}
      ${states.map((one) => html`<p key=${one.state} class="dim" data-state=${one.state}>${t(`pm.is.${one.state}`, { who: one.author, t: moment(one.at) })}</p>`)}</div><${Switch} label=${t("pm.title")} value=${tab} onChange=${setTab} choices=${choices} /></div>
    ${failed && html`<${Empty} text=${t("failed", { why: failed })} onRetry=${load} />`}
    ${draft === null && !failed && html`<${Empty} text=${t("loading")} />`}
    ${draft !== null && (tab === "read" ? html`<${Markdown} text=${draft.text} />` : html`<textarea rows="22" spellcheck="false" value=${draft.text} aria-label=${t("pm.title")} onInput=${(event) => setDraft({ ...draft, text: event.target.value })}></textarea>`)}
    <footer><button type="button" onClick=${onClose}>${t("close")}</button><button type="button" disabled=${none} onClick=${() => copy(draft?.text ?? "")}>${t("copy")}</button><button type="button" disabled=${none} onClick=${() => save(draft?.text ?? "", `${id}.md`)}>${t("save")}</button>
      ${may && html`<button type="button" data-pm="draft" disabled=${none} onClick=${keep("draft")}>${t("pm.draft")}</button><button type="button" class="main" data-pm="published" disabled=${none} onClick=${keep("published")}>${t("pm.published")}</button>`}</footer></form></dialog>`;
};
