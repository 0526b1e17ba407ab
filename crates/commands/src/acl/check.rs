//! Whether a user may make a request.
//!
//! Leaves to others: when it is asked, and what is done about a denial (the node; `scripting`).
//! Invariants: looks at nothing but the user and the request; of several selectors one has to permit all of it, and
//! where none does, the reason is the one that Redis gives.

use super::selector::{Access, Selector};
use super::user::User;
use crate::glob;
use crate::key_search::{KeyPositions, all_keys};
use crate::{Args, Command, Flag, KeyFlag, KeyFlags, Route, SessionCommand};

/// What a user may not do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Denial {
    /// Run the command.
    Command,
    /// Access a key.
    Key,
    /// Authenticate: there is no such user, or it has another password.
    Auth,
    /// Send to a channel, or listen to it.
    Channel,
}

/// What of a request a user may not do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Denied {
    /// What.
    pub denial: Denial,
    /// The argument that it is about: a key or channel; the command's name else.
    pub at: usize,
}

impl Denial {
    /// As `ACL LOG` names it.
    pub fn name(self) -> &'static str {
        match self {
            Denial::Command => "command",
            Denial::Key => "key",
            Denial::Auth => "auth",
            Denial::Channel => "channel",
        }
    }
}

impl Denied {
    /// What is said of it, in Redis' words; `names_it`: with the key or channel.
    pub fn text(&self, user: &User, command: &Command, args: Args<'_>, names_it: bool) -> String {
        let user = String::from_utf8_lossy(user.name());
        let of = |what: &str, article: &str| {
            if names_it {
                let name = String::from_utf8_lossy(args.at(self.at));
                format!("User {user} has no permissions to access the '{name}' {what}")
            } else {
                format!("No permissions to access {article} {what}")
            }
        };
        match self.denial {
            Denial::Command => {
                format!("User {user} has no permissions to run the '{}' command", command.full_name())
            }
            Denial::Key => of("key", "a"),
            Denial::Channel => of("channel", "a"),
            Denial::Auth => "WRONGPASS invalid username-password pair or user is disabled.".to_owned(),
        }
    }
}

impl User {
    /// Whether this request may be made.
    ///
    /// # Errors
    /// Why not.
    pub fn check(&self, command: &Command, args: Args<'_>) -> Result<(), Denied> {
        if self.is_unrestricted() {
            return Ok(());
        }
        self.check_selectors(command, args, |_| true)
    }

    /// Whether this request may be made by one who may read every key, as it reads some that its arguments do not tell.
    pub(crate) fn may_read_all(&self, command: &Command, args: Args<'_>) -> bool {
        let reads_all = |selector: &Selector| {
            let reading = Access { read: true, write: false };
            let all = |pattern: &super::selector::KeyPattern| {
                pattern.pattern == b"*" && pattern.access.covers(reading)
            };
            selector.all_keys || selector.patterns.iter().any(all)
        };
        self.check_selectors(command, args, reads_all).is_ok()
    }

    /// Whether it may listen to a channel, or to all that match a pattern.
    pub fn may_listen(&self, name: &[u8], is_pattern: bool) -> bool {
        self.selectors.iter().any(|selector| selector.permits_channel(name, is_pattern))
    }

    /// Whether it may listen to whatever `other` may.
    pub fn listens_to_all_of(&self, other: &User) -> bool {
        if self.selectors.iter().any(|selector| selector.all_channels) {
            return true;
        }
        let mut others = other.selectors.iter();
        others.all(|selector| {
            let mut channels = selector.channels.iter();
            let has = |channel| self.selectors.iter().any(|own| own.channels.contains(channel));
            !selector.all_channels && channels.all(has)
        })
    }

    fn check_selectors(
        &self,
        command: &Command,
        args: Args<'_>,
        fits: impl Fn(&Selector) -> bool,
    ) -> Result<(), Denied> {
        let mut keys = None;
        let mut worst = Denied { denial: Denial::Command, at: 0 };
        for selector in &self.selectors {
            match selector.check(command, args, &mut keys) {
                Ok(()) if fits(selector) => return Ok(()),
                Ok(()) => {}
                Err(denied) if (denied.denial, denied.at) > (worst.denial, worst.at) => worst = denied,
                Err(_) => {}
            }
        }
        Err(worst)
    }
}

impl Selector {
    /// `keys` are looked for once, whatever the number of selectors.
    fn check(
        &self,
        command: &Command,
        args: Args<'_>,
        keys: &mut Option<KeyPositions>,
    ) -> Result<(), Denied> {
        let needs_permit = !self.all_commands && !command.flags.has(Flag::NoAuth);
        let first_arg = args.get(if command.parent.is_some() { 2 } else { 1 });
        if needs_permit && !self.permits(command, first_arg) {
            return Err(Denied { denial: Denial::Command, at: 0 });
        }
        if !self.all_keys && has_keys(command) {
            let keys = keys.get_or_insert_with(|| all_keys(command, args));
            for key in keys.iter() {
                if !self.permits_key(args.at(key.index), needed(key.flags)) {
                    return Err(Denied { denial: Denial::Key, at: key.index });
                }
            }
        }
        if !self.all_channels {
            let (first, last, is_pattern) = channels(command, args);
            for at in first..last {
                if !self.permits_channel(args.at(at), is_pattern) {
                    return Err(Denied { denial: Denial::Channel, at });
                }
            }
        }
        Ok(())
    }

    fn permits_key(&self, key: &[u8], needed: Access) -> bool {
        let mut patterns = self.patterns.iter().filter(|known| known.access.covers(needed));
        self.all_keys || patterns.any(|known| glob::matches(&known.pattern, key))
    }

    /// A pattern to listen to has to be permitted as it stands.
    fn permits_channel(&self, name: &[u8], is_pattern: bool) -> bool {
        let fits = |known: &Vec<u8>| if is_pattern { known == name } else { glob::matches(known, name) };
        self.all_channels || self.channels.iter().any(fits)
    }
}

fn has_keys(command: &Command) -> bool {
    !command.keys.is_empty() || command.own_key.is_some()
}

/// What it takes to do with a key what a key specification says.
fn needed(flags: KeyFlags) -> Access {
    let changes = [KeyFlag::Insert, KeyFlag::Delete, KeyFlag::Update];
    Access { read: flags.has(KeyFlag::Access), write: changes.into_iter().any(|flag| flags.has(flag)) }
}

/// The arguments, from one up to another, that are channels to send or listen to, and whether they are patterns.
fn channels(command: &Command, args: Args<'_>) -> (usize, usize, bool) {
    use SessionCommand::{Psubscribe, Ssubscribe, Subscribe};
    match command.route {
        Route::Session(Subscribe | Ssubscribe) => (1, args.len(), false),
        Route::Session(Psubscribe) => (1, args.len(), true),
        // What is replicated of messages is their sending.
        _ if command.flags.has(Flag::Pubsub) && command.flags.has(Flag::MayReplicate) => {
            (1, args.len().min(2), false)
        }
        _ => (0, 0, false),
    }
}
