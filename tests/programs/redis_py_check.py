"""redis-py: locks, pub/sub, blocking pops and pipelines, from threads on both surviving nodes."""

import threading
import time
import traceback

import redis

from programs import PORTS, Kills, count, expect, fail, until

DB = 4
failures = []


def client(number, **options):
    return redis.Redis(port=PORTS[number % 2], db=DB, socket_timeout=90, decode_responses=True, **options)


def thread(function, *args):
    """Runs a function beside the others; what it raises fails the check."""

    def guarded():
        try:
            function(*args)
        except BaseException as error:  # A thread's error is told by the main thread.
            failures.append(f"{function.__name__}{args}: {error!r}\n{traceback.format_exc()}")

    started = threading.Thread(target=guarded, daemon=True)
    started.start()
    return started


def join(threads):
    for each in threads:
        each.join(150)
        if each.is_alive():
            fail("; ".join(["a thread stands still", *failures]))
    if failures:
        fail("; ".join(failures))


class Locks:
    """A counter that is read and written back under a lock: any two at a time lose an increment."""

    def __init__(self):
        self.stop = threading.Event()
        self.done = [0] * 8
        self.threads = [thread(self.work, number) for number in range(len(self.done))]

    def work(self, number):
        node = client(number, protocol=3 if number % 4 < 2 else 2)
        while not self.stop.is_set():
            with node.lock("lock", timeout=60, blocking_timeout=90, sleep=0.02) as lock:
                value = int(node.get("guarded") or 0)
                if number % 3 == 0:
                    lock.extend(5)
                if number % 3 == 1:
                    lock.reacquire()
                time.sleep(0.001)
                node.set("guarded", value + 1)
                self.done[number] += 1

    def end(self):
        self.stop.set()
        join(self.threads)
        expect("increments under a lock", sum(self.done), int(client(1).get("guarded")))
        if 0 in self.done:
            fail(f"somebody never got the lock: {self.done}")
        return f"{sum(self.done)} locked increments"


class Messages:
    """Every subscriber on every node gets every message, in one order."""

    def __init__(self):
        self.stop = threading.Event()
        self.sent = [0, 0]
        self.heard = [[] for _ in range(4)]
        self.ready = threading.Barrier(len(self.heard) + 1)
        self.threads = [thread(self.listen, number) for number in range(len(self.heard))]
        self.ready.wait(90)
        self.publishers = [thread(self.publish, number) for number in range(len(self.sent))]

    def listen(self, number):
        subscription = client(number, protocol=2 + number // 2).pubsub()
        if number % 2:
            subscription.psubscribe("news.*")
        else:
            subscription.subscribe("news.0", "news.1")
        for _ in range(2 - number % 2):
            confirmation = subscription.get_message(timeout=90)
            expect("a confirmation", "subscribe", confirmation and confirmation["type"].removeprefix("p"))
        self.ready.wait(90)
        while True:
            message = subscription.get_message(timeout=90)
            if message is None:
                continue
            if message["data"] == "end":
                break
            if "message" in message["type"]:
                self.heard[number].append((message["channel"], message["data"]))

    def publish(self, number):
        node = client(number)
        while not self.stop.is_set():
            node.publish(f"news.{number}", str(self.sent[number]))
            self.sent[number] += 1
            time.sleep(0.002)

    def end(self):
        self.stop.set()
        join(self.publishers)
        client(0).publish("news.1", "end")
        join(self.threads)
        for number, heard in enumerate(self.heard):
            expect(f"what subscriber {number} heard, beside the first", self.heard[0], heard)
        for number in range(len(self.sent)):
            numbers = [int(data) for channel, data in self.heard[0] if channel == f"news.{number}"]
            expect(f"messages of publisher {number}", list(range(self.sent[number])), numbers)
        return f"{sum(self.sent)} messages to {len(self.heard)} subscribers"


class Pops:
    """Every element is popped once, in the order of its producer."""

    def __init__(self):
        self.stop = threading.Event()
        self.pushed = [0] * 4
        self.popped = [[] for _ in range(6)]
        self.producers = [thread(self.push, number) for number in range(len(self.pushed))]
        self.consumers = [thread(self.pop, number) for number in range(len(self.popped))]

    def push(self, number):
        node = client(number)
        while not self.stop.is_set():
            with node.pipeline(transaction=number % 2 == 0) as pipeline:
                for _ in range(3):
                    pipeline.rpush("jobs", f"{number}:{self.pushed[number]}")
                    self.pushed[number] += 1
                pipeline.execute()
            time.sleep(0.01)

    def pop(self, number):
        node = client(number)
        while True:
            popped = node.blpop(["jobs", "other"], timeout=5)
            if popped is None:
                continue
            if popped[1] == "end":
                break
            self.popped[number].append(popped[1])

    def end(self):
        self.stop.set()
        join(self.producers)
        client(0).rpush("jobs", *["end"] * len(self.consumers))
        join(self.consumers)
        everything = sorted(element for popped in self.popped for element in popped)
        pushed = sorted(f"{number}:{i}" for number, pushed in enumerate(self.pushed) for i in range(pushed))
        expect("elements popped", pushed, everything)
        for consumer, popped in enumerate(self.popped):
            for number in range(len(self.pushed)):
                mine = [int(element.split(":")[1]) for element in popped if element.startswith(f"{number}:")]
                expect(f"order of producer {number} at consumer {consumer}", sorted(mine), mine)
        return f"{len(everything)} elements popped once"


def main():
    client(0).flushdb()
    killed = Kills()
    parts = [Locks(), Messages(), Pops()]
    until("leaders die", lambda: failures or killed.seen() >= count(3, 30), patience=count(90, 600))
    said = [part.end() for part in parts]
    print(f"{', '.join(said)}, over {killed.seen()} dead leaders")


main()
