//! Commands, and what goes in and out.

use super::{Echo, check, run, run_on};

#[test]
fn results_become_replies() {
    check(&[
        ("return 1", ":1"),
        ("return 3.99", ":3"),
        ("return 'a'", "$1 a"),
        ("return true", ":1"),
        ("return false", "_"),
        ("return nil", "_"),
        ("return", "_"),
        ("return {1,2,nil,4}", "*2 :1 :2"),
        ("return {ok='fine'}", "+fine"),
        ("return {err='ERR bad'}", "-ERR bad"),
        ("return {err='bad'}", "-bad"),
        ("return {double=3.5}", ",3.5"),
        ("return {map={b=2,a=1,[10]='x',[9]='y'}}", "%4 :9 $1 y :10 $1 x $1 a :1 $1 b :2"),
        ("return {set={b=true,a=true}}", "~2 $1 a $1 b"),
        ("return {big_number='123'}", "(123"),
        ("return {verbatim_string={format='txt',string='hi'}}", "=6 txt:hi"),
        ("redis.setresp(3) return {true, false}", "*2 #t #f"),
        ("return 1e300", ":-9223372036854775808"),
        ("return function() end", "_"),
        ("return redis.status_reply('x')", "+x"),
        ("return redis.error_reply('x')", "-ERR x"),
        ("return redis.error_reply('MY x')", "-MY x"),
        ("return redis.error_reply('-MY x')", "-MY x"),
    ]);
}

#[test]
fn answers_become_values() {
    check(&[
        ("return redis.call('ECHO', 'x')", "$1 x"),
        ("return redis.call('ECHO', 10)", "$2 10"),
        ("return redis.call('ECHO', 3.3)", "$18 3.2999999999999998"),
        ("return redis.call('OK')", "+OK"),
        ("return redis.call('OK').ok", "$2 OK"),
        ("return {redis.call('NIL')}", "*1 _"),
        ("return type(redis.call('NIL'))", "$7 boolean"),
        ("redis.setresp(3) return type(redis.call('NIL'))", "$3 nil"),
        ("return #redis.call('LIST', 1, 2)", ":2"),
        ("return redis.call('MAP')[2]", "$1 v"),
        ("redis.setresp(3) return redis.call('MAP').map.k", "$1 v"),
        ("redis.setresp(3) return redis.call('DOUBLE')", ",1.5"),
        ("return redis.pcall('NOPE').err", "$19 ERR no such command"),
        ("return redis.acl_check_cmd('ECHO', 1)", ":1"),
        ("return redis.acl_check_cmd('SECRET')", "_"),
    ]);
}

#[test]
fn errors_tell_where() {
    check(&[
        ("return redis.call('NOPE')", "-ERR no such command script: SHA, on @user_script:1."),
        ("\n\nredis.call('NOPE')", "-ERR no such command script: SHA, on @user_script:3."),
        (
            "return redis.call()",
            "-ERR Please specify at least one argument for this redis lib call script: SHA, on @user_script:1.",
        ),
        (
            "return redis.call({})",
            "-ERR Lua redis lib command arguments must be strings or integers script: SHA, on @user_script:1.",
        ),
        ("return redis.pcall('NOPE')", "-ERR no such command"),
        ("error('x')", "-ERR user_script:1: x script: SHA, on @user_script:1."),
        ("error({err='MY x'})", "-MY x script: SHA, on @user_script:1."),
        (
            "return nil + 1",
            "-ERR user_script:1: attempt to perform arithmetic on a nil value script: SHA, on @user_script:1.",
        ),
        ("local ok, e = pcall(redis.call, 'NOPE') return e", "$19 ERR no such command"),
        ("local ok, e = pcall(function() error('x') end) return e", "$16 user_script:1: x"),
        ("local ok, e = pcall(function() error({a=5}) end) return e.a", ":5"),
        (
            "local ok, e = xpcall(function() redis.call('NOPE') end, function(e) return e.err .. '!' end) return e",
            "$20 ERR no such command!",
        ),
        (
            "local co = coroutine.create(function() redis.call('NOPE') end) local ok, e = coroutine.resume(co) return e.err",
            "$19 ERR no such command",
        ),
    ]);
    let text = run("return (");
    assert!(text.starts_with("-ERR Error compiling script (new function): user_script:1:"), "{text}");
}

#[test]
fn keys_and_arguments_arrive() {
    let host = &mut Echo::default();
    let code = "return {KEYS[1], KEYS[2], ARGV[1], #KEYS, #ARGV}";
    assert_eq!(run_on(host, code, &[b"k1", b"k\0"], &[b"a"]), "*5 $2 k1 $2 k\0 $1 a :2 :1");
    assert_eq!(run_on(host, "return {#KEYS, #ARGV}", &[], &[]), "*2 :0 :0");
}

#[test]
fn lines_reach_the_log() {
    let host = &mut Echo::default();
    run_on(host, "redis.log(redis.LOG_NOTICE, 'a', 1, 'b')", &[], &[]);
    assert_eq!(host.lines, ["a 1 b"]);
    check(&[
        ("redis.log(1)", "-ERR redis.log() requires two arguments or more. script: SHA, on @user_script:1."),
        ("redis.log(9, 'x')", "-ERR Invalid debug level. script: SHA, on @user_script:1."),
    ]);
}
