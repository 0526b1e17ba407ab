//! Libraries of functions.

use quorate_resp::{Protocol, Reply};
use quorate_script::{Call, Flag, call_function, load_library, sha1_hex};

use super::{Echo, LIMITS, shown};

fn call(code: &str, function: &str, keys: &[&[u8]], args: &[&[u8]]) -> String {
    let mut reply = Reply::new(Protocol::Resp3);
    let sha = sha1_hex(code.as_bytes());
    let call = Call { sha: &sha, code: code.as_bytes(), keys, args, limits: LIMITS };
    call_function(call, function, &mut Echo::default(), &mut reply);
    shown(&mut reply)
}

const CODE: &str = "#!lua name=mylib
local calls = 0
local function one(keys, args)
  calls = calls + 1
  return {calls, keys[1], args[1], redis.call('ECHO', 'x')}
end
redis.register_function('one', one)
redis.register_function{function_name='two', callback=function() return redis.call('NOPE') end,
  flags={'no-writes', 'allow-oom'}, description='does it'}
";

#[test]
fn a_library_says_what_it_has() {
    let library = load_library(CODE.as_bytes()).expect("a good library");
    assert_eq!(library.name, "mylib");
    let names: Vec<&str> = library.functions.iter().map(|function| function.name.as_str()).collect();
    assert_eq!(names, ["one", "two"]);
    let two = &library.functions[1];
    assert_eq!(two.description.as_deref(), Some(b"does it".as_slice()));
    assert_eq!(two.flags.iter().collect::<Vec<_>>(), [Flag::NoWrites, Flag::AllowOom]);
}

#[test]
fn functions_run_and_keep_nothing() {
    for _ in 0..2 {
        assert_eq!(call(CODE, "one", &[b"k"], &[b"a"]), "*4 :1 $1 k $1 a $1 x");
    }
    assert_eq!(call(CODE, "two", &[], &[]), "-ERR no such command script: two, on @user_function:8.");
}

#[test]
fn what_is_no_library_is_told() {
    for (code, error) in [
        ("return 1", "Missing library metadata"),
        ("#!lua name=a", "Invalid library metadata"),
        ("#!lua\n", "Library name was not given"),
        ("#!lua name=a name=b\n", "Invalid metadata value, name argument was given multiple times"),
        ("#!lua name=a what=b\n", "Invalid metadata value given: what=b"),
        ("#!php name=a\n", "Engine 'php' not found"),
        (
            "#!lua name=a-b\n",
            "Library names can only contain letters, numbers, or underscores(_) and must be at least one character long",
        ),
        ("#!lua name=a\nreturn 1", "No functions registered"),
        ("#!lua name=a\nbad bad", "Error compiling function: user_function:2: '=' expected near 'bad'"),
        (
            "#!lua name=a\nredis.call('x')",
            "Error registering functions: user_function:2: Script attempted to access nonexistent global variable 'call'",
        ),
        (
            "#!lua name=a\nredis.register_function()",
            "Error registering functions: wrong number of arguments to redis.register_function",
        ),
        (
            "#!lua name=a\nredis.register_function('f', function() end)\nredis.register_function('f', function() end)",
            "Error registering functions: Function already exists in the library",
        ),
        (
            "#!lua name=a\nx = 1",
            "Error registering functions: user_function:2: Attempt to modify a readonly table",
        ),
        ("#!lua name=a\nwhile true do end", "Error registering functions: FUNCTION LOAD timeout"),
    ] {
        let told = load_library(code.as_bytes()).expect_err(code);
        assert!(told.replace("ERR ", "") == error, "{code}: {told}");
    }
}
