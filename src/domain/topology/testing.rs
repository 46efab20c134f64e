//! Small topologies for tests, with relation types whose every step is certain and instant.

use std::sync::Arc;

use super::Topology;
use super::draft::{CiDraft, Draft, Place, RelationDraft, Strength};
use super::schema::{Flow, Mode, Need, Redundancy, RelationType, Schema, Travel};
use crate::domain::time::Span;

/// Relation types `hard`, `soft`, `sees` (visibility), `pair` (one of two suffices), `peers` (both ways) and
/// `holds` (the effect end is inside the cause end).
pub(super) fn schema() -> Arc<Schema> {
    let kind = |id: &str, flow, mode, redundancy| RelationType {
        id: id.into(),
        zh: id.into(),
        en: id.into(),
        inverse: None,
        travel: Travel {
            flow,
            delay_min: Span(0),
            delay_typ: Span::secs(1),
            delay_max: Span::secs(2),
            touch: 1000,
            pass: 1000,
            touch_redundant: 1000,
            pass_redundant: 1000,
            mode,
            redundancy,
            infers: true,
        },
        overrides: Vec::new(),
        cycles_expected: flow == Flow::Both,
        encloses: id == "holds",
    };
    let one = Redundancy::KOfN { need: Need::AtLeast(1) };
    let types = vec![
        kind("hard", Flow::Forward, Mode::Hard, Redundancy::None),
        kind("soft", Flow::Forward, Mode::Soft, Redundancy::None),
        kind("sees", Flow::Forward, Mode::Visibility, Redundancy::None),
        kind("pair", Flow::Forward, Mode::Hard, one),
        kind("peers", Flow::Both, Mode::Soft, Redundancy::None),
        kind("holds", Flow::Forward, Mode::Soft, Redundancy::None),
    ];
    Arc::new(Schema::of(Vec::new(), types))
}

/// CIs `c0`, `c1` … of one class and relations between them by number.
pub(super) fn topology(cis: u32, relations: &[(u32, u32, &str)]) -> Topology {
    classed(cis, relations, |_| "thing")
}

/// The same with a class for each CI.
pub(super) fn classed(cis: u32, relations: &[(u32, u32, &str)], class: impl Fn(u32) -> &'static str) -> Topology {
    let schema = schema();
    let mut draft = Draft::start(schema.clone());
    for n in 0..cis {
        let id = format!("c{n}");
        draft.ci(CiDraft { id: &id, class: class(n), ..CiDraft::default() }, Place::default()).expect("fits");
    }
    for (from, to, kind) in relations {
        let (from, to) = (format!("c{from}"), format!("c{to}"));
        let (kind, _) = schema.relation(kind).expect("a known type");
        let relation = RelationDraft { from: &from, to: &to, kind, group: "", strength: Strength::AsTyped };
        draft.relation(&relation, Place::default()).expect("fits");
    }
    draft.finish(1)
}
