//! Every error of the API: a problem document (RFC 9457) that names what to do, and nothing of our inside.

use axum::extract::rejection::{JsonRejection, PathRejection};
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;
use utoipa::ToSchema;

use super::state::NoAnswer;

/// The body of every error.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Problem {
    /// `about:blank`: the status says it all.
    pub r#type: &'static str,
    pub title: String,
    pub status: u16,
    /// What is wrong and what to do about it.
    pub detail: String,
    /// The request's id; also in `x-request-id` and in the log.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub instance: String,
    /// A word for programs; never translated.
    pub code: &'static str,
    /// Further problems, for example one per line of a refused rule set.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<String>,
}

/// After so many seconds an instance that has gone is not asked any more: its lease is over.
const AWAY_SECS: u32 = 5;

/// What went wrong with a request.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ApiError {
    #[error("no valid credential: send `Authorization: Bearer <token>` or sign in")]
    Unauthorized,
    #[error("{0}")]
    Forbidden(&'static str),
    #[error("there is no such {0}, or it is not yours to see")]
    NotFound(&'static str),
    #[error("{0}")]
    Bad(String),
    #[error("this path does not take that method")]
    MethodNotAllowed,
    #[error("send the body as application/json")]
    MediaType,
    #[error("the body is larger than this route takes")]
    TooLarge,
    #[error("{detail}")]
    Refused { detail: String, errors: Vec<String> },
    #[error("it has changed meanwhile: version {version} is the newest; read it again and repeat your change")]
    Changed { version: u64 },
    #[error("too busy to take this now; try again in {wait_secs} s")]
    TryLater { wait_secs: u32 },
    #[error("instance {instance} may have it and does not answer; try again in {wait_secs} s")]
    NoAnswer { instance: String, wait_secs: u32 },
    #[error("too many attempts; try again in a minute")]
    TooMany,
    #[error(
        "too many requests without a valid credential come from this address: check the token, then try again in {wait_secs} s"
    )]
    Strange { wait_secs: u32 },
    #[error("something failed on our side; the log names it under this request's id")]
    Internal,
}

impl From<NoAnswer> for ApiError {
    fn from(silent: NoAnswer) -> Self {
        Self::NoAnswer { instance: silent.instance, wait_secs: AWAY_SECS }
    }
}

impl ApiError {
    /// Logs the cause, which the caller does not get to see.
    pub fn internal(error: impl std::fmt::Display) -> Self {
        tracing::error!(%error, "request failed");
        Self::Internal
    }

    const fn status_and_code(&self) -> (StatusCode, &'static str) {
        match self {
            Self::Unauthorized => (StatusCode::UNAUTHORIZED, "unauthorized"),
            Self::Forbidden(_) => (StatusCode::FORBIDDEN, "forbidden"),
            Self::NotFound(_) => (StatusCode::NOT_FOUND, "not_found"),
            Self::Bad(_) => (StatusCode::BAD_REQUEST, "bad_request"),
            Self::MethodNotAllowed => (StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed"),
            Self::MediaType => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "media_type"),
            Self::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "too_large"),
            Self::Refused { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "refused"),
            Self::Changed { .. } => (StatusCode::PRECONDITION_FAILED, "changed"),
            Self::TryLater { .. } | Self::NoAnswer { .. } => (StatusCode::SERVICE_UNAVAILABLE, "try_later"),
            Self::TooMany | Self::Strange { .. } => (StatusCode::TOO_MANY_REQUESTS, "too_many"),
            Self::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let (status, code) = self.status_and_code();
        let detail = self.to_string();
        let (errors, wait_secs) = match self {
            Self::Refused { errors, .. } => (errors, None),
            Self::TryLater { wait_secs } | Self::NoAnswer { wait_secs, .. } | Self::Strange { wait_secs } => {
                (Vec::new(), Some(wait_secs))
            }
            Self::TooMany => (Vec::new(), Some(60)),
            _ => (Vec::new(), None),
        };
        let title = status.canonical_reason().unwrap_or_default().to_owned();
        let problem = Problem {
            r#type: "about:blank",
            title,
            status: status.as_u16(),
            detail,
            instance: String::new(),
            code,
            errors,
        };
        let mut response = (status, axum::Json(&problem)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(wait) = wait_secs {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(wait));
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        // The request-id layer writes the body again with the request's id.
        response.extensions_mut().insert(problem);
        response
    }
}

/// A JSON body; what cannot be read is answered with the place.
pub struct Body<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        match axum::Json::<T>::from_request(request, state).await {
            Ok(axum::Json(value)) => Ok(Self(value)),
            Err(JsonRejection::MissingJsonContentType(_)) => Err(ApiError::MediaType),
            Err(JsonRejection::BytesRejection(_)) => Err(ApiError::TooLarge),
            Err(other) => Err(ApiError::Bad(other.body_text())),
        }
    }
}

/// Query parameters; repeated keys make lists, unknown keys are refused.
pub struct Params<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Params<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        axum_extra::extract::Query::<T>::from_request_parts(parts, state)
            .await
            .map(|query| Self(query.0))
            .map_err(|rejection| ApiError::Bad(of_query(&rejection, parts.uri.query().unwrap_or_default())))
    }
}

/// What is wrong with a query string: which parameter, and what to write.
fn of_query(rejection: &(dyn std::error::Error + 'static), query: &str) -> String {
    let mut cause = rejection;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    let what = cause.to_string();
    match what.split_once(": ") {
        // The reader names the parameter first.
        Some((name, why)) if query.contains(name) => {
            format!("parameter {name:?}: {why}; /api/v1/openapi.json says what it takes")
        }
        _ => format!("query string {query:?}: {what}"),
    }
}

/// A path parameter that reads as an id; anything else does not exist.
pub struct Id<T>(pub T);

/// An id that is part of a path.
pub trait PathId: Sized {
    /// Reads it; `None` when it cannot be one.
    fn read(text: &str) -> Option<Self>;
}

impl<T: PathId, S: Send + Sync> FromRequestParts<S> for Id<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let path: Result<axum::extract::Path<String>, PathRejection> =
            axum::extract::Path::from_request_parts(parts, state).await;
        path.ok().and_then(|text| T::read(&text.0)).map(Self).ok_or(ApiError::NotFound("record"))
    }
}

impl PathId for crate::domain::ids::IncidentId {
    fn read(text: &str) -> Option<Self> {
        Self::parse(text)
    }
}

impl PathId for crate::domain::ids::AlertId {
    fn read(text: &str) -> Option<Self> {
        Self::parse(text)
    }
}

impl PathId for crate::domain::ids::EventRef {
    fn read(text: &str) -> Option<Self> {
        Self::parse(text)
    }
}

impl PathId for String {
    fn read(text: &str) -> Option<Self> {
        (!text.is_empty() && text.len() <= 512).then(|| text.to_owned())
    }
}

impl PathId for u64 {
    fn read(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}
