//! Wire words and their labels. Words are never translated; labels are (zh, en).

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::lang::Lang;
use crate::domain::action::ActionState;
use crate::domain::alert::AlertState;
use crate::domain::ci::Area;
use crate::domain::event::{Side, Signal};
use crate::domain::incident::{EvidenceTerm, IncidentState, Priority, Progress, TimelineKind};
use crate::domain::level::LevelKind;
use crate::domain::severity::Severity;
use crate::engine::verdict::Stage;

// A macro, because each of these is the same four matches; the compiler still names a missing variant. The word is a
// token and no literal of the macro, for utoipa reads a renaming only in this way.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident of $domain:ident { $($variant:ident = $word:tt, $zh:literal, $en:literal;)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
        pub enum $name {
            $(#[serde(rename = $word)] $variant,)+
        }

        impl $name {
            /// Every word.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The wire word.
            pub const fn word(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }

            /// The word for people.
            pub const fn label(self, lang: Lang) -> &'static str {
                match (self, lang) {
                    $((Self::$variant, Lang::Zh) => $zh, (Self::$variant, Lang::En) => $en,)+
                }
            }
        }

        impl From<$domain> for $name {
            fn from(value: $domain) -> Self {
                match value { $($domain::$variant => Self::$variant,)+ }
            }
        }

        impl From<$name> for $domain {
            fn from(value: $name) -> Self {
                match value { $($name::$variant => Self::$variant,)+ }
            }
        }
    };
}

words!(
    /// Perceived severity after X.733.
    SeverityWord of Severity {
        Cleared = "cleared", "清除", "Cleared";
        Indeterminate = "indeterminate", "未定", "Indeterminate";
        Warning = "warning", "警告", "Warning";
        Minor = "minor", "次要", "Minor";
        Major = "major", "重要", "Major";
        Critical = "critical", "紧急", "Critical";
    }
);

words!(
    /// Where an incident is in its life.
    IncidentStateWord of IncidentState {
        Abnormal = "abnormal", "异常", "Abnormal";
        Recovering = "recovering", "观察中", "Recovering";
        Recovered = "recovered", "已恢复", "Recovered";
        Closed = "closed", "已关闭", "Closed";
        Merged = "merged", "已合并", "Merged";
    }
);

words!(
    /// How far people are with an incident.
    ProgressWord of Progress {
        Triggered = "triggered", "待认领", "Unacknowledged";
        Processing = "processing", "处理中", "In progress";
        Closed = "closed", "已关闭", "Closed";
    }
);

words!(
    /// P1 is handled first.
    PriorityWord of Priority {
        P1 = "P1", "P1", "P1";
        P2 = "P2", "P2", "P2";
        P3 = "P3", "P3", "P3";
        P4 = "P4", "P4", "P4";
    }
);

words!(
    /// The five managed-object areas of T/ISC 0062-2024.
    AreaWord of Area {
        Facility = "facility", "机房基础设施", "Facility";
        Cloud = "cloud", "政务云", "Government cloud";
        Application = "application", "政务应用", "Applications";
        Support = "support", "公共支撑", "Shared support";
        Security = "security", "安全资源", "Security";
    }
);

words!(
    /// The kind of telemetry that an alert comes from.
    SignalWord of Signal {
        Metric = "metric", "指标", "Metric";
        Log = "log", "日志", "Log";
        Event = "event", "事件", "Event";
        Trace = "trace", "链路", "Trace";
    }
);

words!(
    /// Where in the estate the signal was taken.
    SideWord of Side {
        Endpoint = "endpoint", "端", "Endpoint";
        Network = "network", "网", "Network";
        Cloud = "cloud", "云", "Cloud";
    }
);

words!(
    /// The two states of an alert.
    AlertStateWord of AlertState {
        Firing = "firing", "告警中", "Firing";
        Resolved = "resolved", "已恢复", "Resolved";
    }
);

words!(
    /// The engine's stages, in the order an event meets them.
    StageWord of Stage {
        Dedup = "dedup", "去重", "Deduplication";
        Enrich = "enrich", "富化", "Enrichment";
        Mute = "mute", "静默", "Muting";
        Anomaly = "anomaly", "异常度", "Anomaly";
        Correlate = "correlate", "关联", "Correlation";
        RootCause = "root_cause", "根因", "Root cause";
        Lifecycle = "lifecycle", "生命周期", "Lifecycle";
        Escalate = "escalate", "升级", "Escalation";
        Route = "route", "分派", "Routing";
    }
);

words!(
    /// What a timeline entry tells.
    TimelineWord of TimelineKind {
        Opened = "opened", "故障产生", "Opened";
        AlertsJoined = "alerts_joined", "告警加入", "Alerts joined";
        AlertsLeft = "alerts_left", "告警移出", "Alerts left";
        RootChanged = "root_changed", "根因变更", "Root cause changed";
        RootConfirmed = "root_confirmed", "根因已确认", "Root cause confirmed";
        RootRejected = "root_rejected", "根因被否定", "Root cause rejected";
        SeverityChanged = "severity_changed", "级别变更", "Severity changed";
        StateChanged = "state_changed", "状态变更", "State changed";
        Acknowledged = "acknowledged", "认领", "Acknowledged";
        Unacknowledged = "unacknowledged", "取消认领", "Unacknowledged";
        Assigned = "assigned", "指派", "Assigned";
        Commented = "commented", "备注", "Comment";
        Snoozed = "snoozed", "暂缓", "Snoozed";
        Woken = "woken", "结束暂缓", "Woken";
        Merged = "merged", "合并", "Merged";
        Split = "split", "拆分", "Split";
        Moved = "moved", "移动", "Moved";
        Reopened = "reopened", "重新打开", "Reopened";
        Closed = "closed", "关闭", "Closed";
        Storm = "storm", "告警风暴", "Alert storm";
        Notified = "notified", "已通知", "Notified";
        WouldNotify = "would_notify", "仅观察,未通知", "Not notified (observe only)";
        NotifyFailed = "notify_failed", "通知失败", "Notification failed";
        Escalated = "escalated", "升级通知", "Escalated";
        NobodyAnswered = "nobody_answered", "无人应答", "Nobody answered";
        TicketFiled = "ticket_filed", "工单已建", "Ticket";
        TicketOrdered = "ticket_ordered", "要求建工单", "Ticket ordered";
        ChangeAttached = "change_attached", "关联变更", "Change attached";
        ActionAsked = "action_asked", "处置待批准", "Action waits for approval";
        ActionApproved = "action_approved", "处置已批准", "Action approved";
        ActionDenied = "action_denied", "处置被拒绝", "Action denied";
        ActionRequested = "action_requested", "已请求处置", "Action requested";
        ActionReported = "action_reported", "处置结果", "Action reported";
        ActionFailed = "action_failed", "处置未成功", "Action came to nothing";
        ActionHeldBack = "action_held_back", "处置未执行", "Action held back";
        LevelNear = "level_near", "时限将到", "Service level about to be missed";
        LevelBreached = "level_breached", "超出时限", "Service level missed";
        NoLongerReported = "no_longer_reported", "来源不再上报,视为结束", "No longer reported: taken as over";
        MajorDeclared = "major_declared", "宣布为重大故障", "Declared a major incident";
        MajorRevoked = "major_revoked", "不再按重大故障处理", "No major incident any more";
        Concluded = "concluded", "结论", "Conclusion";
        Reviewed = "reviewed", "复盘报告", "Post-mortem";
    }
);

words!(
    /// How far an action has come.
    ActionStateWord of ActionState {
        Asked = "asked", "等待批准", "Waits for approval";
        Approved = "approved", "已批准", "Approved";
        Requested = "requested", "执行中", "Requested";
        Done = "done", "已完成", "Done";
        Failed = "failed", "失败", "Failed";
        Silent = "silent", "执行方未按时答复", "No answer in time";
        Denied = "denied", "被拒绝", "Denied";
        Lapsed = "lapsed", "无人按时批准", "Nobody approved in time";
        Dropped = "dropped", "已不需要", "Not needed any more";
        HeldBack = "held_back", "暂不执行", "Held back";
        Tried = "tried", "仅观察,未执行", "Observe only";
    }
);

words!(
    /// What has to have happened in time.
    LevelKindWord of LevelKind {
        Acknowledge = "acknowledge", "认领", "Time to acknowledge";
        Resolve = "resolve", "恢复", "Time to resolve";
    }
);

words!(
    /// The terms of a score.
    TermWord of EvidenceTerm {
        Coverage = "coverage", "覆盖的告警", "Alerts covered";
        TimeOrder = "time_order", "时间先后", "Order in time";
        Path = "path", "传播路径", "Path";
        Explained = "explained", "自身另有原因", "Explained itself";
        DelayFit = "delay_fit", "延迟吻合", "Fit of the delay";
        ClassPrior = "class_prior", "类别先验", "Prior of the class";
        OwnAlert = "own_alert", "自身告警", "Own alert";
        Silent = "silent", "静默根因", "Silent cause";
        MissingSymptoms = "missing_symptoms", "缺失的症状", "Missing symptoms";
        RecentChange = "recent_change", "近期变更", "Recent change";
        DeclaredSymptom = "declared_symptom", "来源声明的症状", "Declared symptom";
        Similarity = "similarity", "文本相似", "Similarity";
        Redundancy = "redundancy", "冗余", "Redundancy";
        MissingRelation = "missing_relation", "缺失的关系", "Missing relation";
        Noise = "noise", "背景噪声", "Background noise";
        Rule = "rule", "规则", "Rule";
        Person = "person", "人工判定", "A person's word";
        Anomaly = "anomaly", "异常度", "Anomaly";
        Learned = "learned", "模型所学", "Learned";
    }
);
