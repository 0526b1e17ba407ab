//! What one client of the façade is and asks for: the commands of a Sentinel.
//!
//! For: turning requests into replies, subscriptions and wishes. Leaves to others: `SENTINEL` (`lookup`), sockets
//! (`connection`). Invariants: every request has a reply, a proper error at the least; what a client keeps is bounded
//! by [`SUBSCRIPTIONS_MAX`] and the limits on a request.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use bytes::Bytes;
use quorate::session::Tunables;
use quorate_commands::{Args, DEFAULT_USER, Error, User, glob};
use quorate_resp::{Protocol, Reply};

use super::events::Event;
use super::lookup::{self, Wish};
use super::{Peer, Shared, info};

pub(super) const REDIS_VERSION: &str = quorate::session::REDIS_VERSION;

/// Channels and patterns that one client may subscribe to.
const SUBSCRIPTIONS_MAX: usize = 128;

const WRONG_PASSWORD: &str = "WRONGPASS invalid username-password pair or user is disabled.";
const NO_PASSWORD_SET: &str = "ERR AUTH <password> called without any password configured for the default user. \
                               Are you sure your configuration is correct?";
const HELLO_NOT_AUTHENTICATED: &str = "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO AUTH <user> <pass> \
     option can be used to authenticate the client and select the RESP protocol version at the same time";
const BAD_NAME: &str = "ERR Client names cannot contain spaces, newlines or special characters.";
/// Longest name of a client, in bytes.
const NAME_BYTES_MAX: usize = 256;

/// The commands: name, least number of arguments with the name, and the most.
const COMMANDS: [(&str, usize, usize); 17] = [
    ("acl", 2, 3),
    ("auth", 2, 3),
    ("client", 2, 64),
    ("command", 1, 64),
    ("hello", 1, 16),
    ("info", 1, 64),
    ("ping", 1, 2),
    ("psubscribe", 2, usize::MAX),
    ("publish", 3, 3),
    ("punsubscribe", 1, usize::MAX),
    ("quit", 1, usize::MAX),
    ("reset", 1, 1),
    ("role", 1, 1),
    ("sentinel", 2, usize::MAX),
    ("shutdown", 1, 4),
    ("subscribe", 2, usize::MAX),
    ("unsubscribe", 1, usize::MAX),
];

/// What follows from a request beside its reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum After {
    Go,
    Close,
    /// The leadership is to be handed over.
    Failover,
}

/// One client.
pub(super) struct Client {
    shared: Arc<Shared>,
    peer: Arc<Peer>,
    protocol: Protocol,
    /// The name of the user that it has authenticated as.
    user: Option<Bytes>,
    channels: BTreeSet<Bytes>,
    patterns: BTreeSet<Bytes>,
}

impl Client {
    pub(super) fn new(shared: Arc<Shared>, peer: Arc<Peer>) -> Client {
        Client {
            shared,
            peer,
            protocol: Protocol::Resp2,
            user: None,
            channels: BTreeSet::new(),
            patterns: BTreeSet::new(),
        }
    }

    pub(super) fn is_subscribed(&self) -> bool {
        !self.channels.is_empty() || !self.patterns.is_empty()
    }

    /// Whether it has to authenticate before all else.
    pub(super) fn must_authenticate(&self, tunables: &Tunables) -> bool {
        self.shared.asks_password && tunables.has_password && self.user(tunables).is_none()
    }

    /// The user that it has authenticated as, if that one is still there.
    fn user<'t>(&self, tunables: &'t Tunables) -> Option<&'t User> {
        let user = tunables.users.get(self.user.as_ref()?)?;
        Some(&**user).filter(|user| user.is_enabled())
    }

    /// Answers a request.
    pub(super) fn answer(&mut self, args: Args<'_>, tunables: &Tunables, reply: &mut Reply) -> After {
        reply.set_protocol(self.protocol);
        let start = reply.len();
        match self.run(args, tunables, reply) {
            Ok(after) => after,
            Err(error) => {
                reply.truncate(start);
                reply.error(&error.to_string());
                After::Go
            }
        }
    }

    /// Writes a message, once for each subscription that it fits.
    pub(super) fn deliver(&self, event: &Event, reply: &mut Reply) {
        reply.set_protocol(self.protocol);
        if self.channels.contains(event.channel.as_bytes()) {
            reply.push(3);
            reply.bulk(b"message");
            reply.bulk(event.channel.as_bytes());
            reply.bulk(event.text.as_bytes());
        }
        for pattern in self.patterns.iter().filter(|p| glob::matches(p, event.channel.as_bytes())) {
            reply.push(4);
            reply.bulk(b"pmessage");
            reply.bulk(pattern);
            reply.bulk(event.channel.as_bytes());
            reply.bulk(event.text.as_bytes());
        }
    }

    fn run(&mut self, args: Args<'_>, tunables: &Tunables, reply: &mut Reply) -> Result<After, Error> {
        let name = args.at(0).to_ascii_lowercase();
        let known = COMMANDS.iter().find(|(command, ..)| command.as_bytes() == name);
        let Some((name, least, most)) = known else {
            let name = String::from_utf8_lossy(args.at(0)).chars().take(128).collect();
            let rest = args.from(1).iter().take(8).map(|arg| format!("'{}' ", String::from_utf8_lossy(arg)));
            return Err(Error::UnknownCommand {
                name,
                args: rest.collect::<String>().chars().take(128).collect(),
            });
        };
        self.peer.note(name);
        if !(*least..=*most).contains(&args.len()) {
            return Err(Error::WrongArity((*name).into()));
        }
        if self.must_authenticate(tunables) && !["auth", "hello", "quit", "reset"].contains(name) {
            return Err(Error::text("NOAUTH Authentication required."));
        }
        let in_between = ["ping", "psubscribe", "punsubscribe", "quit", "reset", "subscribe", "unsubscribe"];
        if self.protocol == Protocol::Resp2 && self.is_subscribed() && !in_between.contains(name) {
            return Err(Error::text(format!(
                "ERR Can't execute '{name}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed \
                 in this context"
            )));
        }
        self.dispatch(name, args, tunables, reply)
    }

    fn dispatch(
        &mut self,
        name: &str,
        args: Args<'_>,
        tunables: &Tunables,
        reply: &mut Reply,
    ) -> Result<After, Error> {
        match name {
            "ping" => self.ping(args, reply),
            "sentinel" => return self.sentinel(args, tunables, reply),
            "subscribe" | "psubscribe" => self.subscribe(name, args.from(1), reply)?,
            "unsubscribe" | "punsubscribe" => self.unsubscribe(name, args.from(1), reply),
            "auth" => {
                let (user, password) = match args.len() {
                    2 if !tunables.has_password => return Err(Error::text(NO_PASSWORD_SET)),
                    2 => (DEFAULT_USER, args.at(1)),
                    _ => (args.at(1), args.at(2)),
                };
                self.authenticate(user, password, tunables)?;
                reply.ok();
            }
            "hello" => self.hello(args, tunables, reply)?,
            "client" => self.client(args, reply)?,
            "command" => command(args, reply)?,
            "info" => reply.verbatim("txt", info::text(&self.shared, args.from(1)).as_bytes()),
            "role" => {
                reply.array(2);
                reply.bulk(b"sentinel");
                reply.array(self.shared.names().len());
                self.shared.names().iter().for_each(|name| reply.bulk(name.as_bytes()));
            }
            "acl" if args.is(1, "whoami") => reply.bulk(self.user.as_deref().unwrap_or(DEFAULT_USER)),
            "acl" => return Err(Error::text("ERR ACL is served on the Redis port")),
            "publish" if args.at(1) == b"__sentinel__:hello" => reply.integer(1),
            "publish" => {
                return Err(Error::text("ERR Only HELLO messages are accepted by Sentinel instances."));
            }
            "shutdown" => return Err(Error::text("ERR the Sentinel port ends with its node")),
            "reset" => self.reset(reply),
            _quit => {
                reply.ok();
                return Ok(After::Close);
            }
        }
        Ok(After::Go)
    }

    fn sentinel(&self, args: Args<'_>, tunables: &Tunables, reply: &mut Reply) -> Result<After, Error> {
        // Looking up is for everybody, as with Sentinel; moving the leadership is not.
        if args.is(1, "failover") {
            let default = tunables.users.default_user();
            let open = tunables.default_is_open.then_some(&**default);
            let user = self.user(tunables).or(open);
            let user = user.ok_or_else(|| Error::text("NOAUTH Authentication required."))?;
            // What moves the leadership of a Redis is this command on the Redis port.
            let command = quorate_commands::lookup(b"failover").expect("the table has it");
            let request = Args::new(&[b"failover"]);
            user.check(command, request).map_err(|denied| {
                Error::text(format!("NOPERM {}", denied.text(user, command, request, false)))
            })?;
        }
        Ok(match lookup::answer(&self.shared, args, reply)? {
            Wish::None => After::Go,
            Wish::Failover => After::Failover,
        })
    }

    fn ping(&self, args: Args<'_>, reply: &mut Reply) {
        if self.protocol == Protocol::Resp2 && self.is_subscribed() {
            reply.array(2);
            reply.bulk(b"pong");
            reply.bulk(args.get(1).unwrap_or_default());
        } else {
            match args.get(1) {
                Some(message) => reply.bulk(message),
                None => reply.simple("PONG"),
            }
        }
    }

    fn subscribe(&mut self, name: &str, names: &[&[u8]], reply: &mut Reply) -> Result<(), Error> {
        if self.channels.len() + self.patterns.len() + names.len() > SUBSCRIPTIONS_MAX {
            return Err(Error::text("ERR too many subscriptions"));
        }
        for channel in names {
            let set = if name == "subscribe" { &mut self.channels } else { &mut self.patterns };
            set.insert(Bytes::copy_from_slice(channel));
            self.confirm(name, Some(channel), reply);
        }
        Ok(())
    }

    fn unsubscribe(&mut self, name: &str, names: &[&[u8]], reply: &mut Reply) {
        let set = if name == "unsubscribe" { &mut self.channels } else { &mut self.patterns };
        let gone: Vec<Bytes> = match names {
            [] => set.iter().cloned().collect(),
            names => names.iter().map(|name| Bytes::copy_from_slice(name)).collect(),
        };
        if gone.is_empty() {
            return self.confirm(name, None, reply);
        }
        for channel in gone {
            let set = if name == "unsubscribe" { &mut self.channels } else { &mut self.patterns };
            set.remove(&channel);
            self.confirm(name, Some(&channel), reply);
        }
    }

    fn confirm(&self, name: &str, channel: Option<&[u8]>, reply: &mut Reply) {
        reply.push(3);
        reply.bulk(name.as_bytes());
        reply.bulk_or_null(channel);
        reply.count(self.channels.len() + self.patterns.len());
    }

    fn authenticate(&mut self, user: &[u8], password: &[u8], tunables: &Tunables) -> Result<(), Error> {
        let Some(user) = tunables.users.authenticate(user, password) else {
            return Err(Error::text(WRONG_PASSWORD));
        };
        self.user = Some(user.name().clone());
        Ok(())
    }

    fn hello(&mut self, args: Args<'_>, tunables: &Tunables, reply: &mut Reply) -> Result<(), Error> {
        let protocol = match args.get(1).map(quorate_resp::parse_i64) {
            None => self.protocol,
            Some(Some(2)) => Protocol::Resp2,
            Some(Some(3)) => Protocol::Resp3,
            Some(Some(_)) => return Err(Error::text("NOPROTO unsupported protocol version")),
            Some(None) => return Err(Error::text("ERR Protocol version is not an integer or out of range")),
        };
        let mut at = 2;
        while at < args.len() {
            if args.is(at, "auth") && at + 2 < args.len() {
                self.authenticate(args.at(at + 1), args.at(at + 2), tunables)?;
                at += 3;
            } else if args.is(at, "setname") && at + 1 < args.len() {
                let name = valid_name(args.at(at + 1))?;
                self.peer.set_names(|names| names.name = name);
                at += 2;
            } else {
                let option = String::from_utf8_lossy(args.at(at)).into_owned();
                return Err(Error::text(format!("ERR Syntax error in HELLO option '{option}'")));
            }
        }
        if self.must_authenticate(tunables) {
            return Err(Error::text(HELLO_NOT_AUTHENTICATED));
        }
        self.set_protocol(protocol);
        reply.set_protocol(protocol);
        reply.map(6);
        let version = if protocol == Protocol::Resp3 { 3 } else { 2 };
        for (name, value) in [("server", "redis"), ("version", REDIS_VERSION)] {
            reply.bulk(name.as_bytes());
            reply.bulk(value.as_bytes());
        }
        for (name, value) in [("proto", version), ("id", self.peer.id_shown())] {
            reply.bulk(name.as_bytes());
            reply.integer(value);
        }
        reply.bulk(b"mode");
        reply.bulk(b"sentinel");
        reply.bulk(b"modules");
        reply.array(0);
        Ok(())
    }

    fn set_protocol(&mut self, protocol: Protocol) {
        self.protocol = protocol;
        self.peer.resp.store(if protocol == Protocol::Resp3 { 3 } else { 2 }, Relaxed);
    }

    fn reset(&mut self, reply: &mut Reply) {
        self.channels.clear();
        self.patterns.clear();
        self.user = None;
        self.set_protocol(Protocol::Resp2);
        self.peer.set_names(|names| names.name.clear());
        reply.set_protocol(Protocol::Resp2);
        reply.simple("RESET");
    }

    fn client(&mut self, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
        let sub = args.at(1).to_ascii_lowercase();
        match (sub.as_slice(), args.len()) {
            (b"id", 2) => reply.integer(self.peer.id_shown()),
            (b"getname", 2) => {
                let name = self.peer.name();
                reply.bulk_or_null(Some(name.as_bytes()).filter(|name| !name.is_empty()));
            }
            (b"setname", 3) => {
                let name = valid_name(args.at(2))?;
                self.peer.set_names(|names| names.name = name);
                reply.ok();
            }
            (b"setinfo", 4) => {
                let value = valid_name(args.at(3)).map_err(|_| {
                    let option = String::from_utf8_lossy(args.at(2)).to_lowercase();
                    Error::text(format!(
                        "ERR {option} cannot contain spaces, newlines or special characters."
                    ))
                })?;
                if args.is(2, "lib-name") {
                    self.peer.set_names(|names| names.lib_name = value);
                } else if args.is(2, "lib-ver") {
                    self.peer.set_names(|names| names.lib_ver = value);
                } else {
                    let option = String::from_utf8_lossy(args.at(2)).into_owned();
                    return Err(Error::text(format!("ERR Unrecognized option '{option}'")));
                }
                reply.ok();
            }
            (b"info", 2) => {
                reply.verbatim("txt", format!("{}\n", self.peer.line()).as_bytes());
            }
            (b"list", _) => {
                let lines = self.shared.peers().into_iter().map(|peer| format!("{}\n", peer.line()));
                reply.verbatim("txt", lines.collect::<String>().as_bytes());
            }
            (b"no-evict" | b"no-touch", 3) => reply.ok(),
            _ => {
                let sub = String::from_utf8_lossy(args.at(1)).into_owned();
                return Err(Error::UnknownSubcommand { sub, container: "CLIENT".into() });
            }
        }
        Ok(())
    }
}

fn valid_name(name: &[u8]) -> Result<String, Error> {
    let fits = name.len() <= NAME_BYTES_MAX && name.iter().all(u8::is_ascii_graphic);
    if fits { Ok(String::from_utf8_lossy(name).into_owned()) } else { Err(Error::text(BAD_NAME)) }
}

/// `COMMAND`: what there is on this port.
fn command(args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    if args.is(1, "count") && args.len() == 2 {
        reply.count(COMMANDS.len());
    } else if args.is(1, "list") && args.len() == 2 {
        reply.array(COMMANDS.len());
        COMMANDS.iter().for_each(|(name, ..)| reply.bulk(name.as_bytes()));
    } else if args.is(1, "docs") {
        reply.map(0);
    } else if args.len() == 1 || args.is(1, "info") {
        let asked = args.from(2);
        let wanted = |name: &str| {
            asked.is_empty() || asked.iter().any(|asked| asked.eq_ignore_ascii_case(name.as_bytes()))
        };
        let found: Vec<_> = COMMANDS.iter().filter(|(name, ..)| wanted(name)).collect();
        reply.array(found.len());
        for (name, least, most) in found {
            let arity = i64::try_from(*least).unwrap_or(1);
            reply.array(7);
            reply.bulk(name.as_bytes());
            reply.integer(if least == most { arity } else { -arity });
            reply.set(1);
            reply.simple("sentinel");
            for _ in 0..3 {
                reply.integer(0);
            }
            reply.set(1);
            reply.simple("@connection");
        }
    } else {
        let sub = String::from_utf8_lossy(args.at(1)).into_owned();
        return Err(Error::UnknownSubcommand { sub, container: "COMMAND".into() });
    }
    Ok(())
}
