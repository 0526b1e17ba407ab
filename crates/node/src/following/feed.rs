//! What one replica is sent: a copy, then rounds of changes.
//!
//! ```text
//! +FULLRESYNC id 0 CRLF "$EOF:" mark CRLF rdb mark
//! round := MULTI? ( SELECT db | RESTORE key ttl value REPLACE ABSTTL | DEL key | FLUSHDB | FUNCTION RESTORE … )* EXEC?
//! ```
//!
//! Called by: a task of its own for each replica. Invariants: no more than [`WINDOW_BYTES`] and one value wait for the
//! replica; a capture of the state is held while it is sent, and costs memory only for what changes meanwhile.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use quorate_commands::{Scripts, rdb};
use quorate_keyspace::{DbIndex, Entry, Millis, Snapshot};

use super::followers::{Changed, Following};
use crate::session::{Backend, Client, REDIS_VERSION};

/// Bytes that may wait for a replica before more is made.
const WINDOW_BYTES: usize = 1 << 20;
/// How long to look away while that many wait.
const WINDOW_PAUSE: Duration = Duration::from_millis(2);
/// Bytes from which on what was made is handed over.
const PIECE_BYTES: usize = 64 * 1024;
/// Between signs of life to a replica that has nothing to be told.
const PING_PAUSE: Duration = Duration::from_secs(5);
/// Changes of one round that a replica shows at once.
const TOGETHER_MAX: usize = 1024;

const MARK_BYTES: usize = 40;

/// The replica is gone.
struct Gone;

/// A state at one position of the log.
struct Moment {
    keyspace: Snapshot,
    scripts: Scripts,
    now: Millis,
}

/// Sends everything, and then what changes, until the replica goes.
pub(crate) async fn feed<B: Backend>(backend: Arc<B>, client: Arc<Client>, id: String) {
    let (following, moment) = backend.with_state(|state| {
        let following = backend.front().followers.enter();
        (
            following,
            Moment { keyspace: state.keyspace.capture(), scripts: state.scripts.clone(), now: state.clock },
        )
    });
    let mut feed = Feed { backend, client, out: Vec::new(), db: None };
    if feed.run(&following, moment, &id).await.is_err() {
        tracing::info!(replica = %feed.client.origin.addr, "a replica that followed this node is gone");
    }
    // A replica whose feed has ended has to begin anew.
    feed.client.kill();
}

struct Feed<B> {
    backend: Arc<B>,
    client: Arc<Client>,
    out: Vec<u8>,
    /// The database that the replica has selected.
    db: Option<DbIndex>,
}

/// Forty digits that end the copy: they must not be in the data, so nobody who makes data may know them before.
fn mark() -> String {
    let keys = RandomState::new();
    let digits: String = (0..3).map(|i| format!("{:016x}", keys.hash_one(i))).collect();
    digits[..MARK_BYTES].to_owned()
}

impl<B: Backend> Feed<B> {
    async fn run(&mut self, following: &Following, moment: Moment, id: &str) -> Result<(), Gone> {
        tracing::info!(replica = %self.client.origin.addr, keys = moment.keyspace.len(), "a replica follows this node");
        let mut scripts = moment.scripts.clone();
        self.copy(moment, id).await?;
        loop {
            let pinged = tokio::time::timeout(PING_PAUSE, following.arrived()).await.is_err();
            if pinged {
                self.command(&[b"PING"]);
                self.hand_over().await?;
                continue;
            }
            // With the state locked, so that the notes and the capture are of one position.
            let (changes, moment) = self.backend.with_state(|state| {
                let changes = following.take();
                let is_same = changes.is_empty() && state.scripts.has_same_libraries(&scripts);
                let moment = (!is_same).then(|| Moment {
                    keyspace: state.keyspace.capture(),
                    scripts: state.scripts.clone(),
                    now: state.clock,
                });
                (changes, moment)
            });
            let Some(moment) = moment else { continue };
            if !moment.scripts.has_same_libraries(&scripts) {
                self.command(&[b"FUNCTION", b"RESTORE", &moment.scripts.dump_libraries(), b"FLUSH"]);
                scripts = moment.scripts.clone();
            }
            self.round(&changes, &moment).await?;
        }
    }

    /// Sends everything as an RDB file.
    async fn copy(&mut self, moment: Moment, id: &str) -> Result<(), Gone> {
        let mark = mark();
        self.out.extend(format!("+FULLRESYNC {id} 0\r\n$EOF:{mark}\r\n").as_bytes());
        self.hand_over().await?;
        let mut checksum = 0;
        rdb::file::head(&mut self.out);
        rdb::file::note("redis-ver", REDIS_VERSION, &mut self.out);
        rdb::file::note("redis-bits", "64", &mut self.out);
        rdb::file::note("quorate-clock", &moment.now.0.to_string(), &mut self.out);
        for code in moment.scripts.library_codes() {
            rdb::file::function(code, &mut self.out);
        }
        for db in DbIndex::all() {
            let count = moment.keyspace.db_len(db);
            if count == 0 {
                continue;
            }
            rdb::file::database(db, count, &mut self.out);
            for (key, entry) in moment.keyspace.entries(db) {
                if entry.is_expired(moment.now) {
                    continue;
                }
                rdb::file::key(key, entry.value(), entry.expires(), &mut self.out);
                if self.out.len() >= PIECE_BYTES {
                    checksum = rdb::crc64_after(checksum, &self.out);
                    self.hand_over().await?;
                }
            }
        }
        rdb::file::end(checksum, &mut self.out);
        self.out.extend_from_slice(mark.as_bytes());
        self.hand_over().await
    }

    /// Sends what has changed, as it is at a moment.
    async fn round(&mut self, changes: &BTreeMap<DbIndex, Changed>, moment: &Moment) -> Result<(), Gone> {
        let count: usize = changes.values().map(|changed| changed.keys.len()).sum();
        let together = count > 1 && count <= TOGETHER_MAX && !changes.values().any(|changed| changed.all);
        if together {
            self.command(&[b"MULTI"]);
        }
        for (&db, changed) in changes {
            if self.db != Some(db) {
                self.db = Some(db);
                self.command(&[b"SELECT", db.as_u8().to_string().as_bytes()]);
            }
            if changed.all {
                self.command(&[b"FLUSHDB"]);
                for (key, entry) in moment.keyspace.entries(db) {
                    self.tell(key, Some(entry), moment.now, true).await?;
                }
            }
            for key in &changed.keys {
                self.tell(key, moment.keyspace.get(db, key), moment.now, false).await?;
            }
        }
        if together {
            self.command(&[b"EXEC"]);
        }
        self.hand_over().await
    }

    async fn tell(
        &mut self,
        key: &[u8],
        entry: Option<&Entry>,
        now: Millis,
        is_new: bool,
    ) -> Result<(), Gone> {
        match entry.filter(|entry| !entry.is_expired(now)) {
            Some(entry) => {
                let expires = entry.expires().map_or(0, |at| at.0.max(1)).to_string();
                let payload = rdb::dump(entry.value());
                self.command(&[b"RESTORE", key, expires.as_bytes(), &payload, b"REPLACE", b"ABSTTL"]);
            }
            None if is_new => {}
            None => self.command(&[b"DEL", key]),
        }
        if self.out.len() >= PIECE_BYTES { self.hand_over().await } else { Ok(()) }
    }

    fn command(&mut self, args: &[&[u8]]) {
        self.out.extend(format!("*{}\r\n", args.len()).as_bytes());
        for arg in args {
            self.out.extend(format!("${}\r\n", arg.len()).as_bytes());
            self.out.extend_from_slice(arg);
            self.out.extend_from_slice(b"\r\n");
        }
    }

    /// Hands over what was made, once there is room for it.
    async fn hand_over(&mut self) -> Result<(), Gone> {
        let mut made = Bytes::from(std::mem::take(&mut self.out));
        while !made.is_empty() {
            while self.client.unread_bytes() >= WINDOW_BYTES && !self.is_gone() {
                tokio::time::sleep(WINDOW_PAUSE).await;
            }
            let piece = made.split_to(made.len().min(WINDOW_BYTES));
            let limits = self.backend.front().tunables().output_limits;
            if self.is_gone() || !self.client.send(piece, &limits) {
                return Err(Gone);
            }
        }
        // Whoever makes a copy of much is not to keep others from their turn.
        tokio::task::yield_now().await;
        Ok(())
    }

    fn is_gone(&self) -> bool {
        self.client.is_deaf() || self.client.is_killed() || self.backend.is_stopping()
    }
}
