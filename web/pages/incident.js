// The incident page: what failed and why we think so, how it spread, what happened, who is hit.

import { html, useCallback, useEffect, useRef, useState } from "../vendor/htm-preact.js";
import { Actions, act } from "../actions.js";
import { call } from "../api.js";
import * as feed from "../feed.js";
import { moment } from "../format.js";
import { say, t } from "../i18n.js";
import { Graph } from "../graph.js";
import { Age, Ci, Go, Panel, Severity, State, useKeys, visit } from "../parts.js";
import { Timeline } from "../timeline.js";
import { Members } from "../members.js";

const RELOAD_MS = 700;

/** The incident, read again when the feed speaks of it. */
function useIncident(id) {
  const [incident, set] = useState(null);
  const [members, bumpMembers] = useState(0);
  const timer = useRef(0);
  const load = useCallback(async (first) => {
    try {
      const found = await call(`/api/v1/incidents/${encodeURIComponent(id)}`);
      set(found);
      if (first) feed.start(found.feed);
    } catch (failure) {
      if (failure.status === 404) set(false);
    }
  }, [id]);
  useEffect(() => {
    load(true);
    const stop = feed.hear((changes) => {
      const resync = changes.some((c) => c.kind === "resync");
      const mine = changes.filter((c) => (c.kind === "incident" ? c.data.id : c.data.incident) === id);
      if (resync || mine.some((c) => c.data.members_changed)) bumpMembers((n) => n + 1);
      if (resync || mine.length) timer.current ||= setTimeout(() => { timer.current = 0; load(false); }, RELOAD_MS);
    });
    return () => { stop(); clearTimeout(timer.current); timer.current = 0; };
  }, [load]);
  return [incident, members];
}

const Evidence = ({ item, most }) => {
  const share = (Math.min(1, Math.abs(item.points) / most) * 50).toFixed(1);
  const against = item.points < 0;
  return html`<li class=${against ? "against" : ""}>
    <span class="points">${item.points > 0 ? "+" : ""}${(item.points / 1000).toFixed(2)}</span>
    <svg viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true"><rect class="axis" x="49.6" width=".8" height="6" /><rect x=${against ? 50 - share : 50} width=${share} height="6" /></svg>
    <span>${say(item.text)}</span>
  </li>`;
};

const Candidate = ({ candidate, incident, me, open, onOpen }) => {
  const most = Math.max(1, ...candidate.evidence.map((item) => Math.abs(item.points)));
  const may = me.role !== "viewer" && incident.state !== "merged";
  const root = (verdict) => () => act(incident, "root", { verdict, ci: candidate.ci.id });
  return html`<li class=${`candidate ${candidate.rank === 1 ? "first" : ""} ${candidate.rejected ? "rejected" : ""}`}>
    <button class="line" aria-expanded=${open} onClick=${onOpen}>
      <span class="rank">${candidate.rank}</span>
      <${Ci} ci=${candidate.ci} />
      ${candidate.inferred && html`<em class="tag">${t("root.inferred")}</em>`}
      ${candidate.rejected && html`<em class="tag">${t("root.rejected")}</em>`}
      <span class="score"><svg viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true"><rect class="all" width="100" height="6" /><rect width=${candidate.score / 10} height="6" /></svg>
      <b>${Math.round(candidate.score / 10)}%</b></span>
    </button>
    ${open && html`<div class="proof">
      <ul class="evidence">${candidate.evidence.map((item) => html`<${Evidence} item=${item} most=${most} />`)}</ul>
      ${may && html`<div class="actions small">
        ${candidate.rank === 1 && !incident.root?.confirmed && html`<button class="quiet" onClick=${root("confirm")}>${t("act.confirm")}</button>`}
        ${candidate.rank > 1 && html`<button class="quiet" onClick=${root("set")}>${t("act.set")}</button>`}
        ${!candidate.rejected && html`<button class="quiet" onClick=${root("reject")}>${t("act.reject")}</button>`}
      </div>`}
    </div>`}
  </li>`;
};

const Candidates = ({ incident, me }) => {
  const [open, setOpen] = useState(1);
  if (!incident.candidates.length) return html`<p class="dim">${t("root.none")}</p>`;
  return html`<ol class="candidates">${incident.candidates.map((candidate) => html`
    <${Candidate} key=${candidate.ci.id} candidate=${candidate} incident=${incident} me=${me}
      open=${open === candidate.rank} onOpen=${() => setOpen(open === candidate.rank ? 0 : candidate.rank)} />`)}</ol>`;
};

/** The path as a tree from the root outwards. */
const Path = ({ path }) => {
  const [all, setAll] = useState(false);
  if (!path.length) return html`<p class="dim">${t("inc.path.none")}</p>`;
  const depth = new Map();
  const lines = path.map((step) => {
    if (!depth.has(step.cause.id)) depth.set(step.cause.id, 0);
    depth.set(step.effect.id, depth.get(step.cause.id) + 1);
    return { ...step, depth: depth.get(step.effect.id) };
  });
  const shown = all ? lines : lines.slice(0, 8);
  return html`<ol class="path">
    <li><${Ci} ci=${path[0].cause} /></li>
    ${shown.map((step) => html`<li class=${`deep-${Math.min(6, step.depth)}`}><span class="relation">${step.relation}</span><${Ci} ci=${step.effect} /></li>`)}
    ${lines.length > shown.length && html`<li><button class="quiet" onClick=${() => setAll(true)}>${t("show_all")} (${lines.length})</button></li>`}
  </ol>`;
};

const Facts = ({ incident }) => {
  const fact = (label, value) => html`<div><dt>${label}</dt><dd>${value}</dd></div>`;
  return html`<dl class="facts">
    ${fact(t("inc.priority"), incident.priority)}
    ${fact(t("inc.age"), html`<${Age} from=${incident.opened_at} to=${incident.closed_at} />`)}
    ${fact(t("inc.alerts"), `${incident.alert_count}`)}
    ${fact(t("inc.firing"), `${incident.firing_count}`)}
    ${fact(t("inc.cis"), incident.ci_count)}
    ${fact(t("inc.events"), incident.event_count)}
    ${fact(t("col.owner"), incident.assignee ?? incident.acknowledged_by ?? "–")}
    ${fact(t("inc.opened"), moment(incident.opened_at))}
  </dl>`;
};

export const Incident = ({ id, me }) => {
  const [incident, members] = useIncident(id);
  const [picked, setPicked] = useState([]);
  useKeys((key) => {
    if (key === "Escape" || key === "u") visit("/");
    else if (key === "a" && incident && me.role !== "viewer") act(incident, "acknowledge");
    else return false;
    return true;
  }, [incident]);
  if (incident === null) return html`<p class="empty">${t("loading")}</p>`;
  if (incident === false) return html`<p class="empty">${t("inc.gone")}</p>`;
  return html`<article class=${`incident sev-${incident.severity}`}>
    <header class="head">
      <${Severity} of=${incident.severity} label />
      <div class="title"><h1>${incident.title}</h1><p>${say(incident.headline)}</p></div>
      <${State} incident=${incident} />
      <${Actions} incident=${incident} me=${me} picked=${picked} />
    </header>
    ${incident.merged_into && html`<p class="notice">${t("inc.merged")} <${Go} to=${`/incidents/${incident.merged_into}`}>${incident.merged_into}<//></p>`}
    <${Facts} incident=${incident} />
    <div class="columns">
      <div>
        <${Panel} title=${t("inc.root")} kind="rootcause"><${Candidates} incident=${incident} me=${me} /><//>
        <${Panel} title=${t("inc.path")}><${Path} path=${incident.path} /><//>
        ${incident.changes.length > 0 && html`<${Panel} title=${t("inc.changes")}><ul class="changes">${incident.changes.map((change) => html`
          <li><time>${moment(change.at)}</time><${Ci} ci=${change.ci} /><span>${change.title}</span></li>`)}</ul><//>`}
        ${incident.services.length > 0 && html`<${Panel} title=${t("inc.services")}><p class="chips">${incident.services.map((s) => html`<span>${s}</span>`)}</p><//>`}
      </div>
      <div>
        <${Graph} id=${id} version=${members} />
        <${Panel} title=${t("inc.timeline")} aside=${incident.timeline_cut > 0 && t("inc.cut", { n: incident.timeline_cut })}>
          <${Timeline} incident=${incident} /><//>
      </div>
    </div>
    <${Members} incident=${incident} version=${members} picked=${picked} onPick=${me.role === "viewer" ? null : setPicked} />
  </article>`;
};
