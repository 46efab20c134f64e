// Alerts that fire without an incident of their own: listed and counted, never hidden.

import { html, useCallback, useEffect, useRef, useState } from "../vendor/htm-preact.js";
import { call } from "../api.js";
import * as feed from "../feed.js";
import { t } from "../i18n.js";
import { AlertTable } from "../members.js";

export const Held = () => {
  const [page, set] = useState(null);
  const [q, setQ] = useState("");
  const held = useRef(-1);
  const timer = useRef(0);
  const load = useCallback(async (after) => {
    const query = new URLSearchParams({ limit: "100" });
    if (q) query.set("q", q);
    if (after) query.set("after", after);
    const next = await call(`/api/v1/alerts/held?${query}`).catch(() => null);
    if (next) set((old) => (after ? { ...next, items: [...old.items, ...next.items] } : next));
  }, [q]);
  useEffect(() => {
    clearTimeout(timer.current);
    timer.current = setTimeout(load, q ? 250 : 0);
    feed.start(null);
    return feed.hear((_, status) => {
      if (status.pulse && status.pulse.held !== held.current) { held.current = status.pulse.held; load(); }
    });
  }, [load]);
  return html`
    <div class="page-head"><h1>${t("held.title")}</h1><p class="dim">${t("held.help")}</p></div>
    <div class="filters"><input type="search" placeholder=${t("held.search")} aria-label=${t("held.search")} value=${q} onInput=${(e) => setQ(e.target.value)} /></div>
    ${page && html`<${AlertTable} alerts=${page.items} />`}
    ${page?.items.length === 0 && html`<p class="empty calm">${t("held.empty")}</p>`}
    ${page?.next && html`<button class="quiet more" onClick=${() => load(page.next)}>${t("board.more")}</button>`}`;
};
