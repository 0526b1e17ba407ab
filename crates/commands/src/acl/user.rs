//! One user: switched on or off, with passwords, and with permissions in one selector or more.
//!
//! Leaves to others: permissions (`selector`), checking a request (`check`), all users together (`users`).
//! Invariants: the first selector is the user's own; [`User::is_unrestricted`] says what the selectors say.

use bytes::Bytes;

use super::password::PasswordHash;
use super::rule::RuleError;
use super::selector::Selector;

/// A user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    name: Bytes,
    /// Where in the log it was made: a user who comes after one of the same name is another.
    born: u64,
    pub(super) enabled: bool,
    pub(super) nopass: bool,
    pub(super) skips_sanitizing: bool,
    pub(super) passwords: Vec<PasswordHash>,
    pub(super) selectors: Vec<Selector>,
    unrestricted: bool,
}

impl User {
    /// A user that may do nothing, as `ACL SETUSER` begins with.
    pub(super) fn new(name: Bytes, born: u64, all_channels: bool) -> User {
        User {
            name,
            born,
            enabled: false,
            nopass: false,
            skips_sanitizing: false,
            passwords: Vec::new(),
            selectors: vec![Selector::new(all_channels)],
            unrestricted: false,
        }
    }

    /// A user that is not there any more: it may do nothing.
    pub fn gone(name: &[u8]) -> User {
        User::new(Bytes::copy_from_slice(name), 0, false)
    }

    /// The default user of an empty cluster, who may do everything without a password.
    pub(super) fn default_user() -> User {
        let mut user = User::new(Bytes::from_static(super::DEFAULT_USER), 0, true);
        for rule in ["+@all", "~*", "&*", "on", "nopass"] {
            user.apply(rule.as_bytes(), false).expect("these are rules");
        }
        user
    }

    /// Its name.
    pub fn name(&self) -> &Bytes {
        &self.name
    }

    /// Where in the log it was made.
    pub fn born(&self) -> u64 {
        self.born
    }

    /// Whether it may authenticate.
    pub fn is_enabled(&self) -> bool {
        self.enabled
    }

    /// Whether any password is taken for it.
    pub fn needs_no_password(&self) -> bool {
        self.nopass
    }

    /// Whether every request may run, so that none has to be looked at.
    #[inline]
    pub fn is_unrestricted(&self) -> bool {
        self.unrestricted
    }

    /// Whether it may authenticate with this password.
    pub fn admits(&self, password: &[u8]) -> bool {
        if !self.enabled || self.nopass {
            return self.enabled;
        }
        let given = PasswordHash::of(password);
        self.passwords.iter().fold(false, |found, known| found | (*known == given))
    }

    /// Follows one rule.
    pub(super) fn apply(&mut self, rule: &[u8], all_channels: bool) -> Result<(), RuleError> {
        let is = |word: &str| rule.eq_ignore_ascii_case(word.as_bytes());
        match rule {
            [] => {}
            _ if is("on") => self.enabled = true,
            _ if is("off") => self.enabled = false,
            _ if is("skip-sanitize-payload") => self.skips_sanitizing = true,
            _ if is("sanitize-payload") => self.skips_sanitizing = false,
            _ if is("nopass") => self.set_no_password(true),
            _ if is("resetpass") => self.set_no_password(false),
            [b'>', password @ ..] => self.add_password(PasswordHash::of(password)),
            [b'#', digits @ ..] => {
                self.add_password(PasswordHash::from_hex(digits).ok_or(RuleError::BadHash)?);
            }
            [b'<', password @ ..] => self.remove_password(PasswordHash::of(password))?,
            [b'!', digits @ ..] => {
                self.remove_password(PasswordHash::from_hex(digits).ok_or(RuleError::BadHash)?)?;
            }
            [b'(', rules @ .., b')'] => self.selectors.push(Selector::parse(rules, all_channels)?),
            _ if is("clearselectors") => self.selectors.truncate(1),
            _ if is("reset") => {
                let name = self.name.clone();
                *self = User::new(name, self.born, all_channels);
            }
            _ => self.selectors[0].apply(rule)?,
        }
        let own = &self.selectors[0];
        self.unrestricted = own.all_commands && own.all_keys && own.all_channels;
        Ok(())
    }

    /// Everything as rules, as `ACL LIST` shows them behind the name.
    pub fn describe(&self) -> Vec<u8> {
        self.rules().join(&b' ')
    }

    /// Everything as rules, one by one.
    pub(crate) fn rules(&self) -> Vec<Vec<u8>> {
        let mut rules: Vec<Vec<u8>> = self.flags().iter().map(|flag| flag.as_bytes().to_vec()).collect();
        rules.extend(self.passwords.iter().map(|password| format!("#{}", password.to_hex()).into_bytes()));
        let own = self.selectors[0].describe();
        rules.extend(own.split(|byte| *byte == b' ').map(<[u8]>::to_vec));
        let others = &self.selectors[1..];
        rules.extend(others.iter().map(|selector| [b"(", &selector.describe()[..], b")"].concat()));
        rules
    }

    /// Its switches, in the order in which Redis lists them.
    pub(super) fn flags(&self) -> Vec<&'static str> {
        let sanitize = if self.skips_sanitizing { "skip-sanitize-payload" } else { "sanitize-payload" };
        let mut flags = vec![if self.enabled { "on" } else { "off" }];
        flags.extend(self.nopass.then_some("nopass"));
        flags.push(sanitize);
        flags
    }

    fn set_no_password(&mut self, nopass: bool) {
        self.nopass = nopass;
        self.passwords.clear();
    }

    fn add_password(&mut self, hash: PasswordHash) {
        if !self.passwords.contains(&hash) {
            self.passwords.push(hash);
        }
        self.nopass = false;
    }

    fn remove_password(&mut self, hash: PasswordHash) -> Result<(), RuleError> {
        let at = self.passwords.iter().position(|known| *known == hash).ok_or(RuleError::NoSuchPassword)?;
        self.passwords.remove(at);
        Ok(())
    }
}
