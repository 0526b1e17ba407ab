//! The commands of a plain load: templates, and how often each is sent.
//!
//! A template is encoded once; per request only the key's number and the value are filled in.

use super::encode::{bulk, decimal, header};
use super::keys::{Chance, KEY_DIGITS, Keys, Sizes};

/// What stands for a key and for a value in a template.
const KEY: &str = "__key__";
const DATA: &str = "__data__";
/// The most arguments of a template.
const ARGS_MAX: usize = 1024;

/// Commands that are known by a short name.
const KNOWN: &[(&str, &str)] = &[
    ("set", "SET __key__ __data__"),
    ("get", "GET __key__"),
    ("incr", "INCR __key__"),
    ("hset", "HSET __key__ field __data__"),
    ("hget", "HGET __key__ field"),
    ("hgetall", "HGETALL __key__"),
    ("lpush", "LPUSH __key__ __data__"),
    ("rpop", "RPOP __key__"),
    ("sadd", "SADD __key__ __data__"),
    ("zadd", "ZADD __key__ 1 __data__"),
    ("del", "DEL __key__"),
    ("ping", "PING"),
];

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    /// Bytes as they are sent.
    Text(Vec<u8>),
    Key,
    Data,
}

/// One command, as it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Template {
    pub(super) name: String,
    parts: Vec<Part>,
    weight: u64,
}

/// Commands by weight.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mix {
    pub(super) templates: Vec<Template>,
    weights: u64,
}

/// Keys and values to fill in.
#[derive(Debug, Clone)]
pub(super) struct Material {
    pub(super) keys: Keys,
    pub(super) sizes: Sizes,
    /// At least twice the longest value.
    pub(super) filler: Vec<u8>,
}

impl Template {
    fn parse(line: &str, weight: u64) -> Result<Self, String> {
        let args: Vec<&str> = line.split_whitespace().collect();
        let name = args.first().ok_or("a command is empty")?.to_lowercase();
        if args.len() > ARGS_MAX {
            return Err(format!("a command has more than {ARGS_MAX} arguments"));
        }
        let mut parts = Vec::new();
        let mut text = Vec::new();
        header(&mut text, b'*', args.len());
        for arg in args {
            let part = match arg {
                KEY => Part::Key,
                DATA => Part::Data,
                _ if arg.contains(KEY) || arg.contains(DATA) => {
                    return Err(format!("{KEY} and {DATA} are arguments of their own; see --key-prefix"));
                }
                _ => {
                    bulk(&mut text, arg.as_bytes());
                    continue;
                }
            };
            if !text.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut text)));
            }
            parts.push(part);
        }
        if !text.is_empty() {
            parts.push(Part::Text(text));
        }
        Ok(Self { name, parts, weight })
    }

    /// Appends one request, with the key of that number.
    pub(super) fn write(&self, out: &mut Vec<u8>, key: u64, material: &Material, chance: &mut Chance) {
        for part in &self.parts {
            match part {
                Part::Text(text) => out.extend_from_slice(text),
                Part::Key => {
                    let prefix = material.keys.prefix.as_bytes();
                    header(out, b'$', prefix.len() + KEY_DIGITS);
                    out.extend_from_slice(prefix);
                    decimal(out, key, KEY_DIGITS);
                    out.extend_from_slice(b"\r\n");
                }
                Part::Data => {
                    let size = material.sizes.pick(chance);
                    let from = chance.below((material.filler.len() - size) as u64 + 1) as usize;
                    bulk(out, &material.filler[from..from + size]);
                }
            }
        }
    }
}

impl Mix {
    /// Of `set=1,get=10` and of lines such as `SET __key__ __data__` or `3=INCR __key__`.
    pub(super) fn parse(names: Option<&str>, lines: &[String]) -> Result<Self, String> {
        let mut templates = Vec::new();
        let weight = |text: &str| match text.parse::<u32>() {
            Ok(weight) if weight > 0 => Ok(u64::from(weight)),
            _ => Err(format!("'{text}' is no weight")),
        };
        for part in names.into_iter().flat_map(|names| names.split(',')) {
            let (name, share) = part.split_once('=').unwrap_or((part, "1"));
            let known = KNOWN.iter().find(|(known, _)| *known == name);
            let Some((_, line)) = known else {
                let known: Vec<_> = KNOWN.iter().map(|(name, _)| *name).collect();
                return Err(format!("'{name}' is not one of {}; see --command", known.join(", ")));
            };
            templates.push(Template::parse(line, weight(share)?)?);
        }
        for line in lines {
            let (share, line) = match line.split_once('=') {
                Some((share, rest)) if share.bytes().all(|byte| byte.is_ascii_digit()) => (share, rest),
                _ => ("1", line.as_str()),
            };
            templates.push(Template::parse(line, weight(share)?)?);
        }
        let weights = templates.iter().map(|template| template.weight).sum();
        if weights == 0 {
            return Err("there is no command to send".into());
        }
        Ok(Self { templates, weights })
    }

    /// The number of the next command.
    pub(super) fn pick(&self, chance: &mut Chance) -> usize {
        if self.templates.len() == 1 {
            return 0;
        }
        let mut at = chance.below(self.weights);
        for (number, template) in self.templates.iter().enumerate() {
            if at < template.weight {
                return number;
            }
            at -= template.weight;
        }
        self.templates.len() - 1
    }

    /// The command that makes what this load reads, for one key.
    pub(super) fn filling(&self) -> Result<Template, String> {
        let reads = |name: &str| self.templates.iter().any(|template| template.name == name);
        let line = match () {
            () if reads("hget") || reads("hgetall") || reads("hset") => "HSET __key__ field __data__",
            () if reads("rpop") || reads("lpush") => "LPUSH __key__ __data__",
            () if reads("sadd") => "SADD __key__ __data__",
            () if reads("zadd") => "ZADD __key__ 1 __data__",
            () if reads("incr") => "SET __key__ 0",
            () => "SET __key__ __data__",
        };
        Template::parse(line, 1)
    }
}

#[cfg(test)]
mod tests {
    use super::super::keys::{Pattern, filler};
    use super::*;

    fn material() -> Material {
        let sizes: Sizes = "3".parse().expect("a size");
        Material { keys: Keys::new("k:".into(), 10, Pattern::Random), sizes, filler: filler(64, 1) }
    }

    #[test]
    fn templates_are_filled_in() {
        let mix = Mix::parse(Some("set"), &["2=HSET __key__ f=1 __data__".into()]).expect("a mix");
        let (mut out, mut chance) = (Vec::new(), Chance::new(1, 1));
        mix.templates[0].write(&mut out, 7, &material(), &mut chance);
        let text = String::from_utf8(out).expect("text");
        assert!(text.starts_with("*3\r\n$3\r\nSET\r\n$14\r\nk:000000000007\r\n$3\r\n"), "{text}");
        assert_eq!(text.len(), "*3\r\n$3\r\nSET\r\n$14\r\nk:000000000007\r\n$3\r\nabc\r\n".len());
        let picked = (0..3000).filter(|_| mix.pick(&mut chance) == 1).count();
        assert!((1800..2200).contains(&picked), "two of three are HSET: {picked}");
    }

    #[test]
    fn what_is_no_command_is_refused() {
        for (names, lines) in [
            (Some("nonsense"), vec![]),
            (Some("set=0"), vec![]),
            (None, vec![]),
            (None, vec![String::new()]),
            (None, vec!["SET user:__key__ 1".to_owned()]),
        ] {
            assert!(Mix::parse(names, &lines).is_err(), "{names:?} {lines:?}");
        }
        let both = Mix::parse(Some("set=1,get=9"), &["SET a b=c".into()]).expect("a mix");
        assert_eq!(both.templates.iter().map(|t| t.name.as_str()).collect::<Vec<_>>(), ["set", "get", "set"]);
    }
}
