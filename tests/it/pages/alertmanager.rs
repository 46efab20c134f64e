//! `alertmanager.md`: Debian's `prometheus`, `prometheus-alertmanager` and `amtool` with the settings that stand there.

use super::*;
use crate::alertmanager::{Ended, tool};

#[tokio::test]
async fn prometheus_sends_with_the_settings_of_the_page_and_amtool_follows_them() {
    let (Some(prometheus), Some(_)) = (tool("prometheus"), tool("amtool")) else { return };
    let folder = tempfile::tempdir().unwrap();
    let followed = Followed::start(folder.path(), "{}").await;
    let at = |name: &str| folder.path().join(name).display().to_string();
    let target = format!("127.0.0.1:{}", followed.setup.port);
    fs::write(at("prometheus.token"), followed.source("prometheus")).unwrap();
    let names =
        [("headwater.example:8080", target.as_str()), ("/etc/prometheus/headwater.token", &at("prometheus.token"))];
    let page = with(&block("alertmanager.md", "yaml", "# prometheus.yml"), &names);
    fs::write(at("prometheus.yml"), format!("global: {{ evaluation_interval: 1s }}\nrule_files: [rules.yml]\n{page}"))
        .unwrap();
    let rule = "groups:\n- name: g\n  rules:\n  - alert: HighLoad\n    expr: vector(1)\n    labels: { severity: critical, instance: \"web-1:9100\" }\n";
    fs::write(at("rules.yml"), rule).unwrap();
    let child = Command::new(prometheus)
        .arg(format!("--config.file={}", at("prometheus.yml")))
        .arg(format!("--storage.tsdb.path={}", at("tsdb")))
        .arg(format!("--web.listen-address=127.0.0.1:{}", free_port()))
        // Else what is sent before it knows its Alertmanager comes again after a minute.
        .args(["--rules.alert.resend-delay=1s", "--log.level=warn"])
        .stderr(fs::File::create(at("prometheus.log")).unwrap())
        .spawn()
        .unwrap();
    let _prometheus = Ended(child);
    followed.in_state("prometheus", "firing").await;

    fs::write(at("person.token"), token(&followed.setup.data, "operator", "li")).unwrap();
    let names = [("headwater.example:8080", target.as_str()), ("/home/li/headwater.token", &at("person.token"))];
    let told = shell(folder.path(), &with(&block("alertmanager.md", "sh", "amtool"), &names), &[]);
    assert!(told.contains("HighLoad"), "{told}");
    followed.alert("prometheus", "is silenced", |one| !one["muted_by"].as_array().unwrap().is_empty()).await;
    followed.stop();
}

/// What the page leaves to whoever has an Alertmanager: a route, and how quickly it tells.
const ROUTE: &str = "route: { receiver: headwater, group_wait: 0s, group_interval: 1s, repeat_interval: 1h }\n";

#[tokio::test]
async fn an_alertmanager_forwards_with_the_settings_of_the_page() {
    let (Some(alertmanager), Some(amtool)) = (tool("prometheus-alertmanager"), tool("amtool")) else { return };
    let folder = tempfile::tempdir().unwrap();
    let followed = Followed::start(folder.path(), "{}").await;
    let at = |name: &str| folder.path().join(name).display().to_string();
    fs::write(at("alertmanager.token"), followed.source("alertmanager")).unwrap();
    let target = format!("127.0.0.1:{}", followed.setup.port);
    let names =
        [("headwater.example:8080", target.as_str()), ("/etc/alertmanager/headwater.token", &at("alertmanager.token"))];
    let page = with(&block("alertmanager.md", "yaml", "webhook_configs"), &names);
    fs::write(at("alertmanager.yml"), format!("{ROUTE}{page}")).unwrap();
    let listens = format!("127.0.0.1:{}", free_port());
    let child = Command::new(alertmanager)
        .arg(format!("--config.file={}", at("alertmanager.yml")))
        .arg(format!("--storage.path={}", at("am")))
        .arg(format!("--web.listen-address={listens}"))
        .args(["--cluster.listen-address=", "--log.level=warn"])
        .stderr(fs::File::create(at("alertmanager.log")).unwrap())
        .spawn()
        .unwrap();
    let _alertmanager = Ended(child);
    let say = |more: &[&str]| {
        let mut command = Command::new(&amtool);
        command.arg(format!("--alertmanager.url=http://{listens}")).args([
            "alert",
            "add",
            "DiskFull",
            "instance=db-1:9100",
        ]);
        command
            .args(["severity=critical", "--annotation=summary=Disk of db-1 is full"])
            .args(more)
            .env("HOME", folder.path());
        command.output().unwrap()
    };
    let since = std::time::Instant::now();
    while !say(&[]).status.success() {
        assert!(
            since.elapsed() < std::time::Duration::from_secs(60),
            "{}",
            fs::read_to_string(at("alertmanager.log")).unwrap()
        );
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let alert = followed.in_state("alertmanager", "firing").await;
    assert_eq!((&alert["object"], &alert["title"]), (&"db-1".into(), &"Disk of db-1 is full".into()));
    // Its end, as an evaluator tells it.
    let ended = say(&[&format!("--end={}", chrono::Utc::now().to_rfc3339())]);
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    followed.in_state("alertmanager", "resolved").await;
    followed.stop();
}
