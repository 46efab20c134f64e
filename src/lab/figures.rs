//! The figures of a comparison as lines, for everything that shows them: each in both languages, with its number.

use super::score::Scores;
use super::versus::Figures;
use crate::wording::lang::Text;

/// How a figure is read and written.
#[derive(Clone, Copy)]
enum Of {
    Count(fn(&Figures) -> u64),
    Number(fn(&Figures) -> f64),
    /// 0 to 1, and only where there is truth.
    Score(fn(&Scores) -> f64),
    /// The same, and only where roots are known.
    RootScore(fn(&Scores) -> f64),
}

const ALL: [(&str, &str, Of); 17] = [
    ("告警", "alerts", Of::Count(|x| x.alerts)),
    ("故障", "incidents", Of::Count(|x| x.incidents)),
    ("待观察告警", "held alerts", Of::Count(|x| x.held)),
    ("被静默的事件", "muted events", Of::Count(|x| x.muted)),
    ("根因变更次数", "root changes", Of::Count(|x| x.root_changes)),
    ("通知", "messages", Of::Count(|x| x.messages)),
    ("每周通知", "messages per week", Of::Number(|x| x.messages_per_week)),
    ("首次通知", "pages", Of::Count(|x| x.pages)),
    ("每周首次通知", "pages per week", Of::Number(|x| x.pages_per_week)),
    ("压缩率", "compression", Of::Number(|x| x.compression)),
    ("成对 F1", "pair F1", Of::Score(|s| s.pair_f1)),
    ("精确率", "precision", Of::Score(|s| s.precision)),
    ("召回率", "recall", Of::Score(|s| s.found)),
    ("F1", "F1", Of::Score(Scores::f1)),
    ("AC@1", "AC@1", Of::RootScore(|s| s.root_top1)),
    ("AC@3", "AC@3", Of::RootScore(|s| s.root_top3)),
    ("AC@5", "AC@5", Of::RootScore(|s| s.root_top5)),
];

/// One figure of both runs.
pub struct Line {
    pub name: Text,
    pub values: [String; 2],
    /// The shares themselves, of what is scored by the truth.
    pub scores: Option<[f64; 2]>,
}

/// All figures that both runs have.
pub fn lines(figures: &[Figures; 2]) -> Vec<Line> {
    let line = |(zh, en, kind): (&str, &str, Of)| {
        let scores = match kind {
            Of::Score(of) | Of::RootScore(of) => {
                let both = [figures[0].scores.as_ref()?, figures[1].scores.as_ref()?];
                let is_known = !matches!(kind, Of::RootScore(_)) || both[0].rooted > 0;
                is_known.then(|| both.map(of))
            }
            Of::Count(_) | Of::Number(_) => None,
        };
        let values = match kind {
            Of::Count(of) => [0, 1].map(|run| of(&figures[run]).to_string()),
            Of::Number(of) => [0, 1].map(|run| format!("{:.3}", of(&figures[run]))),
            Of::Score(_) | Of::RootScore(_) => scores?.map(|score| format!("{score:.3}")),
        };
        Some(Line { name: Text::new(zh, en), values, scores })
    };
    ALL.into_iter().filter_map(line).collect()
}
