//! What people are shown of the series that are watched.

use super::anomaly::Kind;
use super::watch::{Kept, Key, Source, Watch};
use crate::domain::ids::{SourceId, TenantId};
use crate::domain::series::{SeriesChart, SeriesQuery, SeriesView, TrialOfSeries};

impl Watch {
    /// A tenant's series that are asked for, by source and id, and how many there are.
    pub fn shown(&self, tenant: &TenantId, query: &SeriesQuery) -> (Vec<SeriesView>, usize) {
        let text = query.text.to_lowercase();
        let of_source = |source: &SourceId| query.source.as_ref().is_none_or(|wanted| wanted == source);
        let sources = self.sources.iter().filter(|((of, source), _)| of == tenant && of_source(source));
        let series =
            sources.flat_map(|((_, source), of)| of.series.iter().map(move |(key, kept)| (source, of, key, kept)));
        let is_wanted = |kept: &Kept, of: &Source, key: &Key| {
            let names = &kept.names;
            let has_text =
                || names.name.to_lowercase().contains(&text) || names.object.label().to_lowercase().contains(&text);
            let is_object = || query.objects.iter().any(|object| *names.object.label() == **object);
            (text.is_empty() || has_text())
                && (query.objects.is_empty() || is_object())
                && (!query.only_unusual || of.shows(key))
        };
        let mut total = 0;
        let mut page = Vec::new();
        for (source, of, key, kept) in series.filter(|(_, of, key, kept)| is_wanted(kept, of, key)) {
            if total >= query.offset && page.len() < query.limit {
                page.push(view(source, of, key, kept));
            }
            total += 1;
        }
        (page, total)
    }

    /// What came of the model that is tried on a tenant's series; the journal record of its trial.
    pub fn tried(&self, tenant: &TenantId) -> Option<(u64, TrialOfSeries)> {
        let bench = self.jury.get(tenant)?;
        bench.beside.map(|beside| (beside.trial, bench.tried.shown()))
    }

    /// A series and its last readings.
    pub fn chart(&self, tenant: &TenantId, id: &str) -> Option<SeriesChart> {
        let mut key = Key::default();
        hex::decode_to_slice(id, &mut key).ok()?;
        let mut of_tenant = self.sources.iter().filter(|((of, _), _)| of == tenant);
        of_tenant.find_map(|((_, source), of)| {
            let kept = of.series.get(&key)?;
            let kinds = [Kind::Unusual(kept.series.aspect()), Kind::Together, Kind::Flat, Kind::Silent];
            let (samples, raises) = (kept.series.samples().collect(), kinds.map(|kind| kind.name().into()).into());
            Some(SeriesChart { series: view(source, of, &key, kept), samples, raises })
        })
    }
}

impl Source {
    /// Whether a series shows something unusual now.
    pub(super) fn shows(&self, key: &Key) -> bool {
        self.unusual.values().any(|unusual| unusual.shown_by.contains(key))
    }
}

fn view(source: &SourceId, of: &Source, key: &Key, kept: &Kept) -> SeriesView {
    let shown = of.unusual.iter().filter(|(_, unusual)| unusual.shown_by.contains(key));
    SeriesView {
        id: hex::encode(key).into(),
        source: source.clone(),
        object: kept.names.object.clone(),
        name: kept.names.name.clone(),
        labels: kept.names.labels.clone(),
        aspect: kept.series.aspect(),
        readings: kept.series.readings(),
        last: kept.series.samples().last(),
        unusual: shown.map(|((_, kind), _)| Kind::name(*kind).into()).collect(),
        heard_at: kept.series.heard,
    }
}
