"""The container suite: its tests in their order, on one cluster. Start it with tests/containers/run.

Each test finds a healthy cluster, does one thing to it that happens to containers, and leaves it healthy.
"""

import argparse
import json
import os
import pathlib
import signal
import sys
import threading
import time
import traceback

from cluster import NODES, TOKEN_FILE, Cluster
from daemon import IMAGE, Daemon, build_image, docker
from resp import Closed, Counters, Failed, Late, Refused, expect, until

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
# The default of `hold-max`, and as much again for a slow machine.
HOLD_SECONDS_MAX = 25
# An election, on a machine that does other things too.
ELECTION_SECONDS_MAX = 20


def comes_up_healthy(cluster: Cluster):
    cluster.up()
    cluster.healthy()
    cluster.check_whole()


def cli_in_the_container_shows_the_cluster(cluster: Cluster):
    command = ("quorate", "cluster", "status", "--token-file", TOKEN_FILE)
    status = json.loads(docker("exec", cluster.container("node2"), *command, "--json"))
    expect("voters", 3, sum(node["voter"] for node in status["nodes"].values()))
    table = docker("exec", cluster.container("node2"), *command)
    for node in NODES:
        if f"{node}:" not in table:
            raise Failed(f"{node} is missing in the table:\n{table}")


def runs_without_privileges(cluster: Cluster):
    for node in NODES:
        text = pathlib.Path(f"/proc/{cluster.pid(node)}/status").read_text()
        facts = dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)
        expect(f"user of {node}", ["6379"] * 4, facts["Uid"].split())
        expect(f"group of {node}", ["6379"] * 4, facts["Gid"].split())
        expect(f"capabilities of {node}", 0, int(facts["CapPrm"], 16) | int(facts["CapBnd"], 16))
        expect(f"{node} gets no new privileges", "1", facts["NoNewPrivs"].strip())
        expect(f"process 1 of {node}", "1", facts["NSpid"].split()[-1])


def keeps_its_secrets(cluster: Cluster):
    for node in NODES:
        seen = {
            "log": cluster.log(node),
            "container": json.dumps(cluster.inspect(node)),
            "command line": pathlib.Path(f"/proc/{cluster.pid(node)}/cmdline").read_text(),
            "environment": pathlib.Path(f"/proc/{cluster.pid(node)}/environ").read_text(),
        }
        for name, secret in cluster.hidden.items():
            for place, text in seen.items():
                if secret in text:
                    raise Failed(f"{name} can be read in the {place} of {node}")


def every_node_reads_what_any_node_wrote(cluster: Cluster):
    for writer in NODES:
        with cluster.client(writer) as client:
            expect(f"SET on {writer}", "OK", client("SET", f"from:{writer}", writer))
        cluster.check_value(f"from:{writer}", writer)


def published_ports_serve_clients(cluster: Cluster):
    with cluster.published("node1") as client:
        expect("SET on port 7001", "OK", client("SET", "published", "yes"))
    for node in NODES:
        with cluster.published(node) as client:
            expect(f"GET on {node}'s port", "yes", client("GET", "published"))


def killed_leader_costs_no_error(cluster: Cluster):
    kill_and_start_again(cluster, cluster.leader(), "counter:killed leader")


def killed_follower_costs_no_error(cluster: Cluster):
    leader = cluster.leader()
    kill_and_start_again(cluster, next(n for n in NODES if n != leader), "counter:killed follower")


def kill_and_start_again(cluster: Cluster, victim: str, key: str):
    survivors = [node for node in NODES if node != victim]
    with writers(cluster, key, survivors) as counters:
        counters.progress(100)
        cluster.kill(victim)
        cluster.leader(*survivors)
        counters.progress(100)
        cluster.start(victim)
        cluster.healthy()
        counters.progress(100)
        total = counters.finish()
    tell(f"{victim} killed, {total} writes, longest pause {max(counters.pause_max.values()):.2f} s")
    # The victim too: it caught up.
    cluster.check_value(key, str(total))
    cluster.check_whole()


def crashed_node_comes_back_by_itself(cluster: Cluster):
    victim = cluster.leader()
    survivors = [node for node in NODES if node != victim]
    before = cluster.pid(victim)
    key = "counter:crashed"
    with writers(cluster, key, survivors) as counters:
        counters.progress(100)
        # Not through Docker, which would take it for the operator's wish. It is a child of this suite's
        # own daemon, found by its id.
        os.kill(before, signal.SIGKILL)
        until(f"{victim} was restarted", 60, lambda: cluster.inspect(victim)["RestartCount"] > 0)
        cluster.healthy()
        if cluster.pid(victim) == before:
            raise Failed(f"{victim} is the same process as before")
        total = counters.finish()
    cluster.check_value(key, str(total))
    cluster.check_whole()


def cut_off_leader_serves_nothing_stale(cluster: Cluster):
    cut_off_and_heal(cluster, cluster.leader(), "cut leader")


def cut_off_follower_serves_nothing_stale(cluster: Cluster):
    leader = cluster.leader()
    cut_off_and_heal(cluster, next(n for n in NODES if n != leader), "cut follower")


def cut_off_and_heal(cluster: Cluster, victim: str, what: str):
    majority = [node for node in NODES if node != victim]
    side, lost, key = f"side:{what}", f"lost:{what}", f"counter:{what}"
    with cluster.client(majority[0]) as client:
        expect("SET before", "OK", client("SET", side, "before"))
    with cluster.client_inside(victim) as known, writers(cluster, key, majority) as counters:
        expect("GET before", "before", known("GET", side))
        counters.progress(100)
        cluster.cut(victim)
        tell(f"{victim} is cut off")

        # The majority goes on.
        until("the majority has a leader", ELECTION_SECONDS_MAX, lambda: cluster.leader(*majority))
        counters.progress(100)
        for node in majority:
            with cluster.client(node) as client:
                expect(f"SET on {node}", "OK", client("SET", side, f"after on {node}"))
        tell("the majority writes")
        newest = f"after on {majority[-1]}"
        cluster.check_value(side, newest, *majority)

        # The minority answers nothing: whatever it said now would be stale, or lost.
        with cluster.client_inside(victim) as fresh, cluster.client_inside(victim) as writer:
            asked = {
                "read on an old connection": lambda: known("GET", side),
                "read on a new connection": lambda: fresh("GET", side),
                "write": lambda: writer("SET", lost, "written in the minority"),
            }
            outcomes = unanswered(victim, asked)
        tell(f"{victim}: {outcomes}")
        until(f"{victim} unhealthy", 60, lambda: cluster.health(victim) == "unhealthy")
        # Alive all the same: restarting it would not help.
        docker("exec", cluster.container(victim), "quorate", "health", "--live")
        counters.progress(100)

        # It heals without help, even under another address.
        cluster.connect(victim)
        tell(f"{victim} is connected again")
        cluster.healthy()
        counters.progress(100)
        total = counters.finish()
    pause = max(counters.pause_max.values())
    tell(f"{total} writes, longest pause {pause:.2f} s")
    cluster.check_value(side, newest)
    cluster.check_value(key, str(total))
    # An error reply to a write is a promise; a closed connection is none.
    if outcomes["write"].startswith("refused"):
        cluster.check_value(lost, None)
    cluster.check_whole()


def unanswered(node: str, asked: dict) -> dict:
    """Asks all at once; none may be answered but by an error or a closed connection, in bounded time."""
    outcomes = {}

    def ask(what, call):
        try:
            outcomes[what] = f"answered {call()!r}"
        except Refused as error:
            outcomes[what] = f"refused with {error}"
        except Closed:
            outcomes[what] = "closed"
        except Late:
            outcomes[what] = f"neither answered nor refused within {HOLD_SECONDS_MAX} s"

    threads = [threading.Thread(target=ask, args=item) for item in asked.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for what, outcome in outcomes.items():
        if not outcome.startswith(("refused with CLUSTERDOWN", "closed")):
            raise Failed(f"{what} in the minority, on {node}: {outcome}")
    return outcomes


def planned_stop_hands_over(cluster: Cluster):
    leader = cluster.leader()
    others = [node for node in NODES if node != leader]
    key = "counter:stopped"
    with writers(cluster, key, others) as counters:
        counters.progress(100)
        expect(f"exit status of {leader}", 0, cluster.stop(leader))
        counters.progress(100)
        cluster.start(leader)
        cluster.healthy()
        counters.progress(100)
        total = counters.finish()
    tell(f"{leader} stopped, {total} writes, longest pause {max(counters.pause_max.values()):.2f} s")
    cluster.check_value(key, str(total))
    cluster.check_whole()


def new_container_keeps_its_identity(cluster: Cluster):
    before, voters = cluster.container("node2"), cluster.voters("node1")
    with cluster.client("node1") as client:
        expect("SET", "OK", client("SET", "recreated", "kept"))
    cluster.compose("up", "--detach", "--no-build", "--no-deps", "--force-recreate", "node2")
    if cluster.container("node2") == before:
        raise Failed("node2 is the same container as before")
    cluster.healthy()
    cluster.check_value("recreated", "kept")
    expect("voters", voters, cluster.voters("node2"))
    cluster.check_whole()


def all_stopped_and_started_again(cluster: Cluster):
    with cluster.client("node3") as client:
        expect("SET", "OK", client("SET", "stopped", "kept"))
    voters = cluster.voters("node1")
    cluster.compose("stop", "--timeout", "30")
    for node in NODES:
        expect(f"{node} runs", False, cluster.state(node)["Running"])
    cluster.compose("start")
    cluster.healthy()
    cluster.check_value("stopped", "kept")
    expect("voters", voters, cluster.voters("node1"))
    cluster.check_whole()


def all_killed_and_started_again(cluster: Cluster):
    key = "counter:all killed"
    connects = {node: (lambda node=node: cluster.client(node)) for node in NODES}
    counters = Counters(key, connects)
    with counters:
        counters.progress(100)
        docker("kill", "--signal=KILL", *(cluster.container(node) for node in NODES))
    cluster.compose("start")
    cluster.healthy()
    # Each writer's last command may have taken effect, its reply lost; none before it may be missing.
    acknowledged = sum(counters.acknowledged.values())
    with cluster.client("node1") as client:
        value = int(client("GET", key))
    if not acknowledged <= value <= acknowledged + len(NODES):
        raise Failed(f"{acknowledged} writes were acknowledged, the counter says {value}")
    cluster.check_value(key, str(value))
    cluster.check_whole()


def nodes_agree_in_the_end(cluster: Cluster):
    contents = {}
    for node in NODES:
        with cluster.client(node) as client:
            keys = sorted(client("KEYS", "*"))
            expect(f"DBSIZE on {node}", len(keys), client("DBSIZE"))
            contents[node] = {key: client("GET", key) for key in keys}
    for node in NODES[1:]:
        expect(f"contents of {node}", contents[NODES[0]], contents[node])
    cluster.check_whole()


TESTS = [
    comes_up_healthy,
    cli_in_the_container_shows_the_cluster,
    runs_without_privileges,
    every_node_reads_what_any_node_wrote,
    published_ports_serve_clients,
    killed_leader_costs_no_error,
    killed_follower_costs_no_error,
    crashed_node_comes_back_by_itself,
    cut_off_leader_serves_nothing_stale,
    cut_off_follower_serves_nothing_stale,
    planned_stop_hands_over,
    new_container_keeps_its_identity,
    all_stopped_and_started_again,
    all_killed_and_started_again,
    nodes_agree_in_the_end,
    keeps_its_secrets,
]


def writers(cluster: Cluster, key: str, nodes) -> Counters:
    return Counters(key, {node: (lambda node=node: cluster.client(node)) for node in nodes})


def tell(text: str):
    """One line of what was seen, with the time of the nodes' logs."""
    print(f"    {time.strftime('%H:%M:%S', time.gmtime())} {text}", flush=True)


def carry_out(tests, cluster: Cluster) -> tuple[int, int]:
    """Runs the tests in order; one that leaves no healthy cluster behind is the last."""
    passed = failed = 0
    for test in tests:
        start = time.monotonic()
        try:
            test(cluster)
            passed += 1
            print(f"ok {test.__name__} ({time.monotonic() - start:.1f} s)", flush=True)
            continue
        except (Failed, Refused, Closed, Late) as error:
            failed += 1
            print(f"FAILED {test.__name__} ({time.monotonic() - start:.1f} s): {error}", flush=True)
        except Exception:
            failed += 1
            print(f"FAILED {test.__name__}:\n{traceback.format_exc()}", flush=True)
        try:
            cluster.repair()
        except Failed as error:
            left = len(tests) - passed - failed
            failed += left
            print(f"FAILED the {left} tests after it: no cluster to test ({error})", flush=True)
            break
    return passed, failed


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--quorate", type=pathlib.Path, required=True)
    parser.add_argument("--base", type=pathlib.Path, required=True)
    parser.add_argument("--work", type=pathlib.Path, required=True)
    parser.add_argument("tests", nargs="*")
    args = parser.parse_args()
    known = {test.__name__: test for test in TESTS}
    unknown = [name for name in args.tests if name not in known]
    if unknown:
        parser.error(f"no such test: {', '.join(unknown)}; there are: {', '.join(known)}")
    # The first brings the cluster up, so it is always there.
    chosen = [test for test in TESTS if not args.tests or test.__name__ in args.tests or test is TESTS[0]]

    # As process 1 of its namespace it would not hear these otherwise.
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit("interrupted"))
    with Daemon(args.work):
        build_image(args.base, args.quorate, REPOSITORY / "docker/Dockerfile", args.work / "context")
        with Cluster(REPOSITORY / "docker/compose.yaml", IMAGE, args.work) as cluster:
            passed, failed = carry_out(chosen, cluster)
    if failed:
        print(f"the nodes' logs are in {args.work / 'logs'}")
    print(f"containers: {passed} passed, {failed} failed", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
