//! Detectors of single series on the bench: labelled series in, scores, pictures and trained numbers out.

pub mod fit;
pub mod judged;
pub mod ledger;
pub mod live;
pub mod plot;
pub mod publish;
pub mod recorded;
pub mod synthetic;
