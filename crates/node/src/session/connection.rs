//! Commands that change the connection itself: greeting, authentication, database, end.
//!
//! For: `PING ECHO AUTH HELLO SELECT RESET` and `CLIENT REPLY`, with the replies and error texts of Redis 7.2.
//! Leaves to others: `CLIENT` but for its reply mode (`client`).
//!
//! Invariant: a password that was set anywhere before is never refused: before a wrong password is refused,
//! the node asks the cluster for its newest settings.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use bytes::Bytes;
use quorate_commands::{Args, DEFAULT_USER, Denial, Denied, Error, SessionCommand};
use quorate_keyspace::DbIndex;
use quorate_resp::Protocol;

use super::acl_log::Context;
use super::backend::Backend;
use super::{Flow, REDIS_VERSION, Session, Silence};

const WRONG_PASSWORD: &str = "WRONGPASS invalid username-password pair or user is disabled.";
const NO_PASSWORD_SET: &str = "ERR AUTH <password> called without any password configured for the default user. \
                               Are you sure your configuration is correct?";
const HELLO_NOT_AUTHENTICATED: &str = "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO AUTH <user> <pass> \
     option can be used to authenticate the client and select the RESP protocol version at the same time";

impl<B: Backend> Session<B> {
    /// Answers a command that depends on nothing but the connection.
    pub(super) fn answer(&mut self, kind: SessionCommand, args: Args<'_>) -> Result<(), Error> {
        use SessionCommand as Kind;
        match kind {
            Kind::Ping => self.ping(args),
            Kind::Echo => {
                self.reply.bulk(&args[1]);
                Ok(())
            }
            Kind::Select => self.select(args),
            Kind::AclWhoami => {
                self.reply.bulk(self.user.name());
                Ok(())
            }
            Kind::Cluster => Err(Error::text("ERR This instance has cluster support disabled")),
            Kind::Module => Err(Error::text("ERR Quorate loads no modules")),
            Kind::Replicaof => Err(Error::text(
                "ERR REPLICAOF is not supported: the nodes of a Quorate cluster replicate each other, see `quorate cluster`",
            )),
            Kind::ClientReply => self.client_reply(args),
            Kind::Multi => self.multi(),
            Kind::Discard => self.discard_on_request(),
            Kind::Unwatch => self.unwatch(),
            _ => self.answer_client(kind, args),
        }
    }

    /// Answers a command that follows everything before it.
    pub(super) async fn answer_in_turn(
        &mut self,
        kind: SessionCommand,
        args: Args<'_>,
    ) -> Result<Flow, Error> {
        use SessionCommand as Kind;
        match kind {
            Kind::Auth => self.auth(args).await.map(|()| Flow::Continue),
            Kind::Hello => self.hello(args).await.map(|()| Flow::Continue),
            Kind::Reset => {
                self.reset();
                Ok(Flow::Continue)
            }
            Kind::Subscribe
            | Kind::Unsubscribe
            | Kind::Psubscribe
            | Kind::Punsubscribe
            | Kind::Ssubscribe
            | Kind::Sunsubscribe => self.subscription(kind, args).await,
            Kind::Quit => {
                self.reply.ok();
                Ok(Flow::Close)
            }
            Kind::Monitor => {
                self.monitor();
                Ok(Flow::Continue)
            }
            Kind::Replconf => self.replconf(args).map(|()| Flow::Continue),
            Kind::Psync => self.psync().await.map(|()| Flow::Continue),
            Kind::Watch => self.watch(args).await.map(|()| Flow::Continue),
            Kind::ClientKill => self.client_kill(args),
            Kind::ClientUnblock => self.client_unblock(args).await,
            Kind::ClientInfo
            | Kind::ClientList
            | Kind::ClientPause
            | Kind::ClientReadmode
            | Kind::ClientUnpause => self.answer_client(kind, args).map(|()| Flow::Continue),
            _ => self.answer_for_node(kind, args).await,
        }
    }

    fn ping(&mut self, args: Args<'_>) -> Result<(), Error> {
        match args.len() {
            1 | 2 if self.only_listens() => {
                self.reply.array(2);
                self.reply.bulk(b"pong");
                self.reply.bulk(args.get(1).unwrap_or_default());
            }
            1 => self.reply.simple("PONG"),
            2 => self.reply.bulk(&args[1]),
            _ => return Err(Error::WrongArity("ping".into())),
        }
        Ok(())
    }

    fn select(&mut self, args: Args<'_>) -> Result<(), Error> {
        let number = args.integer(1)?;
        // What is no `int` of C is refused before it is looked at as a database.
        if i32::try_from(number).is_err() {
            let (least, most) = (i32::MIN, i32::MAX);
            return Err(Error::text(format!(
                "ERR value is out of range, value must between {least} and {most}"
            )));
        }
        let db = DbIndex::new(number).ok_or(Error::DbOutOfRange)?;
        self.set_db(db);
        self.reply.ok();
        Ok(())
    }

    fn client_reply(&mut self, args: Args<'_>) -> Result<(), Error> {
        if args.is(2, "ON") {
            self.silence = Silence::No;
            self.reply.ok();
        } else if args.is(2, "OFF") {
            self.silence = Silence::All;
        } else if args.is(2, "SKIP") {
            if self.silence != Silence::All {
                self.silence = Silence::Next;
            }
        } else {
            return Err(Error::Syntax);
        }
        Ok(())
    }

    async fn auth(&mut self, args: Args<'_>) -> Result<(), Error> {
        let (user, password) = match args.len() {
            2 => (DEFAULT_USER, args.at(1)),
            3 => (args.at(1), args.at(2)),
            _ => return Err(Error::Syntax),
        };
        if args.len() == 2 && !self.tunables.has_password {
            self.ask_for_settings().await;
            if !self.tunables.has_password {
                return Err(Error::text(NO_PASSWORD_SET));
            }
        }
        self.authenticate(user, password, args).await?;
        self.reply.ok();
        Ok(())
    }

    async fn authenticate(&mut self, name: &[u8], password: &[u8], args: Args<'_>) -> Result<(), Error> {
        // What the log has applied here may be newer than what the session goes by.
        self.take_settings(|_| ());
        let mut user = self.tunables.users.authenticate(name, password).cloned();
        if user.is_none() {
            self.ask_for_settings().await;
            user = self.tunables.users.authenticate(name, password).cloned();
        }
        let Some(user) = user else {
            let denied = Denied { denial: Denial::Auth, at: 0 };
            if let Some(command) = quorate_commands::lookup(args.at(0)) {
                self.note_denied(Context::Toplevel, &Bytes::copy_from_slice(name), denied, command, args);
            }
            return Err(Error::text(WRONG_PASSWORD));
        };
        self.authenticated = true;
        self.become_user(user);
        Ok(())
    }

    /// Waits for what was changed on other nodes before. If there is no quorum, what is known has to do.
    async fn ask_for_settings(&mut self) {
        if self.backend.barrier(self.read_mode).await.is_ok() {
            self.take_settings(|_| ());
        }
    }

    async fn hello(&mut self, args: Args<'_>) -> Result<(), Error> {
        let protocol = match args.get(1) {
            None => None,
            Some(text) => match quorate_resp::parse_i64(text) {
                Some(2) => Some(Protocol::Resp2),
                Some(3) => Some(Protocol::Resp3),
                Some(_) => return Err(Error::text("NOPROTO unsupported protocol version")),
                None => {
                    return Err(Error::text("ERR Protocol version is not an integer or out of range"));
                }
            },
        };
        let (credentials, name) = hello_options(args)?;
        if let Some((user, password)) = credentials {
            self.authenticate(user, password, args).await?;
        }
        if self.must_authenticate() {
            return Err(Error::text(HELLO_NOT_AUTHENTICATED));
        }
        if let Some(name) = name {
            let name = name.to_owned();
            self.client.set_names(|names| names.name = name);
        }
        if let Some(protocol) = protocol {
            self.set_protocol(protocol);
        }
        self.greet();
        Ok(())
    }

    fn greet(&mut self) {
        let facts = self.backend.facts();
        let role = if facts.shown_master().is_some() { "replica" } else { "master" };
        let version = if self.protocol() == Protocol::Resp3 { 3 } else { 2 };
        let id = i64::try_from(self.client.id).unwrap_or(i64::MAX);
        let reply = &mut self.reply;
        reply.map(7);
        for (name, value) in [("server", "redis"), ("version", REDIS_VERSION)] {
            reply.bulk(name.as_bytes());
            reply.bulk(value.as_bytes());
        }
        for (name, value) in [("proto", version), ("id", id)] {
            reply.bulk(name.as_bytes());
            reply.integer(value);
        }
        for (name, value) in [("mode", "standalone"), ("role", role)] {
            reply.bulk(name.as_bytes());
            reply.bulk(value.as_bytes());
        }
        reply.bulk(b"modules");
        reply.array(0);
    }

    fn reset(&mut self) {
        self.discard();
        self.subscriber = None;
        self.tracking = None;
        self.client.show_tracking(None);
        self.watching = None;
        self.client.show_monitoring(false);
        self.client.show_subscriptions([0; 3]);
        self.silence = Silence::No;
        self.authenticated = self.trusted || self.tunables.default_is_open;
        if !self.trusted {
            self.become_user(Arc::clone(self.tunables.users.default_user()));
        }
        self.set_protocol(Protocol::Resp2);
        self.set_db(DbIndex::default());
        self.client.set_names(|names| names.name.clear());
        self.read_mode = self.backend.read_mode();
        self.client.no_evict.store(false, Relaxed);
        self.client.no_touch.store(false, Relaxed);
        self.reply.simple("RESET");
    }
}

/// User and password, and the name, as `HELLO` was given them.
type HelloOptions<'a> = (Option<(&'a [u8], &'a [u8])>, Option<&'a str>);

fn hello_options(args: Args<'_>) -> Result<HelloOptions<'_>, Error> {
    let (mut credentials, mut name) = (None, None);
    let mut at = 2;
    while at < args.len() {
        if args.is(at, "AUTH") && at + 2 < args.len() {
            credentials = Some((args.at(at + 1), args.at(at + 2)));
            at += 3;
        } else if args.is(at, "SETNAME") && at + 1 < args.len() {
            name = Some(super::client::valid_name(args.at(at + 1))?);
            at += 2;
        } else {
            let option = String::from_utf8_lossy(args.at(at));
            return Err(Error::text(format!("ERR Syntax error in HELLO option '{option}'")));
        }
    }
    Ok((credentials, name))
}
