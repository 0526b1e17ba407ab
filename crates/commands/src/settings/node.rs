//! Rows of the settings table: a node's own.
//!
//! For: one row per setting that clients and tools of Redis ask for. Leaves to others: what a setting does.
//! Invariants: names and aliases are unique; a default is what its kind reads.

use super::Scope::Node;
use super::Setting;
use super::kind::Kind::{Choice, Integer, Switch, Text};

const INT_MAX: i64 = i32::MAX as i64;

pub(super) const SETTINGS: &[Setting] = &[
    Setting::new("port", Node, Integer(0, 65535), "6379", "Port for clients."),
    Setting::new("bind", Node, Text, "* -::*", "Addresses for clients."),
    Setting::new("unixsocket", Node, Text, "", "Path of a socket for clients.").kept(),
    Setting::new("unixsocketperm", Node, Text, "0", "Permissions of the socket.").kept(),
    Setting::new("tls-port", Node, Integer(0, 65535), "0", "Port for clients that use TLS. 0: none."),
    Setting::new("tcp-backlog", Node, Integer(0, INT_MAX), "511", "Connections that wait to be accepted.")
        .kept(),
    Setting::new("databases", Node, Integer(1, INT_MAX), "16", "Number of databases."),
    Setting::new("dir", Node, Text, "", "Directory of the node's data."),
    Setting::new("dbfilename", Node, Text, "dump.rdb", "Name of Redis' snapshot.").kept(),
    Setting::new("appendfilename", Node, Text, "appendonly.aof", "Name of Redis' log.").kept(),
    Setting::new("appenddirname", Node, Text, "appendonlydir", "Directory of Redis' log.").kept(),
    Setting::new("logfile", Node, Text, "", "File of messages; empty: standard error.").kept(),
    Setting::new(
        "loglevel",
        Node,
        Choice(&["debug", "verbose", "notice", "warning", "nothing"]),
        "notice",
        "Which messages are written.",
    ),
    Setting::new("pidfile", Node, Text, "", "File with the process number.").kept(),
    Setting::new("daemonize", Node, Switch, "no", "Whether the server runs in the background.").kept(),
    Setting::new(
        "supervised",
        Node,
        Choice(&["upstart", "systemd", "auto", "no"]),
        "no",
        "Who supervises the server.",
    )
    .kept(),
    Setting::new("syslog-enabled", Node, Switch, "no", "Whether messages go to the system's log.").kept(),
    Setting::new("syslog-ident", Node, Text, "redis", "Name in the system's log.").kept(),
    Setting::new("aclfile", Node, Text, "", "File of users. Users are replicated here.").kept(),
    Setting::new(
        "rdbchecksum",
        Node,
        Switch,
        "yes",
        "Whether Redis' snapshots have a checksum. Ours always do.",
    )
    .kept(),
    Setting::new("io-threads", Node, Integer(1, 128), "1", "Threads for clients.").kept(),
    Setting::new("io-threads-do-reads", Node, Switch, "no", "Whether threads read, too.").kept(),
    Setting::new("always-show-logo", Node, Switch, "no", "Whether Redis shows its logo.").kept(),
    Setting::new("set-proc-title", Node, Switch, "yes", "Whether the process shows what it does.").kept(),
    Setting::new("disable-thp", Node, Switch, "yes", "Whether huge pages are switched off.").kept(),
    Setting::new("cluster-enabled", Node, Switch, "no", "Whether Redis Cluster is on. Never here.").kept(),
    Setting::new("replicaof", Node, Text, "", "The Redis master of a Redis replica. Never here.")
        .alias("slaveof")
        .kept(),
    Setting::new("enable-debug-command", Node, Choice(&["no", "yes", "local"]), "no", "Who may use DEBUG."),
    Setting::new(
        "enable-module-command",
        Node,
        Choice(&["no", "yes", "local"]),
        "no",
        "Who may load modules. Nobody here.",
    )
    .kept(),
    Setting::new(
        "enable-protected-configs",
        Node,
        Choice(&["no", "yes", "local"]),
        "no",
        "Who may change protected settings.",
    )
    .kept(),
];
