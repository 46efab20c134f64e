//! `headwater suggest`: what a recorded stream gives reason for.

use std::io::Write;

use anyhow::{Context as _, Result};

use super::arguments::SuggestArguments;
use crate::domain::ids::TenantId;
use crate::engine::policy::Policy;
use crate::engine::tuning::Tuning;
use crate::folders::rules;
use crate::lab::built_in::load_topology;
use crate::lab::recording::Recording;
use crate::lab::suggest::{Recorded, Suggestions, suggest};
use crate::wording::lang::{Lang, Text};

/// Events looked at: the first ones.
const EVENTS_MAX: usize = 1_000_000;
/// Pairs printed for people; JSON has all.
const PAIRS_SHOWN: usize = 20;

/// Prints the suggestions.
///
/// # Errors
/// When a file cannot be read or understood; names the place.
pub fn run(arguments: &SuggestArguments, out: &mut dyn Write) -> Result<()> {
    let lang = Lang::parse(&arguments.lang).with_context(|| format!("--lang {}: write zh or en", arguments.lang))?;
    let topology = load_topology(&arguments.topology, arguments.topology_mapping.as_deref(), 1)?;
    let rules = arguments.rules.as_deref().map_or_else(|| Ok(Policy::default_files()), rules::read)?;
    let mut recording = Recording::open(&arguments.events, &arguments.mapping, TenantId::from("default"))?;
    let mut events = Vec::new();
    while let Some(event) = recording.next_event()?.filter(|_| events.len() < EVENTS_MAX) {
        events.push(event);
    }
    for place in &recording.rejected_first {
        eprintln!("left out: {place}");
    }
    let tuning = std::sync::Arc::new(Tuning::default());
    let suggestions = suggest(Recorded { events: &events, topology, tuning, rules })?;
    if arguments.json {
        writeln!(out, "{}", serde_json::to_string_pretty(&suggestions)?)?;
    } else {
        tell(&suggestions, lang, out)?;
    }
    Ok(())
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
