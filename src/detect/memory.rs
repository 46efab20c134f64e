//! What was learned of all series as bytes, so that a restart does not begin anew.

use super::envelope::{Head, Unread, opened, sealed};
use super::series::Series;
use super::state::{Reader, Writer};
use super::together::Together;
use super::watch::{Kept, Key, Names, Watch};
use crate::domain::event::ObjectRef;
use crate::domain::ids::{SourceId, TenantId};
use crate::domain::label::Labels;
use crate::domain::point::{Aspect, Measure, Worse};
use crate::domain::time::Timestamp;

const HEAD: &Head = b"hw-series\0\0\x03";
/// The version before: without the levels that were accepted.
const HEAD_WITHOUT_LEVELS: &Head = b"hw-series\0\0\x02";
/// The first version: series alone, without a mark.
const HEAD_OF_SERIES: &Head = b"hw-series\0\0\x01";
const SERIES: u8 = 0;
const TOGETHER: u8 = 1;
const ASPECTS: [Aspect; 4] = [Aspect::Traffic, Aspect::Latency, Aspect::Errors, Aspect::Saturation];
const MEASURES: [Measure; 4] = [Measure::Amount, Measure::Count, Measure::Share, Measure::Usage];
const WORSE: [Worse; 3] = [Worse::Up, Worse::Down, Worse::Either];

/// What one entry is.
enum Entry {
    Series(Key, Box<Kept>),
    /// How the series of an object go together.
    Together(Box<str>, Box<Together<Key>>),
}

impl Watch {
    /// What was learned of all series.
    pub fn keep(&self) -> Vec<u8> {
        self.keep_of(|_, _| true)
    }

    /// The sources whose series are watched.
    pub fn sources(&self) -> impl Iterator<Item = (&TenantId, &SourceId)> {
        self.sources.keys().map(|(tenant, source)| (tenant, source))
    }

    /// What was learned of the series of some sources.
    pub fn keep_of(&self, is_meant: impl Fn(&TenantId, &SourceId) -> bool) -> Vec<u8> {
        let meant = || self.sources.iter().filter(|((tenant, source), _)| is_meant(tenant, source));
        let entries: usize = meant().map(|(_, of)| of.series.len() + of.together.len()).sum();
        sealed(HEAD, entries, |out| {
            for ((tenant, source), of) in meant() {
                let begin = |out: &mut Writer<'_>, mark: u8| {
                    out.u8(mark);
                    out.text(tenant.as_str());
                    out.text(source.as_str());
                };
                for (key, kept) in &of.series {
                    begin(out, SERIES);
                    out.0.extend(key);
                    write(out, kept);
                }
                for (object, together) in &of.together {
                    begin(out, TOGETHER);
                    out.text(object);
                    together.write(out, |out, key| out.0.extend(key));
                }
            }
        })
    }

    /// Takes up what was kept, into a watch that knows nothing yet; says how many series it knows then.
    ///
    /// # Errors
    /// When the bytes are no such memory, or not whole. Nothing is taken then.
    pub fn recall(&mut self, bytes: &[u8], now: Timestamp) -> Result<usize, Unread> {
        self.take_over(bytes, now)?;
        Ok(self.series())
    }

    /// Takes up what was kept, here or by another instance, of series of which less is known; says whose series those are, one by
    /// one. One that shows something now stays as it is.
    ///
    /// # Errors
    /// When the bytes are no such memory, or not whole. Nothing is taken then.
    pub fn take_over(&mut self, bytes: &[u8], now: Timestamp) -> Result<Vec<(TenantId, SourceId)>, Unread> {
        let entries = if bytes.starts_with(HEAD_OF_SERIES) {
            opened(HEAD_OF_SERIES, bytes, |from| entry(from, SERIES, false, now))?
        } else if bytes.starts_with(HEAD_WITHOUT_LEVELS) {
            opened(HEAD_WITHOUT_LEVELS, bytes, |from| from.u8().and_then(|mark| entry(from, mark, false, now)))?
        } else {
            opened(HEAD, bytes, |from| from.u8().and_then(|mark| entry(from, mark, true, now)))?
        };
        let mut taken = Vec::new();
        for (whose, entry) in entries {
            let has_room = self.has_room();
            match entry {
                Entry::Series(key, kept) => {
                    let of = self.sources.entry(whose.clone()).or_default();
                    let is_more = |known: &Kept| kept.series.readings() > known.series.readings() && !of.shows(&key);
                    if of.series.get(&key).map_or(has_room, |known| is_more(known)) {
                        self.series += usize::from(of.series.insert(key, kept).is_none());
                        taken.push(whose);
                    }
                }
                Entry::Together(object, mut together) => {
                    let Some(of) = self.sources.get_mut(&whose) else { continue };
                    // What found no room would be waited for.
                    together.leave(|key| !of.series.contains_key(key));
                    let is_more = of.together.get(&object).is_none_or(|known| together.rows() > known.rows());
                    if is_more && !together.is_empty() {
                        of.together.insert(object, *together);
                    }
                }
            }
        }
        self.sources.retain(|_, of| !of.series.is_empty());
        Ok(taken)
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

fn entry(from: &mut Reader<'_>, mark: u8, keeps_level: bool, now: Timestamp) -> Option<((TenantId, SourceId), Entry)> {
    let whose = (TenantId::from(from.text()?), SourceId::from(from.text()?));
    let entry = match mark {
        SERIES => Entry::Series(key(from)?, Box::new(series(from, keeps_level, now)?)),
        TOGETHER => Entry::Together(from.text()?.into(), Box::new(Together::read(from, key)?)),
        _ => return None,
    };
    Some((whose, entry))
}

fn key(from: &mut Reader<'_>) -> Option<Key> {
    let mut key = Key::default();
    for byte in &mut key {
        *byte = from.u8()?;
    }
    Some(key)
}

fn series(from: &mut Reader<'_>, keeps_level: bool, now: Timestamp) -> Option<Kept> {
    let object: ObjectRef = serde_json::from_str(from.text()?).ok()?;
    let name = from.text()?.into();
    let labels: Vec<(String, String)> = serde_json::from_str(from.text()?).ok()?;
    let labels = Labels::of(labels.iter().map(|(key, value)| (key.as_str(), value.as_str())));
    let aspect = *ASPECTS.get(usize::from(from.u8()?))?;
    let measure = MEASURES.get(usize::from(from.u8()?)).copied();
    let worse = *WORSE.get(usize::from(from.u8()?))?;
    let series = Series::new(aspect, measure, worse, now).read(from, keeps_level)?;
    Some(Kept { series, names: std::sync::Arc::new(Names { object, name, labels }), lone: None, counted: None })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::watch::Limits;
    use crate::domain::point::Point;

    #[test]
    fn the_files_of_the_versions_before_are_still_read() {
        let (tenant, source) = (TenantId::from("t"), SourceId::from("s"));
        let mut watch = Watch::new(Limits::of(10));
        let mut now = Timestamp(1_767_225_600_000);
        for n in 0..100 {
            now = now.plus(crate::domain::time::Span::mins(1));
            let object = ObjectRef { name: Some("web".into()), ..ObjectRef::default() };
            let (name, labels, value) = ("load".into(), Labels::of([("zone", "a")]), f64::from(n * 7 % 13));
            let (unit, aspect, measure, worse) = (None, None, None, None);
            let point = Point { name, object, labels, value, at: now, unit, aspect, measure, worse, is_counter: false };
            watch.take(&tenant, &source, &point, now);
        }
        let (key, kept) = watch.sources[&(tenant.clone(), source.clone())].series.first_key_value().unwrap();
        for (head, mark) in [(HEAD_OF_SERIES, None), (HEAD_WITHOUT_LEVELS, Some(SERIES))] {
            let old = sealed(head, 1, |out| {
                mark.into_iter().for_each(|mark| out.u8(mark));
                out.text("t");
                out.text("s");
                out.0.extend(key);
                write(out, kept);
                // Until when an accepted level is what is usual came later.
                out.0.truncate(out.0.len() - size_of::<i64>());
            });
            let mut again = Watch::new(Limits::of(10));
            assert_eq!(again.recall(&old, now), Ok(1));
            assert_eq!(again.keep(), watch.keep());
        }
    }
}
