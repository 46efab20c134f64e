//! `headwater why`: tells from the history why an event ended where it did, also beside a running server.

use std::io::Write;

use anyhow::{Result, bail};

use super::arguments::WhyArguments;
use super::typed::history_of;
use crate::domain::ids::{AlertId, TenantId};
use crate::projection::history::find::{self, Judged, Raw};
use crate::projection::scope::Scope;
use crate::wording::lang::{Lang, Text};
use crate::wording::mask::mask;
use crate::wording::{sentences, verdicts};

/// Events that are told of one name.
const EVENTS_MAX: usize = 20;

/// Tells it.
///
/// # Errors
/// When there is no history or no such event, or the output cannot be written.
pub fn run(ask: &WhyArguments, out: &mut impl Write) -> Result<()> {
    let history = history_of(&ask.data)?;
    let scope = Scope::whole(TenantId::from(ask.tenant.as_str()));
    let found = history.read(|from| {
        let events = find::why(from, &scope, &ask.event, EVENTS_MAX)?;
        match AlertId::parse(&ask.event) {
            Some(alert) if events.is_empty() => find::events_of(from, &scope, alert, EVENTS_MAX),
            _ => Ok(events),
        }
    })?;
    if found.is_empty() {
        let progress = history.progress();
        bail!(
            "no event is called {:?} in tenant {}, up to journal record {}; name its id, e<seq>.<index> or an alert",
            ask.event,
            ask.tenant,
            progress.journal_seq
        );
    }
    for judged in &found {
        tell(judged, ask.lang, out)?;
    }
    Ok(())
}

fn tell(judged: &Judged, lang: Lang, out: &mut impl Write) -> Result<()> {
    let pick = |text: Text| match lang {
        Lang::Zh => text.zh,
        Lang::En => text.en,
    };
    let verdict = &judged.verdict;
    match &judged.raw {
        Raw::Event(event) => {
            let title = mask(if event.title.is_empty() { &event.name } else { &event.title });
            writeln!(out, "{}  {}  {}  {}", judged.event, judged.at, event.source, event.id)?;
            writeln!(out, "  {} · {} · {title}", event.severity, event.object.label())?;
        }
        Raw::Letter(letter) => {
            writeln!(out, "{}  {}  {}  ({})", judged.event, judged.at, letter.source, letter.decoder)?;
            writeln!(out, "  {}", mask(&letter.raw))?;
        }
    }
    writeln!(out, "  {}: {}", verdicts::label(verdict, lang), pick(verdicts::sentence(verdict)))?;
    for check in verdict.decision().iter().flat_map(|decision| &decision.checks) {
        let mark = if check.matched { "+" } else { "-" };
        writeln!(out, "  {mark} {}", pick(verdicts::check(check)))?;
        for evidence in &check.evidence {
            let text = pick(sentences::evidence(evidence, &check.about));
            writeln!(out, "      {:+7.2}  {text}", f64::from(evidence.points) / 1000.0)?;
        }
    }
    if let Some(alert) = &judged.alert {
        let incident = alert.incident.map_or_else(String::new, |id| format!(" -> {id}"));
        let now = Text::new("现在", "now");
        writeln!(out, "  {}: {} ×{}{incident}", pick(now), alert.id, alert.count)?;
    }
    if let Some((event, at)) = &judged.replayed {
        writeln!(out, "  {}: {event} ({at})", pick(Text::new("已重放为", "tried again as")))?;
    }
    Ok(writeln!(out)?)
}
