//! Devices that speak no HTTP, with real senders: `logger` and rsyslog (UDP, TCP, TLS), net-snmp's `snmptrap` (versions 1, 2c, 3
//! and informs), OpenTelemetry's own exporter.

#![expect(clippy::unwrap_used, reason = "in tests a panic is the message")]

use std::fs;
use std::net::UdpSocket;
use std::path::Path;
use std::process::{Command, Stdio};

use reqwest::Client;
use serde_json::Value;

use crate::alertmanager::{Ended, tool};
use crate::delivery::python;
use crate::program::{Program, Setup, client, free_port, token};

/// A program with listeners, and who asks it.
struct Listening {
    setup: Setup,
    program: Program,
    client: Client,
}

async fn listening(folder: &Path, listeners: &str) -> Listening {
    let setup = Setup::new(folder, &format!("listeners:\n{listeners}"));
    let client = client();
    let mut program = setup.start(&[]);
    program.answers(&client).await;
    Listening { setup, program, client }
}

impl Listening {
    /// Waits for an alert of this name on this object, in this state.
    async fn alert(&self, name: &str, object: &str, state: &str) -> Value {
        let is_it = |one: &&Value| one["name"] == name && one["object"] == object && one["state"] == state;
        let what = format!("{name} on {object} is {state}");
        let fits = |told: &Value| told["items"].as_array().is_some_and(|items| items.iter().any(|one| is_it(&one)));
        let told = self.setup.until(&self.client, "/api/v1/alerts", &what, fits).await;
        told["items"].as_array().unwrap().iter().find(is_it).unwrap().clone()
    }

    async fn counted(&self, word: &str) -> u64 {
        let request = self.client.get(self.setup.url("/metrics")).bearer_auth(&self.setup.token);
        let text = request.send().await.unwrap().text().await.unwrap();
        let of = |line: &str| line.contains("intake_listener_messages") && line.contains(&format!("\"{word}\""));
        let line = text.lines().find(|line| of(line)).unwrap_or_else(|| panic!("no {word} in {text}"));
        line.rsplit(' ').next().unwrap().parse().unwrap()
    }
}

fn run(command: &mut Command) {
    let done = command.stdin(Stdio::null()).output().unwrap();
    assert!(done.status.success(), "{command:?}: {}", String::from_utf8_lossy(&done.stderr));
}

#[tokio::test]
async fn logger_is_heard_over_udp_and_tcp_in_both_formats() {
    let Some(logger) = tool("logger") else { return };
    let folder = tempfile::tempdir().unwrap();
    let (udp, tcp) = (free_port(), free_port());
    let listeners = format!(
        "  - {{ kind: syslog, address: '127.0.0.1:{udp}', source: udp }}\n  - {{ kind: syslog, protocol: tcp, address: '127.0.0.1:{tcp}', source: tcp, zone: UTC }}\n"
    );
    let heard = listening(folder.path(), &listeners).await;
    let send = |arguments: &[&str]| run(Command::new(&logger).arg("--server=127.0.0.1").args(arguments));
    let (udp_port, tcp_port) = (format!("--port={udp}"), format!("--port={tcp}"));
    send(&["--udp", &udp_port, "--rfc5424", "-p", "local4.err", "-t", "diskd", "磁盘 sda 读错误"]);
    send(&["--tcp", &tcp_port, "--rfc3164", "-p", "daemon.crit", "-t", "raid", "array md0 degraded"]);
    let alarm = |severity: &str| {
        let data =
            format!("alarm@32473 resource=\"Gi0/1\" probableCause=\"lossOfSignal\" perceivedSeverity=\"{severity}\"");
        send(&[
            "--tcp",
            &tcp_port,
            "--octet-count",
            "--rfc5424",
            "--sd-id",
            "alarm@32473",
            "--sd-param",
            "resource=\"Gi0/1\"",
            "--sd-param",
            "probableCause=\"lossOfSignal\"",
            "--sd-param",
            &format!("perceivedSeverity=\"{severity}\""),
            "-p",
            "local4.notice",
            "-t",
            "ifmgr",
            &data,
        ]);
    };
    alarm("critical");
    let host = String::from_utf8(Command::new("hostname").output().unwrap().stdout).unwrap();
    let host = host.trim();
    let disk = heard.alert("diskd", host, "firing").await;
    assert_eq!(
        (&disk["title"], &disk["severity"], &disk["source"]),
        (&"磁盘 sda 读错误".into(), &"minor".into(), &"udp".into())
    );
    assert_eq!(heard.alert("raid", host, "firing").await["severity"], "major");
    assert_eq!(heard.alert("lossOfSignal", host, "firing").await["severity"], "critical");
    alarm("cleared");
    heard.alert("lossOfSignal", host, "resolved").await;
    send(&["--udp", &udp_port, "-p", "local4.info", "-t", "cron", "nothing wrong"]);
    // A device of a department that still writes GBK.
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let gbk = [b"<11>1 - ups-1 ups - - - ".as_slice(), &encoding_rs::GBK.encode("市电中断，电池供电").0].concat();
    socket.send_to(&gbk, ("127.0.0.1", udp)).unwrap();
    assert_eq!(heard.alert("ups", "ups-1", "firing").await["title"], "市电中断，电池供电");
    heard.setup.all_decided(&heard.client, 5).await;
    assert_eq!(heard.counted("taken").await, 6);
    heard.program.stop();
}

/// Makes a certificate of `headwater.example` and `localhost`, signed by itself, and its key: `tls.pem` and `tls.key`.
pub fn certificate(openssl: &Path, folder: &Path) {
    let at = |name: &str| folder.join(name).display().to_string();
    let (key, pem) = (at("tls.key"), at("tls.pem"));
    let names = "subjectAltName=DNS:headwater.example,DNS:localhost";
    let arguments = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=headwater.example"];
    let extensions = ["-addext", names, "-addext", "basicConstraints=critical,CA:FALSE"];
    run(Command::new(openssl).args(arguments).args(extensions).args(["-keyout", &key, "-out", &pem]));
}

#[tokio::test]
async fn rsyslog_forwards_here_over_tcp_and_tls() {
    let (Some(rsyslogd), Some(logger), Some(openssl)) = (tool("rsyslogd"), tool("logger"), tool("openssl")) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    certificate(&openssl, folder.path());
    let (tcp, tls, local) = (free_port(), free_port(), free_port());
    let listeners = format!(
        "  - {{ kind: syslog, protocol: tcp, address: '127.0.0.1:{tcp}', source: plain }}\n  - {{ kind: syslog, protocol: tls, address: \
         '127.0.0.1:{tls}', source: sealed, certificate_file: '{}', key_file: '{}' }}\n",
        at("tls.pem"),
        at("tls.key")
    );
    let heard = listening(folder.path(), &listeners).await;
    let has_tls = Path::new("/usr/lib/x86_64-linux-gnu/rsyslog/lmnsd_ossl.so").exists()
        || Path::new("/usr/lib/x86_64-linux-gnu/rsyslog/lmnsd_gtls.so").exists();
    let driver = if Path::new("/usr/lib/x86_64-linux-gnu/rsyslog/lmnsd_gtls.so").exists() { "gtls" } else { "ossl" };
    let sealed = format!(
        "action(type=\"omfwd\" target=\"127.0.0.1\" port=\"{tls}\" protocol=\"tcp\" template=\"RSYSLOG_SyslogProtocol23Format\" StreamDriver=\"{driver}\" \
         StreamDriverMode=\"1\" StreamDriverAuthMode=\"x509/name\" StreamDriverPermittedPeers=\"headwater.example\")\n"
    );
    let config = format!(
        "global(workDirectory=\"{0}\" DefaultNetstreamDriverCAFile=\"{1}\")\nmodule(load=\"imudp\")\ninput(type=\"imudp\" address=\"127.0.0.1\" port=\"{local}\")\n\
         action(type=\"omfwd\" target=\"127.0.0.1\" port=\"{tcp}\" protocol=\"tcp\" TCP_Framing=\"octet-counted\" template=\"RSYSLOG_SyslogProtocol23Format\")\n{2}",
        folder.path().display(),
        at("tls.pem"),
        if has_tls { sealed.as_str() } else { "" },
    );
    fs::write(at("rsyslog.conf"), config).unwrap();
    let child = Command::new(rsyslogd)
        .args(["-n", "-f", &at("rsyslog.conf"), "-i", &at("rsyslog.pid")])
        .stderr(fs::File::create(at("rsyslog.log")).unwrap())
        .spawn()
        .unwrap();
    let _rsyslog = Ended(child);
    let line = "%LINK-3-UPDOWN: Interface GigabitEthernet0/1, changed state to down";
    let mut tries = 0;
    // rsyslog says nothing when it listens: what comes too early is lost, so it is said again.
    let name = "LINK-3-UPDOWN";
    loop {
        run(Command::new(&logger).args([
            "--server=127.0.0.1",
            "--udp",
            &format!("--port={local}"),
            "-p",
            "local7.err",
            line,
        ]));
        let told = heard.setup.get(&heard.client, "/api/v1/alerts").await.unwrap();
        let of = |source: &str| {
            told["items"].as_array().unwrap().iter().any(|one| one["name"] == name && one["source"] == source)
        };
        if of("plain") && (!has_tls || of("sealed")) {
            break;
        }
        tries += 1;
        assert!(tries < 600, "{told}\n{}", fs::read_to_string(at("rsyslog.log")).unwrap());
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert!(
        has_tls || std::env::var_os("HEADWATER_ALL_TOOLS").is_none(),
        "rsyslog has no TLS; tests/run.sh installs it"
    );
    heard.program.stop();
}

#[tokio::test]
async fn snmptrap_is_heard_in_every_version_and_strangers_are_not() {
    let Some(snmptrap) = tool("snmptrap") else { return };
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("auth"), "maplesyrup\n").unwrap();
    fs::write(folder.path().join("priv"), "birchsyrup\n").unwrap();
    let port = free_port();
    let listeners = format!(
        "  - kind: snmp\n    address: 127.0.0.1:{port}\n    communities: [secret]\n    users:\n      - {{ name: noc, auth: sha256, \
         auth_password_file: '{0}/auth', privacy_password_file: '{0}/priv' }}\n      - {{ name: old, auth: md5, auth_password_file: '{0}/auth' }}\n      \
         - {{ name: new, auth: sha512, auth_password_file: '{0}/auth', privacy_password_file: '{0}/priv' }}\n      - {{ name: mid, auth: sha1, auth_password_file: '{0}/auth', privacy_password_file: '{0}/priv' }}\n",
        folder.path().display()
    );
    let heard = listening(folder.path(), &listeners).await;
    let to = format!("udp:127.0.0.1:{port}");
    let trap = |arguments: &[&str]| {
        Command::new(&snmptrap)
            .args(arguments)
            .env("SNMPCONFPATH", folder.path())
            .env("SNMP_PERSISTENT_DIR", folder.path())
            .env("MIBS", "")
            .output()
            .unwrap()
    };
    let good = |arguments: &[&str]| {
        let done = trap(arguments);
        assert!(done.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
    };
    let if_index = |n: &'static str| ["1.3.6.1.2.1.2.2.1.1.7", "i", n];
    // Version 1, from an agent behind: generic traps 2 and 3.
    good(
        &[&["-v", "1", "-c", "secret", &to, "1.3.6.1.4.1.9.1.1", "10.1.1.1", "2", "0", "100"][..], &if_index("7")]
            .concat(),
    );
    heard.alert("linkDown", "10.1.1.1", "firing").await;
    // Version 2c ends what version 1 began.
    good(
        &[&["-v", "1", "-c", "secret", &to, "1.3.6.1.4.1.9.1.1", "10.1.1.1", "3", "0", "100"][..], &if_index("7")]
            .concat(),
    );
    heard.alert("linkDown", "10.1.1.1", "resolved").await;
    let ups = ["1.3.6.1.2.1.33.1.6.2.1.1.1", "i", "1", "1.3.6.1.2.1.33.1.6.2.1.2.1", "o", "1.3.6.1.2.1.33.1.6.3.3"];
    good(&[&["-v", "2c", "-c", "secret", &to, "100", "1.3.6.1.2.1.33.2.3"][..], &ups].concat());
    let alert = heard.alert("upsAlarmLowBattery", "127.0.0.1", "firing").await;
    assert_eq!(alert["severity"], "critical");
    // An inform is answered, else snmptrap fails.
    good(&[&["-v", "2c", "-Ci", "-c", "secret", &to, "100", "1.3.6.1.2.1.33.2.4"][..], &ups].concat());
    heard.alert("upsAlarmLowBattery", "127.0.0.1", "resolved").await;
    let engine = ["-e", "0x8000000001020304"];
    let user = |name: &'static str, proof: &'static str| ["-v", "3", "-u", name, "-a", proof, "-A", "maplesyrup"];
    let privacy = ["-x", "AES", "-X", "birchsyrup"];
    let environment = ["1.3.6.1.4.1.9.9.13.1.4.1.2.1", "s", "Fan 1", "1.3.6.1.4.1.9.9.13.1.4.1.3.1", "i", "3"];
    good(
        &[
            &user("noc", "SHA-256")[..],
            &privacy,
            &["-l", "authPriv"],
            &engine,
            &[&to, "100", "1.3.6.1.4.1.9.9.13.3.0.8"],
            &environment,
        ]
        .concat(),
    );
    assert_eq!(heard.alert("fan", "127.0.0.1", "firing").await["severity"], "critical");
    good(
        &[&user("mid", "SHA")[..], &privacy, &["-l", "authPriv"], &engine, &[&to, "100", "1.3.6.1.4.1.2011.5.25.1"]]
            .concat(),
    );
    heard.alert("1.3.6.1.4.1.2011.5.25.1", "127.0.0.1", "firing").await;
    good(
        &[
            &user("new", "SHA-512")[..],
            &privacy,
            &["-l", "authPriv"],
            &engine,
            &[&to, "100", "1.3.6.1.4.1.2011.5.25.2"],
        ]
        .concat(),
    );
    heard.alert("1.3.6.1.4.1.2011.5.25.2", "127.0.0.1", "firing").await;
    good(&[&user("old", "MD5")[..], &["-l", "authNoPriv"], &engine, &[&to, "100", "1.3.6.1.6.3.1.1.5.5"]].concat());
    heard.alert("authenticationFailure", "127.0.0.1", "firing").await;
    // Informs of version 3: the sender asks who we are and what time it is, and fails without an answer.
    let inform = |name: &'static str| {
        let interface = ["1.3.6.1.2.1.2.2.1.1.9", "i", name];
        [&["-Ci", "-t", "5", &to, "100", "1.3.6.1.6.3.1.1.5.3"][..], &interface].concat()
    };
    good(&[&user("noc", "SHA-256")[..], &privacy, &["-l", "authPriv"], &inform("9")].concat());
    heard.alert("linkDown", "127.0.0.1", "firing").await;
    good(&[&user("old", "MD5")[..], &["-l", "authNoPriv"], &inform("10")].concat());
    good(&[&user("mid", "SHA")[..], &privacy, &["-l", "authPriv"], &inform("11")].concat());
    let wrong = ["-v", "3", "-u", "noc", "-a", "SHA-256", "-A", "wrongsyrup", "-r", "0"];
    assert!(!trap(&[&wrong[..], &privacy, &["-l", "authPriv"], &inform("12")].concat()).status.success());
    // A wrong community, a wrong password, an unknown user, and less protection than the user must have.
    good(&["-v", "2c", "-c", "public", &to, "100", "1.3.6.1.6.3.1.1.5.3"]);
    good(
        &[
            &["-v", "3", "-u", "noc", "-a", "SHA-256", "-A", "wrongsyrup"][..],
            &privacy,
            &["-l", "authPriv"],
            &engine,
            &[&to, "100", "1.3.6.1.6.3.1.1.5.3"],
        ]
        .concat(),
    );
    good(
        &[&user("stranger", "SHA")[..], &["-l", "authNoPriv"], &engine, &[&to, "100", "1.3.6.1.6.3.1.1.5.3"]].concat(),
    );
    good(&[&user("noc", "SHA-256")[..], &["-l", "authNoPriv"], &engine, &[&to, "100", "1.3.6.1.6.3.1.1.5.3"]].concat());
    UdpSocket::bind("127.0.0.1:0").unwrap().send_to(b"nonsense", ("127.0.0.1", port)).unwrap();
    while heard.counted("refused").await < 5 || heard.counted("malformed").await < 1 {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert_eq!(heard.counted("taken").await, 11);
    let log = heard.setup.log();
    assert!(log.contains("the community is none of those configured") && !log.contains("maplesyrup"), "{log}");
    heard.program.stop();
}

const EXPORTER: &str = r#"
import logging, os, sys
from opentelemetry.sdk._logs import LoggerProvider, LoggingHandler
from opentelemetry.sdk._logs.export import SimpleLogRecordProcessor
from opentelemetry.sdk.resources import Resource
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http import Compression
provider = LoggerProvider(resource=Resource.create({"service.name": "portal", "deployment.environment": "prod"}))
exporter = OTLPLogExporter(endpoint=sys.argv[1], headers={"authorization": "Bearer " + sys.argv[2]}, compression=Compression.Gzip)
provider.add_log_record_processor(SimpleLogRecordProcessor(exporter))
logger = logging.getLogger("app.db")
logger.addHandler(LoggingHandler(logger_provider=provider))
logger.setLevel(logging.INFO)
logger.info("all is well")
try:
    raise ConnectionError("refused")
except ConnectionError:
    logger.exception("数据库连接失败")
provider.shutdown()
"#;

#[tokio::test]
async fn opentelemetry_s_exporter_sends_its_errors() {
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().unwrap();
    let heard = listening(folder.path(), "  []\n").await;
    let source = token(&heard.setup.data, "source", "otel");
    let done = Command::new(python).args(["-c", EXPORTER, &heard.setup.url("/v1/logs"), &source]).output().unwrap();
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(done.status.success() && !said.contains("Failed to export"), "{said}");
    let alert = heard.alert("ConnectionError", "portal", "firing").await;
    assert_eq!((&alert["title"], &alert["severity"]), (&"数据库连接失败".into(), &"minor".into()));
    assert_eq!(alert["labels"]["deployment.environment"], "prod");
    let told = heard.setup.all_decided(&heard.client, 1).await;
    assert_eq!(told["accepted"], 1, "what is no error is left out");
    heard.program.stop();
}

const MAIL: &str = r#"
import smtplib, sys
from email.message import EmailMessage
def message(subject, text):
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "UPS <ups@plant.example>", "alerts@headwater.example", subject
    message.set_content(text, charset="gb18030")
    return message
with smtplib.SMTP("127.0.0.1", int(sys.argv[1]), timeout=20) as server:
    server.send_message(message("[告警] 电池供电", "设备: UPS-1\n级别: 严重\n.市电中断"))
    try:
        server.send_message(message("x", "y"), to_addrs=["root@headwater.example"])
        sys.exit("a stranger is a recipient")
    except smtplib.SMTPRecipientsRefused as error:
        assert error.recipients["root@headwater.example"][0] == 550
    if sys.argv[2] == "end":
        server.send_message(message("[恢复] 电池供电", "设备: UPS-1"))
"#;

#[tokio::test]
async fn a_device_that_can_only_send_mail_is_heard() {
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().unwrap();
    let port = free_port();
    let listener =
        format!("  - {{ kind: smtp, address: '127.0.0.1:{port}', recipients: [alerts@headwater.example] }}\n");
    let heard = listening(folder.path(), &listener).await;
    run(Command::new(&python).args(["-c", MAIL, &port.to_string(), "fire"]));
    let alert = heard.alert("电池供电", "UPS-1", "firing").await;
    assert_eq!((&alert["severity"], &alert["source"]), (&"major".into(), &"mail".into()));
    run(Command::new(&python).args(["-c", MAIL, &port.to_string(), "end"]));
    heard.alert("电池供电", "UPS-1", "resolved").await;
    heard.program.stop();
}

/// Over STARTTLS on the first port, where nothing is taken without; over TLS from the first byte on on the second.
const SEALED_MAIL: &str = r#"
import smtplib, socket, ssl, sys
from email.message import EmailMessage
def message(subject):
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "UPS <ups@plant.example>", "alerts@headwater.example", subject
    message.set_content("设备: UPS-1", charset="utf-8")
    return message
context = ssl.create_default_context(cafile=sys.argv[3])
context.check_hostname = False
begun, sealed = int(sys.argv[1]), int(sys.argv[2])
with smtplib.SMTP("127.0.0.1", begun, timeout=20) as server:
    server.ehlo()
    assert server.has_extn("starttls"), server.esmtp_features
    assert server.docmd("STARTTLS", "now")[0] == 502, "it takes no parameter"
    try:
        server.send_message(message("x"))
        sys.exit("mail is taken without TLS")
    except smtplib.SMTPSenderRefused as error:
        assert error.smtp_code == 530, error
    server.starttls(context=context)
    assert server.docmd("DATA")[0] == 503, "what was said before is forgotten"
    server.ehlo()
    assert not server.has_extn("starttls"), "it is in TLS already"
    assert server.docmd("STARTTLS")[0] == 502
    server.send_message(message("[告警] 电池供电"))
with smtplib.SMTP_SSL("127.0.0.1", sealed, timeout=20, context=context) as server:
    server.ehlo()
    assert not server.has_extn("starttls"), server.esmtp_features
    server.send_message(message("[告警] 风扇停转"))
def plain(said, wanted):
    with socket.create_connection(("127.0.0.1", begun), timeout=20) as stream:
        answers = stream.makefile("rb")
        answers.readline()
        stream.sendall(said)
        rest = answers.read()
        assert rest.startswith(wanted) and rest.count(b"\r\n") == 1, rest
plain(b"STARTTLS\r\nMAIL FROM:<a@plant.example>\r\n", b"503")
# Something else than a handshake ends the connection, whatever it says.
with socket.create_connection(("127.0.0.1", begun), timeout=20) as stream:
    answers = stream.makefile("rb")
    answers.readline()
    stream.sendall(b"STARTTLS\r\n")
    assert answers.readline().startswith(b"220")
    stream.sendall(b"MAIL FROM:<a@plant.example>\r\n")
    try:
        assert b"250" not in answers.read()
    except ConnectionError:
        pass
"#;

#[tokio::test]
async fn mail_comes_over_tls_too() {
    let (Some(python), Some(openssl)) = (python(), tool("openssl")) else { return };
    let folder = tempfile::tempdir().unwrap();
    certificate(&openssl, folder.path());
    let at = |name: &str| folder.path().join(name).display().to_string();
    let (begun, sealed) = (free_port(), free_port());
    let files = format!(
        "recipients: [alerts@headwater.example], certificate_file: '{}', key_file: '{}'",
        at("tls.pem"),
        at("tls.key")
    );
    let listeners = format!(
        "  - {{ kind: smtp, address: '127.0.0.1:{begun}', tls_only: true, {files} }}\n  \
         - {{ kind: smtp, protocol: tls, address: '127.0.0.1:{sealed}', {files} }}\n"
    );
    let heard = listening(folder.path(), &listeners).await;
    let ports = [begun.to_string(), sealed.to_string()];
    run(Command::new(&python).args(["-c", SEALED_MAIL, &ports[0], &ports[1], &at("tls.pem")]));
    for name in ["电池供电", "风扇停转"] {
        heard.alert(name, "UPS-1", "firing").await;
    }
    let told = heard.setup.all_decided(&heard.client, 2).await;
    assert_eq!(told["accepted"], 2);
    heard.program.stop();
}

#[tokio::test]
async fn a_listener_that_cannot_be_is_told_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let check = |listener: &str, wanted: &str| {
        let setup = Setup::new(folder.path(), &format!("listeners:\n  - {listener}\n"));
        let config = setup.config.display().to_string();
        let done = Command::new(env!("CARGO_BIN_EXE_headwater"))
            .args([
                "serve",
                "--config",
                &config,
                "--data",
                &setup.data.display().to_string(),
                "--listen",
                "127.0.0.1:0",
            ])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        assert!(!done.status.success() && said.contains(wanted) && said.contains("listeners.0"), "{listener}: {said}");
    };
    check("{ kind: syslog, address: '0.0.0.0:0' }", "name the networks that may send");
    check("{ kind: syslog, address: '127.0.0.1:0', allow: [10.0.0.0/40] }", "not a network");
    check("{ kind: syslog, protocol: tls, address: '127.0.0.1:0' }", "certificate_file and key_file");
    check("{ kind: snmp, address: '127.0.0.1:0' }", "communities");
    check("{ kind: smtp, address: '127.0.0.1:0' }", "name the recipients");
    let to = "recipients: [a@b.example]";
    for sealed in ["protocol: tls", "tls_only: true", "certificate_file: tls.pem", "client_ca_file: ca.pem"] {
        check(&format!("{{ kind: smtp, address: '127.0.0.1:0', {to}, {sealed} }}"), "certificate_file and key_file");
    }
    check("{ kind: syslog, protocol: tcp, address: '127.0.0.1:0', tls_only: true }", "tls_only is of mail");
    check(
        "{ kind: snmp, address: '127.0.0.1:0', users: [{ name: noc, auth: sha1 }] }",
        "auth_password_file go together",
    );
    check("{ kind: syslog, address: '192.0.2.1:5514', allow: [10.0.0.0/8] }", "cannot be had");
}
