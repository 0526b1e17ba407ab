//! What commands that wait have in common: their timeouts, and becoming a waiter.

use std::ops::Range;

use quorate_keyspace::Millis;
use quorate_resp::Request;

use super::{Kind, Ticket, Waiter, Waiting};
use crate::{Args, Error, Write};

/// Argument `i`, a timeout in seconds or fractions of one, as milliseconds; 0 is forever.
pub(crate) fn seconds(args: Args<'_>, i: usize) -> Result<i64, Error> {
    let bad = || Error::text("ERR timeout is not a float or out of range");
    let seconds = quorate_resp::parse_f64(&args[i]).filter(|seconds| seconds.is_finite()).ok_or_else(bad)?;
    let millis = (seconds * 1000.0).ceil();
    // 2^63: what does not fit is no timeout in Redis either.
    if millis >= 9_223_372_036_854_775_808.0 {
        return Err(bad());
    }
    if millis < 0.0 {
        return Err(Error::text("ERR timeout is negative"));
    }
    Ok(millis as i64)
}

impl Write<'_> {
    /// Makes the request a waiter for these arguments, the keys; or leaves it one, if it is run again. False if it may
    /// not wait: then the command answers as at its timeout.
    pub(crate) fn wait(
        &mut self,
        kind: Kind,
        args: Args<'_>,
        keys: Range<usize>,
        timeout_millis: i64,
    ) -> bool {
        let ticket = match self.waiting {
            Waiting::Never => return false,
            Waiting::Again(ticket) => ticket,
            Waiting::Does(_) => unreachable!("a command waits once"),
            Waiting::May(seat) => {
                let ticket = Ticket::of(self.version);
                let asked = (timeout_millis > 0).then(|| Millis(self.now.0.saturating_add(timeout_millis)));
                let waiter = Waiter {
                    node: seat.node,
                    incarnation: seat.incarnation,
                    db: self.db,
                    deadline: seat.deadline.unwrap_or(asked),
                    kind,
                    keys,
                    request: Request::from_args(args.as_slice()),
                };
                self.state.waiters.add(&mut self.state.keyspace, ticket, waiter);
                ticket
            }
        };
        self.waiting = Waiting::Does(ticket);
        true
    }
}
