"""Celery: broker and results in the cluster, a worker on each surviving node, tasks sent through both.

What holds: every task gives its result, and no worker loses its connection or ends. Celery promises that a task
runs at least once; it runs again when a worker is lost or when an acknowledgement takes longer than the visibility
timeout (an hour). Neither happens here, so each task runs exactly once, and a second run is a failure.
"""

import importlib
import os
import subprocess
import sys
import time

import redis

from programs import PORTS, WORK, Kills, count, expect, fail, until

HERE = os.path.dirname(os.path.abspath(__file__))


def start_worker(name, port):
    log = open(os.path.join(WORK, f"celery-{name}.log"), "w")
    command = [sys.executable, "-m", "celery", "-A", "celery_tasks", "worker", "-c", "2", "-n", f"{name}@programs"]
    environment = dict(os.environ, QUORATE_PORT=str(port), PYTHONPATH=HERE, PYTHONDONTWRITEBYTECODE="1")
    return subprocess.Popen(command + ["--loglevel", "INFO"], env=environment, cwd=WORK, stdout=log, stderr=log)


def log_of(name):
    with open(os.path.join(WORK, f"celery-{name}.log")) as file:
        return file.read()


def client(port):
    """The tasks, sent through one node."""
    os.environ["QUORATE_PORT"] = str(port)
    sys.modules.pop("celery_tasks", None)
    return importlib.import_module("celery_tasks")


def main():
    node = redis.Redis(port=PORTS[0])
    node.flushall()
    workers = {"a": start_worker("a", PORTS[0]), "b": start_worker("b", PORTS[1])}
    try:
        for name in workers:
            until(f"worker {name} is ready", lambda: "ready." in log_of(name))
        run(workers)
    finally:
        for worker in workers.values():
            worker.terminate()
        for worker in workers.values():
            worker.wait(60)


def run(workers):
    tasks = [client(port) for port in PORTS]
    killed, tasks_min = Kills(), count(1_000, 10_000)
    squares, thirds, later = [], [], []
    # Goes on until as many leaders died as there should be.
    while len(squares) < tasks_min or killed.seen() < 2:
        number = len(squares)
        through = tasks[number % 2]
        squares.append(through.square.delay(number))
        if number % 50 == 0:
            thirds.append(through.third_time.delay(number))
            later.append((number, through.square.apply_async((f"0x{number:x}",), countdown=1)))
        if number % 100 == 99:
            time.sleep(0.3)
    from celery import chord

    # The results of a group decide when the last task runs.
    chords = [chord((each.square.s(n) for n in range(-20, 0)), each.total.s())() for each in tasks]

    for number, result in enumerate(squares):
        expect(f"square of {number}", number * number, result.get(timeout=90))
    for result, number in zip(thirds, range(0, len(squares), 50)):
        expect(f"third time of {number}", number, result.get(timeout=90))
    for number, result in later:
        # A text times itself is an error in Python: what a task raises is its result, too.
        expect(f"error of {number}", "TypeError", type(result.get(timeout=90, propagate=False)).__name__)
    for result in chords:
        expect("sum of a group", sum(n * n for n in range(1, 21)), result.get(timeout=90))

    for name, worker in workers.items():
        expect(f"end of worker {name}", None, worker.poll())
        for trouble in ("Connection to broker lost", "Trying again", "ConnectionError", "ResponseError"):
            lines = [line for line in log_of(name).splitlines() if trouble in line]
            if lines:
                fail(f"worker {name} met trouble: {lines[:5]}")
    runs = {field.decode(): int(times) for field, times in redis.Redis(port=PORTS[1], db=2).hgetall("runs").items()}
    expected = {f"square:{number}": 1 for number in range(len(squares))}
    expected.update({f"square:0x{number:x}": 1 for number, _ in later})
    expected.update({f"third:{number}": 3 for number in range(0, len(squares), 50)})
    expected.update({f"square:{number}": 2 for number in range(-20, 0)})
    expected["total"] = 2
    again = {name: times - expected.get(name, 0) for name, times in runs.items() if times != expected.get(name)}
    expect("tasks that ran more or less often than they should", {}, again)
    print(f"{len(squares)} tasks, {len(later)} later ones, {len(thirds)} with retries, {len(chords)} groups, "
          f"each once, over {killed.seen()} dead leaders")


main()
