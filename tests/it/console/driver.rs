//! A real Chromium, driven by WebDriver's own JSON over the HTTP client that the program has anyway: the handful of
//! commands that the tests need is shorter than a crate's set-up, and the browser's log comes with it.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

/// How long a state may take to come.
const PATIENCE_MS: u64 = 60_000;
/// What to type when a program is missing.
const INSTALL: &str = "install it with `bash tests/run.sh`, or on Debian `apt-get install chromium chromium-driver`";
/// No window, nothing that speaks to anyone else.
const FLAGS: [&str; 10] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1440,900",
];

/// Looks for a state in the page again and again, in the page itself. (Its policy forbids making code from text there,
/// so the expression is written into the script.)
fn waiting(expression: &str) -> String {
    format!(
        "const [patience, done] = arguments;
         const end = performance.now() + patience;
         (function again() {{
           let found = null;
           try {{ found = ({expression}); }} catch {{ found = null; }}
           if (found || performance.now() > end) done(found || null);
           else setTimeout(again, 40);
         }})();"
    )
}

/// A browser with a profile of its own. It ends with the test.
pub struct Browser {
    http: reqwest::Client,
    port: u16,
    id: String,
    driver: Child,
    profile: TempDir,
}

impl Browser {
    /// Starts one that prefers this language, for example `en-US`.
    pub async fn open(language: &str) -> Self {
        let (driver, port) = start_driver();
        let profile = tempfile::tempdir().unwrap();
        let mut flags: Vec<String> = FLAGS.iter().map(ToString::to_string).collect();
        flags.push(format!("--lang={language}"));
        flags.push(format!("--user-data-dir={}", profile.path().display()));
        let options = json!({ "args": flags, "prefs": { "intl.accept_languages": language } });
        let wanted = json!({ "capabilities": { "alwaysMatch": {
            "browserName": "chrome",
            "goog:chromeOptions": options,
            "goog:loggingPrefs": { "browser": "ALL", "performance": "ALL" },
            "timeouts": { "script": PATIENCE_MS + 10_000 },
        } } });
        let mut browser = Self { http: client(), port, id: String::new(), driver, profile };
        let made = browser.ask(reqwest::Method::POST, "/session", wanted).await;
        let id = made["sessionId"].as_str();
        browser.id = id.unwrap_or_else(|| panic!("chromium does not start: {made}; {INSTALL}")).to_owned();
        browser
    }

    async fn ask(&self, method: reqwest::Method, path: &str, body: Value) -> Value {
        let request = self.http.request(method, format!("http://127.0.0.1:{}{path}", self.port));
        let request = if body.is_null() { request } else { request.json(&body) };
        let answer: Value = request.send().await.unwrap().json().await.unwrap();
        answer["value"].clone()
    }

    async fn command(&self, path: &str, body: Value) -> Value {
        let answer = self.ask(reqwest::Method::POST, &format!("/session/{}{path}", self.id), body).await;
        assert!(answer["error"].is_null(), "{path}: {}", answer["message"]);
        answer
    }

    /// Bytes that the page holds when everything that nobody needs has been thrown away.
    pub async fn collected(&self) -> f64 {
        self.command("/goog/cdp/execute", json!({ "cmd": "HeapProfiler.collectGarbage", "params": {} })).await;
        self.read("performance.memory.usedJSHeapSize").await.as_f64().unwrap()
    }

    /// Memory of the processes that draw this browser's pages, bytes.
    pub fn renderer_bytes(&self) -> u64 {
        let profile = self.profile.path().display().to_string();
        let processes = std::fs::read_dir("/proc").unwrap().filter_map(Result::ok).map(|entry| entry.path());
        let ours = processes.filter(|path| {
            let words = std::fs::read(path.join("cmdline")).unwrap_or_default();
            let words = String::from_utf8_lossy(&words).into_owned();
            words.contains("--type=renderer") && words.contains(&profile)
        });
        let pages = ours.filter_map(|path| {
            // What it shares with others counts for its part.
            let text = std::fs::read_to_string(path.join("smaps_rollup")).ok()?;
            let line = text.lines().find_map(|line| line.strip_prefix("Pss:"))?;
            line.split_whitespace().next()?.parse::<u64>().ok()
        });
        pages.sum::<u64>() * 1024
    }

    /// Opens an address and waits until it is loaded.
    pub async fn go(&self, url: &str) {
        self.command("/url", json!({ "url": url })).await;
    }

    /// Runs statements in every page from now on, before anything of the page itself does.
    pub async fn before(&self, statements: &str) {
        let script = json!({ "cmd": "Page.addScriptToEvaluateOnNewDocument", "params": { "source": statements } });
        self.command("/goog/cdp/execute", script).await;
    }

    /// Shows pages as they are printed, on a sheet of A4.
    pub async fn paper(&self) {
        self.screen(718, 1016).await;
        let print = json!({ "cmd": "Emulation.setEmulatedMedia", "params": { "media": "print" } });
        self.command("/goog/cdp/execute", print).await;
    }

    /// Gives the machine that the browser runs on another time zone.
    pub async fn zone(&self, name: &str) {
        let zone = json!({ "cmd": "Emulation.setTimezoneOverride", "params": { "timezoneId": name } });
        self.command("/goog/cdp/execute", zone).await;
    }

    /// Runs statements that call `done` with what they found, their last argument.
    pub async fn timed(&self, statements: &str) -> Value {
        self.command("/execute/async", json!({ "script": statements, "args": [] })).await
    }

    /// Opens a further tab and goes on in it.
    pub async fn tab(&self) {
        let made = self.command("/window/new", json!({ "type": "tab" })).await;
        self.command("/window", json!({ "handle": made["handle"] })).await;
    }

    /// Empties the browser's cache.
    pub async fn forget(&self) {
        self.command("/goog/cdp/execute", json!({ "cmd": "Network.clearBrowserCache", "params": {} })).await;
    }

    /// Runs statements in the page.
    pub async fn run(&self, statements: &str) {
        self.command("/execute/sync", json!({ "script": statements, "args": [] })).await;
    }

    /// The value of an expression in the page.
    pub async fn read(&self, expression: &str) -> Value {
        self.command("/execute/sync", json!({ "script": format!("return ({expression})"), "args": [] })).await
    }

    /// Waits until an expression in the page is true; its value. Fails with what the page shows.
    pub async fn wait(&self, expression: &str) -> Value {
        let body = json!({ "script": waiting(expression), "args": [PATIENCE_MS] });
        let found = self.command("/execute/async", body).await;
        if found.is_null() {
            let shown = self.read("document.body.innerText.slice(0, 3000)").await;
            panic!("never true: {expression}\nat {}\n{}", self.read("location.href").await, shown.as_str().unwrap());
        }
        found
    }

    /// Waits for text anywhere in the page.
    pub async fn sees(&self, text: &str) {
        self.wait(&format!("document.body.innerText.includes({})", json!(text))).await;
    }

    async fn element(&self, selector: &str) -> String {
        let quoted = json!(selector);
        self.wait(&format!("document.querySelector({quoted}) && !document.querySelector({quoted}).disabled")).await;
        let found = self.command("/element", json!({ "using": "css selector", "value": selector })).await;
        let id = found.as_object().and_then(|o| o.values().next()).and_then(Value::as_str);
        id.unwrap_or_else(|| panic!("{selector}: {found}")).to_owned()
    }

    /// Clicks as a person does: the element has to be there, in sight and on top.
    pub async fn click(&self, selector: &str) {
        let id = self.element(selector).await;
        self.command(&format!("/element/{id}/click"), json!({})).await;
    }

    /// Draws over an element with the pointer pressed, between two shares of its width.
    pub async fn drag(&self, selector: &str, from: f64, to: f64) {
        let id = self.element(selector).await;
        self.run(&format!("document.querySelector({}).scrollIntoView({{ block: 'center' }})", json!(selector))).await;
        let wide =
            self.read(&format!("document.querySelector({}).getBoundingClientRect().width", json!(selector))).await;
        let wide = wide.as_f64().unwrap();
        // Places are counted from the element's middle.
        let at = |share: f64| {
            let origin = json!({ "element-6066-11e4-a52e-4f735466cecf": id });
            json!({ "type": "pointerMove", "origin": origin, "x": ((share - 0.5) * wide).round() as i64, "y": 0, "duration": 50 })
        };
        let steps = json!([at(from), { "type": "pointerDown", "button": 0 }, at((from + to) / 2.0), at(to), { "type": "pointerUp", "button": 0 }]);
        let mouse =
            json!({ "type": "pointer", "id": "mouse", "parameters": { "pointerType": "mouse" }, "actions": steps });
        self.command("/actions", json!({ "actions": [mouse] })).await;
    }

    /// Types into a field.
    pub async fn fill(&self, selector: &str, text: &str) {
        let id = self.element(selector).await;
        self.command(&format!("/element/{id}/value"), json!({ "text": text })).await;
    }

    /// Types keys where the focus is.
    pub async fn press(&self, keys: &str) {
        let keys: Vec<Value> = keys
            .chars()
            .flat_map(|key| [json!({ "type": "keyDown", "value": key }), json!({ "type": "keyUp", "value": key })])
            .collect();
        self.command("/actions", json!({ "actions": [{ "type": "key", "id": "keyboard", "actions": keys }] })).await;
    }

    /// What the browser shows, as WebP in Base64.
    pub async fn picture(&self, quality: u32) -> String {
        let wanted = json!({ "format": "webp", "quality": quality });
        let shot = json!({ "cmd": "Page.captureScreenshot", "params": wanted });
        self.command("/goog/cdp/execute", shot).await["data"].as_str().unwrap().to_owned()
    }

    /// Gives the page a screen of this size.
    pub async fn screen(&self, width: u32, height: u32) {
        let metrics = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600 });
        self.command("/goog/cdp/execute", json!({ "cmd": "Emulation.setDeviceMetricsOverride", "params": metrics }))
            .await;
    }

    /// Leaves the scroll bars out of pictures.
    pub async fn hide_scrollbars(&self) {
        let hidden = json!({ "cmd": "Emulation.setScrollbarsHidden", "params": { "hidden": true } });
        self.command("/goog/cdp/execute", hidden).await;
    }

    /// Presses a key together with another that is held.
    pub async fn press_with(&self, held: &str, key: &str) {
        let actions = json!([{ "type": "keyDown", "value": held }, { "type": "keyDown", "value": key },
            { "type": "keyUp", "value": key }, { "type": "keyUp", "value": held }]);
        self.command("/actions", json!({ "actions": [{ "type": "key", "id": "keyboard", "actions": actions }] })).await;
    }

    /// Warnings and errors since the last look.
    pub async fn complaints(&self) -> Vec<String> {
        let entries = self.command("/se/log", json!({ "type": "browser" })).await;
        let loud = |entry: &&Value| matches!(entry["level"].as_str(), Some("SEVERE" | "WARNING"));
        let text = |entry: &Value| entry["message"].as_str().unwrap_or_default().to_owned();
        entries.as_array().into_iter().flatten().filter(loud).map(text).collect()
    }

    /// Addresses that were asked for since the last look.
    pub async fn requests(&self) -> Vec<String> {
        let entries = self.command("/se/log", json!({ "type": "performance" })).await;
        let address = |entry: &Value| {
            let event: Value = serde_json::from_str(entry["message"].as_str()?).ok()?;
            let event = &event["message"];
            let is_request = event["method"] == "Network.requestWillBeSent";
            is_request.then(|| event["params"]["request"]["url"].as_str().map(str::to_owned))?
        };
        entries.as_array().into_iter().flatten().filter_map(address).collect()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Closes the browser; the driver alone would leave it behind.
        if let Ok(mut stream) = std::net::TcpStream::connect(("127.0.0.1", self.port)) {
            let farewell =
                format!("DELETE /session/{} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", self.id);
            let mut answer = [0; 256];
            let _ = stream.set_read_timeout(Some(Duration::from_secs(10)));
            let _ = stream.write_all(farewell.as_bytes()).and_then(|()| stream.read(&mut answer));
        }
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

/// A client for plain HTTP on this machine. The TLS provider is asked for although nothing is encrypted here.
pub fn client() -> reqwest::Client {
    drop(rustls::crypto::ring::default_provider().install_default());
    reqwest::Client::builder().no_proxy().build().unwrap()
}

/// Starts the driver on a free port.
fn start_driver() -> (Child, u16) {
    let started = Command::new("chromedriver").arg("--port=0").stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
    let mut driver = started.unwrap_or_else(|error| panic!("chromedriver: {error}; {INSTALL}"));
    let mut said = BufReader::new(driver.stdout.take().unwrap()).lines();
    let port = said.by_ref().find_map(|line| {
        let line = line.unwrap();
        line.split_once("started successfully on port ")?.1.trim_end_matches('.').parse().ok()
    });
    // The pipe has to stay open: the driver writes to it.
    std::thread::spawn(move || said.for_each(drop));
    (driver, port.expect("chromedriver names its port"))
}
