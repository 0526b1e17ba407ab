"""What the Python programs share: where the nodes are, how often the leader died, how to wait."""

import os
import sys
import time

PORTS = [int(port) for port in os.environ["QUORATE_SURVIVORS"].split(",")]
WORK = os.environ["QUORATE_WORK"]
LONG = os.environ.get("QUORATE_LONG") == "1"
# For one wait, in seconds; a machine under load is slow.
PATIENCE = 90


def count(quick, long):
    """How many: in the quick form, in the long form."""
    return long if LONG else quick


def kills():
    """How many leaders died so far."""
    with open(os.environ["QUORATE_KILLS"]) as file:
        return int(file.read())


class Kills:
    """Leaders that died since this was made."""

    def __init__(self):
        self.before = kills()

    def seen(self):
        return kills() - self.before


def until(what, condition, patience=PATIENCE):
    """Waits for a condition, and gives what made it true."""
    end = time.monotonic() + patience
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            fail(f"{what}: not within {patience} s")
        time.sleep(0.05)


def expect(what, expected, got):
    if expected != got:
        fail(f"{what}: expected {expected!r}, got {got!r}")


def fail(why):
    print(f"FAILED {why}", flush=True)
    sys.exit(1)
