//! Each script and file of `deploy/sources`, used as its page and its own head say, with the variables that its system gives.

use std::os::unix::fs::PermissionsExt;

use headwater::decode::Body;
use headwater::decode::form;
use headwater::decode::limits::Limits;
use serde_json::json;

use super::*;
use crate::alertmanager::tool;

/// A script of ours beside its configuration, as its head asks for it.
struct Installed {
    script: String,
    folder: tempfile::TempDir,
}

impl Installed {
    fn new(script: &str, followed: &Followed, token: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(script);
        fs::copy(project().join("deploy/sources").join(script), &path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        let head = fs::read_to_string(&path).unwrap();
        if head.contains("headwater.conf") {
            assert!(head.contains("#   HEADWATER_URL=") && head.contains("#   HEADWATER_TOKEN="), "{head}");
            let config = folder.path().join("headwater.conf");
            fs::write(&config, format!("HEADWATER_URL={}\nHEADWATER_TOKEN={token}\n", followed.setup.url(""))).unwrap();
            fs::set_permissions(&config, fs::Permissions::from_mode(0o600)).unwrap();
        }
        Self { script: path.display().to_string(), folder }
    }

    /// Runs it with what a golden body says as the system's variables, whose names begin with `before`.
    fn run(&self, format: &str, case: &str, before: &str, more: &[(&str, &str)]) {
        let folder = project().join("tests/golden/decode").join(format);
        let text = match fs::read_to_string(folder.join(case).with_extension("json")) {
            Ok(text) => text,
            Err(_) => {
                let form = fs::read(folder.join(case).with_extension("form")).unwrap();
                form::to_json(Body::from(form.trim_ascii_end()), &Limits::MODEL).unwrap()
            }
        };
        let members: serde_json::Map<String, Value> = serde_json::from_str(&text).unwrap();
        let variables =
            members.iter().map(|(name, value)| (format!("{before}{name}"), value.as_str().unwrap().to_owned()));
        let variables: Vec<(String, String)> = variables.collect();
        let all: Vec<(&str, &str)> =
            variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).chain(more.iter().copied()).collect();
        let told = shell(self.folder.path(), &self.script, &all);
        let told: Value = serde_json::from_str(&told).unwrap_or_else(|_| panic!("{told}"));
        assert_eq!(told["accepted"], 1, "{format} {case}: {told}");
    }
}

#[tokio::test]
async fn notification_scripts_tell_what_fires_who_has_it_and_what_is_over() {
    let Some(_) = tool("curl") else { return };
    let systems = [
        ("nagios", "nagios-notify.sh", "NAGIOS_", "acknowledgement"),
        ("icinga", "icinga-notify.sh", "", "acknowledged"),
        ("checkmk", "checkmk-notify.sh", "", "acknowledged"),
    ];
    for (format, script, before, acknowledged) in systems {
        let folder = tempfile::tempdir().unwrap();
        let followed = Followed::start(folder.path(), "{}").await;
        let token = followed.source(format);
        let installed = Installed::new(script, &followed, &token);
        let url = followed.setup.url("");
        // Checkmk's script has its configuration from the notification rule.
        let rule = [("NOTIFY_PARAMETER_1", url.as_str()), ("NOTIFY_PARAMETER_2", token.as_str())];
        let more: &[(&str, &str)] = if format == "checkmk" { &rule } else { &[] };
        installed.run(format, "firing", before, more);
        let opened = |one: &Value| one["state"] == "firing" && one["incident"].is_string();
        let alert = followed.alert(format, "opens an incident", opened).await;
        installed.run(format, acknowledged, before, more);
        let path = format!("/api/v1/incidents/{}", alert["incident"].as_str().unwrap());
        let taken = |told: &Value| told["acknowledged_by"] == format!("li ({format})");
        followed.setup.until(&followed.client, &path, "it is acknowledged", taken).await;
        installed.run(format, "resolved", before, more);
        followed.in_state(format, "resolved").await;
        followed.stop();
    }
}

#[tokio::test]
async fn vcenter_s_script_tells_an_alarm_and_its_end() {
    let Some(_) = tool("curl") else { return };
    let folder = tempfile::tempdir().unwrap();
    let followed = Followed::start(folder.path(), "{}").await;
    let installed = Installed::new("vcenter-alarm.sh", &followed, &followed.source("vcenter"));
    installed.run("vcenter", "firing", "", &[]);
    assert_eq!(followed.in_state("vcenter", "firing").await["object"], "esx-3.example");
    installed.run("vcenter", "resolved", "", &[]);
    followed.in_state("vcenter", "resolved").await;
    followed.stop();
}

/// The few members of Zabbix's own JavaScript that our media type calls.
const ZABBIX: &str = r#"
const { execFileSync } = require("node:child_process");
class HttpRequest {
    constructor() { this.headers = []; }
    addHeader(header) { this.headers.push("-H", header); }
    post(url, body) {
        const told = execFileSync("curl", ["-sS", "-w", "\n%{http_code}", ...this.headers, "-d", body, url]).toString();
        const at = told.lastIndexOf("\n");
        this.status = Number(told.slice(at + 1));
        return told.slice(0, at);
    }
    getStatus() { return this.status; }
}
const run = new Function("value", "HttpRequest", process.argv[1]);
console.log(run(process.argv[2], HttpRequest));
"#;

/// What Zabbix puts in place of its macros; one that has no value stays as it is.
const MACROS: &[(&str, &str)] = &[
    ("{EVENT.ID}", "9001"),
    ("{EVENT.NAME}", "数据库主机01 宕机"),
    ("{EVENT.NSEVERITY}", "5"),
    ("{EVENT.DATE}", "2026.01.05"),
    ("{EVENT.TIME}", "08:00:03"),
    ("{EVENT.OPDATA}", ""),
    ("{EVENT.TAGSJSON}", r#"[{"tag":"scope","value":"availability"}]"#),
    ("{TRIGGER.ID}", "1401"),
    ("{TRIGGER.NAME}", "Host is down"),
    ("{HOST.HOST}", "db-01"),
    ("{HOST.NAME}", "数据库主机01"),
    ("{HOST.IP}", "10.2.0.1"),
];

#[tokio::test]
async fn zabbix_s_media_type_sends_problems_updates_and_recoveries() {
    let (Some(_), Some(node)) = (tool("curl"), tool("node")) else { return };
    let folder = tempfile::tempdir().unwrap();
    let followed = Followed::start(folder.path(), "{}").await;
    let (url, token) = (followed.setup.url("/api/v1/ingest/zabbix"), followed.source("zabbix"));
    let file = fs::read_to_string(project().join("deploy/sources/zabbix-media-type.yaml")).unwrap();
    let media: Value = serde_saphyr::from_str(&file).unwrap();
    let media = &media["zabbix_export"]["media_types"][0];
    let send = |token: &str, macros: &[(&str, &str)]| {
        let value = |parameter: &Value| match parameter["name"].as_str().unwrap() {
            "url" => url.clone(),
            "token" => token.to_owned(),
            _ => {
                let written = parameter["value"].as_str().unwrap();
                let known = macros.iter().chain(MACROS).find(|(name, _)| *name == written);
                known.map_or(written, |(_, value)| value).to_owned()
            }
        };
        let parameters = media["parameters"].as_array().unwrap();
        let parameters: serde_json::Map<String, Value> =
            parameters.iter().map(|one| (one["name"].as_str().unwrap().to_owned(), json!(value(one)))).collect();
        let script = media["script"].as_str().unwrap();
        Command::new(&node).args(["-e", ZABBIX, script, &Value::Object(parameters).to_string()]).output().unwrap()
    };
    let good = |macros: &[(&str, &str)]| {
        let done = send(&token, macros);
        assert_eq!(String::from_utf8_lossy(&done.stdout).trim(), "OK", "{}", String::from_utf8_lossy(&done.stderr));
    };
    good(&[("{EVENT.VALUE}", "1")]);
    let opened = |one: &Value| one["state"] == "firing" && one["incident"].is_string();
    let alert = followed.alert("zabbix", "fires", opened).await;
    assert_eq!((&alert["object"], &alert["labels"]["scope"]), (&json!("db-01"), &json!("availability")));
    let update = [
        ("{EVENT.VALUE}", "1"),
        ("{EVENT.UPDATE.ACTION}", "acknowledged, commented"),
        ("{EVENT.UPDATE.DATE}", "2026.01.05"),
        ("{EVENT.UPDATE.TIME}", "08:03:10"),
        ("{EVENT.UPDATE.MESSAGE}", "正在处理"),
        ("{USER.FULLNAME}", "李伟 (li)"),
    ];
    good(&update);
    let path = format!("/api/v1/incidents/{}", alert["incident"].as_str().unwrap());
    let taken = |told: &Value| told["acknowledged_by"] == "李伟 (li) (zabbix)";
    followed.setup.until(&followed.client, &path, "the update acknowledges it", taken).await;
    good(&[("{EVENT.VALUE}", "0"), ("{EVENT.RECOVERY.DATE}", "2026.01.05"), ("{EVENT.RECOVERY.TIME}", "08:10:00")]);
    followed.in_state("zabbix", "resolved").await;
    let refused = send("nonsense", &[("{EVENT.VALUE}", "1")]);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("set the parameter token"), "{refused:?}");
    followed.stop();
}
