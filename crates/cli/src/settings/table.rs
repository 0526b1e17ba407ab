//! The table of settings. To add one: a field in `ServeOptions` and a row here.

use super::kind::{self, Kind};
use super::{ServeSettings, Setting};

macro_rules! settings {
    ($($group:literal { $($name:literal: $kind:ident => $($field:ident).+, $doc:literal;)+ })+) => {
        &[$($(Setting {
            name: $name,
            group: $group,
            placeholder: <kind::$kind as Kind>::PLACEHOLDER,
            doc: $doc,
            set: |settings: &mut ServeSettings, text| {
                settings.$($field).+ = <kind::$kind as Kind>::parse(text)?;
                Ok(())
            },
            show: |settings| <kind::$kind as Kind>::show(&settings.$($field).+),
        },)+)+]
    };
}

/// Every setting of a node, in the order of help and docs.
pub(crate) const SETTINGS: &[Setting] = settings! {
    "Node" {
        "node": NodeNumber => options.node,
            "This node's number, one of the peers. A node that joins without one is given the next free one.";
        "data-dir": Directory => options.data_dir,
            "Where log, snapshots and ledger live. The running node locks it.";
    }
    "Cluster" {
        "peers": Peers => options.peers,
            "Peer addresses of the nodes that form the cluster, the same list on every node, this one included. \
             The cluster forms once; later starts find it in the data directory.";
        "join": Addresses => options.join,
            "Peer addresses of live nodes of a cluster that exists. This node joins it as a learner.";
        "secret-file": File => options.secret_file,
            "A file with the secret that all nodes share, 16 characters or more. Needed unless peer-bind is loopback.";
    }
    "Addresses" {
        "resp-bind": Bind => options.resp_bind,
            "Where Redis clients connect. Empty: nowhere.";
        "admin-bind": Bind => options.admin_bind,
            "Where the admin HTTP API listens. Empty: nowhere. Other than loopback needs admin-token-file.";
        "sentinel-bind": Bind => options.sentinel_bind,
            "Where clients connect that find their Redis through Sentinels, commonly port 26379. Empty: nowhere.";
        "peer-bind": Bind => options.peer_bind,
            "Where other nodes connect.";
        "bind-outgoing": Address => options.bind_outgoing,
            "The local address of outgoing connections to other nodes. Unset: the system chooses.";
        "announce-host": Host => options.announce_host,
            "The host under which clients and nodes reach this node. Unset: that of this node in peers, or of the \
             bind address.";
        "announce-resp": Announced => options.announce_resp,
            "What clients are told in place of announce-host and the port of resp-bind.";
        "announce-admin": Announced => options.announce_admin,
            "What administrators are told in place of announce-host and the port of admin-bind.";
        "announce-sentinel": Announced => options.announce_sentinel,
            "What clients are told in place of announce-host and the port of sentinel-bind.";
        "announce-peer": Announced => options.announce_peer,
            "What other nodes are told in place of announce-host and the port of peer-bind.";
    }
    "Access" {
        "admin-token-file": File => options.admin_token_file,
            "A file with the bearer token of the admin API, 16 characters or more. Unset: no token is asked for.";
        "metrics-open": Flag => options.metrics_open,
            "Whether /metrics needs no token.";
        "protected-mode": Flag => options.protected_mode,
            "Whether clients from other hosts are refused as long as no password is set, as in Redis.";
        "sentinel-auth": Flag => options.sentinel_auth,
            "Whether the Sentinel port asks for the password, where one is set. A password that is given is checked in \
             any case.";
        "enable-debug-command": Debug => options.enable_debug_command,
            "Who may use DEBUG, as in Redis: nobody, clients of the same machine, or everyone.";
    }
    "Roles" {
        "sentinel-names": Names => options.sentinel_names,
            "The names under which clients find this cluster on the Sentinel port.";
        "roles": RolesKind => options.roles,
            "Which nodes call themselves master, in ROLE, INFO, HELLO and on the Sentinel port: any, for each serves \
             every command, or the leader alone.";
    }
    "Reads" {
        "read-mode": Reads => options.read_mode,
            "How a connection reads unless it asks for another mode. index is linearizable; lease is too as long as \
             clock rates are bounded; local shows what this node has applied.";
        "staleness-max": Millis => options.staleness_ms_max,
            "How old the state may be that a local read shows.";
    }
    "Times" {
        "heartbeat": Millis => options.heartbeat_ms,
            "The leader's heartbeat interval. The same on all nodes.";
        "election": Millis => options.election_ms,
            "The shortest time without a leader after which a node asks for votes; the longest is twice that. At \
             least three heartbeats, and the same on all nodes.";
        "hold-max": Millis => options.hold_ms_max,
            "How long requests are held while there is no leader, before they are refused.";
        "drain-max": Millis => options.drain_ms_max,
            "How long a planned stop waits for open requests.";
    }
    "Bounds" {
        "hold-bytes-max": Size => options.hold_bytes_max,
            "How many bytes of requests wait for their batch; beyond it connections are not read.";
        "batch-requests-max": Count => options.batch_requests_max,
            "Requests in one batch, at most.";
        "batch-bytes-max": Size => options.batch_bytes_max,
            "Bytes of requests in one batch, at most. A single larger request is a batch of its own.";
        "batches-in-flight-max": Count => options.batches_in_flight_max,
            "Batches of this node on their way at a time.";
        "threads": Count => options.threads,
            "Threads for connections; 0 is one per core, less the one that consensus has for itself, and at least one.";
    }
    "Storage" {
        "log-engine": Engine => options.log_engine,
            "How the log is kept: wal is Quorate's own, sled is slower. Fixed once the data directory exists.";
        "segment-bytes": Size => options.segment_bytes,
            "Size of one log segment.";
        "snapshot-log-bytes": Size => options.snapshot_log_bytes,
            "Log since the last snapshot after which the next one is taken.";
        "log-kept-bytes-max": Size => options.log_kept_bytes_max,
            "Log kept behind a snapshot for a slow follower, at most.";
        "snapshot-send-bytes-per-second": Size => options.snapshot_send_bytes_per_second,
            "How fast a snapshot is sent to one node, per second; 0 is as fast as it goes.";
    }
    "Logging" {
        "log-level": Filter => log_level,
            "error, warn, info or debug (builds for production leave debug out), or a list such as \
             info,quorate_raft=warn. Lines go to standard error.";
        "log-format": Format => log_format,
            "Lines for people, or one JSON object a line.";
    }
};
