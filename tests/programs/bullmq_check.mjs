// BullMQ: queues with delays, retries, priorities and a flow, a worker on each surviving node. All of it is Lua with
// cmsgpack, and blocking pops.
//
// BullMQ promises at least once: a job whose lock is not renewed in time (30 s) is "stalled" and done again. No node
// of these workers dies, so each job is done once, and a stalled job is a failure. A worker closes its own connection
// when a blocking pop takes a second longer than it asked for, as it does now and then during an election on a slow
// machine: that is no failure.
import { FlowProducer, Queue, QueueEvents, Worker } from "bullmq";
import { PORTS, count, expect, fail, killed, until } from "./programs.mjs";

const connection = (number) => ({ port: PORTS[number % 2], db: 6, maxRetriesPerRequest: null });
const runs = new Map();
const troubles = [];
const note = (what) => (error) => troubles.push(`${what}: ${error?.message ?? error}`);

async function work(job) {
    const key = `${job.name}:${job.data.number}`;
    runs.set(key, (runs.get(key) ?? 0) + 1);
    if (job.name === "second-time" && job.attemptsMade < 1) throw new Error("as a call to a service that is down");
    if (job.name === "sum") {
        const children = await job.getChildrenValues();
        return Object.values(children).reduce((a, b) => a + b, 0);
    }
    if (job.data.number % 25 === 0) await job.updateProgress({ half: true });
    return job.data.number * 2;
}

const queues = [0, 1].map((number) => new Queue("work", { connection: connection(number) }));
await queues[0].obliterate({ force: true });
const events = new QueueEvents("work", { connection: connection(1) });
events.on("stalled", ({ jobId }) => troubles.push(`job ${jobId} stalled`));
await events.waitUntilReady();
const workers = [0, 1].map((number) => new Worker("work", work, { connection: connection(number), concurrency: 8 }));
for (const each of [...queues, ...workers, events]) each.on("error", note("an error"));
for (const worker of workers) await worker.waitUntilReady();

const jobs = [];
const expected = new Map();
const add = async (queue, name, number, options) => {
    jobs.push([name, number, await queue.add(name, { number, text: "ä\u0000€" }, options)]);
    expected.set(`${name}:${number}`, name === "second-time" ? 2 : 1);
};
for (let number = 0; number < count(250, 5_000) || killed() < 2; number++) {
    const queue = queues[number % 2];
    await add(queue, "plain", number, { priority: number % 5 });
    if (number % 10 === 0) await add(queue, "later", number, { delay: 300 + (number % 7) * 100 });
    if (number % 10 === 5) {
        await add(queue, "second-time", number, { attempts: 3, backoff: { type: "exponential", delay: 50 } });
    }
    if (number % 20 === 19) {
        await until("workers keep pace", async () => (await queue.getWaitingCount()) < 40);
    }
}
const flow = new FlowProducer({ connection: connection(0) });
const children = [1, 2, 3, 4].map((number) => ({ name: "child", queueName: "work", data: { number } }));
const sum = await flow.add({ name: "sum", queueName: "work", data: { number: 0 }, children });
for (const { data } of children) expected.set(`child:${data.number}`, 1);
expected.set("sum:0", 1);

for (const [name, number, job] of jobs) {
    expect(`result of ${name} ${number}`, number * 2, await job.waitUntilFinished(events, 90_000));
}
expect("result of a flow", 20, await sum.job.waitUntilFinished(events, 90_000));
expect("how often jobs were done", [...expected].sort(), [...runs].sort());
const left = await queues[1].getJobCounts("waiting", "active", "delayed", "failed", "prioritized", "waiting-children");
expect("jobs left over", 0, Object.values(left).reduce((a, b) => a + b, 0));
expect("troubles", [], troubles);
for (const each of [...workers, events, flow, ...queues]) await each.close();
console.log(`${jobs.length} jobs and a flow, each done once, over ${killed()} dead leaders`);
process.exit(0);
