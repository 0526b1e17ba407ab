//! Scripts that never end, or want everything.

use super::{Echo, check, run, run_on};

const STEPS: &str = "-ERR Script ended: it has used up its budget of instructions";
const MEMORY: &str = "-ERR Script ended: it has used up its memory";

#[test]
fn endless_scripts_end() {
    for code in [
        "while true do end",
        "while true do pcall(function() while true do end end) end",
        "while true do xpcall(function() while true do end end, function() return 1 end) end",
        "local co = coroutine.wrap(function() while true do end end) while true do pcall(co) end",
        "return ('a'):rep(60):find(('a-'):rep(28) .. 'b')",
        "local t = {} for i = 1, 10000 do t[i] = i end while true do table.concat(t) end",
        "local a = {} for i = 1, 60 do a = {a, a} end return a",
    ] {
        assert_eq!(run(code), STEPS, "{code}");
    }
    check(&[("return 1", ":1")]);
}

#[test]
fn greedy_scripts_end() {
    for code in [
        "local s = 'x' while true do s = s .. s end",
        "local s = ('x'):rep(1000) while true do local ok = pcall(function() s = s .. s end) end",
        "return ('x'):rep(1e9)",
    ] {
        assert_eq!(run(code), MEMORY, "{code}");
    }
    check(&[("return #('x'):rep(1000000)", ":1000000")]);
}

#[test]
fn a_command_runs_once_however_often_its_script_is_tried() {
    let host = &mut Echo::default();
    let code = "for i = 1, 3 do redis.call('OK') redis.log(2, 'line ' .. i) end while true do end";
    assert_eq!(run_on(host, code, &[], &[]), STEPS);
    assert_eq!(host.asked.len(), 3);
    assert_eq!(host.lines, ["line 1", "line 2", "line 3"]);
}

#[test]
fn deep_recursion_is_an_error_of_the_script() {
    let text = run("local function f() return 1 + f() end return f()");
    assert!(text.contains("stack overflow"), "{text}");
    check(&[
        ("local ok = pcall(function() return unpack({}, 1, 1e7) end) return ok", "_"),
        ("local function f() return 1 + f() end return pcall(f)", "_"),
    ]);
}

/// Lua's own function overflows an int here, and an optimised build of it breaks the stack of the whole process.
#[test]
fn borders_that_are_far_apart_are_an_error_of_the_script() {
    for borders in
        ["-2, 2147483647", "0, 2147483647", "-2147483648, -2", "'0', '2147483647'", "1, 8001", "1, 1/0"]
    {
        let text = run(&format!("return {{unpack({{1,2,3}}, {borders})}}"));
        assert!(text.contains("too many results to unpack"), "{borders}: {text}");
    }
    check(&[
        ("return {unpack({1,2,3}, -1, -2)}", "*0"),
        ("return {unpack({1,2,3}, 1, -1)}", "*0"),
        ("return select('#', unpack({1,2,3}, -1, 5))", ":7"),
        ("return select('#', unpack({}, 1, 5000))", ":5000"),
        ("return {unpack({1,2,3}, '2')}", "*2 :2 :3"),
        ("return unpack({1,2,3}, 1/0, -1/0)", "_"),
        ("local a = {} for i = 1, 7999 do a[i] = 1 end return select('#', unpack(a))", ":7999"),
    ]);
}

/// Each failure of a handler calls it again while the call that failed is still on the stack: two hundred calls with
/// buffers of 8 KiB ended the process.
#[test]
fn a_handler_that_fails_does_not_fill_the_stack() {
    check(&[
        (
            "return select(2, xpcall(string.format, function() return string.format() end))",
            "$23 error in error handling",
        ),
        ("return select(2, xpcall(string.format, 7))", "$23 error in error handling"),
        (
            "return select(2, xpcall(error, function(e) return e .. '!' end))",
            "$62 user_script:1: attempt to concatenate local 'e' (a nil value)!",
        ),
        (
            "return select(2, xpcall(function() error({}) end, function(e) return e.x.y end))",
            "$23 error in error handling",
        ),
        // Asked about its own failure, it may have an answer.
        (
            "local n = 0 return select(2, xpcall(error, function(e) n = n + 1 if n == 1 then error({5}) end return e[1] end))",
            ":5",
        ),
        ("local function h() return (xpcall(string.format, h)) end return xpcall(string.format, h)", "_"),
        ("local function f() return pcall(pcall, pcall, xpcall, f, f) and 1 end return f()", ":1"),
    ]);
}
