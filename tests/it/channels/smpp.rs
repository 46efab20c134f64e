//! SMS over SMPP, against a message centre by Python's smpplib, which prints what it was given.

use std::sync::Arc;
use std::time::Duration;

use futures::{SinkExt as _, StreamExt as _};
use headwater::clock::machine;
use headwater::delivery::contacts::Contacts;
use headwater::delivery::settings::{Ready, Settings};
use headwater::delivery::{Attempt, Clock, Delivery, Report};
use headwater::engine::effect::NoticeKind;
use headwater::engine::input::{Delivered, DeliveryOutcome};
use rusmpp::pdus::{BindTransmitter, SubmitSm};
use rusmpp::tokio_codec::CommandCodec;
use rusmpp::types::{COctetString, OctetString};
use rusmpp::values::{DataCoding, EsmClass, InterfaceVersion, RegisteredDelivery, Ton};
use rusmpp::{CommandStatus, Pdu};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_util::codec::Framed;

use super::library::Library;
use super::{channel, hostile, send};
use crate::alertmanager::tool;
use crate::delivery::notice;

/// Reads as the library does and answers as "SMPP v3.4" says: 4.1 (bind), 4.4 (submit), 5.1.3 (statuses), 5.2.12 (esm_class); the header of
/// parts is that of 3GPP TS 23.040, 9.2.3.24.1. The end of a number asks for trouble. With a certificate it speaks TLS.
const CENTRE: &str = r#"
import itertools, json, socket, ssl, struct, sys, threading
import smpplib.consts as c
import smpplib.smpp as smpp
class Peer:
    sequence = 1
    def next_sequence(self):
        return self.sequence
def exactly(sock, n):
    data = b""
    while len(data) < n:
        piece = sock.recv(n - len(data))
        if not piece:
            return None
        data += piece
    return data
def say(sock, name, sequence, status=c.SMPP_ESME_ROK, **fields):
    pdu = smpp.make_pdu(name, client=Peer(), status=status, **fields)
    pdu.sequence = sequence
    sock.sendall(pdu.generate())
def bind(pdu):
    if pdu.interface_version != c.SMPP_VERSION_34 or (pdu.system_id, pdu.system_type) != (b"headwater", b"noc"):
        return c.SMPP_ESME_RINVSYSID
    return c.SMPP_ESME_ROK if pdu.password == b"secret" else c.SMPP_ESME_RINVPASWD
def wrong(pdu):
    to, text = pdu.destination_addr.decode(), pdu.short_message or b""
    if not to.isdigit() or not 3 <= len(to) <= 20 or pdu.dest_addr_ton not in (0, 1) or pdu.dest_addr_npi != 1:
        return c.SMPP_ESME_RINVDSTADR
    if pdu.source_addr_ton == 5 and len(pdu.source_addr) > 11:
        return c.SMPP_ESME_RINVSRCADR
    if pdu.esm_class not in (0, 0x40):
        return c.SMPP_ESME_RINVESMCLASS
    if pdu.registered_delivery not in (0, 1):
        return c.SMPP_ESME_RINVREGDLVFLG
    room = {0: 160, 8: 140}.get(pdu.data_coding)
    if room is None:
        return c.SMPP_ESME_RX_P_APPN
    if pdu.esm_class == 0x40:
        count, n = text[4:6]
        if text[:3] != b"\x05\x00\x03" or not 1 <= n <= count or count < 2:
            return c.SMPP_ESME_RX_P_APPN
        # Six bytes are seven letters of seven bits.
        text, room = text[6:], room - (7 if pdu.data_coding == 0 else 6)
    if not 1 <= len(text) <= room:
        return c.SMPP_ESME_RINVMSGLEN
    try:
        if pdu.data_coding == 8:
            text.decode("utf-16-be")
        elif max(text) > 0x7f or text[-1] == 0x1b:
            return c.SMPP_ESME_RX_P_APPN
    except UnicodeDecodeError:
        return c.SMPP_ESME_RX_P_APPN
    trouble = {"0404": c.SMPP_ESME_RINVDSTADR, "0429": c.SMPP_ESME_RTHROTTLED, "0020": c.SMPP_ESME_RMSGQFUL, "0008": c.SMPP_ESME_RSYSERR}
    return trouble.get(to[-4:], c.SMPP_ESME_ROK)
numbers, lock = itertools.count(6699), threading.Condition()
GARBLED = 0x7fff0001
receivers, receipts, broken = [], {}, []
def flush():
    # What was not confirmed comes again.
    with lock:
        for sequence, (to, said) in list(receipts.items()) if receivers else []:
            try:
                say(receivers[-1], "deliver_sm", sequence, source_addr_ton=1, source_addr_npi=1, source_addr=to,
                    dest_addr_ton=0, dest_addr_npi=1, destination_addr="10690000", esm_class=4, short_message=said.encode())
            except OSError:
                return
def submitted(sock, pdu):
    status = wrong(pdu)
    if status != c.SMPP_ESME_ROK:
        return say(sock, "submit_sm_resp", pdu.sequence, status, message_id="")
    print(json.dumps({"from": pdu.source_addr.decode(), "from_ton": pdu.source_addr_ton, "to": pdu.destination_addr.decode(),
        "ton": pdu.dest_addr_ton, "coding": pdu.data_coding, "esm": pdu.esm_class, "hex": pdu.short_message.hex()}), flush=True)
    end = pdu.destination_addr.decode()[-4:]
    if end == "0408":
        return
    if end == "0410":
        return sock.close()
    if end == "0100":
        return say(sock, "generic_nack", 0, c.SMPP_ESME_RINVCMDLEN)
    if end == "0006":
        return say(sock, "unbind", 1)
    if end == "0015":
        # Its own numbers may be the same as those of the other side.
        say(sock, "enquire_link", pdu.sequence)
        raw = exactly(sock, 16)
        assert raw and smpp.parse_pdu(raw, client=Peer()).command == "enquire_link_resp", raw
    if pdu.registered_delivery == 0:
        return say(sock, "submit_sm_resp", pdu.sequence, message_id="1")
    number = next(numbers)
    stat, err = ("UNDELIV", "001") if end == "0005" else ("DELIVRD", "000")
    if end == "0009" and not broken:
        # The line of the receipts stands, and breaks once; they wait for the next one.
        with lock:
            assert lock.wait_for(lambda: receivers, 30)
            broken.append(end)
            while receivers:
                receivers.pop().shutdown(socket.SHUT_RDWR)
    # Appendix B: what was answered in hexadecimal is named in decimal, filled up.
    said = f"id:{number:010d} sub:001 dlvrd:001 submit date:2601050800 done date:2601050801 stat:{stat} err:{err} text:core-1"
    receipts[number] = (pdu.destination_addr.decode(), said)
    say(sock, "submit_sm_resp", pdu.sequence, message_id="%X" % number)
    flush()
def serve(sock):
    is_bound = False
    while True:
        head = exactly(sock, 4)
        if head is None:
            return
        raw = head + exactly(sock, struct.unpack(">L", head)[0] - 4)
        pdu = smpp.parse_pdu(raw, client=Peer(), allow_unknown_opt_params=True)
        if pdu.command == "bind_transmitter":
            status = bind(pdu)
            is_bound = status == c.SMPP_ESME_ROK
            say(sock, "bind_transmitter_resp", pdu.sequence, status, system_id="centre")
        elif pdu.command == "bind_receiver":
            status = bind(pdu)
            say(sock, "bind_receiver_resp", pdu.sequence, status, system_id="centre")
            if status == c.SMPP_ESME_ROK:
                # Nothing else comes before something that cannot be read is answered: a deliver_sm whose first text has no end.
                sock.sendall(struct.pack(">LLLL", 20, 5, 0, GARBLED) + b"\xff" * 4)
        elif pdu.command == "submit_sm" and is_bound:
            submitted(sock, pdu)
        elif pdu.command == "submit_sm":
            say(sock, "submit_sm_resp", pdu.sequence, c.SMPP_ESME_RINVBNDSTS, message_id="")
        elif pdu.command == "deliver_sm_resp" and pdu.sequence == GARBLED:
            assert pdu.status != c.SMPP_ESME_ROK
            with lock:
                receivers.append(sock)
                lock.notify_all()
            flush()
        elif pdu.command == "deliver_sm_resp" and pdu.status == c.SMPP_ESME_ROK:
            receipts.pop(pdu.sequence, None)
        elif pdu.command in ("unbind", "enquire_link"):
            say(sock, pdu.command + "_resp", pdu.sequence)
listener = socket.create_server(("127.0.0.1", 0))
if len(sys.argv) > 1:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[1], sys.argv[2])
def met(peer):
    try:
        serve(context.wrap_socket(peer, server_side=True) if len(sys.argv) > 1 else peer)
    except (OSError, TypeError):
        peer.close()
    with lock:
        receivers[:] = [one for one in receivers if one is not peer]
print(listener.getsockname()[1], flush=True)
while True:
    peer, _ = listener.accept()
    threading.Thread(target=met, args=(peer,), daemon=True).start()
"#;

/// A receipt is a second end of the same message: it has arrived, or the person's next way is taken. The line on which they come is
/// made again when it breaks, and the centre keeps them that long.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn receipts_say_what_became_of_each_message() {
    let Some(centre) = Library::start(CENTRE, &[]) else { return };
    let (sender, mut ends) = tokio::sync::mpsc::unbounded_channel::<Delivered>();
    let report: Report = Arc::new(move |delivered| {
        sender.send(delivered).unwrap();
        Box::pin(std::future::ready(()))
    });
    let ready = |to: &str| {
        let mut own = receiver(&centre, to);
        (own["id"], own["receipts"]) = ("sms".into(), true.into());
        Ready { channel: Some(channel(&own, &Contacts::default())), settings: Settings::default() }
    };
    let clock: Clock = machine();
    let mut next = async |to: &str, delivery: &Delivery| {
        let mut one = notice(7, 3, NoticeKind::Opened, "sms");
        one.incident.title = "core_1 down".into();
        let (key, at) = (one.key.clone(), one.at);
        delivery.notify(one);
        let mut told = Vec::new();
        for told_at in [None, Some(at)] {
            let end = tokio::time::timeout(Duration::from_secs(60), ends.recv()).await;
            let end = end.unwrap_or_else(|_| panic!("{to}: nothing is heard after {told:?}")).unwrap();
            assert_eq!(end.key, key);
            assert_eq!(
                end.receipt.as_ref().and_then(|receipt| receipt.told_at),
                told_at,
                "the second end says of what"
            );
            told.push((end.outcome, end.receipt.map(|receipt| receipt.said.to_string()).unwrap_or_default()));
        }
        told
    };
    // The first one breaks the line, before the centre has known any other.
    for (to, arrives) in [("+8613800000009", true), ("+8613800000001", true), ("+8613800000005", false)] {
        let delivery = Delivery::start([("sms".into(), ready(to))].into(), &clock, Arc::clone(&report));
        let told = next(to, &delivery).await;
        let id = &told[0].1;
        assert_eq!(told[0].0, DeliveryOutcome::Accepted);
        assert!(u64::from_str_radix(id.split(' ').next().unwrap(), 16).is_ok_and(|id| id >= 6699), "{told:?}");
        let second = if arrives {
            (DeliveryOutcome::Accepted, format!("{id}: 已送达 / delivered"))
        } else {
            (DeliveryOutcome::GaveUp("未送达 / undeliverable: UNDELIV, error 001".into()), id.clone())
        };
        assert_eq!(told[1], second);
        delivery.close(Duration::from_secs(5)).await;
    }
}

fn receiver(centre: &Library, to: &str) -> Value {
    json!({ "kind": "smpp", "server": "127.0.0.1", "port": centre.port, "security": "none", "system_id": "headwater",
            "password": "secret", "system_type": "noc", "from": "Headwater", "to": to, "chars_max": 300 })
}

/// The text in parts, joined: without headers, from UCS-2.
fn text(parts: &[Value]) -> String {
    let units = parts.iter().flat_map(|part| {
        let bytes = hex::decode(part["hex"].as_str().unwrap()).unwrap();
        let from = if part["esm"] == 0x40 { usize::from(bytes[0]) + 1 } else { 0 };
        bytes[from..].chunks(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect::<Vec<_>>()
    });
    String::from_utf16(&units.collect::<Vec<_>>()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_arrives_in_parts_that_are_the_same_when_it_is_sent_again() {
    let Some(mut centre) = Library::start(CENTRE, &[]) else { return };
    let mut sent = Vec::new();
    for _ in 0..2 {
        let own = receiver(&centre, "+8613800000000");
        assert_eq!(send(&own, &hostile(NoticeKind::Opened, 3000)).await, Attempt::Accepted);
        let first = centre.message();
        let header = hex::decode(first["hex"].as_str().unwrap()).unwrap();
        let count = usize::from(header[4]);
        let parts: Vec<Value> = [first].into_iter().chain((1..count).map(|_| centre.message())).collect();
        assert!(parts.len() > 1 && parts.iter().all(|part| part["coding"] == 8 && part["esm"] == 0x40), "{parts:?}");
        assert_eq!((&parts[0]["to"], &parts[0]["ton"]), (&json!("8613800000000"), &json!(1)));
        assert_eq!((&parts[0]["from"], &parts[0]["from_ton"]), (&json!("Headwater"), &json!(5)));
        let text = text(&parts);
        assert!(text.starts_with("【P1 紧急】新故障：核心交换机") && text.chars().count() == 300, "{text}");
        sent.push(parts);
    }
    assert_eq!(sent[0], sent[1]);
    // What the centre's own alphabet has goes in letters of seven bits.
    let mut own = receiver(&centre, "13800000000");
    (own["language"], own["from"], own["chars_max"]) = ("en".into(), "10690000".into(), 30.into());
    let mut plain = notice(7, 3, NoticeKind::Opened, "hook");
    plain.incident.title = "core_1 down".into();
    assert_eq!(send(&own, &plain).await, Attempt::Accepted);
    let told = centre.message();
    assert_eq!((&told["to"], &told["ton"], &told["from_ton"]), (&json!("13800000000"), &json!(0), &json!(0)));
    assert_eq!((&told["coding"], &told["esm"]), (&json!(0), &json!(0)));
    let letters = told["hex"].as_str().unwrap();
    assert!(letters.starts_with("1b3c5031") && letters.ends_with("2e2e2e"), "[P1 …: {letters}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_message_centre_answers_means_what_it_should() {
    let Some(centre) = Library::start(CENTRE, &[]) else { return };
    let notice = hostile(NoticeKind::Opened, 1);
    let later = |wait: Option<u64>| (0, wait);
    for (to, expected) in [
        ("13800000404", (1, None)),
        ("13800000429", later(Some(30))),
        ("13800000020", later(Some(30))),
        ("13800000008", later(None)),
        // No answer, no more connection, "what was that?", the end of the session: nobody knows whether it has it.
        ("13800000408", later(None)),
        ("13800000410", later(None)),
        ("13800000006", later(None)),
        ("13800000100", (1, None)),
        // It asks whether we are there, and only then says yes.
        ("13800000015", (9, None)),
    ] {
        let attempt = send(&receiver(&centre, to), &notice).await;
        assert_eq!(got(&attempt), expected, "{to}: {attempt:?}");
    }
    for (key, value) in [("password", "other"), ("system_id", "stranger"), ("system_type", "")] {
        let mut wrong = receiver(&centre, "13800000000");
        wrong[key] = value.into();
        let wrong = send(&wrong, &notice).await;
        assert!(matches!(&wrong, Attempt::LockedOut { why } if !why.contains("other")), "{wrong:?}");
    }
    let mut nobody = receiver(&centre, "13800000000");
    nobody["port"] = 1.into();
    assert_eq!(got(&send(&nobody, &notice).await), later(None));
    // Something that is no message centre.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut other = receiver(&centre, "13800000000");
    other["port"] = listener.local_addr().unwrap().port().into();
    tokio::spawn(async move {
        use tokio::io::AsyncWriteExt as _;
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        }
    });
    assert_eq!(got(&send(&other, &notice).await), later(None));
}

fn got(attempt: &Attempt) -> (u8, Option<u64>) {
    match attempt {
        Attempt::Filed { .. } | Attempt::Answered { .. } => panic!("a channel files no ticket and reports nothing"),
        Attempt::Accepted | Attempt::Noted { .. } => (9, None),
        Attempt::TryLater { wait, .. } => (0, wait.map(|wait| wait.as_secs())),
        Attempt::Refused { .. } => (1, None),
        Attempt::LockedOut { .. } => (2, None),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_centre_is_spoken_to_in_tls_and_its_certificate_is_looked_at() {
    let Some(openssl) = tool("openssl") else { return };
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    crate::protocols::certificate(&openssl, folder.path());
    let (Some(mut centre), Some(plain)) =
        (Library::start(CENTRE, &[at("tls.pem"), at("tls.key")]), Library::start(CENTRE, &[]))
    else {
        return;
    };
    let notice = hostile(NoticeKind::Opened, 1);
    let sealed = |port: u16, ca: Option<String>| {
        let mut own = receiver(&centre, "13800000000");
        (own["security"], own["port"], own["server"]) = ("tls".into(), port.into(), "localhost".into());
        if let Some(ca) = ca {
            own["ca_file"] = ca.into();
        }
        own
    };
    let (known, stranger) = (sealed(centre.port, Some(at("tls.pem"))), sealed(centre.port, None));
    let unsealed = sealed(plain.port, Some(at("tls.pem")));
    assert_eq!(send(&known, &notice).await, Attempt::Accepted);
    assert_eq!(centre.message()["to"], "13800000000");
    // Somebody else's certificate, and a centre without TLS: nothing is said to it, least of all the password.
    let attempt = send(&stranger, &notice).await;
    assert!(matches!(attempt, Attempt::LockedOut { .. }), "{attempt:?}");
    let attempt = send(&unsealed, &notice).await;
    assert!(!matches!(attempt, Attempt::Accepted | Attempt::Refused { .. }), "{attempt:?}");
}

/// A message that is right, to be made wrong.
fn right() -> SubmitSm {
    let octets = |bytes: &[u8]| OctetString::from_slice(bytes).unwrap();
    SubmitSm::builder()
        .dest_addr_npi(rusmpp::values::Npi::Isdn)
        .destination_addr(COctetString::from_string("13800000000".into()).unwrap())
        .esm_class(EsmClass::from(0))
        .short_message(octets(b"core-1 is down"))
        .build()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_message_centre_refuses_what_breaks_its_rules() {
    let Some(centre) = Library::start(CENTRE, &[]) else { return };
    let stream = TcpStream::connect(("127.0.0.1", centre.port)).await.unwrap();
    let mut framed = Framed::new(stream, CommandCodec::new());
    let mut sequence = 0;
    let mut ask = async |pdu: Pdu| {
        sequence += 1;
        framed.send(rusmpp::Command::new(CommandStatus::EsmeRok, sequence, pdu)).await.unwrap();
        framed.next().await.unwrap().unwrap().status()
    };
    assert_eq!(ask(right().into()).await, CommandStatus::EsmeRinvbndsts, "nobody has said who he is");
    let bind = |version: InterfaceVersion, password: &str| {
        let text = |text: &str| text.to_owned();
        BindTransmitter::builder()
            .system_id(COctetString::from_string(text("headwater")).unwrap())
            .password(COctetString::from_string(text(password)).unwrap())
            .system_type(COctetString::from_string(text("noc")).unwrap())
            .interface_version(version)
            .build()
    };
    assert_eq!(ask(bind(InterfaceVersion::Smpp5_0, "secret").into()).await, CommandStatus::EsmeRinvsysid);
    assert_eq!(ask(bind(InterfaceVersion::Smpp3_4, "other").into()).await, CommandStatus::EsmeRinvpaswd);
    assert_eq!(ask(bind(InterfaceVersion::Smpp3_4, "secret").into()).await, CommandStatus::EsmeRok);
    assert_eq!(ask(right().into()).await, CommandStatus::EsmeRok);
    let octets = |bytes: &[u8]| OctetString::from_slice(bytes).unwrap();
    let with = |change: &dyn Fn(&mut SubmitSm)| {
        let mut submit = right();
        change(&mut submit);
        Pdu::from(submit)
    };
    let header = |count: u8, n: u8| [5, 0, 3, 9, count, n, b'x'];
    for (wrong, status) in [
        (
            with(&|submit| submit.destination_addr = COctetString::from_string("+138".into()).unwrap()),
            CommandStatus::EsmeRinvdstadr,
        ),
        (with(&|submit| submit.dest_addr_ton = Ton::Alphanumeric), CommandStatus::EsmeRinvdstadr),
        (
            with(&|submit| {
                submit.source_addr_ton = Ton::Alphanumeric;
                submit.source_addr = COctetString::from_string("HeadwaterNOC".into()).unwrap();
            }),
            CommandStatus::EsmeRinvsrcadr,
        ),
        (with(&|submit| submit.esm_class = EsmClass::default()), CommandStatus::EsmeRinvesmclass),
        (
            with(&|submit| submit.registered_delivery = RegisteredDelivery::request_all()),
            CommandStatus::EsmeRinvregdlvflg,
        ),
        (with(&|submit| submit.data_coding = DataCoding::Latin1), CommandStatus::EsmeRxPAppn),
        (with(&|submit| submit.set_short_message(octets(&[b'a'; 161]))), CommandStatus::EsmeRinvmsglen),
        (with(&|submit| submit.set_short_message(octets("é".as_bytes()))), CommandStatus::EsmeRxPAppn),
        (with(&|submit| submit.set_short_message(octets(b"cut\x1b"))), CommandStatus::EsmeRxPAppn),
        (
            with(&|submit| {
                submit.data_coding = DataCoding::Ucs2;
                submit.set_short_message(octets(&[0xd8, 0x42]));
            }),
            CommandStatus::EsmeRxPAppn,
        ),
        (
            with(&|submit| {
                submit.data_coding = DataCoding::Ucs2;
                submit.set_short_message(octets(&[0x4e; 142]));
            }),
            CommandStatus::EsmeRinvmsglen,
        ),
        (
            with(&|submit| {
                submit.esm_class = EsmClass::from(0x40);
                submit.set_short_message(octets(&header(2, 3)));
            }),
            CommandStatus::EsmeRxPAppn,
        ),
        (
            with(&|submit| {
                submit.esm_class = EsmClass::from(0x40);
                submit.set_short_message(octets(&[header(2, 1).as_slice(), &[b'a'; 153]].concat()));
            }),
            CommandStatus::EsmeRinvmsglen,
        ),
    ] {
        assert_eq!(ask(wrong.clone()).await, status, "{wrong:?}");
    }
}
