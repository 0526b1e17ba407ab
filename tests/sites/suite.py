"""What a site is promised when it replaces its HA Redis: each test is a sentence of it.

Two clusters, one after the other: `roles any`, where every node is the master, and `roles leader`.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import time
import traceback

sys.path.append(str(pathlib.Path(__file__).parent.parent / "containers"))
from journals import Told
from resp import Failed, expect, until
from hosts import BALANCED, NAME, NUMBERS, REDIS, SENTINEL, Site, run

SECONDS = float(os.environ.get("SITES_SECONDS", "5"))
LARGE_MB = int(os.environ.get("SITES_LARGE", "32"))
# Together what profile P2 does in a second, on three hosts.
WORKERS, INTERVAL_MS = 20, 350
HERE = pathlib.Path(__file__).parent


def other(*numbers: int) -> int:
    return next(n for n in NUMBERS if n not in numbers)


def journal_lines(site: Site, host: int, label: str) -> int:
    """How much a host's stand-in has been told."""
    return sum(path.stat().st_size for path in site.hosts[host].folder.glob(f"{label}.journal.*"))


def goes_on(site: Site, label: str, *hosts: int, bytes_more: int = 2000):
    before = {host: journal_lines(site, host, label) for host in hosts}
    for host in hosts:
        until(
            f"the stand-in of host {host} goes on",
            120,
            lambda host=host: journal_lines(site, host, label) >= before[host] + bytes_more,
        )


def under_load(site: Site, contract: str, label: str, off: int, quiet: bool):
    """P2 on all hosts; one is switched off and on again; nothing is lost, nobody else meets an error."""
    with site.hosts[other(off)].client() as client:
        client("FLUSHALL")
    for host in site.hosts.values():
        host.start_nodeapi(contract, label, WORKERS, INTERVAL_MS)
    goes_on(site, label, *NUMBERS)
    site.hosts[off].switch_off()
    others = [n for n in NUMBERS if n != off]
    goes_on(site, label, *others)
    time.sleep(SECONDS)  # The load runs on without the host for as long as it was told to.
    goes_on(site, label, *others)
    site.hosts[off].switch_on()
    site.serving()
    goes_on(site, label, *others)
    for n in others:
        expect(f"the stand-in of host {n} ends well", 0, site.hosts[n].end("nodeapi"))
    told = Told({n: host.folder for n, host in site.hosts.items()}, label)
    if quiet:
        told.untroubled(*others)
    else:
        told.no_errors(*others)
    clients = {n: site.hosts[n].client() for n in NUMBERS}
    told.check(clients, {off})
    for client in clients.values():
        client.close()
    lost = {n: len(told.trouble[n]) for n in others}
    slowest = {n: told.slowest_ms[n] for n in others}
    print(f"    {contract}: {told.acknowledged()} numbers, {len(told.transfers)} transfers; slowest answer in ms"
          f" {slowest}; connections lost {lost}", flush=True)


# roles any


def passwords_are_as_an_auditor_checks_them(site: Site):
    for host in site.hosts.values():
        expect(f"INFO on host {host.number}", "NOAUTH Authentication required.", site.refused(host, "INFO"))
    changed = "another-password"
    with site.hosts[2].client() as client:
        client("CONFIG", "SET", "requirepass", changed)
        expect("CONFIG REWRITE", "OK", client("CONFIG", "REWRITE"))
    old, site.password = site.password, changed
    site.serving()
    with site.hosts[3].client() as client:
        client("CONFIG", "SET", "requirepass", old)
    site.password = old
    site.serving()


def plain_redis_on_each_host(site: Site):
    under_load(site, "plain", "plain", site.leader(), quiet=True)


def sentinels_of_each_host(site: Site):
    leader = site.leader()
    under_load(site, "sentinel", "sentinel", other(leader), quiet=True)


def balancer_of_each_host(site: Site):
    for host in site.hosts.values():
        until(f"the HAProxy of host {host.number} takes all nodes", 60, lambda host=host: set(host.balanced().values()) == {"UP"})
    under_load(site, "balanced", "balanced", site.leader(), quiet=True)


def a_stopped_node_is_left_by_its_balancer(site: Site):
    for host in site.hosts.values():
        until(f"the HAProxy of host {host.number} takes all nodes", 60, lambda host=host: set(host.balanced().values()) == {"UP"})
    host = site.hosts[2]
    host.end("quorate")
    for asked in site.hosts.values():
        until(f"the HAProxy of host {asked.number} leaves the stopped node", 60, lambda asked=asked: asked.balanced()["node2"] == "DOWN")
    with host.client(BALANCED) as client:
        expect("a write through the balancer of the host without a node", "OK", client("SET", "through", "another"))
    with site.hosts[3].client() as client:
        expect("the write", "another", client("GET", "through"))
    host.start_quorate()
    site.serving()


def stock_sentinel_clients(site: Site):
    sentinels = ",".join(f"10.9.0.{n}:{SENTINEL}" for n in NUMBERS)
    for n in NUMBERS:
        for program, script in (("ruby", "sentinel_check.rb"), ("php", "sentinel_check.php")):
            said = run("ip", "netns", "exec", f"host{n}", program, HERE / script, sentinels, NAME, site.password, seconds=60)
            expect(f"{program} on host {n}", "ok", said.splitlines()[-1])


def tenants_are_dumped_and_replayed(site: Site):
    """What asnodeadmin does: keys by SCAN, TYPE and a reader for each type; then the writes again, as a stream."""
    writers = {"string": ("GET", "SET"), "hash": ("HGETALL", "HSET"), "list": ("LRANGE", "RPUSH"),
               "set": ("SMEMBERS", "SADD"), "zset": ("ZRANGE", "ZADD")}  # fmt: skip

    def dump(client) -> dict:
        found, cursor = {}, "0"
        while True:
            cursor, keys = client("SCAN", cursor, "COUNT", "100")
            for key in keys:
                kind = client("TYPE", key)
                extra = {"list": ("0", "-1"), "zset": ("0", "-1", "WITHSCORES")}.get(kind, ())
                value = client(writers[kind][0], key, *extra)
                ttl = client("TTL", key)
                if kind in ("set",):
                    value = sorted(value)
                elif kind == "hash":
                    value = [part for pair in sorted(zip(value[::2], value[1::2])) for part in pair]
                found[key] = (kind, value, ttl > 0)
            if cursor == "0":
                return found

    with site.hosts[1].client() as client, site.hosts[2].client() as elsewhere:
        client("FLUSHALL")
        for i in range(300):
            client("SET", f"m:ev:{i}:str", f"event {i} \u00e9 with spaces", "EX", "1000")
            client("HSET", f"m:ak:{i % 40}:hash", f"field{i}", "x" * i)
            client("RPUSH", f"m:xfer:{i % 7}:files:list", i)
            client("SADD", "m:xfer:active:set", i)
            client("ZADD", "m:xfer:bymod:zset", i, f"id{i}")
        before = dump(client)
        stream = bytearray()

        def add(*args):
            parts = [str(arg).encode() for arg in args]
            stream.extend(b"*%d\r\n" % len(parts))
            for part in parts:
                stream.extend(b"$%d\r\n%s\r\n" % (len(part), part))

        for key, (kind, value, expires) in before.items():
            if kind == "string":
                value = [value]
            elif kind == "zset":
                value = [part for pair in zip(value[1::2], value[::2]) for part in pair]
            add(writers[kind][1], key, *value)
            if expires:
                add("EXPIRE", key, "1000")
        client("FLUSHALL")
        expect("an empty database on another node", 0, elsewhere("DBSIZE"))
        said = run("ip", "netns", "exec", "host3", "redis-cli", "-p", REDIS, "-a", site.password, "--no-auth-warning",
                   "--pipe", stdin=bytes(stream))  # fmt: skip
        if "errors: 0" not in said:
            raise Failed(f"the replay: {said}")
        after = dump(elsewhere)
        different = [key for key in before.keys() | after.keys() if before.get(key) != after.get(key)]
        expect("keys that differ", [], different[:5])


def all_hosts_start_again_in_any_order(site: Site):
    with site.hosts[1].client() as client:
        client("SET", "before", "the stop")
        count = client("DBSIZE")
    for order in ((3, 1, 2), (2, 3, 1)):
        for host in site.hosts.values():
            host.switch_off()
        for n in order:
            site.hosts[n].switch_on()
        site.serving()
        for n in NUMBERS:
            with site.hosts[n].client() as client:
                expect(f"the data on host {n}", ("the stop", count), (client("GET", "before"), client("DBSIZE")))


def delays_beside_a_snapshot(site: Site):
    """P2 while all nodes write a snapshot of much data: p99 not above three times that without."""
    addresses = ",".join(f"10.9.0.{n}:{REDIS}" for n in NUMBERS)
    base = ["ip", "netns", "exec", "host1", site.quorate, "bench", addresses, "--password", site.password, "--json"]
    with site.hosts[1].client() as client:
        client("FLUSHALL")
    size, seconds = 100_000, max(SECONDS, 5)
    keys = LARGE_MB * 1_000_000 // size
    run(*base, "--mix", "set", "--size", size, "--keys", keys, "--prefill", "-n", 10, "-c", 1, "--key-prefix", "large:", seconds=1800)

    def load() -> subprocess.Popen:
        command = [*base, "--profile", "P2", "--verify", "-d", f"{seconds:g}s", "--warm-up", "1s"]
        return subprocess.Popen([str(part) for part in command], stdout=subprocess.PIPE)

    def report(process: subprocess.Popen) -> dict:
        out, _ = process.communicate(timeout=600)
        found = json.loads(out)
        if process.returncode != 0 or found["total"]["errors"]:
            raise Failed(f"the load: {found['verified']}, {found['errors']}")
        return found

    calm = report(load())
    busy = load()
    with site.hosts[2].client() as client:
        client("BGSAVE")
        found = report(busy)
    figures = [round(run["requests"]["write batch"]["delays"]["p99"], 2) for run in (calm, found)]
    print(f"    {LARGE_MB} MB: p99 of a batch of writes {figures[0]} ms, beside a snapshot {figures[1]} ms; longest pause"
          f" {found['longest_pause_ms']:.0f} ms", flush=True)  # fmt: skip
    if LARGE_MB >= 1000 and figures[1] > 3 * figures[0]:
        raise Failed("p99 beside a snapshot is more than three times that without")


# roles leader


def the_balancer_follows_the_leader(site: Site):
    def master(host) -> list[str]:
        return [name for name, state in host.balanced().items() if state == "UP"]

    leader = site.leader()
    for host in site.hosts.values():
        until(f"host {host.number} sends all to the leader", 60, lambda host=host: master(host) == [f"node{leader}"])
    with site.hosts[other(leader)].client(BALANCED) as client:
        expect("the role behind the balancer", "master", client("ROLE")[0])
    site.hosts[leader].switch_off()
    others = [n for n in NUMBERS if n != leader]
    now = site.leader(*others)
    for n in others:
        until(f"host {n} sends all to the new leader", 60, lambda n=n: master(site.hosts[n]) == [f"node{now}"])
    site.hosts[leader].switch_on()
    site.serving()


def a_single_master_behind_balancers(site: Site):
    under_load(site, "balanced", "leader-balanced", site.leader(), quiet=False)


def a_single_master_by_sentinels(site: Site):
    under_load(site, "sentinel", "leader-sentinel", site.leader(), quiet=False)


TESTS = {
    "any": [
        passwords_are_as_an_auditor_checks_them,
        plain_redis_on_each_host,
        sentinels_of_each_host,
        balancer_of_each_host,
        a_stopped_node_is_left_by_its_balancer,
        stock_sentinel_clients,
        tenants_are_dumped_and_replayed,
        all_hosts_start_again_in_any_order,
        delays_beside_a_snapshot,
    ],
    "leader": [
        the_balancer_follows_the_leader,
        a_single_master_behind_balancers,
        a_single_master_by_sentinels,
        stock_sentinel_clients,
    ],
}


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--quorate", type=pathlib.Path, required=True)
    parser.add_argument("--work", type=pathlib.Path, required=True)
    parser.add_argument("tests", nargs="*")
    args = parser.parse_args()
    known = {test.__name__ for tests in TESTS.values() for test in tests}
    if unknown := set(args.tests) - known:
        parser.error(f"no such test: {', '.join(unknown)}; there are: {', '.join(sorted(known))}")
    if os.getpid() != 1:
        parser.error("start the suite with tests/sites/run: it makes the namespaces")
    run("ip", "link", "set", "lo", "up")
    run("mount", "-t", "tmpfs", "tmpfs", "/run")
    passed = failed = 0
    for roles, tests in TESTS.items():
        chosen = [test for test in tests if not args.tests or test.__name__ in args.tests]
        if not chosen:
            continue
        with Site(args.quorate, args.work, roles) as site:
            site.secure()
            for test in chosen:
                begun = time.monotonic()
                try:
                    test(site)
                except Exception:  # Whatever it is, the tests that follow are another question.
                    failed += 1
                    print(f"FAILED roles {roles}: {test.__name__}\n{traceback.format_exc()}", flush=True)
                    # They would only fail with it.
                    break
                passed += 1
                print(f"ok     roles {roles}: {test.__name__} ({time.monotonic() - begun:.0f} s)", flush=True)
    if failed:
        print(f"the logs and journals are in {args.work}")
    print(f"sites: {passed} passed, {failed} failed", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
