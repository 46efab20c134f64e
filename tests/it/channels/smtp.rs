//! Mail, against a real SMTP server: Python's aiosmtpd, which prints what it was given.

use headwater::delivery::Attempt;
use headwater::engine::effect::NoticeKind;
use serde_json::{Value, json};

use super::library::Library;
use super::{HOSTILE, hostile, send};

const SERVER: &str = r#"
import email, email.policy, json, sys, time
from aiosmtpd.controller import Controller
class Hand:
    async def handle_RCPT(self, server, session, envelope, address, options):
        for word, answer in (("gone", "550 no such mailbox"), ("busy", "451 try again later"), ("auth", "530 authentication required")):
            if address.startswith(word):
                return answer
        envelope.rcpt_tos.append(address)
        return "250 OK"
    async def handle_DATA(self, server, session, envelope):
        message = email.message_from_bytes(envelope.content, policy=email.policy.default)
        parts = {part.get_content_type(): part.get_content() for part in message.walk() if not part.is_multipart()}
        told = {"to": envelope.rcpt_tos, "headers": {key.lower(): str(value) for key, value in message.items()}, "parts": parts}
        print(json.dumps(told), flush=True)
        return "250 OK"
controller = Controller(Hand(), hostname="127.0.0.1", port=0, enable_SMTPUTF8=True)
import socket
with socket.socket() as probe:
    probe.bind(("127.0.0.1", 0))
    controller.port = probe.getsockname()[1]
controller.start()
print(controller.port, flush=True)
sys.stdin.read()
"#;

fn receiver(smtp: &Library, to: &str) -> Value {
    json!({ "kind": "mail", "server": "127.0.0.1", "port": smtp.port, "security": "none",
            "from": "Headwater 溯源 <noc@example.org>", "to": [to, "second@example.org"] })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mail_arrives_as_text_and_html_in_one_thread() {
    let Some(mut smtp) = Library::start(SERVER, &[]) else { return };
    let own = receiver(&smtp, "first@example.org");
    let mut ids = Vec::new();
    for kind in [NoticeKind::Opened, NoticeKind::Opened, NoticeKind::Recovered] {
        assert_eq!(send(&own, &hostile(kind, 30)).await, Attempt::Accepted);
        let got = smtp.message();
        let header = |name: &str| got["headers"][name].as_str().unwrap_or_default().to_owned();
        assert_eq!(got["to"], json!(["first@example.org", "second@example.org"]));
        assert!(header("subject").starts_with("【P1 紧急】") && header("subject").contains("核心交换机"), "{got}");
        assert!(header("from").contains("溯源"), "{got}");
        assert_eq!(header("references"), header("in-reply-to"));
        let (text, html) = (got["parts"]["text/plain"].as_str().unwrap(), got["parts"]["text/html"].as_str().unwrap());
        assert!(
            text.contains(HOSTILE.split(' ').next().unwrap()) && text.contains("https://noc.example/incidents/"),
            "{text}"
        );
        assert!(!html.contains("<script>") && html.contains("&lt;script&gt;"), "{html}");
        ids.push((header("message-id"), header("references")));
    }
    assert_eq!(ids[0], ids[1], "the same message again has the same id");
    assert_eq!(ids[0].1, ids[2].1, "one incident is one thread");
    assert_ne!(ids[0].0, ids[2].0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_mail_server_answers_means_what_it_should() {
    let Some(smtp) = Library::start(SERVER, &[]) else { return };
    let notice = hostile(NoticeKind::Opened, 1);
    let gone = send(&receiver(&smtp, "gone@example.org"), &notice).await;
    assert!(matches!(gone, Attempt::Refused { .. }), "{gone:?}");
    let busy = send(&receiver(&smtp, "busy@example.org"), &notice).await;
    assert!(matches!(busy, Attempt::TryLater { .. }), "{busy:?}");
    let auth = send(&receiver(&smtp, "auth@example.org"), &notice).await;
    assert!(matches!(auth, Attempt::LockedOut { .. }), "{auth:?}");
    let mut nobody = receiver(&smtp, "first@example.org");
    nobody["port"] = 1.into();
    let nobody = send(&nobody, &notice).await;
    assert!(matches!(nobody, Attempt::TryLater { .. }), "{nobody:?}");
    let mut plain = receiver(&smtp, "first@example.org");
    plain["security"] = "starttls".into();
    let plain = send(&plain, &notice).await;
    assert!(!matches!(plain, Attempt::Accepted), "a server without TLS gets nothing: {plain:?}");
}
