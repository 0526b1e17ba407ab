//! `REPLCONF` and `PSYNC`: a stock Redis becomes a replica of this node.
//!
//! For: the handshake. Leaves to others: what a replica is sent (`crate::following`).
//! Invariant: the copy holds everything that was acknowledged on any node before `PSYNC` was sent.

use std::sync::Arc;

use quorate_commands::{Args, Error};

use super::Session;
use super::backend::{Backend, ReadMode};
use crate::following::feed;
use crate::group::Failure;

/// How far a connection is on its way to be a replica's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum State {
    /// It has said nothing of it.
    #[default]
    Nothing,
    /// It knows how to take a copy whose length is not known before.
    TakesMark,
    /// It follows.
    Follows,
}

impl<B: Backend> Session<B> {
    pub(super) fn replconf(&mut self, args: Args<'_>) -> Result<(), Error> {
        if args.len().is_multiple_of(2) {
            return Err(Error::Syntax);
        }
        for i in (1..args.len()).step_by(2) {
            if args.is(i, "ack") {
                // How far a replica is decides nothing here, and is not answered.
                return Ok(());
            }
            let known = ["listening-port", "ip-address", "capa", "version", "rdb-only", "rdb-filter-only"];
            if !known.iter().any(|known| args.is(i, known)) {
                let option = String::from_utf8_lossy(&args[i]).into_owned();
                return Err(Error::text(format!("ERR Unrecognized REPLCONF option: {option}")));
            }
            if args.is(i, "capa") && args.is(i + 1, "eof") && self.following == State::Nothing {
                self.following = State::TakesMark;
            }
        }
        self.reply.ok();
        Ok(())
    }

    pub(super) async fn psync(&mut self) -> Result<(), Error> {
        match self.following {
            State::TakesMark => {}
            State::Nothing => {
                return Err(Error::text(
                    "ERR A replica has to take a copy whose length is not known before (REPLCONF capa eof)",
                ));
            }
            State::Follows => return Err(Error::text("ERR This connection is a replica's already")),
        }
        match self.backend.barrier(ReadMode::Index).await {
            Ok(_) => {}
            Err(Failure::Refused(text)) => return Err(Error::text(text)),
            Err(Failure::Unknown) => return Err(Error::text("CLUSTERDOWN The cluster is down")),
        }
        self.following = State::Follows;
        let id = self.backend.facts().run_id;
        // All that is sent from now on comes as mail; there is no reply.
        tokio::spawn(feed(Arc::clone(&self.backend), self.client.handle(), id));
        Ok(())
    }
}
