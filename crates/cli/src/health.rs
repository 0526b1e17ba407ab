//! `quorate health`: asks one node whether it serves clients, for container health checks and probes.
//!
//! It needs no token and asks nothing of the cluster, so that a health check never loads more than the
//! node it looks at. How the cluster is doing is [`crate::cluster`]'s to say.

use std::time::Duration;

use clap::Args;

use crate::cluster::URL;
use crate::exit::Failure;
use crate::http::AdminClient;
use crate::output;
use crate::settings::duration;

/// Which node to ask, and what.
#[derive(Debug, Args)]
pub(crate) struct HealthArgs {
    /// The admin API of the node.
    #[arg(long, env = "QUORATE_URL", default_value = URL)]
    url: String,
    /// Ask only whether the node is alive, for those who restart a node that is not: one without a quorum
    /// is alive and not ready, and a restart would not help it.
    #[arg(long)]
    live: bool,
    /// How long to wait for the answer.
    #[arg(long, value_name = "TIME", default_value = "3s", value_parser = duration)]
    timeout: Duration,
}

/// Succeeds if the node says that it is well.
pub(crate) fn run(args: &HealthArgs) -> Result<(), Failure> {
    let client = AdminClient::new(std::slice::from_ref(&args.url), None, args.timeout);
    let (path, well) = if args.live { ("/livez", "alive") } else { ("/readyz", "ready") };
    client.get_text(path)?;
    output::line(well);
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;

    use super::*;
    use crate::exit::Code;

    /// A node that gives one answer, and what was asked of it.
    fn node(answer: &'static str) -> (String, std::thread::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port of loopback is free");
        let url = format!("http://{}", listener.local_addr().expect("it is bound"));
        let asked = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("the health check connects");
            let mut request = Vec::new();
            let mut part = [0; 1024];
            while !request.ends_with(b"\r\n\r\n") {
                let length = stream.read(&mut part).expect("the health check asks");
                assert_ne!(length, 0, "the request broke off");
                request.extend_from_slice(&part[..length]);
            }
            stream.write_all(answer.as_bytes()).expect("the health check listens");
            String::from_utf8_lossy(&request).lines().next().unwrap_or_default().to_owned()
        });
        (url, asked)
    }

    fn ask(url: String, live: bool) -> Result<(), Failure> {
        run(&HealthArgs { url, live, timeout: Duration::from_secs(10) })
    }

    #[test]
    fn ready_and_alive_are_asked_apart() {
        let well = "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 3\r\n\r\nok\n";
        for (live, expected) in [(false, "GET /readyz HTTP/1.1"), (true, "GET /livez HTTP/1.1")] {
            let (url, asked) = node(well);
            ask(url, live).expect("the node is well");
            assert_eq!(asked.join().expect("the node answered"), expected);
        }
    }

    #[test]
    fn a_node_that_is_not_ready_says_why() {
        let (url, asked) = node(concat!(
            "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/problem+json\r\n",
            "content-length: 112\r\n\r\n",
            r#"{"type":"about:blank","title":"Unavailable","status":503,"detail":"no leader is known","kind":"unavailable"}    "#,
        ));
        let failure = ask(url, false).expect_err("the node is not ready");
        asked.join().expect("the node answered");
        assert_eq!((failure.code, failure.to_string().as_str()), (Code::Unavailable, "no leader is known"));
    }

    #[test]
    fn nobody_there_is_unavailable() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port of loopback is free");
        let url = format!("http://{}", listener.local_addr().expect("it is bound"));
        drop(listener);
        assert_eq!(ask(url, false).expect_err("nobody is there").code, Code::Unavailable);
    }
}
