//! What was learned of all series as bytes, so that a restart does not begin anew.

use super::envelope::{Head, Unread, opened, sealed};
use super::series::Series;
use super::state::{Reader, Writer};
use super::watch::{Kept, Key, Names, Watch};
use crate::domain::event::ObjectRef;
use crate::domain::ids::{SourceId, TenantId};
use crate::domain::label::Labels;
use crate::domain::point::{Aspect, Measure, Worse};
use crate::domain::time::Timestamp;

const HEAD: &Head = b"hw-series\0\0\x01";
const ASPECTS: [Aspect; 4] = [Aspect::Traffic, Aspect::Latency, Aspect::Errors, Aspect::Saturation];
const MEASURES: [Measure; 4] = [Measure::Amount, Measure::Count, Measure::Share, Measure::Usage];
const WORSE: [Worse; 3] = [Worse::Up, Worse::Down, Worse::Either];

impl Watch {
    /// What was learned of all series.
    pub fn keep(&self) -> Vec<u8> {
        sealed(HEAD, self.series(), |out| {
            for ((tenant, source), of) in &self.sources {
                for (key, kept) in &of.series {
                    out.text(tenant.as_str());
                    out.text(source.as_str());
                    out.0.extend(key);
                    write(out, kept);
                }
            }
        })
    }

    /// Takes up what was kept, into a watch that knows nothing yet; says how many series it knows then.
    ///
    /// # Errors
    /// When the bytes are no such memory, or not whole. Nothing is taken then.
    pub fn recall(&mut self, bytes: &[u8], now: Timestamp) -> Result<usize, Unread> {
        for (tenant, source, key, kept) in opened(HEAD, bytes, |from| one(from, now))? {
            if !self.has_room() {
                break;
            }
            let of = self.sources.entry((tenant, source)).or_default();
            self.series += usize::from(of.series.insert(key, kept).is_none());
        }
        Ok(self.series())
    }
}

fn write(out: &mut Writer<'_>, kept: &Kept) {
    let Names { object, name, labels } = &*kept.names;
    out.text(&serde_json::to_string(object).expect("an object has text keys only"));
    out.text(name);
    let labels: Vec<(&str, &str)> = labels.iter().collect();
    out.text(&serde_json::to_string(&labels).expect("labels are text"));
    let (aspect, measure, worse) = kept.series.kind();
    let at = |place: Option<usize>| place.map_or(u8::MAX, |place| place as u8);
    out.u8(at(ASPECTS.iter().position(|one| *one == aspect)));
    out.u8(at(MEASURES.iter().position(|one| Some(*one) == measure)));
    out.u8(at(WORSE.iter().position(|one| *one == worse)));
    kept.series.write(out);
}

fn one(from: &mut Reader<'_>, now: Timestamp) -> Option<(TenantId, SourceId, Key, Kept)> {
    let (tenant, source) = (TenantId::from(from.text()?), SourceId::from(from.text()?));
    let mut key = Key::default();
    for byte in &mut key {
        *byte = from.u8()?;
    }
    let object: ObjectRef = serde_json::from_str(from.text()?).ok()?;
    let name = from.text()?.into();
    let labels: Vec<(String, String)> = serde_json::from_str(from.text()?).ok()?;
    let labels = Labels::of(labels.iter().map(|(key, value)| (key.as_str(), value.as_str())));
    let aspect = *ASPECTS.get(usize::from(from.u8()?))?;
    let measure = MEASURES.get(usize::from(from.u8()?)).copied();
    let worse = *WORSE.get(usize::from(from.u8()?))?;
    let series = Series::new(aspect, measure, worse, now).read(from)?;
    Some((
        tenant,
        source,
        key,
        Kept { series, names: std::sync::Arc::new(Names { object, name, labels }), lone: None, counted: None },
    ))
}
