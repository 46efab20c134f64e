// Ranked candidates for the root cause, with every term of the evidence as a sentence and its number.

import { html, useState } from "./vendor/htm-preact.js";
import { act } from "./actions.js";
import { likelihood, says } from "./format.js";
import { t } from "./i18n.js";
import { Ci } from "./parts.js";

/** `+1.20`: points are thousandths of log-odds.
 * @param {number} points */
export const points = (points) => `${points > 0 ? "+" : points < 0 ? "−" : "±"}${Math.abs(points / 1000).toFixed(2)}`;

/** What points do to the odds.
 * @param {number} points */
function meaning(points) {
  const factor = Math.exp(Math.abs(points) / 1000);
  if (points === 0) return t("root.points.none");
  return t(points > 0 ? "root.points.for" : "root.points.against", { x: factor >= 10 ? Math.round(factor) : factor.toFixed(1) });
}

/** @param {{item: import("headwater-api").EvidenceItem, most: number}} props */
const Term = ({ item, most }) => {
  const share = Math.min(1, Math.abs(item.points) / most) * 50;
  const against = item.points < 0;
  return html`<li class=${against ? "against" : item.points ? "" : "neutral"} title=${meaning(item.points)}>
    <span class="points">${points(item.points)}</span>
    <svg viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true"><rect class="axis" x="49.6" width=".8" height="6" />
      <rect x=${against ? 50 - share : 50} width=${share} height="6" /></svg>
    <span>${says(item.text)}</span>
  </li>`;
};

/** Covering nearly all alerts convinces people, even where it does not tell this candidate from the next. */
const covers = (item) => item.term === "coverage" && item.n * 5 >= item.of * 4;

/** The terms that say most, as the API's `reason` has them.
 * @param {import("./types.js").Candidate} candidate @param {number} most */
export const strongest = (candidate, most) => candidate.evidence.filter((item) => item.points > 0 || covers(item))
  .sort((a, b) => Number(covers(b)) - Number(covers(a)) || b.points - a.points).slice(0, most);

/** @param {{candidate: import("headwater-api").CandidateItem, incident: import("headwater-api").IncidentDetail, me: import("headwater-api").Me}} props */
const Proof = ({ candidate, incident, me }) => {
  const most = Math.max(1, ...candidate.evidence.map((item) => Math.abs(item.points)));
  const sum = candidate.evidence.reduce((all, item) => all + item.points, 0);
  const may = me.role !== "viewer" && incident.state !== "merged";
  const root = (verdict, name) => () => act(incident, "root", { verdict, ci: candidate.ci.id }, name);
  if (candidate.ci.outside) return html`<div class="proof"><p class="dim">${says(candidate.reason)}</p></div>`;
  return html`<div class="proof">
    <ul class="evidence">${candidate.evidence.map((item) => html`<${Term} key=${item.term} item=${item} most=${most} />`)}
      <li class="sum"><span class="points">${points(sum)}</span><span>${t("root.sum")}</span></li></ul>
    ${may && html`<div class="actions small">
      ${candidate.rank === 1 && !incident.root?.confirmed && html`<button data-act="confirm" onClick=${root("confirm", "act.confirm")}>${t("act.confirm")}</button>`}
      ${candidate.rank > 1 && html`<button data-act="set" onClick=${root("set", "act.set")}>${t("act.set")}</button>`}
      ${!candidate.rejected && html`<button data-act="reject" onClick=${root("reject", "act.reject")}>${t("act.reject")}</button>`}
    </div>`}
  </div>`;
};

/** @param {{candidate: import("headwater-api").CandidateItem, confirmed: any, open: any, onOpen: any}} props */
const Line = ({ candidate, confirmed, open, onOpen }) => html`
  <button class="line" aria-expanded=${open} onClick=${onOpen}>
    <span class="rank">${candidate.rank}</span>
    <${Ci} ci=${candidate.ci} />
    ${confirmed && html`<em class="tag good">${t("root.confirmed")}</em>`}
    ${candidate.inferred && html`<em class="tag" title=${t("root.inferred.help")}>${t("root.inferred")}</em>`}
    ${candidate.rejected && html`<em class="tag">${t("root.rejected")}</em>`}
    <span class="score"><svg viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true">
      <rect class="all" width="100" height="6" /><rect width=${candidate.score / 10} height="6" /></svg>
    <b>${likelihood(candidate.score)}</b></span>
  </button>`;

/** All candidates; the best one is open.
 * @param {{incident: import("headwater-api").IncidentDetail, me: import("headwater-api").Me}} props */
export const Candidates = ({ incident, me }) => {
  const [open, setOpen] = useState(1);
  if (!incident.candidates.length) return html`<p class="dim">${t("root.none.help")}</p>`;
  return html`<ol class="candidates">${incident.candidates.map((candidate) => html`
    <li key=${candidate.ci.id} class=${`candidate ${candidate.rank === 1 ? "first" : ""} ${candidate.rejected ? "rejected" : ""}`}>
      <${Line} candidate=${candidate} confirmed=${candidate.rank === 1 && incident.root?.confirmed} open=${open === candidate.rank}
        onOpen=${() => setOpen(open === candidate.rank ? 0 : candidate.rank)} />
      ${open === candidate.rank && html`<${Proof} candidate=${candidate} incident=${incident} me=${me} />`}
    </li>`)}</ol>`;
};
