// What the JavaScript programs share: where the nodes are, how often the leader died, how to wait.
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { isDeepStrictEqual } from "node:util";

export const PORTS = process.env.QUORATE_SURVIVORS.split(",").map(Number);
export const LONG = process.env.QUORATE_LONG === "1";
// For one wait, in milliseconds; a machine under load is slow.
const PATIENCE = 90_000;

export const count = (quick, long) => (LONG ? long : quick);
const kills = () => Number(readFileSync(process.env.QUORATE_KILLS, "utf8"));
const before = kills();
/** Leaders that died since this program began. */
export const killed = () => kills() - before;

export function fail(why) {
    console.log(`FAILED ${why}`);
    process.exit(1);
}

export function expect(what, expected, got) {
    if (!isDeepStrictEqual(expected, got)) {
        fail(`${what}: expected ${JSON.stringify(expected)}, got ${JSON.stringify(got)}`);
    }
}

/** Waits for a condition, and gives what made it true. */
export async function until(what, condition) {
    for (const end = Date.now() + PATIENCE; ; await sleep(50)) {
        const value = await condition();
        if (value) return value;
        if (Date.now() > end) fail(`${what}: not within ${PATIENCE / 1000} s`);
    }
}

process.on("unhandledRejection", (error) => fail(`an error that nobody expected: ${error?.stack ?? error}`));
