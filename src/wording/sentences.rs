//! Evidence in words: every term and its number becomes a sentence in Chinese and in English.

use super::lang::Text;
use super::learned;
use super::words::SeverityWord;
use crate::domain::incident::{Candidate, Evidence, EvidenceTerm, IncidentView};

/// A delay whose likelihood is below this does not fit the relation, in milli-nats.
const DELAY_UNUSUAL: i32 = -3_000;

/// One term of a score as a sentence. `ci` is the candidate's name.
pub fn evidence(evidence: &Evidence, ci: &str) -> Text {
    let (n, of, about) = (evidence.n, evidence.of, evidence.about.as_ref());
    match evidence.term {
        // In a correlation the same terms weigh one alert against another and have no count.
        EvidenceTerm::Coverage if of == 0 => {
            Text::new("该类型告警通常作为结果出现的程度", "how far alerts of its type usually are effects")
        }
        EvidenceTerm::Coverage => Text::new(
            format!("本故障的 {of} 条告警中，有 {n} 条位于 {ci} 的下游（{}）", percent(n, of)),
            format!("{n} of {of} alerts of the incident lie downstream of {ci} ({})", percent(n, of)),
        ),
        EvidenceTerm::TimeOrder if n == 0 => {
            Text::new("没有可比较的时间先后（相差 0 秒）", "no lead in time over the others (0 s)")
        }
        EvidenceTerm::TimeOrder if n > 0 => Text::new(
            format!("{ci} 最先发生，比其他对象早 {}", span_zh(n)),
            format!("{ci} began {} before any other", span_en(n)),
        ),
        EvidenceTerm::TimeOrder => Text::new(
            format!("{ci} 比最先发生的对象晚 {}", span_zh(-n)),
            format!("{ci} began {} after the first one", span_en(-n)),
        ),
        EvidenceTerm::Path if n == 0 && evidence.points <= 0 => Text::new("位于同一对象", "on the same CI or object"),
        EvidenceTerm::Path if n == 0 => Text::new(
            format!("其余告警逐级追溯，最终都指向 {ci}"),
            format!("every other alert was traced back to {ci}"),
        ),
        EvidenceTerm::Path => Text::new(
            format!("沿依赖关系 {n} 跳可达{}", about_zh(about)),
            format!("{n} {} along the dependencies{}", plural(n, "hop", "hops"), about_en(" to ", about)),
        ),
        EvidenceTerm::Explained => Text::new(
            format!("{ci} 自身的告警可由本故障中的其他告警解释"),
            format!("{ci}'s own alert is explained by another one of the incident"),
        ),
        EvidenceTerm::DelayFit if evidence.points < DELAY_UNUSUAL => Text::new(
            format!("告警延迟 {} 对该关系而言不常见", span_zh(n)),
            format!("a delay of {} is unusual for the relation", span_en(n)),
        ),
        EvidenceTerm::DelayFit => Text::new(
            format!("告警延迟 {} 符合该关系的传播时间窗", span_zh(n)),
            format!("the delay of {} fits the relation's window", span_en(n)),
        ),
        EvidenceTerm::ClassPrior if of > 0 => Text::new(
            format!("与 {ci} 同类的对象{}作为根因的先验为 {}", about_zh(about), percent(n, of)),
            format!("things like {ci}{} are taken for a cause at {} beforehand", about_en(" ", about), percent(n, of)),
        ),
        EvidenceTerm::ClassPrior => Text::new(
            format!("与 {ci} 同类的对象{}常为根因", about_zh(about)),
            format!("things like {ci}{} often are the cause", about_en(" ", about)),
        ),
        EvidenceTerm::OwnAlert if of == 0 => {
            Text::new("对方告警的类型通常作为原因的程度", "how far alerts of the other's type usually are causes")
        }
        EvidenceTerm::OwnAlert => {
            let (zh, en) = severity_of(n);
            Text::new(format!("{ci} 自身有{zh}级告警"), format!("{ci} raised an alert of its own: {en}"))
        }
        EvidenceTerm::Silent => Text::new(
            format!("{ci} 自身没有告警，由其下游告警推断"),
            format!("{ci} has no alert of its own; inferred from what lies downstream"),
        ),
        EvidenceTerm::MissingSymptoms => Text::new(
            format!("应出现症状的 {of} 个受监控邻居中，有 {n} 个保持安静"),
            format!("{n} of {of} monitored neighbours that should show symptoms are quiet"),
        ),
        EvidenceTerm::RecentChange => Text::new(
            format!("故障前 {} 有变更{}", span_zh(n), about_zh(about)),
            format!("a change{} {} before", about_en(" ", about), span_en(n)),
        ),
        EvidenceTerm::DeclaredSymptom => Text::new(
            "来源声明该告警由下层资源不可用引起，属于症状",
            "the source itself declares the alert a symptom of an underlying resource",
        ),
        EvidenceTerm::Similarity => Text::new(
            format!("文本或标签相似度 {}", per_mille(n)),
            format!("text or labels are {} alike", per_mille(n)),
        ),
        EvidenceTerm::Redundancy => Text::new(
            format!("冗余组{}中 {of} 路仍有 {n} 路正常", about_zh(about)),
            format!("redundancy{}: {n} of {of} feeders are still well", about_en(" ", about)),
        ),
        EvidenceTerm::MissingRelation if n == 1 => Text::new(
            format!("CMDB 缺少这类对象通常具有的关系，从同处的同类对象看只可能是 {ci}"),
            format!(
                "the CMDB lacks a relation that such things usually have; by its like in the same place it can only be {ci}"
            ),
        ),
        EvidenceTerm::MissingRelation => Text::new(
            format!("CMDB 缺少这类对象通常具有的关系，原因是 {n} 个可能的对象之一，{ci} 是其中之一"),
            format!(
                "the CMDB lacks a relation that such things usually have; the cause is one of {n}, and {ci} is one of them"
            ),
        ),
        EvidenceTerm::Noise if of == 0 => {
            Text::new("与该类型告警的背景频率相比", "against how often alerts of its type come alone")
        }
        EvidenceTerm::Noise => Text::new(
            format!("已知背景噪声：{of} 次中有 {n} 次为孤立告警"),
            format!("known background noise: {n} of {of} episodes were lone alerts"),
        ),
        EvidenceTerm::Rule => {
            Text::new(format!("规则{}判定", about_zh(about)), format!("a rule{} said so", about_en(" ", about)))
        }
        EvidenceTerm::Person => {
            Text::new(format!("人工判定{}", about_zh(about)), format!("a person said so{}", about_en(": ", about)))
        }
        EvidenceTerm::Learned => learned::sentence(about, n),
        EvidenceTerm::Anomaly => {
            Text::new(format!("异常度 {}", per_mille(n)), format!("anomaly score {}", per_mille(n)))
        }
    }
}

/// Why this candidate is believed to be the root cause: its strongest terms, in one sentence.
pub fn reason(candidate: &Candidate) -> Text {
    if candidate.ci.is_outside() {
        return Text::new(
            "根因不在您可见的组织范围内",
            "the root cause lies outside of the organisations that you see",
        );
    }
    // Covering nearly all alerts convinces people, even where it does not tell this candidate from the next.
    let covers = |e: &Evidence| e.term == EvidenceTerm::Coverage && e.n * 5 >= e.of * 4;
    let mut strongest: Vec<&Evidence> = candidate.evidence.iter().filter(|e| e.points > 0 || covers(e)).collect();
    strongest.sort_by_key(|e| (!covers(e), std::cmp::Reverse(e.points)));
    let terms: Vec<Text> = strongest.iter().take(3).map(|e| evidence(e, &candidate.ci.name)).collect();
    if terms.is_empty() {
        return Text::new("没有更强的证据，仅为当前最可能的对象", "no strong evidence; the most likely CI so far");
    }
    let join = |pick: fn(&Text) -> &str, by: &str| terms.iter().map(pick).collect::<Vec<_>>().join(by);
    Text::new(join(|t| &t.zh, "；"), join(|t| &t.en, "; "))
}

/// The title of an incident whose root cause the reader may not see.
pub fn outside_title() -> Text {
    Text::new("受组织外对象影响的故障", "incident caused outside of your organisations")
}

/// The incident in one sentence: what failed, how far it reaches.
pub fn headline(incident: &IncidentView) -> Text {
    let (alerts, cis, services) = (incident.alert_count, incident.ci_count, incident.services.len());
    let reach_zh = match services {
        0 => format!("影响 {cis} 个配置项、{alerts} 条告警"),
        n => format!("影响 {cis} 个配置项、{alerts} 条告警、{n} 项业务"),
    };
    let served = i64::try_from(services).unwrap_or(i64::MAX);
    let mut reach_en =
        format!("{alerts} {} on {cis} {}", plural(alerts.into(), "alert", "alerts"), plural(cis.into(), "CI", "CIs"));
    if services > 0 {
        reach_en += &format!(", {services} {} affected", plural(served, "service", "services"));
    }
    let (mut reach_zh, risked) = (reach_zh, incident.at_risk.len());
    if risked > 0 {
        reach_zh += &format!("；{risked} 项业务有风险（冗余尚在）");
        reach_en += &format!(", {risked} at risk (held by redundancy)");
    }
    if incident.unseen_count > 0 {
        reach_zh += &format!("；{} 个对象失去监测，状态未知", incident.unseen_count);
        reach_en += &format!(", {} not watched (state unknown)", incident.unseen_count);
    }
    match incident.candidates.first() {
        Some(root) if root.ci.is_outside() => Text::new(
            format!("根因不在您可见的组织范围内；{reach_zh}"),
            format!("Root cause outside of your organisations; {reach_en}"),
        ),
        Some(root) => {
            let (sure_zh, sure_en) = match (incident.root_confirmed, root.inferred) {
                (false, _) if root.possible => ("可能原因（安全事件）", "Possible cause (a security event)"),
                (true, _) => ("根因已确认", "Root cause confirmed"),
                (false, true) => ("推断根因（自身无告警）", "Inferred root cause (silent)"),
                (false, false) => ("疑似根因", "Probable root cause"),
            };
            Text::new(
                format!("{sure_zh}：{}；{reach_zh}", root.ci.name),
                format!("{sure_en}: {}; {reach_en}", root.ci.name),
            )
        }
        None => Text::new(format!("根因未知；{reach_zh}"), format!("Root cause unknown; {reach_en}")),
    }
}

fn severity_of(rank: i64) -> (&'static str, &'static str) {
    let word =
        usize::try_from(rank).ok().and_then(|i| SeverityWord::ALL.get(i)).unwrap_or(&SeverityWord::Indeterminate);
    (word.label(super::lang::Lang::Zh), word.word())
}

fn percent(n: i64, of: i64) -> String {
    if of <= 0 { "–".into() } else { format!("{}%", (n * 100 + of / 2) / of) }
}

fn per_mille(n: i64) -> String {
    format!("{}.{}%", n / 10, (n % 10).abs())
}

fn about_zh(about: &str) -> String {
    if about.is_empty() { String::new() } else { format!("（{about}）") }
}

fn about_en(before: &str, about: &str) -> String {
    if about.is_empty() { String::new() } else { format!("{before}{about}") }
}

const fn plural(n: i64, one: &'static str, many: &'static str) -> &'static str {
    if n == 1 { one } else { many }
}

/// Milliseconds in Chinese, at most two units.
pub fn span_zh(ms: i64) -> String {
    span(ms, [" 毫秒", " 秒", " 分", " 小时", " 天"])
}

/// Milliseconds in English, at most two units.
pub fn span_en(ms: i64) -> String {
    span(ms, [" ms", " s", " min", " h", " d"])
}

fn span(ms: i64, units: [&str; 5]) -> String {
    let ms = ms.max(0);
    let secs = ms / 1000;
    let two = |big: i64, big_unit: &str, small: i64, small_unit: &str| {
        if small == 0 { format!("{big}{big_unit}") } else { format!("{big}{big_unit} {small}{small_unit}") }
    };
    match secs {
        0 => format!("{ms}{}", units[0]),
        1..10 if ms % 1000 != 0 => format!("{}.{}{}", secs, ms % 1000 / 100, units[1]),
        1..60 => format!("{secs}{}", units[1]),
        60..3_600 => two(secs / 60, units[2], secs % 60, units[1]),
        3_600..86_400 => two(secs / 3_600, units[3], secs % 3_600 / 60, units[2]),
        _ => two(secs / 86_400, units[4], secs % 86_400 / 3_600, units[3]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every term; the match makes the compiler name a missing one.
    const fn every(term: EvidenceTerm) -> Option<EvidenceTerm> {
        use EvidenceTerm as T;
        match term {
            T::Coverage => Some(T::TimeOrder),
            T::TimeOrder => Some(T::Path),
            T::Path => Some(T::Explained),
            T::Explained => Some(T::DelayFit),
            T::DelayFit => Some(T::ClassPrior),
            T::ClassPrior => Some(T::OwnAlert),
            T::OwnAlert => Some(T::Silent),
            T::Silent => Some(T::MissingSymptoms),
            T::MissingSymptoms => Some(T::RecentChange),
            T::RecentChange => Some(T::DeclaredSymptom),
            T::DeclaredSymptom => Some(T::Similarity),
            T::Similarity => Some(T::Redundancy),
            T::Redundancy => Some(T::MissingRelation),
            T::MissingRelation => Some(T::Noise),
            T::Noise => Some(T::Rule),
            T::Rule => Some(T::Person),
            T::Person => Some(T::Anomaly),
            T::Anomaly => Some(T::Learned),
            T::Learned => None,
        }
    }

    #[test]
    fn every_term_has_a_sentence_in_both_languages() {
        let mut term = Some(EvidenceTerm::Coverage);
        let mut seen = std::collections::BTreeSet::new();
        while let Some(this) = term {
            let text = evidence(&Evidence { term: this, points: 10, n: 3, of: 4, about: "x".into() }, "core-1");
            assert!(!text.zh.is_ascii(), "{this:?} in Chinese: {}", text.zh);
            assert!(text.en.is_ascii(), "{this:?} in English: {}", text.en);
            assert!(seen.insert((text.zh, text.en)), "{this:?} says the same as another term");
            term = every(this);
        }
        assert_eq!(seen.len(), 19);
    }

    #[test]
    fn numbers_read_well() {
        let text = |term, n, of| evidence(&Evidence { term, points: 1, n, of, about: "".into() }, "core-1").en;
        assert_eq!(text(EvidenceTerm::Coverage, 2, 3), "2 of 3 alerts of the incident lie downstream of core-1 (67%)");
        assert_eq!(text(EvidenceTerm::TimeOrder, -1500, 0), "core-1 began 1.5 s after the first one");
        assert_eq!(text(EvidenceTerm::Path, 1, 0), "1 hop along the dependencies");
        assert_eq!(text(EvidenceTerm::RecentChange, 3_725_000, 0), "a change 1 h 2 min before");
    }
}
