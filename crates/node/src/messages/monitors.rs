//! Who watches the commands of this node's clients (`MONITOR`).
//!
//! For: entering, leaving, and telling. Leaves to others: what is told (`session::monitor`).
//! Called by: sessions. Invariant: without anybody who watches, a request costs one atomic load.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use parking_lot::Mutex;

use crate::session::{Client, OutputLimits};

/// The connections that watch.
#[derive(Debug, Default)]
pub(crate) struct Monitors {
    len: AtomicUsize,
    clients: Mutex<BTreeMap<u64, Arc<Client>>>,
}

impl Monitors {
    pub(crate) fn is_empty(&self) -> bool {
        self.len.load(Ordering::Acquire) == 0
    }

    pub(crate) fn enter(&self, client: Arc<Client>) {
        let mut clients = self.clients.lock();
        clients.insert(client.id, client);
        self.len.store(clients.len(), Ordering::Release);
    }

    pub(crate) fn leave(&self, id: u64) {
        let mut clients = self.clients.lock();
        clients.remove(&id);
        self.len.store(clients.len(), Ordering::Release);
    }

    pub(crate) fn tell(&self, line: &Bytes, limits: &OutputLimits) {
        for client in self.clients.lock().values() {
            // One that is cut off, or is gone, leaves by itself.
            let _sent = client.send(line.clone(), limits);
        }
    }
}
