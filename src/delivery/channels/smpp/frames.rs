//! What is said on a connection, cut by the length that stands before each PDU: one that cannot be read harms no other.
//!
//! Document: "SMPP v3.4", 3.2 (header: length, id, status, sequence number), 4.3 (generic_nack).

use std::io;

use futures::SinkExt as _;
use rusmpp::pdus::DeliverSmResp;
use rusmpp::tokio_codec::{CommandCodec, EncodeError};
use rusmpp::{Command, CommandId, CommandStatus, Pdu};
use tokio_util::bytes::{Buf as _, BytesMut};
use tokio_util::codec::{Decoder, Encoder, LengthDelimitedCodec};

use super::{Line, unreached};
use crate::delivery::Attempt;

/// Bytes of a PDU: the longest that the protocol knows are a few hundred, with a payload of its own 64 KiB.
const PDU_MAX: usize = 70_000;
const HEADER_BYTES: usize = 16;
/// The bit of an id that says that it is an answer.
const IS_ANSWER: u32 = 0x8000_0000;

/// Cuts and reads what comes, and writes what goes.
#[derive(Debug)]
pub(super) struct Frames {
    cut: LengthDelimitedCodec,
    words: CommandCodec,
}

impl Default for Frames {
    fn default() -> Self {
        let cut =
            LengthDelimitedCodec::builder().length_field_length(4).num_skip(0).max_frame_length(PDU_MAX).new_codec();
        Self { cut, words: CommandCodec::new().with_max_length(PDU_MAX) }
    }
}

/// A PDU that cannot be read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unread {
    id: u32,
    sequence: u32,
    pub why: String,
}

impl Unread {
    /// Whether it is, or may be, the answer to what was said under a number.
    pub fn answers(&self, sequence: u32) -> bool {
        self.id & IS_ANSWER != 0 && self.sequence == sequence
    }

    /// What is answered; none: it is an answer itself. A message is not to come again.
    fn answer(&self) -> Option<Command> {
        if self.id & IS_ANSWER != 0 {
            return None;
        }
        let (status, pdu) = if self.id == u32::from(CommandId::DeliverSm) {
            (CommandStatus::EsmeRxRAppn, Pdu::from(DeliverSmResp::default()))
        } else {
            (CommandStatus::EsmeRinvcmdlen, Pdu::GenericNack)
        };
        Some(Command::new(status, self.sequence, pdu))
    }
}

impl Decoder for Frames {
    type Item = Result<Command, Unread>;
    type Error = io::Error;

    fn decode(&mut self, bytes: &mut BytesMut) -> io::Result<Option<Self::Item>> {
        let Some(mut frame) = self.cut.decode(bytes)? else { return Ok(None) };
        if frame.len() < HEADER_BYTES {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a PDU is shorter than its header"));
        }
        let mut header = &frame[4..HEADER_BYTES];
        let (id, _, sequence) = (header.get_u32(), header.get_u32(), header.get_u32());
        let unread = |why: String| Unread { id, sequence, why };
        Ok(Some(match self.words.decode(&mut frame) {
            Ok(command) => command.ok_or_else(|| unread("it is not whole".to_owned())),
            Err(error) => Err(unread(error.to_string())),
        }))
    }
}

impl Encoder<Command> for Frames {
    type Error = EncodeError;

    fn encode(&mut self, command: Command, bytes: &mut BytesMut) -> Result<(), EncodeError> {
        self.words.encode(command, bytes)
    }
}

impl Line {
    /// Says no to what cannot be read, and goes on.
    pub(super) async fn decline(&mut self, unread: &Unread) -> Result<(), Attempt> {
        let Some(answer) = unread.answer() else { return Ok(()) };
        self.framed.send(answer).await.map_err(|error| unreached(&error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_read_harms_nothing_behind_it() {
        let mut frames = Frames::default();
        let mut bytes = BytesMut::new();
        // A message whose first text has no end, and one of an answer; then a question.
        for id in [5_u32, 0x8000_0004] {
            let head = [20, id, 0, 7].map(u32::to_be_bytes).concat();
            bytes.extend_from_slice(&[head.as_slice(), &[0xff; 4]].concat());
        }
        frames.encode(Command::new(CommandStatus::EsmeRok, 8, Pdu::EnquireLink), &mut bytes).unwrap();
        let message = frames.decode(&mut bytes).unwrap().unwrap().unwrap_err();
        let answer = message.answer().unwrap();
        assert_eq!((answer.id(), answer.sequence_number()), (CommandId::DeliverSmResp, 7));
        assert_ne!(answer.status(), CommandStatus::EsmeRok);
        let other = frames.decode(&mut bytes).unwrap().unwrap().unwrap_err();
        assert!(other.answer().is_none() && other.answers(7) && !message.answers(7), "{other:?}");
        assert_eq!(frames.decode(&mut bytes).unwrap().unwrap().unwrap().id(), CommandId::EnquireLink);
        assert!(frames.decode(&mut bytes).unwrap().is_none());
        // What is no PDU at all ends the connection.
        assert!(frames.decode(&mut BytesMut::from("HTTP/1.1 400 Bad Request")).is_err());
        assert!(frames.decode(&mut BytesMut::from([0, 0, 0, 4].as_slice())).is_err());
    }
}
