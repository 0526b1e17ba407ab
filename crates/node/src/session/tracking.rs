//! `CLIENT TRACKING`, `CLIENT CACHING`, `CLIENT TRACKINGINFO` and `CLIENT GETREDIR`.
//!
//! For: how a connection wants to be told of changed keys, and which of its requests count as reading them. Leaves to
//! others: who keeps what, and telling (`crate::messages::tracking`).
//! Invariant: a slot that remembers keys stands right before the one that reads them.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use bytes::Bytes;
use quorate_commands::{Args, Command, Error, Flag, Group};
use quorate_resp::Request;

use super::Session;
use super::backend::Backend;
use crate::group::{Act, Slot};
use crate::messages::{Action, Effect, Post, Tracker};

const SYNTAX: Error = Error::Syntax;
const NOT_TRACKING: &str = "ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode enabled";

/// Prefixes that one client may be told of; each change is held against all of them.
const PREFIXES_MAX: usize = 1024;

/// How a connection tracks. Its end is the end of that.
#[derive(Debug)]
pub(super) struct TrackingMode {
    options: Options,
    /// `CLIENT CACHING` was said for the next command.
    caching: bool,
    prefixes: BTreeSet<Bytes>,
    client: u64,
    post: Arc<Post>,
}

/// What `CLIENT TRACKING ON` was told.
#[derive(Debug, Default, Clone, Copy)]
struct Options {
    redirect: u64,
    bcast: bool,
    optin: bool,
    optout: bool,
    noloop: bool,
}

impl TrackingMode {
    /// Whether the client keeps what its next request reads; that is chosen for one request alone.
    fn take_choice(&mut self) -> bool {
        let Options { bcast, optin, optout, .. } = self.options;
        let caching = std::mem::take(&mut self.caching);
        !(bcast || optin && !caching || optout && caching)
    }
}

impl Drop for TrackingMode {
    fn drop(&mut self) {
        self.post.tracking.leave(self.client);
    }
}

impl<B: Backend> Session<B> {
    pub(super) fn client_tracking(&mut self, args: Args<'_>) -> Result<(), Error> {
        let (options, prefixes) = self.tracking_options(args)?;
        if args.is(2, "ON") {
            self.track(options, prefixes)?;
        } else if args.is(2, "OFF") {
            self.tracking = None;
            self.client.show_tracking(None);
        } else {
            return Err(SYNTAX);
        }
        self.reply.ok();
        Ok(())
    }

    fn tracking_options(&self, args: Args<'_>) -> Result<(Options, Vec<Bytes>), Error> {
        let (mut options, mut prefixes) = (Options::default(), Vec::new());
        let mut at = 3;
        while at < args.len() {
            let has_value = at + 1 < args.len();
            if args.is(at, "REDIRECT") && has_value {
                if options.redirect != 0 {
                    return Err(Error::text("ERR A client can only redirect to a single other client"));
                }
                let id = args.integer(at + 1)?;
                options.redirect = u64::try_from(id).unwrap_or(0);
                let other = self.backend.front().clients.get(options.redirect);
                if other.is_none_or(|other| other.is_deaf()) {
                    return Err(Error::text("ERR The client ID you want redirect to does not exist"));
                }
                at += 1;
            } else if args.is(at, "PREFIX") && has_value {
                prefixes.push(Bytes::copy_from_slice(&args[at + 1]));
                at += 1;
            } else if args.is(at, "BCAST") {
                options.bcast = true;
            } else if args.is(at, "OPTIN") {
                options.optin = true;
            } else if args.is(at, "OPTOUT") {
                options.optout = true;
            } else if args.is(at, "NOLOOP") {
                options.noloop = true;
            } else {
                return Err(SYNTAX);
            }
            at += 1;
        }
        Ok((options, prefixes))
    }

    fn track(&mut self, options: Options, mut prefixes: Vec<Bytes>) -> Result<(), Error> {
        let old = self.tracking.as_deref();
        check_options(options, old.map(|old| old.options), !prefixes.is_empty())?;
        let own = old.map(|old| old.prefixes.clone()).unwrap_or_default();
        if options.bcast {
            check_prefixes(&prefixes, &own)?;
            if prefixes.is_empty() {
                prefixes.push(Bytes::new());
            }
        }
        let post = Arc::clone(&self.backend.front().post);
        let Options { redirect, bcast, noloop, .. } = options;
        let tracker = Tracker { client: self.client.handle(), redirect, bcast, noloop };
        post.tracking.enter(tracker, prefixes.iter().cloned());
        let client = self.client.id;
        let mode = self.tracking.get_or_insert_with(|| {
            let prefixes = BTreeSet::new();
            Box::new(TrackingMode { options, caching: false, prefixes, client, post })
        });
        mode.options = options;
        mode.prefixes.extend(prefixes);
        self.client.show_tracking(Some((redirect, bcast)));
        Ok(())
    }

    pub(super) fn client_caching(&mut self, args: Args<'_>) -> Result<(), Error> {
        let Some(mode) = self.tracking.as_deref_mut() else { return Err(Error::text(NOT_TRACKING)) };
        if args.is(2, "YES") {
            if !mode.options.optin {
                return Err(Error::text(
                    "ERR CLIENT CACHING YES is only valid when tracking is enabled in OPTIN mode.",
                ));
            }
        } else if args.is(2, "NO") {
            if !mode.options.optout {
                return Err(Error::text(
                    "ERR CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode.",
                ));
            }
        } else {
            return Err(SYNTAX);
        }
        mode.caching = true;
        self.reply.ok();
        Ok(())
    }

    pub(super) fn client_trackinginfo(&mut self) {
        let mut flags: Vec<&[u8]> = Vec::new();
        let (mut redirect, mut prefixes) = (-1, Vec::new());
        match self.tracking.as_deref() {
            None => flags.push(b"off"),
            Some(mode) => {
                let Options { bcast, optin, optout, noloop, .. } = mode.options;
                let caching = mode.caching;
                for (holds, flag) in [
                    (true, &b"on"[..]),
                    (bcast, b"bcast"),
                    (optin, b"optin"),
                    (optin && caching, b"caching-yes"),
                    (optout, b"optout"),
                    (optout && caching, b"caching-no"),
                    (noloop, b"noloop"),
                    (self.client.has_broken_redirect(), b"broken_redirect"),
                ] {
                    if holds {
                        flags.push(flag);
                    }
                }
                redirect = i64::try_from(mode.options.redirect).unwrap_or(i64::MAX);
                prefixes.extend(mode.prefixes.iter().cloned());
            }
        }
        let reply = &mut self.reply;
        reply.map(3);
        reply.bulk(b"flags");
        reply.set(flags.len());
        flags.into_iter().for_each(|flag| reply.bulk(flag));
        reply.bulk(b"redirect");
        reply.integer(redirect);
        reply.bulk(b"prefixes");
        reply.array(prefixes.len());
        prefixes.iter().for_each(|prefix| reply.bulk(prefix));
    }

    pub(super) fn client_getredir(&mut self) {
        let redirect = self
            .tracking
            .as_ref()
            .map_or(-1, |mode| i64::try_from(mode.options.redirect).unwrap_or(i64::MAX));
        self.reply.integer(redirect);
    }

    /// The keys that the client of a request keeps, of one that is not executed with others.
    pub(super) fn keys_to_track(&mut self, command: &Command, request: &Request) -> Vec<Bytes> {
        let Some(mode) = self.tracking.as_deref_mut() else { return Vec::new() };
        if !mode.take_choice() {
            return Vec::new();
        }
        let args: Vec<&[u8]> = request.args().collect();
        read_keys(command, Args::new(&args))
    }

    /// Puts what a request needs for tracking before it: its keys are remembered, and what it changes is known as the
    /// client's own.
    pub(super) fn note_tracked<'r>(
        &mut self,
        requests: impl Iterator<Item = (&'static Command, &'r Request)>,
    ) {
        let Some(mode) = self.tracking.as_deref_mut() else { return };
        let keeps = mode.take_choice();
        let id = self.client.id;
        if mode.options.noloop {
            let author = Action::new(move |effects| effects.push(Effect::Author(Some(id))));
            self.pending.push(Slot::Act(Act(author)));
        }
        let (mut keys, mut has_script) = (Vec::new(), false);
        for (command, request) in requests {
            has_script |= command.group == Group::Scripting;
            let args: Vec<&[u8]> = request.args().collect();
            keys.extend(read_keys(command, Args::new(&args)));
        }
        if has_script {
            let client = self.client.handle();
            let keep = Action::new(move |_| client.keeps_script_reads.store(keeps, Relaxed));
            self.pending.push(Slot::Act(Act(keep)));
        }
        if keys.is_empty() || !keeps {
            return;
        }
        let post = Arc::clone(&mode.post);
        let (keys_max, limits) = (self.tunables.tracked_keys_max, self.tunables.output_limits);
        let remember = Action::new(move |_| post.tracking.remember(id, &keys, keys_max, &limits));
        self.pending.push(Slot::Act(Act(remember)));
    }
}

/// The keys of a request that its client may keep.
pub(super) fn read_keys(command: &Command, args: Args<'_>) -> Vec<Bytes> {
    // What a script reads is not known before it runs, whatever keys it is given: each of its commands is seen then.
    let is_script = command.group == Group::Scripting;
    if !command.flags.has(Flag::Readonly) || is_script || command.flags.has(Flag::Pubsub) {
        return Vec::new();
    }
    let positions = quorate_commands::keys(command, args).unwrap_or_default();
    positions.into_iter().map(|key| Bytes::copy_from_slice(&args[key.index])).collect()
}

fn check_options(new: Options, old: Option<Options>, has_prefixes: bool) -> Result<(), Error> {
    let switches_bcast = old.is_some_and(|old| old.bcast != new.bcast);
    let switches_opt = old.is_some_and(|old| new.optin && old.optout || new.optout && old.optin);
    let text = if has_prefixes && !new.bcast {
        "ERR PREFIX option requires BCAST mode to be enabled"
    } else if switches_bcast {
        "ERR You can't switch BCAST mode on/off before disabling tracking for this client, and then re-enabling it with a different mode."
    } else if new.bcast && (new.optin || new.optout) {
        "ERR OPTIN and OPTOUT are not compatible with BCAST"
    } else if new.optin && new.optout {
        "ERR You can't specify both OPTIN mode and OPTOUT mode"
    } else if switches_opt {
        "ERR You can't switch OPTIN/OPTOUT mode before disabling tracking for this client, and then re-enabling it with a different mode."
    } else {
        return Ok(());
    };
    Err(Error::text(text))
}

fn check_prefixes(new: &[Bytes], own: &BTreeSet<Bytes>) -> Result<(), Error> {
    let overlap = |a: &[u8], b: &[u8]| a.starts_with(b) || b.starts_with(a);
    let refuse = |prefix: &[u8], what: &str, other: &[u8]| {
        let (prefix, other) = (String::from_utf8_lossy(prefix), String::from_utf8_lossy(other));
        Err(Error::text(format!(
            "ERR Prefix '{prefix}' overlaps with {what} prefix '{other}'. Prefixes for a single client must not overlap."
        )))
    };
    if new.len() + own.len() > PREFIXES_MAX {
        return Err(Error::text("ERR Too many prefixes for a single client"));
    }
    for (i, prefix) in new.iter().enumerate() {
        if let Some(other) = own.iter().find(|other| overlap(other, prefix)) {
            return refuse(prefix, "an existing", other);
        }
        if let Some(other) = new[i + 1..].iter().find(|other| overlap(prefix, other)) {
            return refuse(prefix, "another provided", other);
        }
    }
    Ok(())
}
