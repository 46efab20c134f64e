//! A calendar (RFC 5545) as a roster: single events become overrides, events that recur daily or weekly become layers. The
//! summary names who has duty.

use anyhow::{Result, anyhow, bail};
use chrono::{NaiveDate, NaiveDateTime, TimeDelta};
use chrono_tz::Tz;
use icalendar::parser::{Component, read_calendar, unfold};

use super::carried::{Carried, Layer, Person, Roster, days, hours, minute_of_day};

/// Events of one calendar.
const EVENTS_MAX: usize = 5_000;

/// A time as a calendar has it, in the roster's zone.
fn local(text: &str, zone_of: Option<&str>, zone: Tz) -> Option<NaiveDateTime> {
    if let Ok(day) = NaiveDate::parse_from_str(text, "%Y%m%d") {
        return day.and_hms_opt(0, 0, 0);
    }
    let read = |text: &str| NaiveDateTime::parse_from_str(text, "%Y%m%dT%H%M%S").ok();
    if let Some(utc) = text.strip_suffix('Z') {
        return Some(read(utc)?.and_utc().with_timezone(&zone).naive_local());
    }
    let at = read(text)?;
    match zone_of.and_then(|name| name.parse::<Tz>().ok()) {
        Some(own) if own != zone => Some(at.and_local_timezone(own).earliest()?.with_timezone(&zone).naive_local()),
        _ => Some(at),
    }
}

fn property<'a>(event: &'a Component<'_>, name: &str) -> Option<(&'a str, Option<&'a str>)> {
    let found = event.properties.iter().find(|one| one.name.as_str().eq_ignore_ascii_case(name))?;
    let zone = found.params.iter().find(|one| one.key.as_str().eq_ignore_ascii_case("TZID"));
    Some((found.val.as_str(), zone.and_then(|one| one.val.as_ref()).map(|val| val.as_str())))
}

/// Carries a calendar over.
///
/// # Errors
/// When it is none.
pub fn carry(text: &str, roster: &str, zone: Tz) -> Result<Carried> {
    let unfolded = unfold(text);
    let calendar = read_calendar(&unfolded).map_err(|error| {
        let first = error.lines().next().unwrap_or_default().to_owned();
        anyhow!("it is no calendar that can be read: {first}")
    })?;
    let events: Vec<&Component<'_>> = calendar.components.iter().filter(|one| one.name.as_str() == "VEVENT").collect();
    if events.len() > EVENTS_MAX {
        bail!("{} events; export at most {EVENTS_MAX}", events.len());
    }
    let mut all = Carried::default();
    let id = all.id("roster", roster, roster);
    let mut made = Roster { id, note: roster.to_owned(), zone: zone.name().to_owned(), ..Roster::default() };
    for event in events {
        take(event, zone, &mut made, &mut all);
    }
    if made.layers.is_empty() && !made.overrides.is_empty() {
        // A roster has a layer; one that has ended before the first event leaves the overrides alone.
        let first = made.overrides.iter().map(|(from, ..)| from.clone()).min().unwrap_or_default();
        let people = vec![vec![made.overrides[0].2.clone()]];
        let (starts, ends) = ("2000-01-01 00:00".to_owned(), "2000-01-02 00:00".to_owned());
        made.layers.push(Layer {
            name: "none".into(),
            people,
            starts,
            ends,
            every: "1w".into(),
            during: String::new(),
        });
        all.leave(format!("nobody has duty outside the events, which begin {first}: give the roster a layer"));
    }
    if !made.layers.is_empty() {
        all.rosters.push(made);
    }
    Ok(all)
}

fn take(event: &Component<'_>, zone: Tz, roster: &mut Roster, all: &mut Carried) {
    let name = property(event, "SUMMARY").map(|(text, _)| text.trim().to_owned()).unwrap_or_default();
    let start = property(event, "DTSTART").and_then(|(text, of)| local(text, of, zone));
    let end = property(event, "DTEND").and_then(|(text, of)| local(text, of, zone));
    let (Some(start), false) = (start, name.is_empty()) else {
        return all.leave(format!("event {name:?}: it has no summary or no begin that can be read"));
    };
    let end = end.filter(|end| *end > start).unwrap_or_else(|| start + TimeDelta::days(1));
    let id = all.id("person", &name, &name);
    if all.people.iter().all(|person| person.id != id) {
        all.people.push(Person { id: id.clone(), name: name.clone(), ..Person::default() });
    }
    let written = |at: NaiveDateTime| at.format("%Y-%m-%d %H:%M").to_string();
    let Some((rule, _)) = property(event, "RRULE") else {
        return roster.overrides.push((written(start), written(end), id));
    };
    let part = |key: &str| rule.split(';').find_map(|one| one.strip_prefix(key)?.strip_prefix('='));
    let window = hours(minute_of_day(&written(start)), (end - start).num_minutes());
    let (unit, on) = match (part("FREQ"), part("BYDAY")) {
        (Some("DAILY"), None) => ("daily", Vec::new()),
        (Some("WEEKLY"), Some(list)) => ("weekly", days(list.split(',').map(str::to_owned))),
        (Some("WEEKLY"), None) => ("weekly", days([start.format("%a").to_string()].into_iter())),
        _ => {
            return all
                .leave(format!("event of {name:?} recurs by {rule:?}: only daily and weekly ones are carried over"));
        }
    };
    let is_simple =
        part("INTERVAL").is_none_or(|n| n == "1") && part("COUNT").is_none() && property(event, "EXDATE").is_none();
    let (Some(at), true) = (window, is_simple) else {
        return all.leave(format!("event of {name:?}: {rule:?} with pauses, exceptions or more than a day at once"));
    };
    let during = if unit == "daily" {
        format!("daily: \"{at}\"")
    } else {
        format!("weekly: {{ days: [{}], at: \"{at}\" }}", on.join(", "))
    };
    let ends = part("UNTIL").and_then(|text| local(text, None, zone)).map(written).unwrap_or_default();
    roster.layers.push(Layer {
        name,
        people: vec![vec![id]],
        starts: written(start),
        ends,
        every: "1w".into(),
        during,
    });
}
