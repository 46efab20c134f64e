//! The comparison on a terminal, in one language.

use std::fmt::{self, Write as _};

use super::figures::lines;
use super::versus::{Report, Shown};
use crate::wording::lang::{Lang, Text};

/// Columns of a figure's name, and of a number.
const NAME_COLUMNS: usize = 22;
const NUMBER_COLUMNS: usize = 12;

/// The report as text.
pub fn told(report: &Report, lang: Lang) -> String {
    let mut text = String::new();
    // Writing to a string does not fail.
    let _ = Telling { report, lang }.tell(&mut text);
    text
}

struct Telling<'a> {
    report: &'a Report,
    lang: Lang,
}

impl Telling<'_> {
    fn say(&self, zh: &str, en: &str) -> String {
        Text::new(zh, en).of(self.lang).to_owned()
    }

    fn tell(&self, f: &mut String) -> fmt::Result {
        let report = self.report;
        let (events, from, to) = (report.events, &report.from, &report.to);
        let what =
            self.say(&format!("{events} 个事件,{from} 至 {to}"), &format!("{events} events from {from} to {to}"));
        writeln!(f, "{what}")?;
        for (mark, run) in ["a", "b"].into_iter().zip(&report.runs) {
            let (rules, model) = (self.say("规则", "rules"), self.say("模型", "model"));
            writeln!(f, "{mark}: {} ({rules} {}, {model} {})", run.name, run.rules, run.model)?;
        }
        row(f, "", ["a", "b"])?;
        for line in lines(&report.figures) {
            row(f, line.name.of(self.lang), [&line.values[0], &line.values[1]])?;
        }
        if let Some(truth) = report.told_truth() {
            writeln!(f, "{}", truth.of(self.lang))?;
        }
        self.incidents(f)?;
        self.others(f)
    }

    fn incidents(&self, f: &mut String) -> fmt::Result {
        let report = self.report;
        let agreement = &report.agreement;
        let (ari, ami, same) = (agreement.ari, agreement.ami, agreement.same);
        let alike = format!("ARI {ari:.3}, AMI {ami:.3}");
        writeln!(f, "{}", self.say(&format!("两者之间 {alike}"), &format!("{alike} between the two")))?;
        let [changed, gone, fresh] = report.incidents;
        let zh = format!("故障:{same} 个相同,{changed} 个变化,{gone} 个只在 a,{fresh} 个只在 b");
        let en = format!("incidents: {same} same, {changed} changed, {gone} only in a, {fresh} only in b");
        writeln!(f, "{}", self.say(&zh, &en))?;
        for changed in &report.changed {
            writeln!(f, "~ {}", self.shown(&changed.before))?;
            let (added, lost) = (changed.events_added, changed.events_lost);
            let events = self.say("事件", "events");
            writeln!(f, "  {} (+{added} −{lost} {events})", self.shown(&changed.after))?;
        }
        for gone in &report.gone {
            writeln!(f, "- {}", self.shown(gone))?;
        }
        for fresh in &report.fresh {
            writeln!(f, "+ {}", self.shown(fresh))?;
        }
        if report.not_listed > 0 {
            let more = report.not_listed;
            writeln!(f, "{}", self.say(&format!("… 另有 {more} 项"), &format!("… and {more} more")))?;
        }
        Ok(())
    }

    fn others(&self, f: &mut String) -> fmt::Result {
        let report = self.report;
        if report.muted_once_events > 0 {
            let (events, [a, b]) = (report.muted_once_events, report.muted_once_by);
            let zh = format!("{events} 个事件只被一方静默(a {a} 个,b {b} 个)");
            let en = format!("{events} events muted by only one ({a} by a, {b} by b)");
            writeln!(f, "{}", self.say(&zh, &en))?;
        }
        for (word, [old, new]) in report.verdicts.iter().filter(|(_, [old, new])| old != new) {
            writeln!(f, "{} {word}: {old} -> {new}", self.say("裁定", "verdict"))?;
        }
        for (receiver, [old, new]) in report.messages.iter().filter(|(_, [old, new])| old != new) {
            writeln!(f, "{} {receiver}: {old} -> {new}", self.say("通知", "messages to"))?;
        }
        Ok(())
    }

    fn shown(&self, shown: &Shown) -> String {
        let root = shown.root.as_deref().unwrap_or("?");
        let (at, severity, events) = (&shown.opened_at, shown.severity.as_str(), shown.events);
        let about = self.say(&format!("根因 {root},{events} 个事件"), &format!("root {root}, {events} events"));
        format!("{at} {severity:<8} {} {} ({about})", shown.id, shown.title)
    }
}

/// A name and two numbers in columns; a Chinese character takes two.
fn row(f: &mut String, name: &str, [a, b]: [&str; 2]) -> fmt::Result {
    let columns: usize = name.chars().map(|c| if c.is_ascii() { 1 } else { 2 }).sum();
    let space = " ".repeat(NAME_COLUMNS.saturating_sub(columns));
    writeln!(f, "{name}{space}{a:>NUMBER_COLUMNS$}{b:>NUMBER_COLUMNS$}")
}
