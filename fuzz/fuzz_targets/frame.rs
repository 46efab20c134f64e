//! What the decoders' targets share: a context, and formats that are read once.

use std::sync::OnceLock;

use headwater::decode::Context;
use headwater::decode::formats::Formats;
use headwater::decode::limits::Limits;
use headwater::domain::ids::{SourceId, TenantId};
use headwater::domain::time::Timestamp;

/// Runs a decoder on one input.
pub fn with(decode: impl FnOnce(&Context<'_>, &Formats)) {
    static FORMATS: OnceLock<Formats> = OnceLock::new();
    let formats = FORMATS.get_or_init(Formats::built_in);
    let (tenant, source) = (TenantId::from("t"), SourceId::from("s"));
    let context = Context {
        tenant: &tenant,
        source: &source,
        received_at: Some(Timestamp(1_767_571_260_000)),
        severities: &formats.severities,
        limits: &Limits::MODEL,
    };
    decode(&context, formats);
}
