//! `headwater backtest`: a recorded stream through the production engine, alone or against another policy or model.

use std::io::{Write as _, stdout};
use std::path::Path;

use anyhow::{Context as _, Result, bail};

use super::lab_arguments::BacktestArguments;
use crate::domain::ids::TenantId;
use crate::lab::backtest::{self, Plan};
use crate::lab::choice::Choice;
use crate::lab::versus::Report;
use crate::lab::{against, page, told};
use crate::replay;
use crate::wording::lang::{Lang, Text};

/// What `--against` says for what is recorded.
const LIVE: &str = "live";

/// Runs it.
///
/// # Errors
/// When something cannot be read, understood or written; names the place.
pub fn run(arguments: BacktestArguments) -> Result<()> {
    if arguments.data.is_some() {
        return recorded(&arguments);
    }
    let BacktestArguments { topology, topology_mapping, events, mapping, rules, models, out, quiet, seal, .. } =
        arguments;
    let (Some(topology), Some(events), Some(mapping)) = (topology, events, mapping) else {
        bail!("name --topology, --events and --mapping, or --data");
    };
    let topology_names = topology_mapping;
    let plan = Plan { topology, topology_names, events, mapping, rules, models, out, quiet, seal };
    if let Some(other) = arguments.against {
        if other == LIVE {
            bail!("--against live compares with what is recorded: name the data folder with --data");
        }
        let report = against::run(&plan, &Choice::folder(Path::new(&other))?, arguments.truth.as_deref())?;
        return tell(&report, arguments.lang, &plan.out);
    }
    let summary = backtest::run(&plan)?;
    for place in &summary.rejected_first {
        eprintln!("left out: {place}");
    }
    if summary.rejected > summary.rejected_first.len() as u64 {
        eprintln!("left out: {} lines in all", summary.rejected);
    }
    writeln!(stdout(), "{}", serde_json::to_string_pretty(&summary)?)?;
    Ok(())
}

/// On the journal of a data folder.
fn recorded(arguments: &BacktestArguments) -> Result<()> {
    let (Some(data), Some(other)) = (&arguments.data, &arguments.against) else {
        bail!("--data needs --against live or a folder with rules or models");
    };
    let baseline = match other.as_str() {
        LIVE => Choice { name: LIVE.into(), ..Choice::default() },
        folder => Choice::folder(Path::new(folder))?,
    };
    let candidate = Choice::read("candidate", arguments.rules.as_deref(), arguments.models.as_deref())?;
    if candidate.policy.is_none() && candidate.model.is_none() && other == LIVE {
        bail!("both would be as recorded: name other --rules or --models");
    }
    let report = replay::against::run(&replay::against::Plan {
        data,
        tenant: TenantId::from(arguments.tenant.as_str()),
        sides: [baseline, candidate],
        since: arguments.since,
        base_url: arguments.base_url.trim_end_matches('/').to_owned(),
        truth: arguments.truth.as_deref(),
    })?;
    tell(&report, arguments.lang, &arguments.out)
}

/// Prints the comparison, and writes it.
fn tell(report: &Report, lang: Lang, out: &Path) -> Result<()> {
    write(report, out)?;
    write!(stdout(), "{}", told::told(report, lang))?;
    writeln!(stdout(), "{}", written_to(out).of(lang))?;
    Ok(())
}

/// Where a comparison was written.
pub(super) fn written_to(out: &Path) -> Text {
    let out = out.display();
    Text::new(format!("report.json 与 report.html 已写入 {out}"), format!("report.json and report.html are in {out}"))
}

/// Writes a comparison as JSON and as a page.
pub(super) fn write(report: &Report, out: &Path) -> Result<()> {
    std::fs::create_dir_all(out).with_context(|| format!("make {}", out.display()))?;
    let write = |name: &str, bytes: &[u8]| {
        let path = out.join(name);
        std::fs::write(&path, bytes).with_context(|| format!("write {}", path.display()))
    };
    write("report.json", &serde_json::to_vec_pretty(report)?)?;
    write("report.html", page::page(report).as_bytes())
}
