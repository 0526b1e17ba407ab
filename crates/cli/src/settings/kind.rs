//! How each kind of setting is read from text and shown again.
//!
//! Invariant: what `show` writes, `parse` reads back as the same value.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;

use quorate_server::{DebugAccess, HostPort, LogEngine, ReadMode, Roles};

use super::LogFormat;

/// A kind of value: its place-holder in help, and its text.
pub(crate) trait Kind {
    type Value;
    const PLACEHOLDER: &'static str;
    fn parse(text: &str) -> Result<Self::Value, String>;
    /// The text, or `None` if the value is not set.
    fn show(value: &Self::Value) -> Option<String>;
}

/// `host:port`, or nothing for a port that is not served.
pub(crate) struct Bind;

impl Kind for Bind {
    type Value = String;
    const PLACEHOLDER: &'static str = "HOST:PORT";
    fn parse(text: &str) -> Result<String, String> {
        if !text.is_empty() {
            HostPort::parse(text).map_err(|e| e.to_string())?;
        }
        Ok(text.to_owned())
    }
    fn show(value: &String) -> Option<String> {
        Some(value.clone())
    }
}

/// `host:port`, if it is set.
pub(crate) struct Announced;

impl Kind for Announced {
    type Value = Option<String>;
    const PLACEHOLDER: &'static str = "HOST:PORT";
    fn parse(text: &str) -> Result<Option<String>, String> {
        Ok(Some(Bind::parse(text)?).filter(|t| !t.is_empty()))
    }
    fn show(value: &Option<String>) -> Option<String> {
        value.clone()
    }
}

/// A host name or address, if it is set.
pub(crate) struct Host;

impl Kind for Host {
    type Value = Option<String>;
    const PLACEHOLDER: &'static str = "HOST";
    fn parse(text: &str) -> Result<Option<String>, String> {
        if text.is_empty() {
            return Ok(None);
        }
        if text.parse::<IpAddr>().is_err() {
            HostPort::parse(&format!("{text}:0"))
                .map_err(|_| format!("{text:?} is no host name or address"))?;
        }
        Ok(Some(text.to_owned()))
    }
    fn show(value: &Option<String>) -> Option<String> {
        value.clone()
    }
}

/// An IP address, if it is set.
pub(crate) struct Address;

impl Kind for Address {
    type Value = Option<IpAddr>;
    const PLACEHOLDER: &'static str = "IP";
    fn parse(text: &str) -> Result<Option<IpAddr>, String> {
        if text.is_empty() {
            return Ok(None);
        }
        text.parse().map(Some).map_err(|_| format!("{text:?} is no IP address"))
    }
    fn show(value: &Option<IpAddr>) -> Option<String> {
        value.map(|v| v.to_string())
    }
}

/// A directory or file that must be given.
pub(crate) struct Directory;

impl Kind for Directory {
    type Value = PathBuf;
    const PLACEHOLDER: &'static str = "DIR";
    fn parse(text: &str) -> Result<PathBuf, String> {
        if text.is_empty() { Err("the path is empty".into()) } else { Ok(text.into()) }
    }
    fn show(value: &PathBuf) -> Option<String> {
        Some(value.display().to_string())
    }
}

/// A file, if it is set.
pub(crate) struct File;

impl Kind for File {
    type Value = Option<PathBuf>;
    const PLACEHOLDER: &'static str = "FILE";
    fn parse(text: &str) -> Result<Option<PathBuf>, String> {
        Ok(Some(text).filter(|t| !t.is_empty()).map(PathBuf::from))
    }
    fn show(value: &Option<PathBuf>) -> Option<String> {
        value.as_ref().map(|v| v.display().to_string())
    }
}

/// A node's number, if it is set.
pub(crate) struct NodeNumber;

impl Kind for NodeNumber {
    type Value = Option<u32>;
    const PLACEHOLDER: &'static str = "N";
    fn parse(text: &str) -> Result<Option<u32>, String> {
        if text.is_empty() { Ok(None) } else { node_number(text).map(Some) }
    }
    fn show(value: &Option<u32>) -> Option<String> {
        value.map(|v| v.to_string())
    }
}

fn node_number(text: &str) -> Result<u32, String> {
    match text.trim().parse() {
        Ok(number) if number > 0 => Ok(number),
        _ => Err(format!("{text:?} is no node number from 1 on")),
    }
}

/// Peer addresses by node number: `1=host:port,2=host:port`.
pub(crate) struct Peers;

impl Kind for Peers {
    type Value = BTreeMap<u32, String>;
    const PLACEHOLDER: &'static str = "N=HOST:PORT,...";
    fn parse(text: &str) -> Result<BTreeMap<u32, String>, String> {
        let mut peers = BTreeMap::new();
        for part in parts(text) {
            let (number, address) =
                part.split_once('=').ok_or_else(|| format!("{part:?} is not N=HOST:PORT"))?;
            let number = node_number(number)?;
            let address = address.trim();
            HostPort::parse(address).map_err(|e| e.to_string())?;
            if peers.insert(number, address.to_owned()).is_some() {
                return Err(format!("node {number} is given twice"));
            }
        }
        Ok(peers)
    }
    fn show(value: &BTreeMap<u32, String>) -> Option<String> {
        let parts: Vec<String> =
            value.iter().map(|(number, address)| format!("{number}={address}")).collect();
        Some(parts.join(",")).filter(|text| !text.is_empty())
    }
}

/// Addresses: `host:port,host:port`.
pub(crate) struct Addresses;

impl Kind for Addresses {
    type Value = Vec<String>;
    const PLACEHOLDER: &'static str = "HOST:PORT,...";
    fn parse(text: &str) -> Result<Vec<String>, String> {
        parts(text)
            .map(|part| HostPort::parse(part).map(|_| part.to_owned()).map_err(|e| e.to_string()))
            .collect()
    }
    fn show(value: &Vec<String>) -> Option<String> {
        Some(value.join(",")).filter(|text| !text.is_empty())
    }
}

/// Names: `a,b`.
pub(crate) struct Names;

impl Kind for Names {
    type Value = Vec<String>;
    const PLACEHOLDER: &'static str = "NAME,...";
    fn parse(text: &str) -> Result<Vec<String>, String> {
        Ok(parts(text).map(str::to_owned).collect())
    }
    fn show(value: &Vec<String>) -> Option<String> {
        Some(value.join(",")).filter(|text| !text.is_empty())
    }
}

fn parts(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|part| !part.is_empty())
}

/// A whole number without unit.
pub(crate) struct Count;

impl Kind for Count {
    type Value = u64;
    const PLACEHOLDER: &'static str = "N";
    fn parse(text: &str) -> Result<u64, String> {
        text.trim().parse().map_err(|_| format!("{text:?} is no whole number"))
    }
    fn show(value: &u64) -> Option<String> {
        Some(value.to_string())
    }
}

/// A time: `250ms`, `10s`, `5m`, `1h`; kept in milliseconds.
pub(crate) struct Millis;

const MILLIS_UNITS: [(&str, u64); 4] = [("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

impl Kind for Millis {
    type Value = u64;
    const PLACEHOLDER: &'static str = "TIME";
    fn parse(text: &str) -> Result<u64, String> {
        let wrong = || format!("{text:?} is no time such as 250ms, 10s, 5m or 1h");
        let (number, unit) = split_unit(text).ok_or_else(wrong)?;
        let scale = MILLIS_UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(wrong)?.1;
        number.checked_mul(scale).ok_or_else(wrong)
    }
    fn show(value: &u64) -> Option<String> {
        Some(show_unit(*value, &MILLIS_UNITS, "ms"))
    }
}

/// A size: `64mb`, `1gb`, as in Redis' configuration; `kb`, `mb` and `gb` are powers of 1024.
pub(crate) struct Size;

const SIZE_UNITS: [(&str, u64); 3] = [("gb", 1 << 30), ("mb", 1 << 20), ("kb", 1 << 10)];

impl Kind for Size {
    type Value = u64;
    const PLACEHOLDER: &'static str = "SIZE";
    fn parse(text: &str) -> Result<u64, String> {
        let wrong = || format!("{text:?} is no size such as 65536, 64kb, 64mb or 1gb");
        let (number, unit) = split_unit(text).ok_or_else(wrong)?;
        let unit = unit.to_ascii_lowercase();
        let scale = match unit.as_str() {
            "" | "b" => 1,
            _ => SIZE_UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(wrong)?.1,
        };
        number.checked_mul(scale).ok_or_else(wrong)
    }
    fn show(value: &u64) -> Option<String> {
        Some(show_unit(*value, &SIZE_UNITS, ""))
    }
}

fn split_unit(text: &str) -> Option<(u64, &str)> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    Some((number.parse().ok()?, unit.trim_start()))
}

fn show_unit(value: u64, units: &[(&str, u64)], smallest: &str) -> String {
    let whole = units.iter().find(|(_, scale)| value > 0 && value.is_multiple_of(*scale));
    whole.map_or_else(|| format!("{value}{smallest}"), |(unit, scale)| format!("{}{unit}", value / scale))
}

/// `yes` or `no`.
pub(crate) struct Flag;

impl Kind for Flag {
    type Value = bool;
    const PLACEHOLDER: &'static str = "yes|no";
    fn parse(text: &str) -> Result<bool, String> {
        match text.to_ascii_lowercase().as_str() {
            "yes" | "true" | "on" | "1" => Ok(true),
            "no" | "false" | "off" | "0" => Ok(false),
            _ => Err(format!("{text:?} is neither yes nor no")),
        }
    }
    fn show(value: &bool) -> Option<String> {
        Some(if *value { "yes" } else { "no" }.to_owned())
    }
}

/// A text that is checked where it is used.
pub(crate) struct Filter;

impl Kind for Filter {
    type Value = String;
    const PLACEHOLDER: &'static str = "LEVEL";
    fn parse(text: &str) -> Result<String, String> {
        tracing_subscriber::EnvFilter::builder().parse(text).map_err(|_| {
            format!("{text:?} is no log level: error, warn, info or debug, or target=level,...")
        })?;
        Ok(text.to_owned())
    }
    fn show(value: &String) -> Option<String> {
        Some(value.clone())
    }
}

/// Kinds with a few named values.
macro_rules! choice {
    ($(#[$doc:meta])* $name:ident, $value:ty, $placeholder:literal, { $($text:literal => $variant:path),+ $(,)? }) => {
        $(#[$doc])*
        pub(crate) struct $name;

        impl Kind for $name {
            type Value = $value;
            const PLACEHOLDER: &'static str = $placeholder;
            fn parse(text: &str) -> Result<$value, String> {
                match text {
                    $($text => Ok($variant),)+
                    _ => Err(format!("{text:?} is none of {}", $placeholder.replace('|', ", "))),
                }
            }
            fn show(value: &$value) -> Option<String> {
                Some(match value { $($variant => $text,)+ }.to_owned())
            }
        }
    };
}

choice!(
    /// How the log is kept.
    Engine, LogEngine, "wal|sled", { "wal" => LogEngine::Wal, "sled" => LogEngine::Sled }
);
choice!(
    /// Who may use `DEBUG`.
    Debug, DebugAccess, "no|local|yes",
    { "no" => DebugAccess::No, "local" => DebugAccess::Local, "yes" => DebugAccess::Yes }
);
choice!(
    /// Which nodes call themselves master.
    RolesKind, Roles, "any|leader", { "any" => Roles::Any, "leader" => Roles::Leader }
);
choice!(
    /// What a read promises.
    Reads, ReadMode, "index|lease|local",
    { "index" => ReadMode::Index, "lease" => ReadMode::Lease, "local" => ReadMode::Local }
);
choice!(
    /// How log lines look.
    Format, LogFormat, "text|json", { "text" => LogFormat::Text, "json" => LogFormat::Json }
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_sizes_have_units() {
        let times = [
            ("250ms", 250),
            ("10s", 10_000),
            ("5m", 300_000),
            ("1h", 3_600_000),
            ("90s", 90_000),
            ("0ms", 0),
        ];
        for (text, millis) in times {
            assert_eq!(Millis::parse(text), Ok(millis), "{text}");
            let shown = Millis::show(&millis).expect("shown");
            assert_eq!(Millis::parse(&shown), Ok(millis), "{shown}");
        }
        let sizes = [
            ("65536", 65536),
            ("64kb", 65536),
            ("1MB", 1 << 20),
            ("2gb", 2 << 30),
            ("1b", 1),
            ("3 mb", 3 << 20),
        ];
        for (text, bytes) in sizes {
            assert_eq!(Size::parse(text), Ok(bytes), "{text}");
            let shown = Size::show(&bytes).expect("shown");
            assert_eq!(Size::parse(&shown), Ok(bytes), "{shown}");
        }
        for wrong in ["", "10", "s", "-1s", "1.5s", "1d", "99999999999999999h"] {
            assert!(Millis::parse(wrong).is_err(), "{wrong}");
        }
        for wrong in ["", "mb", "-1", "1.5mb", "1tb", "99999999999gb"] {
            assert!(Size::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn lists_of_nodes() {
        let peers = Peers::parse("1=a:1, 2=[::1]:2,").expect("peers");
        assert_eq!(peers, [(1, "a:1".to_owned()), (2, "[::1]:2".to_owned())].into());
        assert_eq!(Peers::show(&peers).as_deref(), Some("1=a:1,2=[::1]:2"));
        assert_eq!(Peers::parse(""), Ok(BTreeMap::new()));
        for wrong in ["a:1", "0=a:1", "x=a:1", "1=a", "1=a:1,1=b:1"] {
            assert!(Peers::parse(wrong).is_err(), "{wrong}");
        }
        assert_eq!(Addresses::parse("a:1,b:2"), Ok(vec!["a:1".to_owned(), "b:2".to_owned()]));
    }
}
