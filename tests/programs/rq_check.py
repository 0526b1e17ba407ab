"""RQ: a worker on each surviving node, jobs queued through both, some of which fail and are retried.

RQ promises that a job is run once unless its worker is lost: each job is counted, and runs as often as it should.
"""

import os
import subprocess
import sys

import redis
from rq import Queue, Retry

import rq_jobs
from programs import PORTS, WORK, Kills, count, expect, until

HERE = os.path.dirname(os.path.abspath(__file__))
DB = 3


def start_worker(name, port):
    log = open(os.path.join(WORK, f"rq-{name}.log"), "w")
    # Jobs run in the worker itself: a process for each would be most of the work of this test.
    command = [sys.executable, "-m", "rq.cli", "worker", "--url", f"redis://127.0.0.1:{port}/{DB}"]
    command += ["--worker-class", "rq.SimpleWorker", "--with-scheduler", "--name", name, "first", "second"]
    environment = dict(os.environ, QUORATE_PORT=str(port), PYTHONPATH=HERE, PYTHONDONTWRITEBYTECODE="1")
    return subprocess.Popen(command, env=environment, cwd=WORK, stdout=log, stderr=log)


def main():
    nodes = [redis.Redis(port=port, db=DB) for port in PORTS]
    nodes[0].flushdb()
    workers = [start_worker("rq-a", PORTS[0]), start_worker("rq-b", PORTS[1])]
    try:
        until("both workers are there", lambda: nodes[0].scard("rq:workers") == 2)
        run(nodes, workers)
    finally:
        for worker in workers:
            worker.terminate()
        for worker in workers:
            worker.wait(60)


def run(nodes, workers):
    killed, jobs_min = Kills(), count(60, 2_000)
    queues = [Queue(name, connection=node) for name, node in zip(("first", "second"), nodes)]
    jobs, troubled = [], []
    while len(jobs) < jobs_min or killed.seen() < 2:
        number = len(jobs)
        queue = queues[number % 2]
        jobs.append(queue.enqueue(rq_jobs.double, number, result_ttl=3600))
        if number % 20 == 0:
            troubled.append(queue.enqueue(rq_jobs.second_time, number, retry=Retry(max=3), result_ttl=3600))
        # Not more than a few in the queue, so that the work spans the kills.
        until("workers keep pace", lambda: sum(len(each) for each in queues) < 40)
    after = queues[0].enqueue(rq_jobs.double, 21, depends_on=jobs[-2:], result_ttl=3600)

    def finished(job):
        return until(f"{job.description} ends, it is {job.get_status()}", lambda: job.get_status() == "finished")

    for job in [*jobs, *troubled, after]:
        finished(job)
    for number, job in enumerate(jobs):
        expect(f"result of job {number}", 2 * number, job.return_value())
    expect("result of the job that depends on others", 42, after.return_value())
    for worker in workers:
        expect("end of a worker", None, worker.poll())
    runs = {field.decode(): int(times) for field, times in nodes[1].hgetall(rq_jobs.RUNS).items()}
    expected = {f"double:{number}": 1 for number in range(len(jobs))}
    expected["double:21"] += 1
    expected.update({f"second:{number}": 2 for number in range(0, len(jobs), 20)})
    expect("how often jobs ran", {}, {name: times for name, times in runs.items() if times != expected.get(name)})
    expect("jobs that ran", len(expected), len(runs))
    print(f"{len(jobs)} jobs, {len(troubled)} with a retry, each as often as it should, "
          f"over {killed.seen()} dead leaders")


main()
