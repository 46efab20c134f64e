// The draft of the post-mortem, as the API writes it from what is known: to be read, written on, copied or saved.

import { html, useEffect, useRef, useState } from "./vendor/htm-preact.js";
import { query, text } from "./api.js";
import { zoneName } from "./format.js";
import { lang, t } from "./i18n.js";
import { Markdown, copy, save } from "./markdown.js";
import { Empty, Switch } from "./parts.js";

/** @param {{id: string, onClose: () => void}} props */
export const PostMortem = ({ id, onClose }) => {
  const [draft, setDraft] = useState(/** @type {string|null} */ (null));
  const [failed, setFailed] = useState("");
  const [tab, setTab] = useState("read");
  const dialog = useRef(/** @type {HTMLDialogElement|null} */ (null));
  const load = () => text(`/api/v1/incidents/${encodeURIComponent(id)}/post-mortem?${query({ lang: lang(), zone: zoneName() })}`).then((found) => { setDraft(found); setFailed(""); }, (failure) => setFailed(failure.message));
  useEffect(() => { if (!dialog.current?.open) dialog.current?.showModal(); load(); }, []);
  const choices = ["read", "write"].map((word) => /** @type {[string, string]} */ ([word, t(`pm.tab.${word}`)]));
  return html`<dialog ref=${dialog} class="broad" aria-label=${t("pm.title")} onCancel=${(event) => { event.preventDefault(); onClose(); }}>
    <form method="dialog" onSubmit=${(event) => event.preventDefault()}><div class="with-action"><div><h2>${t("pm.title")}</h2><p class="dim">${t("pm.help")}</p></div><${Switch} label=${t("pm.title")} value=${tab} onChange=${setTab} choices=${choices} /></div>
    ${failed && html`<${Empty} text=${t("failed", { why: failed })} onRetry=${load} />`}
    ${draft === null && !failed && html`<${Empty} text=${t("loading")} />`}
    ${draft !== null && (tab === "read" ? html`<${Markdown} text=${draft} />` : html`<textarea rows="22" spellcheck="false" value=${draft} aria-label=${t("pm.title")} onInput=${(event) => setDraft(event.target.value)}></textarea>`)}
    <footer><button type="button" onClick=${onClose}>${t("close")}</button><button type="button" disabled=${draft === null} onClick=${() => copy(draft ?? "")}>${t("copy")}</button><button type="button" class="main" disabled=${draft === null} onClick=${() => save(draft ?? "", `${id}.md`)}>${t("save")}</button></footer></form></dialog>`;
};
