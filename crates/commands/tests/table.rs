//! What must hold of every row of the command table and the settings table.

use std::collections::BTreeSet;

use quorate_commands::settings::{Kind, Scope, settings};
use quorate_commands::{
    Args, BeginSearch, Command, Error, FindKeys, Flag, Group, Route, Settings, commands, keys, lookup,
    resolve,
};

/// All commands and subcommands.
fn rows() -> impl Iterator<Item = &'static Command> {
    commands().flat_map(|command| std::iter::once(command).chain(command.subcommands))
}

#[test]
fn names_are_unique_and_found_in_any_case() {
    let mut names = BTreeSet::new();
    for command in rows() {
        assert!(names.insert(command.full_name()), "{} is there twice", command.full_name());
        assert_eq!(command.name, command.name.to_ascii_lowercase());
    }
    for command in commands() {
        for name in [command.name.to_owned(), command.name.to_ascii_uppercase()] {
            let found = lookup(name.as_bytes()).unwrap_or_else(|| panic!("{name} is in the index"));
            assert_eq!(found.name, command.name);
        }
    }
    for name in ["", "ge", "gett", "get\0", "g\u{e9}t", "config|get", " get"] {
        assert!(lookup(name.as_bytes()).is_none(), "{name:?}");
    }
}

#[test]
fn every_command_of_redis_has_a_row() {
    // Redis 7.0 counts 240; 7.2 adds WAITAOF.
    assert_eq!(commands().count(), 241);
    for name in ["client|setinfo", "client|no-touch", "object|freq", "config|resetstat"] {
        assert!(rows().any(|command| command.full_name() == name), "{name}");
    }
}

#[test]
fn rows_make_sense() {
    for command in rows() {
        let name = command.full_name();
        assert_ne!(command.arity, 0, "{name}");
        assert!(command.summary.ends_with('.'), "{name}: a summary is a sentence");
        assert!(!command.since.is_empty() && !command.complexity.is_empty(), "{name}");
        assert!(command.subcommands.iter().all(|sub| sub.parent == Some(command.name)), "{name}");
        assert!(!(command.flags.has(Flag::Write) && command.flags.has(Flag::Readonly)), "{name}");
        match command.route {
            Route::Read(_) => assert!(!command.flags.has(Flag::Write), "{name}: reads are not writes"),
            // A change of settings goes through the log, too, and so does what marks keys as used, and messages.
            Route::Write(_) => {
                let other =
                    command.name == "touch" || matches!(command.group, Group::Scripting | Group::Pubsub);
                assert!(command.flags.has(Flag::Write) || command.flags.has(Flag::Admin) || other, "{name}");
            }
            Route::Container => assert!(!command.subcommands.is_empty(), "{name}"),
            Route::Session(_) | Route::Unsupported => {}
        }
        let runs = !matches!(command.route, Route::Unsupported);
        assert!(!(runs && command.refusal.is_some()), "{name}: what runs is not refused");
        for spec in command.keys {
            if let BeginSearch::Index(index) = spec.begin {
                assert!(index >= 1, "{name}: argument 0 is the name");
            }
            if let FindKeys::Range { step, .. } | FindKeys::KeyNum { step, .. } = spec.find {
                assert!(step >= 1, "{name}");
            }
        }
    }
}

fn resolved(line: &str) -> Result<&'static Command, String> {
    let args: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
    resolve(Args::new(&args)).map_err(|error| error.to_string())
}

#[test]
fn requests_are_resolved() {
    for (line, name) in
        [("get a", "get"), ("CONFIG GET a", "config|get"), ("Ping", "ping"), ("command", "command")]
    {
        assert_eq!(resolved(line).expect(line).full_name(), name);
    }
    for (line, error) in [
        ("get", "ERR wrong number of arguments for 'get' command"),
        ("config", "ERR wrong number of arguments for 'config' command"),
        ("config get", "ERR wrong number of arguments for 'config|get' command"),
        ("config foo", "ERR unknown subcommand 'foo'. Try CONFIG HELP."),
        ("foo bar baz", "ERR unknown command 'foo', with args beginning with: 'bar' 'baz' "),
        ("zadd a", "ERR wrong number of arguments for 'zadd' command"),
        ("migrate a 1 k 0 1", "ERR command 'migrate' is not supported by Quorate yet"),
    ] {
        assert_eq!(resolved(line).expect_err(line), error);
    }
}

#[test]
fn keys_are_found() {
    for (line, expected) in [
        ("get a", &["a"][..]),
        ("mset a 1 b 2", &["a", "b"]),
        ("ping", &[]),
        ("zinter 2 a b weights 1 2", &["a", "b"]),
        ("xread count 1 streams a b 0 0", &["a", "b"]),
        ("georadius k 0 0 1 m store d", &["k", "d"]),
        ("georadius k 0 0 1 m", &["k"]),
        ("migrate h 1 k 0 10 copy keys b c", &["k", "b", "c"]),
    ] {
        let args: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        let args = Args::new(&args);
        let command = lookup(&args[0]).expect("a known command");
        let found = keys(command, args).expect(line);
        let found: Vec<&str> =
            found.iter().map(|key| std::str::from_utf8(args.at(key.index)).expect("ASCII")).collect();
        assert_eq!(found, expected, "{line}");
    }
}

#[test]
fn error_codes_lead_their_texts() {
    for error in [Error::Syntax, Error::WrongType, Error::text("OOM no room"), Error::Unsupported("a".into())]
    {
        assert!(error.to_string().starts_with(&format!("{} ", error.code())), "{error}");
    }
}

#[test]
fn settings_make_sense() {
    let mut names = BTreeSet::new();
    for setting in settings() {
        for name in [Some(setting.name), setting.alias].into_iter().flatten() {
            assert!(names.insert(name), "{name} is there twice");
        }
        let value = setting.kind.parse(setting.default.as_bytes(), None);
        let value = value.unwrap_or_else(|error| panic!("{}: {error}", setting.name));
        let text = setting.kind.render(&value);
        assert_eq!(setting.kind.parse(text.as_bytes(), None), Ok(value), "{}", setting.name);
        assert!(setting.doc.ends_with('.'), "{}", setting.name);
    }
}

#[test]
fn secrets_stay_secret() {
    let mut changed = Settings::default();
    changed.set(&[(b"requirepass", b"hunter2"), (b"timeout", b"7")]).expect("both are there");
    let shown = format!("{changed:?} {:?}", changed.get(&Settings::default(), &[b"*", b"require*"]));
    assert!(shown.contains("timeout") && !shown.contains("hunter2"), "{shown}");
    let asked = changed.get(&Settings::default(), &[b"requirepass"]);
    assert_eq!(asked, [("requirepass".to_owned(), "hunter2".to_owned())]);
    for setting in settings().iter().filter(|setting| setting.name.contains("pass")) {
        assert!(matches!(setting.kind, Kind::Secret), "{}", setting.name);
    }
}

#[test]
fn a_nodes_settings_are_its_own() {
    let mut node = Settings::default();
    node.set_node(&[(b"port", b"7001")]).expect("a port");
    assert!(node.set_node(&[(b"timeout", b"1")]).is_err());
    assert!(node.set(&[(b"port", b"1")]).is_err());
    let shown = Settings::default().get(&node, &[b"port"]);
    assert_eq!(shown, [("port".to_owned(), "7001".to_owned())]);
    assert!(settings().iter().any(|setting| setting.scope == Scope::Node));
}

#[test]
fn what_values_make_long_is_not_brief() {
    let is_brief = |name: &str| {
        let row = rows().find(|command| command.full_name() == name);
        row.unwrap_or_else(|| panic!("{name} is a command")).is_brief()
    };
    for name in
        ["get", "set", "incr", "expire", "hset", "hget", "lpush", "sadd", "zadd", "del", "mset", "xack"]
    {
        assert!(is_brief(name), "{name}");
    }
    for name in [
        "keys",
        "lrange",
        "linsert",
        "hgetall",
        "smembers",
        "sunionstore",
        "zrange",
        "zunionstore",
        "sort",
        "bitcount",
        "bitop",
        "xrange",
        "restore",
        "pfmerge",
        "geosearchstore",
        "eval",
        "fcall",
    ] {
        assert!(!is_brief(name), "{name}");
    }
}
