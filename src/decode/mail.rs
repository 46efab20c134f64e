//! E-mail as the JSON object that the mapping `mail` reads.

use mail_parser::MessageParser;
use serde_json::json;

/// One message as a JSON text without line breaks; `from` and `to` are those of the envelope. `None`: it is no message.
pub fn to_json(message: &[u8], from: &str, to: &str) -> Option<String> {
    let message = MessageParser::default().parse(message)?;
    let sender = message.from().and_then(|from| from.first()).and_then(|first| first.address());
    let text = message.body_text(0).unwrap_or_default();
    let told = json!({
        "from": sender.unwrap_or(from),
        "to": to,
        "subject": message.subject().unwrap_or_default(),
        "text": text.trim(),
        "date": message.date().map(mail_parser::DateTime::to_rfc3339),
        "message_id": message.message_id().unwrap_or_default(),
    });
    Some(told.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_read_whatever_it_is_written_in() {
        let text = "From: =?GBK?B?VVBT?= <ups@plant.example>\r\nSubject: =?UTF-8?B?5biC55S15Lit5pat?=\r\nDate: Mon, 5 Jan 2026 08:00:03 +0800\r\n\
                    Message-ID: <1@plant.example>\r\nContent-Type: text/plain; charset=gb18030\r\n\r\n";
        let message = [text.as_bytes(), &encoding_rs::GBK.encode("主机: ups-1，电池供电\r\n").0].concat();
        let told: serde_json::Value = serde_json::from_str(&to_json(&message, "x@y", "alerts@z").unwrap()).unwrap();
        let want = json!({"from": "ups@plant.example", "to": "alerts@z", "subject": "市电中断", "text": "主机: ups-1，电池供电",
            "date": "2026-01-05T08:00:03+08:00", "message_id": "1@plant.example"});
        assert_eq!(told, want);
        assert!(to_json(b"", "a", "b").is_none());
    }
}
