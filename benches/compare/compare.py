#!/usr/bin/env python3
"""Quorate beside Redis in one interleaved run on one machine.

    benches/compare/compare.py [--quorate target/release/quorate] [--rounds 3] [--seconds 2] [--only NAME]

Starts, all at once on loopback: a standalone Redis without persistence, a Redis primary with two
replicas (append-only file, fsync every second), and a three-node Quorate. Loads them in turn with
redis-benchmark, 128-byte values, and prints medians and ratios. Ratios carry over between machines,
operations per second do not. Needs redis-server and redis-benchmark.
"""
import argparse, json, os, pathlib, shutil, signal, socket, statistics, subprocess, sys, tempfile, time, urllib.request

BASE = 27001
WORK = [
    # name, redis-benchmark arguments, connections, pipeline
    ("SET, 1 connection", ["-t", "set"], 1, 1),
    ("SET, 50 connections", ["-t", "set"], 50, 1),
    ("SET, 50 connections, pipeline 16", ["-t", "set"], 50, 16),
    ("SET, 200 connections", ["-t", "set"], 200, 1),
    ("GET, 1 connection", ["-t", "get"], 1, 1),
    ("GET, 50 connections", ["-t", "get"], 50, 1),
    ("GET, 50 connections, pipeline 16", ["-t", "get"], 50, 16),
    ("INCR, 50 connections", ["-t", "incr"], 50, 1),
    ("HSET, 50 connections", ["-t", "hset"], 50, 1),
]


class Children:
    def __init__(self):
        self.list = []

    def start(self, command, **kwargs):
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, **kwargs)
        self.list.append(child)
        return child

    def stop(self):
        for child in self.list:
            child.send_signal(signal.SIGTERM)
        for child in self.list:
            try:
                child.wait(20)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()


def wait_for(what, condition, seconds=120):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if (found := condition()):
            return found
        time.sleep(0.1)
    sys.exit(f"{what} did not come up in {seconds} s")


def ask(port, *args):
    """One command, one inline reply; for the set-up alone."""
    try:
        with socket.create_connection(("127.0.0.1", port), 2) as s:
            s.sendall(" ".join(args).encode() + b"\r\n")
            return s.recv(65536).decode(errors="replace")
    except OSError:
        return ""


def start_redis(children, folder):
    def server(port, *options):
        home = folder / str(port)
        home.mkdir()
        children.start(["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--dir", str(home),
                        "--save", "", "--loglevel", "warning", *options])
        wait_for(f"redis on {port}", lambda: "PONG" in ask(port, "PING"))

    aof = ["--appendonly", "yes", "--appendfsync", "everysec"]
    server(BASE + 100)
    server(BASE + 101, *aof)
    for replica in (BASE + 102, BASE + 103):
        server(replica, *aof, "--replicaof", "127.0.0.1", str(BASE + 101))
    wait_for("replication", lambda: "connected_slaves:2" in ask(BASE + 101, "INFO", "replication"))


def start_quorate(children, folder, binary):
    log = open(folder / "dev.log", "w")
    children.start([binary, "dev", "--json", "--dir", str(folder / "quorate"), "--base-port", str(BASE)], stderr=log)
    return wait_for("quorate", roles)


def roles():
    """(leader's port, a follower's port)"""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{BASE + 1000}/v1/cluster", timeout=3) as answer:
            nodes = json.load(answer)["nodes"].values()
    except (OSError, ValueError):
        return None
    if sum(1 for n in nodes if n.get("report") and n["report"]["ready"]) != 3:
        return None
    port = lambda n: int(n["addresses"]["resp"].rsplit(":", 1)[1])
    leader = [port(n) for n in nodes if n["role"] == "leader"]
    followers = [port(n) for n in nodes if n["role"] == "follower"]
    return (leader[0], followers[0]) if leader and followers else None


def load(port, arguments, connections, pipeline, requests):
    command = ["redis-benchmark", "-h", "127.0.0.1", "-p", str(port), "-c", str(connections), "-P", str(pipeline),
               "-n", str(requests), "-d", "128", "-r", "100000", "--csv", *arguments]
    out = subprocess.run(command, capture_output=True, text=True, timeout=300)
    rows = [row for row in out.stdout.splitlines() if row.startswith('"') and not row.startswith('"test"')]
    if not rows:
        sys.exit(f"redis-benchmark failed on port {port}: {out.stdout[-400:]} {out.stderr[-400:]}")
    fields = [field.strip('"') for field in rows[-1].split(",")]
    return float(fields[1]), float(fields[4])  # requests per second, p50 in ms


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quorate", default="target/release/quorate")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    binary = str(pathlib.Path(options.quorate).resolve())
    folder = pathlib.Path(tempfile.mkdtemp(prefix="quorate-compare-", dir=os.environ.get("COMPARE_DIR")))
    children = Children()
    try:
        start_redis(children, folder)
        leader, follower = start_quorate(children, folder, binary)
        targets = [("Redis alone", BASE + 100), ("Redis, 2 replicas", BASE + 101),
                   ("Quorate leader", leader), ("Quorate follower", follower)]
        print("| work | " + " | ".join(name for name, _ in targets)
              + " | leader : Redis alone | leader : 2 replicas | follower : leader |")
        print("|---" * (len(targets) + 4) + "|")
        for name, arguments, connections, pipeline in WORK:
            if options.only not in name:
                continue
            figures = {target: [] for target, _ in targets}
            requests = {target: 2000 * min(connections, 10) * pipeline // 4 for target, _ in targets}
            for turn in range(options.rounds + 1):
                for target, port in targets:
                    rate, p50 = load(port, arguments, connections, pipeline, requests[target])
                    requests[target] = max(1000, int(rate * options.seconds))
                    if turn > 0:  # the first round only finds out how many requests fill the time
                        figures[target].append((rate, p50))
            rate = {t: statistics.median(r for r, _ in rows) for t, rows in figures.items()}
            p50 = {t: statistics.median(p for _, p in rows) for t, rows in figures.items()}
            cells = " | ".join(f"{rate[t]:,.0f} ({p50[t]:.2f} ms)" for t, _ in targets)
            print(f"| {name} | {cells} | {rate['Quorate leader'] / rate['Redis alone']:.2f} "
                  f"| {rate['Quorate leader'] / rate['Redis, 2 replicas']:.2f} "
                  f"| {rate['Quorate follower'] / rate['Quorate leader']:.2f} |", flush=True)
        if roles() != (leader, follower):
            print("\nThe leadership moved during the run: read the columns with care.")
    finally:
        children.stop()
        shutil.rmtree(folder, ignore_errors=True)


main()
