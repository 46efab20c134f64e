//! Titles that the program gives to alerts of its own. An event keeps both languages in one text, so that whoever matches or
//! searches it finds either; people are shown theirs.

use super::sign::Sign;

/// A title in both languages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OwnTitle {
    pub zh: &'static str,
    pub en: &'static str,
}

impl OwnTitle {
    /// Both languages of it.
    pub const fn new(zh: &'static str, en: &'static str) -> Self {
        Self { zh, en }
    }

    /// As events keep it.
    pub fn kept(self) -> String {
        format!("{} {}", self.zh, self.en)
    }

    /// What stands before it in a title that ends with it as events keep it; `None`: another title.
    pub fn before(self, title: &str) -> Option<&str> {
        title.strip_suffix(self.en)?.strip_suffix(' ')?.strip_suffix(self.zh)
    }
}

// What detectors tell.
pub const TRAFFIC: OwnTitle = OwnTitle::new("流量异常", "unusual traffic");
pub const LATENCY: OwnTitle = OwnTitle::new("时延异常", "unusual latency");
pub const ERRORS: OwnTitle = OwnTitle::new("错误异常", "unusual errors");
pub const SATURATION: OwnTitle = OwnTitle::new("饱和度异常", "unusual saturation");
pub const TOGETHER: OwnTitle = OwnTitle::new("多指标关系异常", "metrics do not go together as usual");
pub const FLAT: OwnTitle = OwnTitle::new("数据停滞", "a metric stands still");
pub const SILENT: OwnTitle = OwnTitle::new("无数据", "no data");
pub const FRESH_LINE: OwnTitle = OwnTitle::new("出现新的日志模板", "a kind of log line that was never seen");
/// A source that was to be heard of.
pub const SOURCE_SILENT: OwnTitle = OwnTitle::new("来源无数据", "nothing comes from the source");

/// All of them but those of signs.
pub const ALL: [OwnTitle; 9] =
    [TRAFFIC, LATENCY, ERRORS, SATURATION, TOGETHER, FLAT, SILENT, FRESH_LINE, SOURCE_SILENT];

/// How a title ends that the program gave itself, and what stands before that; `None`: somebody else's words.
pub fn own(title: &str) -> Option<(OwnTitle, &str)> {
    let signs = Sign::ALL.into_iter().map(Sign::title);
    ALL.into_iter().chain(signs).find_map(|own| Some((own, own.before(title)?)))
}
