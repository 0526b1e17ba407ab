"""A plain Redis client over a socket, and waiting for conditions.

Invariants: every wait has a bound; a reply that does not come is told apart from a closed connection and
from an error reply, because they promise different things about a write.
"""

import ctypes
import os
import socket
import threading
import time

CLONE_NEWNET = 0x40000000
LIBC = ctypes.CDLL(None, use_errno=True)


class Failed(Exception):
    """What a test expected did not happen."""


class Refused(Exception):
    """The node answered with an error: the command took no effect."""


class Closed(Exception):
    """The connection ended before the reply: the outcome of a write is unknown."""


class Late(Exception):
    """Nothing came within the bound."""


class Client:
    """One connection. Call it with a command's arguments."""

    def __init__(self, connection: socket.socket, seconds: float):
        self.socket = connection
        self.socket.settimeout(seconds)
        self.stream = connection.makefile("rb")

    @classmethod
    def to(cls, address: str, port: int = 6379, seconds: float = 25) -> "Client":
        """Connects from the network that this process is in."""
        return cls(dialled(lambda: socket.create_connection((address, port), seconds)), seconds)

    @classmethod
    def inside(cls, pid: int, port: int = 6379, seconds: float = 25) -> "Client":
        """Connects from inside the network of the process `pid`, over its loopback."""
        return cls(socket_inside(pid, port, seconds), seconds)

    def __call__(self, *args):
        parts = [str(arg).encode() for arg in args]
        request = b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts)
        try:
            self.socket.sendall(request)
            return self.reply()
        except TimeoutError as error:
            raise Late(f"no reply to {args[0]}") from error
        except OSError as error:
            raise Closed(str(error)) from error

    def reply(self):
        line = self.stream.readline()
        if not line.endswith(b"\r\n"):
            raise Closed("the connection was closed")
        kind, text = line[:1], line[1:-2].decode()
        if kind == b"+":
            return text
        if kind == b"-":
            raise Refused(text)
        if kind == b":":
            return int(text)
        if kind == b"$":
            return self.bulk(int(text))
        if kind == b"*":
            return [self.reply() for _ in range(int(text))]
        raise Failed(f"a reply that is none: {line!r}")

    def bulk(self, length: int):
        if length < 0:
            return None
        data = self.stream.read(length + 2)
        if len(data) != length + 2:
            raise Closed("the connection was closed")
        return data[:-2].decode()

    def close(self):
        self.stream.close()
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def dialled(dial) -> socket.socket:
    try:
        return dial()
    except TimeoutError as error:
        raise Late("no connection") from error
    except OSError as error:
        raise Closed(f"no connection: {error}") from error


def socket_inside(pid: int, port: int, seconds: float) -> socket.socket:
    """A socket keeps the network that it was made in; so a thread steps in, makes it, and ends."""
    outcome = []

    def step_in():
        try:
            with open(f"/proc/{pid}/ns/net") as network:
                if LIBC.setns(network.fileno(), CLONE_NEWNET) != 0:
                    raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
            outcome.append(socket.create_connection(("127.0.0.1", port), seconds))
        except OSError as error:
            outcome.append(error)

    thread = threading.Thread(target=step_in)
    thread.start()
    thread.join()
    if isinstance(outcome[0], OSError):
        raise Closed(f"no connection: {outcome[0]}") from outcome[0]
    return outcome[0]


def until(what: str, seconds: float, condition):
    """Waits until `condition` gives something true, and returns that."""
    deadline = time.monotonic() + seconds
    last = "nothing was seen"
    while time.monotonic() < deadline:
        try:
            seen = condition()
            if seen:
                return seen
            last = f"last seen: {seen!r}"
        except (Failed, Refused, Closed, Late) as error:
            last = f"last: {error}"
        # Between two looks, not in place of one.
        time.sleep(0.1)
    raise Failed(f"not within {seconds:g} s: {what} ({last})")


def expect(what: str, expected, got):
    if expected != got:
        raise Failed(f"{what}: expected {expected!r}, got {got!r}")


class Counters:
    """Clients that each count one shared key up through a node of their own, as fast as replies come.

    As every reply is the counter's value, each writer sees at once if a value comes twice or goes back;
    in the end the counter must be exactly the sum of what was acknowledged.
    """

    def __init__(self, key: str, connects: dict):
        self.key = key
        self.stopping = threading.Event()
        self.acknowledged = dict.fromkeys(connects, 0)
        self.pause_max = dict.fromkeys(connects, 0.0)
        self.faults: list[str] = []
        self.threads = [threading.Thread(target=self.count, args=item) for item in connects.items()]

    def count(self, node: str, connect):
        last = 0
        try:
            with connect() as client:
                while not self.stopping.is_set():
                    start = time.monotonic()
                    value = client("INCR", self.key)
                    self.pause_max[node] = max(self.pause_max[node], time.monotonic() - start)
                    self.acknowledged[node] += 1
                    if value <= last:
                        raise Failed(f"the counter went from {last} to {value}")
                    last = value
        except Exception as error:  # Whatever it is, the test must hear of it.
            self.faults.append(f"the writer on {node} after {last}: {type(error).__name__}: {error}")

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def progress(self, more: int):
        """Waits until each writer has had `more` further acknowledgements."""
        before = dict(self.acknowledged)

        def is_done():
            if self.faults:
                return True
            behind = {node: self.acknowledged[node] - count for node, count in before.items()}
            if min(behind.values()) < more:
                raise Failed(f"there were {behind}")
            return True

        until(f"{more} more writes through each node", 90, is_done)
        self.check()

    def check(self):
        if self.faults:
            raise Failed("; ".join(self.faults))

    def finish(self) -> int:
        """Ends the writers, and gives what the counter must be."""
        self.stopping.set()
        for thread in self.threads:
            thread.join()
        self.check()
        return sum(self.acknowledged.values())

    def __exit__(self, *_):
        self.stopping.set()
        for thread in self.threads:
            thread.join()
