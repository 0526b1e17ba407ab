//! One set of permissions: commands, keys and channels. A user has one, and as many more as he is given.
//!
//! Leaves to others: what is checked of a request (`check`). Invariants: what [`Selector::describe`] says, read as rules,
//! gives the same selector, whatever `acl-pubsub-default` is; rules of commands are kept in the order in which they
//! were given, without those that later ones make void, as Redis 7.2 keeps them.

use std::collections::BTreeMap;

use super::permitted::{self, CommandSet, rows};
use super::rule::{RuleError, has_spaces};
use crate::table::lookup;
use crate::{Category, Command};

/// What may be done with keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Access {
    pub(super) read: bool,
    pub(super) write: bool,
}

impl Access {
    pub(super) const ALL: Access = Access { read: true, write: true };

    /// Whether this is all that `needed` is.
    pub(super) fn covers(self, needed: Access) -> bool {
        (self.read || !needed.read) && (self.write || !needed.write)
    }
}

/// Keys that may be accessed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct KeyPattern {
    pub(super) access: Access,
    pub(super) pattern: Vec<u8>,
}

/// A set of permissions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Selector {
    /// All commands, with nothing taken out again.
    pub(super) all_commands: bool,
    pub(super) all_keys: bool,
    pub(super) all_channels: bool,
    /// It began with all commands, so that later versions of the program add theirs.
    from_all: bool,
    commands: CommandSet,
    /// First arguments that are permitted of commands that are not, in lower case, by the command's place.
    first_args: BTreeMap<usize, Vec<String>>,
    /// The rules that led here, after `+@all` or `-@all`.
    rules: Vec<String>,
    pub(super) patterns: Vec<KeyPattern>,
    pub(super) channels: Vec<Vec<u8>>,
}

impl Selector {
    /// Nothing is permitted, but for all channels where that is the default.
    pub(super) fn new(all_channels: bool) -> Selector {
        Selector {
            all_commands: false,
            all_keys: false,
            all_channels,
            from_all: false,
            commands: CommandSet::NONE,
            first_args: BTreeMap::new(),
            rules: Vec::new(),
            patterns: Vec::new(),
            channels: Vec::new(),
        }
    }

    /// The selector of rules between parentheses, which are given without these.
    pub(super) fn parse(rules: &[u8], all_channels: bool) -> Result<Selector, RuleError> {
        let mut selector = Selector::new(all_channels);
        for rule in rules.split(u8::is_ascii_whitespace).filter(|rule| !rule.is_empty()) {
            selector.apply(rule)?;
        }
        Ok(selector)
    }

    /// Follows one rule.
    pub(super) fn apply(&mut self, rule: &[u8]) -> Result<(), RuleError> {
        let is = |word: &str| rule.eq_ignore_ascii_case(word.as_bytes());
        match rule {
            _ if is("allkeys") || is("~*") => self.set_all_keys(true),
            _ if is("resetkeys") => self.set_all_keys(false),
            _ if is("allchannels") || is("&*") => self.set_all_channels(true),
            _ if is("resetchannels") => self.set_all_channels(false),
            _ if is("allcommands") || is("+@all") => self.set_all_commands(true),
            _ if is("nocommands") || is("-@all") => self.set_all_commands(false),
            [b'~' | b'%', ..] => self.add_pattern(rule)?,
            [b'&', channel @ ..] => self.add_channel(channel)?,
            [sign @ (b'+' | b'-'), b'@', category @ ..] => self.set_category(category, *sign == b'+')?,
            [b'+', command @ ..] => self.permit(command)?,
            [b'-', command @ ..] => {
                let command = find(command).ok_or(RuleError::Unknown)?;
                self.set_command(command, false);
                self.note(&command.full_name(), false);
            }
            _ => return Err(RuleError::Syntax),
        }
        Ok(())
    }

    /// Whether a command is permitted, given its arguments.
    pub(super) fn permits(&self, command: &Command, first_arg: Option<&[u8]>) -> bool {
        let Some(place) = permitted::place(command) else { return false };
        if self.commands.has(place) {
            return true;
        }
        let is_first =
            |known: &String| first_arg.is_some_and(|arg| arg.eq_ignore_ascii_case(known.as_bytes()));
        self.first_args.get(&place).is_some_and(|known| known.iter().any(is_first))
    }

    /// Everything, as rules.
    pub(super) fn describe(&self) -> Vec<u8> {
        let mut text = Vec::new();
        if !self.keys().is_empty() {
            text.extend_from_slice(&self.keys());
            text.push(b' ');
        }
        if !self.all_channels {
            text.extend_from_slice(b"resetchannels ");
        }
        if !self.channels().is_empty() {
            text.extend_from_slice(&self.channels());
            text.push(b' ');
        }
        text.extend_from_slice(self.command_rules().as_bytes());
        text
    }

    /// The rules of commands.
    pub(super) fn command_rules(&self) -> String {
        let first = if self.from_all { "+@all" } else { "-@all" };
        std::iter::once(first).chain(self.rules.iter().map(String::as_str)).collect::<Vec<_>>().join(" ")
    }

    /// The rules of keys.
    pub(super) fn keys(&self) -> Vec<u8> {
        if self.all_keys {
            return b"~*".to_vec();
        }
        let rules = self.patterns.iter().map(|KeyPattern { access, pattern }| {
            let prefix: &[u8] = match access {
                Access { read: true, write: true } => b"~",
                Access { read: true, .. } => b"%R~",
                _ => b"%W~",
            };
            [prefix, pattern].concat()
        });
        rules.collect::<Vec<_>>().join(&b' ')
    }

    /// The rules of channels.
    pub(super) fn channels(&self) -> Vec<u8> {
        if self.all_channels {
            return b"&*".to_vec();
        }
        let rules = self.channels.iter().map(|channel| [b"&", &channel[..]].concat());
        rules.collect::<Vec<_>>().join(&b' ')
    }

    fn set_all_keys(&mut self, all: bool) {
        self.all_keys = all;
        self.patterns.clear();
    }

    fn set_all_channels(&mut self, all: bool) {
        self.all_channels = all;
        self.channels.clear();
    }

    fn set_all_commands(&mut self, all: bool) {
        self.all_commands = all;
        self.from_all = all;
        self.commands = if all { CommandSet::ALL } else { CommandSet::NONE };
        self.first_args.clear();
        self.rules.clear();
    }

    fn add_pattern(&mut self, rule: &[u8]) -> Result<(), RuleError> {
        if self.all_keys {
            return Err(RuleError::PatternAfterAll);
        }
        let (access, pattern) = match rule {
            [b'~', pattern @ ..] => (Access::ALL, pattern),
            _ => read_access(&rule[1..]).ok_or(RuleError::Syntax)?,
        };
        if has_spaces(pattern) {
            return Err(RuleError::Syntax);
        }
        match self.patterns.iter_mut().find(|known| known.pattern == pattern) {
            Some(known) => {
                known.access.read |= access.read;
                known.access.write |= access.write;
            }
            None => self.patterns.push(KeyPattern { access, pattern: pattern.to_vec() }),
        }
        Ok(())
    }

    fn add_channel(&mut self, channel: &[u8]) -> Result<(), RuleError> {
        if self.all_channels {
            return Err(RuleError::ChannelAfterAll);
        }
        if has_spaces(channel) {
            return Err(RuleError::Syntax);
        }
        if !self.channels.iter().any(|known| known == channel) {
            self.channels.push(channel.to_vec());
        }
        Ok(())
    }

    /// `+command`, `+command|subcommand`, `+command|argument`.
    fn permit(&mut self, name: &[u8]) -> Result<(), RuleError> {
        let Some(bar) = name.iter().rposition(|byte| *byte == b'|') else {
            let command = find(name).ok_or(RuleError::Unknown)?;
            self.set_command(command, true);
            self.note(&command.full_name(), true);
            return Ok(());
        };
        let (name_of_command, argument) = (&name[..bar], &name[bar + 1..]);
        let command = find(name_of_command).ok_or(RuleError::Unknown)?;
        if command.parent.is_some() {
            return Err(RuleError::FirstArgOfSubcommand);
        }
        if argument.is_empty() || has_spaces(argument) {
            return Err(RuleError::Syntax);
        }
        if !command.subcommands.is_empty() {
            let sub = command.subcommand(argument).ok_or(RuleError::Unknown)?;
            self.set_command(sub, true);
            self.note(&sub.full_name(), true);
            return Ok(());
        }
        let argument = std::str::from_utf8(argument).map_err(|_| RuleError::Syntax)?.to_ascii_lowercase();
        self.note(&format!("{}|{argument}", command.name), true);
        let place = permitted::place(command).expect("it is a row of the table");
        let known = self.first_args.entry(place).or_default();
        if !known.contains(&argument) {
            known.push(argument);
        }
        Ok(())
    }

    fn set_category(&mut self, name: &[u8], permitted: bool) -> Result<(), RuleError> {
        let mut all = Category::ALL.iter();
        let category = all.find(|category| name.eq_ignore_ascii_case(category.name().as_bytes()));
        let category = *category.ok_or(RuleError::Unknown)?;
        for command in rows().filter(|command| command.acl_categories().has(category)) {
            self.set_command(command, permitted);
        }
        self.note(&format!("@{}", category.name()), permitted);
        Ok(())
    }

    fn set_command(&mut self, command: &'static Command, permitted: bool) {
        self.commands.set(command, permitted);
        self.all_commands &= permitted;
        self.first_args.remove(&permitted::place(command).expect("it is a row of the table"));
    }

    /// Notes a rule, and forgets those that it makes void: of the same name, and of its subcommands.
    fn note(&mut self, name: &str, permitted: bool) {
        self.rules.retain(|known| {
            let rest = known[1..].strip_prefix(name);
            !rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('|'))
        });
        self.rules.push(format!("{}{name}", if permitted { '+' } else { '-' }));
    }
}

/// The command of a name such as `get` or `config|get`.
fn find(name: &[u8]) -> Option<&'static Command> {
    match name.iter().position(|byte| *byte == b'|') {
        Some(bar) => lookup(&name[..bar])?.subcommand(&name[bar + 1..]),
        None => lookup(name),
    }
}

/// What stands between `%` and `~`, and the pattern behind.
fn read_access(rule: &[u8]) -> Option<(Access, &[u8])> {
    let mut access = Access::default();
    for (at, letter) in rule.iter().enumerate() {
        let kind = match letter {
            b'R' | b'r' => &mut access.read,
            b'W' | b'w' => &mut access.write,
            b'~' => return (access != Access::default()).then_some((access, &rule[at + 1..])),
            _ => return None,
        };
        if std::mem::replace(kind, true) {
            return None;
        }
    }
    // Without a `~`, Redis takes it for a pattern that fits no key.
    (access != Access::default()).then_some((access, &[]))
}
