// The API's shapes as the console uses them, for editors and `tsc --checkJs`. Nothing here runs.

/**
 * @typedef {{zh: string, en: string}} Text
 * @typedef {{id: string, name: string, class: string, area?: string, org?: string, outside?: boolean}} Ci
 * @typedef {{ci: Ci, inferred: boolean, confirmed: boolean, score: number, reason?: Text}} Root
 * @typedef {{id: string, url: string, version: number, title: string, headline: Text, state: string, progress: string,
 *   severity: string, priority: string, area?: string, root?: Root, alert_count: number, firing_count: number,
 *   event_count: number, ci_count: number, services: string[], orgs: string[], first_alert_at: string,
 *   opened_at: string, updated_at: string, acknowledged_at?: string, acknowledged_by?: string, assignee?: string,
 *   snoozed_until?: string, told?: string[], tickets?: {receiver: string, system: string, number: string, url?: string}[], recovered_at?: string, closed_at?: string, merged_into?: string}} Incident
 * @typedef {{term: string, points: number, n: number, of: number, text: Text}} Evidence
 * @typedef {{rank: number, ci: Ci, alert?: string, inferred: boolean, score: number, rejected: boolean,
 *   reason: Text, evidence: Evidence[]}} Candidate
 * @typedef {{cause: Ci, effect: Ci, relation: string}} PathStep
 * @typedef {{ci: Ci, at: string, title: string, source: string}} Change
 * @typedef {{at: string, actor: string, kind: string, label: string, detail?: string, via?: string}} TimelineEntry
 * @typedef {Incident & {candidates: Candidate[], path: PathStep[], changes: Change[], timeline: TimelineEntry[],
 *   timeline_cut: number, topology_version: number, ruleset_version: number}} IncidentDetail
 * @typedef {{kind: string, id?: string, alert?: string}} Mute
 * @typedef {{id: string, source: string, name: string, title: string, severity: string, state: string, ci?: Ci,
 *   object: string, labels: Record<string, string>, first_seen: string, last_seen: string, starts_at: string,
 *   count: number, muted_by: Mute[], flapping: boolean, incident?: string, held: boolean}} Alert
 * @typedef {{id: string, name: string, class: string, layer: number, is_root: boolean, is_anomaly: boolean,
 *   state: string, on_alert: number, severity?: string, score: number, count: number, outside?: boolean, x: number, y: number}} Node
 * @typedef {{source: string, target: string, kind: string, relation: string, count: number}} Link
 * @typedef {{layer: number, label: Text, top: number, bottom: number}} Band
 * @typedef {{nodes: Node[], edges: Link[], layers: Band[], aggregated: boolean, total: number, width: number,
 *   height: number}} Graph
 * @typedef {{name: string, role: string, tenant: string, orgs?: string[], areas?: string[], version: string}} Me
 * @typedef {{kind: string, data: any}} FeedChange
 * @typedef {{connected: boolean, heardAt: number, pulse: any, stale: boolean}} FeedStatus
 */

export {};
