//! `headwater shadow`: rules or a model beside what is valid, on a running server.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use reqwest::{Method, Url};
use serde_json::{Value, json};

use super::asked::Server;
use super::backtest::{write, written_to};
use super::lab_arguments::{ChangeArguments, ServerArguments, ShadowCommand};
use crate::folders::metric::MetricModel;
use crate::folders::models::Model;
use crate::folders::rules;
use crate::lab::told;
use crate::lab::versus::Report;
use crate::wording::lang::{Lang, Text};

const SHADOW: &str = "/shadow";

/// Runs one of its commands.
///
/// # Errors
/// When rules or models cannot be read, the server refuses, or the output cannot be written.
pub fn run(command: ShadowCommand, out: &mut impl Write) -> Result<()> {
    match command {
        ShadowCommand::Start { rules, models, metric, in_place_of, change } => {
            let mut body = trial(rules.as_deref(), models.as_deref(), metric.as_deref())?;
            body["reason"] = change.reason.as_str().into();
            body["in_place_of"] = in_place_of.into();
            let answer = Server::of(&change.server)?.ask(Method::PUT, SHADOW, Some(&body))?;
            let seq = &answer["seq"];
            let text = Text::new(
                format!("试运行自记录 {seq} 开始;`headwater shadow report` 查看差异"),
                format!(
                    "runs beside what is valid from record {seq} on; `headwater shadow report` tells how it differs"
                ),
            );
            say(&text, change.server.lang, out)
        }
        ShadowCommand::Report { server, out: folder, json } => report(&server, folder, json, out),
        ShadowCommand::Activate { since_seq, force, change } => {
            let body = json!({ "reason": change.reason, "since_seq": since_seq, "force": force });
            let answer = Server::of(&change.server)?.ask(Method::POST, "/shadow/activate", Some(&body))?;
            put(&answer, ("已启用", "valid now"), change.server.lang, out)
        }
        ShadowCommand::End { change } => end(&change, out),
        ShadowCommand::Rollback { change } => {
            let body = json!({ "reason": change.reason });
            let answer = Server::of(&change.server)?.ask(Method::POST, "/shadow/rollback", Some(&body))?;
            put(&answer, ("已回退", "taken back"), change.server.lang, out)
        }
    }
}

fn say(text: &Text, lang: Lang, out: &mut impl Write) -> Result<()> {
    Ok(writeln!(out, "{}", text.of(lang))?)
}

/// What is to run beside.
fn trial(folder: Option<&Path>, models: Option<&Path>, metric: Option<&Path>) -> Result<Value> {
    if folder.is_none() && models.is_none() && metric.is_none() {
        bail!("name what is to be tried: --rules DIR, --models DIR, --metric DIR, or several");
    }
    let files = folder.map(rules::read).transpose()?;
    let files = files.map(|files| files.into_iter().map(|file| (file.name, file.text)).collect::<BTreeMap<_, _>>());
    let model = models.map(Model::newest).transpose()?;
    let metric = metric.map(MetricModel::newest).transpose()?.map(|model| model.text.to_string());
    Ok(json!({ "files": files, "model": model.map(|model| model.text.to_string()), "metric": metric }))
}

fn end(change: &ChangeArguments, out: &mut impl Write) -> Result<()> {
    let server = Server::of(&change.server)?;
    let mut path = Url::parse("http://any")?;
    path.query_pairs_mut().append_pair("reason", &change.reason);
    let query = path.query().unwrap_or_default();
    let answer = server.ask(Method::DELETE, &format!("{SHADOW}?{query}"), None)?;
    let seq = &answer["seq"];
    let text = Text::new(
        format!("试运行已结束(记录 {seq}),生效的规则与模型不变"),
        format!("the trial has ended (record {seq}); what is valid stays as it is"),
    );
    say(&text, change.server.lang, out)
}

/// What is in force by now.
fn put(answer: &Value, (zh, en): (&str, &str), lang: Lang, out: &mut impl Write) -> Result<()> {
    let names = [("rules", "规则", "rules"), ("model", "模型", "model"), ("metric", "指标模型", "metric model")];
    let is_any = names.iter().any(|(key, ..)| answer[key].is_u64());
    for (key, zh_name, en_name) in names {
        if let Some(seq) = answer[key].as_u64() {
            let text = Text::new(format!("{zh_name}{zh}(记录 {seq})"), format!("{en_name} {en} (record {seq})"));
            say(&text, lang, out)?;
        }
    }
    if !is_any {
        say(&Text::new("与生效的相同,没有变化", "the same was valid already: nothing has changed"), lang, out)?;
    }
    Ok(())
}

fn report(asked: &ServerArguments, folder: Option<PathBuf>, json: bool, out: &mut impl Write) -> Result<()> {
    let server = Server::of(asked)?;
    let state = server.ask(Method::GET, SHADOW, None)?;
    if state["running"] != true {
        bail!("nothing runs beside: begin with `headwater shadow start`");
    }
    let compared = match &state["report"] {
        Value::Null => None,
        told => {
            let mut report: Report =
                serde_json::from_value(told.clone()).context("the report is of another version")?;
            report.link_to(server.base());
            Some(report)
        }
    };
    if let (Some(folder), Some(report)) = (&folder, &compared) {
        write(report, folder)?;
    }
    if json {
        return Ok(writeln!(out, "{}", serde_json::to_string_pretty(&state)?)?);
    }
    head(&state, asked.lang, out)?;
    if state["has_metric"] == true {
        metric(&state["metric"], asked.lang, out)?;
    }
    match &compared {
        None if state["has_rules"] != true && state["has_model"] != true => {}
        Some(report) => write!(out, "{}", told::told(report, asked.lang))?,
        None => say(&Text::new("尚无事件可比较", "no events yet to compare"), asked.lang, out)?,
    }
    match folder.filter(|_| compared.is_some()) {
        Some(folder) => say(&written_to(&folder), asked.lang, out),
        None => Ok(()),
    }
}

/// What the metric model that is tried told, and what the one that is valid did.
fn metric(told: &Value, lang: Lang, out: &mut impl Write) -> Result<()> {
    let (readings, days) = (&told["readings"], told["series_days"].as_f64().unwrap_or_default());
    let (both, valid, tried) = (&told["both"], &told["only_valid"], &told["only_tried"]);
    let text = Text::new(
        format!(
            "指标:{readings} 个读数({days:.1} 序列天);两者都告警 {both} 次,仅生效模型 {valid} 次,仅试运行模型 {tried} 次"
        ),
        format!(
            "metrics: {readings} readings ({days:.1} series-days); both told {both} times, only what is valid {valid}, only what is \
             tried {tried}"
        ),
    );
    say(&text, lang, out)?;
    for one in told["latest"].as_array().into_iter().flatten().take(10) {
        let word = |key: &str| one[key].as_str().unwrap_or_default();
        let (at, object, name, by) = (word("at"), word("object"), word("name"), word("told_by"));
        writeln!(out, "  {at} {object} {name} {} ({}): {by}", one["value"], one["expected"])?;
    }
    Ok(())
}

/// What runs, since when, whose it is, and how far it has come.
fn head(state: &Value, lang: Lang, out: &mut impl Write) -> Result<()> {
    let word = |key: &str| state[key].as_str().unwrap_or_default().to_owned();
    let parts = [
        ("has_rules", "规则", "rules"),
        ("has_model", "模型", "a model"),
        ("has_metric", "指标模型", "a metric model"),
    ];
    let parts: Vec<_> = parts.into_iter().filter(|(key, ..)| state[*key] == true).collect();
    let joined = |of: fn(&(&str, &'static str, &'static str)) -> &'static str, with: &str| {
        parts.iter().map(of).collect::<Vec<_>>().join(with)
    };
    let what = Text::new(joined(|part| part.1, "与"), joined(|part| part.2, " and "));
    let (seq, lag, anew) = (&state["since_seq"], &state["lag"], &state["begun_anew"]);
    let (author, at, reason) = (word("author"), word("at"), word("reason"));
    let Text { zh, en } = what;
    let text = Text::new(
        format!("{zh}自记录 {seq} 试运行,{author},{at};落后 {lag} 条记录,重新开始 {anew} 次"),
        format!(
            "{en} beside what is valid since record {seq}, by {author}, {at}; {lag} records behind, begun anew {anew} times"
        ),
    );
    say(&text, lang, out)?;
    if !reason.is_empty() {
        say(&Text::new(format!("原因:{reason}"), format!("reason: {reason}")), lang, out)?;
    }
    if let Some(why) = state["failure"].as_str() {
        say(&Text::new(format!("已停止:{why}"), format!("it has ended: {why}")), lang, out)?;
    }
    Ok(())
}
