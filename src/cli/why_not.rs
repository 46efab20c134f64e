//! `headwater why-not`: asks the engine as it was when it was settled, from the journal, also beside a running server.

use std::io::Write;

use anyhow::{Context as _, Result, anyhow, bail};

use super::arguments::WhyNotArguments;
use super::typed::history_of;
use crate::domain::ids::{AlertId, CiId, IncidentId, TenantId};
use crate::engine::explain::{Answer, Question, Weighed};
use crate::projection::history::{History, find};
use crate::projection::scope::Scope;
use crate::replay::moment::{explain_at, moment_of};
use crate::wording::lang::{Lang, Text};
use crate::wording::reasons;

/// Tells it.
///
/// # Errors
/// When there is no history or journal, when what is named is not there, or the output cannot be written.
pub fn run(ask: &WhyNotArguments, out: &mut impl Write) -> Result<()> {
    let history = history_of(&ask.data)?;
    let tenant = TenantId::from(ask.tenant.as_str());
    let question = question(ask, &history, &tenant)?;
    let at = match ask.at {
        Some(at) => at,
        None => moment_of(&history, &tenant, &question)?.context("neither is in the history of this tenant")?,
    };
    tell(&explain_at(&ask.data, &tenant, &question, at)?, ask.lang, out)
}

fn question(ask: &WhyNotArguments, history: &History, tenant: &TenantId) -> Result<Question> {
    let alert = ask.alert.as_deref().map(|name| alert(name, history, tenant)).transpose()?;
    let id =
        |text: &String| IncidentId::parse(text).ok_or_else(|| anyhow!("--incident {text:?}: write an id as i0-12"));
    let incident = ask.incident.as_ref().map(id).transpose()?;
    match (alert, incident, ask.ci.as_deref()) {
        (Some(alert), Some(incident), None) => Ok(Question::NotIn { alert, incident }),
        (None, Some(incident), Some(ci)) => Ok(Question::NotRoot { incident, ci: CiId::from(ci) }),
        (Some(alert), None, None) if ask.path => Ok(Question::Path { alert }),
        (Some(alert), None, None) => Ok(Question::NotToldOfAlert { alert }),
        (None, Some(incident), None) => Ok(Question::NotTold { incident }),
        (_, _, Some(_)) => bail!("--ci is asked together with --incident, and without an alert"),
        (None, None, None) => bail!("name an alert or event, --incident, or --incident and --ci"),
    }
}

/// An alert by its id, or by an event of it.
fn alert(name: &str, history: &History, tenant: &TenantId) -> Result<AlertId> {
    if let Some(id) = AlertId::parse(name) {
        return Ok(id);
    }
    let scope = Scope::whole(tenant.clone());
    let found = history.read(|from| find::why(from, &scope, name, 1))?;
    let judged = found.first().with_context(|| format!("no event is called {name:?} in tenant {tenant}"))?;
    let why = || format!("event {} belongs to no alert; `headwater why` tells its end", judged.event);
    judged.verdict.alert().with_context(why)
}

fn tell(answer: &Answer, lang: Lang, out: &mut impl Write) -> Result<()> {
    let pick = |zh: &str, en: &str| match lang {
        Lang::Zh => zh.to_owned(),
        Lang::En => en.to_owned(),
    };
    let (rules, model) = (answer.ruleset_version, answer.model_version);
    let as_of = pick("截至", "as of");
    writeln!(out, "{as_of} {} · {} {rules} · {} {model}", answer.as_of, pick("规则", "rules"), pick("模型", "model"))?;
    for reason in &answer.reasons {
        writeln!(out, "  {}", reasons::reason(reason).of(lang))?;
    }
    section(&pick("比较过的解释", "what was weighed"), &answer.weighed, lang, out)?;
    if !answer.what_if.is_empty() {
        writeln!(out, "{}", pick("怎样结果会不同", "what would have changed it"))?;
        for one in &answer.what_if {
            writeln!(out, "  {} {}", if one.enough { "*" } else { "-" }, reasons::what_if(one).of(lang))?;
        }
    }
    section(&pick("它现在所在的路径", "the path to where it is"), &answer.path, lang, out)
}

fn section(title: &str, all: &[Weighed], lang: Lang, out: &mut impl Write) -> Result<()> {
    if all.is_empty() {
        return Ok(());
    }
    writeln!(out, "{title}")?;
    for one in all {
        let bond = one.bond.map(reasons::bond).unwrap_or_else(|| Text::new("", ""));
        let effect = one.effect.as_ref().map(|effect| format!("{} <- ", reasons::node(effect).of(lang)));
        writeln!(out, "  {}{}  {}", effect.unwrap_or_default(), reasons::node(&one.cause).of(lang), bond.of(lang))?;
        for evidence in &one.evidence {
            let text = reasons::evidence(evidence, &one.cause);
            writeln!(out, "      {:+7.2}  {}", f64::from(evidence.points) / 1000.0, text.of(lang))?;
        }
        if !one.evidence.is_empty() {
            writeln!(out, "    = {:+7.2}  (> {:.2})", one.sum as f64 / 1000.0, one.needs as f64 / 1000.0)?;
        }
    }
    Ok(())
}
