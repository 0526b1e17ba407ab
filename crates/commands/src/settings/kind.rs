//! Kinds of settings: how Redis reads, checks and writes a value of each.
//!
//! Invariant: what [`Kind::render`] writes, [`Kind::parse`] reads back as the same value; snapshots rely on it.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::sync::Arc;

use quorate_resp::parse_i64;

use crate::EventClasses;

/// Longest value of a setting that is a text.
pub const TEXT_BYTES_MAX: usize = 4 * 1024;

/// The kind of a setting, with its limits.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// `yes` or `no`.
    Switch,
    /// An integer within limits.
    Integer(i64, i64),
    /// Bytes, with units as `kb` or `gb`, within limits.
    Memory(i64, i64),
    /// Bytes, or a share of the memory limit as `5%`.
    MemoryOrPercent,
    /// One of some words.
    Choice(&'static [&'static str]),
    /// Any text.
    Text,
    /// Any text, never shown.
    Secret,
    /// Letters of `notify-keyspace-events`.
    Events,
    /// Pairs of seconds and changes.
    SavePoints,
    /// A hard limit, a soft limit and its seconds for each class of clients.
    OutputLimits,
}

/// A setting's value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A switch.
    Switch(bool),
    /// An integer, a number of bytes, or the place of a choice among its words.
    Number(i64),
    /// A share in percent.
    Percent(i64),
    /// A text.
    Text(Arc<str>),
    /// Event classes.
    Events(EventClasses),
    /// Limits of output buffers by client class.
    OutputLimits(OutputLimits),
}

/// When a client that does not read its replies is disconnected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OutputLimit {
    /// At once beyond this; 0: never.
    pub hard_bytes: i64,
    /// After a while beyond this; 0: never.
    pub soft_bytes: i64,
    /// How long beyond the soft limit.
    pub soft_seconds: i64,
}

/// The limits of normal clients, replicas and subscribers.
pub type OutputLimits = [OutputLimit; 3];

/// Classes of clients, as `client-output-buffer-limit` names them.
const CLIENT_CLASSES: [&str; 3] = ["normal", "slave", "pubsub"];

type Reason = Cow<'static, str>;

impl Kind {
    /// Reads a value; says why it cannot, in Redis' words. `current` is what partial values change.
    pub fn parse(self, text: &[u8], current: Option<&Value>) -> Result<Value, Reason> {
        if text.len() > TEXT_BYTES_MAX {
            return Err(format!("argument must not be longer than {TEXT_BYTES_MAX} bytes").into());
        }
        match self {
            Kind::Switch if text.eq_ignore_ascii_case(b"yes") => Ok(Value::Switch(true)),
            Kind::Switch if text.eq_ignore_ascii_case(b"no") => Ok(Value::Switch(false)),
            Kind::Switch => Err("argument must be 'yes' or 'no'".into()),
            Kind::Integer(min, max) => {
                let number = parse_i64(text).ok_or("argument couldn't be parsed into an integer")?;
                within(number, min, max).map(Value::Number)
            }
            Kind::Memory(min, max) => {
                let bytes = parse_memory(text).ok_or("argument must be a memory value")?;
                within(bytes, min, max).map(Value::Number)
            }
            Kind::MemoryOrPercent => parse_memory_or_percent(text),
            Kind::Choice(words) => words
                .iter()
                .position(|word| word.as_bytes().eq_ignore_ascii_case(text))
                .map(|at| Value::Number(at as i64))
                .ok_or_else(|| {
                    format!("argument(s) must be one of the following: {}", words.join(", ")).into()
                }),
            Kind::Text | Kind::Secret => std::str::from_utf8(text)
                .map(|text| Value::Text(text.into()))
                .map_err(|_| "argument must be valid UTF-8".into()),
            Kind::Events => EventClasses::parse(text)
                .map(Value::Events)
                .ok_or_else(|| "Invalid event class character. Use 'Ag$lshzxeKEtmdn'.".into()),
            Kind::SavePoints => parse_save_points(text),
            Kind::OutputLimits => parse_output_limits(text, current),
        }
    }

    /// Writes a value as `CONFIG GET` shows it and [`Kind::parse`] reads it.
    pub fn render(self, value: &Value) -> String {
        match (self, value) {
            (Kind::Choice(words), Value::Number(at)) => {
                usize::try_from(*at).ok().and_then(|at| words.get(at)).copied().unwrap_or_default().to_owned()
            }
            (_, Value::Switch(on)) => if *on { "yes" } else { "no" }.to_owned(),
            (_, Value::Number(number)) => number.to_string(),
            (_, Value::Percent(percent)) => format!("{percent}%"),
            (_, Value::Text(text)) => text.to_string(),
            (_, Value::Events(classes)) => classes.letters(),
            (_, Value::OutputLimits(limits)) => {
                let mut text = String::new();
                for (class, limit) in CLIENT_CLASSES.iter().zip(limits) {
                    let OutputLimit { hard_bytes, soft_bytes, soft_seconds } = limit;
                    let space = if text.is_empty() { "" } else { " " };
                    write!(text, "{space}{class} {hard_bytes} {soft_bytes} {soft_seconds}")
                        .expect("a string takes everything");
                }
                text
            }
        }
    }

    /// The unit of its values, for documentation.
    pub fn unit(self) -> &'static str {
        match self {
            Kind::Switch => "yes or no",
            Kind::Integer(..) => "integer",
            Kind::Memory(..) => "bytes",
            Kind::MemoryOrPercent => "bytes or percent",
            Kind::Choice(_) => "word",
            Kind::Text | Kind::Secret => "text",
            Kind::Events => "letters",
            Kind::SavePoints => "seconds and changes",
            Kind::OutputLimits => "class, bytes, bytes, seconds",
        }
    }
}

fn within(number: i64, min: i64, max: i64) -> Result<i64, Reason> {
    if (min..=max).contains(&number) {
        Ok(number)
    } else {
        Err(format!("argument must be between {min} and {max} inclusive").into())
    }
}

/// Reads bytes with a unit; nothing for negative numbers and unknown units.
pub(crate) fn parse_memory(text: &[u8]) -> Option<i64> {
    let digits_len = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, unit) = text.split_at(digits_len);
    let factor = match unit.to_ascii_lowercase().as_slice() {
        b"" | b"b" => 1,
        b"k" => 1000,
        b"kb" => 1 << 10,
        b"m" => 1_000_000,
        b"mb" => 1 << 20,
        b"g" => 1_000_000_000,
        b"gb" => 1 << 30,
        _ => return None,
    };
    // No digits at all are 0, as in Redis.
    let number = if digits.is_empty() { 0 } else { std::str::from_utf8(digits).ok()?.parse::<i64>().ok()? };
    number.checked_mul(factor)
}

fn parse_memory_or_percent(text: &[u8]) -> Result<Value, Reason> {
    let number = match text.strip_suffix(b"%").map(parse_i64) {
        Some(Some(101..)) => return Err("percentage argument must be less or equal to 100".into()),
        Some(percent) => percent.filter(|percent| *percent >= 0).map(Value::Percent),
        None => parse_memory(text).map(Value::Number),
    };
    number.ok_or_else(|| "argument must be a memory or percent value".into())
}

/// Kept as text once it is checked.
fn parse_save_points(text: &[u8]) -> Result<Value, Reason> {
    let invalid = "Invalid save parameters";
    let text = std::str::from_utf8(text).map_err(|_| invalid)?;
    let numbers: Vec<Option<i64>> = match text {
        "" => Vec::new(),
        text => text.split(' ').map(|word| parse_i64(word.as_bytes())).collect(),
    };
    let (pairs, rest) = numbers.as_chunks();
    let valid = pairs.iter().all(|pair| matches!(pair, [Some(1..), Some(0..)])) && rest.is_empty();
    if valid { Ok(Value::Text(text.into())) } else { Err(invalid.into()) }
}

fn parse_output_limits(text: &[u8], current: Option<&Value>) -> Result<Value, Reason> {
    let words: Vec<&[u8]> = text.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).collect();
    let (groups, rest) = words.as_chunks::<4>();
    if !rest.is_empty() {
        return Err("Wrong number of arguments in buffer limit configuration.".into());
    }
    let mut limits = match current {
        Some(Value::OutputLimits(limits)) => *limits,
        _ => OutputLimits::default(),
    };
    for [class, hard, soft, seconds] in groups {
        let class: &[u8] = if class.eq_ignore_ascii_case(b"replica") { b"slave" } else { class };
        let place = CLIENT_CLASSES
            .iter()
            .position(|known| known.as_bytes().eq_ignore_ascii_case(class))
            .ok_or("Invalid client class specified in buffer limit configuration.")?;
        let bad = "Error in hard, soft or soft_seconds setting in buffer limit configuration.";
        limits[place] = OutputLimit {
            hard_bytes: parse_memory(hard).ok_or(bad)?,
            soft_bytes: parse_memory(soft).ok_or(bad)?,
            soft_seconds: parse_i64(seconds).filter(|seconds| *seconds >= 0).ok_or(bad)?,
        };
    }
    Ok(Value::OutputLimits(limits))
}
