"""A stock redis-py client that looks for its Redis through the Sentinel ports of all nodes."""
import sys

import redis
from redis.sentinel import MasterNotFoundError, Sentinel

first, ports, sentinels = int(sys.argv[1]), sys.argv[2].split(","), sys.argv[3].split(",")
# The Sentinel that is asked first is that of the node under test.
order = [sentinels[ports.index(str(first))]] + sentinels
for protocol in (2, 3):
    options = {"socket_timeout": 20, "protocol": protocol}
    sentinel = Sentinel([("127.0.0.1", int(port)) for port in order], sentinel_kwargs=options, **options)
    for name in ("mymaster", "myprimary"):
        address = sentinel.discover_master(name)
        assert address == ("127.0.0.1", first), address
        replicas = sentinel.discover_slaves(name)
        assert sorted(str(port) for _, port in replicas) == sorted(p for p in ports if p != str(first)), replicas
        master, replica = sentinel.master_for(name), sentinel.slave_for(name)
        for i in range(20):
            assert master.set(f"sentinel:{i}", i)
            assert replica.get(f"sentinel:{i}") == str(i).encode(), "a replica reads what was written"
    try:
        sentinel.discover_master("nobody")
        raise SystemExit("a set that is not there was found")
    except MasterNotFoundError:
        pass
    asked = redis.Redis(port=int(order[0]), decode_responses=True, **options)
    state = asked.sentinel_master("mymaster")
    assert state["num-other-sentinels"] == 2 and state["is_master"] and not state["is_odown"], state
    assert len(asked.sentinel_sentinels("mymaster")) == 2
    subscriber = asked.pubsub()
    subscriber.psubscribe("+switch-master")
    assert subscriber.get_message(timeout=20)["type"] == "psubscribe"
