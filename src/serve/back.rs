//! What the door back stands on: the live view, the journal, the receivers' ways back and the people behind addresses.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use futures::future::BoxFuture;
use serde_json::Value;

use crate::acting::{Desk, Outcome};
use crate::clock::Clock;
use crate::config::Config;
use crate::delivery::Acted;
use crate::delivery::contacts::Contacts;
use crate::delivery::ears::Ear;
use crate::delivery::template::example;
use crate::domain::ids::{IncidentId, PersonId, ReceiverId, TenantId};
use crate::domain::incident::{IncidentState, IncidentView};
use crate::domain::partition::partition_of;
use crate::domain::pass::Seal;
use crate::domain::time::Timestamp;
use crate::engine::effect::{Notice, NoticeKind};
use crate::engine::input::{Command, Input};
use crate::engine::oncall::table;
use crate::engine::policy::closing::Closing;
use crate::pipeline::Pipeline;
use crate::wording::lang::Lang;

/// How long somebody who has pressed a button is kept waiting, and how often it is looked.
const WAIT: Duration = Duration::from_secs(3);
const LOOK: Duration = Duration::from_millis(20);

/// The desk over a pipeline.
pub struct Back {
    pipeline: Arc<Pipeline>,
    clock: Clock,
    tenant: TenantId,
    base_url: String,
    contacts: Contacts,
    ears: BTreeMap<ReceiverId, Ear>,
    seal: Seal,
}

impl Back {
    /// Sets it up.
    ///
    /// # Errors
    /// When contacts or a receiver's settings cannot be read.
    pub fn new(config: &Config, pipeline: Arc<Pipeline>, seal: Seal, clock: Clock) -> Result<Self> {
        let contacts = config.contacts.as_deref().map(Contacts::open).transpose()?.unwrap_or_default();
        let mut ears = BTreeMap::new();
        for receiver in config.receivers.iter().filter(|receiver| receiver.enabled && !config.observe_only) {
            if let Some(ear) = receiver.ear().with_context(|| format!("receiver {}", receiver.id))? {
                ears.insert(receiver.id.clone(), ear);
            }
        }
        let (tenant, base_url) = (config.tenant.clone(), config.base_url.trim_end_matches('/').to_owned());
        Ok(Self { pipeline, clock, tenant, base_url, contacts, ears, seal })
    }
}

impl Desk for Back {
    fn now(&self) -> Timestamp {
        (self.clock)()
    }

    fn incident(&self, tenant: &TenantId, id: IncidentId) -> Option<IncidentView> {
        let state = self.pipeline.live.read();
        state.tenant(tenant)?.board.get(id).map(|found| IncidentView::clone(&found.view))
    }

    fn open(&self, tenant: &TenantId) -> Vec<IncidentId> {
        let state = self.pipeline.live.read();
        let Some(tenant) = state.tenant(tenant) else { return Vec::new() };
        let is_open = |view: &IncidentView| !matches!(view.state, IncidentState::Closed | IncidentState::Merged);
        tenant.board.incidents().filter(|found| is_open(&found.view)).map(|found| found.view.id).collect()
    }

    fn open_everywhere(&self) -> Vec<(TenantId, IncidentId)> {
        let tenants: Vec<TenantId> = self.pipeline.live.read().tenants().map(|(tenant, _)| tenant.clone()).collect();
        let of =
            |tenant: TenantId| self.open(&tenant).into_iter().map(move |id| (tenant.clone(), id)).collect::<Vec<_>>();
        tenants.into_iter().flat_map(of).collect()
    }

    fn people(&self, tenant: &TenantId) -> Vec<(PersonId, String)> {
        let policy = self.pipeline.policy(tenant);
        let people = policy.on_call.people.iter();
        people.map(|person| (PersonId::from(person.id.id.as_str()), person.called().to_owned())).collect()
    }

    fn closing(&self, tenant: &TenantId) -> Closing {
        self.pipeline.policy(tenant).settings.closing.clone()
    }

    fn on_duty(&self, tenant: &TenantId) -> String {
        let (policy, now) = (self.pipeline.policy(tenant), (self.clock)());
        let made = self.pipeline.counted(tenant).overrides.clone();
        let mut text = String::new();
        for roster in &policy.on_call.rosters {
            let duty = roster.duty(now, &made);
            let people = table::names(&duty.people, &|person| policy.on_call.called(person));
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{}: {people}", roster.id.id);
        }
        if text.is_empty() { "没有值班表 / there are no rosters".to_owned() } else { text.trim_end().to_owned() }
    }

    fn tenant(&self) -> TenantId {
        self.tenant.clone()
    }

    fn order(&self, command: Command) -> BoxFuture<'static, Outcome> {
        let pipeline = self.pipeline.clone();
        Box::pin(async move {
            let (tenant, partition) = (command.tenant.clone(), partition_of(&command.tenant));
            let Ok(appended) = pipeline.log.append(partition, Input::Command(command)).await else {
                return Outcome::Later;
            };
            let ended = async {
                loop {
                    {
                        let state = pipeline.live.read();
                        if state.has_shown(partition, appended.seq) {
                            let end =
                                state.tenant(&tenant).and_then(|tenant| tenant.commands.get(&appended.seq).cloned());
                            return end;
                        }
                    }
                    tokio::time::sleep(LOOK).await;
                }
            };
            match tokio::time::timeout(WAIT, ended).await {
                Ok(Some(end)) => match (end.refused, end.again) {
                    (Some(why), _) => Outcome::Refused(why.to_string()),
                    (None, true) => Outcome::Again,
                    (None, false) => Outcome::Done,
                },
                Ok(None) | Err(_) => Outcome::Waits,
            }
        })
    }

    fn person_at(&self, receiver: &ReceiverId, address: &str) -> Option<PersonId> {
        self.contacts.owner_of(receiver, address)
    }

    fn language(&self, person: &PersonId) -> Option<Lang> {
        self.contacts.language(person)
    }

    fn shown(&self, by: &ReceiverId, of: (&TenantId, IncidentId), said: &str, lang: Lang) -> Option<Value> {
        let incident = self.incident(of.0, of.1)?;
        let kind = match incident.state {
            IncidentState::Abnormal | IncidentState::Recovering => NoticeKind::Updated,
            IncidentState::Recovered => NoticeKind::Recovered,
            IncidentState::Closed => NoticeKind::Closed,
            IncidentState::Merged => NoticeKind::Merged,
        };
        let notice = Notice { receiver: by.clone(), kind, at: self.now(), incident, ..example() };
        self.pipeline.courier.acted(&Acted { notice: &notice, said, lang })
    }

    fn reply(&self, by: &ReceiverId, to: &str, said: &str) -> BoxFuture<'static, ()> {
        let (pipeline, by, to, said) = (self.pipeline.clone(), by.clone(), to.to_owned(), said.to_owned());
        Box::pin(async move { pipeline.courier.reply(&by, &to, &said).await })
    }

    fn vouches(&self, by: &ReceiverId, proof: &str) -> BoxFuture<'static, Result<bool, String>> {
        let (pipeline, by, proof) = (self.pipeline.clone(), by.clone(), proof.to_owned());
        Box::pin(async move {
            match pipeline.courier.channel(&by) {
                Some(channel) => channel.vouches(&proof).await,
                None => Err(format!("receiver {by} is switched off")),
            }
        })
    }

    fn ear(&self, receiver: &ReceiverId) -> Option<Ear> {
        self.ears.get(receiver).cloned()
    }

    fn seal(&self) -> &Seal {
        &self.seal
    }

    fn base_url(&self) -> &str {
        &self.base_url
    }
}
