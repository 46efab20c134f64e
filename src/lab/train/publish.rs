//! Publishing: a new version folder with the model, its card and the digests of both.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use sha2::{Digest as _, Sha256};

use super::super::files;
use super::super::history::History;
use super::Plan;
use super::fit::Fitted;
use crate::engine::delays::Delay;
use crate::engine::logit::Question;
use crate::engine::tuning::{MODEL, Tuning};
use crate::folders::models::{FILES, Model, write_version};

/// What was fitted to the samples, and the delays with how often each was seen.
pub type Learned<'a> = (&'a [Fitted], &'a [(Delay, usize)]);

/// Where the learned part of a model file begins.
const LEARNED: &str = "\n# --- learned";

/// Writes the next version of the model; returns its folder and number.
///
/// # Errors
/// When a file cannot be written, or what was written would not be read again.
pub fn publish(plan: &Plan, base: &Model, tuning: &Tuning, learned: Learned<'_>) -> Result<(PathBuf, u32)> {
    let models = plan.out.join(MODEL);
    let newest = if models.exists() { Model::newest(&plan.out)?.version } else { base.version };
    let version = newest.max(base.version) + 1;
    let yaml = model_text(&base.text, version, tuning);
    Tuning::parse(&models.join(version.to_string()).join(FILES[0]).display().to_string(), &yaml)
        .map_err(|errors| anyhow::anyhow!("{errors:?}"))
        .context("the model that was learned would be refused")?;
    let card = card_text(plan, base, version, learned)?;
    Ok((write_version(&plan.out, (MODEL, version), &yaml, &card)?, version))
}

/// The chosen numbers of the model it started from, and what was learned.
fn model_text(base: &str, version: u32, tuning: &Tuning) -> String {
    let chosen = base.split(LEARNED).next().unwrap_or(base).trim_end();
    let lines: Vec<String> = chosen
        .lines()
        .map(|line| if line.starts_with("version:") { format!("version: {version}") } else { line.to_owned() })
        .collect();
    let mut text = lines.join("\n");
    let _ =
        writeln!(text, "\n{LEARNED}: `headwater model train correlation`; weights per mille / 训练所得,权重为千分比");
    text.push_str(if tuning.delays.is_empty() {
        ""
    } else {
        "delays: # spread: of ln(delay), per mille / 时延及其对数标准差\n"
    });
    for Delay { relation, cause, effect, typical, spread } in &tuning.delays {
        let secs = typical.as_secs();
        let _ = writeln!(
            text,
            "  - {{relation: {relation}, cause: {cause}, effect: {effect}, typical: {secs}s, spread: {spread}}}"
        );
    }
    text.push_str("learned:\n");
    for question in Question::ALL {
        let Some(logit) = tuning.learned.get(question) else { continue };
        let _ = writeln!(text, "  {}:\n    constant: {}\n    weights:", question.word(), logit.constant);
        for (name, weight) in question.features().iter().zip(logit.weights) {
            let _ = writeln!(text, "      {name}: {weight}");
        }
    }
    text
}

fn card_text(plan: &Plan, base: &Model, version: u32, (fitted, delays): Learned<'_>) -> Result<String> {
    let mut text = format!("# correlation {version}\n\n");
    if fitted.is_empty() {
        let _ = writeln!(
            text,
            "**What it is.** The chosen numbers and the questions of correlation {0} (see its card), with the delays of {1} kinds of\n\
             relations that were learned. Made by `headwater model train correlation --delays`.\n\n\
             **中文摘要** 沿用第 {0} 版的数值与判断,另从带标注的历史中学得 {1} 类关系的传播时延。\n",
            base.version,
            delays.len(),
        );
    } else {
        what_it_is(&mut text, plan, base, fitted);
    }
    text.push_str("## Trained on\n\n| history | events | labels | SHA-256 of the events |\n|---|--:|--:|---|\n");
    for folder in &plan.histories {
        let history = History::open(folder, &plan.mapping, plan.topology_names.as_deref())?;
        let (events, digest) = digest_of(&history.events()?)?;
        let _ = writeln!(text, "| {} | {events} | {} | {digest} |", history.name(), history.truth.incidents.len());
    }
    text.push_str(
        "\n## Delays\n\n| relation | cause | effect | seen | typical | spread |\n|---|---|---|--:|--:|--:|\n",
    );
    for (Delay { relation, cause, effect, typical, spread }, seen) in delays {
        let secs = typical.as_secs();
        let _ = writeln!(text, "| {relation} | {cause} | {effect} | {seen} | {secs} s | {spread} |");
    }
    if !fitted.is_empty() {
        questions_text(&mut text, fitted);
    }
    text.push_str(
        "\nHow well the whole does on histories it has not seen: `headwater model evaluate`, `docs/accuracy.md`.\n",
    );
    Ok(text)
}

fn questions_text(text: &mut String, fitted: &[Fitted]) {
    text.push_str("\n## How well each question fits what it was trained on\n\n");
    text.push_str("| question | samples | yes | right | always the same answer | AUC |\n|---|--:|--:|--:|--:|--:|\n");
    for one in fitted {
        let Fitted { question, samples, yes, right, floor, auc, .. } = one;
        let _ = writeln!(text, "| {} | {samples} | {yes} | {right:.3} | {floor:.3} | {auc:.3} |", question.word());
    }
    text.push_str("\n## Features\n\nMean and range in training; beyond the range the model has seen nothing.\n");
    for one in fitted {
        let _ = write!(
            text,
            "\n**{}**\n\n| feature | weight | mean | least | most |\n|---|--:|--:|--:|--:|\n",
            one.question.word()
        );
        let rows = one.question.features().iter().zip(one.logit.weights).zip(&one.ranges);
        for ((name, weight), (mean, least, most)) in rows {
            let _ = writeln!(text, "| {name} | {weight} | {mean:.0} | {least:.0} | {most:.0} |");
        }
    }
}

fn what_it_is(text: &mut String, plan: &Plan, base: &Model, fitted: &[Fitted]) {
    let _ = writeln!(
        text,
        "**What it is.** The chosen numbers of correlation {}, and {} questions that were learned: a constant and a weight\n\
         per feature, in integers; the answer is yes when the sum is above 0. It knows no names: every feature is a count, a\n\
         time, a score or a share. Made by `headwater model train correlation`: logistic regression (linfa), {} rounds, seed\n\
         {}.\n\n\
         **中文摘要** 在第 {} 版选定数值之上,用逻辑回归从带标注的历史中学得 {} 个判断;特征均为结构性数量,不含任何名称。\n",
        base.version,
        fitted.len(),
        plan.rounds,
        plan.seed,
        base.version,
        fitted.len(),
    );
}

/// Lines of a file, and the digest of its bytes.
fn digest_of(path: &Path) -> Result<(usize, String)> {
    let bytes = std::fs::read(path).with_context(|| format!("read {}", path.display()))?;
    let lines = files::read(path)?.iter().filter(|byte| **byte == b'\n').count();
    Ok((lines, hex::encode(Sha256::digest(&bytes))))
}
