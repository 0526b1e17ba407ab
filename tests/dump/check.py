"""Values of every type: made in Redis, dumped there, restored in Quorate, dumped there, restored in Redis.

After each step both must answer alike to the commands that show the whole value.
"""

import random
import socket
import sys


class Client:
    """One connection. Call it with a command's arguments; an error is an exception."""

    def __init__(self, port: int):
        self.socket = socket.create_connection(("127.0.0.1", port), 30)
        self.stream = self.socket.makefile("rb")

    def __call__(self, *args):
        parts = [part if isinstance(part, bytes) else str(part).encode() for part in args]
        head = b"*%d\r\n" % len(parts)
        self.socket.sendall(head + b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts))
        return self.reply()

    def reply(self):
        line = self.stream.readline()
        if not line.endswith(b"\r\n"):
            raise EOFError("the connection was closed")
        kind, rest = line[:1], line[1:-2]
        if kind == b"+":
            return rest
        if kind == b"-":
            raise RuntimeError(rest.decode())
        if kind == b":":
            return int(rest)
        if kind == b"$":
            return None if rest == b"-1" else self.stream.read(int(rest) + 2)[:-2]
        if kind == b"*":
            return None if rest == b"-1" else [self.reply() for _ in range(int(rest))]
        raise RuntimeError(f"not a reply: {line!r}")


def element(chance: random.Random) -> bytes:
    """A text: short, long, compressible, any bytes, or a number of any width."""
    kind = chance.randrange(6)
    if kind == 0:
        return b"%d" % (chance.randrange(-(1 << 63), 1 << 63) >> chance.randrange(64))
    if kind == 1:
        return chance.randbytes(chance.randrange(100))
    if kind == 2:
        return chance.choice([b"abc", b"x", b"0"]) * chance.randrange(400)
    if kind == 3:
        return chance.randbytes(chance.choice([63, 64, 4095, 4096, 20000]))
    return b"text %d" % chance.randrange(1000)


def string(redis, key, chance):
    redis("SET", key, element(chance))
    if chance.randrange(3) == 0:
        redis("APPEND", key, b"1")


def hash(redis, key, chance):
    for number in range(chance.choice([1, 5, 50, 700])):
        redis("HSET", key, b"field %d" % number, element(chance) if number < 5 else number)


def list(redis, key, chance):
    for number in range(chance.choice([1, 5, 50, 3000])):
        redis("RPUSH", key, element(chance) if number < 8 else number)


def set(redis, key, chance):
    for number in range(chance.choice([1, 5, 50, 700])):
        redis("SADD", key, element(chance) if chance.randrange(20) == 0 else number)


def sorted_set(redis, key, chance):
    scores = [0, 1.5, -3, "inf", "-inf", 1e300, 3.0000000000000004]
    for number in range(chance.choice([1, 5, 50, 700])):
        redis("ZADD", key, chance.choice(scores), b"member %d" % number if number > 3 else element(chance))


def stream(redis, key, chance):
    count = chance.choice([1, 5, 50, 700])
    for number in range(1, count + 1):
        fields = [b"a", number, b"b", element(chance)][: chance.choice([2, 4])]
        redis("XADD", key, b"%d-%d" % (number // 3 + 1, number), *fields)
        if chance.randrange(6) == 0:
            redis("XDEL", key, b"%d-%d" % (number // 3 + 1, number))
    for group in [b"g", b"h"][: chance.randrange(3)]:
        redis("XGROUP", "CREATE", key, group, chance.choice([b"0", b"$", b"2-5"]))
        for consumer in [b"alice", b"a consumer with a longer name", b"17"]:
            redis("XREADGROUP", "GROUP", group, consumer, "COUNT", 20, "STREAMS", key, ">")
    if chance.randrange(4) == 0:
        redis("XTRIM", key, "MAXLEN", count // 4)


def groups(client, key):
    """Groups with all that is pending; the times since are left out."""
    shown = []
    for group in client("XINFO", "GROUPS", key):
        pending = client("XPENDING", key, group[1], "-", "+", 10000)
        shown.append((group, [entry[:2] + entry[3:] for entry in pending]))
    return shown


def info(client, key):
    """A stream's counters; Redis' tree has other inner nodes."""
    pairs = client("XINFO", "STREAM", key)
    return [pairs[i : i + 2] for i in range(0, len(pairs), 2) if pairs[i] != b"radix-tree-nodes"]


def scores(client, key):
    """Members with their scores as numbers: 7.0 and 7.2 write some in other digits."""
    return [(member, float(score)) for member, score in pairs(client("ZRANGE", key, 0, -1, "WITHSCORES"))]


def pairs(flat):
    return [tuple(flat[i : i + 2]) for i in range(0, len(flat), 2)]


WAYS = [
    (string, [lambda client, key: client("GET", key)]),
    (hash, [lambda client, key: sorted(pairs(client("HGETALL", key)))]),
    (list, [lambda client, key: client("LRANGE", key, 0, -1)]),
    (set, [lambda client, key: sorted(client("SMEMBERS", key))]),
    (sorted_set, [scores]),
    (stream, [lambda client, key: client("XRANGE", key, "-", "+"), info, groups]),
]


def supported(client, command: str) -> bool:
    return client("COMMAND", "INFO", command)[0] is not None


def main():
    redis, quorate = Client(int(sys.argv[1])), Client(int(sys.argv[2]))
    chance, rounds = random.Random(int(sys.argv[3])), int(sys.argv[4])
    needed = {list: "rpush", set: "sadd", sorted_set: "zadd"}
    passed = 0
    for make, shows in WAYS:
        if make in needed and not supported(quorate, needed[make]):
            print(f"{make.__name__}: not there yet")
            continue
        for number in range(rounds):
            key = f"{make.__name__}:{number}"
            make(redis, key, chance)
            quorate("RESTORE", key, 0, redis("DUMP", key), "REPLACE")
            redis("RESTORE", f"{key}:back", 0, quorate("DUMP", key), "REPLACE")
            for show in shows:
                expected = show(redis, key)
                for client, name in [(quorate, key), (redis, f"{key}:back")]:
                    shown = show(client, name)
                    if shown != expected:
                        what = f"{shown!r:.500} is not {expected!r:.500}"
                        sys.exit(f"FAILED {name} (seed {sys.argv[3]}): {what}")
                passed += 2
            redis("DEL", key, f"{key}:back")
            quorate("DEL", key)
    print(f"dump: {passed} passed, 0 failed")


if __name__ == "__main__":
    main()
