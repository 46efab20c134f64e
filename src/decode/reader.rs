//! What all decoders share: going through a body event by event, limits, severities, times.

use std::borrow::Cow;
use std::cell::OnceCell;

use serde::de::{Deserialize, DeserializeSeed};
use serde_json::value::RawValue;

use super::json::{Capped, Pairs, TOO_MANY};
use super::limits::{cut, cut_bytes, cut_identity, shown};
use super::severity::{SeverityMap, Words};
use super::text::{self, TextEncoding};
use super::{Body, BodyError, Context, Counts, Decoded, Rejected, SourceOrder};
use crate::domain::event::{Event, RECEIVED_STARTS_AT, Status};
use crate::domain::label::Labels;
use crate::domain::reject::{DeadLetter, Reject};
use crate::domain::severity::Severity;
use crate::domain::time::{Span, Timestamp};

/// So far ahead of us a clock may be before we doubt its times.
const AHEAD_DOUBTED: Span = Span::hours(1);
/// So far ahead of us a time is no time.
pub(super) const AHEAD_REFUSED: Span = Span::hours(24);
/// So long may an event be on its way before it counts as late.
const LATE: Span = Span::mins(5);
/// A reason is at most this long.
const DETAIL_CHARS_MAX: usize = 300;

/// Decodes one body.
pub(super) struct Reader<'c> {
    pub context: &'c Context<'c>,
    decoder: &'c str,
    source_map: OnceCell<Option<&'c SeverityMap>>,
    cut: bool,
    out: Decoded,
}

/// What one item of a body is.
#[expect(clippy::large_enum_variant, reason = "it lives for a moment, and nearly all are events")]
pub(super) enum Taken {
    Event(Event),
    Order(SourceOrder),
    Nothing,
}

impl From<Event> for Taken {
    fn from(event: Event) -> Self {
        Self::Event(event)
    }
}

/// A body's text, ready to be parsed.
pub(super) struct Opened<'t> {
    pub text: Cow<'t, str>,
    /// Nested deeper than allowed somewhere: each event must be looked at on its own.
    pub deep: bool,
    mended: bool,
    encoding: TextEncoding,
}

/// Makes text of a body and replaces what JSON allows but we do not keep.
pub(super) fn open<'t>(body: Body<'t>, depth_max: usize) -> Opened<'t> {
    let text::Text { text, encoding } = text::read(body.bytes, body.charset);
    let scan = text::scan(&text);
    let mended = scan.doubtful_escape.then(|| text::mend_escapes(&text)).filter(|mended| *mended != text);
    let deep = scan.depth > depth_max;
    Opened { deep, mended: mended.is_some(), text: mended.map_or(text, Cow::Owned), encoding }
}

impl<'c> Reader<'c> {
    pub fn new(context: &'c Context<'c>, decoder: &'c str) -> Self {
        Self { context, decoder, source_map: OnceCell::new(), cut: false, out: Decoded::default() }
    }

    /// The body's events and rejections, and the counters that concern the body as a whole.
    pub fn finish(mut self, opened: &Opened<'_>) -> Decoded {
        let events = (self.out.events.len() + self.out.rejected.len()) as u64;
        match opened.encoding {
            TextEncoding::Other => self.out.counts.other_encoding = events,
            TextEncoding::Repaired => self.out.counts.repaired_text = events,
            TextEncoding::Utf8 if opened.mended => self.out.counts.repaired_text = events,
            TextEncoding::Utf8 => {}
        }
        self.out
    }

    /// The events and rejections of a body that was no JSON text.
    pub fn finish_unopened(self) -> Decoded {
        self.out
    }

    /// Reads an array of events. All at once if all are well-formed; else one by one, so that a bad one stands alone.
    pub fn array<'t, T: Deserialize<'t>, E: Into<Taken>>(
        &mut self,
        array: &'t str,
        deep: bool,
        mut read: impl FnMut(&mut Self, T) -> Result<E, Reject>,
    ) -> Result<(), BodyError> {
        let events_max = self.context.limits.events;
        let all = if deep { Err(None) } else { capped::<T>(array, events_max).map_err(Some) };
        match all {
            Ok(items) => {
                let mut refused = Vec::new();
                for (index, item) in items.into_iter().enumerate() {
                    match read(self, item) {
                        Ok(event) => self.take(event),
                        Err(why) => refused.push((index, why)),
                    }
                }
                if !refused.is_empty() {
                    let raws = capped::<&RawValue>(array, events_max).map_err(|e| body_error(&e, events_max))?;
                    for (index, why) in refused {
                        self.refuse(index, why, raws[index].get());
                    }
                }
            }
            Err(_) => {
                let raws = capped::<&RawValue>(array, events_max).map_err(|e| body_error(&e, events_max))?;
                for (index, raw) in raws.into_iter().enumerate() {
                    self.single(index, raw.get(), &mut read);
                }
            }
        }
        Ok(())
    }

    /// Reads one event on its own.
    pub fn single<'t, T: Deserialize<'t>, E: Into<Taken>>(
        &mut self,
        index: usize,
        raw: &'t str,
        read: &mut impl FnMut(&mut Self, T) -> Result<E, Reject>,
    ) {
        match self.parse(raw).and_then(|item| read(self, item)) {
            Ok(event) => self.take(event),
            Err(why) => self.refuse(index, why, raw),
        }
    }

    /// Parses one event's text, which must not be nested too deeply.
    pub fn parse<'t, T: Deserialize<'t>>(&self, raw: &'t str) -> Result<T, Reject> {
        let depth_max = self.context.limits.depth;
        if text::scan(raw).depth > depth_max {
            return Err(Reject::TooLarge(format!(
                "arrays and objects are nested deeper than {depth_max}: flatten them"
            )));
        }
        serde_json::from_str(raw).map_err(|error| Reject::Malformed(error.to_string()))
    }

    /// Keeps a decoded event or an order, or counts that there was none.
    pub fn take(&mut self, read: impl Into<Taken>) {
        match read.into() {
            Taken::Event(event) => self.out.events.push(event),
            Taken::Order(order) => self.out.orders.push(order),
            Taken::Nothing => self.out.counts.left_out += 1,
        }
    }

    /// Keeps an event that could not be taken.
    pub fn refuse(&mut self, index: usize, why: Reject, raw: &str) {
        self.cut = false;
        let letter = DeadLetter {
            source: self.context.source.clone(),
            why: short(why),
            raw: cut_bytes(raw.trim(), self.context.limits.raw_bytes).into(),
            decoder: self.decoder.into(),
            received_at: self.context.received_at.unwrap_or_default(),
        };
        self.out.rejected.push(Rejected { index, letter });
    }

    /// The counters, for what only one format can count.
    pub fn counts(&mut self) -> &mut Counts {
        &mut self.out.counts
    }

    /// Text that is not identity, at most `chars_max` characters.
    pub fn text<T: for<'t> From<&'t str>>(&mut self, text: &str, chars_max: usize) -> T {
        self.head(text, chars_max).into()
    }

    /// The same, still part of the body.
    fn head<'t>(&mut self, text: &'t str, chars_max: usize) -> &'t str {
        let head = cut(text, chars_max);
        self.cut |= head.is_some();
        head.unwrap_or(text)
    }

    /// Text that is identity: cut with a hash of the whole.
    pub fn identity(&mut self, text: &str) -> Box<str> {
        match cut_identity(text, self.context.limits.identity_chars) {
            None => text.into(),
            Some(short) => {
                self.cut = true;
                short.into()
            }
        }
    }

    /// As `identity`, of a text that was made for it.
    pub fn whole_identity(&mut self, text: String) -> Box<str> {
        if text.len() <= self.context.limits.identity_chars { text.into() } else { self.identity(&text) }
    }

    /// As `identity`, and nothing for empty text.
    pub fn optional(&mut self, text: Option<&str>) -> Option<Box<str>> {
        text.filter(|text| !text.is_empty()).map(|text| self.identity(text))
    }

    /// Labels, as `pairs` keeps them.
    pub fn labels<'t>(&mut self, pairs: impl Iterator<Item = (&'t str, &'t str)>) -> Labels {
        Labels::of(self.pairs(pairs))
    }

    /// Labels or annotations: at most so many, the first ones by key; keys and values cut. An empty key or value is none.
    pub fn pairs<'t>(&mut self, pairs: impl Iterator<Item = (&'t str, &'t str)>) -> Vec<(&'t str, &'t str)> {
        let limits = self.context.limits;
        // Most have none, or a few.
        let mut kept = Vec::with_capacity(pairs.size_hint().1.unwrap_or(8).min(8));
        for (key, value) in pairs.filter(|(key, value)| !key.is_empty() && !value.is_empty()) {
            if kept.len() == limits.labels {
                self.cut = true;
                break;
            }
            kept.push((self.head(key, limits.label_key_chars), self.head(value, limits.label_value_chars)));
        }
        kept
    }

    /// Links: http and https only.
    pub fn links<'t>(&mut self, links: impl Iterator<Item = &'t str>) -> Vec<Box<str>> {
        let limits = self.context.limits;
        let mut kept = Vec::new();
        for link in links.filter(|link| link.starts_with("http://") || link.starts_with("https://")) {
            if kept.len() == limits.links || cut(link, limits.label_value_chars).is_some() {
                self.cut = true;
            } else {
                kept.push(link.into());
            }
        }
        kept
    }

    /// What a severity word means. An unknown word is `indeterminate` and counted; no word is `indeterminate`.
    pub fn severity(&mut self, event: &mut Event, word: &str, words: Words<'_>) {
        if word.is_empty() {
            return;
        }
        event.source_severity = self.text(word, self.context.limits.label_key_chars);
        let ours = || Severity::parse(word).or_else(|| Severity::parse(&word.trim().to_lowercase()));
        let meant = match words {
            Words::By(map) => map.get(word),
            Words::Ours => ours().or_else(|| self.source_map()?.get(word)),
            Words::BySource(named) => match self.source_map().or(named) {
                Some(map) => map.get(word),
                None => ours(),
            },
        };
        self.out.counts.unmapped_severity += u64::from(meant.is_none());
        event.severity = meant.unwrap_or_default();
    }

    /// The map of the source's own words. Most formats name theirs and never ask.
    fn source_map(&self) -> Option<&'c SeverityMap> {
        let context = self.context;
        *self.source_map.get_or_init(|| context.severities.for_source(context.source.as_str()))
    }

    /// The time of receipt, by which the times of an event are judged. Call it once `observed_at` is known.
    pub fn now(&self, event: &Event) -> Timestamp {
        self.context.received_at.unwrap_or(event.observed_at)
    }

    /// Judges when the event was raised or cleared.
    pub fn start(&mut self, event: &mut Event, at: Timestamp) -> Result<(), Reject> {
        let received_at = self.now(event);
        let ahead = at.since(received_at);
        if ahead > AHEAD_REFUSED {
            return Err(Reject::BadTime(format!(
                "starts_at {at} is more than 24 hours ahead of us ({received_at}): set the source's clock"
            )));
        }
        event.starts_at = at;
        if ahead > AHEAD_DOUBTED {
            self.out.counts.future += 1;
            event.starts_at = received_at;
            event.annotations.insert(RECEIVED_STARTS_AT, &at.to_string());
        }
        Ok(())
    }

    /// Judges when the collector saw the event; ahead of us, it is the time of receipt.
    pub fn observed(&mut self, event: &mut Event, at: Timestamp) {
        let Some(received_at) = self.context.received_at else {
            event.observed_at = at;
            return;
        };
        self.out.counts.late += u64::from(received_at.since(at) > LATE);
        event.observed_at = if at.since(received_at) > AHEAD_DOUBTED { received_at } else { at };
    }

    /// The last look at an event: it has a name, and says so if something was cut.
    pub fn done(&mut self, mut event: Event) -> Result<Event, Reject> {
        let was_cut = std::mem::take(&mut self.cut);
        if event.name.is_empty() {
            return Err(Reject::Malformed("name is empty: say which rule or check has fired".into()));
        }
        if event.severity == Severity::Cleared {
            event.status = Status::Resolved;
        }
        // An end is told with the start of what ended; it is the end that is compared with what is known.
        if event.status == Status::Resolved
            && let Some(ends) = event.ends_at.filter(|ends| *ends > event.starts_at)
        {
            self.start(&mut event, ends)?;
        }
        self.out.counts.truncated += u64::from(was_cut && !event.truncated);
        event.truncated |= was_cut;
        Ok(event)
    }
}

/// All items of an array, or the error.
pub(super) fn capped<'t, T: Deserialize<'t>>(array: &'t str, events_max: usize) -> Result<Vec<T>, serde_json::Error> {
    let mut parser = serde_json::Deserializer::from_str(array);
    let items = Capped { events_max, item: std::marker::PhantomData }.deserialize(&mut parser)?;
    parser.end()?;
    Ok(items)
}

/// What is wrong with a body as a whole.
pub(super) fn body_error(error: &serde_json::Error, events_max: usize) -> BodyError {
    let text = error.to_string();
    if text.starts_with(TOO_MANY) {
        return BodyError::TooManyEvents { events_max };
    }
    BodyError::Unreadable(cut(&text, DETAIL_CHARS_MAX).unwrap_or(&text).to_owned())
}

pub(super) fn short(mut why: Reject) -> Reject {
    match &mut why {
        Reject::Malformed(s) | Reject::TooLarge(s) | Reject::BadTime(s) | Reject::OverLimit(s) => {
            if let Some(head) = cut(s, DETAIL_CHARS_MAX) {
                *s = format!("{head}…");
            }
        }
    }
    why
}

/// A time that cannot be read.
pub(super) fn bad_time(field: &str, text: &str) -> Reject {
    if text.is_empty() {
        return Reject::BadTime(format!("{field} is missing: send RFC 3339, such as 2026-01-05T08:00:03+08:00"));
    }
    Reject::BadTime(format!(
        "{field} {} is not a time between 1970 and 9999: send RFC 3339, such as 2026-01-05T08:00:03+08:00, or a whole \
         number since 1970",
        shown(text)
    ))
}

impl Pairs<'_> {
    /// The pairs as plain text, in the order of the keys.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> + Clone {
        self.0.iter().map(|(key, value)| (key.as_ref(), value.as_ref()))
    }
}
