//! The part of the page behind a signed link that closes an incident: what was found out, and the button.

use std::fmt::Write as _;

use super::Acting;
use super::deed::Deed;
use super::page::Pressed;
use super::words::button;
use crate::domain::ending::{Finding, Findings};
use crate::domain::incident::IncidentView;
use crate::domain::pass::Pass;
use crate::wording::lang::{Lang, Text};
use crate::wording::markup::html;

/// What whoever pressed the button has written; none: nothing.
pub fn findings(pressed: &Pressed) -> Option<Box<Findings>> {
    let of = |finding: Finding| match finding {
        Finding::Cause => &pressed.cause,
        Finding::Solution => &pressed.solution,
        Finding::Impact => &pressed.impact,
        Finding::Category => &pressed.category,
    };
    let found = Findings::each(|finding| of(finding).trim().chars().take(finding.chars_max()).collect());
    (!found.are_none()).then(|| Box::new(found))
}

fn label(finding: Finding) -> Text {
    let (zh, en) = match finding {
        Finding::Cause => ("原因", "Cause"),
        Finding::Solution => ("处理", "Solution"),
        Finding::Impact => ("影响", "Impact"),
        Finding::Category => ("类别", "Category"),
    };
    Text::new(zh, en)
}

/// The form, folded until somebody opens it. What the rules ask for is marked, and the browser asks for it, too.
pub fn form(acting: &Acting, pass: &Pass, view: &IncidentView, lang: Lang) -> String {
    let closing = acting.desk.closing(&pass.tenant);
    let name = html(button(&Deed::Resolve).of(lang));
    let mut text = format!("<details><summary>{name}</summary><form method=\"post\">");
    // Writing to a string cannot fail.
    for finding in Finding::ALL {
        let is_needed = view.priority <= closing.from && closing.needs.contains(&finding);
        let is_offered = match finding {
            Finding::Cause | Finding::Solution => true,
            Finding::Impact => is_needed,
            Finding::Category => is_needed || !closing.categories.is_empty(),
        };
        if !is_offered {
            continue;
        }
        let (word, (mark, required)) = (finding.as_str(), if is_needed { (" *", " required") } else { ("", "") });
        let known = view.conclusion.as_ref().map_or("", |said| said.findings.of(finding));
        let _ = write!(text, "<label>{}{mark}", html(label(finding).of(lang)));
        if finding == Finding::Category && !closing.categories.is_empty() {
            let _ = write!(text, "<select name=\"{word}\"{required}><option value=\"\"></option>");
            for one in &closing.categories {
                let chosen = if **one == *known { " selected" } else { "" };
                let _ = write!(text, "<option{chosen}>{}</option>", html(one));
            }
            let _ = write!(text, "</select></label>");
        } else {
            let _ = write!(text, "<textarea name=\"{word}\" rows=\"2\"{required}>{}</textarea></label>", html(known));
        }
    }
    let _ = write!(text, "<button name=\"do\" value=\"resolve\">{name}</button></form></details>");
    text
}
