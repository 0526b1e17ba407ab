"""The jobs of the RQ check; each counts its runs."""

import os

import redis

RUNS = "runs"


def connect():
    return redis.Redis(port=int(os.environ["QUORATE_PORT"]), db=3)


def double(number):
    connect().hincrby(RUNS, f"double:{number}", 1)
    return 2 * number


def second_time(number):
    if connect().hincrby(RUNS, f"second:{number}", 1) < 2:
        raise RuntimeError("as a call to a service that is down")
    return number
