//! The handlers: each turns a request into one call on the backend, and its answer into JSON.
//!
//! The attributes above them are the OpenAPI document; there is no other description of a route.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, LOCATION};
use axum::response::{IntoResponse, Response};
use quorate::admin::{Addresses, Call, ClusterStatus, Done, NodeReport};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::SharedBackend;
use super::problem::{Problem, ProblemKind};
use super::schema::{
    AddNode, Force, Nodes, RemoveMany, Replacement, SettingChanges, TakeSnapshot, Transfer, change_texts, doc,
};

type Answer<T> = Result<Json<T>, Problem>;

/// All routes with their descriptions.
pub(super) fn all() -> OpenApiRouter<SharedBackend> {
    OpenApiRouter::new()
        .routes(routes!(cluster))
        .routes(routes!(node))
        .routes(routes!(add_node, remove_nodes))
        .routes(routes!(remove_node))
        .routes(routes!(promote))
        .routes(routes!(demote))
        .routes(routes!(replace))
        .routes(routes!(set_addresses))
        .routes(routes!(drain, undrain))
        .routes(routes!(make_voters))
        .routes(routes!(make_learners))
        .routes(routes!(transfer))
        .routes(routes!(take_snapshot))
        .routes(routes!(settings, set_settings))
        .routes(routes!(livez))
        .routes(routes!(readyz))
        .routes(routes!(metrics))
        .routes(routes!(page))
}

async fn change(backend: &SharedBackend, call: Call) -> Answer<Done> {
    Ok(Json(backend.call(call).await?))
}

/// The cluster as this node sees it. Answers without a quorum too, and then says so.
#[utoipa::path(get, path = "/v1/cluster", tag = "cluster", responses((status = 200, body = doc::ClusterStatus)))]
async fn cluster(State(backend): State<SharedBackend>) -> Json<ClusterStatus> {
    Json(backend.status().await)
}

/// What this node tells of itself, without asking another.
#[utoipa::path(get, path = "/v1/node", tag = "cluster", responses((status = 200, body = doc::NodeReport)))]
async fn node(State(backend): State<SharedBackend>) -> Json<NodeReport> {
    Json(backend.report().await)
}

/// Adds a node as a learner. Idempotent: 201 if it was added, 200 if it was there.
#[utoipa::path(post, path = "/v1/nodes", tag = "membership", request_body = AddNode, responses(
    (status = 201, body = doc::Done, headers(("Location" = String, description = "The node"))),
    (status = 200, body = doc::Done),
))]
async fn add_node(
    State(backend): State<SharedBackend>,
    Json(AddNode { number, addresses }): Json<AddNode>,
) -> Result<Response, Problem> {
    let done = backend.call(Call::Add { number, addresses }).await?;
    let status = if done.changed { StatusCode::CREATED } else { StatusCode::OK };
    let location = done.nodes.first().map(|id| format!("/v1/nodes/{id}")).unwrap_or_default();
    let mut response = (status, Json(done)).into_response();
    if let (StatusCode::CREATED, Ok(location)) = (status, location.parse()) {
        response.headers_mut().insert(LOCATION, location);
    }
    Ok(response)
}

/// Removes nodes, together; a leader among them hands over first.
#[utoipa::path(delete, path = "/v1/nodes", tag = "membership", params(RemoveMany),
    responses((status = 200, body = doc::Done)))]
async fn remove_nodes(
    State(backend): State<SharedBackend>,
    Query(RemoveMany { nodes, force }): Query<RemoveMany>,
) -> Answer<Done> {
    let nodes: Result<Vec<u64>, _> = nodes.split(',').map(|id| id.trim().parse()).collect();
    let nodes = nodes.map_err(|_| Problem::new(ProblemKind::Invalid, "nodes: ids separated by commas"))?;
    change(&backend, Call::Remove { nodes, force }).await
}

/// Removes a node; a leader hands over first.
#[utoipa::path(delete, path = "/v1/nodes/{id}", tag = "membership", params(("id" = u64, Path), Force),
    responses((status = 200, body = doc::Done)))]
async fn remove_node(
    State(backend): State<SharedBackend>,
    Path(id): Path<u64>,
    Query(Force { force }): Query<Force>,
) -> Answer<Done> {
    change(&backend, Call::Remove { nodes: vec![id], force }).await
}

/// Makes a learner a voter when it has caught up.
#[utoipa::path(post, path = "/v1/nodes/{id}/promote", tag = "membership", params(("id" = u64, Path), Force),
    responses((status = 200, body = doc::Done)))]
async fn promote(
    State(backend): State<SharedBackend>,
    Path(id): Path<u64>,
    Query(Force { force }): Query<Force>,
) -> Answer<Done> {
    change(&backend, Call::Promote { nodes: vec![id], force }).await
}

/// Makes a voter a learner.
#[utoipa::path(post, path = "/v1/nodes/{id}/demote", tag = "membership", params(("id" = u64, Path), Force),
    responses((status = 200, body = doc::Done)))]
async fn demote(
    State(backend): State<SharedBackend>,
    Path(id): Path<u64>,
    Query(Force { force }): Query<Force>,
) -> Answer<Done> {
    change(&backend, Call::Demote { nodes: vec![id], force }).await
}

/// Puts a learner in the place of this node, in one joint change.
#[utoipa::path(post, path = "/v1/nodes/{id}/replace", tag = "membership", params(("id" = u64, Path)),
    request_body = Replacement, responses((status = 200, body = doc::Done)))]
async fn replace(
    State(backend): State<SharedBackend>,
    Path(old): Path<u64>,
    Json(Replacement { new, force }): Json<Replacement>,
) -> Answer<Done> {
    change(&backend, Call::Replace { old, new, force }).await
}

/// Changes a node's announced addresses; empty or missing ones stay.
#[utoipa::path(put, path = "/v1/nodes/{id}/addresses", tag = "membership", params(("id" = u64, Path)),
    request_body = doc::Addresses, responses((status = 200, body = doc::Done)))]
async fn set_addresses(
    State(backend): State<SharedBackend>,
    Path(node): Path<u64>,
    Json(addresses): Json<Addresses>,
) -> Answer<Done> {
    change(&backend, Call::SetAddresses { node, addresses }).await
}

/// Prepares a node for a planned stop.
#[utoipa::path(put, path = "/v1/nodes/{id}/drain", tag = "operation", params(("id" = u64, Path)),
    responses((status = 200, body = doc::Done)))]
async fn drain(State(backend): State<SharedBackend>, Path(node): Path<u64>) -> Answer<Done> {
    change(&backend, Call::Drain { node, on: true }).await
}

/// Takes a drained node back.
#[utoipa::path(delete, path = "/v1/nodes/{id}/drain", tag = "operation", params(("id" = u64, Path)),
    responses((status = 200, body = doc::Done)))]
async fn undrain(State(backend): State<SharedBackend>, Path(node): Path<u64>) -> Answer<Done> {
    change(&backend, Call::Drain { node, on: false }).await
}

/// Makes learners voters, all in one change, when they have caught up.
#[utoipa::path(post, path = "/v1/voters", tag = "membership", request_body = Nodes,
    responses((status = 200, body = doc::Done)))]
async fn make_voters(
    State(backend): State<SharedBackend>,
    Json(Nodes { nodes, force }): Json<Nodes>,
) -> Answer<Done> {
    change(&backend, Call::Promote { nodes, force }).await
}

/// Makes voters learners, all in one change.
#[utoipa::path(post, path = "/v1/learners", tag = "membership", request_body = Nodes,
    responses((status = 200, body = doc::Done)))]
async fn make_learners(
    State(backend): State<SharedBackend>,
    Json(Nodes { nodes, force }): Json<Nodes>,
) -> Answer<Done> {
    change(&backend, Call::Demote { nodes, force }).await
}

/// Hands the leadership over.
#[utoipa::path(post, path = "/v1/leader/transfer", tag = "operation", request_body = Option<Transfer>,
    responses((status = 200, body = doc::Done)))]
async fn transfer(State(backend): State<SharedBackend>, body: Option<Json<Transfer>>) -> Answer<Done> {
    let Transfer { to } = body.map(|Json(b)| b).unwrap_or_default();
    change(&backend, Call::Transfer { to }).await
}

/// Takes a snapshot on one node or on all.
#[utoipa::path(post, path = "/v1/snapshots", tag = "operation", request_body = Option<TakeSnapshot>,
    responses((status = 200, body = doc::Done)))]
async fn take_snapshot(
    State(backend): State<SharedBackend>,
    body: Option<Json<TakeSnapshot>>,
) -> Answer<Done> {
    let TakeSnapshot { node } = body.map(|Json(b)| b).unwrap_or_default();
    change(&backend, Call::Snapshot { node }).await
}

/// The replicated settings by name; secrets are masked.
#[utoipa::path(get, path = "/v1/settings", tag = "settings",
    responses((status = 200, body = BTreeMap<String, String>)))]
async fn settings(State(backend): State<SharedBackend>) -> Json<BTreeMap<String, String>> {
    Json(backend.settings().await)
}

/// Changes replicated settings, all or none.
#[utoipa::path(patch, path = "/v1/settings", tag = "settings", request_body = SettingChanges,
    responses((status = 200, body = doc::Done)))]
async fn set_settings(
    State(backend): State<SharedBackend>,
    Json(changes): Json<SettingChanges>,
) -> Answer<Done> {
    Ok(Json(backend.set_settings(change_texts(changes)).await?))
}

/// Whether the process works; ask the supervisor for a restart if not. Needs no token.
#[utoipa::path(get, path = "/livez", tag = "health", security(()),
    responses((status = 200, body = String, content_type = "text/plain")))]
async fn livez(State(backend): State<SharedBackend>) -> Result<&'static str, Problem> {
    if backend.live() {
        Ok("ok\n")
    } else {
        Err(Problem::new(ProblemKind::Internal, "the node has stopped working; its log says why"))
    }
}

/// Whether this node serves clients. Needs no token.
#[utoipa::path(get, path = "/readyz", tag = "health", security(()), responses(
    (status = 200, body = String, content_type = "text/plain"),
    (status = 503, body = Problem, content_type = "application/problem+json"),
))]
async fn readyz(State(backend): State<SharedBackend>) -> Result<&'static str, Problem> {
    backend.ready().map(|()| "ok\n").map_err(|why| Problem::new(ProblemKind::Unavailable, why))
}

/// The metrics of this node in the Prometheus text format.
#[utoipa::path(get, path = "/metrics", tag = "health",
    responses((status = 200, body = String, content_type = "application/openmetrics-text")))]
async fn metrics(State(backend): State<SharedBackend>) -> impl IntoResponse {
    // What prometheus-client encodes is OpenMetrics, which Prometheus tells apart by the content type.
    ([(CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], backend.metrics_text())
}

/// A page that shows the status in a browser; it fetches `/v1/cluster` and asks for the token if need be.
#[utoipa::path(get, path = "/", tag = "health", security(()),
    responses((status = 200, body = String, content_type = "text/html")))]
async fn page() -> impl IntoResponse {
    let headers = [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (
            CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; \
             frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
        ),
    ];
    (headers, include_str!("status.html"))
}
