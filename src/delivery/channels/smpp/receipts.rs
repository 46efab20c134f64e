//! Receipts: a connection of its own stands, bound as a receiver, on which the centre tells what became of messages.
//!
//! Document: "SMPP v3.4", 4.1.3 (bind_receiver), 4.6 (deliver_sm), 4.11 (enquire_link), 5.2.12 (`esm_class`), 5.2.17, appendix B (the text
//! of a receipt: `id:… stat:… err:…`, which most centres write so). What a telephone sends itself is refused: nobody reads it here.

use std::convert::Infallible;
use std::time::Duration;

use futures::{SinkExt as _, StreamExt as _};
use rusmpp::pdus::{BindReceiver, DeliverSm, DeliverSmResp};
use rusmpp::tlvs::TlvValue;
use rusmpp::values::{InterfaceVersion, MessageState};
use rusmpp::{Command, CommandStatus, Pdu};
use tokio::time::{Instant, sleep, timeout};

use super::{Line, Smpp, address, bound, text, unreached};
use crate::delivery::Attempt;
use crate::delivery::fate::{End, Fate, Tell};
use crate::delivery::schedule::Pauses;
use crate::delivery::settings::Settings;

/// The first pause before the next connection.
const PAUSE: Duration = Duration::from_secs(10);
/// After so long without a word the centre is asked whether it is there; after twice that it is not.
const ENQUIRE_AFTER: Duration = Duration::from_secs(30);
/// The bits of `esm_class` that say what a message is, and what they are of a receipt.
const KIND_BITS: u8 = 0x3c;
const IS_RECEIPT: u8 = 0x04;

/// What a centre has brought.
#[derive(Debug, PartialEq, Eq)]
enum Brought {
    /// What became of a message; none: that is not settled.
    Receipt(Option<Fate>),
    /// What somebody has sent.
    Message,
}

impl Smpp {
    /// Listens for as long as it is asked: who is not let in waits as sending does, else the pause grows until a connection has stood for
    /// as long as the longest one.
    pub(super) async fn listen(&self, tell: Tell<'_>, settings: &Settings) -> Infallible {
        let growing = Settings { retry_first: PAUSE, ..settings.clone() };
        let (mut pauses, mut said) = (Pauses::new(&growing), String::new());
        let receiver = &self.manner.acts.receiver;
        loop {
            let attempt = match timeout(self.timeout, self.bound_to_hear()).await {
                Err(_) => unreached(&"no answer in time"),
                Ok(Err(attempt)) => attempt,
                Ok(Ok(line)) => {
                    said.clear();
                    tracing::info!(%receiver, "receipts are heard of");
                    let since = Instant::now();
                    let Err(attempt) = line.stand(tell, self.settings.unmarked_receipts).await;
                    if since.elapsed() >= settings.retry_max {
                        pauses = Pauses::new(&growing);
                    }
                    attempt
                }
            };
            let (why, pause) = match attempt {
                Attempt::LockedOut { why } => (why, settings.locked_out_pause),
                Attempt::TryLater { why, wait } => (why, pauses.next(wait)),
                Attempt::Refused { why } => (why, pauses.next(None)),
                Attempt::Accepted | Attempt::Noted { .. } | Attempt::Filed { .. } | Attempt::Answered { .. } => {
                    (String::new(), pauses.next(None))
                }
            };
            if why != said {
                tracing::warn!(%receiver, why, "receipts are not heard of, trying again");
                said = why;
            }
            sleep(pause).await;
        }
    }

    async fn bound_to_hear(&self) -> Result<Line, Attempt> {
        let mut line = self.connect(address(&self.egress, &self.settings.server, self.port).await?).await?;
        let settings = &self.settings;
        let bind = BindReceiver::builder().system_id(text(&settings.system_id)?);
        let bind = bind.password(text(settings.password.text())?).system_type(text(&settings.system_type)?);
        line.ask(bind.interface_version(InterfaceVersion::Smpp3_4).build(), bound).await?;
        Ok(line)
    }
}

impl Line {
    /// Takes in what comes until the centre goes.
    async fn stand(mut self, tell: Tell<'_>, counts_unmarked: bool) -> Result<Infallible, Attempt> {
        let mut is_asked = false;
        loop {
            match timeout(ENQUIRE_AFTER, self.framed.next()).await {
                Ok(Some(Ok(Ok(command)))) => self.hear(&command, tell, counts_unmarked).await?,
                Ok(Some(Ok(Err(unread)))) => {
                    tracing::warn!(why = unread.why, "what a message centre says cannot be read: it is refused");
                    self.decline(&unread).await?;
                }
                Ok(Some(Err(error))) => return Err(unreached(&error)),
                Ok(None) => return Err(unreached(&"the message centre has hung up")),
                Err(_) if is_asked => return Err(unreached(&"the message centre is silent")),
                Err(_) => {
                    self.sequence += 1;
                    self.say(self.sequence, Pdu::EnquireLink).await?;
                    is_asked = true;
                    continue;
                }
            }
            is_asked = false;
        }
    }

    async fn hear(&mut self, command: &Command, tell: Tell<'_>, counts_unmarked: bool) -> Result<(), Attempt> {
        let sequence = command.sequence_number();
        match command.pdu() {
            Some(Pdu::DeliverSm(message)) => {
                let status = match brought(message, counts_unmarked) {
                    Brought::Receipt(fate) => {
                        fate.into_iter().for_each(tell);
                        CommandStatus::EsmeRok
                    }
                    Brought::Message => CommandStatus::EsmeRxRAppn,
                };
                let answer = Command::new(status, sequence, DeliverSmResp::default());
                self.framed.send(answer).await.map_err(|error| unreached(&error))
            }
            Some(Pdu::EnquireLink) => self.say(sequence, Pdu::EnquireLinkResp).await,
            Some(Pdu::Unbind) => {
                self.say(sequence, Pdu::UnbindResp).await?;
                Err(unreached(&"the message centre has ended the session"))
            }
            // Answers to our own questions, and what means nothing here.
            Some(_) | None => Ok(()),
        }
    }
}

fn brought(message: &DeliverSm, counts_unmarked: bool) -> Brought {
    let words = String::from_utf8_lossy(message.short_message().as_ref()).into_owned();
    let (mut id, mut state) = (word(&words, "id:"), word(&words, "stat:"));
    let is_marked = u8::from(message.esm_class) & KIND_BITS == IS_RECEIPT;
    let is_receipt = is_marked || (counts_unmarked && id.is_some() && state.is_some());
    if !is_receipt {
        return Brought::Message;
    }
    for value in message.tlvs().iter().filter_map(|one| one.value()) {
        match value {
            TlvValue::ReceiptedMessageId(told) => id = Some(told.as_str().to_owned()),
            TlvValue::MessageState(told) => state = Some(state_word(*told).to_owned()),
            _ => {}
        }
    }
    let end = state.and_then(|state| end(&state.to_ascii_uppercase(), &word(&words, "err:").unwrap_or_default()));
    Brought::Receipt(id.zip(end).map(|(id, end)| Fate { id, end }))
}

/// What stands behind a name in the text of a receipt.
fn word(words: &str, name: &str) -> Option<String> {
    let found = words.split_whitespace().find_map(|one| {
        let (head, rest) = one.split_at_checked(name.len())?;
        head.eq_ignore_ascii_case(name).then_some(rest)
    });
    found.filter(|rest| !rest.is_empty()).map(str::to_owned)
}

const fn state_word(state: MessageState) -> &'static str {
    match state {
        MessageState::Delivered => "DELIVRD",
        MessageState::Expired => "EXPIRED",
        MessageState::Deleted => "DELETED",
        MessageState::Undeliverable => "UNDELIV",
        MessageState::Unknown => "UNKNOWN",
        MessageState::Rejected => "REJECTD",
        _ => "ENROUTE",
    }
}

/// The end that a state is; none: it is on its way.
fn end(state: &str, error: &str) -> Option<End> {
    match state {
        "DELIVRD" => Some(End::Arrived),
        "EXPIRED" | "DELETED" | "UNDELIV" | "UNKNOWN" | "REJECTD" if error.is_empty() => {
            Some(End::Lost(state.to_owned()))
        }
        "EXPIRED" | "DELETED" | "UNDELIV" | "UNKNOWN" | "REJECTD" => Some(End::Lost(format!("{state}, error {error}"))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use rusmpp::tlvs::MessageDeliveryRequestTlvValue;
    use rusmpp::types::{COctetString, OctetString};
    use rusmpp::values::EsmClass;

    use super::*;

    fn told(class: u8, words: &str, tlvs: Vec<MessageDeliveryRequestTlvValue>) -> Brought {
        let words = OctetString::from_slice(words.as_bytes()).unwrap();
        brought(&DeliverSm::builder().esm_class(EsmClass::from(class)).short_message(words).tlvs(tlvs).build(), false)
    }

    #[test]
    fn a_receipt_says_what_became_of_which_message() {
        let fate = |id: &str, end: End| Brought::Receipt(Some(Fate { id: id.into(), end }));
        let lost = |why: &str| End::Lost(why.into());
        // The form of appendix B.
        let words = |stat: &str| {
            format!(
                "id:0000006699 sub:001 dlvrd:001 submit date:2601050800 done date:2601050801 stat:{stat} err:001 text:core-1"
            )
        };
        assert_eq!(told(4, &words("DELIVRD"), Vec::new()), fate("0000006699", End::Arrived));
        assert_eq!(told(4, &words("UNDELIV"), Vec::new()), fate("0000006699", lost("UNDELIV, error 001")));
        assert_eq!(told(4, &words("expired"), Vec::new()), fate("0000006699", lost("EXPIRED, error 001")));
        assert_eq!(told(4, &words("ENROUTE"), Vec::new()), Brought::Receipt(None), "it is on its way");
        // Anybody can write it; it counts where the centre marks none.
        assert_eq!(told(0, &words("DELIVRD"), Vec::new()), Brought::Message);
        let text = OctetString::from_slice(words("DELIVRD").as_bytes()).unwrap();
        let unmarked = DeliverSm::builder().esm_class(EsmClass::from(0)).short_message(text).build();
        assert_eq!(brought(&unmarked, true), fate("0000006699", End::Arrived));
        // By parameters alone, or against the text.
        let by_id =
            MessageDeliveryRequestTlvValue::ReceiptedMessageId(COctetString::from_string("1A2B".into()).unwrap());
        let by_state = MessageDeliveryRequestTlvValue::MessageState(MessageState::Rejected);
        assert_eq!(told(4, "", vec![by_id, by_state]), fate("1A2B", lost("REJECTD")));
        assert_eq!(told(0, "认领 3721", Vec::new()), Brought::Message);
        assert_eq!(told(4, "what?", Vec::new()), Brought::Receipt(None));
    }
}
