//! The admin HTTP API: status, membership, operation, settings, health and metrics over HTTP and JSON.
//!
//! It knows HTTP, JSON and tokens; what a call does is the node's, behind [`AdminBackend`]. This is the
//! only place that knows axum.
//!
//! Invariants:
//! - Every error is a [`Problem`], also those that no handler made.
//! - Every route is described in `/openapi.json`, because a route is its description.
//! - Bodies, request time, connections and their lifetime are bounded, see [`Limits`].
//!
//! [`run`] is called by the node's composition in [`crate::serve`] as a task of its own, off the path of
//! client requests.
//!
//! ```text
//! connection ─► problem::ensure ─► record ─► time limit ─► access::guard ─► routes ─► AdminBackend
//! ```

mod access;
mod backend;
mod connections;
mod openapi;
mod problem;
mod routes;
mod schema;
#[cfg(test)]
mod tests;

use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderValue, Method};
use axum::middleware::{Next, from_fn, from_fn_with_state, map_response};
use axum::response::{IntoResponse, Response};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub use self::backend::{AdminBackend, SharedBackend};
pub use self::connections::run;
pub use self::problem::{PROBLEM_JSON, Problem, ProblemKind};
pub use self::schema::{AddNode, Nodes, Replacement, TakeSnapshot, Transfer};
use crate::Secret;

/// Who may use the API, and its bounds.
#[derive(Debug, Clone, Default)]
pub struct AdminOptions {
    /// The bearer token; `None` asks for none and answers to `localhost` and IP addresses only.
    pub token: Option<Secret>,
    /// Whether `/metrics` needs no token.
    pub metrics_open: bool,
    /// The bounds.
    pub limits: Limits,
}

/// The bounds of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a request's body; 413 beyond.
    pub body_bytes_max: usize,
    /// From a request's head to its response; 504 beyond.
    pub request_time_max: Duration,
    /// For a request's head to arrive, and for an idle connection to send the next; closed beyond.
    pub head_time_max: Duration,
    /// How long a connection may live, so that one that never reads its response frees its place.
    pub connection_time_max: Duration,
    /// Connections at a time; further ones wait in the system's queue.
    pub connections_max: usize,
    /// For requests under way when the node stops.
    pub stop_time_max: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes_max: 64 << 10,
            request_time_max: Duration::from_secs(60),
            head_time_max: Duration::from_secs(15),
            connection_time_max: Duration::from_secs(600),
            connections_max: 256,
            stop_time_max: Duration::from_secs(5),
        }
    }
}

/// The whole API as a service, without a socket.
pub fn router(backend: SharedBackend, options: &AdminOptions) -> Router {
    let mut described =
        OpenApiRouter::with_openapi(openapi::frame()).merge(routes::all()).merge(document_route());
    openapi::add_problems(described.get_openapi_mut());
    let (router, document) = described.split_for_parts();
    let document = Document(document.to_json().expect("the document is strings and maps").into());

    let access = access::Access { token: options.token.clone(), metrics_open: options.metrics_open };
    router
        .layer(axum::Extension(document))
        .layer(DefaultBodyLimit::max(options.limits.body_bytes_max))
        .layer(from_fn_with_state(access, access::guard))
        .layer(from_fn_with_state(options.limits.request_time_max, bound_time))
        .layer(from_fn(record))
        .layer(map_response(problem::ensure))
        .layer(map_response(add_headers))
        .with_state(backend)
}

#[derive(Clone)]
struct Document(Bytes);

fn document_route() -> OpenApiRouter<SharedBackend> {
    OpenApiRouter::new().routes(routes!(document))
}

/// This document.
#[utoipa::path(get, path = "/openapi.json", tag = "health",
    responses((status = 200, body = Object, content_type = "application/json")))]
async fn document(axum::Extension(document): axum::Extension<Document>) -> impl IntoResponse {
    ([(CONTENT_TYPE, "application/json")], document.0)
}

async fn bound_time(State(bound): State<Duration>, request: Request, next: Next) -> Response {
    match tokio::time::timeout(bound, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Problem::new(
            ProblemKind::Timeout,
            format!(
                "no answer within {} s; whether it took effect is seen in /v1/cluster",
                bound.as_secs_f32()
            ),
        )
        .into_response(),
    }
}

/// Changes leave a line in the log: who operated this cluster is asked after every incident.
async fn record(request: Request, next: Next) -> Response {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let start = Instant::now();
    let response = next.run(request).await;
    let (status, elapsed_ms) = (response.status().as_u16(), start.elapsed().as_millis());
    if matches!(method, Method::GET | Method::HEAD) {
        tracing::debug!(%method, path, status, elapsed_ms, "admin request");
    } else {
        tracing::info!(%method, path, status, elapsed_ms, "admin request");
    }
    response
}

async fn add_headers(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
