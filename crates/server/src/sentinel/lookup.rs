//! `SENTINEL` and its subcommands.
//!
//! For: their replies, in Redis' fields and words. Leaves to others: what they tell (`view`), who may ask (`client`).
//! Invariants: what would change a Sentinel's configuration is refused and says where it is configured; a field that
//! has no meaning here has the value of a Sentinel that is well.

use quorate_commands::{Args, Error, glob};
use quorate_resp::Reply;

use super::Shared;
use super::view::{Address, DOWN_AFTER, Member, View};

/// How long Sentinel gives a failover; shown, as ours have no such bound.
const FAILOVER_TIMEOUT_MS: i64 = 180_000;
/// How often facts are taken anew, in milliseconds.
const REFRESH_MS: i64 = 100;

const HELP: [&str; 34] = [
    "CKQUORUM <master-name>",
    "    Whether a majority of the nodes is there.",
    "CONFIG GET <param>",
    "    Settings of the Sentinel port, as Sentinel names them.",
    "CONFIG SET <param> <value>",
    "    Refused: they are settings of the node.",
    "DEBUG [<param> <value> ...]",
    "    Times in milliseconds; they cannot be changed.",
    "GET-MASTER-ADDR-BY-NAME <master-name>",
    "    Host and port of the master.",
    "FAILOVER <master-name>",
    "    Hands the leadership to another node.",
    "FLUSHCONFIG",
    "    Does nothing: there is nothing to write.",
    "INFO-CACHE [<master-name> ...]",
    "    INFO of this node, by set.",
    "IS-MASTER-DOWN-BY-ADDR <ip> <port> <current-epoch> <runid>",
    "    Whether this node is without a leader, if it is the master there.",
    "MASTER <master-name>",
    "    The state of a set's master.",
    "MASTERS",
    "    The state of all sets' masters.",
    "MYID",
    "    The id of this node's Sentinel port.",
    "PENDING-SCRIPTS",
    "    Empty: there are no scripts.",
    "REPLICAS <master-name>",
    "    The state of the other nodes.",
    "RESET <pattern>",
    "    How many sets match; nothing is reset.",
    "SENTINELS <master-name>",
    "    The Sentinel ports of the other nodes.",
    "HELP",
    "    Prints this help.",
];

/// `SENTINEL DEBUG`: Sentinel's own times, in milliseconds.
const TIMES: [(&str, i64); 13] = [
    ("INFO-PERIOD", REFRESH_MS),
    ("PING-PERIOD", REFRESH_MS),
    ("ASK-PERIOD", 1_000),
    ("PUBLISH-PERIOD", 2_000),
    ("DEFAULT-DOWN-AFTER", DOWN_AFTER.as_millis() as i64),
    ("DEFAULT-FAILOVER-TIMEOUT", FAILOVER_TIMEOUT_MS),
    ("TILT-TRIGGER", 2_000),
    ("TILT-PERIOD", 30_000),
    ("SLAVE-RECONF-TIMEOUT", 10_000),
    ("MIN-LINK-RECONNECT-PERIOD", 15_000),
    ("ELECTION-TIMEOUT", 10_000),
    ("SCRIPT-MAX-RUNTIME", 60_000),
    ("SCRIPT-RETRY-DELAY", 30_000),
];

/// What is more than a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wish {
    None,
    /// Hand the leadership over.
    Failover,
}

/// Answers `SENTINEL …`.
pub(super) fn answer(shared: &Shared, args: Args<'_>, reply: &mut Reply) -> Result<Wish, Error> {
    let view = shared.view();
    let sub = args.at(1).to_ascii_lowercase();
    let arity = |count: usize| if args.len() == count { Ok(()) } else { Err(wrong_arity()) };
    let named = |count: usize| {
        arity(count)?;
        shared.set_named(args.at(2)).ok_or_else(|| Error::text("ERR No such master with that name"))
    };
    match sub.as_slice() {
        b"masters" => {
            arity(2)?;
            // Without a node that could be the master there is nothing to show.
            let names = if view.master().is_some() { shared.names() } else { &[] };
            reply.array(names.len());
            names.iter().for_each(|name| master(&view, name, reply));
        }
        b"master" => {
            let name = named(3)?;
            if view.master().is_none() {
                return Err(Error::text("ERR No such master with that name"));
            }
            master(&view, name, reply);
        }
        b"slaves" | b"replicas" => {
            named(3)?;
            reply.array(view.replicas().count());
            view.replicas().for_each(|member| replica(&view, member, reply));
        }
        b"sentinels" => {
            named(3)?;
            reply.array(view.sentinels().count());
            view.sentinels().for_each(|(member, address)| sentinel(&view, member, address, reply));
        }
        b"get-master-addr-by-name" => {
            arity(3)?;
            // A node that cannot serve sends nobody to itself: the client asks the next one.
            let found = shared.set_named(args.at(2)).filter(|_| view.down.is_none());
            match found.and_then(|_| view.master()) {
                Some(master) => address(&master.data, reply),
                None => reply.null_array(),
            }
        }
        b"ckquorum" => {
            named(3)?;
            check_quorum(&view, reply)?;
        }
        b"is-master-down-by-addr" => {
            arity(6)?;
            args.integer(3)?;
            args.integer(4)?;
            is_down(&view, args, reply);
        }
        b"failover" => {
            named(3)?;
            return failover(&view, reply);
        }
        b"info-cache" => info_cache(shared, &view, args, reply),
        b"reset" => {
            arity(3)?;
            let names = shared.names().iter();
            reply.count(names.filter(|name| glob::matches(args.at(2), name.as_bytes())).count());
        }
        b"config" => config(&view, args, reply)?,
        b"set" | b"monitor" | b"remove" => return Err(of_the_node("sets and their names")),
        _ => about_itself(&view, &sub, args, reply)?,
    }
    Ok(Wish::None)
}

/// Subcommands about the Sentinel itself.
fn about_itself(view: &View, sub: &[u8], args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    let arity = |count: usize| if args.len() == count { Ok(()) } else { Err(wrong_arity()) };
    match sub {
        b"myid" if args.len() == 2 => reply.bulk(view.sentinel_id(view.me).as_bytes()),
        b"pending-scripts" => {
            arity(2)?;
            reply.array(0);
        }
        b"flushconfig" => {
            arity(2)?;
            reply.ok();
        }
        b"debug" if args.len() == 2 => {
            reply.map(TIMES.len());
            for (name, millis) in TIMES {
                reply.bulk(name.as_bytes());
                reply.bulk_integer(millis);
            }
        }
        b"debug" => return Err(of_the_node("times")),
        b"simulate-failure" if args.len() == 3 && args.is(2, "help") => reply.array(0),
        b"simulate-failure" => {
            return Err(Error::text("ERR SENTINEL SIMULATE-FAILURE is not supported by Quorate"));
        }
        b"help" if args.len() == 2 => {
            reply.array(HELP.len() + 1);
            reply.simple("SENTINEL <subcommand> [<arg> [value] [opt] ...]. Subcommands are:");
            HELP.iter().for_each(|line| reply.simple(line));
        }
        _ => {
            let sub = String::from_utf8_lossy(args.at(1)).into_owned();
            return Err(Error::UnknownSubcommand { sub, container: "SENTINEL".into() });
        }
    }
    Ok(())
}

fn wrong_arity() -> Error {
    Error::WrongArity("sentinel".into())
}

fn of_the_node(what: &str) -> Error {
    Error::text(format!("ERR {what} are settings of the node: see sentinel-names and roles of quorate serve"))
}

fn address(address: &Address, reply: &mut Reply) {
    reply.array(2);
    reply.bulk(address.host.as_bytes());
    reply.bulk_integer(i64::from(address.port));
}

/// The fields of an instance, as they are gathered.
struct Fields(Vec<(&'static str, String)>);

impl Fields {
    fn of(name: &str, address: &Address, id: String, flags: &str) -> Fields {
        let mut fields = Fields(Vec::with_capacity(24));
        fields.add("name", name);
        fields.add("ip", &address.host);
        fields.add("port", address.port);
        fields.add("runid", id);
        fields.add("flags", flags);
        fields.add("link-pending-commands", 0);
        fields.add("link-refcount", 1);
        fields.add("last-ping-sent", 0);
        fields.add("last-ok-ping-reply", REFRESH_MS);
        fields.add("last-ping-reply", REFRESH_MS);
        fields
    }

    fn add(&mut self, name: &'static str, value: impl ToString) {
        self.0.push((name, value.to_string()));
    }

    fn down_after(&mut self) {
        self.add("down-after-milliseconds", DOWN_AFTER.as_millis());
    }

    fn role(&mut self, role: &str) {
        self.add("info-refresh", REFRESH_MS);
        self.add("role-reported", role);
        self.add("role-reported-time", REFRESH_MS);
    }

    fn write(self, reply: &mut Reply) {
        reply.map(self.0.len());
        for (name, value) in self.0 {
            reply.bulk(name.as_bytes());
            reply.bulk(value.as_bytes());
        }
    }
}

fn master(view: &View, name: &str, reply: &mut Reply) {
    let Some(master) = view.master() else { return reply.null() };
    let flags = if view.down.is_some() { "s_down,o_down,master" } else { "master" };
    let mut fields = Fields::of(name, &master.data, view.run_id(master.id), flags);
    if let Some(since) = view.down {
        let millis = since.saturating_sub(DOWN_AFTER).as_millis();
        fields.add("s-down-time", millis);
        fields.add("o-down-time", millis);
    }
    fields.down_after();
    fields.role("master");
    fields.add("config-epoch", view.epoch);
    fields.add("num-slaves", view.replicas().count());
    fields.add("num-other-sentinels", view.sentinels().count());
    fields.add("quorum", view.quorum());
    fields.add("failover-timeout", FAILOVER_TIMEOUT_MS);
    fields.add("parallel-syncs", 1);
    fields.write(reply);
}

fn replica(view: &View, member: &Member, reply: &mut Reply) {
    let name = format!("{}:{}", member.data.host, member.data.port);
    let flags = if member.alive { "slave" } else { "s_down,slave,disconnected" };
    let mut fields = Fields::of(&name, &member.data, view.run_id(member.id), flags);
    if !member.alive {
        fields.add("s-down-time", REFRESH_MS);
    }
    fields.down_after();
    fields.role("slave");
    let master = view.master().map(|master| master.data.clone()).unwrap_or_default();
    fields.add("master-link-down-time", 0);
    fields.add("master-link-status", if member.alive { "ok" } else { "err" });
    fields.add("master-host", if master.host.is_empty() { "?" } else { &master.host });
    fields.add("master-port", master.port);
    fields.add("slave-priority", 100);
    fields.add("slave-repl-offset", member.offset);
    fields.add("replica-announced", 1);
    fields.write(reply);
}

fn sentinel(view: &View, member: &Member, address: &Address, reply: &mut Reply) {
    let id = view.sentinel_id(member.id);
    let flags = if member.alive { "sentinel" } else { "s_down,sentinel,disconnected" };
    let mut fields = Fields::of(&id, address, id.clone(), flags);
    if !member.alive {
        fields.add("s-down-time", REFRESH_MS);
    }
    fields.down_after();
    fields.add("last-hello-message", REFRESH_MS);
    fields.add("voted-leader", view.leader.map_or_else(|| "?".to_owned(), |id| view.sentinel_id(id)));
    fields.add("voted-leader-epoch", view.epoch);
    fields.write(reply);
}

/// Sentinels and voters are the same nodes here, so that one majority stands for both.
fn check_quorum(view: &View, reply: &mut Reply) -> Result<(), Error> {
    let usable = view.usable();
    if usable >= view.quorum() && view.down.is_none() {
        reply.simple(&format!(
            "OK {usable} usable Sentinels. Quorum and failover authorization can be reached"
        ));
        return Ok(());
    }
    Err(Error::text(format!(
        "NOQUORUM {usable} usable Sentinels. Not enough available Sentinels to reach the specified quorum for this \
         master. Not enough available Sentinels to reach the majority and authorize a failover"
    )))
}

fn is_down(view: &View, args: Args<'_>, reply: &mut Reply) {
    let master = view.master().filter(|master| {
        master.data.host.as_bytes() == args.at(2) && args.integer(3) == Ok(i64::from(master.data.port))
    });
    let asks_for_vote = master.is_some() && args.at(5) != b"*";
    reply.array(3);
    reply.integer(i64::from(master.is_some() && view.down.is_some()));
    match view.leader.filter(|_| asks_for_vote) {
        Some(leader) => {
            reply.bulk(view.sentinel_id(leader).as_bytes());
            reply.integer(i64::try_from(view.epoch).unwrap_or(i64::MAX));
        }
        None => {
            reply.bulk(b"*");
            reply.integer(0);
        }
    }
}

fn failover(view: &View, reply: &mut Reply) -> Result<Wish, Error> {
    let Some(leader) = view.leader else {
        return Err(Error::text("INPROG Failover already in progress"));
    };
    if !view.members.iter().any(|member| member.id != leader && member.votes && member.alive) {
        return Err(Error::text("NOGOODSLAVE No suitable replica to promote"));
    }
    reply.ok();
    Ok(Wish::Failover)
}

/// Only this node's own figures are here; what the others would say is asked of them.
fn info_cache(shared: &Shared, view: &View, args: Args<'_>, reply: &mut Reply) {
    let asked = args.from(2);
    let names: Vec<&String> =
        shared.names().iter().filter(|name| asked.is_empty() || asked.contains(&name.as_bytes())).collect();
    reply.array(names.len() * 2);
    for name in names {
        reply.bulk(name.as_bytes());
        let nodes: Vec<&Member> = view.master().into_iter().chain(view.replicas()).collect();
        reply.array(nodes.len());
        for node in nodes {
            reply.array(2);
            reply.integer(REFRESH_MS);
            let role = if Some(node.id) == view.master { "master" } else { "slave" };
            let text = format!(
                "# Server\r\nredis_version:{}\r\nrun_id:{}\r\ntcp_port:{}\r\n\r\n# Replication\r\nrole:{role}\r\n",
                super::client::REDIS_VERSION,
                view.run_id(node.id),
                node.data.port
            );
            reply.bulk(text.as_bytes());
        }
    }
}

fn config(view: &View, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    if args.len() < 3 {
        return Err(wrong_arity());
    }
    let own = view.member(view.me).and_then(|member| member.sentinel.clone()).unwrap_or_default();
    let settings = [
        ("resolve-hostnames", "yes".to_owned()),
        ("announce-hostnames", "yes".to_owned()),
        ("announce-ip", own.host),
        ("announce-port", own.port.to_string()),
        ("sentinel-user", String::new()),
        // Whether there is one is not told.
        ("sentinel-pass", String::new()),
    ];
    if args.is(2, "get") && args.len() == 4 {
        let wanted = |name: &str| glob::matches_ignore_case(args.at(3), name.as_bytes());
        let found: Vec<_> = settings.into_iter().filter(|(name, _)| wanted(name)).collect();
        reply.map(found.len());
        for (name, value) in found {
            reply.bulk(name.as_bytes());
            reply.bulk(value.as_bytes());
        }
        return Ok(());
    }
    if args.is(2, "set") && args.len() == 5 {
        let known = settings.iter().any(|(name, _)| args.at(3).eq_ignore_ascii_case(name.as_bytes()));
        let name = String::from_utf8_lossy(args.at(3)).into_owned();
        return Err(if known {
            of_the_node("these parameters")
        } else {
            Error::text(format!("ERR Invalid argument '{name}' to SENTINEL CONFIG SET"))
        });
    }
    Err(Error::text("ERR Only SENTINEL CONFIG GET <option> / SET <option> <value> are supported."))
}
