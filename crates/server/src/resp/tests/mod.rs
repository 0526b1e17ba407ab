//! The listener over real sockets, with a node in memory behind it.

mod limits;
mod stream;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use quorate::session::Solo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::{Listener, ListenerOptions};

/// Nothing here takes longer unless it hangs.
const PATIENCE: Duration = Duration::from_secs(20);

/// A listener at work.
struct Served {
    solo: Arc<Solo>,
    addresses: Vec<SocketAddr>,
    shutdown: CancellationToken,
    task: JoinHandle<()>,
}

impl Served {
    fn new() -> Served {
        Served::with(Arc::default(), &["127.0.0.1:0"], ListenerOptions::default())
    }

    fn with(solo: Arc<Solo>, addresses: &[&str], options: ListenerOptions) -> Served {
        let addresses: Vec<SocketAddr> =
            addresses.iter().map(|address| address.parse().expect("an address")).collect();
        let listener = Listener::bind(&addresses, options).expect("a free port");
        let addresses = listener.addresses();
        let shutdown = CancellationToken::new();
        let task = tokio::spawn(listener.serve(Arc::clone(&solo), shutdown.clone()));
        Served { solo, addresses, shutdown, task }
    }

    async fn connect(&self) -> Wire {
        Wire { stream: TcpStream::connect(self.addresses[0]).await.expect("it listens") }
    }

    async fn stop(self) {
        self.shutdown.cancel();
        within(self.task).await.expect("the listener ends in order");
    }
}

/// A client's end.
struct Wire {
    stream: TcpStream,
}

impl Wire {
    async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        within(self.stream.write_all(bytes.as_ref())).await.expect("the server reads");
    }

    /// Reads exactly this.
    async fn expect(&mut self, expected: &str) {
        let mut got = vec![0; expected.len()];
        let read = within(self.stream.read_exact(&mut got)).await;
        let got = String::from_utf8_lossy(&got);
        assert!(read.is_ok() && got == expected, "expected {expected:?}, got {got:?} ({read:?})");
    }

    /// Sends a line and reads the reply.
    async fn ask(&mut self, line: &str, expected: &str) {
        self.send(format!("{line}\r\n")).await;
        self.expect(expected).await;
    }

    /// Reads to the end of the connection.
    async fn rest(&mut self) -> String {
        let mut rest = Vec::new();
        // A connection that is cut off may end with an error; what came before counts.
        let _end = within(self.stream.read_to_end(&mut rest)).await;
        String::from_utf8_lossy(&rest).into_owned()
    }
}

async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.expect("it does not hang")
}

/// Waits until a condition holds.
async fn until(what: &str, condition: impl Fn() -> bool) {
    let start = std::time::Instant::now();
    while !condition() {
        assert!(start.elapsed() < PATIENCE, "never: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// A request as an array of bulk strings.
fn encoded(args: &[&str]) -> Vec<u8> {
    let mut bytes = bytes::BytesMut::new();
    quorate_resp::encode_request(args, &mut bytes);
    bytes.to_vec()
}
