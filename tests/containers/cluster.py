"""The cluster of docker/compose.yaml in containers, and what can be done to it.

Nodes are called by their service: node1, node2, node3. Addresses are looked up anew at each use, because
a container may get another one each time it starts or is connected.
"""

import http.client
import json
import os
import pathlib
import secrets
import shutil

from daemon import docker, run
from resp import Client, Closed, Failed, Late, Refused, expect, socket_inside, until

PROJECT = "quorate"
NETWORK = f"{PROJECT}_default"
NODES = ("node1", "node2", "node3")
PORTS = dict(zip(NODES, (7001, 7002, 7003)))
ADMIN_PORT = 8379
TOKEN_FILE = "/run/secrets/admin-token"


class Cluster:
    """Three containers; a context manager that takes them down, their network and volumes too."""

    def __init__(self, compose: pathlib.Path, image: str, work: pathlib.Path):
        self.file = compose
        self.logs = work / "logs"
        self.secrets = work / "secrets"
        shutil.rmtree(self.logs, ignore_errors=True)
        shutil.rmtree(self.secrets, ignore_errors=True)
        self.logs.mkdir(parents=True)
        self.secrets.mkdir(mode=0o700)
        self.hidden = {}
        for name in ("peer-secret", "admin-token"):
            self.hidden[name] = secrets.token_hex(32)
            (self.secrets / name).write_text(self.hidden[name] + "\n")
            (self.secrets / name).chmod(0o444)
        os.environ["QUORATE_IMAGE"] = image
        os.environ["QUORATE_SECRETS"] = str(self.secrets)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for node in NODES:
            try:
                (self.logs / f"{node}.log").write_text(self.log(node))
            except Failed as error:
                (self.logs / f"{node}.log").write_text(f"no log: {error}\n")
        try:
            self.compose("down", "--volumes", "--timeout", "30")
        finally:
            shutil.rmtree(self.secrets, ignore_errors=True)

    def compose(self, *args, seconds: float = 180) -> str:
        """The new client's plugin, or the old program; both read the same file."""
        plugin = pathlib.Path("/usr/libexec/docker/cli-plugins/docker-compose")
        program = ["docker", "compose"] if plugin.exists() else ["docker-compose"]
        return run(*program, "--file", self.file, "--project-name", PROJECT, *args, seconds=seconds)

    # What is seen.

    def container(self, node: str) -> str:
        labels = (f"com.docker.compose.project={PROJECT}", f"com.docker.compose.service={node}")
        filters = [f"--filter=label={label}" for label in labels]
        found = docker("ps", "--all", "--quiet", "--no-trunc", *filters).split()
        if len(found) != 1:
            raise Failed(f"{len(found)} containers of {node}, not one")
        return found[0]

    def inspect(self, node: str) -> dict:
        return json.loads(docker("inspect", self.container(node)))[0]

    def state(self, node: str) -> dict:
        return self.inspect(node)["State"]

    def pid(self, node: str) -> int:
        """The node's process, as this namespace counts."""
        pid = self.state(node)["Pid"]
        if not pid:
            raise Failed(f"{node} does not run")
        return pid

    def health(self, node: str) -> str:
        """Docker's own word, from the image's check."""
        health = self.state(node).get("Health")
        if not health:
            raise Failed(f"{node} has no health check, or was never started")
        return health["Status"]

    def address(self, node: str) -> str:
        network = self.inspect(node)["NetworkSettings"]["Networks"].get(NETWORK)
        if not network or not network["IPAddress"]:
            raise Failed(f"{node} is not on the network")
        return network["IPAddress"]

    def log(self, node: str) -> str:
        container = self.container(node)
        # The log is on both streams of the client; the program writes to standard error alone.
        return run("sh", "-c", f"exec docker logs {container} 2>&1")

    def client(self, node: str, seconds: float = 25) -> Client:
        return Client.to(self.address(node), seconds=seconds)

    def client_inside(self, node: str, seconds: float = 25) -> Client:
        return Client.inside(self.pid(node), seconds=seconds)

    def published(self, node: str, seconds: float = 25) -> Client:
        return Client.to("127.0.0.1", PORTS[node], seconds)

    def status(self, node: str) -> dict:
        """The cluster as `node` sees it; asked over its loopback, so that a node that is cut off can tell."""
        connection = http.client.HTTPConnection(node)
        connection.sock = socket_inside(self.pid(node), ADMIN_PORT, 20)
        try:
            token = {"Authorization": f"Bearer {self.hidden['admin-token']}"}
            connection.request("GET", "/v1/cluster", headers=token)
            answer = connection.getresponse()
            body = answer.read()
        except TimeoutError as error:
            raise Late(f"{node} does not tell the status") from error
        except (OSError, http.client.HTTPException) as error:
            raise Closed(f"{node} does not tell the status: {error}") from error
        finally:
            connection.close()
        if answer.status != 200:
            raise Refused(f"{node} does not tell the status: {answer.status} {body.decode()[:200]}")
        return json.loads(body)

    def leader(self, *among: str) -> str:
        """The node that leads, once a majority of those asked (all, by default) agrees on it."""

        def agreed():
            asked = among or NODES
            told = [self.status(node) for node in asked]
            leaders = {status["leader"] for status in told if status["quorum"]}
            if len(leaders) != 1 or None in leaders or not all(status["quorum"] for status in told):
                return None
            number = told[0]["nodes"][str(leaders.pop())]["number"]
            name = f"node{number}"
            return name if name in asked else None

        return until(f"a leader among {among or NODES}", 30, agreed)

    def voters(self, node: str) -> dict:
        """Number and id of each voter."""
        return {n["number"]: n["id"] for n in self.status(node)["nodes"].values() if n["voter"]}

    # What is done.

    def up(self):
        self.compose("up", "--detach", "--no-build")

    def healthy(self, *nodes: str, seconds: float = 90):
        """Waits until Docker calls the nodes healthy (all, by default)."""
        nodes = nodes or NODES
        until(
            f"{', '.join(nodes)} healthy",
            seconds,
            lambda: {self.health(node) for node in nodes} == {"healthy"},
        )

    def kill(self, node: str):
        docker("kill", "--signal=KILL", self.container(node))

    def start(self, node: str):
        docker("start", self.container(node))

    def stop(self, node: str, seconds: int = 30) -> int:
        """A planned stop; gives the exit status."""
        docker("stop", f"--time={seconds}", self.container(node), seconds=seconds + 30)
        return self.state(node)["ExitCode"]

    def cut(self, node: str):
        """Takes the node off the network; it runs on, with its loopback only."""
        docker("network", "disconnect", NETWORK, self.container(node))

    def connect(self, node: str):
        docker("network", "connect", f"--alias={node}", NETWORK, self.container(node))

    def repair(self):
        """After a failed test: runs every container and has it on the network, for the tests that follow."""
        for node in NODES:
            if not self.state(node)["Running"]:
                self.start(node)
            if NETWORK not in self.inspect(node)["NetworkSettings"]["Networks"]:
                self.connect(node)
        self.healthy()

    def check_whole(self):
        """Three voters, all there, one leader, all caught up, nothing half done."""
        goal = max(self.status(node)["committed"] for node in NODES)

        def whole(node):
            status = self.status(node)
            nodes = status["nodes"].values()
            reports = [n["report"] for n in nodes if n["alive"] and n["report"]]
            wrong = [
                ("leader", status["leader"] is not None and status["quorum"]),
                ("no change under way", not status["joint"]),
                ("numbers", sorted(n["number"] for n in nodes) == [1, 2, 3]),
                ("voters", all(n["voter"] for n in nodes)),
                ("roles", sorted(n["role"] for n in nodes) == ["follower", "follower", "leader"]),
                ("all answer", len(reports) == 3),
                ("ready", all(report["ready"] and not report["trouble"] for report in reports)),
                ("not draining", not any(report["draining"] for report in reports)),
                ("caught up", all(report["applied"] >= goal for report in reports)),
                ("one term", {report["term"] for report in reports} == {status["term"]}),
            ]
            bad = [what for what, right in wrong if not right]
            if bad:
                raise Failed(f"{node} says otherwise on: {', '.join(bad)}")
            return True

        for node in NODES:
            until(f"the cluster is whole as {node} sees it", 60, lambda node=node: whole(node))

    def check_value(self, key: str, expected, *nodes: str):
        """The key has this value, read on each of the nodes (all, by default)."""
        for node in nodes or NODES:
            with self.client(node) as client:
                expect(f"{key} on {node}", expected, client("GET", key))
