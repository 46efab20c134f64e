//! `headwater notify`: what a receiver would be sent, and whether it can be reached.

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use clap::{Args, Subcommand, ValueEnum};

use super::typed::history_of;
use crate::clock::machine;
use crate::config::{self, Flags};
use crate::delivery::channels::nats::Bus;
use crate::delivery::settings::Ready;
use crate::delivery::template::example;
use crate::delivery::{Attempt, Channel};
use crate::domain::ids::{IncidentId, PersonId, ReceiverId, TenantId};
use crate::engine::effect::{Addressee, Notice, NoticeKind};
use crate::projection::history::find;
use crate::projection::scope::Scope;

/// The commands about messages.
#[derive(Subcommand)]
pub enum NotifyCommand {
    /// Print what a receiver would be sent, without sending it / 预览消息
    #[command(after_help = "Examples:\n  headwater notify preview --config headwater.yaml duty\n  \
        headwater notify preview --config headwater.yaml sms --person li --data DIR --incident i0-12 --kind recovered")]
    Preview(PreviewMessageArguments),
    /// Send a message that says it is a test, now, to a receiver or a person / 发送测试消息
    #[command(after_help = "Example:\n  headwater notify test --config headwater.yaml sms --person li\n\n\
        Past journal and engine: nothing is recorded. Fails when the receiver does not take it.")]
    Test(TestMessageArguments),
}

/// Which message.
#[derive(Clone, Copy, ValueEnum)]
pub enum Kind {
    Opened,
    Updated,
    Reminder,
    Recovered,
    Reopened,
    Closed,
    Merged,
}

/// What `notify preview` takes.
#[derive(Args)]
pub struct PreviewMessageArguments {
    /// Settings file, with the receivers.
    #[arg(long)]
    pub config: PathBuf,
    /// The receiver.
    pub receiver: String,
    /// As if this person were meant.
    #[arg(long)]
    pub person: Option<String>,
    #[arg(long, value_enum, default_value = "opened")]
    pub kind: Kind,
    /// A data folder, for an incident of its history.
    #[arg(long, requires = "incident")]
    pub data: Option<PathBuf>,
    /// An incident of it; without one an example is shown.
    #[arg(long, requires = "data")]
    pub incident: Option<String>,
    #[arg(long, default_value = "default")]
    pub tenant: String,
}

/// What `notify test` takes.
#[derive(Args)]
pub struct TestMessageArguments {
    /// Settings file, with the receivers.
    #[arg(long)]
    pub config: PathBuf,
    /// The receiver.
    pub receiver: String,
    /// To this person, at the address that the file of contacts has.
    #[arg(long)]
    pub person: Option<String>,
}

/// Runs one of them.
///
/// # Errors
/// When the configuration is wrong, something named is not there, or the receiver does not take the message.
pub fn run(command: NotifyCommand, out: &mut impl Write) -> Result<()> {
    match command {
        NotifyCommand::Preview(ask) => preview(&ask, out),
        NotifyCommand::Test(ask) => test(&ask, out),
    }
}

fn channel(config: &std::path::Path, receiver: &str) -> Result<Arc<dyn Channel>> {
    let loaded = config::load(Some(config), Flags::default()).map_err(config::joined)?;
    let (config, layers) = (loaded.config, loaded.layers);
    let ready = config
        .receivers(&layers, config.listen.port(), &machine(), (&Arc::default(), &Bus::default()), None)
        .map_err(config::joined)?;
    let names: Vec<String> = ready.keys().map(ToString::to_string).collect();
    let found = ready.into_iter().find(|(id, _)| *id == ReceiverId::from(receiver));
    let Some((_, Ready { channel, .. })) = found else {
        bail!("there is no receiver {receiver:?}; there are {}", names.join(", "));
    };
    channel.with_context(|| format!("receiver {receiver} is switched off"))
}

fn to(person: Option<&str>) -> Option<Box<Addressee>> {
    person.map(|person| {
        Box::new(Addressee {
            person: PersonId::from(person),
            name: person.into(),
            policy: "".into(),
            level: 1,
            verified: Vec::new(),
        })
    })
}

fn preview(ask: &PreviewMessageArguments, out: &mut impl Write) -> Result<()> {
    let channel = channel(&ask.config, &ask.receiver)?;
    let mut notice = example();
    if let (Some(data), Some(id)) = (&ask.data, &ask.incident) {
        let id = IncidentId::parse(id).with_context(|| format!("--incident {id:?}: write an id as i0-12"))?;
        let scope = Scope::whole(TenantId::from(ask.tenant.as_str()));
        let found = history_of(data)?.read(|from| find::incident(from, &scope, id))?;
        notice.incident = found.with_context(|| format!("{id} is not in the history of tenant {}", ask.tenant))?;
        notice.at = notice.incident.updated_at;
    }
    notice.receiver = ReceiverId::from(ask.receiver.as_str());
    notice.to = to(ask.person.as_deref());
    notice.kind = match ask.kind {
        Kind::Opened => NoticeKind::Opened,
        Kind::Updated => NoticeKind::Updated,
        Kind::Reminder => NoticeKind::Reminder,
        Kind::Recovered => NoticeKind::Recovered,
        Kind::Reopened => NoticeKind::Reopened,
        Kind::Closed => NoticeKind::Closed,
        Kind::Merged => NoticeKind::Merged,
    };
    let shown = channel.preview(&notice).map_err(|why| anyhow::anyhow!("{why}"))?;
    Ok(writeln!(out, "{shown}")?)
}

fn test(ask: &TestMessageArguments, out: &mut impl Write) -> Result<()> {
    let channel = channel(&ask.config, &ask.receiver)?;
    let mut notice: Notice = example();
    let now = machine()();
    notice.incident.title = "测试消息,请忽略 / A test, please ignore".into();
    (notice.incident.first_alert_at, notice.incident.opened_at, notice.at) = (now, now, now);
    notice.receiver = ReceiverId::from(ask.receiver.as_str());
    notice.key = format!("test-{}-{}", ask.receiver, now.0).into();
    notice.to = to(ask.person.as_deref());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    match runtime.block_on(channel.send(&notice)) {
        Attempt::Accepted => writeln!(out, "taken: {} ({})", ask.receiver, channel.name())?,
        Attempt::Noted { said } => writeln!(out, "taken: {} ({}) {said}", ask.receiver, channel.name())?,
        Attempt::Answered { report } => writeln!(out, "taken: {:?} {}", report.result, report.text)?,
        Attempt::Filed { ticket } => writeln!(out, "taken: {} {}", ticket.number, ticket.url)?,
        Attempt::TryLater { why, .. } => bail!("not now: {why}"),
        Attempt::Refused { why } => bail!("refused: {why}"),
        Attempt::LockedOut { why } => bail!("locked out: {why}"),
    }
    Ok(())
}
