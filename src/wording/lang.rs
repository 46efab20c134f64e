//! The two languages of labels and sentences, and how a caller chooses one.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Chinese or English.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Lang {
    #[default]
    Zh,
    En,
}

impl Lang {
    /// Reads `zh`, `zh-CN`, `en-GB` and the like.
    pub fn parse(tag: &str) -> Option<Self> {
        match tag.trim().split(['-', '_', ';']).next()?.to_ascii_lowercase().as_str() {
            "zh" => Some(Self::Zh),
            "en" => Some(Self::En),
            _ => None,
        }
    }

    /// Buttons under a message: the word that comes back, and what stands on it.
    pub const fn buttons(self) -> [(&'static str, &'static str); 3] {
        match self {
            Self::Zh => [("ack", "认领"), ("snooze", "暂缓 1 小时"), ("resolve", "已解决")],
            Self::En => [("ack", "Ack"), ("snooze", "Snooze 1 h"), ("resolve", "Resolved")],
        }
    }

    /// What a link to the incident is called.
    pub const fn open(self) -> &'static str {
        match self {
            Self::Zh => "打开故障",
            Self::En => "Open the incident",
        }
    }

    /// `?lang=` wins, then the first known tag of `Accept-Language`, then Chinese.
    pub fn of(query: Option<&str>, accept: Option<&str>) -> Self {
        let asked = query.unwrap_or("").split('&').find_map(|pair| pair.strip_prefix("lang=")).and_then(Self::parse);
        asked.or_else(|| accept.unwrap_or("").split(',').find_map(Self::parse)).unwrap_or(Self::Zh)
    }
}

/// A sentence in both languages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Text {
    pub zh: String,
    pub en: String,
}

impl Text {
    /// Both sentences.
    pub fn new(zh: impl Into<String>, en: impl Into<String>) -> Self {
        Self { zh: zh.into(), en: en.into() }
    }

    /// The sentence in one language.
    pub fn of(&self, lang: Lang) -> &str {
        match lang {
            Lang::Zh => &self.zh,
            Lang::En => &self.en,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_query_wins_over_the_header_and_chinese_is_the_default() {
        assert_eq!(Lang::of(Some("limit=1&lang=en"), Some("zh-CN")), Lang::En);
        assert_eq!(Lang::of(None, Some("fr, en-GB;q=0.8, zh;q=0.5")), Lang::En);
        assert_eq!(Lang::of(Some("lang=xx"), None), Lang::Zh);
    }
}
