//! The comparison as one page of HTML: words in both languages, charts as inline SVG, nothing from elsewhere.

use std::fmt::Write as _;

use super::figures::{Line, lines};
use super::versus::{Changed, Report, Shown};
use crate::wording::lang::Text;
use crate::wording::markup::html as html_text;

const STYLE: &str = "body{font:14px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:72rem;padding:0 1rem;color:#1b2430;background:#fff}\
h1{font-size:1.4rem}h2{font-size:1.1rem;margin:2rem 0 .5rem}table{border-collapse:collapse;width:100%}\
th,td{text-align:left;padding:.25rem .6rem;border-bottom:1px solid #dde3ea;vertical-align:top}td.n,th.n{text-align:right;\
font-variant-numeric:tabular-nums}.a{color:#8a5a00}.b{color:#00598a}svg{width:100%;height:9rem;background:#f6f8fa}\
.dim{color:#667}code{font-size:.85em}@media(prefers-color-scheme:dark){body{background:#12171d;color:#dde3ea}\
th,td{border-color:#2b3642}svg{background:#1a222b}.a{color:#e0a93f}.b{color:#5ab4e6}.dim{color:#93a1b0}}";

/// The page.
pub fn page(report: &Report) -> String {
    let mut html = String::new();
    let title = "Headwater 回测对比 · back-test comparison";
    // Writing to a string does not fail.
    let _ = write!(
        html,
        "<!doctype html><html lang=\"zh\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>{title}</title><style>{STYLE}</style></head><body><h1>{title}</h1>"
    );
    for (mark, run) in [("a", &report.runs[0]), ("b", &report.runs[1])] {
        let (name, rules, model) = (html_text(&run.name), html_text(&run.rules), html_text(&run.model));
        let _ = write!(html, "<p><b class=\"{mark}\">{mark}</b> {name} · 规则 rules {rules} · 模型 model {model}</p>");
    }
    let (from, to, events) = (&report.from, &report.to, report.events);
    let _ = write!(html, "<p class=\"dim\">{events} 个事件 events · {from} – {to}</p>");
    figures(&mut html, report);
    let names = [("每段时间产生的故障", "incidents opened over time"), ("每段时间的通知", "messages over time")];
    for ((zh, en), counts) in names.into_iter().zip([&report.course.incidents, &report.course.messages]) {
        let _ = write!(html, "<h2>{zh} · {en}</h2>{}", chart(counts, report.course.step_secs));
    }
    let changed = report.changed.iter().map(changed_row).collect::<String>();
    section(&mut html, "变化的故障", "changed incidents", report.incidents[0], &changed);
    for (zh, en, count, list) in [
        ("只在 a 中的故障", "only in a", report.incidents[1], &report.gone),
        ("只在 b 中的故障", "only in b", report.incidents[2], &report.fresh),
    ] {
        section(
            &mut html,
            zh,
            en,
            count,
            &list.iter().map(|shown| format!("<tr>{}</tr>", row(shown))).collect::<String>(),
        );
    }
    if report.not_listed > 0 {
        let _ = write!(html, "<p class=\"dim\">另有 {0} 项未列出 · {0} more are not listed</p>", report.not_listed);
    }
    muted(&mut html, report);
    html.push_str("</body></html>\n");
    html
}

fn figures(html: &mut String, report: &Report) {
    html.push_str("<h2>数字 · figures</h2><table><tr><th></th><th class=\"n a\">a</th><th class=\"n b\">b</th></tr>");
    let lines = lines(&report.figures);
    for line in &lines {
        let ([a, b], Text { zh, en }) = (&line.values, &line.name);
        let name = if zh == en { zh.clone() } else { format!("{zh} · {en}") };
        let _ = write!(html, "<tr><td>{name}</td><td class=\"n\">{a}</td><td class=\"n\">{b}</td></tr>");
    }
    html.push_str("</table>");
    if let Some(Text { zh, en }) = report.told_truth() {
        let _ = write!(html, "<p class=\"dim\">{} · {}</p>", html_text(&zh), html_text(&en));
        html.push_str(&score_bars(&lines));
    }
    let agreement = &report.agreement;
    let _ = write!(
        html,
        "<p>ARI {:.3} · AMI {:.3} · 相同的故障 same incidents {} · 仅根因不同 only the root differs {}</p>",
        agreement.ari, agreement.ami, agreement.same, agreement.other_root
    );
    html.push_str("<table><tr><th>接收者 · receiver</th><th class=\"n a\">a</th><th class=\"n b\">b</th></tr>");
    for (receiver, [a, b]) in &report.messages {
        let _ =
            write!(html, "<tr><td>{}</td><td class=\"n\">{a}</td><td class=\"n\">{b}</td></tr>", html_text(receiver));
    }
    html.push_str("</table>");
}

/// What the truth says of both runs, as bars beside each other.
fn score_bars(lines: &[Line]) -> String {
    let scored: Vec<(&Line, [f64; 2])> = lines.iter().filter_map(|line| Some((line, line.scores?))).collect();
    let mut svg = format!(
        "<h2>与真值相比 · against the truth</h2><svg viewBox=\"0 0 960 {}\" role=\"img\" style=\"height:auto\">",
        scored.len() * 36 + 8
    );
    for (at, (line, scores)) in scored.iter().enumerate() {
        let top = at * 36 + 6;
        let Text { zh, en } = &line.name;
        let name = if zh == en { zh.clone() } else { format!("{zh} {en}") };
        let _ = write!(svg, "<text x=\"8\" y=\"{}\" fill=\"currentColor\" font-size=\"13\">{name}</text>", top + 19);
        for (side, (class, score)) in ["a", "b"].into_iter().zip(scores).enumerate() {
            let (y, wide) = (top + side * 15, score.clamp(0.0, 1.0) * 720.0);
            let _ = write!(
                svg,
                "<rect class=\"{class}\" fill=\"currentColor\" x=\"150\" y=\"{y}\" width=\"{wide:.1}\" height=\"13\"/>\
                 <text class=\"{class}\" x=\"{:.1}\" y=\"{}\" fill=\"currentColor\" font-size=\"11\">{score:.3}</text>",
                wide + 156.0,
                y + 11
            );
        }
    }
    svg.push_str("</svg>");
    svg
}

/// Two rows of bars, the first run's upwards and the second's downwards.
fn chart(counts: &[Vec<u64>; 2], step_secs: i64) -> String {
    let most = counts.iter().flatten().copied().max().unwrap_or(0).max(1);
    let bars = counts[0].len().max(1);
    let width = 960.0 / bars as f64;
    let mut svg = format!(
        "<svg viewBox=\"0 0 960 140\" preserveAspectRatio=\"none\" role=\"img\"><title>max {most} / {step_secs} s</title>"
    );
    for (side, (class, counts)) in ["a", "b"].into_iter().zip(counts).enumerate() {
        for (at, count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
            let height = *count as f64 / most as f64 * 66.0;
            let y = if side == 0 { 69.0 - height } else { 71.0 };
            let x = at as f64 * width;
            let wide = (width - 1.0).max(0.5);
            let _ = write!(
                svg,
                "<rect class=\"{class}\" fill=\"currentColor\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{wide:.1}\" height=\"{height:.1}\"><title>{count}</title></rect>"
            );
        }
    }
    svg.push_str("<line x1=\"0\" x2=\"960\" y1=\"70\" y2=\"70\" stroke=\"currentColor\" stroke-width=\".5\"/></svg>");
    svg
}

fn section(html: &mut String, zh: &str, en: &str, count: usize, rows: &str) {
    let _ = write!(html, "<h2>{zh} · {en} ({count})</h2>");
    if count > 0 {
        let _ = write!(
            html,
            "<table><tr><th>编号 · id</th><th>标题 · title</th><th>级别 · severity</th><th>根因 · root</th>\
             <th class=\"n\">事件 · events</th><th>产生于 · opened</th><th>为什么 · why</th></tr>{rows}</table>"
        );
    }
}

fn changed_row(changed: &Changed) -> String {
    let (before, after) = (row(&changed.before), row(&changed.after));
    let (added, lost) = (changed.events_added, changed.events_lost);
    format!(
        "<tr class=\"a\">{before}</tr><tr class=\"b\">{after}</tr><tr><td colspan=\"7\" class=\"dim\">+{added} −{lost}</td></tr>"
    )
}

fn row(shown: &Shown) -> String {
    let why = shown.why.as_deref().map(link).unwrap_or_default();
    let root = shown.root.as_deref().map(html_text).unwrap_or_default();
    format!(
        "<td>{}</td><td>{}</td><td>{}</td><td>{root}</td><td class=\"n\">{}</td><td>{}</td><td>{why}</td>",
        html_text(&shown.id),
        html_text(&shown.title),
        shown.severity.as_str(),
        shown.events,
        shown.opened_at
    )
}

/// An address becomes a link, anything else is shown as it is.
fn link(why: &str) -> String {
    let text = html_text(why);
    let is_address = why.starts_with("http://") || why.starts_with("https://") || why.starts_with('/');
    if is_address { format!("<a href=\"{text}\">why</a>") } else { format!("<code>{text}</code>") }
}

fn muted(html: &mut String, report: &Report) {
    let events = report.muted_once_events;
    let _ = write!(html, "<h2>只有一方静默的事件 · events muted by only one ({events})</h2><table>");
    for one in &report.muted_once {
        let by = crate::wording::verdicts::muted(&one.by);
        let mark = ["a", "b"][one.by_run.min(1)];
        let (event, zh, en) = (html_text(&one.event), html_text(&by.zh), html_text(&by.en));
        let _ = write!(
            html,
            "<tr><td class=\"{mark}\">{mark}</td><td>{event}</td><td>{zh} · {en}</td><td>{}</td></tr>",
            link(&one.why)
        );
    }
    html.push_str("</table>");
}
