"""The tasks of the Celery check, and how its workers and its client reach the cluster."""

import os

import redis
from celery import Celery

PORT = int(os.environ["QUORATE_PORT"])

app = Celery("programs", broker=f"redis://127.0.0.1:{PORT}/0", backend=f"redis://127.0.0.1:{PORT}/1")
app.conf.update(
    broker_connection_retry_on_startup=True,
    # A worker that loses its connection says so in its log and ends what it does: here it must not.
    worker_cancel_long_running_tasks_on_connection_loss=True,
    worker_prefetch_multiplier=4,
    task_acks_late=True,
    result_expires=3600,
)

# Which tasks ran, and how often, as the tasks themselves count it.
counts = redis.Redis(port=PORT, db=2)
RUNS = "runs"


@app.task
def square(number):
    counts.hincrby(RUNS, f"square:{number}", 1)
    return number * number


@app.task(bind=True, max_retries=3, default_retry_delay=0.1)
def third_time(self, number):
    """Fails twice, as a call to a service that is down does."""
    if counts.hincrby(RUNS, f"third:{number}", 1) < 3:
        raise self.retry(countdown=0.2)
    return number


@app.task
def total(numbers):
    counts.hincrby(RUNS, "total", 1)
    return sum(numbers)
