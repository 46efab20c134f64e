//! Two hundred hostile texts in every field that is stored, looked at on every page, on a screen and on a phone: nothing of
//! them runs, nothing becomes an element, and the policy would have stopped it anyway. Pages that show none prove nothing:
//! each has to show some, but for those that have no texts.

use reqwest::Method;
use serde_json::{Value, json};

use super::driver::Browser;
use super::served::Served;
use super::{sign_in, tickets};

/// What would run: each sets `window.hit`.
const RUNS: [&str; 20] = [
    "<script>window.hit=1</script>",
    "<img src=x onerror=window.hit=1>",
    "<svg onload=window.hit=1>",
    "<svg/onload=window.hit=1>",
    "<iframe srcdoc='<script>parent.hit=1</script>'>",
    "<body onload=window.hit=1>",
    "<details open ontoggle=window.hit=1>x</details>",
    "<input autofocus onfocus=window.hit=1>",
    "<video><source onerror=window.hit=1></video>",
    "<marquee onstart=window.hit=1>x</marquee>",
    "<a href=\"javascript:window.hit=1\">x</a>",
    "<object data='javascript:window.hit=1'>",
    "<math><mtext></table><img src=x onerror=window.hit=1></mtext></math>",
    "<style>@import 'javascript:window.hit=1'</style>",
    "<link rel=stylesheet href='javascript:window.hit=1'>",
    "<meta http-equiv=refresh content='0;url=javascript:window.hit=1'>",
    "<form action=javascript:window.hit=1><button autofocus>x</button></form>",
    "<template><script>window.hit=1</script></template>",
    "{{constructor.constructor('window.hit=1')()}}${window.hit=1}",
    "javascript:window.hit=1",
];
/// How it tries to get out of where it stands.
const ESCAPES: [&str; 10] =
    ["", "\">", "'>", "</textarea>", "</title>", "</script>", "-->", "]]>", "\\\"};window.hit=1;//", "%3C\u{feff}"];

/// Where a person keeps few, each so many of them: every text that runs and every way out of where it stands is among them.
const EACH: usize = 7;

fn payloads() -> Vec<String> {
    RUNS.iter().flat_map(|run| ESCAPES.iter().map(move |escape| format!("{escape}{run}"))).collect()
}

/// The estate with hostile names, classes, sites, teams and departments.
fn cmdb(payloads: &[String]) -> Value {
    let ci = |(n, text): (usize, &String)| {
        json!({ "id": format!("ci-{n} {text}"), "class": if n.is_multiple_of(3) { "server" } else { "virtual_machine" }, "name": format!("n{n} {text}"),
            "site": text, "owner_team": text, "org": text, "keys": [format!("k{n}")] })
    };
    json!({ "cis": payloads.iter().enumerate().map(ci).collect::<Vec<_>>() })
}

fn event((n, text): (usize, &String)) -> Value {
    json!({ "id": format!("id-{n} {text}"), "name": format!("a{n} {text}"), "title": format!("t{n} {text}"), "severity": "critical", "description": text,
        "object": { "name": format!("k{n}") }, "starts_at": "2026-01-05T00:00:00Z",
        "labels": { "l": text }, "annotations": { "a": text } })
}

/// Rules whose every text is one of these.
fn rules(payloads: &[String]) -> String {
    let each = |make: &dyn Fn(usize, &String) -> Value| {
        payloads.iter().enumerate().map(|(n, text)| make(n, text)).collect::<Vec<_>>()
    };
    let few = |make: &dyn Fn(usize, &String) -> Value| each(make).into_iter().take(40).collect::<Vec<_>>();
    let once = json!({ "once": { "from": "2098-01-01 00:00", "to": "2098-01-02 00:00" }, "zone": "UTC" });
    let people: Vec<String> = (0..40).map(|n| format!("p{n} {}", payloads[n * 5])).collect();
    json!({
        "settings": { "changes": { "reason": true, "second": true } },
        "promote": [{ "id": "at-once", "after": "now" }],
        "routes": [{ "id": payloads[17], "note": payloads[18], "receivers": ["tickets", "refuses", { "oncall": payloads[19] }] }],
        "maintenance": few(&|n, text| json!({ "id": format!("w{n} {text}"), "note": text, "match": { "name": format!("x{n}") }, "schedule": once })),
        "mute": each(&|n, text| json!({ "id": format!("m{n} {text}"), "match": { "name": format!("x{n}") }, "owner": text, "note": text })),
        "runbooks": each(&|n, text| json!({ "id": format!("b{n} {text}"), "match": { "name": format!("like a{n} *") }, "title": text,
            "url": format!("javascript:window.hit=1//{text}"), "steps": [text] })),
        "service_levels": [{ "id": payloads[23], "acknowledge": "15m", "resolve": "4h" }],
        "contact_plans": [{ "id": "default", "note": payloads[31], "steps": [{ "by": ["tickets"] }] }],
        "people": people.iter().enumerate().map(|(n, id)| json!({ "id": id, "name": payloads[n * 5 + 1], "note": payloads[n] })).collect::<Vec<_>>(),
        "teams": [{ "id": payloads[20], "name": payloads[21], "people": people }],
        "rosters": [{ "id": payloads[22], "layers": [{ "name": payloads[24], "people": people, "starts": "2026-01-05 18:00", "every": "1d" }] }],
        "escalations": [{ "id": payloads[19], "note": payloads[25], "levels": [{ "to": [{ "roster": payloads[22] }, { "team": payloads[20] }], "wait": "24h" }],
            "fallback": ["tickets"] }],
    })
    .to_string()
}

/// The program with all of it stored.
struct Hostile {
    served: Served,
    token: String,
    payloads: Vec<String>,
    ids: Vec<String>,
}

impl Hostile {
    async fn stored() -> Self {
        let payloads = payloads();
        assert_eq!(payloads.len(), 200);
        // What a ticket system answers is stored, too.
        let answers = payloads.iter().map(|text| (text.clone(), format!("javascript:window.hit=1//{text}"))).collect();
        let system = tickets::system(answers).await;
        let served = Served::start_with(&tickets::settings(system, &["tickets", "refuses"]));
        let token = served.token("admin", "chen");
        let mut this = Self { served, token, payloads, ids: Vec::new() };
        let (cmdb, rules) = (cmdb(&this.payloads), rules(&this.payloads));
        this.put("/api/v1/topology", &cmdb).await;
        let files = json!({ "hostile.yaml": rules });
        this.put("/api/v1/rules", &json!({ "files": files, "reason": this.payloads[0] })).await;
        let events: Vec<Value> = this.payloads.iter().enumerate().map(event).collect();
        this.served.events(&events).await;
        // What cannot be taken, beside one that can.
        let dead = this
            .payloads
            .iter()
            .map(|text| json!({ "name": text, "severity": text, "object": { "name": text }, "starts_at": text }));
        this.served.events(&dead.take(20).chain([event((0, &this.payloads[0]))]).collect::<Vec<_>>()).await;
        this.ids = this.incidents().await;
        this.people_write().await;
        this.around_incidents().await;
        this
    }

    async fn put(&self, path: &str, body: &Value) {
        self.served.send(Method::PUT, &self.token, path, body).await;
    }

    async fn post(&self, path: &str, body: &Value) -> Value {
        self.served.send(Method::POST, &self.token, path, body).await
    }

    /// The incidents, when everything is decided and each has a ticket.
    async fn incidents(&self) -> Vec<String> {
        loop {
            let list = self.served.get(&self.token, "/api/v1/incidents?limit=500").await;
            let items = list["items"].as_array().unwrap();
            let filed = items.iter().filter(|one| one["tickets"].as_array().is_some_and(|all| !all.is_empty())).count();
            let pending = self.served.get(&self.token, "/api/v1/conservation").await["pending"] != 0;
            if items.len() > 20 && filed == items.len() && !pending {
                return items.iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect();
            }
            tokio::task::yield_now().await;
        }
    }

    async fn people_write(&self) {
        let tomorrow = (chrono::Utc::now() + chrono::Duration::days(1)).to_rfc3339();
        let id = |n: usize| &self.ids[n % self.ids.len()];
        for (n, text) in self.payloads.iter().enumerate() {
            self.post(&format!("/api/v1/incidents/{}/comment", id(n)), &json!({ "text": text })).await;
            self.post(&format!("/api/v1/incidents/{}/assign", id(n)), &json!({ "assignee": text })).await;
            let silence =
                json!({ "matchers": [[{ "field": "ci", "value": text }]], "ends_at": tomorrow, "comment": text });
            self.post("/api/v1/silences", &silence).await;
        }
        for (n, text) in self.payloads.iter().step_by(EACH).enumerate() {
            let view = json!({ "name": text.chars().take(60).collect::<String>(), "query": text, "shared": true });
            assert_eq!(self.served.status(Method::POST, &self.token, "/api/v1/views", &view).await, 204, "{text}");
            self.post("/api/v1/feedback", &json!({ "says": "false_alarm", "about": id(n), "note": text })).await;
            self.post("/api/v1/feedback", &json!({ "says": "missed", "about": text, "note": text })).await;
            let token = json!({ "name": text.chars().take(60).collect::<String>(), "role": "viewer" });
            let refused = self.served.status(Method::POST, &self.token, "/api/v1/tokens", &token).await;
            assert_eq!(refused, 422, "the name of a credential is a plain word: {text}");
        }
        let last = self.ids.last().unwrap();
        self.post(&format!("/api/v1/incidents/{last}/close"), &json!({ "text": self.payloads[30] })).await;
    }

    /// What is not about an incident: sources, series, duties, windows that wait, trials.
    async fn around_incidents(&self) {
        let at = chrono::Utc::now().to_rfc3339();
        let point = |text: &String| json!({ "name": text, "object": { "name": text }, "labels": { "l": text }, "value": 1.0, "at": at });
        self.served.points(&self.payloads.iter().take(40).map(point).collect::<Vec<_>>()).await;
        for (n, text) in self.payloads.iter().step_by(EACH).enumerate() {
            let path = format!("/api/v1/sources/s{n}");
            self.put(&path, &json!({ "kind": text, "owner": text, "note": text })).await;
            let window = json!({ "id": format!("v{n} {text}"), "note": text, "reason": text, "match": { "name": format!("x{n}") }, "schedule": { "once": { "from": "2098-01-01 00:00", "to": "2098-01-02 00:00" } } });
            assert_eq!(self.post("/api/v1/windows", &window).await["waits"], true, "a second person is asked");
        }
        let person = format!("p0 {}", self.payloads[0]);
        let (from, to) = (at.clone(), (chrono::Utc::now() + chrono::Duration::days(1)).to_rfc3339());
        self.post("/api/v1/oncall/overrides", &json!({ "roster": self.payloads[22], "person": person, "from": from, "to": to, "note": self.payloads[26] })).await;
        let files = self.served.get(&self.token, "/api/v1/rules").await["files"].clone();
        self.put("/api/v1/shadow", &json!({ "files": files, "reason": self.payloads[27] })).await;
    }

    /// Every page, and whether texts of these stand on it.
    async fn pages(&self) -> Vec<(String, bool)> {
        let alerts = self.served.get(&self.token, "/api/v1/alerts?limit=1").await;
        let alert = alerts["items"][0]["id"].as_str().unwrap();
        let series = self.served.get(&self.token, "/api/v1/series?limit=1").await["items"][0]["id"].clone();
        let shown = [
            "/",
            "/alerts?show=all",
            "/wall",
            "/silences",
            "/windows",
            "/oncall",
            "/handover",
            "/deliveries",
            "/series",
            "/topology",
            "/rules",
            "/tuning",
            "/reports",
            "/numbers",
            "/sources",
            "/dead-letters",
            "/audit",
        ];
        let bare = ["/tokens", "/storm", "/suggestions", "/models", "/system", "/knowledge"];
        let q = url_part(&self.payloads[1]);
        let mut all: Vec<(String, bool)> = shown.iter().map(|page| ((*page).to_owned(), true)).collect();
        all.extend(bare.iter().map(|page| ((*page).to_owned(), false)));
        all.extend(
            [
                format!("/topology/{}", url_part(&format!("ci-3 {}", self.payloads[3]))),
                format!("/why/{alert}"),
                format!("/series/{}", url_part(series.as_str().unwrap())),
            ]
            .map(|page| (page, true)),
        );
        all.extend([0, 7, self.ids.len() - 1].map(|n| (format!("/incidents/{}", self.ids[n]), true)));
        all.extend([format!("/?q={q}"), format!("/topology?q={q}")].map(|page| (page, true)));
        all
    }
}

/// What a text has become that ran, or is no text any more.
const INJECTED: &str = "[...document.querySelectorAll('#app script, #app iframe, #app object, #app embed, #app link, #app meta, #app style, #app base, #app video, #app marquee, #app template, #app math, #app img:not([src=\"/assets/icon.svg\"]), #app a[href^=\"javascript\" i], #app form[action]')].map((one) => one.outerHTML.slice(0, 90))";
const LISTENING: &str = "[...document.querySelectorAll('#app *')].filter((one) => [...one.attributes].some((attribute) => attribute.name.startsWith('on'))).length";

async fn look(browser: &Browser, base: &str, page: &str, tells: bool) {
    browser.go(&format!("{base}{page}")).await;
    browser.wait("document.querySelector('main') && !document.querySelector('.coming')").await;
    browser.wait("document.querySelector('main').innerText.length > 40").await;
    // What is folded is looked at, too.
    browser.run("document.querySelectorAll('details').forEach((one) => { one.open = true; })").await;
    if tells {
        let said = "document.querySelector('main').textContent + [...document.querySelectorAll('main input, main textarea')].map((one) => one.value).join()";
        browser.wait(&format!("({said}).includes('window.hit')")).await;
    }
    assert_eq!(browser.read("window.hit ?? null").await, Value::Null, "{page}: it ran");
    assert_eq!(browser.read(INJECTED).await, json!([]), "{page}: it became an element");
    assert_eq!(browser.read(LISTENING).await, 0, "{page}: it became an attribute");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_hostile_texts_in_every_field_run_nowhere() {
    let hostile = Hostile::stored().await;
    let (base, ids) = (&hostile.served.base, &hostile.ids);
    let browser = Browser::open("en-US").await;
    sign_in(&browser, base, &hostile.token).await;
    let pages = hostile.pages().await;
    for (width, height) in [(1440, 900), (360, 800)] {
        browser.screen(width, height).await;
        for (page, tells) in &pages {
            look(&browser, base, page, *tells).await;
        }
    }
    browser.screen(1440, 900).await;
    // A report that is read as a page has it as text, too.
    browser.go(&format!("{base}/incidents/{}", ids[0])).await;
    browser.wait("document.querySelector('.head').innerText.includes('window.hit')").await;
    super::menu(&browser, "postmortem").await;
    browser.wait("document.querySelectorAll('dialog .prose li').length > 4").await;
    assert_eq!(browser.read("document.querySelectorAll('.prose script, .prose img, .prose iframe').length").await, 0);
    // The picture has the names as text.
    browser.go(&format!("{base}/incidents/{}", ids[3])).await;
    browser.wait("document.querySelector('.canvas[data-drawn], .graph .empty')").await;
    assert_eq!(browser.read("window.hit ?? null").await, Value::Null);
    // Nothing even tried: the browser would have complained of what the policy stops.
    let stopped: Vec<String> =
        browser.complaints().await.into_iter().filter(|line| line.contains("Content Security Policy")).collect();
    assert!(stopped.is_empty(), "{}", stopped.join("\n"));
    strict(&hostile.served).await;
}

/// The policy allows our own files and nothing that stands in the page.
async fn strict(served: &Served) {
    let answer = super::driver::client().get(&served.base).send().await.unwrap();
    let policy = answer.headers()["content-security-policy"].to_str().unwrap().to_owned();
    for part in [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
        "form-action 'self'",
    ] {
        assert!(policy.split(';').any(|one| one.trim() == part), "{part} is not in {policy}");
    }
    assert!(!policy.contains("unsafe") && !policy.contains('*'), "{policy}");
}

fn url_part(text: &str) -> String {
    text.bytes()
        .map(|byte| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}
