//! The page behind a signed link: what is open, and buttons. Looking at it changes nothing. No script, no cookie.

use std::fmt::Write as _;
use std::sync::Arc;

use axum::Form;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::deed::Deed;
use super::words::{button, outcome};
use super::{Acting, Outcome, resolving};
use crate::domain::incident::{IncidentState, IncidentView};
use crate::domain::pass::{Pass, PassError};
use crate::engine::calendar::{ZONE_DEFAULT, local};
use crate::engine::input::{Command, Order};
use crate::wording::care;
use crate::wording::lang::Lang;
use crate::wording::markup::html;
use crate::wording::words::{IncidentStateWord, PriorityWord, SeverityWord};

/// People who can be chosen.
const PEOPLE_MAX: usize = 200;

/// What is pressed.
#[derive(Deserialize)]
pub struct Pressed {
    #[serde(rename = "do")]
    word: String,
    /// Whom to hand over to.
    #[serde(default)]
    to: String,
    /// What was found out, of what is resolved.
    #[serde(default)]
    pub cause: String,
    #[serde(default)]
    pub solution: String,
    #[serde(default)]
    pub impact: String,
    #[serde(default)]
    pub category: String,
}

/// The style of the page.
pub async fn style() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], STYLE)
}

/// Shows it.
pub async fn show(State(acting): State<Arc<Acting>>, Path(text): Path<String>, headers: HeaderMap) -> Response {
    let lang = lang(&headers);
    match acting.desk.seal().read(&text, acting.desk.now()) {
        Ok(pass) => page(StatusCode::OK, &body(&acting, &pass, None, lang), lang),
        Err(error) => refused(error, lang),
    }
}

/// Does what was pressed.
pub async fn act(
    State(acting): State<Arc<Acting>>,
    Path(text): Path<String>,
    headers: HeaderMap,
    Form(pressed): Form<Pressed>,
) -> Response {
    let (lang, now) = (lang(&headers), acting.desk.now());
    let pass = match acting.desk.seal().read(&text, now) {
        Ok(pass) => pass,
        Err(error) => return refused(error, lang),
    };
    let found = resolving::findings(&pressed);
    let word = if pressed.word == "assign" { format!("assign-{}", pressed.to) } else { pressed.word };
    let Some(deed) = Deed::of_word(&word).filter(|deed| may(&acting, &pass, deed)) else {
        return page(StatusCode::BAD_REQUEST, &body(&acting, &pass, None, lang), lang);
    };
    let view = acting.desk.incident(&pass.tenant, pass.incident);
    let ended = match deed.order(pass.incident, view.as_ref(), now) {
        Some(order) => {
            // Whoever was asked for more may say it then: what is said is part of the deed.
            let said = found.as_deref().map(|found| format!("{found:?}")).unwrap_or_default();
            let order = match order {
                Order::Close { incident, note, .. } => Order::Close { incident, note, findings: found },
                other => other,
            };
            // The journal does a pass's deed once, whoever sends it again and however often.
            let id = format!("{}-{}", acting.desk.seal().name(&format!("{text}{said}")), deed.word()).into();
            let (tenant, actor, via) = (pass.tenant.clone(), pass.actor.clone(), pass.via.clone());
            acting.desk.order(Command { tenant, actor, id, via, order }).await
        }
        None => Outcome::Refused("no root cause is known".into()),
    };
    let status = match ended {
        Outcome::Done => StatusCode::OK,
        Outcome::Waits => StatusCode::ACCEPTED,
        Outcome::Again => StatusCode::CONFLICT,
        Outcome::Refused(_) => StatusCode::UNPROCESSABLE_ENTITY,
        Outcome::Later => StatusCode::SERVICE_UNAVAILABLE,
    };
    page(status, &body(&acting, &pass, Some((&deed, &ended)), lang), lang)
}

/// Hands over to people of the rules only.
fn may(acting: &Acting, pass: &Pass, deed: &Deed) -> bool {
    match deed {
        Deed::Reassign(person) => acting.desk.people(&pass.tenant).iter().any(|(known, _)| known == person),
        Deed::Acknowledge | Deed::Snooze(_) | Deed::Resolve | Deed::NotTheCause | Deed::Approve(_) | Deed::Deny(_) => {
            true
        }
    }
}

fn lang(headers: &HeaderMap) -> Lang {
    let accepted = headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok()).unwrap_or("zh");
    if accepted.to_lowercase().trim_start().starts_with("en") { Lang::En } else { Lang::Zh }
}

fn refused(error: PassError, lang: Lang) -> Response {
    let (status, zh, en) = match error {
        PassError::Forged => {
            (StatusCode::NOT_FOUND, "这个链接无效,或已被改动。", "This link is not valid, or it was changed.")
        }
        PassError::Over => (
            StatusCode::GONE,
            "这个链接已过期,请登录控制台处理。",
            "This link has expired; please sign in to the console.",
        ),
    };
    let text = if lang == Lang::Zh { zh } else { en };
    page(status, &format!("<h1>Headwater</h1><p>{text}</p>"), lang)
}

fn body(acting: &Acting, pass: &Pass, done: Option<(&Deed, &Outcome)>, lang: Lang) -> String {
    let say = |zh: &'static str, en: &'static str| if lang == Lang::Zh { zh } else { en };
    let mut text = String::new();
    // Writing to a string cannot fail.
    if let Some((deed, ended)) = done {
        let class = if *ended == Outcome::Done { "done" } else { "not" };
        let _ = write!(text, "<p class=\"{class}\">{}</p>", html(outcome(deed, ended).of(lang)));
    }
    let Some(view) = acting.desk.incident(&pass.tenant, pass.incident) else {
        let gone = say(
            "这个故障已不在内存中,请登录控制台查看历史。",
            "This incident is not in memory any more; the console has its history.",
        );
        let _ = write!(text, "<h1>{}</h1><p>{gone}</p>", pass.incident);
        return text;
    };
    text += &about(&view, lang);
    let is_open = !matches!(view.state, IncidentState::Closed | IncidentState::Merged);
    if is_open {
        let _ = write!(text, "<form method=\"post\">");
        let mut deeds = vec![Deed::Snooze(30), Deed::Snooze(60), Deed::Snooze(240)];
        if view.acknowledged_at.is_none() {
            deeds.insert(0, Deed::Acknowledge);
        }
        if !view.candidates.is_empty() {
            deeds.push(Deed::NotTheCause);
        }
        let waiting = view.actions.iter().filter(|action| action.state.may_be_approved());
        deeds.extend(waiting.flat_map(|action| [Deed::Approve(action.id.clone()), Deed::Deny(action.id.clone())]));
        for deed in deeds {
            let (word, name) = (deed.word(), html(button(&deed).of(lang)));
            let _ = write!(text, "<button name=\"do\" value=\"{word}\">{name}</button>");
        }
        let _ = write!(text, "</form>");
        text += &resolving::form(acting, pass, &view, lang);
        text += &hand_over(acting, pass, say("转给", "Hand over to"));
    }
    if !acting.desk.base_url().is_empty() {
        let (base, console) = (html(acting.desk.base_url()), say("在控制台打开", "Open in the console"));
        let _ = write!(text, "<p><a href=\"{base}/incidents/{}\">{console}</a></p>", view.id);
    }
    let _ = write!(text, "<p class=\"who\">{} {} · {}</p>", say("以", "As"), html(&pass.actor), html(&pass.via));
    text
}

fn hand_over(acting: &Acting, pass: &Pass, label: &str) -> String {
    let people = acting.desk.people(&pass.tenant);
    if people.is_empty() {
        return String::new();
    }
    let mut text = String::from("<form method=\"post\"><select name=\"to\" required>");
    for (person, name) in people.iter().take(PEOPLE_MAX) {
        let _ = write!(text, "<option value=\"{}\">{}</option>", html(person.as_str()), html(name));
    }
    let _ = write!(text, "</select><button name=\"do\" value=\"assign\">{label}</button></form>");
    text
}

/// What is known, in few lines.
fn about(view: &IncidentView, lang: Lang) -> String {
    let say = |zh: &'static str, en: &'static str| if lang == Lang::Zh { zh } else { en };
    let severity = SeverityWord::from(view.severity).label(lang);
    let state = IncidentStateWord::from(view.state).label(lang);
    let priority = PriorityWord::from(view.priority).word();
    let since = local(ZONE_DEFAULT, view.opened_at).format("%Y-%m-%d %H:%M %:z");
    let mut text = format!(
        "<h1>{}</h1><p class=\"{}\">{priority} {severity} · {state}</p><ul>",
        html(&view.title),
        view.severity.as_str()
    );
    let mut line = |name: &str, value: String| {
        let _ = write!(text, "<li><b>{name}</b> {}</li>", html(&value));
    };
    if let Some(best) = view.candidates.first() {
        line(say("疑似根因", "Probable cause"), format!("{} ({}%)", best.ci.name, best.score / 10));
    }
    line(say("开始", "Since"), since.to_string());
    line(say("告警", "Alerts"), view.alert_count.to_string());
    if !view.services.is_empty() {
        line(
            say("受影响业务", "Services"),
            view.services.iter().take(5).map(AsRef::as_ref).collect::<Vec<_>>().join(say("、", ", ")),
        );
    }
    if let Some(by) = &view.acknowledged_by {
        line(say("已认领", "Acknowledged by"), by.to_string());
    }
    if let Some(assignee) = &view.assignee {
        line(say("负责人", "Assignee"), assignee.to_string());
    }
    let clock = |at| local(ZONE_DEFAULT, at).format("%m-%d %H:%M").to_string();
    for action in view.actions.iter() {
        line(say("自动处置", "Action"), care::action(action, &clock).of(lang).to_owned());
    }
    for late in view.levels.iter().filter_map(|level| care::level(level, &clock)) {
        line(say("时限", "Service level"), late.of(lang).to_owned());
    }
    text + "</ul>"
}

fn page(status: StatusCode, body: &str, lang: Lang) -> Response {
    let lang = if lang == Lang::Zh { "zh-CN" } else { "en" };
    let text = format!(
        "<!doctype html><html lang=\"{lang}\"><head><meta charset=\"utf-8\"><title>Headwater</title>\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><meta name=\"robots\" content=\"noindex\">\
         <link rel=\"stylesheet\" href=\"/a/style.css\"></head><body><main>{body}</main></body></html>"
    );
    (status, [(header::CONTENT_TYPE, "text/html; charset=utf-8"), (header::CACHE_CONTROL, "no-store")], text)
        .into_response()
}

/// Large buttons for a thumb.
const STYLE: &str = "\
:root { color-scheme: light dark; }
body { margin: 0; font: 17px/1.5 system-ui, \"PingFang SC\", \"Microsoft YaHei\", sans-serif; }
main { max-width: 34rem; margin: 0 auto; padding: 1rem; }
h1 { font-size: 1.25rem; line-height: 1.3; overflow-wrap: anywhere; }
ul { list-style: none; padding: 0; }
form { display: grid; gap: .6rem; margin: 1rem 0; }
label { display: grid; gap: .2rem; font-weight: 600; }
details { border: 1px solid #8a97a3; border-radius: .5rem; padding: 0 .9rem; }
summary { padding: .9rem 0; text-align: center; cursor: pointer; }
textarea { font: inherit; padding: .6rem; border-radius: .5rem; border: 1px solid #8a97a3; }
button, select { font: inherit; padding: .9rem; border-radius: .5rem; border: 1px solid #8a97a3; }
button:first-child { background: #0f62c4; border-color: #0f62c4; color: #fff; font-weight: 600; }
.critical { color: #c81e2c; font-weight: 600; } .major { color: #a84f00; font-weight: 600; }
.done { background: #14794d; color: #fff; padding: .8rem; border-radius: .5rem; }
.not { background: #7a5f00; color: #fff; padding: .8rem; border-radius: .5rem; }
.who { color: #5d6a75; font-size: .85rem; }
";
