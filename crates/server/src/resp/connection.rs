//! One connection: its bytes in, its replies out.
//!
//! ```text
//!   ┌► write what the socket takes ──► decode ──► execute (reading ahead, writing on) ─┐
//!   └────────────────◄──────────────── nothing to do: wait ◄──────────────────────────┘
//! ```
//!
//! Mail that comes in between is written behind the replies, when no request is under way.
//!
//! A client that sends much without reading replies must not be waited for, as it may be waiting for us: while
//! its socket takes no replies, requests are still read and executed, up to [`OUTPUT_BYTES_MAX`] of replies.
//!
//! Leaves to others: who may connect (`listener`), what requests mean (`Session`).

use std::collections::VecDeque;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use quorate::session::{Backend, Client, Flow, Front, GROUP_REQUESTS_MAX, OUTPUT_BYTES_UNCOUNTED, Session};
use quorate_resp::{Decoder, ProtocolError, Request};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::Sleep;
use tokio_util::sync::CancellationToken;

use super::input::Input;
use super::output::Output;

/// Bytes of unwritten replies beyond which a connection reads and executes nothing more. Large, because clients
/// send whole pipelines before they read: Redis has no bound at all.
pub const OUTPUT_BYTES_MAX: usize = 256 * 1024 * 1024;

/// Bytes of unwritten replies of all connections together beyond which those whose clients do not read stop.
const OUTPUT_BYTES_TOTAL_MAX: usize = 1024 * 1024 * 1024;

/// Bytes that are read while requests are executed.
pub const READ_AHEAD_BYTES_MAX: usize = 64 * 1024;

/// How long a client that has to authenticate may take.
pub const AUTHENTICATION_MAX: Duration = Duration::from_secs(60);

/// How often an active connection looks at its timeouts, and an idle one.
const TICK: Duration = Duration::from_secs(1);
const IDLE_TICK: Duration = Duration::from_secs(10);

/// How long the last replies of a connection may take to be written.
const LAST_WRITE_MAX: Duration = Duration::from_secs(10);

/// How long a closed connection is read on, so that unread input does not make the system drop our last words.
const LINGER_MAX: Duration = Duration::from_millis(300);

/// When connections end by themselves.
#[derive(Debug, Clone)]
pub(super) struct Stop {
    /// Finish what has been asked, then close.
    pub(super) drain: CancellationToken,
    /// Close at once.
    pub(super) now: CancellationToken,
}

/// A connection at work.
pub(super) struct Connection<B: Backend, R, W> {
    session: Session<B>,
    client: Arc<Client>,
    reader: R,
    writer: W,
    decoder: Decoder,
    input: Input,
    output: Output,
    requests: VecDeque<Request>,
    /// The client has sent its last byte.
    input_ended: bool,
    /// Reads that have not been finished for want of room.
    unfinished: bool,
    /// Since when the output exceeds the soft limit.
    over_soft_limit: Option<Instant>,
    /// When something was last read.
    last_input: Instant,
    connected: Instant,
}

/// Why a connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// The client has closed it, or the socket failed: there is nobody to talk to.
    Gone,
    /// Somebody wants it closed at once.
    Killed,
    /// All replies are to be written first.
    AfterReplies,
}

/// What the wait was for.
enum Event {
    Progress,
    Tick,
    End(End),
}

impl<B: Backend, R: AsyncRead + Unpin, W: AsyncWrite + Unpin> Connection<B, R, W> {
    pub(super) fn new(session: Session<B>, reader: R, writer: W) -> Connection<B, R, W> {
        let now = Instant::now();
        Connection {
            client: session.client_handle(),
            decoder: Decoder::new(session.limits()),
            session,
            reader,
            writer,
            input: Input::new(),
            output: Output::default(),
            requests: VecDeque::new(),
            input_ended: false,
            unfinished: false,
            over_soft_limit: None,
            last_input: now,
            connected: now,
        }
    }

    /// Serves the client until one side ends.
    pub(super) async fn run(mut self, stop: Stop) {
        let client = Arc::clone(&self.client);
        let mut killed = pin!(async move {
            tokio::select! {
                () = client.killed() => {}
                () = stop.now.cancelled() => {}
            }
        });
        let mut drain = pin!(stop.drain.cancelled());
        let mut tick = pin!(tokio::time::sleep(TICK));
        let end = loop {
            if let Err(end) = self.take_mail().and_then(|()| self.write_ready()) {
                break end;
            }
            match self.serve_input(killed.as_mut()).await {
                Ok(true) => continue,
                Ok(false) => {}
                Err(end) => break end,
            }
            let draining = stop.drain.is_cancelled();
            if self.output.is_empty() && (self.input_ended || draining) {
                break End::AfterReplies;
            }
            let event = tokio::select! {
                biased;
                () = killed.as_mut() => Event::End(End::Killed),
                event = self.wait(tick.as_mut()) => event,
                () = drain.as_mut(), if !draining => Event::Progress,
            };
            match event {
                Event::Progress => {}
                Event::End(end) => break end,
                Event::Tick => match self.look_around() {
                    Some(end) => break end,
                    None => {
                        let is_idle = self.input.is_released() && self.output.is_empty();
                        let pause = if is_idle { IDLE_TICK } else { TICK };
                        let pause = self.session.tunables().idle_max.map_or(pause, |idle| idle.min(pause));
                        tick.as_mut().reset(tokio::time::Instant::now() + pause);
                    }
                },
            }
        };
        // Whoever wants to tell it something is to know that nobody listens.
        self.client.go_deaf();
        if end == End::AfterReplies {
            tokio::select! {
                () = killed => {}
                () = self.close() => {}
            }
        }
        self.set_output_bytes(0);
    }

    /// Queues what has come for the client besides replies. However slowly it reads: its limit ends it, not we.
    fn take_mail(&mut self) -> Result<(), End> {
        if !self.client.has_mail() {
            return Ok(());
        }
        self.session.take_mail();
        self.take_output()
    }

    /// Writes what the socket takes without waiting.
    fn write_ready(&mut self) -> Result<(), End> {
        while !self.output.is_empty() {
            match self.output.write_some(&mut self.writer).now_or_never() {
                Some(written) => self.wrote(written)?,
                None => break,
            }
        }
        Ok(())
    }

    /// Decodes and executes what has arrived; false if there was nothing to do, or no room for replies.
    async fn serve_input(&mut self, mut killed: Pin<&mut impl Future<Output = ()>>) -> Result<bool, End> {
        if !self.has_room() {
            return Ok(false);
        }
        let error = self.decode();
        if self.requests.is_empty() && !self.unfinished {
            let Some(error) = error else { return Ok(false) };
            self.session.protocol_error(&error);
            self.take_output()?;
            return Err(End::AfterReplies);
        }
        self.show_sizes();
        let front_stats = Arc::clone(self.session.backend());
        let flow = {
            let Connection { session, client, requests, input, output, reader, writer, input_ended, .. } =
                self;
            let stats = &front_stats.front().stats;
            let mut execute = pin!(session.execute(requests));
            loop {
                let reading = !*input_ended && input.bytes.len() < READ_AHEAD_BYTES_MAX;
                tokio::select! {
                    biased;
                    flow = execute.as_mut() => break flow,
                    () = killed.as_mut() => return Err(End::Killed),
                    written = output.write_some(writer), if !output.is_empty() => {
                        let written = written.map_err(|_| End::Gone)?;
                        stats.writes.fetch_add(1, Relaxed);
                        stats.output_bytes.fetch_add(written as u64, Relaxed);
                    }
                    read = reader.read_buf(input.with_room()), if reading => {
                        let read = read.map_err(|_| End::Gone)?;
                        if read == 0 {
                            *input_ended = true;
                            client.input_ended.store(true, Relaxed);
                            if client.is_blocked() {
                                // It is not going to take what it waits for.
                                return Err(End::Gone);
                            }
                        }
                        input.was_read(Instant::now());
                        stats.reads.fetch_add(1, Relaxed);
                        stats.input_bytes.fetch_add(read as u64, Relaxed);
                    }
                }
            }
        };
        self.unfinished = flow == Flow::More;
        self.take_output()?;
        if self.input.is_large() {
            self.input.tidy(Instant::now());
        }
        if flow == Flow::Close { Err(End::AfterReplies) } else { Ok(true) }
    }

    /// Whether more replies may be made.
    fn has_room(&self) -> bool {
        self.output.is_empty()
            || (self.output.bytes() < OUTPUT_BYTES_MAX
                && front(&self.session).output_bytes() < OUTPUT_BYTES_TOTAL_MAX)
    }

    fn decode(&mut self) -> Option<ProtocolError> {
        if self.unfinished {
            return None;
        }
        // After an AUTH other limits hold, so before it one request is taken at a time.
        let requests_max = if self.session.must_authenticate() { 1 } else { GROUP_REQUESTS_MAX };
        self.session.refresh();
        self.decoder.set_limits(self.session.limits());
        while self.requests.len() < requests_max {
            match self.decoder.decode(&mut self.input.bytes) {
                Ok(Some(request)) => self.requests.push_back(request),
                Ok(None) => break,
                Err(error) => return Some(error),
            }
        }
        None
    }

    /// Queues the session's replies, unless there are more than the client may leave unread.
    fn take_output(&mut self) -> Result<(), End> {
        for piece in self.session.take_output() {
            self.output.push(piece);
        }
        let limits = self.session.tunables().output_limits;
        let bytes = self.output.bytes();
        self.set_output_bytes(bytes);
        if limits.are_exceeded(&self.client, bytes) {
            tracing::warn!(client = %self.client.origin.addr, bytes, "closed: beyond client-output-buffer-limit");
            return Err(End::Killed);
        }
        self.note_soft_limit();
        Ok(())
    }

    /// Notes since when the client has left more unread than it may for long.
    fn note_soft_limit(&mut self) {
        let limit = self.session.tunables().output_limits.of(&self.client);
        let soft_bytes = usize::try_from(limit.soft_bytes).unwrap_or(0);
        if soft_bytes == 0 || self.output.bytes().saturating_sub(OUTPUT_BYTES_UNCOUNTED) <= soft_bytes {
            self.over_soft_limit = None;
        } else if self.over_soft_limit.is_none() {
            self.over_soft_limit = Some(Instant::now());
        }
    }

    /// Waits for the socket or the clock.
    async fn wait(&mut self, tick: Pin<&mut Sleep>) -> Event {
        let reading = !self.input_ended && self.has_room();
        let Connection { input, output, reader, writer, client, .. } = self;
        let wrote = tokio::select! {
            biased;
            written = output.write_some(writer), if !output.is_empty() => Ok(written),
            read = reader.read_buf(input.with_room()), if reading => Err(read),
            () = client.mail() => return Event::Progress,
            () = tick => return Event::Tick,
        };
        match wrote {
            Ok(written) => self.wrote(written).map_or_else(Event::End, |()| Event::Progress),
            Err(read) => self.was_read(read),
        }
    }

    fn was_read(&mut self, read: io::Result<usize>) -> Event {
        let Ok(read) = read else { return Event::End(End::Gone) };
        self.input_ended = read == 0;
        self.client.input_ended.store(self.input_ended, Relaxed);
        self.last_input = Instant::now();
        self.input.was_read(self.last_input);
        let stats = &front(&self.session).stats;
        stats.reads.fetch_add(1, Relaxed);
        stats.input_bytes.fetch_add(read as u64, Relaxed);
        Event::Progress
    }

    fn wrote(&mut self, written: io::Result<usize>) -> Result<(), End> {
        let written = written.map_err(|_| End::Gone)?;
        self.set_output_bytes(self.output.bytes());
        let stats = &front(&self.session).stats;
        stats.writes.fetch_add(1, Relaxed);
        stats.output_bytes.fetch_add(written as u64, Relaxed);
        Ok(())
    }

    /// Looks at the timeouts, and gives back memory.
    fn look_around(&mut self) -> Option<End> {
        let now = Instant::now();
        self.session.refresh();
        self.input.tidy(now);
        self.show_sizes();
        self.note_soft_limit();
        let tunables = self.session.tunables();
        let idle = now.saturating_duration_since(self.last_input);
        let soft_seconds = tunables.output_limits.of(&self.client).soft_seconds;
        let soft_seconds = u64::try_from(soft_seconds).unwrap_or(0);
        let over_soft_limit = self
            .over_soft_limit
            .is_some_and(|since| now.saturating_duration_since(since) >= Duration::from_secs(soft_seconds));
        let unauthenticated = self.session.must_authenticate()
            && now.saturating_duration_since(self.connected) >= AUTHENTICATION_MAX;
        let may_idle = !self.output.is_empty() || self.client.is_subscribed();
        let too_long_idle = !may_idle && tunables.idle_max.is_some_and(|max| idle >= max);
        (over_soft_limit || unauthenticated || too_long_idle).then_some(End::Killed)
    }

    /// Shows others what the buffers hold.
    fn show_sizes(&self) {
        let (input, free) = self.input.sizes();
        self.client.input_bytes.store(input, Relaxed);
        self.client.input_free_bytes.store(free, Relaxed);
        let request: usize = self.requests.front().map_or(0, Request::frame_bytes);
        self.client.request_bytes.store(i64::try_from(request).unwrap_or(i64::MAX), Relaxed);
        let peak = &front(&self.session).stats.input_buffer_bytes_peak;
        if (input + free) as u64 > peak.load(Relaxed) {
            peak.store((input + free) as u64, Relaxed);
        }
    }

    fn set_output_bytes(&self, bytes: usize) {
        let before = self.client.output_bytes.swap(bytes, Relaxed);
        self.client.output_pieces.store(self.output.pieces(), Relaxed);
        front(&self.session).change_output_bytes(before, bytes);
    }

    /// Writes the last replies and closes.
    async fn close(&mut self) {
        let last_words = async {
            while !self.output.is_empty() {
                if self.output.write_some(&mut self.writer).await.is_err() {
                    return;
                }
            }
            if self.writer.shutdown().await.is_err() || self.input_ended {
                return;
            }
            // What the client has sent meanwhile is read and dropped.
            let drop_input = async {
                self.input.bytes.clear();
                while matches!(self.reader.read_buf(self.input.with_room()).await, Ok(1..)) {
                    self.input.bytes.clear();
                }
            };
            // The time is up or the client has closed, which is the same to us.
            let _ended = tokio::time::timeout(LINGER_MAX, drop_input).await;
        };
        let _ended = tokio::time::timeout(LAST_WRITE_MAX, last_words).await;
    }
}

fn front<B: Backend>(session: &Session<B>) -> &Front {
    session.backend().front()
}
