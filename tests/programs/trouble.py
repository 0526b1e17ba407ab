"""Makes node 1 the leader and kills it with SIGKILL, again and again; `quorate dev` starts it again.

    trouble.py LOG KILLS PAUSES

    LOG     of `quorate dev --json`
    KILLS   the file that says how many leaders died so far
    PAUSES  the file that gets a line whenever the machine itself stood still: a suspended test machine is no
            failure of the cluster, and the suite must be able to tell the two apart

So the clients of nodes 2 and 3 see a planned transfer and a crash in turns, and their node never dies.
Ends, with an error, when the cluster does not come back in time.
"""

import json
import os
import signal
import sys
import threading
import time
import urllib.error
import urllib.request

VICTIM = 1
# From one kill to the next, in seconds; longer when the machine is slow.
CYCLE = 5.0
# Between the victim's becoming the leader and its death, in seconds.
REIGN = 1.5
COMES_BACK = 60.0
# Between two looks at something that is waited for, in seconds.
LOOK = 0.05
# This process itself wakes up this much too late only when all of the machine stands still, in seconds.
STOOD_STILL = 5.0

log, kills_file, pauses_file = sys.argv[1:]


def nodes():
    """Each node's admin API and the process that runs it now."""
    found = {}
    with open(log) as lines:
        for line in lines:
            event = json.loads(line) if line.startswith("{") else {}
            if event.get("event") == "node-started":
                found[event["node"]] = (event["admin"], event["pid"])
    return found


def ask(node, path, body=None):
    """The answer of a node's admin API; None where there is none."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(nodes()[node][0] + path, data, {"content-type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            text = answer.read()
    except (OSError, urllib.error.URLError):
        return None
    try:
        return json.loads(text)
    except ValueError:
        return text


def leader(asked):
    """The leader that all of these agree on."""
    said = [(ask(node, "/v1/node") or {}).get("leader") for node in asked]
    return said[0] if said[0] is not None and said == [said[0]] * len(said) else None


def wait_for(what, condition):
    # In looks, not by the clock: while the machine stands still, nobody comes back.
    for _ in range(int(COMES_BACK / LOOK)):
        if condition():
            return
        time.sleep(LOOK)
    sys.exit(f"{what}: not within {COMES_BACK} s")


def note_pauses():
    while True:
        before = time.time()
        time.sleep(1)
        late = time.time() - before - 1
        if late > STOOD_STILL:
            with open(pauses_file, "a") as file:
                file.write(f"{time.strftime('%H:%M:%S')} the machine stood still for {late:.1f} s\n")


def note_kills(count):
    with open(kills_file + ".new", "w") as file:
        file.write(str(count))
    os.replace(kills_file + ".new", kills_file)


def reign():
    """Makes the victim the leader."""
    if leader([1, 2, 3]) == VICTIM:
        return True
    ask(2, "/v1/leader/transfer", {"to": VICTIM})
    return leader([1, 2, 3]) == VICTIM


def main():
    note_kills(0)
    threading.Thread(target=note_pauses, daemon=True).start()
    kills = 0
    while True:
        began = time.monotonic()
        wait_for("all nodes are ready", lambda: all(ask(node, "/readyz") for node in (1, 2, 3)))
        wait_for(f"node {VICTIM} leads", reign)
        time.sleep(REIGN)
        # It may have lost its office in the meantime, on a busy machine.
        if leader([1, 2, 3]) != VICTIM:
            continue
        pid = nodes()[VICTIM][1]
        os.kill(pid, signal.SIGKILL)
        print(f"{time.strftime('%H:%M:%S')} killed the leader, node {VICTIM}, process {pid}", flush=True)
        wait_for("another node leads", lambda: leader([2, 3]) in (2, 3))
        kills += 1
        note_kills(kills)
        wait_for(f"node {VICTIM} is started again", lambda: nodes()[VICTIM][1] != pid)
        time.sleep(max(0.0, CYCLE - REIGN - (time.monotonic() - began)))


main()
