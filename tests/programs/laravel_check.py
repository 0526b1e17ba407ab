"""Queue and lock scripts as Laravel's Redis queue and cache lock use them, run by a plain client.

A job is popped into a set of reserved jobs with its attempts counted up inside the script (cjson), deleted when it
is done, released with a delay when it failed, and moved back by the next pop when its time has come. The scripts
are our own; their shape (keys, arguments, data) is that of the framework.
"""

import json
import threading
import time

import redis

from programs import PORTS, Kills, count, expect, fail, until

DB = 5

PUSH = """
redis.call('rpush', KEYS[1], ARGV[1])
redis.call('rpush', KEYS[2], 1)
return redis.call('llen', KEYS[1])
"""

POP = """
local job = redis.call('lpop', KEYS[1])
local reserved = false
if job ~= false then
    reserved = cjson.decode(job)
    reserved['attempts'] = reserved['attempts'] + 1
    reserved = cjson.encode(reserved)
    redis.call('zadd', KEYS[2], ARGV[1], reserved)
    redis.call('lpop', KEYS[3])
end
return {job, reserved}
"""

MIGRATE = """
local due = redis.call('zrangebyscore', KEYS[1], '-inf', ARGV[1], 'limit', 0, ARGV[2])
if next(due) ~= nil then
    redis.call('zremrangebyrank', KEYS[1], 0, #due - 1)
    for first = 1, #due, 100 do
        redis.call('rpush', KEYS[2], unpack(due, first, math.min(first + 99, #due)))
        for _ = first, math.min(first + 99, #due) do
            redis.call('rpush', KEYS[3], 1)
        end
    end
end
return due
"""

RELEASE = """
redis.call('zrem', KEYS[2], ARGV[1])
redis.call('zadd', KEYS[1], ARGV[2], ARGV[1])
return true
"""

SIZE = "return redis.call('llen', KEYS[1]) + redis.call('zcard', KEYS[2]) + redis.call('zcard', KEYS[3])"

UNLOCK = """
if redis.call('get', KEYS[1]) == ARGV[1] then
    return redis.call('del', KEYS[1])
end
return 0
"""

QUEUE, DELAYED, RESERVED, NOTIFY = "queues:q", "queues:q:delayed", "queues:q:reserved", "queues:q:notify"
failures = []


def client(number):
    return redis.Redis(port=PORTS[number % 2], db=DB, socket_timeout=90, decode_responses=True)


class Worker:
    def __init__(self, number, stop):
        self.node, self.stop, self.name = client(number), stop, f"worker {number}"
        self.pop = self.node.register_script(POP)
        self.migrate = self.node.register_script(MIGRATE)
        self.release = self.node.register_script(RELEASE)
        self.unlock = self.node.register_script(UNLOCK)
        self.done = {}
        self.locked = 0
        self.thread = threading.Thread(target=self.guarded, daemon=True)
        self.thread.start()

    def guarded(self):
        try:
            while not self.stop.is_set():
                self.step()
        except BaseException as error:  # A thread's error is told by the main thread.
            failures.append(repr(error))

    def step(self):
        now = time.time()
        self.migrate(keys=[DELAYED, QUEUE, NOTIFY], args=[now, 50])
        self.migrate(keys=[RESERVED, QUEUE, NOTIFY], args=[now, 50])
        job, reserved = self.pop(keys=[QUEUE, RESERVED, NOTIFY], args=[now + 600])
        if job is None:
            self.node.blpop([NOTIFY], timeout=1)
            return
        data = json.loads(reserved)
        # Every seventh job fails once.
        if data["id"] % 7 == 0 and data["attempts"] == 1:
            self.release(keys=[DELAYED, RESERVED], args=[reserved, time.time() + 0.2])
            return
        self.exclusively(data["id"])
        if self.node.zrem(RESERVED, reserved) != 1:
            failures.append(f"job {data} was not reserved")
        self.done[data["id"]] = self.done.get(data["id"], 0) + 1

    def exclusively(self, number):
        """Counts up what only the owner of a lock may touch."""
        while not self.node.set("cache:lock", f"{self.name}:{number}", nx=True, ex=60):
            time.sleep(0.002)
        value = int(self.node.get("guarded") or 0)
        self.node.set("guarded", value + 1)
        self.locked += 1
        if self.unlock(keys=["cache:lock"], args=["another"]) != 0:
            failures.append("a lock was given up for somebody else")
        if self.unlock(keys=["cache:lock"], args=[f"{self.name}:{number}"]) != 1:
            failures.append("a lock was lost")


def main():
    client(0).flushdb()
    killed, jobs_min, stop = Kills(), count(200, 10_000), threading.Event()
    workers = [Worker(number, stop) for number in range(4)]
    nodes = [client(number) for number in range(2)]
    push = [node.register_script(PUSH) for node in nodes]
    size = nodes[0].register_script(SIZE)
    jobs = 0
    while (jobs < jobs_min or killed.seen() < 2) and not failures:
        job = {"id": jobs, "attempts": 0, "displayName": "App\\Jobs\\Send", "maxTries": None, "data": {"n": [1, 2.5]}}
        push[jobs % 2](keys=[QUEUE, NOTIFY], args=[json.dumps(job)])
        jobs += 1
        if jobs % 20 == 0:
            until("workers keep pace", lambda: failures or size(keys=[QUEUE, DELAYED, RESERVED]) < 60)
    until("the queue is empty", lambda: failures or size(keys=[QUEUE, DELAYED, RESERVED]) == 0)
    stop.set()
    for worker in workers:
        worker.thread.join(90)
    if failures:
        fail("; ".join(failures[:5]))
    done = {}
    for worker in workers:
        for job, times in worker.done.items():
            done[job] = done.get(job, 0) + times
    expect("how often jobs were done", {job: 1 for job in range(jobs)}, done)
    expect("increments under a lock", jobs, int(nodes[1].get("guarded")))
    print(f"{jobs} jobs, each done once, {jobs} locked increments, over {killed.seen()} dead leaders")


main()
