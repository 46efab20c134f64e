//! Why something did not happen, in words, and what would have changed it.

use super::care::inaction;
use super::lang::{Lang, Text};
use super::sentences::{self, span_en, span_zh};
use super::titles::own_titled;
use super::verdicts::{muted, unmet};
use super::words::TermWord;

use crate::domain::incident::Evidence;
use crate::domain::time::Timestamp;
use crate::engine::alert::Bond;
use crate::engine::explain::{Altered, Held, Node, Reason, Unlinked, Unranked, Untold, WhatIf};

/// One reason as a sentence.
pub fn reason(reason: &Reason) -> Text {
    match reason {
        Reason::IsSo => Text::new("事实如此，问题不成立", "it is so: there is nothing to explain"),
        Reason::AlertGone(alert) => Text::new(
            format!("此刻引擎中没有告警 {alert}（已结束并移出内存，或尚未出现）"),
            format!("the engine does not hold alert {alert} at this moment: it is over and gone, or not there yet"),
        ),
        Reason::IncidentGone(incident) => Text::new(
            format!("此刻引擎中没有故障 {incident}（已合并、已移出内存，或尚未产生）"),
            format!(
                "the engine does not hold incident {incident} at this moment: merged, over and gone, or not there yet"
            ),
        ),
        Reason::UnknownCi(ci) => Text::new(format!("CMDB 中没有配置项 {ci}"), format!("the CMDB knows no CI {ci}")),
        Reason::Muted(by) => muted(by),
        Reason::Chronic => Text::new(
            "该告警反复抖动且没有后果，按慢性噪声处理，不参与故障",
            "it flaps again and again without effects: taken for chronic noise, which takes part in no incident",
        ),
        Reason::Bound(Some(rule)) => Text::new(
            format!("规则 {rule} 已把它绑定在现在的位置，证据不再改变它"),
            format!("rule {rule} binds it where it is; evidence does not move it any more"),
        ),
        Reason::Bound(None) => Text::new(
            "有人把它放在了现在的位置，证据不再改变它",
            "a person put it where it is; evidence does not move it any more",
        ),
        Reason::NotYet => Text::new(
            "按当前数据已经足够，引擎下次复核时会生效",
            "as of this moment it would be: the engine's next look at it decides",
        ),
        Reason::Ended => Text::new("告警已经恢复", "the alert is over"),
        Reason::InIncident(incident) => {
            Text::new(format!("告警属于故障 {incident}"), format!("the alert is part of incident {incident}"))
        }
        Reason::Explained { by, bond } => {
            let how = self::bond(*bond);
            Text::new(
                format!("它归入该故障，是因为 {}：{}", node_zh(by), how.zh),
                format!("it is in there because of {}: {}", node_en(by), how.en),
            )
        }
        Reason::Top => Text::new(
            "没有其他告警能解释它：它位于顶端，故障由它而起",
            "no other alert explains it: it stands at the top, the incident began with it",
        ),
        Reason::Link(why) => link(why),
        Reason::Root(why) => root(why),
        Reason::Held(why) => held(why),
        Reason::Told(why) => told(why),
        Reason::Action { rule, why } => {
            let why = inaction(why, &at);
            Text::new(format!("处置规则 {rule}：{}", why.zh), format!("action rule {rule}: {}", why.en))
        }
    }
}

fn link(why: &Unlinked) -> Text {
    match why {
        Unlinked::TooWeak { short } => Text::new(
            format!("最好的解释仍比所需少 {} 分：更像独立发生", score(*short)),
            format!(
                "the best explanation is {} short of what is needed: likelier that it came by itself",
                score(*short)
            ),
        ),
        Unlinked::Better { than, by } => Text::new(
            format!("另一解释更好：{}，高 {} 分", node_zh(than), score(*by)),
            format!("another explanation is better by {}: {}", score(*by), node_en(than)),
        ),
        Unlinked::NoPath { hops_max } => Text::new(
            format!("CMDB 中 {hops_max} 跳之内没有从对方配置项到它的传播路径"),
            format!("the CMDB has no path of fault from the other CIs to it within {hops_max} hops"),
        ),
        Unlinked::NoCi => Text::new(
            "至少一方的对象不在 CMDB 中，无法沿拓扑解释，只能靠规则",
            "one of the two objects is not in the CMDB: only a rule could join them",
        ),
        Unlinked::Early { by } => Text::new(
            format!("它比可能的原因早 {}，超出时钟误差", span_zh(by.0)),
            format!("it began {} before the possible cause, more than clocks are apart", span_en(by.0)),
        ),
        Unlinked::Late { delay, most } => Text::new(
            format!("它晚了 {}，超过最长 {} 的关联窗口", span_zh(delay.0), span_zh(most.0)),
            format!("it began {} later; at most {} are looked back", span_en(delay.0), span_en(most.0)),
        ),
        Unlinked::DelayUnfit { delay, typical } => Text::new(
            format!("延迟 {} 与该关系通常的 {} 相差过大", span_zh(delay.0), span_zh(typical.0)),
            format!(
                "a delay of {} is too far from the {} that the relation usually takes",
                span_en(delay.0),
                span_en(typical.0)
            ),
        ),
        Unlinked::CauseTakesNoPart => Text::new(
            "对方的告警被静默或属于慢性噪声，不能作为原因",
            "the other alert is muted or chronic noise: it can be no cause",
        ),
        Unlinked::NotAmongNewest { kept } => Text::new(
            format!("对方配置项上之后又有更多告警，只比较最新的 {kept} 条"),
            format!("the other CI had newer alerts since; only the newest {kept} are compared"),
        ),
        Unlinked::Below => Text::new("对方的告警本就挂在它的下面", "the other alert hangs below it already"),
    }
}

fn root(why: &Unranked) -> Text {
    match why {
        Unranked::Outranked { rank, by, difference } => Text::new(
            format!("它排第 {rank}；{by} 高 {} 分", score(*difference)),
            format!("it ranks {rank}; {by} is {} ahead", score(*difference)),
        ),
        Unranked::NotWeighed { weighed } => Text::new(
            format!("它在故障中有告警，但只有解释最多告警的 {weighed} 个配置项进入排名"),
            format!("it has an alert in the incident, but only the {weighed} CIs that explain most are ranked"),
        ),
        Unranked::AlertElsewhere { alert, incident: Some(incident) } => Text::new(
            format!("它的告警 {alert} 属于故障 {incident}"),
            format!("its alert {alert} is part of incident {incident}"),
        ),
        Unranked::AlertElsewhere { alert, incident: None } => {
            Text::new(format!("它的告警 {alert} 不属于任何故障"), format!("its alert {alert} is part of no incident"))
        }
        Unranked::NotUpstream => Text::new(
            "按 CMDB，故障中没有一条告警位于它的下游",
            "by the CMDB none of the incident's alerts lies downstream of it",
        ),
        Unranked::TooFew { downstream, of } => Text::new(
            format!("它自身没有告警；{of} 条告警中只有 {downstream} 条在其下游，指认它的孤立告警不足两条分支"),
            format!(
                "it has no alert of its own; {downstream} of {of} alerts lie downstream, \
                 and lone alerts of fewer than two branches accuse it"
            ),
        ),
        Unranked::TooWeak { downstream, of, short } => Text::new(
            format!("它自身没有告警；{of} 条告警中 {downstream} 条在其下游，作为静默根因还差 {} 分", score(*short)),
            format!(
                "it has no alert of its own; {downstream} of {of} alerts lie downstream, {} short of a silent root",
                score(*short)
            ),
        ),
        Unranked::NotShown { expected, shown } => Text::new(
            format!("若它出故障，约 {} 个直接下游应有告警，实际只有 {} 个", tenths(*expected), tenths(*shown)),
            format!(
                "had it failed, about {} direct dependents would show it; {} do",
                tenths(*expected),
                tenths(*shown)
            ),
        ),
        Unranked::Rejected => Text::new("有人判定它不是根因", "a person said that it is not the root cause"),
    }
}

fn held(why: &Held) -> Text {
    match why {
        Held::Alone { until: Some(until) } => Text::new(
            format!("孤立告警：没有其他告警与它相关，持续到 {} 才单独成为故障", at(*until)),
            format!(
                "alone: nothing else hangs together with it; it becomes an incident when it lasts until {}",
                at(*until)
            ),
        ),
        Held::Alone { until: None } => {
            Text::new("孤立告警：规则要求有其他证据才成为故障", "alone: by the rules it waits for other evidence")
        }
        Held::FewCis { cis, needed } => Text::new(
            format!("只有次要级别的告警，涉及 {cis} 个配置项，达到 {needed} 个才成为故障"),
            format!("only minor alerts, on {cis} CIs; an incident needs {needed}"),
        ),
        Held::Doubtful { short } => Text::new(
            format!("模型认为同组告警更像背景噪声或其他故障的一部分，差 {} 分", score(*short)),
            format!("the model takes its group for noise or for a part of something else; {} short", score(*short)),
        ),
        Held::OnlyNoise => Text::new(
            "同组告警全是已知的背景噪声，持续一段时间才会告知",
            "all of its group are known background noise; only what lasts is told",
        ),
    }
}

fn told(why: &Untold) -> Text {
    match why {
        Untold::TriedOut { receiver, rule } => Text::new(
            format!("路由 {rule} 只是试运行：本应通知 {receiver}，但没有发出"),
            format!("route {rule} is only tried out: {receiver} would have been told, nothing was sent"),
        ),
        Untold::ObserveOnly => Text::new(
            "策略设为只观察：一切照常判断，但不通知任何人",
            "the policy only observes: everything is decided and nobody is told",
        ),
        Untold::NotDue { receiver, rule, due } => Text::new(
            format!("路由 {rule} 要等到 {} 才通知 {receiver}；在此之前恢复则不通知", at(*due)),
            format!(
                "route {rule} waits until {} before it tells {receiver}; nobody is told when it recovers first",
                at(*due)
            ),
        ),
        Untold::Hushed => Text::new("故障中正在触发的告警全部被静默", "all of the incident's firing alerts are muted"),
        Untold::Snoozed { until } => {
            Text::new(format!("故障被暂缓到 {}", at(*until)), format!("the incident is snoozed until {}", at(*until)))
        }
        Untold::OverBefore => {
            Text::new("在该通知任何人之前故障就已恢复", "the incident was over before anybody was to be told")
        }
        Untold::InDigest { receiver } => Text::new(
            format!("{receiver} 的消息过密，这条会并入摘要一起发出"),
            format!("messages to {receiver} came too fast: it will be told in a digest"),
        ),
        Untold::Told { receiver, rule, at: when } => Text::new(
            format!("{receiver} 已于 {} 收到通知（路由 {rule}）", at(*when)),
            format!("{receiver} was told at {} (route {rule})", at(*when)),
        ),
        Untold::Route { rule, unmet: why } => {
            let why = unmet(why);
            Text::new(format!("路由 {rule} 不适用：{}", why.zh), format!("route {rule} does not apply: {}", why.en))
        }
    }
}

/// A change, and whether it would have been enough, as a sentence.
pub fn what_if(one: &WhatIf) -> Text {
    let what = altered(&one.change);
    let (zh, en) = match (one.gain, one.enough) {
        (Some(gain), true) => (format!("+{}，足够", score(gain)), format!("+{}, enough", score(gain))),
        (Some(gain), false) => (format!("+{}，仍不够", score(gain)), format!("+{}, not enough alone", score(gain))),
        (None, true) => ("足够".into(), "enough".into()),
        (None, false) => ("单凭此还不一定".into(), "may not be enough alone".into()),
    };
    Text::new(format!("{}（{zh}）", what.zh), format!("{} ({en})", what.en))
}

fn altered(change: &Altered) -> Text {
    match change {
        Altered::Relation => Text::new(
            "如果 CMDB 中两者有直接且必然传播的关系",
            "if the CMDB had a direct relation between the two that always passes a fault on",
        ),
        Altered::Delay { from, to } => Text::new(
            format!("如果延迟是通常的 {} 而不是 {}", span_zh(to.0), signed_zh(from.0)),
            format!("if it had come after the usual {} instead of {}", span_en(to.0), signed_en(from.0)),
        ),
        Altered::CauseSeverity { from } => Text::new(
            format!("如果原因告警的级别是 critical 而不是 {}", from.as_str()),
            format!("if the causing alert were critical instead of {}", from.as_str()),
        ),
        Altered::CauseKnown => Text::new(
            "如果已知对方类型的告警总会引起其他告警",
            "if alerts of the other's type were known always to have effects",
        ),
        Altered::EffectKnown => {
            Text::new("如果已知这类告警总是别的告警的结果", "if alerts of this type were known always to be effects")
        }
        Altered::Rarer => Text::new("如果这类告警几乎从不单独出现", "if alerts of this type hardly ever came alone"),
        Altered::NotMuted => Text::new("如果没有被静默", "if nothing muted it"),
        Altered::Lasts { until } => {
            Text::new(format!("如果它持续到 {}", at(*until)), format!("if it goes on until {}", at(*until)))
        }
        Altered::Serious => Text::new("如果其中有一条达到 major 或 critical", "if one of them were major or critical"),
        Altered::Second => Text::new("如果另有一条相关的告警", "if another alert hung together with it"),
        Altered::MoreCis { more } => {
            Text::new(format!("如果再有 {more} 个配置项出现告警"), format!("if {more} more CIs had alerts"))
        }
        Altered::MoreShown { more } => Text::new(
            format!("如果再有 {more} 个直接下游出现告警"),
            format!("if {more} more of its direct dependents had alerts"),
        ),
        Altered::Term { term } => {
            let word = TermWord::from(*term);
            Text::new(
                format!("如果在“{}”一项上不输给第一名", word.label(Lang::Zh)),
                format!("if it were no worse than the first in \"{}\"", word.label(Lang::En)),
            )
        }
        Altered::Person => {
            Text::new("如果由人来决定（移动、合并或指定根因）", "if a person orders it (move, merge, or name the root)")
        }
        Altered::Rule => Text::new("如果有关联或升格规则要求", "if a rule that joins or promotes asks for it"),
    }
}

/// An alert in an answer: its object and what it says.
pub fn node(node: &Node) -> Text {
    Text::new(node_zh(node), node_en(node))
}

/// The object and what it told; a silent one told nothing.
fn called(node: &Node, lang: Lang) -> String {
    let name = own_titled(&node.name, lang);
    match (name.is_empty(), name.contains(&*node.object)) {
        (true, _) => node.object.to_string(),
        (false, true) => name.into_owned(),
        (false, false) => format!("{} {name}", node.object),
    }
}

fn node_zh(node: &Node) -> String {
    let name = called(node, Lang::Zh);
    match (node.alert, node.incident) {
        (Some(alert), Some(incident)) => format!("{name}（告警 {alert}，故障 {incident}）"),
        (Some(alert), None) => format!("{name}（告警 {alert}）"),
        (None, _) => name,
    }
}

fn node_en(node: &Node) -> String {
    let name = called(node, Lang::En);
    match (node.alert, node.incident) {
        (Some(alert), Some(incident)) => format!("{name} (alert {alert}, incident {incident})"),
        (Some(alert), None) => format!("{name} (alert {alert})"),
        (None, _) => name,
    }
}

/// One term of an explanation as a sentence that names its cause.
pub fn evidence(evidence: &Evidence, cause: &Node) -> Text {
    let of = |lang| sentences::evidence(evidence, &own_titled(&cause.name, lang));
    Text::new(of(Lang::Zh).zh, of(Lang::En).en)
}

/// How two alerts are bound.
pub fn bond(bond: Bond) -> Text {
    match bond {
        Bond::Evidence => Text::new("按证据关联", "joined by evidence"),
        Bond::Joint => Text::new("多条告警共同指向同一配置项", "several alerts together accuse this CI"),
        Bond::Fold => Text::new(
            "反复或多处出现的同类孤立告警，归入同一故障",
            "a lone alert that recurs, or that many like it are told of, kept in one incident",
        ),
        Bond::Rule => Text::new("按规则关联", "joined by a rule"),
        Bond::Person => Text::new("人工指定", "put there by a person"),
    }
}

fn at(time: Timestamp) -> String {
    time.to_string()
}

fn score(points: i64) -> String {
    format!("{}.{:02}", points.abs() / 1000, points.abs() % 1000 / 10)
}

fn tenths(permille: i64) -> String {
    format!("{}.{}", permille / 1000, permille % 1000 / 100)
}

fn signed_zh(ms: i64) -> String {
    if ms < 0 { format!("提前 {}", span_zh(-ms)) } else { span_zh(ms) }
}

fn signed_en(ms: i64) -> String {
    if ms < 0 { format!("{} before", span_en(-ms)) } else { span_en(ms) }
}
