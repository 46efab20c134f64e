//! Whose turn the parts of the sources are: whoever begins to watch a part knows which of its alerts stand, and whoever gives one
//! away forgets what it knew of it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use crate::domain::alert::{AlertState, AlertView};
use crate::domain::ids::{SourceId, TenantId};
use crate::domain::partition::partition_of_source;
use crate::domain::time::{Span, Timestamp};
use crate::intake::Intake;
use crate::intake::senses::Senses;
use crate::pipeline::Pipeline;

use super::minutes::Minutes;

/// How often it is looked whether a turn has changed.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// For so long after a change alerts that stand are looked for: what others told last may still be on its way here.
const LATE: Span = Span::mins(5);

/// Follows the turns of this instance.
pub struct Watching {
    pipeline: Arc<Pipeline>,
    intake: Arc<Intake>,
    /// None: nothing was looked at yet.
    watched: Option<BTreeSet<u16>>,
    /// When that was seen to change.
    changed_at: Timestamp,
    minutes: Minutes,
}

impl Watching {
    /// One that watches nothing yet.
    pub fn new(pipeline: Arc<Pipeline>, intake: Arc<Intake>) -> Self {
        Self { pipeline, intake, watched: None, changed_at: Timestamp::default(), minutes: Minutes::default() }
    }

    /// Follows until the future is dropped.
    pub async fn run(mut self) {
        loop {
            self.look();
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Takes up what has become this instance's turn, and the rates of the minutes that have ended. While it is not known whose
    /// turn everything is nothing changes.
    pub fn look(&mut self) {
        let Some(duty) = self.pipeline.lease.known_duty() else { return };
        let (senses, mine) = (self.intake.senses(), &duty.watches);
        let is_mine = |tenant: &TenantId, source: &SourceId| mine.contains(&partition_of_source(tenant, source));
        let now = (self.pipeline.clock)();
        if self.watched.as_ref() != Some(mine) {
            senses.give_away(|tenant, source| !is_mine(tenant, source));
            (self.watched, self.changed_at) = (Some(mine.clone()), now);
        }
        if now.since(self.changed_at) < LATE {
            self.take_up(is_mine, now);
        }
        if senses.watches_rates() {
            for ended in self.minutes.ended(&self.pipeline, now) {
                senses.close_minute(&ended, is_mine, now);
            }
        }
    }

    /// Anomalies that stand, of sources that are watched here: what began them may not be known here.
    fn take_up(&self, is_mine: impl Fn(&TenantId, &SourceId) -> bool, now: Timestamp) {
        let state = self.pipeline.live.read();
        for (tenant, view) in state.tenants() {
            // Few of those that fire are ours: what is dear is asked of these alone.
            let is_ours = |view: &AlertView| view.state == AlertState::Firing && Senses::tells(&view.name, &view.title);
            for view in view.alerts.iter().map(|row| &row.view).filter(|view| is_ours(view)) {
                let (source, alert) = (&view.source, (&*view.name, &*view.object));
                if is_mine(tenant, source) {
                    self.intake.senses().stood_before(tenant, source, alert, now);
                }
            }
        }
    }
}
