//! A stock client, redis-rs, that knows nothing of a cluster.

use std::collections::HashMap;

use quorate_testkit::Cluster;
use redis::{Commands, Connection, ErrorKind, ServerErrorKind};

use crate::{QUORATE, alone, calm};

#[test]
fn redis_rs_takes_every_node_for_one_redis() {
    let _alone = alone();
    let cluster = Cluster::start(QUORATE, 3, &calm(&[]));
    for (protocol, db) in [("resp2", 0), ("resp3", 0), ("resp3", 3)] {
        for node in 0..3 {
            let mut here = connect(&cluster, node, db, protocol);
            let mut there = connect(&cluster, (node + 1) % 3, db, protocol);
            works(&mut here, &mut there).unwrap_or_else(|error| panic!("{protocol}, node {node}: {error}"));
        }
    }
}

fn connect(cluster: &Cluster, node: usize, db: u8, protocol: &str) -> Connection {
    let url = format!("redis://{}/{db}?protocol={protocol}", cluster.nodes[node].resp);
    let client = redis::Client::open(url).expect("a valid address");
    client.get_connection().expect("a node takes a connection")
}

/// What is written over one connection is read over the other at once.
fn works(here: &mut Connection, there: &mut Connection) -> redis::RedisResult<()> {
    let () = redis::cmd("FLUSHDB").query(here)?;
    let () = here.set("greeting", "hello")?;
    assert_eq!(there.get::<_, String>("greeting")?, "hello");
    assert_eq!(there.get::<_, Option<String>>("nothing")?, None);
    let binary: Vec<u8> = (0..=255).collect();
    let () = here.set_ex("binary", &binary, 100)?;
    assert_eq!(there.get::<_, Vec<u8>>("binary")?, binary);
    assert!((90..=100).contains(&there.ttl::<_, i64>("binary")?));

    let () = here.hset_multiple("user", &[("name", "Ada"), ("field", "engines")])?;
    let user: HashMap<String, String> = there.hgetall("user")?;
    assert_eq!(user["name"], "Ada");
    assert_eq!(user.len(), 2);

    let (first, second, all): (i64, i64, Vec<Option<String>>) = redis::pipe()
        .incr("counter", 1)
        .incr("counter", 41)
        .cmd("SET")
        .arg("piped")
        .arg("yes")
        .ignore()
        .mget(&["piped", "counter", "nothing"])
        .query(here)?;
    assert_eq!((first, second), (1, 42));
    assert_eq!(all, [Some("yes".into()), Some("42".into()), None]);
    assert_eq!(there.get::<_, i64>("counter")?, 42);

    let large = vec![7_u8; 3 << 20];
    let () = here.set("large", &large)?;
    assert!(there.get::<_, Vec<u8>>("large")? == large, "3 MB came back changed");

    let mut keys: Vec<String> = there.scan_match::<_, String>("*r*")?.collect::<Result<_, _>>()?;
    keys.sort();
    assert_eq!(keys, ["binary", "counter", "greeting", "large", "user"]);

    let wrong = here.incr::<_, _, i64>("greeting", 1).expect_err("hello is no number");
    assert_eq!(wrong.kind(), ErrorKind::Server(ServerErrorKind::ResponseError));
    let wrong = here.get::<_, String>("user").expect_err("a hash is no string");
    assert_eq!(wrong.code(), Some("WRONGTYPE"));
    assert_eq!(here.del::<_, i64>(("greeting", "user", "nothing"))?, 2);
    assert_eq!(redis::cmd("PING").query::<String>(there)?, "PONG");
    Ok(())
}
