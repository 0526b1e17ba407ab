"""A Redis moves into a cluster: by its files, and live under write load. Every key is compared, by other means than the
program's own: the commands that show whole values."""

import json
import os
import random
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "dump"))
import check as values  # noqa: E402
from check import Client  # noqa: E402

MAKERS = [values.string, values.list, values.set, values.hash, values.sorted_set, values.stream]
LIBRARY = "#!lua name=lib\nredis.register_function('f', function(k, a) return redis.call('INCR', k[1]) end)"
FAR = 4102444800000


def until(what, condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"{what}: not within {seconds} s")
        time.sleep(0.05)


class Redis:
    """A real Redis of our own."""

    def __init__(self, port, folder, *flags):
        self.port, self.folder = port, folder
        os.makedirs(folder, exist_ok=True)
        command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", folder, *flags]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        until("redis", self.answers)

    def answers(self):
        try:
            return Client(self.port)("PING") == b"PONG"
        except (OSError, RuntimeError):
            return False

    def stop(self):
        self.process.terminate()
        self.process.wait()


def fill(redis, chance, rounds):
    for i in range(rounds):
        for maker in MAKERS:
            redis("SELECT", chance.choice([0, 0, 3]))
            key = b"%s:%d" % (maker.__name__.encode(), i)
            maker(redis, key, chance)
            if chance.randrange(4) == 0:
                redis("PEXPIREAT", key, FAR + i)
    redis("SELECT", 0)
    for i in range(30):
        redis("RPUSH", "big:list", *[b"element-%d-%d" % (i, j) for j in range(3000)])
        redis("HSET", "big:hash", *[x for j in range(1500) for x in (b"field-%d-%d" % (i, j), b"v" * 20)])
        redis("SADD", "big:set", *[b"member-%d-%d" % (i, j) for j in range(3000)])
        redis("ZADD", "big:zset", *[x for j in range(1500) for x in (str(j * 1.1 + i), b"member-%d-%d" % (i, j))])
    redis("SET", "big:string", chance.randbytes(3_000_000))
    redis("PEXPIREAT", "big:set", FAR)
    redis("FUNCTION", "FLUSH")
    redis("FUNCTION", "LOAD", LIBRARY)


SHOW = {
    b"string": lambda key: ("GET", key),
    b"list": lambda key: ("LRANGE", key, 0, -1),
    b"set": lambda key: ("SMEMBERS", key),
    b"hash": lambda key: ("HGETALL", key),
    b"zset": lambda key: ("ZRANGE", key, 0, -1, "WITHSCORES"),
    b"stream": lambda key: ("XRANGE", key, "-", "+"),
}


def ask(client, commands, at_once=100):
    """The replies to many commands, a hundred under way at a time."""
    replies = []
    for start in range(0, len(commands), at_once):
        batch = commands[start : start + at_once]
        parts = [[p if isinstance(p, bytes) else str(p).encode() for p in command] for command in batch]
        client.socket.sendall(b"".join(
            b"*%d\r\n" % len(args) + b"".join(b"$%d\r\n%s\r\n" % (len(arg), arg) for arg in args) for args in parts
        ))
        replies += [client.reply() for _ in batch]
    return replies


def shown(client, names):
    """Whole values, as what shows them says, with their expiries."""
    kinds = ask(client, [("TYPE", key) for key in names])
    bodies = ask(client, [SHOW[kind](key) for kind, key in zip(kinds, names)])
    expiries = ask(client, [("PEXPIRETIME", key) for key in names])
    for i, (kind, key) in enumerate(zip(kinds, names)):
        if kind == b"set":
            bodies[i] = sorted(bodies[i])
        elif kind == b"hash":
            bodies[i] = sorted(values.pairs(bodies[i]))
        elif kind == b"zset":
            bodies[i] = [(member, float(score)) for member, score in values.pairs(bodies[i])]
        elif kind == b"stream":
            bodies[i] = (bodies[i], values.groups(client, key))
    return list(zip(kinds, bodies, expiries))


def keys(client):
    found, cursor = [], b"0"
    while True:
        cursor, page = client("SCAN", cursor, "COUNT", 500)
        found += page
        if cursor == b"0":
            return sorted(found)


def settled(client):
    """Whether no key is about to expire."""
    for db in range(16):
        client("SELECT", db)
        if any(0 <= left < 60_000 for left in ask(client, [("PTTL", key) for key in keys(client)])):
            return False
    return True


def compare(redis_port, port):
    left, right = Client(redis_port), Client(port)
    for side in (left, right):
        until("keys that expire soon", lambda side=side: settled(side))
    count = 0
    for db in range(16):
        left("SELECT", db), right("SELECT", db)
        names = keys(left)
        assert names == keys(right), (db, sorted({*names} ^ {*keys(right)})[:10])
        for key, a, b in zip(names, shown(left, names), shown(right, names)):
            assert a == b, (db, key, str(a)[:500], str(b)[:500])
        count += len(names)
    assert left("FUNCTION", "LIST") == right("FUNCTION", "LIST")
    return count


def run(quorate, *args, code=0):
    done = subprocess.run([quorate, "import", "--json", *args], capture_output=True, text=True, timeout=240)
    assert done.returncode == code, (args, done.returncode, done.stdout[-2000:], done.stderr[-2000:])
    return json.loads(done.stdout.strip().splitlines()[-1])


def files(quorate, redis, port, chance):
    client, target = Client(redis.port), Client(port)
    to = ["--to", f"127.0.0.1:1,127.0.0.1:{port}"]
    fill(client, chance, 20)
    client("SAVE")
    dump = os.path.join(redis.folder, "dump.rdb")
    assert run(quorate, dump, "--dry-run")["event"] == "read"
    done = run(quorate, dump, *to)
    count = compare(redis.port, port)
    assert done["keys"] == count and done["compared"]["same"] == count and done["in_parts"] >= 3, done
    assert run(quorate, dump, *to, code=3)["event"] == "failed"
    target("SET", "string:0", "mine")
    assert run(quorate, dump, *to, "--on-conflict", "skip")["skipped"] == count + 1
    assert target("GET", "string:0") == b"mine"
    run(quorate, dump, *to, "--on-conflict", "replace")
    compare(redis.port, port)
    print(f"migration: a dump of {count} keys is imported, refused, skipped and replaced")

    target("FLUSHALL"), target("FUNCTION", "FLUSH")
    client("CONFIG", "SET", "appendonly", "yes")
    until("the append-only file", lambda: b"aof_rewrite_in_progress:0" in client("INFO", "persistence"))
    load = Load(redis.port, 1)
    until("writes", lambda: load.count > 300)
    load.stop()
    client("CONFIG", "SET", "appendonly", "no")
    done = run(quorate, redis.folder, *to)
    assert done["commands"] > 300, done
    compare(redis.port, port)
    print(f"migration: an append-only file with {done['commands']} commands behind its base is imported")
    with open(os.path.join(redis.folder, "cut.aof"), "wb") as out:
        out.write(b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\n1\r\n*3\r\n$3\r\nSET\r\n$1\r\nb\r\n$1")
    target("FLUSHALL")
    assert run(quorate, os.path.join(redis.folder, "cut.aof"), *to)["commands"] == 1
    assert target("GET", "a") == b"1" and target("GET", "b") is None


class Load:
    """Writes of all kinds, until it is stopped, or the server refuses or leaves."""

    def __init__(self, port, seed, pause=0.0):
        self.port, self.chance, self.count, self.stopped, self.refused = port, random.Random(seed), 0, False, None
        self.pause = pause
        self.thread = threading.Thread(target=self.work, daemon=True)
        self.thread.start()

    def work(self):
        client = None
        while not self.stopped:
            try:
                if client is None:
                    client = Client(self.port)
                self.write(client)
                self.count += 1
                if self.pause:
                    time.sleep(self.pause)
            except RuntimeError as error:
                if "NOREPLICAS" in str(error):
                    self.refused = str(error)
                    return
                # Two that write the same keys get in each other's way.
                if not any(known in str(error) for known in ("WRONGTYPE", "no such key", "Function not found")):
                    raise
            except (OSError, EOFError):
                client = None
                time.sleep(0.05)

    def write(self, client):
        chance = self.chance
        i, kind = chance.randrange(200), chance.randrange(14)
        if kind == 0:
            client("SELECT", chance.choice([0, 0, 1]))
        elif kind == 1:
            client("INCRBYFLOAT", f"float:{i}", "0.1")
        elif kind == 2:
            client("SADD", f"load:set:{i}", *[chance.randrange(100) for _ in range(5)])
            client("SPOP", f"load:set:{i}", 2)
        elif kind == 3:
            client("SET", f"short:{i}", chance.random(), "PX", chance.choice([50, 500, 600_000_000]))
        elif kind == 4:
            client("MULTI")
            client("INCR", f"counter:{i}")
            client("LPUSH", f"load:list:{i}", "in a transaction")
            client("EXEC")
        elif kind == 5:
            client("EVAL", "redis.call('HINCRBY', KEYS[1], 'f', 1); redis.call('SELECT', 2); "
                   "return redis.call('APPEND', KEYS[1], 'x')", 1, f"script:{i}")
        elif kind == 6:
            client("XADD", f"load:stream:{i % 5}", "MAXLEN", "~", 500, "*", "n", i)
        elif kind == 7:
            client("LPUSH", f"load:list:{i}", i)
            client("LTRIM", f"load:list:{i}", 0, 20)
        elif kind == 8:
            client("ZADD", f"load:zset:{i}", chance.random(), chance.randrange(30))
        elif kind == 9:
            client("DEL", f"load:list:{chance.randrange(200)}", f"load:set:{i}")
        elif kind == 10:
            client("RENAME", f"counter:{i}", f"counter:{chance.randrange(200)}") if client("EXISTS", f"counter:{i}") else 0
        elif kind == 11:
            client("FCALL", "f", 1, "called")
        elif kind == 12:
            client("SETRANGE", f"load:string:{i}", chance.randrange(500), "text")
        else:
            client("INCR", "writes")

    def stop(self):
        self.stopped = True
        self.thread.join()


def live(quorate, redis, port, chance, seconds):
    client, target = Client(redis.port), Client(port)
    target("FLUSHALL"), target("FUNCTION", "FLUSH")
    for db in (0, 1, 2, 3):
        client("SELECT", db), client("FLUSHDB")
    client("SELECT", 0)
    fill(client, chance, 10)
    loads = [Load(redis.port, seed, 0.002) for seed in (2, 3)]
    command = [quorate, "import", "--json", "--from", f"127.0.0.1:{redis.port}", "--to", f"127.0.0.1:{port}"]

    def start():
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def follows(process):
        for line in process.stdout:
            event = json.loads(line)
            if event.get("stage") == "follow" and event["lag_bytes"] is not None:
                return event
        raise AssertionError("the import has ended")

    process = start()
    follows(process)
    # It ends hard, and goes on where it was.
    process.kill()
    process.wait()
    process = start()
    line = next(line for line in process.stdout if "goes on at byte" in line or "new copy" in line)
    assert "goes on at byte" in line, line
    follows(process)
    # Its connection is broken, and it goes on.
    assert client("CLIENT", "KILL", "TYPE", "REPLICA") >= 1
    line = next(line for line in process.stdout if "goes on at byte" in line or "new copy" in line)
    assert "goes on at byte" in line, line
    time.sleep(seconds)
    follows(process)
    process.stdin.write("now\n")
    process.stdin.flush()
    rest = process.stdout.read().strip().splitlines()
    assert process.wait(timeout=240) == 0, rest[-3:]
    done = json.loads(rest[-1])
    assert done["event"] == "cut-over" and done["paused"] and done["fenced"], done
    assert done["compared"]["different"] == 0 and done["commands"] > 0, done
    # Whoever wrote knows that it is over.
    for load in loads:
        until("the load is refused", lambda load=load: load.refused)
        load.stop()
    count = compare(redis.port, port)
    written = sum(load.count for load in loads)
    print(f"migration: live under {written} writes, {count} keys the same; writes stood still for "
          f"{done['pause_millis']} ms, of which {done['caught_up_millis']} ms until all was applied")


def follow(quorate, port, redis_port, folder, seconds):
    """A stock Redis follows a node, and another one loads an export."""
    target = Client(port)
    replica = Redis(redis_port, os.path.join(folder, "replica"))
    try:
        client = Client(redis_port)
        # Another node than the one that is written to.
        client("REPLICAOF", "127.0.0.1", port + 1)
        until("the copy", lambda: b"master_link_status:up" in client("INFO", "replication"))
        loads = [Load(port, seed, 0.002) for seed in (4, 5)]
        time.sleep(seconds)
        target("SELECT", 5), target("SET", "a", 1), target("SWAPDB", 5, 6), target("SELECT", 0)
        target("FUNCTION", "FLUSH"), target("FUNCTION", "LOAD", LIBRARY.replace("'f'", "'g'").replace("lib", "other"))
        # It begins anew where its connection breaks.
        client("CLIENT", "KILL", "TYPE", "MASTER")
        target("SELECT", 3), target("FLUSHDB"), target("SELECT", 0)
        time.sleep(seconds / 2)
        for load in loads:
            load.stop()
        assert all(load.count > 0 for load in loads)
        target("SET", "the end", 1)
        until("the end of the stream", lambda: holds(client, "the end", b"1"))
        count = compare(redis_port, port)
        print(f"migration: a stock replica followed {sum(load.count for load in loads)} writes, {count} keys the same")
        # More than is noted key by key.
        target("FLUSHALL"), target("SET", "the end", 2)
        until("the end of the stream", lambda: holds(client, "the end", b"2"))
        fill(target, random.Random(9), 5)
        target("SET", "the end", 3)
        until("the end of the stream", lambda: holds(client, "the end", b"3"))
        count = compare(redis_port, port)
    finally:
        replica.stop()
    os.makedirs(os.path.join(folder, "export"))
    dump = os.path.join(folder, "export", "dump.rdb")
    done = subprocess.run([quorate, "export", dump, "--from", f"127.0.0.1:{port + 2}", "--json"],
                          capture_output=True, text=True, timeout=120, check=True)
    assert json.loads(done.stdout.strip().splitlines()[-1])["keys"] == count, done.stdout
    loaded = Redis(redis_port, os.path.join(folder, "export"))
    try:
        assert compare(redis_port, port) == count
    finally:
        loaded.stop()
    print(f"migration: a real Redis has loaded an export of {count} keys")


def holds(client, key, value):
    """Whether a key has come; while a replica takes a copy it answers nothing."""
    try:
        return client("GET", key) == value
    except RuntimeError as error:
        if "LOADING" not in str(error):
            raise
        return False


def main():
    quorate, port, redis_port, folder, seed, seconds = sys.argv[1:]
    port, chance = int(port), random.Random(int(seed))
    redis = Redis(int(redis_port), os.path.join(folder, "redis"))
    try:
        files(quorate, redis, port, chance)
        live(quorate, redis, port, chance, float(seconds))
        follow(quorate, port, int(redis_port) + 1, folder, float(seconds))
    finally:
        redis.stop()
    print("migration: passed")


main()
