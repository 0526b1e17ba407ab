//! One connection to the façade: requests in, replies and messages out.
//!
//! For: the socket of one client. Leaves to others: what requests mean (`client`). Invariants: memory is bounded by
//! the limits on a request and by one message beyond the replies, for nothing is made while the client does not read;
//! one that falls [`super::EVENTS_MAX`] messages behind is closed, as in Redis.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use quorate::session::Backend;
use quorate_commands::Args;
use quorate_resp::{Decoder, Limits, Protocol, Reply};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::CancellationToken;

use super::client::{After, Client};
use super::events::Event;
use super::{Facade, Peer};

/// How long a client may take to read what it is sent.
const WRITE_MAX: Duration = Duration::from_secs(10);
/// How long a client that has to authenticate may take.
const AUTHENTICATION_MAX: Duration = Duration::from_secs(60);
const READ_BYTES: usize = 4 * 1024;

/// Requests to a Sentinel are small.
const LIMITS: Limits = Limits {
    inline_bytes_max: 16 * 1024,
    bulk_bytes_max: 4 * 1024,
    args_max: 256,
    request_bytes_max: 64 * 1024,
    unauthenticated: false,
};

/// Serves a client until one side ends.
pub(super) async fn serve<B: Backend>(
    facade: Arc<Facade<B>>,
    mut stream: TcpStream,
    peer: Arc<Peer>,
    stop: CancellationToken,
) {
    let mut connection = Connection {
        events: facade.shared.events.subscribe(),
        client: Client::new(facade.shared.clone(), peer),
        facade,
        decoder: Decoder::new(LIMITS),
        input: BytesMut::new(),
        reply: Reply::new(Protocol::Resp2),
    };
    let started = tokio::time::Instant::now();
    loop {
        let unauthenticated =
            connection.client.must_authenticate(&connection.facade.backend.front().tunables());
        let event = tokio::select! {
            biased;
            () = stop.cancelled() => Happened::Stop,
            read = stream.read_buf(with_room(&mut connection.input)) => Happened::Read(read),
            event = connection.events.recv() => Happened::Event(event),
            () = tokio::time::sleep_until(started + AUTHENTICATION_MAX), if unauthenticated => return,
        };
        let goes_on = match event {
            Happened::Read(read) => connection.take_input(read),
            Happened::Event(event) => connection.take_event(event),
            Happened::Stop => connection.take_last_events(),
        };
        let output = connection.reply.take();
        if !output.is_empty() {
            let written = tokio::time::timeout(WRITE_MAX, stream.write_all(&output)).await;
            if !matches!(written, Ok(Ok(()))) {
                return;
            }
        }
        if !goes_on {
            // The client may have gone first.
            let _closed = stream.shutdown().await;
            return;
        }
    }
}

fn with_room(input: &mut BytesMut) -> &mut BytesMut {
    input.reserve(READ_BYTES);
    input
}

enum Happened {
    Read(io::Result<usize>),
    Event(Result<Event, RecvError>),
    Stop,
}

struct Connection<B: Backend> {
    facade: Arc<Facade<B>>,
    client: Client,
    events: Receiver<Event>,
    decoder: Decoder,
    input: BytesMut,
    reply: Reply,
}

impl<B: Backend> Connection<B> {
    /// Answers the requests that have arrived; false at the end.
    fn take_input(&mut self, read: io::Result<usize>) -> bool {
        if !matches!(read, Ok(1..)) {
            return false;
        }
        loop {
            match self.decoder.decode(&mut self.input) {
                Ok(Some(request)) => {
                    let args: Vec<&[u8]> = request.args().collect();
                    let tunables = self.facade.backend.front().tunables();
                    match self.client.answer(Args::new(&args), &tunables, &mut self.reply) {
                        After::Go => {}
                        After::Failover => (self.facade.failover)(),
                        After::Close => return false,
                    }
                }
                Ok(None) => return true,
                Err(error) => {
                    self.reply.protocol_error(&error);
                    return false;
                }
            }
        }
    }

    /// Passes a message on; false if some were missed.
    fn take_event(&mut self, event: Result<Event, RecvError>) -> bool {
        match event {
            Ok(event) => {
                self.client.deliver(&event, &mut self.reply);
                true
            }
            // Whoever waits for messages must not miss one without knowing; the others need none.
            Err(RecvError::Lagged(_)) => !self.client.is_subscribed(),
            Err(RecvError::Closed) => false,
        }
    }

    /// Passes on what was told before the end.
    fn take_last_events(&mut self) -> bool {
        while let Ok(event) = self.events.try_recv() {
            self.client.deliver(&event, &mut self.reply);
        }
        false
    }
}
