//! Bodies that a page gives for a form in another system: every placeholder filled in as that system would, they are taken.

use super::*;

/// A page's body, and how its system writes a placeholder around a name.
const BODIES: &[(&str, &str, &str)] = &[
    ("datadog", "json", "$EVENT_TITLE"),
    ("dynatrace", "json", "{ProblemTitle}"),
    ("librenms", "", "{{ $hostname }}"),
    ("tencent-cls", "json", "{{escape .Alarm}}"),
];

/// The members of a body, with the value that the golden file has for each in place of the placeholder.
fn filled(format: &str, body: &str, case: &str) -> Value {
    let golden =
        fs::read_to_string(project().join("tests/golden/decode").join(format).join(case).with_extension("json"));
    let golden: Value = serde_json::from_str(&golden.unwrap()).unwrap();
    let mut body: serde_json::Map<String, Value> = serde_json::from_str(body).unwrap();
    for (name, value) in &mut body {
        // What no golden body has, the other system leaves empty now and then, too.
        let known = &golden[name];
        *value = known
            .as_str()
            .map_or_else(|| if known.is_null() { "".into() } else { known.to_string().into() }, Into::into);
    }
    Value::Object(body)
}

#[tokio::test]
async fn bodies_to_be_pasted_elsewhere_are_read_by_their_mapping() {
    let folder = tempfile::tempdir().unwrap();
    let followed = Followed::start(folder.path(), "{}").await;
    for (format, language, placeholder) in BODIES {
        let token = followed.source(format);
        let body = block(&format!("{format}.md"), language, placeholder);
        for (case, state) in [("firing", "firing"), ("resolved", "resolved")] {
            let url = followed.setup.url(&format!("/api/v1/ingest/{format}"));
            let request = followed.client.post(url).bearer_auth(&token).json(&filled(format, &body, case));
            let told: Value = request.send().await.unwrap().json().await.unwrap();
            assert_eq!(told["accepted"], 1, "{format} {case}: {told}");
            followed.in_state(format, state).await;
        }
    }
    followed.stop();
}

#[tokio::test]
async fn prtg_s_post_data_is_read_by_its_mapping() {
    let folder = tempfile::tempdir().unwrap();
    let followed = Followed::start(folder.path(), "{}").await;
    let token = followed.source("prtg");
    let page = block("prtg.md", "", "%sensorid");
    let url = followed.setup.url(&format!("/api/v1/ingest/prtg?token={token}"));
    for (status, state) in [("Down", "firing"), ("Up", "resolved")] {
        // PRTG puts its values in unencoded places of the text.
        let values = [
            ("%linksensor", "http://prtg.example/s/2001"),
            ("%laststatus", "Unknown"),
            ("%status", status),
            ("%sensorid", "2001"),
            ("%name", "Ping"),
            ("%device", "web-1"),
            ("%host", "10.0.0.7"),
            ("%message", "timed+out"),
            ("%priority", "5"),
            ("%group", "gov"),
            ("%lastvalue", "0"),
        ];
        let body = with(page.trim_end(), &values);
        assert!(!body.contains('%'), "{body}");
        let request = followed.client.post(&url).header("content-type", "application/x-www-form-urlencoded").body(body);
        let told: Value = request.send().await.unwrap().json().await.unwrap();
        assert_eq!(told["accepted"], 1, "{status}: {told}");
        followed.in_state("prtg", state).await;
    }
    followed.stop();
}

/// Argo CD's templates, with what Argo CD knows of an application.
#[tokio::test]
async fn argo_cd_s_templates_are_read_by_their_mapping() {
    let folder = tempfile::tempdir().unwrap();
    let followed = Followed::start(folder.path(), "{}").await;
    let token = followed.source("argocd");
    let file = fs::read_to_string(project().join("deploy/sources/argocd-notifications.yaml")).unwrap();
    let file: Value = serde_saphyr::from_str(&file).unwrap();
    let service: Value = serde_saphyr::from_str(file["data"]["service.webhook.headwater"].as_str().unwrap()).unwrap();
    let url = with(service["url"].as_str().unwrap(), &[("https://headwater.example", &followed.setup.url(""))]);
    let send = async |template: &str, health: &str| {
        let template: Value = serde_saphyr::from_str(file["data"][template].as_str().unwrap()).unwrap();
        let webhook = &template["webhook"]["headwater"];
        assert_eq!(webhook["method"], "POST");
        let mut body = webhook["body"].as_str().unwrap().to_owned();
        let known = [
            ("{{.app.metadata.name}}", "portal"),
            ("{{.app.spec.project}}", "gov"),
            ("{{.app.spec.destination.namespace}}", "portal"),
            ("{{.app.status.sync.revision}}", "8d1f"),
            ("{{.app.spec.source.repoURL}}", "https://git.example/portal"),
            ("{{.app.status.sync.status}}", "Synced"),
            ("{{.app.status.operationState.phase}}", "Succeeded"),
            ("{{.app.status.operationState.finishedAt}}", "2026-01-05T00:00:03Z"),
            ("{{.app.status.health.status}}", health),
            ("{{.context.argocdUrl}}", "https://argocd.example"),
        ];
        for (name, value) in known {
            body = body.replace(name, value);
        }
        assert!(!body.contains("{{"), "{body}");
        let mut request = followed.client.post(&url).body(body);
        for header in service["headers"].as_array().unwrap() {
            let value = header["value"].as_str().unwrap().replace("$headwater-token", &token);
            request = request.header(header["name"].as_str().unwrap(), value);
        }
        let told: Value = request.send().await.unwrap().json().await.unwrap();
        assert_eq!(told["accepted"], 1, "{told}");
    };
    send("template.headwater-sync", "").await;
    send("template.headwater-health", "Degraded").await;
    followed.in_state("argocd", "firing").await;
    send("template.headwater-health", "Healthy").await;
    followed.in_state("argocd", "resolved").await;
    followed.stop();
}
