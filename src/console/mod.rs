//! The window: serves the console's files. They are embedded in the program (read from disk in debug builds);
//! everything shown comes from the API with the viewer's own session.

use axum::Router;
use axum::extract::Path;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use rust_embed::Embed;

/// The files of `web/`.
#[derive(Embed)]
#[folder = "web/"]
struct Web;

/// The operator's manual, for links from the console.
const MANUAL: &str = include_str!("../../docs/operations.md");

/// Pages of the console; each is the same document, the address says what it shows.
const PAGES: &[&str] = &[
    "/",
    "/login",
    "/wall",
    "/incidents/{id}",
    "/alerts",
    "/silences",
    "/windows",
    "/oncall",
    "/handover",
    "/deliveries",
    "/storm",
    "/topology",
    "/topology/{id}",
    "/series",
    "/series/{id}",
    "/rules",
    "/suggestions",
    "/tuning",
    "/models",
    "/reports",
    "/numbers",
    "/knowledge",
    "/system",
    "/sources",
    "/dead-letters",
    "/audit",
    "/tokens",
    "/why/{id}",
];

/// Pages and assets, without a credential: they hold no records.
pub fn router() -> Router {
    let pages = PAGES.iter().fold(Router::new(), |router, page| router.route(page, get(page_of)));
    pages
        .route("/favicon.ico", get(|headers: HeaderMap| async move { file("icon.svg", &headers) }))
        .route("/assets/{*path}", get(asset))
        .route("/docs/operations.md", get(async || MANUAL))
}

async fn page_of(headers: HeaderMap) -> Response {
    file("index.html", &headers)
}

async fn asset(Path(path): Path<String>, headers: HeaderMap) -> Response {
    file(&path, &headers)
}

fn file(path: &str, headers: &HeaderMap) -> Response {
    let Some(found) = Web::get(path) else { return StatusCode::NOT_FOUND.into_response() };
    let tag = format!("\"{}\"", hex::encode(&found.metadata.sha256_hash()[..12]));
    let fresh = headers.get(header::IF_NONE_MATCH).is_some_and(|have| have.as_bytes() == tag.as_bytes());
    let tag = HeaderValue::from_str(&tag).expect("the tag is hexadecimal");
    // Always asked again, answered 304 while unchanged: an upgrade shows at the next look.
    let cache = HeaderValue::from_static("no-cache");
    if fresh {
        return (StatusCode::NOT_MODIFIED, [(header::ETAG, tag), (header::CACHE_CONTROL, cache)]).into_response();
    }
    let kind = if path.ends_with(".js") { "text/javascript" } else { found.metadata.mimetype() };
    let kind = if kind.starts_with("text/") { format!("{kind}; charset=utf-8") } else { kind.to_owned() };
    let kind = HeaderValue::from_str(&kind).expect("a media type is plain text");
    let fields = [(header::ETAG, tag), (header::CACHE_CONTROL, cache), (header::CONTENT_TYPE, kind)];
    (fields, found.data.into_owned()).into_response()
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::http::Request;
    use tower::ServiceExt;

    use super::*;

    #[tokio::test]
    async fn pages_and_assets_are_served_and_nothing_else() {
        let get = async |path: &str| {
            let response = router().oneshot(Request::get(path).body(Body::empty()).unwrap()).await.unwrap();
            let kind = response.headers().get(header::CONTENT_TYPE).map(|v| v.to_str().unwrap().to_owned());
            (response.status().as_u16(), kind.unwrap_or_default())
        };
        assert_eq!(get("/").await, (200, "text/html; charset=utf-8".into()));
        assert_eq!(get("/incidents/i1").await, (200, "text/html; charset=utf-8".into()));
        assert_eq!(get("/assets/app.js").await, (200, "text/javascript; charset=utf-8".into()));
        assert_eq!(get("/assets/i18n/zh.json").await, (200, "application/json".into()));
        assert_eq!(get("/docs/operations.md").await, (200, "text/plain; charset=utf-8".into()));
        assert_eq!(get("/assets/../Cargo.toml").await.0, 404);
        assert_eq!(get("/assets/nothing.js").await.0, 404);
    }

    #[test]
    fn both_languages_have_the_same_words() {
        let keys = |file: &str| -> Vec<String> {
            let text = Web::get(file).unwrap().data.into_owned();
            let map: std::collections::BTreeMap<String, String> = serde_json::from_slice(&text).unwrap();
            map.into_keys().collect()
        };
        assert_eq!(keys("i18n/zh.json"), keys("i18n/en.json"));
    }

    #[test]
    fn nothing_inline_and_nothing_from_elsewhere() {
        let page = String::from_utf8(Web::get("index.html").unwrap().data.into_owned()).unwrap();
        assert!(!page.contains("<style") && !page.contains("style=") && !page.contains("//"), "{page}");
        for script in page.split("<script").skip(1) {
            assert!(script.contains("src=\"/assets/") && script.contains("></script>"), "{script}");
        }
        for file in Web::iter().filter(|f| f.ends_with(".js") && !f.starts_with("vendor/")) {
            let text = String::from_utf8(Web::get(&file).unwrap().data.into_owned()).unwrap();
            for banned in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("] {
                assert!(!text.contains(banned), "{file} uses {banned}");
            }
        }
    }
}
