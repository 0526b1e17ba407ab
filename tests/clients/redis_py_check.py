"""A stock redis-py client, which greets with HELLO 3 by default in its newest versions."""
import sys
import redis

port, ports = int(sys.argv[1]), [int(p) for p in sys.argv[2:]]
for protocol in (2, 3):
    here = redis.Redis(port=port, protocol=protocol, decode_responses=True, socket_timeout=20)
    others = [redis.Redis(port=p, protocol=protocol, decode_responses=True, socket_timeout=20) for p in ports]
    assert here.ping()
    for i in range(50):
        assert here.set(f"py:{i}", i)
        assert all(other.get(f"py:{i}") == str(i) for other in others), f"py:{i} is missing on a node"
    assert here.hset("py:hash", mapping={"a": "1", "b": "2"}) in (0, 2)
    assert here.hgetall("py:hash") == {"a": "1", "b": "2"}
    assert here.hincrbyfloat("py:hash", "a", 0.5) == 1.5
    assert here.hdel("py:hash", "a", "b") == 2
    assert here.set("py:nx", "1", nx=True, ex=100) and not here.set("py:nx", "2", nx=True)
    assert 0 < here.ttl("py:nx") <= 100
    assert here.delete("py:nx") == 1
    pipeline = here.pipeline(transaction=False)
    for i in range(100):
        pipeline.incr("py:counter")
    replies = pipeline.execute()
    assert replies[-1] - replies[0] == 99, replies
    assert set(here.scan_iter("py:*", count=7)) == {"py:counter"} | {f"py:{i}" for i in range(50)}
    here.delete("py:counter")
    info = here.info()
    assert info["redis_version"].startswith("7."), info["redis_version"]
    assert info["server_name"] == "quorate" and info["redis_mode"] == "standalone"
    assert here.config_get("maxmemory")["maxmemory"] == "0"
    assert here.client_setname("check") and here.client_getname() == "check"
    try:
        here.execute_command("HGET", "py:1", "f")
        raise SystemExit("a wrong type passed")
    except redis.ResponseError as error:
        assert str(error).startswith("WRONGTYPE"), error
    # Messages: subscribed here, published on every node.
    listener = here.pubsub()
    listener.subscribe("py:news")
    listener.psubscribe("py:*")

    def heard(kind):
        while True:
            message = listener.get_message(timeout=20)
            assert message is not None, f"no {kind} came"
            if message["type"] == kind:
                return message

    assert heard("subscribe")["channel"] == "py:news" and heard("psubscribe")["data"] == 2
    for other in others:
        assert other.publish("py:news", "hello") == 2
        assert heard("message")["data"] == "hello"
        assert heard("pmessage")["pattern"] == "py:*"
        assert other.pubsub_numsub("py:news") == [("py:news", 1)], other.pubsub_numsub("py:news")
    listener.unsubscribe()
    assert heard("unsubscribe")["channel"] == "py:news"
    listener.close()
