//! Points over NATS. A tenant's stream keeps them for some time whoever has read them: each source has one instance that
//! watches it, and whoever becomes that one reads the kept points first, so that it knows what is usual and what has begun. How
//! far each part was read is remembered: after a failure, or a change that leaves the part here, reading goes on there.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use async_nats::HeaderMap;
use futures::FutureExt as _;
use futures::future::BoxFuture;

use crate::decode::points::{DECODER, Points, decode, encode};
use crate::decode::{Body, BodyError, lines};
use crate::domain::event::ObjectRef;
use crate::domain::ids::{SourceId, TenantId};
use crate::domain::line::LogLine;
use crate::domain::partition::partition_of_source;
use crate::domain::point::Point;
use crate::domain::reject::{DeadLetter, Reject};
use crate::intake::Intake;
use crate::intake::senses::Road;
use crate::intake::sink::SinkError;
use crate::nats::NatsError;
use crate::nats::connect::Nats;
use crate::nats::publish::{BUSY_WAIT, FULL_WAIT, Outgoing, PublishError, publish};
use crate::nats::pull::{Puller, Read};
use crate::nats::streams::{Keeping, Wanted, ensure};

/// How long one look at the stream waits for points.
const PATIENCE: Duration = Duration::from_secs(1);
/// The pause after a failure.
const PAUSE: Duration = Duration::from_secs(1);
/// Points in one message of ours.
const MESSAGE_POINTS: usize = 500;
/// And lines: a line may have 4 KiB.
const MESSAGE_LINES: usize = 200;

/// The parts of the sources that this instance watches, as of now; `None` while that is not known.
pub type Mine = Arc<dyn Fn() -> Option<BTreeSet<u16>> + Send + Sync>;

/// How long points are kept, and how many of them.
#[derive(Clone, Copy, Debug)]
pub struct Kept {
    pub time: Duration,
    pub bytes_max: i64,
    pub replicas: usize,
}

/// One tenant's points.
pub struct PointDoor {
    intake: Arc<Intake>,
    nats: Nats,
    tenant: TenantId,
    wanted: Wanted,
    mine: Mine,
    /// The parts that are watched, and the last message of each that was read.
    read: BTreeMap<u16, u64>,
    /// Some parts have not been read up to what the stream had when they came.
    is_learning: bool,
}

impl PointDoor {
    /// Makes or checks the tenant's stream.
    ///
    /// # Errors
    /// When it is unsafe, or the server does not answer.
    pub async fn open(
        intake: Arc<Intake>,
        nats: Nats,
        tenant: TenantId,
        kept: Kept,
        mine: Mine,
    ) -> Result<Self, NatsError> {
        let wanted = wanted(&tenant, kept);
        ensure(&nats, &wanted).await?;
        Ok(Self { intake, nats, tenant, wanted, mine, read: BTreeMap::new(), is_learning: false })
    }

    /// Watches until the future is dropped. A failure is logged once and tried again.
    pub async fn run(mut self) {
        let mut said = String::new();
        loop {
            // Who has lost sight of the others keeps what it knows: it may still be its turn.
            if let Some(mine) = (self.mine)() {
                self.change(&mine);
                self.renew();
                let outcome = if mine.is_empty() { Ok(()) } else { self.watch().await };
                if let Err(error) = outcome {
                    let error = error.to_string();
                    if error != said {
                        tracing::warn!(
                            error,
                            stream = self.wanted.name,
                            "points are not taken from NATS, trying again"
                        );
                        said = error;
                    }
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Forgets what is somebody else's turn now, and begins with what has become ours.
    fn change(&mut self, mine: &BTreeSet<u16>) {
        if self.is_ours(mine) {
            return;
        }
        let own = &self.tenant;
        let is_gone = |tenant: &TenantId, source: &SourceId| {
            tenant == own && !mine.contains(&partition_of_source(tenant, source))
        };
        self.intake.senses.give_away(is_gone);
        self.read.retain(|part, _| mine.contains(part));
        let known = self.read.len();
        mine.iter().for_each(|part| _ = self.read.entry(*part).or_default());
        self.is_learning |= self.read.len() > known;
        if self.is_learning {
            self.intake.senses.begin(&self.tenant);
        }
    }

    /// What another instance has handed over is on top of nothing that was read meanwhile: that is read again.
    fn renew(&mut self) {
        for part in self.intake.senses.renewed(&self.tenant) {
            if let Some(read) = self.read.get_mut(&part) {
                *read = 0;
                self.is_learning = true;
                self.intake.senses.begin(&self.tenant);
            }
        }
    }

    fn is_ours(&self, mine: &BTreeSet<u16>) -> bool {
        mine.iter().eq(self.read.keys())
    }

    /// Reads what is kept behind what was read, and goes on for as long as the same sources are ours.
    async fn watch(&mut self) -> Result<(), NatsError> {
        // Somebody may have deleted or changed it since.
        let found = ensure(&self.nats, &self.wanted).await?;
        let (first, level) = (found.first_seq.max(1), found.last_seq);
        if self.read.values().any(|read| *read > level) {
            // It is another stream: what it has is not newer than what is known, or it is new.
            self.read.values_mut().for_each(|read| *read = 0);
        }
        let subject = format!("src.{}.*.*", self.tenant);
        let behind = self.read.values().copied().min().unwrap_or_default().max(first - 1);
        let mut puller = Puller::new(self.nats.clone(), &self.wanted.name, &subject, behind);
        let mut outcome = Ok(());
        let is_renewed = || self.intake.senses.is_renewed(&self.tenant);
        while (self.mine)().is_some_and(|mine| self.is_ours(&mine)) && !is_renewed() {
            if self.is_learning && puller.seen() >= level {
                self.intake.senses.caught_up(&self.tenant);
                self.is_learning = false;
            }
            match puller.next(PATIENCE).await {
                Ok(messages) => {
                    messages.iter().for_each(|message| self.take(message));
                    self.read.values_mut().for_each(|read| *read = puller.seen().max(*read));
                }
                Err(error) => {
                    outcome = Err(error);
                    break;
                }
            }
        }
        puller.close().await;
        outcome
    }

    fn take(&self, message: &Read) {
        let source = SourceId::from(message.subject.split('.').nth(2).unwrap_or_default());
        let part = partition_of_source(&self.tenant, &source);
        if self.read.get(&part).is_none_or(|read| *read >= message.seq) {
            return;
        }
        if message.subject.ends_with(".log") {
            self.take_lines(message, &source);
            return;
        }
        let read = || decode(Body::from(&message.body[..]), message.stamp, &self.intake.limits);
        // A decoder that panics would meet the same message again and again.
        let read = catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|_| Err(broken()));
        let (points, why) = match read {
            Ok(Points { points, mut refused }) => {
                self.intake.counters.points_malformed(refused.len());
                let bad = refused.len();
                let first = (bad > 0).then(|| refused.swap_remove(0));
                (points, first.map(|(index, why)| of_several(index, bad, &why)))
            }
            Err(error) => {
                self.intake.counters.points_malformed(1);
                (Vec::new(), Some(Reject::Malformed(error.to_string())))
            }
        };
        if let Some(why) = why {
            self.reject(message, &source, why, DECODER);
        }
        self.intake.senses.take(&self.tenant, &source, &points, message.stamp);
    }

    /// Lines as JSON, or as they are.
    fn take_lines(&self, message: &Read, source: &SourceId) {
        let is_json = matches!(message.body.trim_ascii_start().first(), Some(b'{' | b'['));
        let shape = if is_json { lines::Shape::Json } else { lines::Shape::Text };
        let (body, limits) = (Body::from(&message.body[..]), &self.intake.limits);
        let read = || lines::decode(body, shape, &ObjectRef::default(), limits);
        let read = catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|_| Err(broken()));
        let (read, why) = match read {
            Ok(mut read) => {
                let bad = read.refused.len();
                let first = (bad > 0).then(|| read.refused.swap_remove(0));
                (read.lines, first.map(|(index, why)| (bad, of_several(index, bad, &why))))
            }
            Err(error) => (Vec::new(), Some((1, Reject::Malformed(error.to_string())))),
        };
        if let Some((bad, why)) = why {
            self.intake.counters.lines_malformed(bad);
            self.reject(message, source, why, lines::DECODER);
        }
        self.intake.senses.take_lines(&self.tenant, source, &read, message.stamp);
    }

    fn reject(&self, message: &Read, source: &SourceId, why: Reject, decoder: &str) {
        let kept = &message.body[..message.body.len().min(self.intake.limits.raw_bytes)];
        let raw = String::from_utf8_lossy(kept).into();
        let letter =
            DeadLetter { source: source.clone(), why, raw, decoder: decoder.into(), received_at: message.stamp };
        self.intake.senses.reject(&self.tenant, letter);
    }
}

fn broken() -> BodyError {
    BodyError::Unreadable("the decoder broke on it; please report it with this message".into())
}

/// Why some points of a message were no points: what is wrong with the first one.
fn of_several(index: usize, bad: usize, why: &Reject) -> Reject {
    let text = format!("{bad} of its points cannot be taken; point {index}: {}", why.detail());
    match why {
        Reject::Malformed(_) => Reject::Malformed(text),
        Reject::TooLarge(_) => Reject::TooLarge(text),
        Reject::BadTime(_) => Reject::BadTime(text),
        Reject::OverLimit(_) => Reject::OverLimit(text),
    }
}

/// The stream with a tenant's points.
fn wanted(tenant: &TenantId, kept: Kept) -> Wanted {
    Wanted {
        name: format!("METRIC-{tenant}"),
        subjects: vec![format!("src.{tenant}.*.metric"), format!("src.{tenant}.*.log")],
        keeping: Keeping::Feed { age_max: kept.time, bytes_max: kept.bytes_max },
        replicas: kept.replicas,
    }
}

/// The way of points of HTTP to whoever watches them.
pub struct ToStream {
    pub nats: Nats,
    pub tenants: Vec<TenantId>,
    pub kept: Kept,
}

impl Road for ToStream {
    fn send(
        &self,
        tenant: &TenantId,
        source: &SourceId,
        points: Vec<Point>,
    ) -> BoxFuture<'static, Result<(), SinkError>> {
        self.publish(tenant, source, "metric", points.chunks(MESSAGE_POINTS).map(encode).collect())
    }

    fn send_lines(
        &self,
        tenant: &TenantId,
        source: &SourceId,
        lines: Vec<LogLine>,
    ) -> BoxFuture<'static, Result<(), SinkError>> {
        self.publish(tenant, source, "log", lines.chunks(MESSAGE_LINES).map(lines::encode).collect())
    }
}

impl ToStream {
    fn publish(
        &self,
        tenant: &TenantId,
        source: &SourceId,
        kind: &str,
        bodies: Vec<Vec<u8>>,
    ) -> BoxFuture<'static, Result<(), SinkError>> {
        if !self.tenants.contains(tenant) {
            let why = format!("points of tenant {tenant} are not watched: add it to nats.tenants");
            return futures::future::err(SinkError::Failed(why)).boxed();
        }
        let (nats, stream) = (self.nats.clone(), wanted(tenant, self.kept).name);
        let subject = format!("src.{tenant}.{source}.{kind}");
        async move {
            for body in bodies {
                let message =
                    Outgoing { subject: subject.clone(), headers: HeaderMap::new(), body: body.into(), behind: None };
                publish(&nats, &stream, message).await.map_err(|error| match error {
                    PublishError::Full(_) => SinkError::TryLater { wait: FULL_WAIT },
                    PublishError::TooLong { .. } => {
                        SinkError::Failed(format!("{error}: send shorter names, labels and lines"))
                    }
                    PublishError::TryLater(_) | PublishError::WentOn | PublishError::Unsure(_) => {
                        SinkError::TryLater { wait: BUSY_WAIT }
                    }
                })?;
            }
            Ok(())
        }
        .boxed()
    }
}
