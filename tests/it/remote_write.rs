//! Debian's `prometheus` writes what it scrapes here, by remote write.

use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::alertmanager::{Ended, tool};
use crate::program::{Setup, client, free_port, token};

#[tokio::test]
async fn prometheus_writes_what_it_scrapes() {
    let Some(prometheus) = tool("prometheus") else { return };
    let folder = tempfile::tempdir().unwrap();
    let setup = Setup::new(folder.path(), "{}");
    let source = token(&setup.data, "source", "prom");
    let client = client();
    let mut program = setup.start(&[]);
    program.answers(&client).await;
    let own = free_port();
    fs::write(folder.path().join("token"), source).unwrap();
    let config = format!(
        "global: {{ scrape_interval: 1s }}\nscrape_configs:\n  - job_name: self\n    static_configs: [{{ targets: [\"127.0.0.1:{own}\"] }}]\n\
         remote_write:\n  - url: {}\n    authorization: {{ credentials_file: token }}\n",
        setup.url("/api/v1/write")
    );
    fs::write(folder.path().join("prometheus.yml"), config).unwrap();
    let _prometheus = Ended(
        Command::new(prometheus)
            .arg(format!("--config.file={}", folder.path().join("prometheus.yml").display()))
            .arg(format!("--storage.tsdb.path={}", folder.path().join("tsdb").display()))
            .arg(format!("--web.listen-address=127.0.0.1:{own}"))
            .arg("--log.level=warn")
            .stderr(fs::File::create(folder.path().join("prometheus.log")).unwrap())
            .spawn()
            .unwrap(),
    );
    let has = |name: &'static str| {
        move |told: &Value| {
            let item = told["items"].as_array().and_then(|items| items.iter().find(|item| item["name"] == name));
            item.is_some_and(|item| item["readings"].as_u64() > Some(2) && item["object"] == "127.0.0.1")
        }
    };
    let gauge = "go_goroutines";
    setup.until(&client, "/api/v1/series?limit=500&q=go_goroutines", "a gauge of Prometheus", has(gauge)).await;
    let counter = "prometheus_http_requests_total";
    let told = setup
        .until(&client, "/api/v1/series?limit=500&q=prometheus_http_requests_total", "a counter", has(counter))
        .await;
    let last = told["items"][0]["last"]["value"].as_f64().unwrap();
    assert!(last < 50.0, "its rate per second and not its count: {told}");
    let buckets =
        setup.until(&client, "/api/v1/series?limit=1&q=_bucket", "no buckets", |told| told["items"].is_array()).await;
    assert_eq!(buckets["items"].as_array().unwrap().len(), 0, "{buckets}");
    program.stop();
    let said = fs::read_to_string(folder.path().join("prometheus.log")).unwrap();
    assert!(!said.contains("non-recoverable"), "{said}");
}
