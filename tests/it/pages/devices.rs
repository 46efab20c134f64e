//! The pages of what speaks no HTTP: `logger`, rsyslog, net-snmp and a mail program, with the settings and commands that stand there.

use super::*;
use crate::alertmanager::{Ended, tool};
use crate::delivery::python;
use crate::protocols::certificate;

#[tokio::test]
async fn syslog_by_its_page() {
    let (Some(_), Some(rsyslogd), Some(openssl)) = (tool("logger"), tool("rsyslogd"), tool("openssl")) else { return };
    let folder = tempfile::tempdir().unwrap();
    certificate(&openssl, folder.path());
    let at = |name: &str| folder.path().join(name).display().to_string();
    let (udp, tls, tcp, local) = (free_port(), free_port(), free_port(), free_port());
    let (here, sealed) = (format!("127.0.0.1:{udp}"), format!("127.0.0.1:{tls}"));
    let names = [
        ("0.0.0.0:5514", here.as_str()),
        ("0.0.0.0:6514", &sealed),
        ("10.0.0.0/8", "127.0.0.0/8"),
        ("tls.pem", &at("tls.pem")),
        ("tls.key", &at("tls.key")),
        ("senders.pem", &at("tls.pem")),
    ];
    let page = with(&block("syslog.md", "yaml", "# headwater.yaml"), &names);
    // The sender's lines are for TCP.
    let config = format!("{page}  - {{ kind: syslog, protocol: tcp, address: '127.0.0.1:{tcp}', source: over-tcp }}\n");
    let followed = Followed::start(folder.path(), &config).await;
    let sender = block("syslog.md", "", "rsyslog");
    let (action, by_hand) = sender.split_once("# by hand\n").unwrap();

    shell(folder.path(), &with(by_hand, &[("headwater.example", "127.0.0.1"), ("5514", &udp.to_string())]), &[]);
    let alert = followed.in_state("core-net", "firing").await;
    assert_eq!((&alert["name"], &alert["title"]), (&"diskd".into(), &"disk sda: read error".into()));

    let action = with(action, &[("headwater.example", "127.0.0.1"), ("5514", &tcp.to_string())]);
    let config = format!(
        "global(workDirectory=\"{}\")\nmodule(load=\"imudp\")\ninput(type=\"imudp\" address=\"127.0.0.1\" port=\"{local}\")\n{action}",
        folder.path().display()
    );
    fs::write(at("rsyslog.conf"), config).unwrap();
    let child = Command::new(rsyslogd)
        .args(["-n", "-f", &at("rsyslog.conf"), "-i", &at("rsyslog.pid")])
        .stderr(fs::File::create(at("rsyslog.log")).unwrap())
        .spawn()
        .unwrap();
    let _rsyslog = Ended(child);
    // It may not listen yet: UDP does not tell.
    let since = std::time::Instant::now();
    loop {
        let said = format!(
            "logger --server=127.0.0.1 --udp --port={local} --rfc5424 -p daemon.crit -t raid 'array md0 degraded'"
        );
        shell(folder.path(), &said, &[]);
        let told = followed.setup.get(&followed.client, "/api/v1/alerts").await.unwrap();
        if told["items"].as_array().unwrap().iter().any(|one| one["source"] == "over-tcp" && one["name"] == "raid") {
            break;
        }
        assert!(since.elapsed() < std::time::Duration::from_secs(60), "{told}");
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    followed.stop();
}

#[tokio::test]
async fn snmp_traps_by_their_page() {
    let Some(_) = tool("snmptrap") else { return };
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    fs::write(at("noc.auth"), "maplesyrup\n").unwrap();
    fs::write(at("noc.priv"), "birchsyrup\n").unwrap();
    let port = free_port();
    let here = format!("127.0.0.1:{port}");
    let names = [
        ("0.0.0.0:1162", here.as_str()),
        ("10.0.0.0/8", "127.0.0.0/8"),
        ("noc.auth", &at("noc.auth")),
        ("noc.priv", &at("noc.priv")),
    ];
    let followed = Followed::by_page(folder.path(), "snmp-trap.md", &names).await;
    let text = with(&block("snmp-trap.md", "sh", "snmpinform"), &[("headwater.example:1162", &here)]);
    let commands = text.replace("\\\n", " ");
    let commands: Vec<&str> = commands.lines().filter(|line| !line.trim().is_empty()).collect();
    let ours = folder.path().display().to_string();
    let variables = [
        ("AUTH", "maplesyrup"),
        ("PRIV", "birchsyrup"),
        ("MIBS", ""),
        ("SNMPCONFPATH", &ours),
        ("SNMP_PERSISTENT_DIR", &ours),
    ];
    let [down, up, inform] = commands[..] else { panic!("{commands:?}") };
    shell(folder.path(), down, &variables);
    assert_eq!(followed.in_state("network", "firing").await["name"], "linkDown");
    shell(folder.path(), up, &variables);
    followed.in_state("network", "resolved").await;
    shell(folder.path(), inform, &variables);
    followed.setup.all_decided(&followed.client, 3).await;

    // The case that a site writes for a device of its own.
    let case = block("snmp-trap.md", "yaml", "doorOpen");
    let mappings = folder.path().join("mappings");
    fs::create_dir(&mappings).unwrap();
    let shipped = fs::read_to_string(project().join("rules/mappings/snmp-trap.yaml")).unwrap();
    fs::write(mappings.join("snmp-trap.yaml"), with(&shipped, &[("cases:\n", &format!("cases:\n{case}"))])).unwrap();
    followed.stop();
    let config = folder.path().join("headwater.yaml");
    let before = fs::read_to_string(&config).unwrap();
    let other = tempfile::tempdir().unwrap();
    let followed = Followed::start(other.path(), &format!("{before}mappings: {}\n", mappings.display())).await;
    let door = format!("snmptrap -v 2c -c our-community udp:{here} '' 1.3.6.1.4.1.99999.0.1 1.3.6.1.4.1.99999.1.1 s 7");
    shell(folder.path(), &door, &variables);
    let alert = followed.in_state("network", "firing").await;
    assert_eq!((&alert["name"], &alert["title"]), (&"doorOpen".into(), &"Door 7 of 127.0.0.1".into()));
    followed.stop();
}

const MAIL: &str = "
import smtplib, sys
from email.message import EmailMessage
message = EmailMessage()
message['From'], message['To'], message['Subject'] = 'ups-1@plant.example', 'alerts@headwater.example', sys.argv[3]
message.set_content('设备: ups-1')
kind, port = sys.argv[1], int(sys.argv[2])
server = (smtplib.SMTP_SSL if kind == 'tls' else smtplib.SMTP)('127.0.0.1', port)
if kind == 'starttls':
    server.starttls()
server.send_message(message)
server.quit()
";

#[tokio::test]
async fn mail_by_its_page() {
    let (Some(python), Some(openssl)) = (python(), tool("openssl")) else { return };
    let folder = tempfile::tempdir().unwrap();
    certificate(&openssl, folder.path());
    let at = |name: &str| folder.path().join(name).display().to_string();
    let ports = [free_port(), free_port(), free_port()].map(|port| format!("127.0.0.1:{port}"));
    let names = [("0.0.0.0:2525", ports[0].as_str()), ("10.0.0.0/8", "127.0.0.0/8")];
    let plain = with(&block("mail.md", "yaml", "# headwater.yaml"), &names);
    let names = [
        ("0.0.0.0:2525", ports[1].as_str()),
        ("0.0.0.0:2465", &ports[2]),
        ("10.0.0.0/8", "127.0.0.0/8"),
        ("tls.pem", &at("tls.pem")),
        ("tls.key", &at("tls.key")),
    ];
    let sealed = with(&block("mail.md", "yaml", "tls_only"), &names);
    let followed = Followed::start(folder.path(), &format!("{plain}{sealed}")).await;
    for ((kind, address), subject) in
        ["plain", "starttls", "tls"].iter().zip(&ports).zip(["[告警] UPS-1 电池供电", "UPS-1 过载", "UPS-1 高温"])
    {
        let port = address.rsplit(':').next().unwrap();
        let done = Command::new(&python).args(["-c", MAIL, kind, port, subject]).output().unwrap();
        assert!(done.status.success(), "{kind}: {}", String::from_utf8_lossy(&done.stderr));
    }
    followed.setup.all_decided(&followed.client, 3).await;
    let is_it = |one: &Value| one["name"] == "UPS-1 电池供电" && one["object"] == "ups-1";
    followed.alert("plant", "the battery's alert", is_it).await;
    followed.stop();
}
