//! Several feeds as one text: each with its name, its mapping and what it said, the one with precedence first.
//!
//! ```text
//! %headwater-feeds 2
//! %feed netbox 1234 56789
//! <1234 bytes: the mapping><56789 bytes: its document>
//! %feed hand 0 456
//! <456 bytes>
//! ```

use std::sync::Arc;

use super::mapping::Mapping;
use super::{Errors, LoadError, elements};
use crate::domain::topology::Topology;
use crate::domain::topology::draft::{Draft, Place};
use crate::domain::topology::merge::merge;
use crate::domain::topology::schema::Schema;

/// What the first line begins with; no CMDB's text does.
const MARK: &[u8] = b"%headwater-feeds ";
const FEED: &str = "%feed ";
/// Feeds of one estate.
pub const FEEDS_MAX: usize = 50;

/// One feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Feed<'a> {
    /// Without white space.
    pub name: &'a str,
    /// Empty: our own names, or those of the shipped mapping.
    pub mapping: &'a [u8],
    pub text: &'a [u8],
}

/// The feeds as one text.
pub fn join(feeds: &[Feed<'_>]) -> Vec<u8> {
    let mut out = [MARK, format!("{}\n", feeds.len()).as_bytes()].concat();
    for Feed { name, mapping, text } in feeds {
        out.extend(format!("{FEED}{name} {} {}\n", mapping.len(), text.len()).into_bytes());
        out.extend_from_slice(mapping);
        out.extend_from_slice(text);
        out.push(b'\n');
    }
    out
}

/// The feeds of a text; `None` when it is none of several feeds.
///
/// # Errors
/// When it is cut off or changed; says where.
pub fn split(bytes: &[u8]) -> Option<Result<Vec<Feed<'_>>, String>> {
    let rest = bytes.strip_prefix(MARK)?;
    Some(feeds(rest).ok_or_else(|| "its feeds are cut off or changed: put it together anew".to_owned()))
}

fn feeds(rest: &[u8]) -> Option<Vec<Feed<'_>>> {
    let (count, mut rest) = line(rest)?;
    let count: usize = count.parse().ok().filter(|count| *count <= FEEDS_MAX)?;
    let mut feeds = Vec::new();
    for _ in 0..count {
        let (head, after) = line(rest)?;
        let mut words = head.strip_prefix(FEED)?.split(' ');
        let (name, mapping, text) = (words.next()?, words.next()?.parse().ok()?, words.next()?.parse().ok()?);
        let (mapping, after) = after.split_at_checked(mapping)?;
        let (text, after) = after.split_at_checked(text)?;
        rest = after.strip_prefix(b"\n")?;
        feeds.push(Feed { name, mapping, text });
    }
    (rest.is_empty() && !feeds.is_empty()).then_some(feeds)
}

fn line(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    Some((std::str::from_utf8(&bytes[..end]).ok()?, &bytes[end + 1..]))
}

/// Reads all feeds and puts them together; `shipped` reads those without a mapping of their own.
///
/// # Errors
/// Every wrong element of every feed with the feed's name and the line, or what is wrong with a mapping.
pub fn load(
    feeds: &[Feed<'_>],
    schema: &Arc<Schema>,
    shipped: &Mapping,
    version: u64,
) -> Result<Topology, Vec<LoadError>> {
    let whole = |file: &str, why: String| vec![LoadError { file: file.to_owned(), line: 0, why }];
    let mut errors = Errors { files: feeds.iter().map(|feed| feed.name.to_owned()).collect(), ..Errors::default() };
    let mut drafts: Vec<(Box<str>, Draft)> = Vec::new();
    for (number, feed) in feeds.iter().enumerate() {
        let own = if feed.mapping.is_empty() {
            None
        } else {
            let read = Mapping::parse(&format!("mapping of {}", feed.name), feed.mapping);
            Some(read.map_err(|error| whole(feed.name, error.to_string()))?)
        };
        let mapping = own.as_ref().unwrap_or(shipped);
        let mut draft = Draft::start(schema.clone());
        mapping.declared().iter().for_each(|class| draft.declare(class.clone()));
        let emptied = elements::read(feed.text, number as u16, mapping, &mut draft, &mut errors);
        if draft.is_empty() && !emptied {
            let why = "no CI in it; if that is meant, write `empty: true`";
            errors.push(Place { file: number as u16, line: 0 }, why.into());
        }
        drafts.push((feed.name.into(), draft));
    }
    if errors.count > 0 {
        return Err(errors.into_list());
    }
    let merged = merge(schema.clone(), &drafts).map_err(|error| whole("feeds", error.to_string()))?;
    Ok(merged.finish(version))
}
