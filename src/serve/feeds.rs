//! A CMDB that is asked over HTTP: its lists are put together to one document, which a mapping reads. What is refused, or not answered,
//! changes nothing: the topology stays as it was.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use reqwest::redirect::Policy;
use reqwest::{Client, Url};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::domain::ids::TenantId;
use crate::domain::time::Span;
use crate::engine::policy::spans;
use crate::pipeline::{Pipeline, cmdb_text};

/// So long an answer may take.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(120);
/// Pages of one list.
const PAGES_MAX: usize = 10_000;
/// All answers of one look together, bytes.
const BYTES_MAX: usize = 256 * 1024 * 1024;

/// Where the CMDB is.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// From one look to the next.
    #[serde(deserialize_with = "spans::span")]
    pub every: Span,
    /// The mapping that reads the document.
    pub mapping: Option<PathBuf>,
    /// The file with the token.
    pub token_file: Option<PathBuf>,
    /// The header that the token goes into.
    pub token_header: String,
    /// What stands before it there.
    pub token_prefix: String,
    /// None: no CMDB is asked.
    pub lists: Vec<ListSettings>,
}

/// One list of the document.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListSettings {
    /// Its name in the document.
    pub list: String,
    pub url: String,
    /// The member of an answer that holds the items; without it the answer is the array.
    #[serde(default)]
    pub items: Option<String>,
    /// The member of an answer with the address of the next page.
    #[serde(default)]
    pub next: Option<String>,
}

/// Asks again and again.
pub struct Feed {
    settings: Settings,
    mapping: Vec<u8>,
    token: Option<String>,
    client: Client,
    tenant: TenantId,
    pipeline: Arc<Pipeline>,
}

impl Feed {
    /// Sets it up; nothing is asked yet. None: no CMDB is configured.
    ///
    /// # Errors
    /// When a file cannot be read, or an address is none.
    pub fn new(settings: &Settings, tenant: &TenantId, pipeline: &Arc<Pipeline>) -> Result<Option<Self>> {
        if settings.lists.is_empty() {
            return Ok(None);
        }
        // Whoever came first has installed the same one.
        let _ = rustls::crypto::ring::default_provider().install_default();
        for list in &settings.lists {
            Url::parse(&list.url).with_context(|| format!("cmdb.lists: {:?}; write http(s)://host/path", list.url))?;
        }
        let read = |path: &PathBuf| std::fs::read(path).with_context(|| format!("read {}", path.display()));
        let mapping = settings.mapping.as_ref().map(read).transpose()?.unwrap_or_default();
        let token = settings.token_file.as_ref().map(read).transpose()?;
        let token = token.map(|bytes| String::from_utf8_lossy(&bytes).trim().to_owned());
        let mut builder = Client::builder().redirect(Policy::none()).timeout(ANSWER_TIME_MAX);
        if settings.lists.iter().all(|list| list.url.starts_with("http://")) {
            // Without TLS no certificates of the system are needed, and it may have none.
            builder = builder.tls_certs_only([]);
        }
        let client =
            builder.build().context("set up a connection to the CMDB; install the system's CA certificates")?;
        let (settings, tenant, pipeline) = (settings.clone(), tenant.clone(), pipeline.clone());
        Ok(Some(Self { settings, mapping, token, client, tenant, pipeline }))
    }

    /// Asks until the future is dropped. A failure is logged, and the next look comes at its time.
    pub async fn run(self) {
        let every = Duration::from_millis(self.settings.every.0.unsigned_abs());
        let mut said = String::new();
        loop {
            match self.look().await {
                Ok(()) => said.clear(),
                Err(error) => {
                    let error = format!("{error:#}");
                    if error != said {
                        tracing::warn!(error, "the CMDB gives no topology, the one in force stays");
                        said = error;
                    }
                }
            }
            tokio::time::sleep(every).await;
        }
    }

    async fn look(&self) -> Result<()> {
        let mut document = Map::new();
        let mut bytes = 0;
        for list in &self.settings.lists {
            let items = self.list(list, &mut bytes).await.with_context(|| format!("cmdb.lists: {}", list.list))?;
            document.insert(list.list.clone(), Value::Array(items));
        }
        let text = Value::Object(document).to_string().into_bytes();
        let text = if self.mapping.is_empty() { text } else { cmdb_text::with_mapping(&self.mapping, &text) };
        let (put, quality) = self.pipeline.put_topology(&self.tenant, text, "cmdb").await?;
        if put.seq.is_some() {
            tracing::info!(topology.version = put.version, cis = quality.cis, "the CMDB's topology is in force");
            for warning in quality.warnings().iter().take(20) {
                tracing::warn!("{warning}");
            }
        }
        Ok(())
    }

    /// All pages of a list.
    async fn list(&self, list: &ListSettings, bytes: &mut usize) -> Result<Vec<Value>> {
        let first = Url::parse(&list.url)?;
        let (mut page, mut items) = (first.clone(), Vec::new());
        for _ in 0..PAGES_MAX {
            let mut answer = self.page(&page, bytes).await?;
            let found = match &list.items {
                None => answer.take(),
                Some(path) => at(&answer, path).cloned().unwrap_or_default(),
            };
            let Value::Array(found) = found else {
                bail!("{page}: there is no array at {:?}: set `items`", list.items.as_deref().unwrap_or("the top"))
            };
            items.extend(found);
            let next = list.next.as_ref().and_then(|path| at(&answer, path)?.as_str());
            let Some(next) = next.filter(|next| !next.is_empty()) else { return Ok(items) };
            page = page.join(next).with_context(|| format!("the next page {next:?}"))?;
            // The token is for this server alone.
            ensure!(page.origin() == first.origin(), "the next page {page} is on another server");
        }
        bail!("more than {PAGES_MAX} pages: ask for more items in one")
    }

    async fn page(&self, page: &Url, bytes: &mut usize) -> Result<Value> {
        let mut request = self.client.get(page.clone()).header("accept", "application/json");
        if let Some(token) = &self.token {
            request = request.header(&self.settings.token_header, format!("{}{token}", self.settings.token_prefix));
        }
        let mut answer =
            request.send().await.map_err(reqwest::Error::without_url).with_context(|| page.path().to_owned())?;
        let status = answer.status();
        ensure!(status.is_success(), "{}: it answers {}: look at address and token", page.path(), status.as_u16());
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(reqwest::Error::without_url)? {
            *bytes += chunk.len();
            ensure!(*bytes <= BYTES_MAX, "the answers are larger than {BYTES_MAX} bytes together");
            body.extend_from_slice(&chunk);
        }
        serde_json::from_slice(&body).with_context(|| format!("{}: no JSON", page.path()))
    }
}

/// What stands at a path such as `data.items`.
fn at<'v>(value: &'v Value, path: &str) -> Option<&'v Value> {
    path.split('.').try_fold(value, |value, step| value.get(step))
}
