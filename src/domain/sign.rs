//! What can be wrong with the program itself.

use super::severity::Severity;
use super::title::OwnTitle;

/// What can be wrong with the program itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sign {
    /// Too many events are rejected.
    RejectedShare,
    /// Dead letters become more and more: somebody has to look at them.
    DeadLetters,
    /// Accepted events and verdicts do not add up.
    Imbalance,
    /// The disk of the data folder fills up.
    DiskLow,
    /// A decision came out otherwise when it was made again.
    Diverged,
    /// The engine stands still.
    EngineHalted,
    /// Rules, topology or mappings on disk are refused.
    FilesRefused,
    /// A tenant has more alerts than it may have: further ones are refused.
    AlertsFull,
    /// NATS is configured and away.
    NatsAway,
    /// The other instances do not hear of this one.
    Unheard,
    /// A receiver locks us out.
    ReceiverLocked,
    /// A receiver has taken nothing for a while, although notices wait.
    NoticesWait,
    /// What is decided is far behind what was accepted.
    EngineBehind,
    /// Redis is configured and away.
    RedisAway,
    /// Our clock and that of the servers with the journal differ.
    ClockOff,
    /// A stream has settings with which messages could be lost.
    StreamUnsafe,
    /// A stream has little room left.
    StreamFills,
    /// Metric series are judged without their model.
    ModelDegraded,
    /// Readings are not any more what the metric model was made from, or it is old.
    ModelDrifted,
}

impl Sign {
    /// All of them.
    pub const ALL: [Self; 19] = [
        Self::RejectedShare,
        Self::DeadLetters,
        Self::Imbalance,
        Self::DiskLow,
        Self::Diverged,
        Self::EngineHalted,
        Self::FilesRefused,
        Self::AlertsFull,
        Self::NatsAway,
        Self::Unheard,
        Self::ReceiverLocked,
        Self::NoticesWait,
        Self::EngineBehind,
        Self::RedisAway,
        Self::ClockOff,
        Self::StreamUnsafe,
        Self::StreamFills,
        Self::ModelDegraded,
        Self::ModelDrifted,
    ];

    /// The word in events, metrics and the runbook.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RejectedShare => "rejected-share",
            Self::DeadLetters => "dead-letters-grow",
            Self::Imbalance => "conservation-imbalance",
            Self::DiskLow => "disk-low",
            Self::Diverged => "decision-diverged",
            Self::EngineHalted => "engine-halted",
            Self::FilesRefused => "files-refused",
            Self::AlertsFull => "alerts-full",
            Self::NatsAway => "nats-away",
            Self::Unheard => "unheard",
            Self::ReceiverLocked => "receiver-locked",
            Self::NoticesWait => "notices-wait",
            Self::EngineBehind => "engine-behind",
            Self::RedisAway => "redis-away",
            Self::ClockOff => "clock-off",
            Self::StreamUnsafe => "stream-unsafe",
            Self::StreamFills => "stream-fills",
            Self::ModelDegraded => "model-degraded",
            Self::ModelDrifted => "model-drifted",
        }
    }

    /// Whether it is about a connection, which may come back by itself.
    pub const fn is_outside(self) -> bool {
        match self {
            Self::NatsAway | Self::Unheard | Self::RedisAway => true,
            Self::RejectedShare
            | Self::DeadLetters
            | Self::Imbalance
            | Self::DiskLow
            | Self::Diverged
            | Self::EngineHalted
            | Self::FilesRefused
            | Self::AlertsFull
            | Self::ReceiverLocked
            | Self::NoticesWait
            | Self::EngineBehind
            | Self::ClockOff
            | Self::StreamUnsafe
            | Self::StreamFills
            | Self::ModelDegraded
            | Self::ModelDrifted => false,
        }
    }

    /// Whether the first look after a start shows that it is over. The others need counts of two looks, take their time, are
    /// found by what is tried, or are counted since the start.
    pub const fn is_proved_at_once(self) -> bool {
        match self {
            Self::DiskLow | Self::FilesRefused | Self::AlertsFull | Self::ModelDegraded | Self::ModelDrifted => true,
            Self::RejectedShare
            | Self::DeadLetters
            | Self::Imbalance
            | Self::Diverged
            | Self::EngineHalted
            | Self::NatsAway
            | Self::Unheard
            | Self::ReceiverLocked
            | Self::NoticesWait
            | Self::EngineBehind
            | Self::RedisAway
            | Self::ClockOff
            | Self::StreamUnsafe
            | Self::StreamFills => false,
        }
    }

    /// How bad it is.
    pub const fn severity(self) -> Severity {
        match self {
            Self::Imbalance | Self::Diverged | Self::EngineHalted | Self::Unheard | Self::StreamUnsafe => {
                Severity::Critical
            }
            Self::RejectedShare
            | Self::DeadLetters
            | Self::DiskLow
            | Self::FilesRefused
            | Self::AlertsFull
            | Self::NatsAway
            | Self::ReceiverLocked
            | Self::NoticesWait
            | Self::EngineBehind
            | Self::StreamFills
            | Self::ModelDegraded => Severity::Major,
            Self::RedisAway | Self::ClockOff | Self::ModelDrifted => Severity::Minor,
        }
    }

    /// What people read.
    pub const fn title(self) -> OwnTitle {
        let (zh, en) = match self {
            Self::RejectedShare => ("大量事件被拒收", "Headwater rejects many events"),
            Self::DeadLetters => ("死信持续增加", "Headwater's dead letters become more"),
            Self::Imbalance => ("事件收支不平衡", "Headwater's event counts do not add up"),
            Self::DiskLow => ("磁盘空间不足", "Headwater's disk fills up"),
            Self::Diverged => ("重放决策不一致", "A decision came out otherwise when made again"),
            Self::EngineHalted => ("引擎或日志已停止", "Headwater's engine or journal stands still"),
            Self::NatsAway => ("NATS 不可用，其中的事件在等待", "NATS is away: events there wait"),
            Self::Unheard => ("其他实例收不到本实例的消息", "The other instances do not hear of this one"),
            Self::ReceiverLocked => ("接收方拒绝访问", "A receiver locks Headwater out"),
            Self::NoticesWait => ("接收方长时间收不到通知", "A receiver takes nothing, notices wait"),
            Self::EngineBehind => ("引擎处理滞后", "Headwater decides late: much waits"),
            Self::RedisAway => ("Redis 不可用，功能降级", "Redis is away: views and counts are each instance's own"),
            Self::ClockOff => ("时钟不一致，请检查 NTP", "Clocks differ: look at NTP"),
            Self::StreamUnsafe => ("NATS 流的设置不安全", "A NATS stream could lose messages"),
            Self::StreamFills => ("NATS 流空间不足", "A NATS stream fills up"),
            Self::ModelDegraded => ("指标模型不可用，仅按近几小时判断", "Metric series are judged without their model"),
            Self::ModelDrifted => ("指标模型已漂移或陈旧，请重训", "The metric model no longer fits: make a new one"),
            Self::AlertsFull => {
                ("告警数量达到上限，新告警被拒收", "A tenant has too many alerts, further ones are refused")
            }
            Self::FilesRefused => ("磁盘上的配置被拒绝，旧配置仍生效", "Files on disk are refused, the old ones stay"),
        };
        OwnTitle::new(zh, en)
    }
}
