// Silences that are valid now or later.

import { html, useEffect, useState } from "../vendor/htm-preact.js";
import { call } from "../api.js";
import * as feed from "../feed.js";
import { moment } from "../format.js";
import { t } from "../i18n.js";
import { toast } from "../parts.js";

const matcher = (m) => `${m.field} ${m.not ? "≠ " : ""}${m.op ?? "is"} ${m.value}`;

export const Silences = ({ me }) => {
  const [list, set] = useState(null);
  const load = () => call("/api/v1/silences").then((page) => set(page.items), () => {});
  useEffect(() => {
    load();
    feed.start(null);
    return feed.hear((changes) => { if (changes.some((c) => c.kind === "silence" || c.kind === "resync")) load(); });
  }, []);
  const expire = (id) => call(`/api/v1/silences/${encodeURIComponent(id)}`, { method: "DELETE" })
    .then(() => toast(t("done")), (failure) => toast(t("failed", { why: failure.message }), "bad"));
  return html`
    <div class="page-head"><h1>${t("silence.title")}</h1></div>
    ${list?.length === 0 && html`<p class="empty calm">${t("silence.empty")}</p>`}
    ${list?.length > 0 && html`<table class="alerts"><thead><tr>${["matchers", "until", "by", "comment"].map((c) => html`<th>${t(`silence.${c}`)}</th>`)}<th></th></tr></thead>
      <tbody>${list.map((silence) => html`<tr key=${silence.id}>
        <td>${silence.matchers.map((group) => html`<div>${group.map(matcher).join(" ∧ ")}</div>`)}</td>
        <td><time>${moment(silence.ends_at)}</time></td><td>${silence.created_by}</td><td>${silence.comment}</td>
        <td>${me.role !== "viewer" && html`<button class="quiet" onClick=${() => expire(silence.id)}>${t("silence.expire")}</button>`}</td>
      </tr>`)}</tbody></table>`}`;
};
