// ioredis and node-redis (RESP2, and RESP3 by HELLO): counters, transactions, pipelines, scripts, streams, messages,
// and a cache in the client, kept right by the pushes of CLIENT TRACKING.
// Both reconnect by themselves when a connection is closed: here none may be.
import Redis from "ioredis";
import { BasicClientSideCache, createClient } from "redis";
import { PORTS, count, expect, fail, killed, until } from "./programs.mjs";

const DB = 7;
const troubles = [];

function ioredis(number) {
    const node = new Redis({ port: PORTS[number % 2], db: DB, maxRetriesPerRequest: null });
    node.on("error", (error) => troubles.push(`ioredis: ${error.message}`));
    node.on("reconnecting", () => troubles.push("ioredis reconnects"));
    return node;
}

async function nodeRedis(number, RESP, clientSideCache) {
    const node = createClient({ socket: { port: PORTS[number % 2] }, database: DB, RESP, clientSideCache });
    node.on("error", (error) => troubles.push(`node-redis: ${error.message}`));
    node.on("reconnecting", () => troubles.push("node-redis reconnects"));
    return node.connect();
}

const io = [ioredis(0), ioredis(1)];
const nodes = [await nodeRedis(0, 2), await nodeRedis(1, 3)];
await io[0].flushdb();

// What a client says of itself, and what RESP3 changes.
await nodes[1].hSet("hash", { a: "1", b: "2" });
expect("a map", { a: "1", b: "2" }, { ...(await nodes[1].hGetAll("hash")) });
expect("the protocol", 3, (await nodes[1].hello(3)).proto);
await nodes[1].zAdd("zset", [{ value: "one", score: 1.5 }]);
expect("a double", 1.5, await nodes[1].zScore("zset", "one"));

// Messages, heard by both libraries on both nodes.
const heard = [[], [], []];
const listeners = [ioredis(0), await nodeRedis(1, 3), await nodeRedis(0, 2)];
listeners[0].on("message", (_, message) => heard[0].push(message));
await listeners[0].subscribe("news");
await listeners[1].subscribe("news", (message) => heard[1].push(message));
await listeners[2].pSubscribe("ne*", (message) => heard[2].push(message));

io.forEach((node) => node.defineCommand("countup", {
    numberOfKeys: 1,
    lua: "local n = redis.call('incrby', KEYS[1], ARGV[1]) return cjson.encode({n = n, list = {1, 2}})",
}));
await io[1].xgroup("CREATE", "stream", "group", "0", "MKSTREAM");

const cache = new BasicClientSideCache({ ttl: 0, maxEntries: 0, evictPolicy: "LRU" });
const cached = await nodeRedis(0, 3, cache);
const poppers = [ioredis(0), ioredis(1)];

/** A transaction that must fail when somebody else was first. */
async function optimistic(node, other, round) {
    await node.watch("watched");
    const value = Number(await node.get("watched"));
    if (round % 5 === 0) await other.incr("watched");
    const replies = await node.multi().set("watched", value + 1).exec();
    expect(`transaction of round ${round}`, round % 5 === 0 ? null : [[null, "OK"]], replies);
}

let rounds = 0;
while (rounds < count(120, 2_000) || killed() < 2) {
    rounds += 1;
    const [own, other] = rounds % 2 ? [io[0], nodes[1]] : [io[1], nodes[0]];
    const replies = await own.multi().incr("exact").rpush("list", rounds).exec();
    expect("a transaction", [[null, rounds], [null, rounds]], replies);
    expect("what the other node sees", String(rounds), await other.get("exact"));
    expect("a script", { n: 2 * rounds, list: [1, 2] }, JSON.parse(await own.countup("scripted", 2)));
    const all = await Promise.all([other.incr("many"), other.incr("many"), other.get("many")]);
    expect("a pipeline", [2 * rounds - 1, 2 * rounds, String(2 * rounds)], all);
    await own.xadd("stream", "*", "round", rounds);
    const [[, [[id, fields]]]] = await own.xreadgroup("GROUP", "group", "me", "COUNT", 1, "BLOCK", 5000, "STREAMS", "stream", ">");
    expect("an entry", ["round", String(rounds)], fields);
    expect("an acknowledgement", 1, await own.xack("stream", "group", id));
    const waiting = poppers[rounds % 2].blpop("pop", 30);
    await other.lPush("pop", String(rounds));
    expect("a pop that waited", ["pop", String(rounds)], await waiting);
    await nodes[rounds % 2].publish("news", String(rounds));
    await optimistic(own, other, rounds);
    await other.set("cached", String(rounds));
    await until("the cache sees a change", async () => (await cached.get("cached")) === String(rounds));
    expect("a cached value", String(rounds), await cached.get("cached"));
}


expect("a watched counter", String(rounds), await io[0].get("watched"));
const numbers = Array.from({ length: rounds }, (_, i) => String(i + 1));
for (const [number, messages] of heard.entries()) {
    await until(`subscriber ${number} has heard all`, () => messages.length >= rounds);
    expect(`what subscriber ${number} heard`, numbers, messages);
}
expect("a list", numbers, await nodes[0].lRange("list", 0, -1));
expect("entries not acknowledged", 0, (await io[0].xpending("stream", "group"))[0]);
if (cache.stats().hitCount === 0) fail("nothing was cached");
expect("troubles", [], troubles);
console.log(`${rounds} rounds with both libraries, over ${killed()} dead leaders`);
process.exit(0);
