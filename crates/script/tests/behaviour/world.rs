//! What a script can reach and what it cannot change.

use super::{check, run, run_large};

#[test]
fn nothing_shared_can_be_changed() {
    for code in [
        "a = 10",
        "redis.call = 1",
        "redis.x = 1",
        "string.x = 1",
        "table.insert = nil",
        "cjson.encode = 1",
        "_G.x = 1",
        "setmetatable(_G, {})",
        "getmetatable(_G).__index = 20",
        "getmetatable(redis).__newindex = nil",
        "getmetatable('').__index = 20",
        "rawset(_G, 'x', 1)",
        "rawset(redis, 'x', 1)",
        "table.insert(redis, 1)",
        "string.format = function() end",
    ] {
        let text = run(code);
        assert!(text.contains("Attempt to modify a readonly table"), "{code}: {text}");
        assert!(text.starts_with("-ERR user_script:1: "), "{code}: {text}");
    }
    check(&[("return {rawget(_G, 'x') == nil, redis.x == nil, string.x == nil}", "*3 :1 :1 :1")]);
}

#[test]
fn what_is_not_there_is_an_error() {
    for name in [
        "foo", "print", "dofile", "loadfile", "require", "module", "io", "package", "debug", "setfenv",
        "getfenv", "newproxy",
    ] {
        let expected = format!(
            "-ERR user_script:1: Script attempted to access nonexistent global variable '{name}' script: SHA, on @user_script:1."
        );
        assert_eq!(run(&format!("return {name}")), expected);
    }
    check(&[
        ("return {os.time == nil, os.clock() >= 0, string.dump == nil}", "*3 :1 :1 :1"),
        ("return loadstring('return 1 + 1')()", ":2"),
        ("local f, e = loadstring('return (', '@x') return e", "$35 x:1: unexpected symbol near '<eof>'"),
        ("local f, e = loadstring('\\27Lua') return f", "_"),
        ("local n = 0 return load(function() n = n + 1 return n == 1 and 'return 5' or nil end)()", ":5"),
        ("return _VERSION", "$7 Lua 5.1"),
        ("return collectgarbage('count')", ":0"),
        ("return {redis.REDIS_VERSION, redis.LOG_WARNING}", "*2 $5 7.2.4 :3"),
        ("return redis.sha1hex('abc')", "$40 a9993e364706816aba3e25717850c26c9cd0d89d"),
    ]);
}

#[test]
fn tables_are_walked_in_one_order() {
    check(&[
        (
            "local t, out = {z=1, a=1, [3]=1, [1]=1, [2.5]=1, [true]=1, [-1]=1}, {} \
             for k in pairs(t) do out[#out+1] = tostring(k) end return table.concat(out, ' ')",
            "$19 -1 1 2.5 3 a z true",
        ),
        (
            "local t, out = {c=1, a=1, b=1}, {} local k = next(t) \
             while k do out[#out+1] = k k = next(t, k) end return table.concat(out)",
            "$3 abc",
        ),
        ("local t = {a=1,b=2,c=3} for k in pairs(t) do t[k] = nil end return next(t) == nil", ":1"),
        ("local n = 0 for k, v in pairs({10,20,30}) do n = n + k * v end return n", ":140"),
        ("local n = 0 for k in pairs({[{}]=1}) do n = n + 1 end return n", ":1"),
        ("return next({})", "_"),
        ("return tostring({}) == tostring({})", "_"),
        ("local t = {} return tostring(t) == tostring(t)", ":1"),
    ]);
    let text = run("for k in pairs({[{}]=1,[{}]=2}) do end");
    assert!(text.contains("keys have no order"), "{text}");
    assert_eq!(run("return tostring({})"), "$21 table: 0x000000000020");
}

/// There may be few references into Lua at a time, and tables have more elements.
#[test]
fn large_tables_are_walked_written_and_returned() {
    let fill = "local t = {} for i = 1, 20000 do t['k' .. i] = 'v' .. i end ";
    for (code, expected) in [
        ("local n = 0 for k, v in pairs(t) do n = n + #v end return n", ":108894"),
        ("return #cjson.encode(t)", ":337789"),
        ("return cmsgpack.unpack(cmsgpack.pack(t)).k777", "$4 v777"),
        (
            "local l = {} for k, v in pairs(t) do l[#l + 1] = v end return #cmsgpack.unpack(cmsgpack.pack(l))",
            ":20000",
        ),
    ] {
        assert_eq!(run_large(&format!("{fill}{code}")), expected, "{code}");
    }
    let returned =
        run_large(&format!("{fill}local l = {{}} for k, v in pairs(t) do l[#l + 1] = v end return l"));
    assert!(returned.starts_with("*20000 $2 v1 "), "{}", &returned[..20]);
    assert!(run_large(&format!("{fill}return {{map = t}}")).starts_with("%20000 $2 k1 $2 v1 "));
}
