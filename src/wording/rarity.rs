//! How unusual it is that an alert of a type comes on CIs of a class, as a sentence.

use super::lang::Text;
use crate::domain::time::Timestamp;

/// What was counted of the type on the class.
#[derive(Clone, Copy, Debug)]
pub struct Counted {
    pub is_new: bool,
    /// Whether the CMDB knows the object.
    pub is_on_ci: bool,
    pub first_seen: Timestamp,
    pub times: u64,
    pub of: u64,
    pub rarity_per_mille: u16,
    pub noise_per_mille: u16,
}

/// How often it came in the last 28 days, among how many alerts, and how evenly.
pub fn sentence(counted: &Counted) -> Text {
    let Counted { is_new, is_on_ci, first_seen, times, of, rarity_per_mille: rarity, noise_per_mille: noise } = counted;
    let (zh_where, en_where) = if *is_on_ci {
        ("这类配置项上", "on CIs of this class")
    } else {
        ("CMDB 没有的对象上", "on objects that the CMDB does not know")
    };
    let (zh_new, en_new) = if *is_new { ("首次出现：", "New: ") } else { ("", "") };
    Text::new(
        format!(
            "{zh_new}{zh_where}近 28 天有 {times} 条此类告警（全部 {of} 条），首次 {first_seen}；稀有度 {rarity}‰，每天都来的程度 {noise}‰"
        ),
        format!(
            "{en_new}{times} of the {of} alerts of the last 28 days were of this type {en_where}, first on {first_seen}; \
             rarity {rarity}‰, evenness over the days {noise}‰"
        ),
    )
}
