//! Questions to the other instances: which series they watch, and a model that one of them makes. Each listens on a subject of its
//! own below the cluster's prefix, where nobody but instances may write; whoever asks has checked role and scope.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, bail};
use async_nats::{Client, Request};
use futures::StreamExt as _;
use serde::{Deserialize, Serialize};

use crate::api::state::{NoAnswer, Retrained};
use crate::domain::ids::TenantId;
use crate::domain::series::{SeriesChart, SeriesQuery, SeriesView};
use crate::engine::input::By;
use crate::intake::Intake;
use crate::nats::connect::Nats;
use crate::pipeline::Pipeline;

use super::series::Judging;

/// The longest wait for what another instance shows, and for a model that it makes.
const PATIENCE: Duration = Duration::from_secs(3);
const MAKING_TIME_MAX: Duration = Duration::from_secs(50);
/// Questions that are answered at a time.
const AT_ONCE: usize = 16;

/// What is asked.
#[derive(Serialize, Deserialize)]
enum Question {
    Series { tenant: TenantId, query: SeriesQuery },
    Chart { tenant: TenantId, id: String },
    Retrain { tenant: TenantId, author: String, reason: String },
}

/// What is answered.
#[derive(Serialize, Deserialize)]
enum Answer {
    Series {
        page: Vec<SeriesView>,
        total: usize,
    },
    Chart(Option<Box<SeriesChart>>),
    Retrained(Retrained),
    /// Why not.
    Refused(String),
}

/// The other instances of a cluster.
pub struct Others {
    client: Client,
    prefix: String,
    instance: String,
    pipeline: Arc<Pipeline>,
}

impl Others {
    /// Under this instance's name.
    pub fn new(nats: &Nats, (prefix, instance): (&str, String), pipeline: Arc<Pipeline>) -> Self {
        Self { client: nats.client.clone(), prefix: prefix.to_owned(), instance, pipeline }
    }

    /// This instance's name.
    pub fn instance(&self) -> &str {
        &self.instance
    }

    fn subject(&self, instance: &str) -> String {
        format!("{}.ask.{instance}", self.prefix)
    }

    /// All that are there, in the order of their names: lists go through them in it, so that pages fit together.
    fn everyone(&self) -> BTreeSet<String> {
        self.pipeline.health().instances().into_iter().chain([self.instance.clone()]).collect()
    }

    async fn ask(&self, instance: &str, question: &Question, patience: Duration) -> Result<Answer, NoAnswer> {
        let body = serde_json::to_vec(question).expect("questions are plain data");
        let request = Request::new().payload(body.into()).timeout(Some(patience));
        let silent = |error: &dyn std::fmt::Display| {
            tracing::debug!(%error, instance, "another instance does not answer");
            NoAnswer { instance: instance.to_owned() }
        };
        let answer = self.client.send_request(self.subject(instance), request).await.map_err(|error| silent(&error))?;
        serde_json::from_slice(&answer.payload).map_err(|error| silent(&error))
    }

    /// A page of the series of all instances, and how many there are; `here` gives those of this one.
    ///
    /// # Errors
    /// When one of them does not answer.
    pub async fn series(
        &self,
        tenant: &TenantId,
        query: SeriesQuery,
        here: impl Fn(&SeriesQuery) -> (Vec<SeriesView>, usize),
    ) -> Result<(Vec<SeriesView>, usize), NoAnswer> {
        let (mut all, mut count, mut rest) = (Vec::new(), 0, query);
        for instance in self.everyone() {
            let (page, total) = if instance == self.instance {
                here(&rest)
            } else {
                let question = Question::Series { tenant: tenant.clone(), query: rest.clone() };
                match self.ask(&instance, &question, PATIENCE).await? {
                    Answer::Series { page, total } => (page, total),
                    Answer::Chart(_) | Answer::Retrained(_) | Answer::Refused(_) => return Err(NoAnswer { instance }),
                }
            };
            count += total;
            rest.offset = rest.offset.saturating_sub(total);
            rest.limit = rest.limit.saturating_sub(page.len());
            all.extend(page);
        }
        Ok((all, count))
    }

    /// A series that another instance watches.
    ///
    /// # Errors
    /// When nobody who answers watches it, and somebody does not answer.
    pub async fn chart(&self, tenant: &TenantId, id: &str) -> Result<Option<SeriesChart>, NoAnswer> {
        let mut silent = None;
        for instance in self.everyone().into_iter().filter(|name| *name != self.instance) {
            let question = Question::Chart { tenant: tenant.clone(), id: id.to_owned() };
            match self.ask(&instance, &question, PATIENCE).await {
                Ok(Answer::Chart(Some(chart))) => return Ok(Some(*chart)),
                Ok(_) => {}
                Err(error) => silent = Some(error),
            }
        }
        silent.map_or(Ok(None), Err)
    }

    /// Has an instance make a metric model of the readings that it keeps.
    ///
    /// # Errors
    /// When it does not answer, or says why not.
    pub async fn retrain(&self, instance: &str, tenant: &TenantId, by: &By) -> Result<Retrained> {
        let (author, reason) = (by.author.to_string(), by.reason.to_string());
        let question = Question::Retrain { tenant: tenant.clone(), author, reason };
        match self.ask(instance, &question, MAKING_TIME_MAX).await {
            Ok(Answer::Retrained(made)) => Ok(made),
            Ok(Answer::Refused(why)) => {
                bail!("instance {instance}, which keeps most readings of tenant {tenant}: {why}")
            }
            Ok(Answer::Series { .. } | Answer::Chart(_)) | Err(_) => bail!(
                "instance {instance} keeps most readings of tenant {tenant} and does not answer: look at \
                 `headwater shadow report`, else ask again"
            ),
        }
    }

    /// Answers what others ask, until the connection is closed for good.
    pub async fn answer(self: Arc<Self>, intake: Arc<Intake>, judging: Arc<Judging>) {
        let asked = match self.client.subscribe(self.subject(&self.instance)).await {
            Ok(asked) => asked,
            Err(error) => return tracing::error!(%error, "other instances cannot ask this one for its series"),
        };
        let answered = asked.for_each_concurrent(AT_ONCE, |message| {
            let (client, intake, judging) = (self.client.clone(), intake.clone(), judging.clone());
            async move {
                let Some(reply) = message.reply else { return };
                let answer = match serde_json::from_slice(&message.payload) {
                    Ok(question) => told(question, &intake, &judging).await,
                    Err(error) => Answer::Refused(format!("the question cannot be read: {error}")),
                };
                let body = serde_json::to_vec(&answer).expect("answers are plain data");
                if let Err(error) = client.publish(reply, body.into()).await {
                    tracing::debug!(%error, "an answer to another instance was not sent");
                }
            }
        });
        answered.await;
    }
}

async fn told(question: Question, intake: &Intake, judging: &Judging) -> Answer {
    match question {
        Question::Series { tenant, query } => {
            let (page, total) = intake.senses().shown(&tenant, &query);
            Answer::Series { page, total }
        }
        Question::Chart { tenant, id } => Answer::Chart(intake.senses().chart(&tenant, &id).map(Box::new)),
        Question::Retrain { tenant, author, reason } => {
            let by = By { author: author.as_str().into(), reason: reason.as_str().into() };
            match judging.retrain(&tenant, &by).await {
                Ok(made) => Answer::Retrained(made),
                Err(error) => Answer::Refused(format!("{error:#}")),
            }
        }
    }
}
