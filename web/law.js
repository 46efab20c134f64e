// Both sides of the law of conservation: where every accepted event ended.

import { html, useEffect, useState } from "./vendor/htm-preact.js";
import { call } from "./api.js";
import { count } from "./format.js";
import { labelOr, t } from "./i18n.js";
import { Empty, Panel } from "./parts.js";

/** accepted = applied + duplicate + muted + dead-lettered + pending */
export const Law = () => {
  const [law, set] = useState(/** @type {import("headwater-api").ConservationBody|null} */ (null));
  const [failed, setFailed] = useState("");
  const load = () => call("/api/v1/conservation").then((found) => { set(found); setFailed(""); }, (failure) => setFailed(failure.message));
  useEffect(() => { load(); const timer = setInterval(load, 5000); return () => clearInterval(timer); }, []);
  if (failed) return html`<${Panel} title=${t("num.law")}><${Empty} text=${failed} onRetry=${load} /><//>`;
  if (!law) return null;
  const part = (label, n, strong = false) => html`<div key=${label} class=${strong ? "strong" : ""}><dt>${label}</dt><dd>${count(n)}</dd></div>`;
  const parts = (prefix, map) => Object.entries(map).map(([word, n]) => part(labelOr(`${prefix}.${word}`, word), n));
  const aside = html`<em class=${`tag ${law.balanced ? "good" : "bad"}`}>${t(law.balanced ? "num.balanced" : "num.unbalanced")}</em>`;
  return html`<${Panel} title=${t("num.law")} aside=${aside}>
    <p class="dim">${t("num.law.help")}</p>
    <dl class="facts">${part(t("num.accepted"), law.accepted, true)}
      ${["joined", "opened", "held", "resolved"].map((word) => part(t(`num.${word}`), law.applied[word]))}
      ${part(t("num.duplicate"), law.duplicate)}${parts("mute", law.muted)}${parts("dead.reason", law.dead_lettered)}${part(t("num.pending"), law.pending)}
      ${part(t("num.accounted"), law.accounted, true)}</dl><//>`;
};
