//! `CLIENT` and its subcommands.
//!
//! For: what a client says of itself, and what it asks about others, as Redis 7.2 answers it.
//! Leaves to others: `CLIENT REPLY` (`connection`), the entries (`registry`), waiting for a pause (`execute`).
//! Invariant: nothing that a client says of itself can break the format of `CLIENT LIST`.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use quorate_commands::{Args, Error, SessionCommand};

use super::backend::{Backend, ReadMode};
use super::pause::PauseScope;
use super::registry::Client;
use super::{Flow, Session};

const BAD_NAME: &str = "ERR Client names cannot contain spaces, newlines or special characters.";

/// Longest name that a client may give itself or its library, in bytes; Redis takes any.
const NAME_BYTES_MAX: usize = 4096;

/// Which clients `CLIENT KILL` ends.
#[derive(Default)]
struct Filter<'a> {
    id: Option<u64>,
    addr: Option<&'a [u8]>,
    laddr: Option<&'a [u8]>,
    kind: Option<Kind>,
    user: Option<&'a [u8]>,
    keep_self: bool,
}

/// Redis' classes of clients. None of ours is a master or a replica.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Normal,
    Master,
    Replica,
    Pubsub,
}

impl<B: Backend> Session<B> {
    /// Answers a subcommand of `CLIENT` that ends no connection.
    pub(super) fn answer_client(&mut self, kind: SessionCommand, args: Args<'_>) -> Result<(), Error> {
        use SessionCommand as Sub;
        match kind {
            Sub::ClientId => self.reply.integer(i64::try_from(self.client.id).unwrap_or(i64::MAX)),
            Sub::ClientGetname => {
                let name = self.client.name();
                self.reply.bulk_or_null(Some(name.as_bytes()).filter(|name| !name.is_empty()));
            }
            Sub::ClientSetname => {
                let name = valid_name(&args[2])?.to_owned();
                self.client.set_names(|names| names.name = name);
                self.reply.ok();
            }
            Sub::ClientSetinfo => self.client_setinfo(args)?,
            Sub::ClientInfo => {
                let line = format!("{}\n", self.client.line(&self.backend.front().stats));
                self.reply.verbatim("txt", line.as_bytes());
            }
            Sub::ClientList => self.client_list(args)?,
            Sub::ClientNoEvict => {
                self.client.no_evict.store(on_or_off(args)?, Relaxed);
                self.reply.ok();
            }
            Sub::ClientNoTouch => {
                self.client.no_touch.store(on_or_off(args)?, Relaxed);
                self.reply.ok();
            }
            Sub::ClientPause => self.client_pause(args)?,
            Sub::ClientReadmode => {
                self.read_mode = read_mode(args, self.backend.read_mode())?;
                self.reply.ok();
            }
            Sub::ClientUnpause => {
                self.backend.front().pause.end();
                self.reply.ok();
            }
            Sub::ClientGetredir => self.client_getredir(),
            Sub::ClientTracking => self.client_tracking(args)?,
            Sub::ClientCaching => self.client_caching(args)?,
            Sub::ClientTrackinginfo => self.client_trackinginfo(),
            other => return Err(Error::Unsupported(format!("{other:?}").to_lowercase())),
        }
        Ok(())
    }

    fn client_setinfo(&mut self, args: Args<'_>) -> Result<(), Error> {
        let Ok(option) = std::str::from_utf8(&args[2]) else { return Err(Error::Syntax) };
        let lib_name = option.eq_ignore_ascii_case("lib-name");
        if !lib_name && !option.eq_ignore_ascii_case("lib-ver") {
            return Err(Error::text(format!("ERR Unrecognized option '{option}'")));
        }
        let Some(value) = printable(&args[3]) else {
            return Err(Error::text(format!(
                "ERR {option} cannot contain spaces, newlines or special characters."
            )));
        };
        let value = value.to_owned();
        self.client
            .set_names(|names| *(if lib_name { &mut names.lib_name } else { &mut names.lib_ver }) = value);
        self.reply.ok();
        Ok(())
    }

    fn client_list(&mut self, args: Args<'_>) -> Result<(), Error> {
        let registry = &self.backend.front().clients;
        let clients: Vec<Arc<Client>> = if args.len() == 4 && args.is(2, "TYPE") {
            let kind = client_kind(&args[3])?;
            registry.all().into_iter().filter(|client| kind.is_of(client)).collect()
        } else if args.len() > 3 && args.is(2, "ID") {
            let mut found = Vec::new();
            for id in args.from(3) {
                let id = quorate_resp::parse_i64(id).ok_or_else(|| Error::text("ERR Invalid client ID"))?;
                found.extend(u64::try_from(id).ok().and_then(|id| registry.get(id)));
            }
            found
        } else if args.len() == 2 {
            registry.all()
        } else {
            return Err(Error::Syntax);
        };
        let stats = &self.backend.front().stats;
        // Who has been ended is gone, whether or not its task has noticed.
        let open = clients.iter().filter(|client| !client.is_killed());
        let lines: String = open.map(|client| format!("{}\n", client.line(stats))).collect();
        self.reply.verbatim("txt", lines.as_bytes());
        Ok(())
    }

    pub(super) fn client_kill(&mut self, args: Args<'_>) -> Result<Flow, Error> {
        // The old form, with an address alone, may end its own connection.
        let old_form = args.len() == 3;
        let filter = if old_form {
            Filter { addr: Some(args.at(2)), ..Filter::default() }
        } else {
            kill_filter(args)?
        };
        if let Some(user) = filter.user.filter(|user| self.tunables.users.get(user).is_none()) {
            let user = String::from_utf8_lossy(user);
            return Err(Error::text(format!("ERR No such user '{user}'")));
        }
        let mut killed = 0;
        let mut flow = Flow::Continue;
        for client in self.backend.front().clients.all() {
            let own = client.id == self.client.id;
            if !filter.matches(&client) || own && filter.keep_self {
                continue;
            }
            killed += 1;
            if own {
                flow = Flow::Close;
            } else {
                client.kill();
            }
        }
        match (old_form, killed) {
            (true, 0) => return Err(Error::text("ERR No such client")),
            (true, _) => self.reply.ok(),
            (false, _) => self.reply.integer(killed),
        }
        Ok(flow)
    }

    fn client_pause(&mut self, args: Args<'_>) -> Result<(), Error> {
        let scope = match args.len() {
            3 => PauseScope::All,
            4 if args.is(3, "WRITE") => PauseScope::Write,
            4 if args.is(3, "ALL") => PauseScope::All,
            4 => return Err(Error::text("ERR CLIENT PAUSE mode must be WRITE or ALL")),
            _ => return Err(Error::Syntax),
        };
        let length = timeout_millis(&args[2])?;
        self.backend.front().pause.begin(scope, length);
        self.reply.ok();
        Ok(())
    }
}

impl Kind {
    fn is_of(self, client: &Client) -> bool {
        self == if client.is_subscribed() { Kind::Pubsub } else { Kind::Normal }
    }
}

impl Filter<'_> {
    fn matches(&self, client: &Client) -> bool {
        self.id.is_none_or(|id| id == client.id)
            && self.addr.is_none_or(|addr| addr == client.origin.addr.as_bytes())
            && self.laddr.is_none_or(|laddr| laddr == client.origin.laddr.as_bytes())
            && self.user.is_none_or(|user| user == client.user().name())
            && self.kind.is_none_or(|kind| kind.is_of(client))
    }
}

fn kill_filter(args: Args<'_>) -> Result<Filter<'_>, Error> {
    let mut filter = Filter { keep_self: true, ..Filter::default() };
    for pair in args.from(2).chunks(2) {
        let &[option, value] = pair else { return Err(Error::Syntax) };
        match option.to_ascii_lowercase().as_slice() {
            b"id" => {
                let id = quorate_resp::parse_u64(value).filter(|&id| id > 0 && i64::try_from(id).is_ok());
                filter.id = Some(id.ok_or_else(|| Error::text("ERR client-id should be greater than 0"))?);
            }
            b"type" => filter.kind = Some(client_kind(value)?),
            b"addr" => filter.addr = Some(value),
            b"laddr" => filter.laddr = Some(value),
            b"user" => filter.user = Some(value),
            b"skipme" if value.eq_ignore_ascii_case(b"yes") => filter.keep_self = true,
            b"skipme" if value.eq_ignore_ascii_case(b"no") => filter.keep_self = false,
            _ => return Err(Error::Syntax),
        }
    }
    Ok(filter)
}

fn client_kind(name: &[u8]) -> Result<Kind, Error> {
    match name.to_ascii_lowercase().as_slice() {
        b"normal" => Ok(Kind::Normal),
        b"master" => Ok(Kind::Master),
        b"slave" | b"replica" => Ok(Kind::Replica),
        b"pubsub" => Ok(Kind::Pubsub),
        _ => {
            let name = String::from_utf8_lossy(name);
            Err(Error::text(format!("ERR Unknown client type '{name}'")))
        }
    }
}

/// What `CLIENT READMODE` chooses. A lease needs more of the cluster than one connection can know: it is there where it is
/// the node's own mode, and then it is what every barrier of this node uses.
fn read_mode(args: Args<'_>, node: ReadMode) -> Result<ReadMode, Error> {
    let by_lease = node == ReadMode::Lease;
    match &args[2] {
        mode if mode.eq_ignore_ascii_case(b"default") => Ok(node),
        mode if mode.eq_ignore_ascii_case(b"local") => Ok(ReadMode::Local),
        mode if mode.eq_ignore_ascii_case(b"index") && !by_lease => Ok(ReadMode::Index),
        mode if mode.eq_ignore_ascii_case(b"lease") && by_lease => Ok(ReadMode::Lease),
        mode if mode.eq_ignore_ascii_case(b"index") => Err(Error::text("ERR This node reads by lease")),
        mode if mode.eq_ignore_ascii_case(b"lease") => {
            Err(Error::text("ERR Lease reads are off: they are the setting read-mode of every node"))
        }
        _ => Err(Error::Syntax),
    }
}

fn on_or_off(args: Args<'_>) -> Result<bool, Error> {
    match (args.is(2, "ON"), args.is(2, "OFF")) {
        (true, _) => Ok(true),
        (_, true) => Ok(false),
        _ => Err(Error::Syntax),
    }
}

/// A name that leaves the format of `CLIENT LIST` whole.
pub(super) fn valid_name(name: &[u8]) -> Result<&str, Error> {
    printable(name).ok_or_else(|| Error::text(BAD_NAME))
}

fn printable(text: &[u8]) -> Option<&str> {
    let fits = text.len() <= NAME_BYTES_MAX && text.iter().all(u8::is_ascii_graphic);
    std::str::from_utf8(text).ok().filter(|_| fits)
}

/// A timeout as Redis reads it.
pub(super) fn timeout_millis(text: &[u8]) -> Result<Duration, Error> {
    let millis = quorate_resp::parse_i64(text)
        .ok_or_else(|| Error::text("ERR timeout is not an integer or out of range"))?;
    u64::try_from(millis).map(Duration::from_millis).map_err(|_| Error::text("ERR timeout is negative"))
}
