//! The door out: what people's screens and other programs read and order. Handlers decide nothing: they
//! read a view or append a command and answer with its journal sequence.
//!
//! `routes` shows every route with the roles it is open to. Each record belongs to a tenant and to
//! organisations; one outside the caller's scope is answered like one that does not exist.

pub mod access;
pub mod alert_types;
pub mod alertmanager;
pub mod alerts;
pub mod audit;
pub mod calendars;
pub mod ci_graph;
pub mod dead_letters;
pub mod deeds;
pub mod doors;
pub mod duty_load;
pub mod ending;
pub mod estate;
pub mod export;
pub mod feed;
pub mod feedback;
pub mod graph;
pub mod health;
pub mod heeded;
pub mod held_back;
pub mod incident_types;
pub mod incidents;
pub mod knowledge;
pub mod lang;
pub mod layout;
mod metric_model;
pub mod notice_preview;
pub mod notices;
pub mod numbers;
pub mod oncall;
pub mod orders;
pub mod paging;
pub mod past;
mod plain;
pub mod post_mortems;
pub mod problem;
pub mod reach;
mod report_lines;
pub mod reports;
pub mod routes;
mod rule_latency;
pub mod rule_tests;
pub mod rules;
pub mod series;
pub mod session;
pub mod session_file;
pub mod shield;
pub mod shift_reports;
pub mod silences;
pub mod similar;
pub mod sources;
pub mod state;
pub mod stats;
pub mod strangers;
pub mod suggestions;
pub mod tokens;
pub mod topology;
pub mod topology_past;
pub mod topology_versions;
pub mod trial;
pub mod trials;
pub mod view_file;
pub mod views;
pub mod vocabulary;
pub mod why;
pub mod why_not;
pub mod window_proposals;
pub mod windows;

#[cfg(test)]
pub mod tests;
