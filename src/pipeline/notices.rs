//! How the receivers are doing, and what could not be delivered: for the API.

use std::sync::atomic::Ordering;

use futures::FutureExt as _;
use futures::future::BoxFuture;

use super::Pipeline;
use crate::api::held_back::BudgetLine;
use crate::api::notices::{ReceiverLine, ReceiverList, UndeliveredNotice};
use crate::api::reach::{TestAsked, WayLine};
use crate::api::state::{Notices, PreviewAsked, Trouble};
use crate::delivery::acts::Acts;
use crate::delivery::lines::Lines;
use crate::delivery::message::Style;
use crate::delivery::settings::NOBODY;
use crate::delivery::template::{Templates, example};
use crate::delivery::{Attempt, ReceiverState};
use crate::domain::ids::{IncidentId, PersonId, ReceiverId, TenantId};
use crate::domain::incident::IncidentView;
use crate::domain::reach::Way;
use crate::engine::budget::BudgetState;
use crate::engine::calendar::ZONE_DEFAULT;
use crate::engine::effect::{Addressee, Notice, NoticeKind};

/// Kinds that ring, whatever somebody is doing: messages to a phone, calls, and apps made for being on call.
const INTERRUPTING: [&str; 9] =
    ["gateway", "cloud_mas", "aliyun_sms", "aliyun_voice", "tencent_sms", "smpp", "ntfy", "pagerduty", "opsgenie"];

/// Kinds that keep tickets.
const KEEPING_TICKETS: [&str; 6] = ["jira", "servicenow", "github", "gitlab", "bk_itsm", "rest_ticket"];

impl Pipeline {
    /// What is wrong while the others may take this instance for dead: what it accepts, it cannot write down either.
    pub fn unheard(&self) -> Option<Trouble> {
        let kind = "the other instances do not hear of this one: it decides and sends nothing";
        (!self.lease.is_valid()).then(|| Trouble { kind, detail: format!("{kind}; look at the connection to NATS") })
    }

    /// What is wrong when a part beside the engine has broken.
    pub fn broken(&self) -> Option<Trouble> {
        let (broken, kind) = (self.health().broken(), "a part of the program has broken, restart it");
        (!broken.is_empty()).then(|| Trouble { kind, detail: format!("{kind}: {}", broken.join(", ")) })
    }
}

impl Notices for Pipeline {
    fn troubles(&self) -> Vec<Trouble> {
        let mut troubles = Vec::new();
        let mut found = |kind, detail| troubles.push(Trouble { kind, detail });
        let diverged = self.health().diverged.load(Ordering::Relaxed);
        if diverged > 0 {
            let why = "when they were made again at the start; the committed ones stand: expected after an upgrade, else a bug";
            found("decisions came out differently", format!("{diverged} decisions came out differently {why}"));
        }
        if let Some(why) = self.health().nats() {
            found("events over NATS wait", format!("events over NATS wait, nothing is told there: {why}"));
        }
        if let Some(why) = self.health().redis() {
            let what = "Redis is away";
            found(what, format!("{what}: its view is old, sessions and rates are this instance's own: {why}"));
        }
        if let Some(why) = self.health().cmdb() {
            let what = "the CMDB is not read";
            found(what, format!("{what}, what it said last stays in force: {why}"));
        }
        if let Some(Trouble { kind, detail }) = self.unheard() {
            found(kind, detail);
        }
        if self.log.is_full() {
            let what = "the disk of the journal is full: input is refused until there is room";
            found(what, format!("{what}; free some"));
        }
        if self.tells_nobody() {
            found("nobody is told: no receiver is configured", NOBODY.to_owned());
        }
        let states = self.courier.delivery().map(|delivery| delivery.states()).unwrap_or_default();
        for (receiver, state) in states {
            if let Some(why) = state.locked_out {
                found("a receiver locks us out", format!("receiver {receiver} locks us out: {why}"));
            }
        }
        troubles
    }

    fn preview(&self, asked: PreviewAsked) -> Result<(String, String, Option<String>), String> {
        let PreviewAsked { incident, receiver, kind, title, text, lang, at } = asked;
        let notice =
            Notice { receiver: receiver.clone().unwrap_or_else(|| "preview".into()), kind, at, incident, ..example() };
        let (acts, none) = (Acts::default(), Templates::default());
        let style = Style { lang, time_zone: ZONE_DEFAULT, base_url: "", acts: &acts, templates: &none };
        let templates = Templates::new(title.as_deref(), text.as_deref(), &style).map_err(|error| error.to_string())?;
        let lines = Lines::of(&notice, &Style { templates: &templates, ..style });
        let sent = receiver.map(|_| self.courier.preview(&notice)).transpose()?;
        let text = lines.rest().collect::<Vec<_>>().join("\n");
        Ok((lines.title, text, sent))
    }

    fn ways(&self, tenant: &TenantId, person: &PersonId) -> Vec<WayLine> {
        let (policy, now) = (self.policy(tenant), (self.clock)());
        let Some(found) = policy.on_call.person(person) else { return Vec::new() };
        let counted = self.counted(tenant);
        let mut lines: Vec<WayLine> = Vec::new();
        for receiver in policy.on_call.steps(found).iter().flat_map(|step| &step.by) {
            if lines.iter().any(|line| line.receiver == *receiver) {
                continue;
            }
            let channel = self.courier.channel(receiver);
            let way = channel.and_then(|channel| channel.way(person, now));
            let shown = |way: &Way| {
                let mine = counted.verified.iter().find(|one| one.person == *person && one.way == way.key);
                mine.filter(|one| one.print == way.print).map(|one| one.at)
            };
            let (kind, verified_at) = (channel.map_or("", |channel| channel.name()), way.as_ref().and_then(shown));
            lines.push(WayLine { receiver: receiver.clone(), kind, way, verified_at });
        }
        lines
    }

    fn send_test(&self, asked: TestAsked) -> BoxFuture<'static, Result<String, String>> {
        let TestAsked { tenant, person, receiver, code, at } = asked;
        let Some(channel) = self.courier.channel(&receiver).cloned() else {
            return std::future::ready(Err(format!("receiver {receiver} is not configured, or switched off"))).boxed();
        };
        let name = self.policy(&tenant).on_call.called(&person).into();
        let to = Addressee { person, name, policy: "".into(), level: 1, verified: Vec::new() };
        let notice = Notice {
            key: format!("test-{receiver}-{}-{}", to.person, at.0).into(),
            receiver,
            kind: NoticeKind::Test,
            at,
            incident: IncidentView::new(IncidentId(0), tenant, &code, at),
            to: Some(Box::new(to)),
            ..example()
        };
        async move {
            match channel.send(&notice).await {
                Attempt::Accepted | Attempt::Filed { .. } | Attempt::Answered { .. } => Ok(String::new()),
                Attempt::Noted { said } => Ok(said),
                Attempt::TryLater { why, .. } | Attempt::Refused { why } | Attempt::LockedOut { why } => Err(why),
            }
        }
        .boxed()
    }

    fn tells_nobody(&self) -> bool {
        self.courier.delivery().is_some_and(|delivery| delivery.is_to_nobody())
    }

    fn receivers(&self, tenant: &TenantId) -> ReceiverList {
        let states = self.courier.delivery().map(|delivery| delivery.states()).unwrap_or_default();
        let policy = self.policy(tenant);
        let named = policy.receivers().into_iter();
        let counted = self.counted(tenant);
        let held_back =
            |id: &ReceiverId| counted.held_back.iter().find(|(known, _)| known == id).map_or(0, |(_, n)| *n);
        let budgets = |id: &ReceiverId| {
            let shared = counted.budgets.iter().filter(|state| state.budget.receivers.contains(id));
            shared.map(budget).collect::<Vec<_>>()
        };
        let of = |id: &ReceiverId| {
            let (held_back, budgets) = (held_back(id), budgets(id));
            ReceiverLine { held_back, budgets, ..line(id.as_str(), states.get(id)) }
        };
        let items = named.map(of).collect();
        let pending = self.courier.lock().waiting(tenant) as u64;
        ReceiverList { pending, configured: states.len(), items }
    }

    fn ticket_systems(&self, tenant: &TenantId) -> Vec<ReceiverId> {
        let states = self.courier.delivery().map(|delivery| delivery.states()).unwrap_or_default();
        let keeps = |id: &&ReceiverId| states.get(*id).is_some_and(|one| KEEPING_TICKETS.contains(&one.kind));
        self.policy(tenant).receivers().into_iter().filter(keeps).cloned().collect()
    }

    fn undelivered(&self, tenant: &TenantId, limit: usize) -> Vec<UndeliveredNotice> {
        let pending = self.courier.lock();
        let mut all: Vec<_> = pending.undelivered().values().filter(|one| one.tenant == *tenant).collect();
        all.sort_by_key(|one| std::cmp::Reverse((one.at, one.place)));
        all.into_iter()
            .take(limit)
            .map(|one| UndeliveredNotice {
                key: one.key.to_string(),
                incident: one.incident.to_string(),
                receiver: one.receiver.to_string(),
                why: one.why.clone(),
                attempts: one.attempts,
                at: one.at.to_string(),
            })
            .collect()
    }

    fn undelivered_notice(&self, tenant: &TenantId, key: &str) -> Result<Option<Notice>, String> {
        let found = self.courier.lock().undelivered().get(key).filter(|one| one.tenant == *tenant).map(|one| one.place);
        let Some(place) = found else { return Ok(None) };
        self.courier.notice(place, key).map_err(|error| format!("{error:#}"))
    }
}

fn budget(state: &BudgetState) -> BudgetLine {
    BudgetLine {
        id: state.budget.id.to_string(),
        hour: state.hour,
        hour_max: state.budget.hour,
        day: state.day,
        day_max: state.budget.day,
        held: state.held,
    }
}

fn line(id: &str, state: Option<&ReceiverState>) -> ReceiverLine {
    let Some(state) = state else { return ReceiverLine { id: id.to_owned(), ..ReceiverLine::default() } };
    ReceiverLine {
        id: id.to_owned(),
        kind: state.kind.to_owned(),
        interrupts: INTERRUPTING.contains(&state.kind),
        reachable: !state.switched_off,
        waiting: state.waiting as u64,
        accepted: state.accepted,
        failed: state.failed,
        given_up: state.given_up,
        folded: state.folded,
        held_back: 0,
        budgets: Vec::new(),
        paused: state.locked_out.clone(),
        last_failure: state.last_failure.clone(),
    }
}
