//! Whether two answers are the same, and what may differ, each with the reason.

use quorate_commands::{Args, Command, Group, resolve};
use quorate_resp::Value;

use crate::generate::Request;
use crate::sides::Answer;

/// A difference that is right.
struct Rule {
    /// Why.
    reason: &'static str,
    /// The commands that it is about, by their full names; none: all of a group.
    commands: &'static [&'static str],
    groups: &'static [Group],
    /// True if nothing else differs between what Redis answered and what Quorate did.
    same: fn(&Request, &Value, &Value) -> bool,
}

const RULES: &[Rule] = &[
    Rule {
        reason: "the order within hashes, sets and the keyspace is nobody's promise",
        commands: &["hgetall", "hkeys", "hvals", "keys", "sdiff", "sinter", "smembers", "sunion"],
        groups: &[],
        same: |_, redis, ours| sorted(redis) == sorted(ours),
    },
    Rule {
        reason: "where a cursor stands is the server's own; a walk that is whole in one reply is compared",
        commands: &["scan", "hscan", "sscan", "zscan"],
        groups: &[],
        same: same_walk,
    },
    Rule {
        reason: "a choice by chance; its form is compared, and what is popped is deleted right after",
        commands: &["hrandfield", "randomkey", "spop", "srandmember", "zrandmember"],
        groups: &[],
        same: |_, redis, ours| same_form(redis, ours),
    },
    Rule {
        reason: "the clocks of the two are read some milliseconds apart",
        commands: &[
            "expiretime",
            "pexpiretime",
            "pttl",
            "ttl",
            "xadd",
            "xpending",
            "xinfo|consumers",
            "xinfo|stream",
        ],
        groups: &[],
        same: |_, redis, ours| alike(redis, ours, &close_times),
    },
    Rule {
        reason: "since 7.2 consumers know when they were last active",
        commands: &["xinfo|consumers", "xinfo|stream"],
        groups: &[],
        same: |_, redis, ours| alike(redis, &without_activity(ours), &close_times),
    },
    Rule {
        reason: "since 7.2 the error names the command",
        commands: &["xread", "xreadgroup"],
        groups: &[],
        same: |_, redis, ours| {
            starts_with(redis, "ERR Unbalanced XREAD") && starts_with(ours, "ERR Unbalanced 'xread")
        },
    },
    Rule {
        reason: "since 7.2 a score has the fewest digits that read back as the same",
        commands: &[],
        groups: &[Group::SortedSet, Group::Geo],
        same: |_, redis, ours| alike(redis, ours, &same_number),
    },
    Rule {
        reason: "the last digit of a distance is that of the C library's sine",
        commands: &[],
        groups: &[Group::Geo],
        same: |_, redis, ours| alike(redis, ours, &same_distance),
    },
    Rule {
        reason: "the version of the format differs, and with it the checksum; tests/dump moves values both ways",
        commands: &["dump"],
        groups: &[],
        same: |_, redis, ours| same_form(redis, ours),
    },
    Rule {
        reason: "since 7.2 a list is a listpack while it is small",
        commands: &["object|encoding"],
        groups: &[],
        same: |_, redis, ours| redis.as_str() == Some("quicklist") && ours.as_str() == Some("listpack"),
    },
    Rule {
        reason: "WITHSCORE came with 7.2",
        commands: &["zrank", "zrevrank", "command|getkeys", "command|getkeysandflags"],
        groups: &[],
        same: |request, redis, _| {
            let ranks = request.iter().any(|arg| arg == b"ZRANK" || arg == b"ZREVRANK");
            ranks
                && ["ERR wrong number of arg", "ERR Invalid number of arg"]
                    .iter()
                    .any(|text| starts_with(redis, text))
        },
    },
    Rule {
        reason: "since 7.2 the options are looked at before the key",
        commands: &["bitcount", "bitpos"],
        groups: &[],
        same: |_, redis, ours| {
            let is_early = matches!(redis, Value::Integer(0 | -1)) || starts_with(redis, "WRONGTYPE");
            is_early && matches!(ours, Value::Error(_))
        },
    },
    Rule {
        reason: "since 7.2 the least integer, which cannot be negated, is refused",
        commands: &["lpos", "lrem"],
        groups: &[],
        same: |_, _, ours| {
            starts_with(ours, "ERR value is out of range, value must between -9223372036854775807")
        },
    },
    Rule {
        reason: "members that compare equal, or that are not compared, have no order",
        commands: &["sort", "sort_ro"],
        groups: &[],
        same: |request, redis, ours| leaves_order_open(request) && sorted(redis) == sorted(ours),
    },
    Rule {
        reason: "which of the members that have no order are within the limit",
        commands: &["sort", "sort_ro"],
        groups: &[],
        same: |request, redis, ours| {
            leaves_order_open(request) && len(redis).is_some() && len(redis) == len(ours)
        },
    },
    Rule {
        reason: "that a key was read is noted by the node, and a bare state has none",
        commands: &["object|idletime"],
        groups: &[],
        same: |_, redis, ours| same_form(redis, ours),
    },
    Rule {
        reason: "which numbers share memory is each server's own",
        commands: &["object|refcount"],
        groups: &[],
        same: |_, redis, ours| same_form(redis, ours),
    },
    Rule {
        reason: "where the count of keys is no small number, Redis takes what its digits come to",
        commands: &["command|getkeys", "command|getkeysandflags"],
        groups: &[],
        same: |request, _, ours| {
            starts_with(ours, "ERR Invalid arguments") && request.iter().any(|arg| is_sloppy(arg))
        },
    },
    Rule {
        reason: "memory is each server's own",
        commands: &["memory|usage"],
        groups: &[],
        same: |_, redis, ours| same_form(redis, ours),
    },
];

/// What came out of a comparison.
pub(crate) enum Verdict {
    Same,
    /// They differ, and should.
    Explained(&'static str),
    Different,
}

/// Compares the answers to a request.
pub(crate) fn compare(request: &Request, redis: &Answer, ours: &Answer) -> Verdict {
    if redis.raw == ours.raw {
        return Verdict::Same;
    }
    let args: Vec<&[u8]> = request.iter().map(Vec::as_slice).collect();
    if same_error_but_bytes(&redis.value, &ours.value) {
        return Verdict::Explained(
            "an error quotes text; Redis quotes bytes as they are, up to the first zero",
        );
    }
    let Ok(command) = resolve(Args::new(&args)) else { return Verdict::Different };
    if redis.value == ours.value {
        return if same_nulls(redis, ours) { Verdict::Explained("doubles") } else { Verdict::Different };
    }
    let rules = RULES.iter().filter(|rule| rule.is_about(command));
    let mut fitting = rules.filter(|rule| (rule.same)(request, &redis.value, &ours.value));
    fitting.next().map_or(Verdict::Different, |rule| Verdict::Explained(rule.reason))
}

impl Rule {
    fn is_about(&self, command: &Command) -> bool {
        self.groups.contains(&command.group) || self.commands.contains(&command.full_name().as_str())
    }
}

/// Equal values that were written in other bytes: RESP2 has two nulls, RESP3 many ways to write a double.
fn same_nulls(redis: &Answer, ours: &Answer) -> bool {
    let nulls = |raw: &[u8], null: &[u8]| memchr::memmem::find_iter(raw, null).count();
    [&b"*-1\r\n"[..], b"$-1\r\n"].iter().all(|null| nulls(&redis.raw, null) == nulls(&ours.raw, null))
}

/// Compares by form, and by `leaf` what is not equal and has no parts.
fn alike(redis: &Value, ours: &Value, leaf: &dyn Fn(&Value, &Value) -> bool) -> bool {
    let all =
        |a: &[Value], b: &[Value]| a.len() == b.len() && a.iter().zip(b).all(|(a, b)| alike(a, b, leaf));
    match (redis, ours) {
        (Value::Array(a), Value::Array(b)) | (Value::Set(a), Value::Set(b)) => all(a, b),
        (Value::Map(a), Value::Map(b)) => {
            let pairs = a.iter().zip(b);
            a.len() == b.len()
                && pairs.into_iter().all(|(a, b)| alike(&a.0, &b.0, leaf) && alike(&a.1, &b.1, leaf))
        }
        (a, b) => a == b || leaf(a, b),
    }
}

fn same_form(redis: &Value, ours: &Value) -> bool {
    alike(redis, ours, &|redis, ours| match (redis, ours) {
        (Value::Error(_), _) | (_, Value::Error(_)) => false,
        (redis, ours) => std::mem::discriminant(redis) == std::mem::discriminant(ours),
    })
}

/// What 7.0 tells of consumers.
fn without_activity(value: &Value) -> Value {
    let is_new = |name: &Value| matches!(name.as_str(), Some("active-time" | "inactive"));
    match value {
        Value::Map(pairs) => {
            let pairs = pairs.iter().filter(|(name, _)| !is_new(name));
            Value::Map(pairs.map(|(name, value)| (name.clone(), without_activity(value))).collect())
        }
        Value::Array(items) => {
            // In RESP2 names and values take turns.
            let new = items.iter().step_by(2).position(is_new).map(|pair| 2 * pair);
            let items =
                items.iter().enumerate().filter(|(i, _)| new.is_none_or(|new| *i != new && *i != new + 1));
            Value::Array(items.map(|(_, item)| without_activity(item)).collect())
        }
        other => other.clone(),
    }
}

fn len(value: &Value) -> Option<usize> {
    match value {
        Value::Array(items) => Some(items.len()),
        _ => None,
    }
}

/// Texts that are missing compare equal, and a pattern without a star means that nothing is compared.
fn leaves_order_open(request: &Request) -> bool {
    let has = |word: &str| request.iter().any(|arg| arg.eq_ignore_ascii_case(word.as_bytes()));
    let patterns = request.windows(2).filter(|pair| pair[0].eq_ignore_ascii_case(b"by")).map(|pair| &pair[1]);
    let is_constant = patterns.into_iter().any(|pattern| !pattern.contains(&b'*'));
    has("by") && (has("alpha") || is_constant)
}

/// A number only to those that stop reading at what is none, and that let it overflow.
fn is_sloppy(arg: &[u8]) -> bool {
    let digits = arg.trim_ascii_start();
    let digits = digits.strip_prefix(b"+").or(digits.strip_prefix(b"-")).unwrap_or(digits);
    let number = quorate_resp::parse_i64(arg).and_then(|number| i32::try_from(number).ok());
    digits.first().is_some_and(u8::is_ascii_digit) && number.is_none()
}

fn starts_with(value: &Value, start: &str) -> bool {
    matches!(value, Value::Error(text) if text.starts_with(start.as_bytes()))
}

/// Errors that are the same up to the first byte that is no text.
fn same_error_but_bytes(redis: &Value, ours: &Value) -> bool {
    let (Value::Error(redis), Value::Error(ours)) = (redis, ours) else { return false };
    let ours = String::from_utf8_lossy(ours);
    let start = ours.split(['\0', char::REPLACEMENT_CHARACTER]).next().unwrap_or_default();
    start.len() < ours.len() && redis.starts_with(start.as_bytes())
}

/// Numbers, possibly within text such as an id, that are a minute apart at most.
fn close_times(redis: &Value, ours: &Value) -> bool {
    let number = |value: &Value| match value {
        Value::Integer(number) => Some(*number),
        value => value.as_str()?.split('-').next()?.parse().ok(),
    };
    match (number(redis), number(ours)) {
        (Some(redis), Some(ours)) => redis >= 0 && ours >= 0 && redis.abs_diff(ours) < 60_000,
        _ => false,
    }
}

fn same_number(redis: &Value, ours: &Value) -> bool {
    let number = |value: &Value| match value {
        Value::Double(number) => Some(*number),
        value => value.as_str()?.parse::<f64>().ok(),
    };
    number(redis).is_some_and(|redis| number(ours) == Some(redis))
}

fn same_distance(redis: &Value, ours: &Value) -> bool {
    let number = |value: &Value| value.as_str()?.parse::<f64>().ok();
    match (number(redis), number(ours)) {
        (Some(redis), Some(ours)) => (redis - ours).abs() <= 0.000_101_f64.max(redis.abs() * 1e-15),
        _ => false,
    }
}

fn same_walk(request: &Request, redis: &Value, ours: &Value) -> bool {
    let (Value::Array(redis), Value::Array(ours)) = (redis, ours) else { return false };
    let ([redis_cursor, redis_items], [our_cursor, our_items]) = (redis.as_slice(), ours.as_slice()) else {
        return false;
    };
    let from_zero = request.iter().take(3).any(|arg| arg == b"0");
    let is_whole = |cursor: &Value| cursor.as_str() == Some("0");
    if from_zero && is_whole(redis_cursor) && is_whole(our_cursor) {
        alike(&in_pairs(request, redis_items), &in_pairs(request, our_items), &same_number)
    } else {
        matches!((redis_items, our_items), (Value::Array(_), Value::Array(_)))
    }
}

/// What a walk brought, in an order of its own: pairs stay together.
fn in_pairs(request: &Request, items: &Value) -> Value {
    let Value::Array(items) = items else { return items.clone() };
    let width = if matches!(request[0].first(), Some(b'H' | b'Z')) { 2 } else { 1 };
    let mut groups: Vec<Value> = items.chunks(width).map(|group| Value::Array(group.to_vec())).collect();
    groups.sort_by_key(|group| match group {
        Value::Array(parts) => format!("{:?}", parts.first()),
        _ => String::new(),
    });
    Value::Array(groups)
}

/// The elements in an order of their own; those of HGETALL in RESP2 by pairs.
fn sorted(value: &Value) -> Value {
    let by_text = |items: &mut Vec<Value>| items.sort_by_key(|item| format!("{item:?}"));
    match value {
        Value::Array(items) => {
            let mut items = items.clone();
            by_text(&mut items);
            Value::Array(items)
        }
        Value::Set(items) => {
            let mut items = items.clone();
            by_text(&mut items);
            Value::Set(items)
        }
        Value::Map(pairs) => {
            let mut pairs = pairs.clone();
            pairs.sort_by_key(|pair| format!("{pair:?}"));
            Value::Map(pairs)
        }
        other => other.clone(),
    }
}
