//! In place of an Alertmanager: Debian's `prometheus` sends here, Debian's `amtool` lists, silences and asks.

#![expect(clippy::unwrap_used, reason = "in tests a panic is the message")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::program::{Setup, client, free_port, token};

/// A tool of Debian's; `None` when it is not installed and need not be.
pub fn tool(name: &str) -> Option<PathBuf> {
    let found = ["/usr/bin", "/usr/sbin", "/bin", "/sbin"].map(|folder| Path::new(folder).join(name));
    let found = found.into_iter().find(|path| path.exists());
    if found.is_none() {
        assert!(std::env::var_os("HEADWATER_ALL_TOOLS").is_none(), "{name} is not there");
        eprintln!("SKIPPED: no {name}; tests/run.sh installs it");
    }
    found
}

/// A child that ends with the test.
pub struct Ended(pub Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Prometheus with one rule that fires for as long as its file says so.
struct Prometheus {
    child: Ended,
    folder: PathBuf,
}

impl Prometheus {
    fn start(folder: &Path, port: u16, token: &str) -> Option<Self> {
        let prometheus = Self { folder: folder.to_owned(), child: Ended(Command::new("true").spawn().unwrap()) };
        prometheus.rule("vector(1)");
        fs::write(folder.join("token"), token).unwrap();
        let config = format!(
            "global: {{ evaluation_interval: 1s }}\nrule_files: [rules.yml]\nalerting:\n  alertmanagers:\n    - \
             static_configs: [{{ targets: [\"127.0.0.1:{port}\"] }}]\n      authorization: {{ credentials_file: token }}\n"
        );
        fs::write(folder.join("prometheus.yml"), config).unwrap();
        let child = Command::new(tool("prometheus")?)
            .arg(format!("--config.file={}", folder.join("prometheus.yml").display()))
            .arg(format!("--storage.tsdb.path={}", folder.join("tsdb").display()))
            .arg(format!("--web.listen-address=127.0.0.1:{}", free_port()))
            .args(["--rules.alert.resend-delay=1s", "--log.level=warn"])
            .stderr(fs::File::create(folder.join("prometheus.log")).unwrap())
            .spawn()
            .unwrap();
        Some(Self { child: Ended(child), ..prometheus })
    }

    fn rule(&self, expression: &str) {
        let rule = format!(
            "groups:\n- name: g\n  interval: 1s\n  rules:\n  - alert: HighLoad\n    expr: {expression}\n    labels: {{ severity: critical, \
             instance: \"web-1:9100\", team: infra }}\n    annotations: {{ summary: Load of web-1 is high }}\n"
        );
        fs::write(self.folder.join("rules.yml"), rule).unwrap();
    }

    /// Reads its rules again.
    fn reload(&self) {
        let told = Command::new("kill").args(["-HUP", &self.child.0.id().to_string()]).status().unwrap();
        assert!(told.success());
    }
}

/// `amtool` as a person uses it.
struct Amtool {
    path: PathBuf,
    url: String,
    config: PathBuf,
}

impl Amtool {
    fn new(folder: &Path, setup: &Setup, token: &str) -> Option<Self> {
        let config = folder.join("amtool.http.yml");
        fs::write(&config, format!("authorization: {{ credentials: {token} }}\n")).unwrap();
        Some(Self { path: tool("amtool")?, url: setup.url(""), config })
    }

    /// What it prints; an error when it fails.
    fn run(&self, arguments: &[&str]) -> Result<String, String> {
        let done = Command::new(&self.path)
            .arg(format!("--alertmanager.url={}", self.url))
            .arg(format!("--http.config.file={}", self.config.display()))
            .args(arguments)
            .env("HOME", self.config.parent().unwrap())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if done.status.success() { Ok(text(&done.stdout)) } else { Err(text(&done.stderr)) }
    }

    fn json(&self, arguments: &[&str]) -> Vec<Value> {
        let all = [&["-o", "json"], arguments].concat();
        let told = self.run(&all).unwrap();
        serde_json::from_str(&told).unwrap_or_else(|_| panic!("{told}"))
    }
}

#[tokio::test]
async fn prometheus_and_amtool_find_their_alertmanager() {
    let (Some(_), Some(_)) = (tool("prometheus"), tool("amtool")) else { return };
    let folder = tempfile::tempdir().unwrap();
    let setup = Setup::new(folder.path(), "{}");
    let (source, person) = (token(&setup.data, "source", "prometheus"), token(&setup.data, "operator", "li"));
    let client = client();
    let mut program = setup.start(&[]);
    program.answers(&client).await;
    let prometheus = Prometheus::start(folder.path(), setup.port, &source).unwrap();
    let fires = |told: &Value| told["items"][0]["state"] == "firing";
    let told = setup.until(&client, "/api/v1/alerts", "Prometheus' alert", fires).await;
    let alert = &told["items"][0];
    assert_eq!(
        (&alert["name"], &alert["severity"], &alert["object"]),
        (&json!("HighLoad"), &json!("critical"), &json!("web-1"))
    );

    let amtool = Amtool::new(folder.path(), &setup, &person).unwrap();
    let listed = amtool.json(&["alert", "query", "alertname=HighLoad", "team=~inf.*"]);
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0]["labels"]["instance"], "web-1:9100");
    assert_eq!(listed[0]["annotations"]["summary"], "Load of web-1 is high");
    assert!(amtool.json(&["alert", "query", "team=web"]).is_empty());

    let silence = [
        "silence",
        "add",
        "alertname=HighLoad",
        "instance=~web-.*",
        "--duration=1h",
        "--author=li",
        "--comment=load test",
    ];
    let id = amtool.run(&silence).unwrap().trim().to_owned();
    let silences = amtool.json(&["silence", "query"]);
    assert_eq!(
        (silences.len(), silences[0]["id"].as_str(), silences[0]["comment"].as_str()),
        (1, Some(id.as_str()), Some("load test"))
    );
    let muted = |told: &Value| told["items"][0]["muted_by"].as_array().is_some_and(|by| !by.is_empty());
    setup.until(&client, "/api/v1/alerts", "the silence mutes", muted).await;
    assert!(amtool.json(&["alert", "query"]).is_empty(), "amtool shows no silenced alerts unless asked");
    let silenced = amtool.json(&["alert", "query", "--silenced"]);
    assert_eq!(silenced[0]["status"]["silencedBy"], json!([id]));
    let longer = amtool.run(&["silence", "update", &id, "--duration=3h"]).unwrap();
    assert!(longer.contains(&id), "{longer}");
    assert_eq!(amtool.json(&["silence", "query", "alertname=HighLoad"]).len(), 1);
    amtool.run(&["silence", "expire", &id]).unwrap();
    assert!(amtool.json(&["silence", "query"]).is_empty());
    let free = |told: &Value| !muted(told);
    setup.until(&client, "/api/v1/alerts", "the silence has ended", free).await;
    assert!(amtool.run(&["config", "show"]).unwrap().contains("receiver: headwater"));
    assert!(amtool.run(&["silence", "expire", "s-none"]).is_err());

    prometheus.rule("vector(1) > 2");
    prometheus.reload();
    let ended =
        |told: &Value| told["items"].as_array().is_some_and(|items| items.iter().all(|one| one["state"] == "resolved"));
    setup.until(&client, "/api/v1/alerts", "Prometheus says that it is over", ended).await;
    program.stop();
}

/// A Prometheus that is killed resolves nothing: what it said ends at the `endsAt` that it named last.
#[tokio::test]
async fn what_a_prometheus_that_died_has_said_ends_at_its_time() {
    let Some(_) = tool("prometheus") else { return };
    let folder = tempfile::tempdir().unwrap();
    let setup = Setup::new(folder.path(), "{}");
    let source = token(&setup.data, "source", "prometheus");
    let client = client();
    let mut program = setup.start(&[]);
    program.answers(&client).await;
    let prometheus = Prometheus::start(folder.path(), setup.port, &source).unwrap();
    let is_said = |told: &Value| told[0]["annotations"]["summary"] == "Load of web-1 is high";
    let told = setup.until(&client, "/api/v2/alerts", "Prometheus' alert with what it said", is_said).await;
    let link = told[0]["generatorURL"].as_str().unwrap();
    assert!(link.contains("/graph?g0.expr=vector"), "{link}");
    let first = told[0]["endsAt"].as_str().unwrap().to_owned();
    let is_renewed = |told: &Value| told[0]["endsAt"].as_str() > Some(first.as_str());
    setup.until(&client, "/api/v2/alerts", "each post makes it longer", is_renewed).await;
    drop(prometheus);
    let is_over = |told: &Value| {
        told["items"].as_array().is_some_and(|items| items.len() == 1 && items[0]["state"] == "resolved")
    };
    setup.until(&client, "/api/v1/alerts", "it ends by itself", is_over).await;
    assert_eq!(setup.get(&client, "/api/v2/alerts").await.unwrap(), json!([]));
    let incidents = setup.get(&client, "/api/v1/incidents").await.unwrap();
    let id = incidents["items"][0]["id"].as_str().unwrap();
    let timeline = setup.get(&client, &format!("/api/v1/incidents/{id}/timeline")).await.unwrap();
    let lines = timeline["items"].as_array().unwrap();
    let line = lines.iter().find(|line| line["kind"] == "no_longer_reported").unwrap_or_else(|| panic!("{timeline}"));
    assert_eq!(line["detail"], "prometheus");
    program.stop();
}

/// `amtool alert add` names no end: the alert lasts for `resolve_timeout`.
#[tokio::test]
async fn an_alert_without_an_end_is_over_after_resolve_timeout() {
    let Some(_) = tool("amtool") else { return };
    let folder = tempfile::tempdir().unwrap();
    let rules = folder.path().join("rules");
    fs::create_dir(&rules).unwrap();
    for file in fs::read_dir("rules").unwrap().map(|file| file.unwrap().path()) {
        if file.is_file() {
            fs::copy(&file, rules.join(file.file_name().unwrap())).unwrap();
        }
    }
    let shipped = fs::read_to_string("rules/alertmanager.yaml").unwrap();
    assert!(shipped.contains("resolve_timeout: 5m"));
    fs::write(rules.join("alertmanager.yaml"), shipped.replace("resolve_timeout: 5m", "resolve_timeout: 3s")).unwrap();
    let setup = Setup::new(folder.path(), &format!("rules: {}\n", rules.display()));
    let source = token(&setup.data, "source", "script");
    let client = client();
    let mut program = setup.start(&[]);
    program.answers(&client).await;
    let amtool = Amtool::new(folder.path(), &setup, &source).unwrap();
    let add = [
        "alert",
        "add",
        "BackupFailed",
        "instance=db-1",
        "--annotation=summary=No backup",
        "--generator-url=http://cron.example/7",
    ];
    amtool.run(&add).unwrap();
    let said = |told: &Value| {
        told[0]["annotations"] == json!({"summary": "No backup"}) && told[0]["generatorURL"] == "http://cron.example/7"
    };
    setup.until(&client, "/api/v2/alerts", "what amtool sent is shown as it was sent", said).await;
    let is_over = |told: &Value| {
        told["items"].as_array().is_some_and(|items| items.len() == 1 && items[0]["state"] == "resolved")
    };
    setup.until(&client, "/api/v1/alerts", "it is over by itself", is_over).await;
    program.stop();
}

/// As Grafana's data source and Karma ask: over HTTP, with basic auth.
#[tokio::test]
async fn the_api_is_alertmanagers_for_those_who_may() {
    let folder = tempfile::tempdir().unwrap();
    let setup = Setup::new(folder.path(), "{}");
    let viewer = token(&setup.data, "viewer", "lou");
    let client = client();
    let mut program = setup.start(&[]);
    program.answers(&client).await;
    let alert = |host: &str| json!({"labels": {"alertname": "Down", "instance": host, "severity": "critical"}, "annotations": {"summary": host}});
    let (status, _) =
        setup.post(&client, "/api/v2/alerts", &json!([alert("db-1"), alert("db-2"), {"labels": {}}])).await;
    assert_eq!(status, 400, "the good ones are kept, as in Alertmanager");
    setup.all_decided(&client, 3).await;
    let ask = async |path: &str| {
        let answer = client.get(setup.url(path)).basic_auth("lou", Some(&viewer)).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    let list = async |path: &str| serde_json::from_str::<Value>(&ask(path).await.1).unwrap();
    assert_eq!(list("/api/v2/alerts").await.as_array().map(Vec::len), Some(2));
    assert_eq!(list("/api/v2/alerts?filter=instance%3D%22db-1%22").await.as_array().map(Vec::len), Some(1));
    assert_eq!(list("/api/v2/alerts?active=false").await, json!([]));
    assert_eq!(list("/api/v2/alerts?receiver=head.*").await.as_array().map(Vec::len), Some(2));
    assert_eq!(list("/api/v2/alerts?receiver=head").await, json!([]), "the whole name must fit");
    assert_eq!(list("/api/v2/alerts/groups?receiver=nobody").await, json!([]));
    assert_eq!(ask("/api/v2/alerts?receiver=(").await.0, 400);
    let groups = list("/api/v2/alerts/groups").await;
    let in_groups = groups.as_array().unwrap().iter().map(|group| group["alerts"].as_array().unwrap().len());
    assert_eq!(in_groups.sum::<usize>(), 2, "{groups}");
    assert_eq!(list("/api/v2/receivers").await[0]["name"], "headwater");
    assert_eq!(list("/api/v2/status").await["cluster"]["status"], "disabled");
    assert_eq!(ask("/api/v2/alerts?filter=nonsense").await.0, 400);
    assert_eq!(ask("/api/v2/silence/none").await.0, 404);
    for path in ["/-/healthy", "/-/ready"] {
        assert_eq!(client.get(setup.url(path)).send().await.unwrap().text().await.unwrap(), "OK");
    }
    assert_eq!(client.get(setup.url("/api/v2/alerts")).send().await.unwrap().status(), 401);
    let silence = json!({"matchers": [{"name": "instance", "value": "db-1", "isRegex": false}], "startsAt": "2026-01-05T00:00:00Z",
        "endsAt": "2099-01-05T00:00:00Z", "createdBy": "lou", "comment": "x"});
    let refused = client
        .post(setup.url("/api/v2/silences"))
        .basic_auth("lou", Some(&viewer))
        .json(&silence)
        .send()
        .await
        .unwrap();
    assert_eq!(refused.status(), 403, "who only reads makes no silences");
    program.stop();
}
