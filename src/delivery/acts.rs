//! What a message brings along to act with: a signed link, a mark for buttons, a code to answer with.

use crate::domain::action::Action;
use crate::domain::pass::{Pass, Seal};
use crate::domain::time::Span;
use crate::engine::effect::Notice;
use crate::wording::lang::Lang;

/// Who reads what a receiver is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reader {
    /// Whoever is there: a group's chat, another program.
    #[default]
    Room,
    /// Those who work on tickets: nobody is called by name.
    Desk,
    /// One person alone, at an address of their own.
    Person,
}

/// How a message reaches its reader.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Medium {
    #[default]
    Read,
    /// A voice reads it out.
    Spoken,
}

/// How the readers of one receiver's messages act.
#[derive(Clone, Debug, Default)]
pub struct Acts {
    /// What signs; none: nobody acts from messages.
    pub seal: Option<Seal>,
    /// How long a link can be used.
    pub valid_for: Span,
    /// The receiver.
    pub receiver: Box<str>,
    /// The console's address, without a slash at its end; empty: no links.
    pub base_url: String,
    /// Who reads them.
    pub reader: Reader,
    pub medium: Medium,
    /// Its gateway brings answers back.
    pub is_answered: bool,
}

/// A button of a message.
#[derive(Clone, Debug)]
pub struct Button {
    /// Which deed.
    pub word: &'static str,
    /// What stands on it.
    pub name: &'static str,
    /// On which incident.
    pub mark: String,
}

impl Acts {
    /// The seal, for messages about which something can be done.
    fn seal(&self, notice: &Notice) -> Option<&Seal> {
        self.seal.as_ref().filter(|_| notice.kind.is_of_open())
    }

    /// The address with which the person who is told acts. A room gets none, also where it calls that person: whoever
    /// reads there could use it, and would be that person.
    pub fn link(&self, notice: &Notice) -> Option<String> {
        let (seal, to) = (self.seal(notice)?, notice.to.as_ref()?);
        if self.base_url.is_empty() || self.reader != Reader::Person {
            return None;
        }
        let pass = Pass {
            tenant: notice.incident.tenant.clone(),
            incident: notice.incident.id,
            actor: to.person.as_str().into(),
            via: self.receiver.clone(),
            ends: notice.at.plus(self.valid_for),
        };
        Some(format!("{}/a/{}", self.base_url, seal.text(&pass)))
    }

    /// What buttons of a system say back of an incident, for this receiver only; what was done already is left out.
    pub fn buttons(&self, notice: &Notice, lang: Lang) -> Vec<Button> {
        let incident = &notice.incident;
        let Some(seal) = self.seal(notice) else { return Vec::new() };
        let mark = seal.mark(&incident.tenant, incident.id, &self.receiver);
        let is_left = |word: &str| word != "ack" || incident.acknowledged_at.is_none();
        let left = lang.buttons().into_iter().filter(|(word, _)| is_left(word));
        left.map(|(word, name)| Button { word, name, mark: mark.clone() }).collect()
    }

    /// Few digits with which the person answers.
    pub fn code(&self, notice: &Notice) -> Option<String> {
        let is_written = self.is_answered && self.medium == Medium::Read;
        let (seal, to) = (self.seal(notice).filter(|_| is_written)?, notice.to.as_ref()?);
        Some(seal.code(&notice.incident.tenant, notice.incident.id, to.person.as_str()))
    }

    /// The same in a sentence.
    pub fn answer(&self, notice: &Notice, lang: Lang) -> Option<String> {
        let code = self.code(notice)?;
        Some(match lang {
            Lang::Zh => format!("回复 {code} 认领"),
            Lang::En => format!("reply {code} to acknowledge"),
        })
    }

    /// Which keys of a phone mean what, where a call brings them back.
    pub fn keys(&self, notice: &Notice, lang: Lang) -> Option<&'static str> {
        let is_heard = self.is_answered && self.medium == Medium::Spoken && notice.to.is_some();
        self.seal(notice).filter(|_| is_heard)?;
        Some(match lang {
            Lang::Zh => "按 1 认领，按 2 暂缓一小时，按 3 已解决",
            Lang::En => "press 1 to acknowledge, 2 to snooze for an hour, 3 if it is resolved",
        })
    }

    /// Where an executor reports, for this action only; a late word is still wanted for a day.
    pub fn report_url(&self, notice: &Notice, action: &Action) -> Option<String> {
        let seal = self.seal.as_ref().filter(|_| !self.base_url.is_empty())?;
        let pass = Pass {
            tenant: notice.incident.tenant.clone(),
            incident: notice.incident.id,
            actor: action.id.clone(),
            via: self.receiver.clone(),
            ends: action.due.unwrap_or(notice.at).plus(Span::hours(24)),
        };
        Some(format!("{}/api/v1/actions/{}", self.base_url, seal.report(&pass)))
    }
}
