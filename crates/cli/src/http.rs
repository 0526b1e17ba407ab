//! The client of the admin API: bounded in time and bytes, errors as exit statuses.

use std::time::Duration;

use anyhow::{Context, anyhow};
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

    /// `GET path`.
    pub(crate) fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, CallError> {
        self.send::<(), T>("GET", path, None)
    }

    /// Whether `GET path` answers with success; for health checks.
    pub(crate) fn is_ok(&self, path: &str) -> bool {
        self.exchange::<()>("GET", path, None).is_ok_and(|response| response.status().is_success())
    }

    /// Sends a request with a JSON body, if any, and reads a JSON answer.
    pub(crate) fn send<B: Serialize, T: DeserializeOwned>(
        &self,
        method: &str,
        path: &str,
        body: Option<&B>,
    ) -> Result<T, CallError> {
        let text = self.text(method, path, body)?;
        let read = serde_json::from_str(&text).context("the answer is not what this version expects");
        read.map_err(CallError::NoAnswer)
    }

    /// `GET path`, where the answer is text.
    pub(crate) fn get_text(&self, path: &str) -> Result<String, CallError> {
        self.text::<()>("GET", path, None)
    }

    /// Sends a request and reads the body of a success, or the problem.
    fn text<B: Serialize>(&self, method: &str, path: &str, body: Option<&B>) -> Result<String, CallError> {
        let mut response = self.exchange(method, path, body)?;
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

    /// Asks one node after the other until one has accepted the request.
    fn exchange<B: Serialize>(
        &self,
        method: &str,
        path: &str,
        body: Option<&B>,
    ) -> Result<Response<Body>, CallError> {
        let mut unreachable = anyhow!("no node's URL is given");
        for url in &self.urls {
            let request =
                self.request(method, &format!("{url}{path}"), body).map_err(CallError::Unreachable)?;
            match self.agent.run(request) {
                Ok(response) => return Ok(response),
                Err(error) if was_never_sent(&error) => {
                    unreachable = anyhow!(error).context(format!("cannot reach {url}"));
                }
                Err(error) => {
                    return Err(CallError::NoAnswer(anyhow!(error).context(format!("asking {url}"))));
                }
            }
        }
        Err(CallError::Unreachable(unreachable))
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
