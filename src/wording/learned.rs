//! What the model learned, in words: a sentence per feature of a learned question.

use super::lang::Text;

/// What each feature says, in Chinese and English. Numbers are shown as they decided: thousandths.
const FEATURES: &[(&str, &str, &str)] = &[
    ("constant", "起点值", "where the sum begins"),
    ("margin", "拓扑解释相对背景噪声的优势", "how far the explanation along the topology beats background noise"),
    ("path", "沿依赖路径传播的可能性", "how likely the fault travels along the path"),
    ("one_hop", "原因就在上一跳", "the cause is one hop away"),
    ("far", "原因在两跳之外", "the cause is more than two hops away"),
    ("same_ci", "原因在同一配置项上", "the cause is on the same CI"),
    ("delay_fit", "延迟与关系的吻合程度", "how well the delay fits"),
    ("cause", "原因一方的告警类型通常引发其他告警的程度", "how far the type usually is a cause"),
    ("symptom", "该类型告警通常作为结果出现的程度", "how far alerts of its type usually are effects"),
    ("background", "该类型告警独自出现的频率", "how often alerts of its type come alone"),
    ("unknown_relation", "需要一条 CMDB 中缺失的关系", "it takes a relation that the CMDB lacks"),
    ("silent_cause", "原因自身没有告警", "the cause has no alert of its own"),
    ("told", "对方已在故障中", "the other one is in an incident"),
    ("both_told", "双方都已在故障中或将成为故障", "both are incidents, or would be"),
    ("size", "对方一组告警的数量", "how many alerts the other group has"),
    ("noisy_cause", "对方类型已知为背景噪声", "the other one's type is known for background noise"),
    ("noisy_effect", "自身类型已知为背景噪声", "its type is known for background noise"),
    ("severe", "严重级别为重要及以上", "it is major or worse"),
    ("alike", "附近同类型告警的数量", "how many alerts of its type are around it there"),
    ("share", "附近同类型告警在该组中的占比", "which share of the alerts of its type around it is there"),
    ("class", "附近同类配置项告警的数量", "how many alerts on CIs of its class are around it there"),
    ("hit", "该类配置项中受影响的比例", "which share of its class is hit there"),
    ("near", "与最近的同类告警相隔的时间", "how far off in time the nearest one like it is"),
    ("since_root", "与该组根告警相隔的时间", "how far off in time the group's root is"),
    ("before_root", "早于该组的根告警", "it came before the group's root"),
    ("below", "自身下游已有的告警数量", "how many alerts hang on it"),
    ("own_cause", "自身类型通常引发其他告警的程度", "how far its own type usually is a cause"),
    ("siblings", "同一原因下同类型告警的数量", "how many alerts of its type have the same cause"),
    ("here_too", "同一对象在该组中已有告警", "its object has another alert in that group"),
    ("rival", "比其他组的最佳解释强多少", "how far it beats the best explanation by another group"),
    ("together", "两种类型此前同时出现的次数", "on how many occasions the two types began together"),
    ("together_share", "两种类型同时出现的占比", "in which share of its episodes the two types began together"),
    ("site", "与该组的根在同一站点", "it is on the site of the group's root"),
    ("labels", "标签相似度", "how far labels are alike"),
    ("rivals", "可能归属的组的数量", "how many groups it could belong to"),
    ("noisy", "类型已知为背景噪声", "its type is known for background noise"),
    ("root_prior", "该类配置项作为根因的频率", "how often CIs of its class are the cause"),
    ("like_root", "与该组根告警类型相同", "it is of the type of the group's root"),
    ("alerts", "告警数量", "how many alerts there are"),
    ("cis", "配置项数量", "how many CIs there are"),
    ("severe_quiet", "重要及以上且非背景噪声的告警数量", "how many are major or worse and of no noisy type"),
    ("worst", "有紧急告警", "one is critical"),
    ("lasted", "有告警持续时间已达规则要求", "one has lasted as long as the rules ask"),
    ("age", "已持续的时间", "how long it has been there"),
    ("kinds", "告警类型数量", "how many types there are"),
    ("noisy_share", "背景噪声类型的占比", "which share is of noisy types"),
    ("like_told", "附近故障中同类型告警的数量", "how many alerts of its type around it are in incidents"),
    ("like_held", "附近暂挂的同类型告警数量", "how many alerts of its type around it are held"),
    ("class_told", "附近故障中同类配置项告警的数量", "how many alerts on its class around it are in incidents"),
    ("unmapped", "CMDB 中没有该对象", "the CMDB does not know the object"),
    ("critical", "级别为紧急", "it is critical"),
    ("episodes", "该类型已见过的次数", "how often its type was seen"),
    ("alone_share", "该类型独自出现的占比", "which share of its type came alone"),
];

/// A feature of a learned question as a sentence; `about` is `question.feature`.
pub fn sentence(about: &str, n: i64) -> Text {
    let feature = about.split_once('.').map_or(about, |(_, feature)| feature);
    match FEATURES.iter().find(|(name, ..)| *name == feature) {
        Some((_, zh, en)) => Text::new(format!("模型所学：{zh}（{n}‰）"), format!("learned: {en} ({n} per mille)")),
        None => Text::new(format!("模型所学：{feature}（{n}‰）"), format!("learned: {feature} ({n} per mille)")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::logit::Question;

    #[test]
    fn every_feature_has_its_sentence() {
        for question in Question::ALL {
            for name in question.features() {
                assert!(FEATURES.iter().any(|(known, ..)| known == name), "{name} of {question:?} has no sentence");
            }
        }
    }
}
