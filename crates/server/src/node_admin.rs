//! A node behind the admin HTTP API.
//!
//! Called by: the API's handlers.

use std::collections::BTreeMap;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use quorate::admin::{Call, ClusterStatus, Done, NodeReport, Refusal, RefusalKind};
use quorate::{Client, ClientError, Node, Phase};
use quorate_resp::Value;

use crate::Hooks;
use crate::admin::AdminBackend;
use crate::metrics;

/// Settings whose values are secrets.
const SECRETS: [&str; 3] = ["requirepass", "masterauth", "tls-key-file-pass"];
const MASK: &str = "(hidden)";

/// A node as its administrators see it.
pub(crate) struct NodeAdmin {
    node: Node,
    client: Client,
    hooks: Hooks,
}

impl NodeAdmin {
    pub(crate) fn new(node: Node, hooks: Hooks) -> NodeAdmin {
        NodeAdmin { client: node.client(), node, hooks }
    }
}

impl AdminBackend for NodeAdmin {
    fn status(&self) -> BoxFuture<'_, ClusterStatus> {
        self.node.status().boxed()
    }

    fn call(&self, call: Call) -> BoxFuture<'_, Result<Done, Refusal>> {
        let node = self.node.clone();
        // A caller that hangs up does not stop a change half-way.
        async move { node.admin_detached(call).await }.boxed()
    }

    fn report(&self) -> BoxFuture<'_, NodeReport> {
        async { self.node.report() }.boxed()
    }

    fn metrics_text(&self) -> String {
        metrics::text(&self.node, &self.hooks)
    }

    fn live(&self) -> bool {
        !matches!(*self.node.phase().borrow(), Phase::Failed(_))
    }

    fn ready(&self) -> Result<(), String> {
        let report = self.node.report();
        match (report.ready, report.draining) {
            (true, false) => Ok(()),
            (true, true) => Err("the node drains for a planned stop".into()),
            (false, _) => Err(report.trouble),
        }
    }

    fn settings(&self) -> BoxFuture<'_, BTreeMap<String, String>> {
        async {
            let Ok(Value::Map(pairs)) = self.client.execute(&["CONFIG", "GET", "*"]).await else {
                return BTreeMap::new();
            };
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let shown = |(name, value): &(Value, Value)| {
                let (name, value) = (text(name), text(value));
                let secret = SECRETS.contains(&name.as_str()) && !value.is_empty();
                (name, if secret { MASK.to_owned() } else { value })
            };
            pairs.iter().map(shown).collect()
        }
        .boxed()
    }

    fn set_settings(&self, changes: BTreeMap<String, String>) -> BoxFuture<'_, Result<Done, Refusal>> {
        async move {
            let mut args = vec!["CONFIG".to_owned(), "SET".to_owned()];
            let names = changes.keys().cloned().collect::<Vec<_>>().join(", ");
            args.extend(changes.into_iter().flat_map(|(name, value)| [name, value]));
            match self.client.execute(&args).await {
                Ok(_) => Ok(Done { changed: true, message: format!("set: {names}"), nodes: Vec::new() }),
                Err(ClientError::Reply(text)) if text.starts_with("ERR") => {
                    Err(Refusal { kind: RefusalKind::Invalid, detail: text })
                }
                Err(ClientError::Unknown) => Err(Refusal {
                    kind: RefusalKind::Timeout,
                    detail: "the outcome is unknown; see the settings".into(),
                }),
                Err(error) => Err(Refusal { kind: RefusalKind::Unavailable, detail: error.to_string() }),
            }
        }
        .boxed()
    }
}
