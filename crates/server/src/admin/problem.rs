//! Errors as `application/problem+json` (RFC 9457), whoever made them.
//!
//! Handlers return a [`Problem`]; what axum itself answers (no route, wrong method, unreadable body, too
//! large) is turned into one by [`ensure`], the outermost layer. So a client needs one way to read errors.
//!
//! Invariant: no response of the API with a status of 400 or above has another content type.

use axum::body::{Body, to_bytes};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use quorate::admin::{Refusal, RefusalKind};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The content type of every error.
pub const PROBLEM_JSON: &str = "application/problem+json";
/// How much of a text that axum wrote becomes the detail, in bytes.
const DETAIL_BYTES_MAX: usize = 4096;

/// What went wrong, for programs (`kind`) and people (`detail`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// `urn:quorate:problem:` and the kind.
    #[serde(rename = "type")]
    pub type_uri: String,
    /// The kind in words; the same for every problem of the kind.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What exactly happened, for a person.
    pub detail: String,
    /// What a program should act on.
    pub kind: ProblemKind,
}

/// The reactions that a problem asks for; those of [`RefusalKind`] and those of HTTP itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ProblemKind {
    /// The request is wrong.
    Invalid,
    /// There is no such node or resource.
    NotFound,
    /// It would risk the quorum; `force` does it all the same.
    Unsafe,
    /// Not now: another change is under way, or a node has not caught up.
    Busy,
    /// No leader, no quorum, or the node is not ready.
    Unavailable,
    /// It took too long; the status tells whether it took effect.
    Timeout,
    /// A fault of the node.
    Internal,
    /// The bearer token is missing or wrong.
    Unauthorized,
    /// A browser asked on behalf of another site.
    Forbidden,
    /// The resource has no such method; `Allow` lists those it has.
    MethodNotAllowed,
    /// The body is larger than the API takes.
    TooLarge,
    /// The body is not declared as JSON.
    UnsupportedMediaType,
    /// A kind of a later version.
    #[serde(other)]
    Other,
}

impl ProblemKind {
    fn status(self) -> StatusCode {
        match self {
            Self::Invalid => StatusCode::BAD_REQUEST,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Unsafe | Self::Busy => StatusCode::CONFLICT,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::Timeout => StatusCode::GATEWAY_TIMEOUT,
            Self::Internal | Self::Other => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        }
    }

    fn of_status(status: StatusCode) -> Self {
        match status.as_u16() {
            401 => Self::Unauthorized,
            403 => Self::Forbidden,
            404 => Self::NotFound,
            405 => Self::MethodNotAllowed,
            408 | 504 => Self::Timeout,
            409 => Self::Busy,
            413 => Self::TooLarge,
            415 => Self::UnsupportedMediaType,
            503 => Self::Unavailable,
            400..=499 => Self::Invalid,
            _ => Self::Internal,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Invalid => "invalid",
            Self::NotFound => "not-found",
            Self::Unsafe => "unsafe",
            Self::Busy => "busy",
            Self::Unavailable => "unavailable",
            Self::Timeout => "timeout",
            Self::Internal => "internal",
            Self::Unauthorized => "unauthorized",
            Self::Forbidden => "forbidden",
            Self::MethodNotAllowed => "method-not-allowed",
            Self::TooLarge => "too-large",
            Self::UnsupportedMediaType => "unsupported-media-type",
            Self::Other => "other",
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::Invalid => "The request is wrong",
            Self::NotFound => "There is no such thing",
            Self::Unsafe => "Refused, because it would put the cluster at risk",
            Self::Busy => "Not now",
            Self::Unavailable => "The cluster or node cannot answer now",
            Self::Timeout => "It took too long",
            Self::Internal | Self::Other => "A fault of this node",
            Self::Unauthorized => "A valid bearer token is needed",
            Self::Forbidden => "Refused on behalf of another site",
            Self::MethodNotAllowed => "The resource has no such method",
            Self::TooLarge => "The body is too large",
            Self::UnsupportedMediaType => "The body must be declared as application/json",
        }
    }
}

impl From<RefusalKind> for ProblemKind {
    fn from(kind: RefusalKind) -> Self {
        match kind {
            RefusalKind::Invalid => Self::Invalid,
            RefusalKind::NotFound => Self::NotFound,
            RefusalKind::Unsafe => Self::Unsafe,
            RefusalKind::Busy => Self::Busy,
            RefusalKind::Unavailable => Self::Unavailable,
            RefusalKind::Timeout => Self::Timeout,
            RefusalKind::Internal => Self::Internal,
        }
    }
}

impl Problem {
    /// A problem of a kind, with the kind's status.
    pub fn new(kind: ProblemKind, detail: impl Into<String>) -> Self {
        Self {
            type_uri: format!("urn:quorate:problem:{}", kind.name()),
            title: kind.title().to_owned(),
            status: kind.status().as_u16(),
            detail: detail.into(),
            kind,
        }
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        Self::new(refusal.kind.into(), refusal.detail)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_vec(&self).expect("strings and numbers are always JSON");
        (status, [(CONTENT_TYPE, PROBLEM_JSON)], body).into_response()
    }
}

/// Turns an error that is not a problem yet into one; keeps its status and headers such as `Allow`.
pub(super) async fn ensure(response: Response) -> Response {
    let status = response.status();
    let is_problem = response.headers().get(CONTENT_TYPE).is_some_and(|t| t == PROBLEM_JSON);
    if !(status.is_client_error() || status.is_server_error()) || is_problem {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let text = to_bytes(body, DETAIL_BYTES_MAX).await.unwrap_or_default();
    let kind = ProblemKind::of_status(status);
    let mut problem = Problem::new(kind, String::from_utf8_lossy(&text));
    problem.status = status.as_u16();
    if problem.detail.is_empty() {
        problem.detail = match kind {
            ProblemKind::NotFound => "no such path; /openapi.json lists them".into(),
            _ => status.canonical_reason().unwrap_or("no further detail").to_owned(),
        };
    }
    parts.headers.remove(CONTENT_LENGTH);
    parts.headers.insert(CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
    Response::from_parts(parts, Body::from(serde_json::to_vec(&problem).expect("always JSON")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_has_the_five_members() {
        let problem = Problem::from(Refusal { kind: RefusalKind::Unsafe, detail: "4 voters".into() });
        let json = serde_json::to_value(&problem).expect("JSON");
        assert_eq!(
            json,
            serde_json::json!({
                "type": "urn:quorate:problem:unsafe",
                "title": "Refused, because it would put the cluster at risk",
                "status": 409,
                "detail": "4 voters",
                "kind": "unsafe",
            })
        );
    }

    #[test]
    fn the_name_in_the_type_is_the_serialised_kind() {
        use ProblemKind::*;
        let kinds = [
            Invalid,
            NotFound,
            Unsafe,
            Busy,
            Unavailable,
            Timeout,
            Internal,
            Unauthorized,
            Forbidden,
            MethodNotAllowed,
            TooLarge,
            UnsupportedMediaType,
        ];
        for kind in kinds {
            assert_eq!(serde_json::to_value(kind).expect("JSON"), kind.name());
            assert!(kind.status().is_client_error() || kind.status().is_server_error());
        }
        let later: ProblemKind = serde_json::from_str("\"teapot\"").expect("unknown kinds are read");
        assert_eq!(later, ProblemKind::Other);
    }
}
