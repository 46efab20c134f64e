//! `headwater model …` on a running server: what is in force, activation, roll-back, how the metric model is doing.

use std::io::{Write as _, stdout};
use std::path::Path;

use anyhow::{Context as _, Result, bail, ensure};
use reqwest::Method;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::asked::Server;
use super::lab_arguments::{ChangeArguments, ServerArguments};
use super::model_arguments::ModelKind;
use crate::engine::tuning::Tuning;
use crate::folders::metric::{METRIC, MetricModel};
use crate::folders::models::{Model, versions, versions_of, write_version};
use crate::wording::lang::{Lang, Text};

fn say(text: &Text, lang: Lang) -> Result<()> {
    Ok(writeln!(stdout(), "{}", text.of(lang))?)
}

/// The text of a version in a models folder, the newest one when none is named; refused when anything about it is wrong.
fn text_of(kind: ModelKind, models: &Path, version: Option<u32>) -> Result<String> {
    let known = match kind {
        ModelKind::Correlation => versions(models)?,
        ModelKind::Metric => versions_of(models, METRIC)?,
    };
    let found = known.into_iter().rev().find(|(known, _)| version.is_none_or(|version| version == *known));
    let (version, folder) = found.with_context(|| format!("{} holds no such version", models.display()))?;
    Ok(match kind {
        ModelKind::Correlation => Model::read(&folder, version)?.text.to_string(),
        ModelKind::Metric => MetricModel::read(&folder, version)?.text.to_string(),
    })
}

/// Puts a version in force on a server.
///
/// # Errors
/// When the model is refused, here or there.
pub fn activate(kind: ModelKind, models: &Path, version: Option<u32>, change: &ChangeArguments) -> Result<()> {
    let body = json!({ "text": text_of(kind, models, version)?, "reason": change.reason });
    let answer = Server::of(&change.server)?.ask(Method::PUT, "/models", Some(&body))?;
    put(&answer, change.server.lang)
}

/// Puts an older version in force again.
///
/// # Errors
/// When the server refuses.
pub fn roll_back(kind: ModelKind, version: Option<u64>, change: &ChangeArguments) -> Result<()> {
    let body = json!({ "kind": kind.word(), "version": version, "reason": change.reason });
    let answer = Server::of(&change.server)?.ask(Method::POST, "/models/rollback", Some(&body))?;
    put(&answer, change.server.lang)
}

fn put(answer: &Value, lang: Lang) -> Result<()> {
    let version = &answer["version"];
    let text = match answer["seq"].as_u64() {
        Some(seq) => Text::new(
            format!("模型第 {version} 版自记录 {seq} 生效"),
            format!("model in force from record {seq} on, as version {version}"),
        ),
        None => Text::new("该模型已在生效,没有变化", "the same was valid already: nothing has changed"),
    };
    say(&text, lang)
}

/// Names the versions that are and were in force on a server.
///
/// # Errors
/// When it does not answer.
pub fn list(server: &ServerArguments) -> Result<()> {
    let server = Server::of(server)?;
    for kind in [ModelKind::Correlation, ModelKind::Metric] {
        let kind = kind.word();
        let answer = server.ask(Method::GET, &format!("/models?kind={kind}"), None)?;
        for item in answer["items"].as_array().into_iter().flatten() {
            let word = |key: &str| item[key].as_str().unwrap_or_default();
            let mark = if item["current"] == true { "*" } else { " " };
            let (version, digest) = (&item["version"], word("digest"));
            let digest = &digest[..12.min(digest.len())];
            let about = [word("at"), word("author"), word("reason")].join(" ");
            writeln!(stdout(), "{}", format!("{mark} {kind} {version} {digest} {about}").trim_end())?;
        }
    }
    Ok(())
}

/// Writes a version into a folder: its text, a card that says where it came from, and the digests of both.
///
/// # Errors
/// When the server has no such version, what came is not whole, or the folder has it already.
pub fn export(kind: ModelKind, version: Option<u64>, out: &Path, arguments: &ServerArguments) -> Result<()> {
    let server = Server::of(arguments)?;
    let known = server.ask(Method::GET, &format!("/models?kind={}", kind.word()), None)?;
    let is_meant = |item: &&Value| version.map_or(item["current"] == true, |version| item["version"] == version);
    let item = known["items"].as_array().into_iter().flatten().find(is_meant);
    let item = item.with_context(|| {
        format!("{} has no such version; `headwater model list --in-force` names them", server.base())
    })?;
    let answer = server.ask(Method::GET, &format!("/models/{}?kind={}", item["version"], kind.word()), None)?;
    let text = answer["text"].as_str().unwrap_or_default();
    let (digest, said) = (hex::encode(Sha256::digest(text.as_bytes())), item["digest"].as_str().unwrap_or_default());
    ensure!(digest == said, "what came has digest {digest}, not {said}; ask again");
    let version = version_of(kind, text)?;
    let word = |key: &str| item[key].as_str().unwrap_or_default();
    let card = format!(
        "# {0} {version}\n\n**What it is.** Version {1} of model {0} as {2} had it in force; written by `headwater model export`.\n\
         中文:由 {2} 导出的 {0} 模型(该处第 {1} 版)。\n\n\
         **Put in force** {3} by {4}: {5}\n\n**SHA-256** of `model.yaml`: {digest}\n",
        kind.word(),
        item["version"],
        server.base(),
        word("at"),
        word("author"),
        word("reason")
    );
    let folder = write_version(out, (kind.word(), version), text, &card)?;
    let text = Text::new(
        format!("{}:{} 第 {version} 版;`headwater model activate` 在另一处启用", folder.display(), kind.word()),
        format!(
            "{}: {} {version}; `headwater model activate` puts it in force elsewhere",
            folder.display(),
            kind.word()
        ),
    );
    say(&text, arguments.lang)
}

/// The version that a model's text says.
fn version_of(kind: ModelKind, text: &str) -> Result<u32> {
    Ok(match kind {
        ModelKind::Correlation => {
            let read = Tuning::parse("model.yaml", text).map_err(|errors| anyhow::anyhow!("{errors:?}"));
            read.context("the server's model is none for this program")?.version
        }
        ModelKind::Metric => {
            MetricModel::parse("model.yaml", text).context("the server's model is none for this program")?.version
        }
    })
}

/// Makes a model from what the server kept, and tries it beside.
///
/// # Errors
/// When too little was kept, or something is tried already.
pub fn retrain(kind: ModelKind, change: &ChangeArguments) -> Result<()> {
    if kind == ModelKind::Correlation {
        bail!(
            "correlation learns from corrections: `headwater feedback export`, `model train correlation`, `shadow start`"
        );
    }
    let body = json!({ "reason": change.reason });
    let made = Server::of(&change.server)?.ask(Method::POST, "/models/metric/retrain", Some(&body))?;
    let (version, series, seq) = (&made["version"], &made["series"], &made["seq"]);
    let rate = made["false_alarms_per_day"].as_f64().unwrap_or_default();
    let text = Text::new(
        format!(
            "由 {series} 条序列得到第 {version} 版(每序列每天误报 {rate:.4}),自记录 {seq} 试运行;`headwater shadow report` 查看差异"
        ),
        format!(
            "version {version}, made from {series} series ({rate:.4} false alarms per series-day), runs beside what is valid from \
             record {seq} on; `headwater shadow report` tells how it differs"
        ),
    );
    say(&text, change.server.lang)
}

/// How the metric model is doing: age, drift, what is degraded.
///
/// # Errors
/// When the server does not answer.
pub fn health(server: &ServerArguments, as_json: super::model_series::Json) -> Result<()> {
    let known = Server::of(server)?.ask(Method::GET, "/models/metric", None)?;
    if as_json == super::model_series::Json::Yes {
        return Ok(writeln!(stdout(), "{}", serde_json::to_string_pretty(&known)?)?);
    }
    let lang = server.lang;
    match known["version"].as_u64() {
        Some(version) => say(&Text::new(format!("指标模型第 {version} 版"), format!("metric model {version}")), lang)?,
        None => say(&Text::new("无可用模型,仅按近几小时判断", "no model: judged by the last hours alone"), lang)?,
    }
    for why in known["degraded"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        say(&Text::new(format!("降级:{why}"), format!("degraded: {why}")), lang)?;
    }
    match known["trained_until"].as_str() {
        Some(until) if known["stale"] == true => {
            say(&Text::new(format!("陈旧:训练数据止于 {until}"), format!("stale: its series ended {until}")), lang)?;
        }
        Some(until) => say(&Text::new(format!("训练数据止于 {until}"), format!("its series ended {until}")), lang)?,
        None => say(&Text::new("并非由自有序列训练", "not made from series of your own"), lang)?,
    }
    let readings = &known["readings"];
    let text = match known["drift"].as_f64() {
        Some(drift) => {
            let (zh, en) = if known["drifted"] == true { ("已漂移", "drifted") } else { ("未漂移", "no drift") };
            Text::new(
                format!("最近一天 {readings} 个读数,PSI {drift:.3}:{zh}"),
                format!("{readings} readings of the last day, index {drift:.3}: {en}"),
            )
        }
        None => Text::new(
            format!("最近一天 {readings} 个读数,不足以判断漂移"),
            format!("{readings} readings of the last day: nothing to say of drift"),
        ),
    };
    say(&text, lang)?;
    for bin in known["scores"].as_array().into_iter().flatten() {
        let share = |key: &str| bin[key].as_f64().map_or_else(|| "-".to_owned(), |n| format!("{:.2} %", n / 100.0));
        let below = bin["below"].as_f64().map_or_else(|| "  more".to_owned(), |edge| format!("< {edge:.2}"));
        writeln!(stdout(), "{below:>7} {:>9} {:>9}", share("seen"), share("made_from"))?;
    }
    Ok(())
}
