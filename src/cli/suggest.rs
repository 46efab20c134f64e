//! `headwater suggest`: what a recorded stream gives reason for.

use std::io::Write;

use anyhow::{Result, bail};

use super::lab_arguments::SuggestArguments;
use crate::domain::ids::TenantId;
use crate::engine::policy::Policy;
use crate::engine::tuning::Tuning;
use crate::folders::rules;
use crate::lab::built_in::load_topology;
use crate::lab::recording::Recording;
use crate::lab::suggest::{Recorded, Suggestions, suggest};
use crate::replay::stream::{self, Stream};
use crate::wording::lang::{Lang, Text};

/// Events looked at: of a file the first ones, of a data folder the newest.
const EVENTS_MAX: usize = 1_000_000;
/// Pairs printed for people; JSON has all.
const PAIRS_SHOWN: usize = 20;

/// Prints the suggestions.
///
/// # Errors
/// When a file cannot be read or understood; names the place.
pub fn run(arguments: &SuggestArguments, out: &mut dyn Write) -> Result<()> {
    let mut stream = stream(arguments)?;
    if let Some(folder) = &arguments.rules {
        stream.rules = rules::read(folder)?;
    }
    if stream.left_out > 0 {
        eprintln!("left out: {} events, more than {EVENTS_MAX} are not looked at", stream.left_out);
    }
    let Stream { events, topology, tuning, rules, heeded, .. } = stream;
    let suggestions = suggest(Recorded { events: &events, topology, tuning, rules, heeded })?;
    if arguments.json {
        writeln!(out, "{}", serde_json::to_string_pretty(&suggestions)?)?;
    } else {
        tell(&suggestions, arguments.lang, out)?;
    }
    Ok(())
}

/// What is recorded: in a data folder, or in files.
fn stream(arguments: &SuggestArguments) -> Result<Stream> {
    let tenant = TenantId::from(arguments.tenant.as_str());
    if let Some(data) = &arguments.data {
        return stream::read(data, &tenant, arguments.since, EVENTS_MAX);
    }
    let (Some(topology), Some(events), Some(mapping)) = (&arguments.topology, &arguments.events, &arguments.mapping)
    else {
        bail!("name --topology, --events and --mapping, or --data");
    };
    let topology = load_topology(topology, arguments.topology_mapping.as_deref(), 1)?;
    let mut recording = Recording::open(events, mapping, tenant)?;
    let (mut events, mut left_out) = (Vec::new(), 0);
    while let Some(event) = recording.next_event()? {
        if events.len() < EVENTS_MAX {
            events.push(event);
        } else {
            left_out += 1;
        }
    }
    for place in &recording.rejected_first {
        eprintln!("left out: {place}");
    }
    let tuning = std::sync::Arc::new(Tuning::default());
    Ok(Stream { events, left_out, topology, rules: Policy::default_files(), tuning, heeded: Default::default() })
}

fn tell(all: &Suggestions, lang: Lang, out: &mut dyn Write) -> Result<()> {
    let (events, episodes, pairs) = (all.events, all.episodes, all.pairs.len());
    let text = Text::new(
        format!("{events} 条事件,{episodes} 次发作,{pairs} 对因果"),
        format!("{events} events, {episodes} episodes, {pairs} pairs of cause and effect"),
    );
    writeln!(out, "# {}", text.of(lang))?;
    for pair in all.pairs.iter().take(PAIRS_SHOWN) {
        let proof = &pair.proof;
        let (share, lead) = (100.0 * proof.share, proof.lead_secs);
        writeln!(out, "#   {} → {}  {share:.1} %, {lead:.0} s, ×{:.0}", pair.cause, pair.effect, proof.lift)?;
    }
    if all.drafts_dropped > 0 {
        let dropped = all.drafts_dropped;
        let text = Text::new(
            format!("另有 {dropped} 条草案经回测无效或会增加通知,未列出"),
            format!("{dropped} more drafts would never have applied, or would have told people more: left out"),
        );
        writeln!(out, "# {}", text.of(lang))?;
    }
    for draft in &all.drafts {
        let because = Text::new(&draft.because_zh, &draft.because_en);
        writeln!(out, "\n# {}", because.of(lang))?;
        if let Some(trial) = &draft.trial {
            let ([was, is], [told, tells], [_, muted]) = (trial.incidents, trial.notices, trial.muted);
            let text = Text::new(
                format!("回测:命中 {},故障 {was} → {is},通知 {told} → {tells},静默 {muted}", trial.hits),
                format!("tried: {} hits, incidents {was} → {is}, notices {told} → {tells}, {muted} muted", trial.hits),
            );
            writeln!(out, "# {}", text.of(lang))?;
        }
        write!(out, "{}", draft.yaml)?;
    }
    for edge in &all.missing_edges {
        let text = Text::new(
            format!("CMDB 可能缺少关系:{} 故障后 {} 次随后 {} 故障", edge.cause, edge.occasions, edge.effect),
            format!(
                "the CMDB may lack a relation: {} failed {} times before {}",
                edge.cause, edge.occasions, edge.effect
            ),
        );
        writeln!(out, "\n# {}\n# {{ from: {}, to: {}, type: depends_on }}", text.of(lang), edge.effect, edge.cause)?;
    }
    for edge in &all.silent_edges {
        let (cause, effect, relation, failures) = (&edge.cause, &edge.effect, &edge.relation, edge.failures);
        let text = Text::new(
            format!("关系从未传播故障:{cause} –{relation}– {effect},{failures} 次故障"),
            format!("nothing ever passed along {cause} –{relation}– {effect} in {failures} failures"),
        );
        writeln!(out, "\n# {}", text.of(lang))?;
    }
    Ok(())
}
