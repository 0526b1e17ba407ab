//! The open connections of a node.
//!
//! For: `CLIENT LIST|INFO|KILL`, the limit on connections, and their figures in `INFO`.
//! Leaves to others: the sockets (`quorate-server`), what the commands say (`client`).
//!
//! Invariants: an entry lives as long as its [`Registration`]; ids are never used twice; a connection's own
//! task writes its entry, everybody reads it. Killing only asks: the task that owns the socket ends it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{
    AtomicBool, AtomicI64, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering::Relaxed, Ordering::SeqCst,
};
use std::time::Instant;

use parking_lot::Mutex;
use quorate_commands::{Unblock, User, Users};
use quorate_resp::Protocol;
use tokio::sync::oneshot;
use tokio_util::sync::{CancellationToken, WaitForCancellationFuture};

use super::mailbox::{Mailbox, OUTPUT_BYTES_UNCOUNTED};
use super::stats::{Stats, StatsIndex};

/// All open connections, by id.
#[derive(Debug, Default)]
pub struct ClientRegistry {
    last_id: AtomicU64,
    clients: Mutex<BTreeMap<u64, Arc<Client>>>,
    open: AtomicUsize,
}

/// Where a connection comes from.
#[derive(Debug, Clone, Default)]
pub struct ClientOrigin {
    /// The client's address, `host:port`; `path:0` of a Unix socket; empty inside the process.
    pub addr: String,
    /// This end's address.
    pub laddr: String,
    /// The socket's file descriptor; -1 without one.
    pub fd: i32,
    /// Whether it comes through a Unix socket.
    pub unix: bool,
    /// Whether it comes from this machine.
    pub local: bool,
}

/// One connection as others see it.
#[derive(Debug)]
pub struct Client {
    /// Its id.
    pub id: u64,
    /// Where it comes from.
    pub origin: ClientOrigin,
    created: Instant,
    /// Milliseconds from `created` to the last request.
    active_millis: AtomicU64,
    names: Mutex<Names>,
    user: Mutex<Arc<User>>,
    /// Its requests are being executed.
    executing: AtomicBool,
    /// Its user is gone, or may not listen to what it listens to: it ends with what is being executed.
    revoked: AtomicBool,
    /// The last command, as one more than its place in the counters; 0 before the first.
    last_command: AtomicU32,
    kill: CancellationToken,
    pub(super) db: AtomicU8,
    pub(super) resp: AtomicU8,
    pub(super) no_evict: AtomicBool,
    pub(super) no_touch: AtomicBool,
    pub(super) closing: AtomicBool,
    pub(super) blocked: AtomicBool,
    /// The ticket that it waits under; 0 else.
    pub(super) ticket: Arc<AtomicU64>,
    /// Ends a wait that only this node knows of.
    pub(super) unblock: Mutex<Option<oneshot::Sender<Unblock>>>,
    /// The client has sent its last byte, which to one that waits means that it is gone.
    pub input_ended: AtomicBool,
    /// It has left more unread than it may, and is being disconnected for it.
    pub(super) over_limit: AtomicBool,
    /// What waits for it besides replies.
    pub(super) mailbox: Mailbox,
    /// How it tracks keys: one more than the client that is told instead, or 0 if it does not track.
    pub(super) tracking: AtomicU64,
    pub(super) tracks_by_prefix: AtomicBool,
    pub(super) broken_redirect: AtomicBool,
    /// What the script under way reads is remembered for it.
    pub(super) keeps_script_reads: AtomicBool,
    pub(super) monitoring: AtomicBool,
    /// Channels, patterns and shard channels that it is subscribed to.
    pub(super) subscriptions: [AtomicUsize; 3],
    /// Commands that a transaction has queued; -1 without one.
    pub(super) queued: AtomicI64,
    /// Bytes of what it has queued and watches.
    pub(super) queued_bytes: AtomicUsize,
    /// Bytes of requests that wait in the input buffer.
    pub input_bytes: AtomicUsize,
    /// Bytes of room in the input buffer.
    pub input_free_bytes: AtomicUsize,
    /// Bytes of replies and mail that wait to be written.
    pub output_bytes: AtomicUsize,
    /// The pieces that they are in.
    pub output_pieces: AtomicUsize,
    /// The request that arrives or is executed, in bytes.
    pub request_bytes: AtomicI64,
}

/// Redis' classes of clients, as far as there are any here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    Normal,
    /// It has subscriptions.
    Pubsub,
}

/// What a client says of itself.
#[derive(Debug, Clone, Default)]
pub struct Names {
    /// `CLIENT SETNAME`.
    pub name: String,
    /// `CLIENT SETINFO LIB-NAME`.
    pub lib_name: String,
    /// `CLIENT SETINFO LIB-VER`.
    pub lib_ver: String,
}

/// Keeps a connection in the registry.
#[derive(Debug)]
pub struct Registration {
    registry: Arc<ClientRegistry>,
    client: Arc<Client>,
}

impl ClientRegistry {
    /// Enters a connection.
    pub fn register(self: &Arc<Self>, origin: ClientOrigin) -> Registration {
        let id = self.last_id.fetch_add(1, Relaxed) + 1;
        let client = Arc::new(Client {
            id,
            origin,
            created: Instant::now(),
            active_millis: AtomicU64::new(0),
            names: Mutex::default(),
            user: Mutex::new(Arc::clone(Users::default().default_user())),
            executing: AtomicBool::new(false),
            revoked: AtomicBool::new(false),
            last_command: AtomicU32::new(0),
            kill: CancellationToken::new(),
            db: AtomicU8::new(0),
            resp: AtomicU8::new(2),
            no_evict: AtomicBool::new(false),
            no_touch: AtomicBool::new(false),
            closing: AtomicBool::new(false),
            blocked: AtomicBool::new(false),
            ticket: Arc::default(),
            unblock: Mutex::default(),
            input_ended: AtomicBool::new(false),
            over_limit: AtomicBool::new(false),
            mailbox: Mailbox::default(),
            tracking: AtomicU64::new(0),
            tracks_by_prefix: AtomicBool::new(false),
            broken_redirect: AtomicBool::new(false),
            keeps_script_reads: AtomicBool::new(false),
            monitoring: AtomicBool::new(false),
            subscriptions: Default::default(),
            queued: AtomicI64::new(-1),
            queued_bytes: AtomicUsize::new(0),
            input_bytes: AtomicUsize::new(0),
            input_free_bytes: AtomicUsize::new(0),
            output_bytes: AtomicUsize::new(0),
            output_pieces: AtomicUsize::new(0),
            request_bytes: AtomicI64::new(0),
        });
        self.clients.lock().insert(id, Arc::clone(&client));
        self.open.fetch_add(1, Relaxed);
        Registration { registry: Arc::clone(self), client }
    }

    /// The number of open connections.
    pub fn len(&self) -> usize {
        self.open.load(Relaxed)
    }

    /// True without connections.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The connection of that id.
    pub fn get(&self, id: u64) -> Option<Arc<Client>> {
        self.clients.lock().get(&id).cloned()
    }

    /// All connections in the order of their ids.
    pub fn all(&self) -> Vec<Arc<Client>> {
        self.clients.lock().values().cloned().collect()
    }
}

impl Registration {
    /// The entry, which outlives its place in the registry.
    pub fn handle(&self) -> Arc<Client> {
        Arc::clone(&self.client)
    }
}

impl std::ops::Deref for Registration {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        if self.registry.clients.lock().remove(&self.client.id).is_some() {
            self.registry.open.fetch_sub(1, Relaxed);
        }
        self.client.mailbox.close();
    }
}

impl Client {
    /// Asks the connection's task to close it.
    pub fn kill(&self) {
        self.kill.cancel();
    }

    /// The user that it acts for.
    pub fn user(&self) -> Arc<User> {
        Arc::clone(&self.user.lock())
    }

    pub(super) fn set_user(&self, user: Arc<User>) {
        *self.user.lock() = user;
    }

    /// Ends the connection as soon as what it is executing is answered; at once where it only waits.
    pub(crate) fn revoke(&self) {
        self.revoked.store(true, SeqCst);
        if !self.executing.load(SeqCst) || self.is_blocked() {
            self.kill();
        }
    }

    /// Whether it is to end.
    pub(super) fn is_revoked(&self) -> bool {
        self.revoked.load(SeqCst)
    }

    /// Notes whether its requests are being executed.
    pub(super) fn set_executing(&self, executing: bool) {
        self.executing.store(executing, SeqCst);
    }

    /// Notes that a request waits, or does not any longer.
    pub(super) fn set_blocked(&self, blocked: bool) {
        self.blocked.store(blocked, SeqCst);
        if blocked && self.is_revoked() {
            self.kill();
        }
    }

    /// Whether somebody has asked for its end.
    pub fn is_killed(&self) -> bool {
        self.kill.is_cancelled()
    }

    /// Resolves when somebody asks for its end.
    pub fn killed(&self) -> WaitForCancellationFuture<'_> {
        self.kill.cancelled()
    }

    /// Bytes that wait for it: mail and unwritten replies.
    pub(crate) fn unread_bytes(&self) -> usize {
        self.mailbox.bytes() + self.output_bytes.load(Relaxed)
    }

    /// Whether it takes no mail any more: it is gone, or is being disconnected for what it leaves unread.
    pub(crate) fn is_deaf(&self) -> bool {
        self.mailbox.is_closed()
    }

    /// The version of the protocol that it has asked for.
    pub(crate) fn protocol(&self) -> Protocol {
        if self.resp.load(Relaxed) == 3 { Protocol::Resp3 } else { Protocol::Resp2 }
    }

    /// Shows how many channels, patterns and shard channels it is subscribed to.
    pub(crate) fn show_subscriptions(&self, counts: [usize; 3]) {
        for (shown, count) in self.subscriptions.iter().zip(counts) {
            shown.store(count, Relaxed);
        }
    }

    /// Shows the client that is told of changed keys in its place, 0 for none, and whether it tracks by prefix; or
    /// that it does not track.
    pub(super) fn show_tracking(&self, mode: Option<(u64, bool)>) {
        self.tracking.store(mode.map_or(0, |(redirect, _)| redirect.saturating_add(1)), Relaxed);
        self.tracks_by_prefix.store(mode.is_some_and(|(_, bcast)| bcast), Relaxed);
        self.broken_redirect.store(false, Relaxed);
    }

    /// The client that is to be told in its place is gone.
    pub(crate) fn set_broken_redirect(&self) {
        self.broken_redirect.store(true, Relaxed);
    }

    pub(super) fn has_broken_redirect(&self) -> bool {
        self.broken_redirect.load(Relaxed)
    }

    /// Shows whether it watches commands.
    pub(super) fn show_monitoring(&self, on: bool) {
        self.monitoring.store(on, Relaxed);
    }

    /// Redis' class of the connection.
    pub(super) fn class(&self) -> Class {
        if self.is_subscribed() { Class::Pubsub } else { Class::Normal }
    }

    /// Whether it has subscriptions of any kind.
    pub fn is_subscribed(&self) -> bool {
        self.subscriptions.iter().any(|count| count.load(Relaxed) > 0)
    }

    /// Whether a request of it waits, or is held up by a pause.
    pub fn is_blocked(&self) -> bool {
        self.blocked.load(SeqCst)
    }

    /// What the client says of itself.
    pub fn names(&self) -> Names {
        self.names.lock().clone()
    }

    /// The name that the client gave itself; empty without one.
    pub fn name(&self) -> String {
        self.names.lock().name.clone()
    }

    pub(super) fn set_names(&self, change: impl FnOnce(&mut Names)) {
        change(&mut self.names.lock());
    }

    /// Notes a request.
    pub(super) fn touch(&self, now: Instant, command: StatsIndex) {
        let millis = now.saturating_duration_since(self.created).as_millis();
        self.active_millis.store(u64::try_from(millis).unwrap_or(u64::MAX), Relaxed);
        self.last_command.store(command.place() + 1, Relaxed);
    }

    /// Seconds since the connection was made.
    pub fn age_seconds(&self) -> u64 {
        self.created.elapsed().as_secs()
    }

    /// Seconds since the last request.
    pub fn idle_seconds(&self) -> u64 {
        let millis = u64::try_from(self.created.elapsed().as_millis()).unwrap_or(u64::MAX);
        millis.saturating_sub(self.active_millis.load(Relaxed)) / 1000
    }

    /// Redis' letters for the connection's condition.
    fn flags(&self) -> String {
        let mut flags = String::new();
        for (set, letter) in [
            (self.monitoring.load(Relaxed), 'O'),
            (self.is_subscribed(), 'P'),
            (self.queued.load(Relaxed) >= 0, 'x'),
            (self.blocked.load(Relaxed), 'b'),
            (self.tracking.load(Relaxed) > 0, 't'),
            (self.has_broken_redirect(), 'R'),
            (self.tracks_by_prefix.load(Relaxed), 'B'),
            (self.closing.load(Relaxed), 'c'),
            (self.is_killed(), 'A'),
            (self.origin.unix, 'U'),
            (self.no_evict.load(Relaxed), 'e'),
            (self.no_touch.load(Relaxed), 'T'),
        ] {
            if set {
                flags.push(letter);
            }
        }
        if flags.is_empty() {
            flags.push('N');
        }
        flags
    }

    /// The connection's line of `CLIENT LIST`, without a line end, as Redis 7.2 writes it.
    pub fn line<'a>(&'a self, stats: &'a Stats) -> impl fmt::Display + 'a {
        Line { client: self, stats }
    }
}

struct Line<'a> {
    client: &'a Client,
    stats: &'a Stats,
}

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let client = self.client;
        let names = client.names();
        let input = client.input_bytes.load(Relaxed);
        let free = client.input_free_bytes.load(Relaxed);
        let output = client.output_bytes.load(Relaxed);
        let request = client.request_bytes.load(Relaxed);
        let queued = client.queued.load(Relaxed);
        let queued_bytes = client.queued_bytes.load(Relaxed);
        let command = match client.last_command.load(Relaxed).checked_sub(1) {
            Some(place) => self.stats.command(StatsIndex::at(place)).full_name(),
            None => "NULL".to_owned(),
        };
        write!(f, "id={} addr={} laddr={}", client.id, client.origin.addr, client.origin.laddr)?;
        write!(f, " fd={} name={}", client.origin.fd, names.name)?;
        write!(f, " age={} idle={}", client.age_seconds(), client.idle_seconds())?;
        write!(f, " flags={} db={}", client.flags(), client.db.load(Relaxed))?;
        let [sub, psub, ssub] = client.subscriptions.each_ref().map(|count| count.load(Relaxed));
        write!(f, " sub={sub} psub={psub} ssub={ssub} multi={queued} qbuf={input} qbuf-free={free}")?;
        write!(f, " argv-mem={request} multi-mem={queued_bytes} rbs={output} rbp={output}")?;
        // What Redis keeps in a client's own buffer, and the pieces in its list behind that.
        let first = output.min(OUTPUT_BYTES_UNCOUNTED);
        let behind = output - first + client.mailbox.bytes();
        let pieces =
            if behind == 0 { 0 } else { client.output_pieces.load(Relaxed).max(1) + client.mailbox.pieces() };
        write!(f, " obl={first} oll={pieces} omem={behind}")?;
        write!(f, " tot-mem={}", input + free + first + behind + queued_bytes + size_of::<Client>())?;
        let redirect = i64::try_from(client.tracking.load(Relaxed)).map_or(i64::MAX, |redirect| redirect - 1);
        let resp = client.resp.load(Relaxed);
        let user = client.user();
        let user = String::from_utf8_lossy(user.name());
        write!(f, " events=r cmd={command} user={user} redir={redirect} resp={resp}")?;
        write!(f, " lib-name={} lib-ver={}", names.lib_name, names.lib_ver)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_lives_as_long_as_its_registration() {
        let registry = Arc::new(ClientRegistry::default());
        let one = registry.register(ClientOrigin::default());
        let two = registry.register(ClientOrigin::default());
        assert_eq!((one.id, two.id, registry.len()), (1, 2, 2));
        drop(one);
        assert_eq!((registry.len(), registry.get(1).is_none()), (1, true));
        assert_eq!(registry.register(ClientOrigin::default()).id, 3, "an id is never used twice");
    }

    #[test]
    fn the_line_has_the_fields_of_redis_in_order() {
        let registry = Arc::new(ClientRegistry::default());
        let origin = ClientOrigin {
            addr: "1.2.3.4:5".to_owned(),
            laddr: "6.7.8.9:10".to_owned(),
            fd: 8,
            ..ClientOrigin::default()
        };
        let client = registry.register(origin);
        client.set_names(|names| names.name = "me".to_owned());
        let line = client.line(&Stats::default()).to_string();
        assert!(
            line.starts_with("id=1 addr=1.2.3.4:5 laddr=6.7.8.9:10 fd=8 name=me age=0 idle=0 flags=N db=0 ")
        );
        let fields: Vec<_> = line.split(' ').filter_map(|field| field.split_once('=')).map(|f| f.0).collect();
        let expected = "id addr laddr fd name age idle flags db sub psub ssub multi qbuf qbuf-free argv-mem \
                        multi-mem rbs rbp obl oll omem tot-mem events cmd user redir resp lib-name lib-ver";
        assert_eq!(fields.join(" "), expected);
    }
}
