//! The lists of a CMDB, page by page: by addresses that its answers give, or by counting. A list of which only a part came is refused: it
//! would be taken for the whole estate.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use reqwest::header::{HeaderMap, LINK};
use reqwest::redirect::Policy;
use reqwest::{Client, Url};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{Settings, read};

/// So long an answer may take.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(120);
/// Pages of one list.
const PAGES_MAX: usize = 10_000;
/// All answers of one look together, bytes.
const BYTES_MAX: usize = 256 * 1024 * 1024;
/// Members beside a list that say how many items there are, as CMDBs name them.
const TOTALS: [&str; 5] = ["total", "total_count", "count", "numfound", "numFound"];

/// One list of the document.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ListSettings {
    /// Its name in the document.
    pub list: String,
    pub url: String,
    /// What is sent; then it is a POST.
    #[serde(default)]
    pub body: Option<Map<String, Value>>,
    /// The member of an answer that holds the items; without it the answer is the array.
    #[serde(default)]
    pub items: Option<String>,
    /// The member of an answer with the address of the next page. A `Link` header with `rel="next"` is followed without it.
    #[serde(default)]
    pub next: Option<String>,
    /// How further pages are asked for, where no answer gives their address.
    #[serde(default)]
    pub page: Option<PageSettings>,
    /// The member of an answer that says how many items there are in all; without it `total`, `count` and the like beside the items.
    #[serde(default)]
    pub total: Option<String>,
}

/// What changes from page to page: one of `from_item`, `from_page` and `copies`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PageSettings {
    /// The parameter of the address, or with a body the path in it, such as `page.start`.
    pub at: String,
    /// There stands how many items came before; this for the first page.
    #[serde(default)]
    pub from_item: Option<u64>,
    /// There stands the number of the page; this for the first one.
    #[serde(default)]
    pub from_page: Option<u64>,
    /// There stands what this member of the answer before says; nothing there: that was the last page.
    #[serde(default)]
    pub copies: Option<String>,
}

/// Lists of a CMDB, and how it is asked.
pub struct Lists {
    lists: Vec<ListSettings>,
    token: Option<String>,
    pub token_header: String,
    pub token_prefix: String,
    client: Client,
}

/// An answer, and where it says that the next one is.
struct Answer {
    body: Value,
    link: Option<String>,
}

impl Lists {
    /// Lists of a CMDB that is asked with the token of a file.
    ///
    /// # Errors
    /// When an address is none, the way through the pages is not clear, or the file cannot be read.
    pub fn new(settings: &Settings, lists: &[ListSettings], token_file: Option<&Path>) -> Result<Self> {
        // Whoever came first has installed the same one.
        let _ = rustls::crypto::ring::default_provider().install_default();
        for list in lists {
            Url::parse(&list.url).with_context(|| format!("cmdb.lists: {:?}; write http(s)://host/path", list.url))?;
            if let Some(page) = &list.page {
                let given =
                    [page.from_item.is_some(), page.from_page.is_some(), page.copies.is_some()].map(usize::from);
                ensure!(
                    given.iter().sum::<usize>() == 1 && !page.at.is_empty() && list.next.is_none(),
                    "cmdb.lists: {}: page: give `at` and one of from_item, from_page and copies, and no `next`",
                    list.list
                );
            }
        }
        let token = token_file.map(read).transpose()?;
        let token = token.map(|bytes| String::from_utf8_lossy(&bytes).trim().to_owned());
        let mut builder = Client::builder().redirect(Policy::none()).timeout(ANSWER_TIME_MAX);
        if lists.iter().all(|list| list.url.starts_with("http://")) {
            // Without TLS no certificates of the system are needed, and it may have none.
            builder = builder.tls_certs_only([]);
        }
        let client =
            builder.build().context("set up a connection to the CMDB; install the system's CA certificates")?;
        let Settings { token_header, token_prefix, .. } = settings.clone();
        Ok(Self { lists: lists.to_vec(), token, token_header, token_prefix, client })
    }

    /// All lists as one document.
    pub async fn document(&self) -> Result<Vec<u8>> {
        let mut document = Map::new();
        let mut bytes = 0;
        for list in &self.lists {
            let items = self.list(list, &mut bytes).await.with_context(|| format!("cmdb.lists: {}", list.list))?;
            document.insert(list.list.clone(), Value::Array(items));
        }
        Ok(Value::Object(document).to_string().into_bytes())
    }

    /// All pages of a list.
    async fn list(&self, list: &ListSettings, bytes: &mut usize) -> Result<Vec<Value>> {
        let mut asked = Asked::first(list)?;
        let (mut items, mut before) = (Vec::new(), Value::Null);
        for page in 1..=PAGES_MAX {
            let answer = self.page(&asked, bytes).await?;
            let found = match &list.items {
                None => Some(&answer.body),
                Some(path) => at(&answer.body, path),
            };
            let Some(Value::Array(found)) = found else {
                let place = list.items.as_deref().unwrap_or("the top");
                bail!("{}: there is no array at {place:?}: set `items`", asked.url)
            };
            items.extend_from_slice(found);
            // A server that does not know the parameter gives the first page for ever.
            ensure!(
                found.is_empty() || list.page.is_none() || answer.body != before,
                "page {page} is the page before it: look at `page.at`"
            );
            let total = list.total(&answer.body);
            let all_came = list.total.is_some() && total.is_some_and(|total| items.len() as u64 >= total);
            let next =
                if found.is_empty() || all_came { None } else { asked.next(list, &answer, page, items.len())? };
            let Some(next) = next else {
                let (came, total) = (items.len() as u64, total.unwrap_or_default());
                ensure!(
                    came >= total,
                    "{came} of {total} items came: set `next` or `page` (or `total`, if that is no count of items)"
                );
                return Ok(items);
            };
            (asked, before) = (next, answer.body);
        }
        bail!("more than {PAGES_MAX} pages: ask for more items in one")
    }

    async fn page(&self, asked: &Asked, bytes: &mut usize) -> Result<Answer> {
        let path = asked.url.path();
        let mut request = match &asked.body {
            None => self.client.get(asked.url.clone()),
            Some(body) => self.client.post(asked.url.clone()).json(body),
        };
        request = request.header("accept", "application/json");
        if let Some(token) = &self.token {
            request = request.header(&self.token_header, format!("{}{token}", self.token_prefix));
        }
        let mut answer = request.send().await.map_err(reqwest::Error::without_url).with_context(|| path.to_owned())?;
        let status = answer.status();
        ensure!(status.is_success(), "{path}: it answers {}: look at address and token", status.as_u16());
        let link = next_link(answer.headers());
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(reqwest::Error::without_url)? {
            *bytes += chunk.len();
            ensure!(*bytes <= BYTES_MAX, "the answers are larger than {BYTES_MAX} bytes together");
            body.extend_from_slice(&chunk);
        }
        let body = serde_json::from_slice(&body).with_context(|| format!("{path}: no JSON"))?;
        Ok(Answer { body, link })
    }
}

/// What is asked for one page.
struct Asked {
    url: Url,
    body: Option<Map<String, Value>>,
}

impl Asked {
    fn first(list: &ListSettings) -> Result<Self> {
        let asked = Self { url: Url::parse(&list.url)?, body: list.body.clone() };
        let first = list.page.as_ref().and_then(|page| page.from_item.or(page.from_page));
        match first {
            Some(first) => asked.with(list, first.into()),
            None => Ok(asked),
        }
    }

    /// What asks for the page after the answer; `page` pages and `items` items have come.
    fn next(&self, list: &ListSettings, answer: &Answer, page: usize, items: usize) -> Result<Option<Self>> {
        if let Some(settings) = &list.page {
            let copied = settings.copies.as_ref().and_then(|path| at(&answer.body, path));
            let value = match (settings.from_item, settings.from_page, copied) {
                (Some(first), ..) => (first + items as u64).into(),
                (_, Some(first), _) => (first + page as u64).into(),
                (_, _, None | Some(Value::Null)) => return Ok(None),
                (_, _, Some(Value::String(text))) if text.is_empty() => return Ok(None),
                (_, _, Some(value)) => value.clone(),
            };
            return self.with(list, value).map(Some);
        }
        let told = list.next.as_ref().and_then(|path| at(&answer.body, path)?.as_str());
        let Some(next) = told.or(answer.link.as_deref()).filter(|next| !next.is_empty()) else { return Ok(None) };
        let url = self.url.join(next).with_context(|| format!("the next page {next:?}"))?;
        // The token is for this server alone.
        ensure!(url.origin() == self.url.origin(), "the next page {url} is on another server");
        Ok(Some(Self { url, body: self.body.clone() }))
    }

    /// The same with another value at the place that tells pages apart.
    fn with(&self, list: &ListSettings, value: Value) -> Result<Self> {
        let place = list.page.as_ref().map(|page| page.at.as_str()).unwrap_or_default();
        let (mut url, mut body) = (self.url.clone(), self.body.clone());
        match &mut body {
            Some(body) => {
                let mut steps: Vec<&str> = place.split('.').collect();
                let last = steps.pop().unwrap_or_default();
                let mut inner = body;
                for step in steps {
                    let member = inner.entry(step).or_insert_with(|| Map::new().into());
                    inner =
                        member.as_object_mut().with_context(|| format!("page.at: {step:?} is no object in `body`"))?;
                }
                inner.insert(last.to_owned(), value);
            }
            None => {
                let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                let others: Vec<(String, String)> =
                    url.query_pairs().into_owned().filter(|(name, _)| name != place).collect();
                url.query_pairs_mut().clear().extend_pairs(others).append_pair(place, &text);
            }
        }
        Ok(Self { url, body })
    }
}

impl ListSettings {
    /// How many items an answer says there are.
    fn total(&self, answer: &Value) -> Option<u64> {
        if let Some(path) = &self.total {
            return at(answer, path)?.as_u64();
        }
        // Beside the items: `data.count` where they are at `data.info`.
        let around = match self.items.as_deref()?.rsplit_once('.') {
            Some((path, _)) => at(answer, path)?,
            None => answer,
        };
        // Some say beside it how many are in this page.
        TOTALS.iter().filter_map(|name| around.get(name)?.as_u64()).max()
    }
}

/// The address of the next page as a `Link` header says it (RFC 8288).
fn next_link(headers: &HeaderMap) -> Option<String> {
    let links = headers.get_all(LINK).iter().filter_map(|value| value.to_str().ok());
    links.flat_map(|text| text.split(",")).find_map(|link| {
        let (address, parameters) = link.trim().strip_prefix('<')?.split_once('>')?;
        let is_next = parameters.split(';').any(|one| matches!(one.trim(), "rel=next" | "rel=\"next\""));
        is_next.then(|| address.to_owned())
    })
}

/// What stands at a path such as `data.items`.
fn at<'v>(value: &'v Value, path: &str) -> Option<&'v Value> {
    path.split('.').try_fold(value, |value, step| value.get(step))
}

#[cfg(test)]
mod tests;
