// The incident page: what failed, since when, why we think so and who is hit; then everything behind it.

import { html, useCallback, useEffect, useRef, useState } from "../vendor/htm-preact.js";
import { Actions, act } from "../actions.js";
import { call } from "../api.js";
import { Deeds, Levels } from "../deeds.js";
import { Conclusion, MajorNotice } from "../ending.js";
import { Candidates, strongest } from "../evidence.js";
import { FalseAlarm } from "../false_alarm.js";
import { hear } from "../feed.js";
import { count, likelihood, moment, span } from "../format.js";
import { Graph } from "../graph.js";
import { say, t } from "../i18n.js";
import { neighbours } from "../incidents.js";
import { Members, useMembers } from "../members.js";
import { Metrics } from "../metrics.js";
import { PostMortem } from "../postmortem.js";
import { silenceIncident } from "../silencing.js";
import { Similar } from "../similar.js";
import { Age, Ci, Empty, Go, Panel, Severity, State, titleOf, useKeys, visit } from "../parts.js";
import { Timeline } from "../timeline.js";
import { relationName } from "../vocabulary.js";
import { WhyNot } from "../why_not.js";

const RELOAD_MS = 700;
/** Members and graph are heavier: read again at most this often. */
const MEMBERS_MS = 3000;
const PATH_SHOWN = 8;
const SERVICES_SHOWN = 12;
/** @type {any[]} */
const NOTHING = [];

/** The incident, read again when the feed speaks of it. */
function useIncident(id) {
  const [incident, set] = useState(/** @type {import("headwater-api").IncidentDetail|null|undefined} */ (undefined));
  const [failed, setFailed] = useState("");
  const [members, bumpMembers] = useState(0);
  const timers = useRef({ page: 0, members: 0 });
  const load = useCallback(async () => {
    try {
      set(await call(`/api/v1/incidents/${encodeURIComponent(id)}`));
      setFailed("");
    } catch (failure) {
      if (failure.status === 404) set(null);
      else if (failure.status !== 401) setFailed(failure.message);
    }
  }, [id]);
  useEffect(() => {
    load();
    const running = timers.current;
    const soon = (which, wait, run) => { running[which] ||= setTimeout(() => { running[which] = 0; run(); }, wait); };
    const stop = hear((changes) => {
      const resync = changes.some((c) => c.kind === "resync");
      const mine = changes.filter((c) => (c.kind === "incident" ? c.data.id : c.data.incident) === id);
      if (resync || mine.some((c) => c.data.members_changed)) soon("members", MEMBERS_MS, () => bumpMembers((n) => n + 1));
      if (resync || mine.length) soon("page", RELOAD_MS, load);
    });
    return () => { stop(); clearTimeout(running.page); clearTimeout(running.members); running.page = running.members = 0; };
  }, [load]);
  return { incident, members, failed, load };
}

/** @param {{incident: import("headwater-api").IncidentDetail}} props */
const What = ({ incident }) => {
  const root = incident.root;
  const best = incident.candidates[0];
  return html`<div class="what"><h2>${t("glance.what")}</h2>
    ${root ? html`<p class="big"><${Ci} ci=${root.ci} link /></p>
      <p>${root.confirmed ? html`<em class="tag good">${t("root.confirmed")}</em>` : html`<em class="tag strong">${t("glance.likely", { p: likelihood(root.score) })}</em>`}
        ${root.inferred && html` <em class="tag" title=${t("root.inferred.help")}>${t("root.inferred")}</em>`}${root.possible && html` <em class="tag" title=${t("root.possible.help")}>${t("root.possible")}</em>`}</p>
      ${best?.inferred && html`<p class="dim">${t("root.inferred.help")}</p>`}`
    : html`<p class="big">${t("root.none")}</p><p class="dim">${t("root.none.help")}</p>`}</div>`;
};

/** @param {{incident: import("headwater-api").IncidentDetail}} props */
const Since = ({ incident }) => {
  const over = incident.recovered_at ?? incident.closed_at;
  const share = incident.alert_count ? incident.firing_count / incident.alert_count : 0;
  return html`<div class="since"><h2>${t("glance.since")}</h2>
    <p class="big"><${Age} from=${incident.first_alert_at} to=${over} /></p>
    <p>${moment(incident.first_alert_at)}${over ? ` → ${moment(over)}` : ""}</p>
    <p class="dim">${t("reach.firing", { n: count(incident.firing_count), of: count(incident.alert_count) })}</p>
    <svg viewBox="0 0 60 3" preserveAspectRatio="none" aria-hidden="true"><rect class="all" width="60" height="3" /><rect width=${share * 60} height="3" /></svg></div>`;
};

/** @param {{incident: import("headwater-api").IncidentDetail}} props */
const Why = ({ incident }) => {
  const best = incident.candidates[0];
  const terms = best ? strongest(best, 3) : [];
  return html`<div class="why"><h2>${t("glance.why")}</h2>
    ${terms.length ? html`<ul>${terms.map((item) => html`<li key=${item.term}>${say(item.text)}</li>`)}</ul>` : html`<p>${best ? say(best.reason) : t("root.none.help")}</p>`}
    ${incident.changes.length > 0 && html`<p class="alarm">${t("glance.change", { what: incident.changes[0].title })}</p>`}</div>`;
};

/** @param {{incident: import("headwater-api").IncidentDetail}} props */
const Who = ({ incident }) => {
  const [all, setAll] = useState(false);
  const services = all ? incident.services : incident.services.slice(0, SERVICES_SHOWN);
  return html`<div class="who"><h2>${t("glance.who")}</h2>
    ${services.length ? html`<p class="chips">${services.map((s) => html`<span key=${s}>${s}</span>`)}
      ${incident.services.length > services.length && html`<button onClick=${() => setAll(true)}>+${incident.services.length - services.length}</button>`}</p>`
    : html`<p>${incident.hidden_services ? t("hit.hidden", { n: incident.hidden_services }) : t("hit.none")}</p>`}
    ${services.length > 0 && (incident.hidden_services ?? 0) > 0 && html`<p class="dim">${t("hit.more_hidden", { n: incident.hidden_services })}</p>`}
    <p class="dim">${[t("reach.cis", { n: count(incident.ci_count) }), t("reach.alerts", { n: count(incident.alert_count) }), t("reach.events", { n: count(incident.event_count) })].join(" · ")}</p>
    ${incident.orgs.length > 0 && html`<p class="dim">${t("glance.orgs")} ${incident.orgs.join(t("and"))}</p>`}</div>`;
};

/** The path as a tree from the root outwards.
 * @param {{path: import("headwater-api").PathItem[]}} props */
const Path = ({ path }) => {
  const [all, setAll] = useState(false);
  if (!path.length) return html`<p class="dim">${t("inc.path.none")}</p>`;
  const depth = new Map();
  const lines = path.map((step) => {
    if (!depth.has(step.cause.id)) depth.set(step.cause.id, 0);
    depth.set(step.effect.id, depth.get(step.cause.id) + 1);
    return { ...step, depth: depth.get(step.effect.id) };
  });
  const shown = all ? lines : lines.slice(0, PATH_SHOWN);
  return html`<ol class="path">
    <li><${Ci} ci=${path[0].cause} /></li>
    ${shown.map((step, i) => html`<li key=${i} class=${`deep-${Math.min(6, step.depth)}`}><span class="relation">${relationName(step.relation)}</span><${Ci} ci=${step.effect} /></li>`)}
  </ol>
  ${lines.length > shown.length && html`<button class="more" onClick=${() => setAll(true)}>${t("show_all")} (${lines.length})</button>`}`;
};

/** @param {{incident: import("headwater-api").IncidentDetail}} props */
const Changes = ({ incident }) => html`<${Panel} title=${t("inc.changes")} kind="changes">
  ${incident.changes.length ? html`<ul>${incident.changes.map((change) => {
    const before = Date.parse(incident.first_alert_at) - Date.parse(change.at);
    return html`<li key=${change.at + change.ci.id}><time title=${moment(change.at)}>${before >= 0 ? t("change.before", { t: span(before) }) : t("change.after", { t: span(-before) })}</time>
      <span><${Ci} ci=${change.ci} /> ${change.title} <i>${change.source}</i></span></li>`;
  })}</ul>` : html`<p class="dim">${t("inc.changes.none")}</p>`}<//>`;

/** The way back, and to the incidents beside this one on the board. */
const Crumbs = ({ id }) => {
  const [before, after] = neighbours(id);
  const step = (to, word, sign) => html`<${Go} to=${`/incidents/${to}`} title=${`${t(word)} ${to}`}>${sign} ${to}<//>`;
  return html`<nav class="crumbs"><${Go} to="/">← ${t("nav.board")}<//>
    <span>${before && step(before, "inc.before", "↑")} ${after && step(after, "inc.after", "↓")}</span></nav>`;
};

/** @param {{incident: import("headwater-api").IncidentDetail, me: import("headwater-api").Me, onPostMortem: any}} props */
const Head = ({ incident, me, onPostMortem }) => {
  const owner = incident.assignee ?? incident.acknowledged_by;
  return html`<header class="head">
  <span class="mark"><${Severity} of=${incident.severity} label /><b class=${`pri pri-${incident.priority}`}>${incident.priority}</b></span>
  <div class="title"><h1>${titleOf(incident)}</h1>
    <p class="headline">${say(incident.headline)}</p>
    <p>${incident.id} · <${State} incident=${incident} />
      ${owner && html` · ${t("col.owner")} <b>${owner}</b>`}
      ${incident.acknowledged_at && html` · ${t("glance.acked", { t: moment(incident.acknowledged_at) })}`}
      ${incident.snoozed_until && html` · ${t("glance.snoozed", { t: moment(incident.snoozed_until) })}`}
      ${(incident.tickets ?? []).map((ticket) => html` · ${t("inc.ticket")} ${/^https?:\/\//.test(ticket.url ?? "") ? html`<a class="ticket" href=${ticket.url} target="_blank" rel="noreferrer">${ticket.number}</a>` : html`<b>${ticket.number}</b>`}`)}
      ${incident.told?.length ? html` · ${t("board.told")} ${incident.told.join(t("and"))}` : ""}<${FalseAlarm} id=${incident.id} /></p></div>
  <${Actions} incident=${incident} me=${me} onPostMortem=${onPostMortem} />
</header>`;
};

/** What may have metrics: the root cause, then the members that fire, then the others, as their sources call them.
 * @param {any} incident @param {any[]} alerts */
const objects = (incident, alerts) => [...(incident.root && !incident.root.ci.outside ? [incident.root.ci.id, incident.root.ci.name] : []),
  ...alerts.filter((alert) => alert.state === "firing").map((alert) => alert.object), ...alerts.map((alert) => alert.object)];

const KEYS = { a: "acknowledge", s: "assign", z: "snooze", c: "comment", m: "merge" };

/** @param {{id: any, me: import("headwater-api").Me}} props */
export const Incident = ({ id, me }) => {
  const { incident, members, failed, load } = useIncident(id);
  const list = useMembers(id, members);
  const [text, setText] = useState("");
  const [writing, setWriting] = useState(false);
  const may = me.role !== "viewer";
  const alerts = list.found?.items ?? NOTHING;
  useEffect(() => { if (incident) document.title = `${incident.id} ${titleOf(incident)}`; }, [incident]);
  useKeys((key) => {
    const [before, after] = neighbours(id);
    if (key === "Escape" || key === "u") visit("/");
    else if (key === "[" && before) visit(`/incidents/${before}`);
    else if (key === "]" && after) visit(`/incidents/${after}`);
    else if (!incident || !may || incident.state === "merged") return false;
    else if (key === "a" && incident.progress !== "triggered") return false;
    else if (key === "l") silenceIncident(incident);
    else if (KEYS[key]) act(incident, KEYS[key]);
    else return false;
    return true;
  });
  if (failed && !incident) return html`<${Empty} text=${t("failed", { why: failed })} onRetry=${load} />`;
  if (incident === undefined) return html`<${Empty} text=${t("loading")} />`;
  if (incident === null) return html`<${Empty} text=${t("inc.gone")} />`;
  const onMembers = (node) => { setText(node.name); document.getElementById("members")?.scrollIntoView({ behavior: "smooth" }); };
  return html`<article class=${`incident sev-${incident.severity}`}>
    <${Crumbs} id=${id} />
    <${Head} incident=${incident} me=${me} onPostMortem=${() => setWriting(true)} />
    <${MajorNotice} incident=${incident} onPostMortem=${() => setWriting(true)} />
    ${incident.merged_into && html`<p class="notice">${t("inc.merged")} <${Go} to=${`/incidents/${incident.merged_into}`}>${incident.merged_into}<//></p>`}
    <section class="glance" aria-label=${say(incident.headline)}>
      <${What} incident=${incident} /><${Since} incident=${incident} /><${Why} incident=${incident} /><${Who} incident=${incident} /></section>
    <div class="columns">
      <div>
        <${Panel} title=${t("inc.root")} kind="rootcause"><${Candidates} incident=${incident} me=${me} /><//>
        <${Conclusion} incident=${incident} />
        <${Levels} levels=${incident.levels} />
        <${Deeds} incident=${incident} may=${may && incident.state !== "merged"} />
        <${Panel} title=${t("inc.path")}><${Path} path=${incident.path} /><//>
        <${Changes} incident=${incident} />
        <${Similar} id=${id} />
        <${WhyNot} incident=${incident} />
      </div>
      <div>
        <${Graph} id=${id} version=${members} onMembers=${onMembers} />
        <${Metrics} objects=${objects(incident, alerts)} since=${incident.first_alert_at} />
        <${Panel} title=${t("inc.timeline")} aside=${incident.timeline_cut > 0 && t("inc.cut", { n: incident.timeline_cut })}>
          <${Timeline} incident=${incident} alerts=${alerts} may=${may && incident.state !== "merged"} /><//>
      </div>
    </div>
    <${Members} incident=${incident} members=${list} me=${me} text=${text} onText=${setText} />
    <p class="keys dim">${t("inc.keys")} · ${t("inc.versions", { topology: incident.topology_version, rules: incident.ruleset_version })}</p>
    ${writing && html`<${PostMortem} id=${id} may=${may} onClose=${() => setWriting(false)} />`}
  </article>`;
};
