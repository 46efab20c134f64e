//! A recorded stream: its events one by one, decoded through a mapping.

use std::io::BufRead;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::decode::limits::Limits;
use crate::decode::mapping::{Mapping, Shape};
use crate::decode::severity::{SeverityMap, SeverityMaps};
use crate::decode::{Body, Context, Rejected};
use crate::domain::event::Event;
use crate::domain::ids::{SourceId, TenantId};

/// Lines decoded at once.
const LINES: usize = 512;
/// Places of lines that could not be read which are kept; the rest is counted.
const PLACES_MAX: usize = 5;

/// A file of event lines, being read.
pub struct Recording {
    path: PathBuf,
    lines: Box<dyn BufRead>,
    mapping: Mapping,
    severities: SeverityMaps,
    tenant: TenantId,
    ready: std::vec::IntoIter<Event>,
    /// Lines before those that are ready.
    lines_before: usize,
    /// Lines that could not be read as events.
    pub rejected: u64,
    /// The first of them, with place and reason.
    pub rejected_first: Vec<String>,
}

impl Recording {
    /// Opens a file of event lines (.gz is fine) and the mapping file that reads them.
    ///
    /// # Errors
    /// When one of the files cannot be read, or the mapping is not valid; names the place.
    pub fn open(events: &Path, mapping: &Path, tenant: TenantId) -> Result<Self> {
        let yaml = std::fs::read_to_string(mapping).with_context(|| format!("read {}", mapping.display()))?;
        Ok(Self {
            path: events.to_owned(),
            lines: super::files::open(events)?,
            mapping: Mapping::parse(&mapping.display().to_string(), &yaml)?,
            severities: SeverityMaps::of(std::iter::empty::<SeverityMap>()),
            tenant,
            ready: Vec::new().into_iter(),
            lines_before: 0,
            rejected: 0,
            rejected_first: Vec::new(),
        })
    }

    /// The next event; `None` at the end.
    ///
    /// # Errors
    /// When the file cannot be read further.
    pub fn next_event(&mut self) -> Result<Option<Event>> {
        loop {
            if let Some(event) = self.ready.next() {
                return Ok(Some(event));
            }
            let mut chunk = Vec::new();
            for _ in 0..LINES {
                if self.lines.read_until(b'\n', &mut chunk).with_context(|| super::files::unreadable(&self.path))? == 0
                {
                    break;
                }
            }
            if chunk.is_empty() {
                return Ok(None);
            }
            let (source, limits) = (SourceId::from("*"), Limits::default());
            let context = Context {
                tenant: &self.tenant,
                source: &source,
                received_at: None,
                severities: &self.severities,
                limits: &limits,
            };
            let decoded = self
                .mapping
                .decode(Body::from(chunk.as_slice()), Shape::Lines, &context)
                .map_err(|e| anyhow::anyhow!("{}:{}: {e}", self.path.display(), self.lines_before + 1))?;
            self.rejected += decoded.rejected.len() as u64;
            self.note_places(&chunk, &decoded.rejected);
            self.lines_before += chunk.iter().filter(|byte| **byte == b'\n').count();
            self.ready = decoded.events.into_iter();
        }
    }

    /// Keeps where the first lines stand that could not be read.
    fn note_places(&mut self, chunk: &[u8], rejected: &[Rejected]) {
        let room = PLACES_MAX.saturating_sub(self.rejected_first.len());
        // Empty lines are no events.
        let told = |line: &&[u8]| !line.trim_ascii().is_empty();
        if rejected.is_empty() || room == 0 {
            return;
        }
        let lines = chunk.split(|byte| *byte == b'\n').enumerate();
        let numbers: Vec<usize> = lines.filter(|(_, line)| told(line)).map(|(number, _)| number + 1).collect();
        for Rejected { index, letter } in rejected.iter().take(room) {
            let line = self.lines_before + numbers.get(*index).copied().unwrap_or_default();
            self.rejected_first.push(format!("{}:{line}: {}", self.path.display(), letter.why.detail()));
        }
    }
}
