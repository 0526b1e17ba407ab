//! Rows of the settings table: the cluster's, replicated.
//!
//! For: one row per setting that clients and tools of Redis ask for. Leaves to others: what a setting does.
//! Invariants: names and aliases are unique; a default is what its kind reads.

use super::Scope::Cluster;
use super::Setting;
use super::kind::Kind::{
    Choice, Events, Integer, Memory, MemoryOrPercent, OutputLimits, SavePoints, Secret, Switch, Text,
};

const INT_MIN: i64 = i32::MIN as i64;
const INT_MAX: i64 = i32::MAX as i64;

pub(super) const SETTINGS: &[Setting] = &[
    Setting::new(
        "maxmemory",
        Cluster,
        Memory(0, i64::MAX),
        "0",
        "Memory limit of the data; beyond it, keys are evicted, or commands that add data refused. 0: no limit.",
    ),
    Setting::new(
        "maxmemory-policy",
        Cluster,
        Choice(&[
            "volatile-lru",
            "volatile-lfu",
            "volatile-random",
            "volatile-ttl",
            "allkeys-lru",
            "allkeys-lfu",
            "allkeys-random",
            "noeviction",
        ]),
        "noeviction",
        "Which keys are evicted at the memory limit: all or those with an expiry, and which of them first.",
    ),
    Setting::new(
        "maxmemory-samples",
        Cluster,
        Integer(1, INT_MAX),
        "5",
        "Keys to look at for each that is evicted, at most 64.",
    ),
    Setting::new(
        "maxmemory-eviction-tenacity",
        Cluster,
        Integer(0, 100),
        "10",
        "How hard to try to keep to the memory limit.",
    )
    .kept(),
    Setting::new("maxmemory-clients", Cluster, MemoryOrPercent, "0", "Memory limit of all clients' buffers.")
        .kept(),
    Setting::new(
        "notify-keyspace-events",
        Cluster,
        Events,
        "",
        "Which keyspace events are published; see the commands' documentation.",
    ),
    Setting::new(
        "proto-max-bulk-len",
        Cluster,
        Memory(1 << 20, i64::MAX),
        "512mb",
        "Longest argument and longest string.",
    ),
    Setting::new(
        "client-query-buffer-limit",
        Cluster,
        Memory(1 << 20, i64::MAX),
        "1gb",
        "Longest request of one client that is not yet complete.",
    ),
    Setting::new(
        "client-output-buffer-limit",
        Cluster,
        OutputLimits,
        "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60",
        "When a client that does not read its replies is disconnected.",
    ),
    Setting::new(
        "maxclients",
        Cluster,
        Integer(1, 4_294_967_295),
        "10000",
        "Most connections of clients, for each node.",
    ),
    Setting::new(
        "timeout",
        Cluster,
        Integer(0, INT_MAX),
        "0",
        "Seconds after which an idle connection is closed. 0: never.",
    ),
    Setting::new(
        "tcp-keepalive",
        Cluster,
        Integer(0, INT_MAX),
        "300",
        "Seconds between TCP keep-alive probes of clients. 0: none.",
    ),
    Setting::new(
        "requirepass",
        Cluster,
        Secret,
        "",
        "Password of the default user; empty: none. Shown only when asked for by this name.",
    ),
    Setting::new("masterauth", Cluster, Secret, "", "Password for a Redis master.").kept(),
    Setting::new("masteruser", Cluster, Secret, "", "User for a Redis master.").kept(),
    Setting::new(
        "slowlog-log-slower-than",
        Cluster,
        Integer(-1, i64::MAX),
        "10000",
        "Microseconds from which a command is noted in the slow log. -1: none, 0: all.",
    ),
    Setting::new("slowlog-max-len", Cluster, Integer(0, i64::MAX), "128", "Most entries of the slow log."),
    Setting::new(
        "latency-monitor-threshold",
        Cluster,
        Integer(0, i64::MAX),
        "0",
        "Milliseconds from which a delay is noted. 0: none.",
    ),
    Setting::new("latency-tracking", Cluster, Switch, "yes", "Whether the delays of commands are collected.")
        .kept(),
    Setting::new(
        "latency-tracking-info-percentiles",
        Cluster,
        Text,
        "50 99 99.9",
        "Percentiles of delays that INFO shows.",
    )
    .kept(),
    Setting::new(
        "hash-max-listpack-entries",
        Cluster,
        Integer(0, i64::MAX),
        "512",
        "Most fields of a hash in the compact form.",
    )
    .alias("hash-max-ziplist-entries"),
    Setting::new(
        "hash-max-listpack-value",
        Cluster,
        Memory(0, i64::MAX),
        "64",
        "Longest field or value of a hash in the compact form.",
    )
    .alias("hash-max-ziplist-value"),
    Setting::new(
        "list-max-listpack-size",
        Cluster,
        Integer(INT_MIN, INT_MAX),
        "-2",
        "Size of a list's nodes: elements, or a class of bytes if negative.",
    )
    .alias("list-max-ziplist-size"),
    Setting::new(
        "list-compress-depth",
        Cluster,
        Integer(0, INT_MAX),
        "0",
        "Nodes at either end of a list that are not compressed.",
    )
    .kept(),
    Setting::new(
        "set-max-intset-entries",
        Cluster,
        Integer(0, i64::MAX),
        "512",
        "Most members of a set of integers in the compact form.",
    ),
    Setting::new(
        "set-max-listpack-entries",
        Cluster,
        Integer(0, i64::MAX),
        "128",
        "Most members of a set in the compact form.",
    ),
    Setting::new(
        "set-max-listpack-value",
        Cluster,
        Memory(0, i64::MAX),
        "64",
        "Longest member of a set in the compact form.",
    ),
    Setting::new(
        "zset-max-listpack-entries",
        Cluster,
        Integer(0, i64::MAX),
        "128",
        "Most members of a sorted set in the compact form.",
    )
    .alias("zset-max-ziplist-entries"),
    Setting::new(
        "zset-max-listpack-value",
        Cluster,
        Memory(0, i64::MAX),
        "64",
        "Longest member of a sorted set in the compact form.",
    )
    .alias("zset-max-ziplist-value"),
    Setting::new(
        "hll-sparse-max-bytes",
        Cluster,
        Memory(0, i64::MAX),
        "3000",
        "Longest HyperLogLog in the sparse form.",
    ),
    Setting::new(
        "stream-node-max-bytes",
        Cluster,
        Memory(0, i64::MAX),
        "4096",
        "Size of a stream's nodes. 0: no limit but that of the node itself, 1mb.",
    ),
    Setting::new(
        "stream-node-max-entries",
        Cluster,
        Integer(0, i64::MAX),
        "100",
        "Most entries of a stream's node. 0: no limit.",
    ),
    Setting::new(
        "busy-reply-threshold",
        Cluster,
        Integer(0, i64::MAX),
        "5000",
        "Milliseconds after which Redis calls a script busy. Scripts are counted in instructions here.",
    )
    .alias("lua-time-limit")
    .kept(),
    Setting::new(
        "lazyfree-lazy-eviction",
        Cluster,
        Switch,
        "no",
        "Free removed values in the background; always so here.",
    )
    .kept(),
    Setting::new(
        "lazyfree-lazy-expire",
        Cluster,
        Switch,
        "no",
        "Free expired values in the background; always so here.",
    )
    .kept(),
    Setting::new(
        "lazyfree-lazy-server-del",
        Cluster,
        Switch,
        "no",
        "Free replaced values in the background; always so here.",
    )
    .kept(),
    Setting::new(
        "lazyfree-lazy-user-del",
        Cluster,
        Switch,
        "no",
        "Let DEL free values in the background; always so here.",
    )
    .kept(),
    Setting::new(
        "lazyfree-lazy-user-flush",
        Cluster,
        Switch,
        "no",
        "Let FLUSHALL free values in the background; always so here.",
    )
    .kept(),
    Setting::new(
        "active-expire-effort",
        Cluster,
        Integer(1, 10),
        "1",
        "How hard to look for expired keys. They are found by an index here.",
    )
    .kept(),
    Setting::new(
        "lfu-log-factor",
        Cluster,
        Integer(0, INT_MAX),
        "10",
        "How fast the counter of a key's use saturates.",
    ),
    Setting::new(
        "lfu-decay-time",
        Cluster,
        Integer(0, INT_MAX),
        "1",
        "Minutes after which the counter of a key's use falls.",
    ),
    Setting::new("hz", Cluster, Integer(0, INT_MAX), "10", "How often Redis' background work runs.").kept(),
    Setting::new("dynamic-hz", Cluster, Switch, "yes", "Whether hz follows the number of clients.").kept(),
    Setting::new("activerehashing", Cluster, Switch, "yes", "Whether tables grow in the background.").kept(),
    Setting::new("activedefrag", Cluster, Switch, "no", "Whether memory is compacted in the background.")
        .kept(),
    Setting::new(
        "save",
        Cluster,
        SavePoints,
        "",
        "When Redis takes snapshots. Here the log is always durable and snapshots follow its size.",
    )
    .kept(),
    Setting::new(
        "appendonly",
        Cluster,
        Switch,
        "no",
        "Whether Redis keeps a log of commands. Here there always is one.",
    )
    .kept(),
    Setting::new(
        "appendfsync",
        Cluster,
        Choice(&["everysec", "always", "no"]),
        "everysec",
        "When Redis syncs its log. Here always, before the reply.",
    )
    .kept(),
    Setting::new(
        "no-appendfsync-on-rewrite",
        Cluster,
        Switch,
        "no",
        "Whether Redis leaves out syncs during a snapshot. Never here.",
    )
    .kept(),
    Setting::new(
        "auto-aof-rewrite-percentage",
        Cluster,
        Integer(0, INT_MAX),
        "100",
        "Growth of Redis' log that starts a rewrite.",
    )
    .kept(),
    Setting::new(
        "auto-aof-rewrite-min-size",
        Cluster,
        Memory(0, i64::MAX),
        "64mb",
        "Least size of Redis' log for a rewrite.",
    )
    .kept(),
    Setting::new("aof-use-rdb-preamble", Cluster, Switch, "yes", "Form of Redis' log.").kept(),
    Setting::new("aof-load-truncated", Cluster, Switch, "yes", "Whether Redis loads a log that was cut.")
        .kept(),
    Setting::new("aof-rewrite-incremental-fsync", Cluster, Switch, "yes", "How Redis writes its log.").kept(),
    Setting::new("aof-timestamp-enabled", Cluster, Switch, "no", "Whether Redis' log has times.").kept(),
    Setting::new("rdbcompression", Cluster, Switch, "yes", "Whether Redis' snapshots are compressed.").kept(),
    Setting::new("rdb-save-incremental-fsync", Cluster, Switch, "yes", "How Redis writes its snapshots.")
        .kept(),
    Setting::new(
        "rdb-del-sync-files",
        Cluster,
        Switch,
        "no",
        "Whether Redis removes snapshots made for replicas.",
    )
    .kept(),
    Setting::new(
        "stop-writes-on-bgsave-error",
        Cluster,
        Switch,
        "yes",
        "Whether Redis refuses writes after a failed snapshot.",
    )
    .kept(),
    Setting::new(
        "sanitize-dump-payload",
        Cluster,
        Choice(&["no", "yes", "clients"]),
        "no",
        "How RESTORE checks its input.",
    )
    .kept(),
    Setting::new(
        "tracking-table-max-keys",
        Cluster,
        Integer(0, i64::MAX),
        "1000000",
        "Most keys that are tracked for clients' caches.",
    )
    .kept(),
    Setting::new(
        "acllog-max-len",
        Cluster,
        Integer(0, i64::MAX),
        "128",
        "Most entries of the log of what was denied, for each node.",
    ),
    Setting::new(
        "acl-pubsub-default",
        Cluster,
        Choice(&["allchannels", "resetchannels"]),
        "resetchannels",
        "Channels of a new user.",
    ),
    Setting::new(
        "min-replicas-to-write",
        Cluster,
        Integer(0, INT_MAX),
        "0",
        "Replicas that Redis needs to accept writes. Here always a majority.",
    )
    .alias("min-slaves-to-write")
    .kept(),
    Setting::new(
        "min-replicas-max-lag",
        Cluster,
        Integer(0, INT_MAX),
        "10",
        "Seconds after which Redis no longer counts a replica.",
    )
    .alias("min-slaves-max-lag")
    .kept(),
    Setting::new(
        "repl-backlog-size",
        Cluster,
        Memory(1, i64::MAX),
        "1mb",
        "Size of Redis' replication backlog.",
    )
    .kept(),
    Setting::new(
        "repl-backlog-ttl",
        Cluster,
        Integer(0, i64::MAX),
        "3600",
        "Seconds that Redis keeps its backlog without replicas.",
    )
    .kept(),
    Setting::new(
        "repl-timeout",
        Cluster,
        Integer(1, INT_MAX),
        "60",
        "Seconds after which Redis gives up a replication link.",
    )
    .kept(),
    Setting::new(
        "repl-ping-replica-period",
        Cluster,
        Integer(1, INT_MAX),
        "10",
        "Seconds between Redis' pings of replicas.",
    )
    .alias("repl-ping-slave-period")
    .kept(),
    Setting::new("repl-diskless-sync", Cluster, Switch, "yes", "How Redis sends snapshots to replicas.")
        .kept(),
    Setting::new(
        "repl-diskless-sync-delay",
        Cluster,
        Integer(0, INT_MAX),
        "5",
        "Seconds that Redis waits for more replicas.",
    )
    .kept(),
    Setting::new("repl-disable-tcp-nodelay", Cluster, Switch, "no", "How Redis sends to replicas.").kept(),
    Setting::new(
        "replica-serve-stale-data",
        Cluster,
        Switch,
        "yes",
        "Whether a cut-off Redis replica answers. A node without quorum never does.",
    )
    .alias("slave-serve-stale-data")
    .kept(),
    Setting::new(
        "replica-read-only",
        Cluster,
        Switch,
        "yes",
        "Whether a Redis replica refuses writes. Every node takes them here.",
    )
    .alias("slave-read-only")
    .kept(),
    Setting::new(
        "replica-priority",
        Cluster,
        Integer(0, INT_MAX),
        "100",
        "Priority of a Redis replica in a failover.",
    )
    .alias("slave-priority")
    .kept(),
    Setting::new("replica-lazy-flush", Cluster, Switch, "no", "How a Redis replica empties itself.")
        .alias("slave-lazy-flush")
        .kept(),
    Setting::new(
        "replica-ignore-maxmemory",
        Cluster,
        Switch,
        "yes",
        "Whether a Redis replica removes keys itself.",
    )
    .alias("slave-ignore-maxmemory")
    .kept(),
    Setting::new(
        "shutdown-timeout",
        Cluster,
        Integer(0, INT_MAX),
        "10",
        "Seconds that Redis waits for replicas when it stops.",
    )
    .kept(),
    Setting::new(
        "crash-log-enabled",
        Cluster,
        Switch,
        "yes",
        "Whether Redis writes a report when it crashes.",
    )
    .kept(),
    Setting::new(
        "crash-memcheck-enabled",
        Cluster,
        Switch,
        "yes",
        "Whether Redis tests memory when it crashes.",
    )
    .kept(),
    Setting::new(
        "jemalloc-bg-thread",
        Cluster,
        Switch,
        "yes",
        "Whether the allocator works in the background.",
    )
    .kept(),
    Setting::new(
        "protected-mode",
        Cluster,
        Switch,
        "yes",
        "Refuse clients from other hosts while there is no password.",
    ),
];
