//! The operations of the workload model, as the commands that they send.
//!
//! Those that change transfers are in `transfers`. Each runs over one client's connection, batch after batch, as a server does that answers an HTTP request.
//! What must be found later is noted in the ledger with its outcome; what a read shows that cannot be is noted
//! at once (a transfer that was acknowledged and is not there).

use std::io;
use std::rc::Rc;

use super::super::connection::Connection;
use super::client::{Batch, Client};
use super::profile::Operation;

/// Tenants (access keys) of the site.
pub(super) const TENANTS: u64 = 20;
/// Folders of the site.
const FOLDERS: u64 = 200;
/// The one key whose name is known from the original.
pub(super) const CLUSTER_MASTER: &str = "skv:clmaster:str";
/// The most entries that a poller takes at once.
const LIST_MAX: &str = "200";
/// Changes of a watched folder at once.
const WATCH_CHANGES: u64 = 100;

/// The keys, by their names in the model.
pub(super) struct Names<'a>(pub(super) &'a str);

impl Names<'_> {
    pub(super) fn sequence(&self) -> String {
        format!("{}xfer:seq:str", self.0)
    }
    pub(super) fn event_sequence(&self) -> String {
        format!("{}ev:seq:str", self.0)
    }
    pub(super) fn by_change(&self) -> String {
        format!("{}xfer:bymod:zset", self.0)
    }
    pub(super) fn of_tenant(&self, tenant: u64) -> String {
        format!("{}xfer:ak:{tenant}:zset", self.0)
    }
    pub(super) fn active(&self) -> String {
        format!("{}xfer:active:set", self.0)
    }
    pub(super) fn transfer(&self, id: &str) -> String {
        format!("{}xfer:{id}:hash", self.0)
    }
    pub(super) fn sessions(&self, id: &str) -> String {
        format!("{}xfer:{id}:sess:hash", self.0)
    }
    pub(super) fn files(&self, id: &str) -> String {
        format!("{}xfer:{id}:files:list", self.0)
    }
    pub(super) fn event(&self, number: u64) -> String {
        format!("{}ev:{number}:str", self.0)
    }
    pub(super) fn events(&self) -> String {
        format!("{}ev:idx:zset", self.0)
    }
    pub(super) fn tenant(&self, tenant: u64) -> String {
        format!("{}ak:{tenant}:hash", self.0)
    }
    pub(super) fn usage(&self, tenant: u64) -> String {
        format!("{}usage:{tenant}:hash", self.0)
    }
    pub(super) fn permissions(&self, folder: u64) -> String {
        format!("{}perm:{folder}:hash", self.0)
    }
}

impl Client {
    /// Does one operation.
    pub(super) async fn perform(&mut self, operation: Operation) -> io::Result<()> {
        match operation {
            Operation::Create => self.create().await,
            Operation::Poll => self.poll().await,
            Operation::Start => self.start().await,
            Operation::Progress => self.progress().await,
            Operation::Files => self.files().await,
            Operation::End => self.end().await,
            Operation::List => self.list().await,
            Operation::Events => self.events().await,
            Operation::Browse => self.browse().await,
            Operation::Token => self.token().await,
            Operation::Permit => self.permit().await,
            Operation::Heartbeat => self.heartbeat().await,
            Operation::Check => self.check().await,
            Operation::Watch => self.watch().await,
            Operation::Connect => self.connect().await,
        }
    }

    /// The names of the site's keys.
    pub(super) fn keys(&self) -> Names<'_> {
        Names(&self.site.prefix)
    }

    /// The name of the transfer of this number.
    pub(super) fn id(&self, number: u64) -> String {
        format!("{}.{number}", self.site.label)
    }

    /// So many bytes that mean nothing.
    pub(super) fn text(&mut self, bytes: usize) -> Vec<u8> {
        let from = self.chance.below((self.site.filler.len() - bytes) as u64) as usize;
        self.site.filler[from..from + bytes].to_vec()
    }

    /// Any transfer of those that were acknowledged and have not ended, by its place in the ledger.
    pub(super) fn any_active(&mut self) -> Option<usize> {
        let active = self.site.state.borrow().active.len() as u64;
        (active > 0).then(|| {
            let at = self.chance.below(active) as usize;
            self.site.state.borrow().active[at]
        })
    }

    /// A: who asks?
    pub(super) async fn authenticate(&mut self) -> io::Result<u64> {
        let tenant = self.chance.below(TENANTS);
        let mut batch = Batch::reads();
        batch.add(&["HGETALL", &self.keys().tenant(tenant)]);
        self.call(batch).await?;
        Ok(tenant)
    }

    /// C: an acknowledged transfer is there, whoever is asked.
    async fn poll(&mut self) -> io::Result<()> {
        self.authenticate().await?;
        let Some(place) = self.any_active() else { return Ok(()) };
        let (number, files) = {
            let state = self.site.state.borrow();
            let transfer = &state.ledger.transfers[place];
            (transfer.id, transfer.files.acknowledged)
        };
        let id = self.id(number);
        let with_files = self.chance.below(4) == 0;
        let mut batch = Batch::reads();
        batch.add(&["HGETALL", &self.keys().transfer(&id)]);
        batch.add(&["HGETALL", &self.keys().sessions(&id)]);
        if with_files {
            batch.add(&["LRANGE", &self.keys().files(&id), "0", "999"]);
        }
        let replies = self.call(batch).await?;
        let node = &self.site.target.addresses[self.address];
        let mut state = self.site.state.borrow_mut();
        if replies.get(0).error().is_none() && replies.get(0).elements() == 0 {
            state.ledger.wrong(format!("{node}: transfer {id} was acknowledged and is not there"));
        }
        if with_files && replies.get(2).error().is_none() {
            let (seen, known) = (replies.get(2).elements() as u64, files.min(1000));
            if seen < known {
                let what = format!("{node}: transfer {id} has {seen} files, {known} were acknowledged");
                state.ledger.wrong(what);
            }
        }
        Ok(())
    }

    /// I: the transfers that changed since the last time, and each of them.
    async fn list(&mut self) -> io::Result<()> {
        self.authenticate().await?;
        let token = format!("({}", self.site.state.borrow().changes_token);
        let mut batch = Batch::reads();
        let by_change = self.keys().by_change();
        batch.add(&["ZRANGEBYSCORE", &by_change, &token, "+inf", "WITHSCORES", "LIMIT", "0", LIST_MAX]);
        let replies = self.call(batch).await?;
        let items: Vec<_> = replies.get(0).items().filter_map(|item| item.string()).collect();
        let mut batch = Batch::reads();
        for pair in items.chunks(2) {
            batch.add(&["HGETALL", &self.keys().transfer(&String::from_utf8_lossy(pair[0]))]);
        }
        if let Some(score) = items.last().and_then(|score| std::str::from_utf8(score).ok()?.parse().ok()) {
            let mut state = self.site.state.borrow_mut();
            state.changes_token = state.changes_token.max(score);
        }
        if batch.len() > 0 {
            self.call(batch).await?;
        }
        Ok(())
    }

    /// J: the events since the last time; each that is listed is there.
    async fn events(&mut self) -> io::Result<()> {
        self.authenticate().await?;
        let token = format!("({}", self.site.state.borrow().events_token);
        let mut batch = Batch::reads();
        batch.add(&["ZRANGEBYSCORE", &self.keys().events(), &token, "+inf", "LIMIT", "0", LIST_MAX]);
        let replies = self.call(batch).await?;
        let numbers: Vec<u64> = replies.get(0).items().filter_map(|item| item.integer()).collect();
        let Some(last) = numbers.last() else { return Ok(()) };
        let keys: Vec<_> = numbers.iter().map(|number| self.keys().event(*number)).collect();
        let mut args = vec!["MGET"];
        args.extend(keys.iter().map(String::as_str));
        let mut batch = Batch::reads();
        batch.add(&args);
        let replies = self.call(batch).await?;
        let node = &self.site.target.addresses[self.address];
        let mut state = self.site.state.borrow_mut();
        state.events_token = state.events_token.max(*last);
        for (number, event) in numbers.iter().zip(replies.get(0).items()) {
            if event.is_null() {
                state.ledger.wrong(format!("{node}: event {number} is listed and is not there"));
            }
        }
        Ok(())
    }

    /// K: a folder, by its ancestors' permissions; four of five times its list is kept.
    async fn browse(&mut self) -> io::Result<()> {
        self.authenticate().await?;
        let folder = self.chance.below(FOLDERS);
        let page = format!("{}dir:{folder}:0:str", self.site.prefix);
        let mut batch = Batch::reads();
        for above in 0..3 + self.chance.below(6) {
            batch.add(&["HGETALL", &self.keys().permissions(folder / (above + 1))]);
        }
        batch.add(&["GET", &page]);
        self.call(batch).await?;
        if self.chance.below(5) > 0 {
            return Ok(());
        }
        let mut batch = Batch::writes();
        for file in 0..20 {
            let fid = format!("{}fid:{folder}-{file}:hash", self.site.prefix);
            batch.add(&["HMSET", &fid, "path", "/some/folder/and/a/file", "parent", &folder.to_string()]);
        }
        let list = 20_000 << self.chance.below(5);
        let list = self.text(list);
        batch.add_bytes(&[b"SETEX", page.as_bytes(), b"300", &list]);
        self.call(batch).await?;
        Ok(())
    }

    /// L: a token for an upload or a download.
    async fn token(&mut self) -> io::Result<()> {
        self.authenticate().await?;
        let mut batch = Batch::reads();
        batch.add(&["GET", &format!("{}tokkey:xfer:str", self.site.prefix)]);
        self.call(batch).await?;
        self.event().await
    }

    /// M: a permission is given and taken.
    async fn permit(&mut self) -> io::Result<()> {
        self.authenticate().await?;
        let permissions = self.keys().permissions(FOLDERS);
        let user = format!("user{}", self.chance.below(50));
        let mut batch = Batch::writes();
        batch.add(&["HSET", &permissions, &user, "edit"]);
        batch.add(&["HDEL", &permissions, &format!("user{}", self.chance.below(50))]);
        self.call(batch).await?;
        self.event().await
    }

    /// N: a host is alive, and asks who leads.
    async fn heartbeat(&mut self) -> io::Result<()> {
        let host = self.chance.below(3);
        let mut batch = Batch::writes();
        batch.add(&["SET", &format!("{}node:{host}:hb", self.site.prefix), "1", "EX", "15"]);
        batch.add(&["GET", CLUSTER_MASTER]);
        self.call(batch).await?;
        Ok(())
    }

    /// S: a watched folder's changes, and its latest snapshots.
    async fn watch(&mut self) -> io::Result<()> {
        let watch = self.chance.below(10);
        let hash = format!("{}watch:{watch}:hash", self.site.prefix);
        let snapshots = format!("{}watch:{watch}:snap:zset", self.site.prefix);
        let mut batch = Batch::writes();
        for _ in 0..WATCH_CHANGES {
            let path = format!("/watched/{}", self.chance.below(20_000));
            if self.chance.below(10) == 0 {
                batch.add(&["HDEL", &hash, &path]);
            } else {
                batch.add(&["HMSET", &hash, &path, "12345 1700000000 0644"]);
            }
        }
        let snapshot = self.chance.next().to_string();
        let time = self.site.run.started.elapsed().as_millis().to_string();
        batch.add(&["ZADD", &snapshots, &time, &snapshot]);
        batch.add(&["ZREMRANGEBYRANK", &snapshots, "0", "-101"]);
        self.call(batch).await?;
        Ok(())
    }

    /// R: what a balancer sends: lines, over a connection of its own.
    async fn check(&mut self) -> io::Result<()> {
        self.elsewhere(async |client| {
            let mut batch = Batch::reads();
            for line in ["PING", "info replication", "QUIT"] {
                batch.add_inline(line);
            }
            client.call(batch).await?;
            Ok(())
        })
        .await
    }

    /// A connection that authenticates one request and goes.
    async fn connect(&mut self) -> io::Result<()> {
        self.elsewhere(async |client| client.authenticate().await.map(|_| ())).await
    }

    /// Does something over a new connection to the same address, which is closed after it.
    pub(super) async fn elsewhere(
        &mut self,
        work: impl AsyncFnOnce(&mut Self) -> io::Result<()>,
    ) -> io::Result<()> {
        let site = Rc::clone(&self.site);
        let fresh = Connection::open(&site.target, &site.target.addresses[self.address]).await;
        let fresh = fresh.inspect_err(|_| site.tally.borrow_mut().refused += 1)?;
        let kept = std::mem::replace(&mut self.connection, fresh);
        let result = work(self).await;
        let fresh = std::mem::replace(&mut self.connection, kept);
        let mut tally = site.tally.borrow_mut();
        tally.bytes_sent += fresh.bytes_sent;
        tally.bytes_received += fresh.bytes_received;
        result
    }
}
