// Shapes that the console's modules share, for editors and `tsc`. Nothing here runs. What the API answers is typed by its own
// document: the check writes it as the module `headwater-api` (tests/it/console/types.rs).

/**
 * @typedef {import("headwater-api").Ci} Ci
 * @typedef {import("headwater-api").IncidentItem} Incident
 * @typedef {import("headwater-api").CandidateItem} Candidate
 * @typedef {import("headwater-api").Me} Me
 * @typedef {{kind: string, data: any}} FeedChange
 * @typedef {{connected: boolean, heardAt: number, pulse: any, stale: boolean}} FeedStatus
 */

export {};
