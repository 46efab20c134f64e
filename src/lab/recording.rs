//! A recorded stream: its events one by one, decoded through a mapping.

use std::io::BufRead;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::decode::limits::Limits;
use crate::decode::mapping::{Mapping, Shape};
use crate::decode::severity::{SeverityMap, SeverityMaps};
use crate::decode::{Body, Context};
use crate::domain::event::Event;
use crate::domain::ids::{SourceId, TenantId};

/// Lines decoded at once.
const LINES: usize = 512;

/// A file of event lines, being read.
pub struct Recording {
    path: PathBuf,
    lines: Box<dyn BufRead>,
    mapping: Mapping,
    severities: SeverityMaps,
    tenant: TenantId,
    ready: std::vec::IntoIter<Event>,
    /// Lines that could not be read as events.
    pub rejected: u64,
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
            rejected: 0,
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
                if self.lines.read_until(b'\n', &mut chunk).with_context(|| format!("read {}", self.path.display()))?
                    == 0
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
                .map_err(|e| anyhow::anyhow!("{}: {e:?}", self.path.display()))?;
            self.rejected += decoded.rejected.len() as u64;
            self.ready = decoded.events.into_iter();
        }
    }
}
