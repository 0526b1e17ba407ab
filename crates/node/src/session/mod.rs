//! Sessions: the state of one connection, and what its requests do with it.
//!
//! ```text
//!  requests ──► Session::execute ──► resolve ──┬─ reads ──────► barrier, then the state    ─┐
//!                   (in order)                 ├─ writes ─────► one group ──► Backend::write ├──► replies
//!                                              └─ session's own: HELLO, CLIENT, INFO, …    ─┘   (in order)
//! ```
//!
//! For: turning a connection's requests into groups and reads and its replies back into one stream, with or
//! without a socket. Leaves to others: sockets and decoding (`quorate-server`), commands on data
//! (`quorate-commands`), replication (the [`Backend`]).
//!
//! Invariants:
//! - Replies stand in the order of the requests, one for each unless the client asked for none.
//! - A request never sees a state older than what an earlier request of its connection saw or wrote.
//! - Between two calls of [`Session::execute`] nothing of the connection is under way, but for reads that the
//!   first call has no room for ([`Flow::More`]).
//! - What a session holds is bounded: a group by [`GROUP_REQUESTS_MAX`], [`GROUP_READS_MAX`] and
//!   [`GROUP_BYTES_MAX`], what it queues and watches by [`TRANSACTION_BYTES_MAX`], the replies of reads by
//!   [`OUTPUT_BYTES_PAUSE`] and one reply more, its mail by [`MAIL_BYTES_MAX`].
//!
//! Called by: each connection's task, and the typed client inside the process.

mod acl;
mod acl_log;
mod admit;
pub(crate) mod answering;
mod backend;
mod blocking;
mod client;
mod connection;
mod debug;
mod diagnosis;
mod execute;
mod following;
mod front;
mod info;
mod mailbox;
mod monitor;
mod outcome;
mod pause;
mod process;
mod registry;
mod replies;
mod server;
mod slowlog;
mod solo;
mod stats;
mod subscribe;
#[cfg(test)]
mod tests;
mod tracking;
mod transaction;
mod uses;

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use bytes::Bytes;
use quorate_commands::{Command, User, Users};
use quorate_keyspace::{DbIndex, Millis};
use quorate_resp::{Limits, Protocol, Reply};

pub use self::backend::{Admission, Backend, MemberFacts, NodeFacts, ReadMode};
pub use self::execute::{GROUP_BYTES_MAX, GROUP_READS_MAX, GROUP_REQUESTS_MAX, OUTPUT_BYTES_PAUSE};
pub use self::front::{Front, Tunables};
pub use self::mailbox::{MAIL_BYTES_MAX, OUTPUT_BYTES_UNCOUNTED, OutputLimits};
use self::monitor::Watching;
pub use self::pause::{Pause, PauseScope};
pub use self::registry::{Client, ClientOrigin, ClientRegistry, Names, Registration};
pub use self::slowlog::{SlowEntry, Slowlog};
pub use self::solo::Solo;
pub use self::stats::{CommandStats, HISTOGRAM_BUCKETS, Rate, Stats, StatsIndex};
use self::subscribe::Subscriber;
use self::tracking::TrackingMode;
use self::transaction::Multi;
pub use self::transaction::TRANSACTION_BYTES_MAX;
pub use crate::desk::Reader;
use crate::group::{Slot, Style};

/// The version of Redis whose behaviour clients may rely on.
pub const REDIS_VERSION: &str = quorate_commands::REDIS_VERSION;

/// The reply of a node that was removed from its cluster, to all but questions about itself.
pub(crate) const REMOVED: &str =
    "CLUSTERDOWN This node has been removed from its cluster; connect to another one";

/// Bytes of room that a session's reply buffer keeps between requests.
const REPLY_ROOM_BYTES_MAX: usize = 64 * 1024;

/// What the owner of a connection does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "a connection that is to be closed must not be served on"]
pub enum Flow {
    /// Everything is executed: write the replies and go on.
    Continue,
    /// Much output has gathered: write the replies, then call [`Session::execute`] again.
    More,
    /// Write the replies and close the connection; what was not executed is dropped.
    Close,
}

/// One connection.
#[derive(Debug)]
pub struct Session<B: Backend> {
    backend: Arc<B>,
    client: Registration,
    db: DbIndex,
    authenticated: bool,
    /// Whom the connection acts for.
    user: Arc<User>,
    /// Whether there is anything that he may not do.
    restricted: bool,
    /// A caller inside the process, whom users do not concern.
    trusted: bool,
    silence: Silence,
    multi: Multi,
    /// Behind `client`, which has to be dropped first: what is gone is entered nowhere again.
    subscriber: Option<Subscriber>,
    tracking: Option<Box<TrackingMode>>,
    watching: Option<Watching>,
    following: following::State,
    read_mode: ReadMode,
    tunables: Arc<Tunables>,
    tunables_version: u64,
    /// Requests that wait to be executed together, and replies between them.
    pending: Vec<Slot>,
    pending_bytes: usize,
    pending_reads: usize,
    pending_writes: bool,
    /// The agreed time of pending reads that could not be finished at once, as they gave much output.
    reading_at: Option<Millis>,
    /// Whether a pending write may change a setting that this session goes by.
    pending_settings: bool,
    reply: Reply,
    /// Replies before those in `reply`.
    output: Vec<Bytes>,
    /// Seeds the reads that answer at random.
    seed: u64,
    last_command: Option<(&'static Command, StatsIndex)>,
    now: Instant,
}

/// `CLIENT REPLY`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Silence {
    /// Everything is answered.
    No,
    /// The next request is not answered.
    Next,
    /// Nothing is answered.
    All,
}

impl<B: Backend> Session<B> {
    /// A new connection to a node.
    pub fn new(backend: Arc<B>, origin: ClientOrigin) -> Session<B> {
        backend.with_state(|state| backend.front().refresh(state));
        let front = backend.front();
        let tunables_version = front.version();
        let tunables = front.tunables();
        let client = front.clients.register(origin);
        client.set_user(Arc::clone(tunables.users.default_user()));
        // Differs between connections and processes, and cannot be guessed.
        let seed = RandomState::new().hash_one(client.id);
        Session {
            client,
            db: DbIndex::default(),
            authenticated: tunables.default_is_open,
            restricted: !tunables.users.default_user().is_unrestricted(),
            user: Arc::clone(tunables.users.default_user()),
            trusted: false,
            silence: Silence::No,
            multi: Multi::default(),
            subscriber: None,
            tracking: None,
            watching: None,
            following: following::State::default(),
            read_mode: backend.read_mode(),
            tunables,
            tunables_version,
            pending: Vec::new(),
            pending_bytes: 0,
            pending_reads: 0,
            reading_at: None,
            pending_writes: false,
            pending_settings: false,
            reply: Reply::new(Protocol::Resp2),
            output: Vec::new(),
            seed,
            last_command: None,
            now: Instant::now(),
            backend,
        }
    }

    /// Gives this connection all rights: for callers inside the process, who hold the node itself.
    pub fn trust(&mut self) {
        self.authenticated = true;
        self.trusted = true;
        self.become_user(Arc::clone(Users::default().default_user()));
    }

    /// Chooses how strong reads of this connection are.
    pub fn set_read_mode(&mut self, mode: ReadMode) {
        self.read_mode = mode;
    }

    /// The connection's entry in the registry.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The same, to be held beside the session.
    pub fn client_handle(&self) -> Arc<Client> {
        self.client.handle()
    }

    /// The node behind.
    pub fn backend(&self) -> &Arc<B> {
        &self.backend
    }

    /// The settings that the connection goes by.
    pub fn tunables(&self) -> &Tunables {
        &self.tunables
    }

    /// The version of the protocol that the client has asked for.
    pub fn protocol(&self) -> Protocol {
        self.reply.protocol()
    }

    /// What requests may be now. While the client has to authenticate, decode one request at a time.
    pub fn limits(&self) -> Limits {
        Limits {
            bulk_bytes_max: self.tunables.bulk_bytes_max,
            request_bytes_max: self.tunables.request_bytes_max,
            unauthenticated: self.must_authenticate(),
            ..Limits::default()
        }
    }

    /// Whether only `AUTH`, `HELLO` and the like are served.
    pub fn must_authenticate(&self) -> bool {
        !self.authenticated && !self.tunables.default_is_open
    }

    /// Answers bytes that are no request; the connection is to be closed then.
    pub fn protocol_error(&mut self, error: &quorate_resp::ProtocolError) {
        if *error != quorate_resp::ProtocolError::RequestTooBig && self.silence != Silence::All {
            self.reply.protocol_error(error);
        }
        self.backend.front().stats.error(b"ERR");
    }

    /// Takes over changed settings; cheap if there are none.
    pub fn refresh(&mut self) {
        let front = self.backend.front();
        let version = front.version();
        if version != self.tunables_version {
            self.tunables_version = version;
            self.tunables = front.tunables();
            self.refresh_user();
        }
    }

    /// Bytes of replies that have not been taken.
    pub fn output_bytes(&self) -> usize {
        self.output.iter().map(Bytes::len).sum::<usize>() + self.reply.len()
    }

    /// Takes the replies so far, in order, as few pieces as possible without copying large ones.
    pub fn take_output(&mut self) -> Vec<Bytes> {
        self.finish_piece();
        std::mem::take(&mut self.output)
    }

    fn finish_piece(&mut self) {
        if self.reply.is_empty() {
            return;
        }
        let piece = self.reply.take();
        if piece.len() > REPLY_ROOM_BYTES_MAX {
            self.reply = Reply::new(self.reply.protocol());
        }
        self.output.push(piece);
    }

    fn style(&self, silent: bool) -> Style {
        Style { protocol: self.reply.protocol(), silent }
    }

    fn set_protocol(&mut self, protocol: Protocol) {
        self.reply.set_protocol(protocol);
        self.client.resp.store(if protocol == Protocol::Resp3 { 3 } else { 2 }, Relaxed);
    }

    fn set_db(&mut self, db: DbIndex) {
        self.db = db;
        self.client.db.store(db.as_u8(), Relaxed);
    }
}
