//! A topology as it is kept: the CMDB's own text and, in front of it, the mapping that it was read with. So a replay
//! reads what the start read, whatever became of the mapping's file, and errors name lines of the text as it came.
//!
//! ```text
//! %headwater-mapping 1234
//! <1234 bytes: the mapping><the CMDB's text>
//! ```
//!
//! A text without that line is in our own format; foreign names of the shipped mapping are understood, too.

use std::sync::Arc;

use anyhow::{Context as _, Result};

use crate::decode::topology::Mapping;
use crate::domain::topology::Topology;
use crate::lab::built_in::{read_topology, shipped_mapping};

/// How errors call the mapping, and the text.
pub const MAPPING: &str = "topology mapping";
pub const TEXT: &str = "topology";
/// What the first line begins with; no CMDB's text does.
const MARK: &[u8] = b"%headwater-mapping ";

/// The text with its mapping, as one.
pub fn with_mapping(mapping: &[u8], text: &[u8]) -> Vec<u8> {
    let length = format!("{}\n", mapping.len());
    [MARK, length.as_bytes(), mapping, text].concat()
}

/// Reads a kept text.
///
/// # Errors
/// Every wrong place, one per line.
pub fn compile(bytes: &[u8], version: u64) -> Result<Arc<Topology>> {
    let (mapping, text) = parts(bytes)?;
    let own = mapping.map(|mapping| Mapping::parse(MAPPING, mapping)).transpose()?;
    read_topology(TEXT, text, own.as_ref().or_else(|| Some(shipped_mapping())), version)
}

/// The mapping of a kept text, where it has one, and the CMDB's own text.
///
/// # Errors
/// When the mapping's length is wrong.
pub fn parts(bytes: &[u8]) -> Result<(Option<&[u8]>, &[u8])> {
    let Some(rest) = bytes.strip_prefix(MARK) else { return Ok((None, bytes)) };
    let (mapping, text) = split(rest).context("topology:1: write %headwater-mapping and its length in bytes")?;
    Ok((Some(mapping), text))
}

/// What stands behind the mark: a length, the mapping, the text.
fn split(rest: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = rest.iter().position(|byte| *byte == b'\n')?;
    let length = std::str::from_utf8(&rest[..end]).ok()?.parse().ok()?;
    rest[end + 1..].split_at_checked(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAPPING_TEXT: &str = "relations: {feeds: {type: powers}}\n";
    const CMDB: &str =
        "cis: [{id: a, class: pdu}, {id: b, class: server}]\nrelations: [{from: a, to: b, type: feeds}]\n";

    #[test]
    fn a_text_is_read_with_the_mapping_it_was_kept_with() {
        let read = compile(&with_mapping(MAPPING_TEXT.as_bytes(), CMDB.as_bytes()), 1).unwrap();
        assert_eq!((read.len(), read.edges()), (2, 1));
        let why = |bytes: &[u8]| format!("{:#}", compile(bytes, 1).unwrap_err());
        assert!(why(CMDB.as_bytes()).contains("topology:2: "), "{}", why(CMDB.as_bytes()));
        let faulty = with_mapping(b"classes: 7\n", CMDB.as_bytes());
        assert!(why(&faulty).starts_with("topology mapping:1: "), "{}", why(&faulty));
        for cut in ["%headwater-mapping x\n", "%headwater-mapping 9\nshort", "%headwater-mapping 9"] {
            assert!(why(cut.as_bytes()).starts_with("topology:1: "), "{cut:?}: {}", why(cut.as_bytes()));
        }
    }
}
