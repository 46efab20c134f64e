//! A series as a picture: readings, band, anomalies and alarms, as SVG that any browser shows.

use std::fmt::Write as _;

use super::judged::Dot;
use super::synthetic::Labelled;
use crate::detect::score::LEAST;
use crate::domain::time::Timestamp;
use crate::wording::markup::html;

const WIDTH: f64 = 1200.0;
const HEIGHT: f64 = 320.0;
const SCORES: f64 = 60.0;
/// Readings of a picture; of more the last ones are shown.
const DOTS_MAX: usize = 4000;
/// Spreads of the band to each side.
const BAND: f64 = 3.0;

/// Draws a series.
pub fn svg(series: &Labelled, dots: &[Dot]) -> String {
    let from = dots.len().saturating_sub(DOTS_MAX);
    let dots = &dots[from..];
    let finite = |value: &f64| value.is_finite();
    let low = dots.iter().map(|dot| dot.value).filter(finite).fold(f64::MAX, f64::min);
    let high = dots.iter().map(|dot| dot.value).filter(finite).fold(f64::MIN, f64::max);
    let reach = (low, high);
    let margin = ((high - low) * 0.1).max(1e-9);
    let (low, high) = (low - margin, high + margin);
    let x = |n: usize| WIDTH * n as f64 / dots.len().max(2) as f64;
    let y = |value: f64| HEIGHT * (1.0 - ((value - low) / (high - low)).clamp(0.0, 1.0));
    let line = |of: &dyn Fn(&Dot) -> f64| {
        dots.iter().enumerate().map(|(n, dot)| format!("{:.1},{:.1}", x(n), y(of(dot)))).collect::<Vec<_>>()
    };
    let total = HEIGHT + SCORES + 40.0;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {total}\" font-family=\"sans-serif\" font-size=\"13\">\n\
         <rect width=\"{WIDTH}\" height=\"{total}\" fill=\"#fff\"/>\n"
    );
    for (first, last) in series.anomalies.iter().filter(|(_, last)| *last >= from) {
        let (left, right) = (x(first.saturating_sub(from)), x(last - from + 1));
        let _ = writeln!(
            out,
            "<rect x=\"{left:.1}\" y=\"0\" width=\"{:.1}\" height=\"{HEIGHT}\" fill=\"#fde2c8\"/>",
            (right - left).max(1.0)
        );
    }
    let upper = line(&|dot| dot.expected + BAND * dot.spread);
    let lower = line(&|dot| dot.expected - BAND * dot.spread);
    let band: Vec<String> = upper.into_iter().chain(lower.into_iter().rev()).collect();
    let _ = writeln!(out, "<polygon points=\"{}\" fill=\"#dbe7f5\"/>", band.join(" "));
    let _ = writeln!(
        out,
        "<polyline points=\"{}\" fill=\"none\" stroke=\"#1f4e8c\" stroke-width=\"1\"/>",
        line(&|dot| dot.value).join(" ")
    );
    let scores: Vec<String> =
        dots.iter().enumerate().map(|(n, dot)| format!("{:.1},{:.1}", x(n), below(dot.score))).collect();
    let _ =
        writeln!(out, "<polyline points=\"{}\" fill=\"none\" stroke=\"#888\" stroke-width=\"1\"/>", scores.join(" "));
    for (n, dot) in dots.iter().enumerate().filter(|(_, dot)| dot.tells) {
        let (x, y) = (x(n), y(dot.value));
        let _ = writeln!(out, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4\" fill=\"#c0392b\"/>");
    }
    for (value, place) in [(reach.0, y(reach.0)), (reach.1, y(reach.1))] {
        let _ = writeln!(out, "<text x=\"6\" y=\"{place:.1}\" fill=\"#555\">{value:.4}</text>");
    }
    scales(&mut out, &series.readings[from..]);
    let name = html(&series.name);
    let _ = writeln!(
        out,
        "<text x=\"6\" y=\"16\">{name}: 读数、基线带、标注（橙）、告警（红）、异常分（灰，虚线以上可告警） / readings, band, labels (orange), alarms (red), score (grey; worth telling above the dashes)</text>\n</svg>"
    );
    out
}

/// Where a score stands, below the readings.
fn below(score: u16) -> f64 {
    HEIGHT + 20.0 + SCORES * (1.0 - f64::from(score) / 1000.0)
}

/// From which score on something is worth telling, and from when to when the picture is.
fn scales(out: &mut String, readings: &[(Timestamp, f64)]) {
    let bar = below(LEAST);
    let _ = writeln!(
        out,
        "<line x1=\"0\" x2=\"{WIDTH}\" y1=\"{bar:.1}\" y2=\"{bar:.1}\" stroke=\"#aaa\" stroke-dasharray=\"4 4\"/>\n\
         <text x=\"6\" y=\"{:.1}\" fill=\"#555\">{LEAST}</text>",
        bar - 3.0
    );
    let ends = [(readings.first(), 6.0, "start"), (readings.last(), WIDTH - 6.0, "end")];
    for (at, x, anchor) in ends.into_iter().filter_map(|(reading, x, anchor)| Some((reading?.0, x, anchor))) {
        let y = HEIGHT + SCORES + 36.0;
        let _ = writeln!(out, "<text x=\"{x}\" y=\"{y}\" fill=\"#555\" text-anchor=\"{anchor}\">{at}</text>");
    }
}
