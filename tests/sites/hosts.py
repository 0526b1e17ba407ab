"""Three hosts of a site: network namespaces on a bridge, and the processes in them.

A host runs Quorate, a HAProxy as HSTS 3.9 has it, and the stand-in of NodeAPI. It is switched off as power goes:
its cable first, so that nobody hears a goodbye, then all its processes.
"""

import csv
import json
import os
import pathlib
import secrets
import shutil
import signal
import socket
import subprocess
import sys

sys.path.append(str(pathlib.Path(__file__).parent.parent / "containers"))
from resp import Client, Closed, Failed, Refused, until  # noqa: E402

REDIS, SENTINEL, BALANCED, PEER, ADMIN = 31415, 41415, 31414, 16379, 8379
NAME = "myprimary"
NUMBERS = (1, 2, 3)
# A busy machine must not count as a failure of the leader, or use up the time that requests are held.
SETTINGS = os.environ.get("SITES_SETTINGS", "--heartbeat 100ms --election 800ms --hold-max 19s").split()


def run(*command, seconds: float = 30, stdin: bytes | None = None) -> str:
    done = subprocess.run(
        [str(part) for part in command], timeout=seconds, input=stdin, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    text = done.stdout.decode(errors="replace").strip()
    if done.returncode != 0:
        raise Failed(f"{' '.join(map(str, command[:6]))} … ended with {done.returncode}: {text[-2000:]}")
    return text


class Host:
    """One host; everything in it is started and ended here."""

    def __init__(self, site: "Site", number: int):
        self.site = site
        self.number = number
        self.address = f"10.9.0.{number}"
        self.folder = site.work / f"host{number}"
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        self.processes: dict[str, subprocess.Popen] = {}
        name, cable = f"host{number}", f"cable{number}"
        run("ip", "netns", "add", name)
        run("ip", "link", "add", cable, "type", "veth", "peer", "name", "eth0", "netns", name)
        run("ip", "link", "set", cable, "master", "site")
        run("ip", "link", "set", cable, "up")
        for command in ("link set lo up", "link set eth0 up", f"addr add {self.address}/24 dev eth0"):
            run("ip", "-n", name, *command.split())

    def start(self, name: str, *command):
        """Starts a process in the host, in a group of its own."""
        with open(self.folder / f"{name}.log", "ab") as log:
            self.processes[name] = subprocess.Popen(
                ["ip", "netns", "exec", f"host{self.number}", *map(str, command)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def end(self, name: str, number=signal.SIGTERM, seconds: float = 40) -> int:
        """Ends a process with a signal to its group and gives its status."""
        process = self.processes.pop(name)
        # A stop in good order is the parent's; a kill is everybody's.
        if number == signal.SIGKILL:
            os.killpg(process.pid, number)
        else:
            process.send_signal(number)
        return process.wait(seconds)

    def start_quorate(self):
        peers = ",".join(f"{n}=10.9.0.{n}:{PEER}" for n in NUMBERS)
        self.start(
            "quorate",
            self.site.quorate,
            "serve",
            *("--node", self.number, "--peers", peers, "--secret-file", self.site.secret),
            *("--data-dir", self.folder / "data", "--announce-host", self.address),
            *("--resp-bind", f"0.0.0.0:{REDIS}", "--sentinel-bind", f"0.0.0.0:{SENTINEL}"),
            *("--peer-bind", f"{self.address}:{PEER}", "--admin-bind", f"127.0.0.1:{ADMIN}"),
            *("--sentinel-names", NAME, "--roles", self.site.roles, *SETTINGS),
        )

    def start_balancer(self):
        """HAProxy, with the checks that are usual before Redis. With `any` it prefers its own host's node."""
        servers = []
        for n in NUMBERS:
            backup = " backup" if self.site.roles == "any" and n != self.number else ""
            servers.append(f"  server node{n} 10.9.0.{n}:{REDIS} check{backup}")
        checks = [(f"AUTH\\ {self.site.password}", "+OK"), ("PING", "+PONG")]
        checks += [("info\\ replication", "role:master"), ("QUIT", "+OK")]
        lines = [f"  tcp-check send {line}\\r\\n\n  tcp-check expect string {reply}" for line, reply in checks]
        config = self.folder / "haproxy.cfg"
        config.write_text(
            f"global\n  stats socket {self.folder}/haproxy.sock mode 600\n"
            "defaults\n  mode tcp\n  timeout connect 2s\n  timeout client 1h\n  timeout server 1h\n  timeout check 2s\n"
            "  option redispatch\n"
            f"listen redis\n  bind 127.0.0.1:{BALANCED}\n  option tcp-check\n  tcp-check connect\n"
            + "\n".join(lines)
            + "\n  default-server inter 500ms fall 2 rise 1 on-marked-down shutdown-sessions\n"
            + "\n".join(servers)
            + "\n"
        )
        self.start("haproxy", "haproxy", "-db", "-f", config)

    def balanced(self) -> dict[str, str]:
        """What its HAProxy thinks of each node: UP or DOWN."""
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(5)
                connection.connect(str(self.folder / "haproxy.sock"))
                connection.sendall(b"show stat\n")
                text = connection.makefile().read()
        except OSError as error:
            raise Closed(f"the HAProxy of host {self.number} does not tell: {error}") from error
        rows = csv.DictReader(text.lstrip("# ").splitlines())
        return {row["svname"]: row["status"].split()[0] for row in rows if row["svname"].startswith("node")}

    def start_nodeapi(self, contract: str, label: str, workers: int, interval_ms: int):
        others = [n for n in NUMBERS if n != self.number]
        addresses = {
            "plain": f"127.0.0.1:{REDIS}",
            "balanced": f"127.0.0.1:{BALANCED}",
            # Its own host first, then the others.
            "sentinel": ",".join(f"10.9.0.{n}:{SENTINEL}" for n in [self.number, *others]),
        }[contract]
        self.start(
            "nodeapi",
            *(self.site.work / "nodeapi", "sentinel" if contract == "sentinel" else "plain", addresses, NAME),
            *(self.site.password, f"{label}.{self.number}", workers, interval_ms, self.folder / f"{label}.journal"),
        )

    def client(self, port: int = REDIS, password: bool = True) -> Client:
        """A client that runs in this host and connects over its loopback."""
        client = Client.inside(self.process_inside(), port)
        if password and self.site.password and port != SENTINEL:
            client("AUTH", self.site.password)
        return client

    def process_inside(self) -> int:
        """A process in the host's network; `ip netns exec` becomes the program that it starts."""
        for process in self.processes.values():
            if process.poll() is None:
                return process.pid
        raise Closed(f"nothing runs on host {self.number}")

    def is_serving(self) -> bool:
        with self.client() as client:
            return client("PING") == "PONG" and isinstance(client("DBSIZE"), int)

    def switch_off(self):
        run("ip", "link", "set", f"cable{self.number}", "down")
        for name in list(self.processes):
            self.end(name, signal.SIGKILL)

    def switch_on(self):
        run("ip", "link", "set", f"cable{self.number}", "up")
        self.start_quorate()
        self.start_balancer()


class Site:
    """Three hosts; a context manager that ends all of them."""

    def __init__(self, quorate: pathlib.Path, work: pathlib.Path, roles: str):
        self.quorate, self.work, self.roles = quorate, work, roles
        self.password = ""
        self.secret = work / "secret"
        self.secret.write_text(secrets.token_hex(32) + "\n")
        self.secret.chmod(0o600)
        self.hosts: dict[int, Host] = {}

    def __enter__(self):
        run("ip", "link", "add", "site", "type", "bridge")
        run("ip", "link", "set", "site", "up")
        self.hosts = {number: Host(self, number) for number in NUMBERS}
        for host in self.hosts.values():
            host.start_quorate()
        self.serving()
        return self

    def __exit__(self, *_):
        for host in self.hosts.values():
            for name in list(host.processes):
                host.end(name, signal.SIGKILL)
            run("ip", "netns", "delete", f"host{host.number}")
        # The cables go with the hosts, but not at once.
        run("ip", "link", "delete", "site")

    def secure(self):
        """Sets a password, on one node for all; nobody but this host could connect without."""
        with self.hosts[1].client() as client:
            self.password = "a-site-s-own-password"
            client("CONFIG", "SET", "requirepass", self.password)
        self.serving()
        for host in self.hosts.values():
            host.start_balancer()

    def serving(self, *numbers: int):
        for number in numbers or NUMBERS:
            host = self.hosts[number]
            until(f"host {number} serves", 90, host.is_serving)

    def leader(self, *among: int) -> int:
        def found():
            for number in among or NUMBERS:
                text = run(
                    *("ip", "netns", "exec", f"host{number}", self.quorate, "cluster", "status", "--json"),
                    *("--url", f"http://127.0.0.1:{ADMIN}"),
                )
                status = json.loads(text)
                if status["leader"] is not None and status["quorum"]:
                    return status["nodes"][str(status["leader"])]["number"]
            return None

        return until("a leader", 60, found)

    def refused(self, host: Host, *args) -> str:
        """The error that a client without a password gets."""
        with host.client(password=False) as client:
            try:
                return f"answered {client(*args)!r}"
            except Refused as error:
                return str(error)
