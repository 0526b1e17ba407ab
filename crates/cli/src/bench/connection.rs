//! One connection of the load: greeting, sending and receiving at once, the next address after a failure.
//!
//! Left to others: what is sent (`mix`, `nodeapi`), when (`pace`), and what is counted (`tally`).
//!
//! Invariant: sending never waits for receiving or the other way round, so that a full pipeline in both
//! directions cannot block both ends.

use std::io;
use std::rc::Rc;
use std::time::Duration;

use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

use super::encode::request;
use super::reply::{Reply, Scanner};

/// How much is read at once, in bytes.
const READ_BYTES: usize = 64 * 1024;
/// Between two attempts to connect, at first and at most.
const PAUSE_MIN: Duration = Duration::from_millis(20);
const PAUSE_MAX: Duration = Duration::from_millis(500);

/// Where and as whom to connect.
#[derive(Debug, Clone)]
pub(super) struct Target {
    pub(super) addresses: Vec<String>,
    pub(super) user: Option<String>,
    pub(super) password: Option<String>,
    pub(super) db: u32,
    pub(super) resp3: bool,
    /// How long a connection attempt or a reply may take.
    pub(super) time_max: Duration,
}

/// An open, greeted connection.
#[derive(Debug)]
pub(super) struct Connection {
    stream: TcpStream,
    /// What is to be sent; requests are appended to it.
    pub(super) out: Vec<u8>,
    sent: usize,
    input: Vec<u8>,
    /// Where the next reply starts in `input`.
    at: usize,
    scanner: Scanner,
    pub(super) bytes_sent: u64,
    pub(super) bytes_received: u64,
}

/// What became of the attempts to connect.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Attempts {
    pub(super) failed: u64,
}

impl Connection {
    /// Connects to one address and greets the server.
    pub(super) async fn open(target: &Target, address: &str) -> io::Result<Self> {
        let late = || io::Error::new(io::ErrorKind::TimedOut, format!("{address} does not answer"));
        let opened = timeout(target.time_max, Self::greet(target, address)).await;
        opened.map_err(|_| late())?
    }

    /// Connects to the address with this number, or the next one that takes the connection, until `end`.
    pub(super) async fn open_any(
        target: &Rc<Target>,
        from: usize,
        end: impl Fn() -> Instant,
        attempts: &mut Attempts,
    ) -> Option<(Self, usize)> {
        let count = target.addresses.len();
        let mut pause = PAUSE_MIN;
        for attempt in 0.. {
            let number = (from + attempt) % count;
            match Self::open(target, &target.addresses[number]).await {
                Ok(connection) => return Some((connection, number)),
                Err(_) => attempts.failed += 1,
            }
            if Instant::now() >= end() {
                break;
            }
            // One round over all addresses at once: the next node is there when one is not.
            if (attempt + 1) % count == 0 {
                sleep(pause).await;
                pause = (pause * 2).min(PAUSE_MAX);
            }
        }
        None
    }

    async fn greet(target: &Target, address: &str) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let mut connection = Self {
            stream,
            out: Vec::new(),
            sent: 0,
            input: Vec::with_capacity(READ_BYTES),
            at: 0,
            scanner: Scanner::default(),
            bytes_sent: 0,
            bytes_received: 0,
        };
        let mut expected = 0;
        let user = target.user.as_deref().unwrap_or("default");
        match (&target.password, target.resp3) {
            (Some(password), true) => request(&mut connection.out, &["HELLO", "3", "AUTH", user, password]),
            (None, true) => request(&mut connection.out, &["HELLO", "3"]),
            (Some(password), false) if target.user.is_none() => {
                request(&mut connection.out, &["AUTH", password]);
            }
            (Some(password), false) => request(&mut connection.out, &["AUTH", user, password]),
            (None, false) => expected -= 1,
        }
        expected += 1;
        if target.db != 0 {
            request(&mut connection.out, &["SELECT", &target.db.to_string()]);
            expected += 1;
        }
        for _ in 0..expected {
            connection.receive().await?;
            let reply = connection.next_reply()?.expect("a reply has been received");
            if let Some(error) = reply.error() {
                let error = String::from_utf8_lossy(error).into_owned();
                return Err(io::Error::new(io::ErrorKind::PermissionDenied, error));
            }
        }
        Ok(connection)
    }

    /// Waits until a reply is whole; sends what is to be sent meanwhile.
    pub(super) async fn receive(&mut self) -> io::Result<()> {
        loop {
            if self.find()?.is_some() {
                return Ok(());
            }
            self.turn().await?;
        }
    }

    /// Sends and receives what is possible now; waits until something is.
    pub(super) async fn turn(&mut self) -> io::Result<()> {
        loop {
            let mut moved = false;
            while self.sent < self.out.len() {
                match self.stream.try_write(&self.out[self.sent..]) {
                    Ok(count) => {
                        self.sent += count;
                        self.bytes_sent += count as u64;
                        moved = true;
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    Err(error) => return Err(error),
                }
            }
            if self.sent == self.out.len() {
                self.out.clear();
                self.sent = 0;
            }
            match self.read() {
                Ok(()) => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
            if moved && self.sent > 0 {
                return Ok(());
            }
            let interest = if self.out.is_empty() {
                Interest::READABLE
            } else {
                Interest::READABLE | Interest::WRITABLE
            };
            self.stream.ready(interest).await?;
        }
    }

    fn read(&mut self) -> io::Result<()> {
        if self.at > 0 {
            self.input.drain(..self.at);
            self.at = 0;
        }
        // A long reply is read in ever larger steps.
        self.input.reserve(READ_BYTES.max(self.input.len() / 2));
        match self.stream.try_read_buf(&mut self.input)? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            count => {
                self.bytes_received += count as u64;
                Ok(())
            }
        }
    }

    /// The length of the next whole reply; messages are skipped.
    fn find(&mut self) -> io::Result<Option<usize>> {
        loop {
            let rest = &self.input[self.at..];
            if rest.is_empty() {
                return Ok(None);
            }
            // The reply may have been found before: a second look finds the same end.
            let mut scanner = std::mem::take(&mut self.scanner);
            let found = scanner.scan(rest).map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?;
            match found {
                Some(length) if Reply(&rest[..length]).is_push() => self.at += length,
                Some(length) => return Ok(Some(length)),
                None => {
                    self.scanner = scanner;
                    return Ok(None);
                }
            }
        }
    }

    /// The next whole reply of those that have arrived.
    pub(super) fn next_reply(&mut self) -> io::Result<Option<Reply<'_>>> {
        let Some(length) = self.find()? else { return Ok(None) };
        let from = self.at;
        self.at += length;
        Ok(Some(Reply(&self.input[from..from + length])))
    }

    /// Sends what is in `out` and waits for so many replies.
    pub(super) async fn exchange(&mut self, count: usize, time_max: Duration) -> io::Result<Replies> {
        let mut replies = Replies::default();
        let all = async {
            for _ in 0..count {
                self.receive().await?;
                let reply = self.next_reply()?.expect("a reply has been received");
                replies.bytes.extend_from_slice(reply.0);
                replies.ends.push(replies.bytes.len());
            }
            io::Result::Ok(())
        };
        timeout(time_max, all).await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
        Ok(replies)
    }
}

/// The replies to one batch of requests, in their order.
#[derive(Debug, Default)]
pub(super) struct Replies {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Replies {
    /// The reply to the request of this number.
    pub(super) fn get(&self, number: usize) -> Reply<'_> {
        let from = if number == 0 { 0 } else { self.ends[number - 1] };
        Reply(&self.bytes[from..self.ends[number]])
    }

    /// All of them.
    pub(super) fn iter(&self) -> impl Iterator<Item = Reply<'_>> {
        (0..self.ends.len()).map(|number| self.get(number))
    }
}
