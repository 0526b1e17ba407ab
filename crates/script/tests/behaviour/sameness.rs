//! A used machine gives the results of a fresh one.

use std::thread;

use proptest::prelude::*;

use super::run;

/// Scripts that would show what others have left behind, or where things lie in memory.
const SCRIPTS: [&str; 13] = [
    "return tostring({}) .. tostring(function() end)",
    "local t = {} for i = 1, 50 do t['k' .. i * 7 % 50] = i end local o = {} for k in pairs(t) do o[#o+1] = k end return table.concat(o, ',')",
    "return {math.random(1000), math.random(1000), math.random(1000)}",
    "cjson.encode_sparse_array(true) return cjson.encode({[1]=1,[1000]=2})",
    "return pcall(cjson.encode, {[1]=1,[1000]=2})",
    "redis.setresp(3) return redis.call('MAP')",
    "return redis.call('MAP')",
    "local s = 0 for i = 1, 20000 do s = s + i % 7 end return {s, tostring(os.clock())}",
    "local t = {} for i = 1, 2000 do t[i] = ('x'):rep(i % 50) .. i end return #table.concat(t)",
    "local s = 'x' while true do s = s .. s end",
    "return {rawget(_G, 'KEYS') ~= nil, #KEYS, next(redis) ~= nil}",
    "math.randomseed(5) return math.random(1, 1000000)",
    "local co = coroutine.create(function() coroutine.yield(tostring({})) end) return {coroutine.resume(co)}",
];

/// What a script gives on a machine that nobody used.
fn fresh(code: &'static str) -> String {
    thread::spawn(move || run(code)).join().expect("scripts do not panic")
}

#[test]
fn each_script_is_the_same_on_every_fresh_machine() {
    for code in SCRIPTS {
        assert_eq!(fresh(code), fresh(code), "{code}");
    }
}

/// Instructions are counted by the thousand, and what is left of a thousand must not be left to the next script.
#[test]
fn the_clock_does_not_show_how_much_ran_before() {
    let clock = "for i = 1, 700 do end return tostring(os.clock())";
    let alone = fresh(clock);
    for before in ["return 1", "for i = 1, 400 do end", "for i = 1, 777 do end", "while true do end"] {
        run(before);
        assert_eq!(run(clock), alone, "after {before}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2, ..ProptestConfig::default() })]

    #[test]
    fn what_ran_before_does_not_show(order in prop::collection::vec(0_usize..SCRIPTS.len(), 2..10)) {
        for index in order {
            prop_assert_eq!(run(SCRIPTS[index]), fresh(SCRIPTS[index]), "{}", SCRIPTS[index]);
        }
    }
}
