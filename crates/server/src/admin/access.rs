//! Who may use the admin API: the bearer token, and a fence against browsers sent by other sites.
//!
//! Without a token the API is meant for loopback. There a web page that the administrator visits could
//! still reach it through his browser: by a plain cross-site POST, or by a name of the attacker's that
//! resolves to 127.0.0.1. The first shows in `Origin`, the second in `Host`; both are refused.
//!
//! Invariant: no handler but `/`, `/livez`, `/readyz` (and `/metrics` if it is declared open) runs without
//! the token when one is configured.

use std::net::IpAddr;

use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, HOST, ORIGIN, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, Method};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::problem::{Problem, ProblemKind};
use crate::Secret;

/// What a request must show.
#[derive(Debug, Clone, Default)]
pub(super) struct Access {
    pub(super) token: Option<Secret>,
    pub(super) metrics_open: bool,
}

/// Paths that need no token: health for the supervisor, and a page that holds no data itself.
const OPEN: [&str; 3] = ["/", "/livez", "/readyz"];

/// The layer that lets a request through or answers it.
pub(super) async fn guard(State(access): State<Access>, request: Request, next: Next) -> Response {
    if let Err(detail) = check_site(&access, &request) {
        return Problem::new(ProblemKind::Forbidden, detail).into_response();
    }
    let path = request.uri().path();
    let open = OPEN.contains(&path) || (access.metrics_open && path == "/metrics");
    if let (Some(token), false) = (&access.token, open)
        && !bearer(&request).is_some_and(|offered| token.matches(offered))
    {
        let problem = Problem::new(ProblemKind::Unauthorized, "send it as Authorization: Bearer TOKEN");
        let mut response = problem.into_response();
        response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        return response;
    }
    next.run(request).await
}

fn bearer(request: &Request) -> Option<&[u8]> {
    let value = request.headers().get(AUTHORIZATION)?.as_bytes();
    let (scheme, token) = value.split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then(|| token.trim_ascii())
}

fn check_site(access: &Access, request: &Request) -> Result<(), &'static str> {
    let host = request.headers().get(HOST).and_then(|h| h.to_str().ok());
    if let (None, Some(host)) = (&access.token, host)
        && !is_address_or_localhost(host)
    {
        return Err("without a token the API answers to localhost and IP addresses, not to host names");
    }
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    if let Some(origin) = request.headers().get(ORIGIN).filter(|_| !reads) {
        let authority =
            origin.to_str().ok().and_then(|o| o.split_once("://")).map(|(_, authority)| authority);
        if authority.is_none() || authority != host {
            return Err("the Origin header names another site");
        }
    }
    Ok(())
}

fn is_address_or_localhost(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(v6) => v6.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok()
}
