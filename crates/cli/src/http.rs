//! The client of the admin API: bounded in time and bytes, errors as exit statuses.

use std::time::Duration;

use anyhow::{Context, anyhow};
use quorate::admin::ClusterStatus;
use quorate_server::Secret;
use quorate_server::admin::{PROBLEM_JSON, Problem, ProblemKind};
use serde::Serialize;
use serde::de::DeserializeOwned;
use ureq::http::{Request, Response, header};
use ureq::{Agent, Body};

use crate::exit::{Code, Failure};

/// The largest answer that is read, in bytes.
const ANSWER_BYTES_MAX: u64 = 16 << 20;
/// How long one node is given to accept a connection before the next one is tried.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(3);

/// A client of one or more nodes of the same cluster; any of them will do.
#[derive(Debug, Clone)]
pub(crate) struct AdminClient {
    agent: Agent,
    urls: Vec<String>,
    token: Option<Secret>,
}

/// How a request failed: with the API's own words, or without an answer.
#[derive(Debug)]
pub(crate) enum CallError {
    /// The node said why.
    Problem(Box<Problem>),
    /// No node accepted the request; nothing happened.
    Unreachable(anyhow::Error),
    /// A node accepted the request, and no answer came.
    NoAnswer(anyhow::Error),
}

impl AdminClient {
    /// A client of the nodes at `urls`, tried in order.
    pub(crate) fn new(urls: &[String], token: Option<Secret>, time_max: Duration) -> Self {
        let agent = Agent::config_builder()
            .timeout_global(Some(time_max))
            .timeout_connect(Some(CONNECT_TIME_MAX.min(time_max)))
            .http_status_as_error(false)
            .max_redirects(0)
            // A proxy for the outside world is not the way to a cluster's own nodes.
            .proxy(None)
            .user_agent(concat!("quorate/", env!("CARGO_PKG_VERSION")))
            .build()
            .into();
        let urls = urls.iter().map(|url| url.trim_end_matches('/').to_owned()).collect();
        Self { agent, urls, token }
    }

    /// Whether `GET path` answers with success; for health checks.
    pub(crate) fn is_ok(&self, path: &str) -> bool {
        let answers = |url: &String| {
            self.exchange::<()>(url, "GET", path, None).is_ok_and(|response| response.status().is_success())
        };
        self.urls.iter().any(answers)
    }

    /// `GET path` of the first node, where a success is text.
    pub(crate) fn get_text(&self, path: &str) -> Result<String, CallError> {
        let url = self.urls.first().ok_or_else(no_url)?;
        success(self.exchange::<()>(url, "GET", path, None)?).map_err(|error| self.explained(error))
    }

    /// The cluster as the first node sees it that sees a leader and a quorum; as the node sees it that has
    /// come furthest, if none does. A node that is just starting knows nothing yet.
    pub(crate) fn status(&self) -> Result<ClusterStatus, CallError> {
        let mut best: Option<Result<ClusterStatus, CallError>> = None;
        for url in &self.urls {
            let answer = self.ask::<(), ClusterStatus>(url, "GET", "/v1/cluster", None);
            best = match (best, answer) {
                (_, Ok(status)) if status.quorum && status.leader.is_some() => return Ok(status),
                (Some(Ok(best)), Ok(status)) if best.committed >= status.committed => Some(Ok(best)),
                (Some(Ok(best)), Err(_)) => Some(Ok(best)),
                (_, answer) => Some(answer),
            };
        }
        best.unwrap_or_else(|| Err(no_url()))
    }

    /// Sends a request with a JSON body, if any, and reads a JSON answer.
    ///
    /// A node that is not reached, or says that it is not available, is passed over: nothing has happened.
    pub(crate) fn send<B: Serialize, T: DeserializeOwned>(
        &self,
        method: &str,
        path: &str,
        body: Option<&B>,
    ) -> Result<T, CallError> {
        let mut passed_over = no_url();
        for url in &self.urls {
            match self.ask(url, method, path, body) {
                Err(error @ CallError::Unreachable(_)) => passed_over = error,
                Err(CallError::Problem(problem)) if problem.kind == ProblemKind::Unavailable => {
                    passed_over = CallError::Problem(problem);
                }
                answer => return answer,
            }
        }
        Err(passed_over)
    }

    fn ask<B: Serialize, T: DeserializeOwned>(
        &self,
        url: &str,
        method: &str,
        path: &str,
        body: Option<&B>,
    ) -> Result<T, CallError> {
        let text = success(self.exchange(url, method, path, body)?).map_err(|error| self.explained(error))?;
        let read = serde_json::from_str(&text).context("the answer is not what this version expects");
        read.map_err(CallError::NoAnswer)
    }

    /// Tells how a token is given here, where the API can only tell how it is sent.
    fn explained(&self, mut error: CallError) -> CallError {
        if let CallError::Problem(problem) = &mut error
            && problem.kind == ProblemKind::Unauthorized
        {
            let detail = match self.token {
                None => {
                    "this admin API wants a token: name the file that holds it with --token-file FILE (or QUORATE_TOKEN_FILE)"
                }
                Some(_) => "the token in the file of --token-file is not this admin API's",
            };
            detail.clone_into(&mut problem.detail);
        }
        error
    }

    fn exchange<B: Serialize>(
        &self,
        url: &str,
        method: &str,
        path: &str,
        body: Option<&B>,
    ) -> Result<Response<Body>, CallError> {
        let request = self.request(method, &format!("{url}{path}"), body).map_err(CallError::Unreachable)?;
        self.agent.run(request).map_err(|error| {
            if was_never_sent(&error) {
                CallError::Unreachable(anyhow!(error).context(format!("cannot reach {url}")))
            } else {
                CallError::NoAnswer(anyhow!(error).context(format!("asking {url}")))
            }
        })
    }

    fn request<B: Serialize>(
        &self,
        method: &str,
        url: &str,
        body: Option<&B>,
    ) -> anyhow::Result<Request<Vec<u8>>> {
        let mut request =
            Request::builder().method(method).uri(url).header(header::ACCEPT, "application/json");
        if let Some(token) = &self.token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {}", token.expose()));
        }
        let bytes = match body {
            Some(body) => {
                request = request.header(header::CONTENT_TYPE, "application/json");
                serde_json::to_vec(body)?
            }
            None => Vec::new(),
        };
        request.body(bytes).with_context(|| format!("{url} is no URL"))
    }
}

/// The body of a success; else the problem that the node told.
fn success(mut response: Response<Body>) -> Result<String, CallError> {
    let status = response.status();
    let text = response.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_string();
    let text = text.map_err(|e| CallError::NoAnswer(anyhow!(e).context("the answer broke off")))?;
    if status.is_success() {
        return Ok(text);
    }
    let is_problem = response.headers().get(header::CONTENT_TYPE).is_some_and(|t| t == PROBLEM_JSON);
    match serde_json::from_str(&text) {
        Ok(problem) if is_problem => Err(CallError::Problem(Box::new(problem))),
        _ => Err(CallError::NoAnswer(anyhow!("status {status}, and not from a Quorate node"))),
    }
}

fn no_url() -> CallError {
    CallError::Unreachable(anyhow!("no node's URL is given"))
}

/// Whether the error came before a connection stood, so that nothing can have happened.
fn was_never_sent(error: &ureq::Error) -> bool {
    match error {
        ureq::Error::HostNotFound
        | ureq::Error::ConnectionFailed
        | ureq::Error::BadUri(_)
        | ureq::Error::Timeout(ureq::Timeout::Resolve | ureq::Timeout::Connect) => true,
        ureq::Error::Io(error) => matches!(
            error.kind(),
            std::io::ErrorKind::ConnectionRefused
                | std::io::ErrorKind::HostUnreachable
                | std::io::ErrorKind::NetworkUnreachable
                | std::io::ErrorKind::AddrNotAvailable
        ),
        _ => false,
    }
}

impl CallError {
    /// Whether it may go better later, and nothing has happened so far.
    pub(crate) fn is_busy(&self) -> bool {
        matches!(self, Self::Problem(p) if matches!(p.kind, ProblemKind::Busy | ProblemKind::Unavailable))
    }
}

impl From<CallError> for Failure {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Unreachable(reason) => Self::new(Code::Unavailable, reason),
            CallError::NoAnswer(reason) => Self::new(Code::Unknown, reason),
            CallError::Problem(problem) => {
                let code = match problem.kind {
                    ProblemKind::Busy | ProblemKind::Unavailable => Code::Unavailable,
                    ProblemKind::Timeout => Code::Unknown,
                    ProblemKind::Internal | ProblemKind::Other => Code::Failed,
                    _ => Code::Refused,
                };
                Self::new(code, anyhow!("{}", problem.detail))
            }
        }
    }
}
