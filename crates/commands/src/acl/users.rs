//! All users of the cluster.
//!
//! For: finding them, and changing them whole or not at all. Leaves to others: what a user may do (`user`, `check`), the
//! replies of `ACL` (`commands`), their bytes in a snapshot (`state::format`).
//! Invariants: the default user is always there; a clone is cheap and keeps its users; users that are bounded by
//! [`RULES_BYTES_MAX`] and [`USERS_MAX`] fit a snapshot's blocks.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use bytes::Bytes;

use super::rule::{has_spaces, merge};
use super::user::User;
use crate::Error;

/// The user that connections begin with.
pub const DEFAULT_USER: &[u8] = b"default";

/// Most bytes of a user's name and rules, as they are described.
pub(crate) const RULES_BYTES_MAX: usize = 48 * 1024;
/// Most rules of a user, a selector between parentheses being one.
pub(crate) const RULES_MAX: usize = 4096;
/// Most users.
const USERS_MAX: usize = 10_000;

/// All users, by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Users {
    by_name: Arc<BTreeMap<Bytes, Arc<User>>>,
}

static DEFAULT: LazyLock<Users> = LazyLock::new(|| {
    let user = Arc::new(User::default_user());
    Users { by_name: Arc::new(BTreeMap::from([(user.name().clone(), user)])) }
});

impl Default for Users {
    fn default() -> Users {
        DEFAULT.clone()
    }
}

impl Users {
    /// The user of that name.
    pub fn get(&self, name: &[u8]) -> Option<&Arc<User>> {
        self.by_name.get(name)
    }

    /// The user that connections begin with.
    pub fn default_user(&self) -> &Arc<User> {
        self.get(DEFAULT_USER).expect("the default user is never removed")
    }

    /// All users, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<User>> {
        self.by_name.values()
    }

    /// How many there are.
    #[expect(clippy::len_without_is_empty, reason = "there is always the default user")]
    pub fn len(&self) -> usize {
        self.by_name.len()
    }

    /// The user that this name and password are of.
    pub fn authenticate(&self, name: &[u8], password: &[u8]) -> Option<&Arc<User>> {
        self.get(name).filter(|user| user.admits(password))
    }

    /// Whether these are the very users that `other` has: true is certain, false is not.
    pub fn is_same(&self, other: &Users) -> bool {
        Arc::ptr_eq(&self.by_name, &other.by_name)
    }

    /// Makes a user or changes one by rules, all of them or none; `now` is where in the log.
    pub(crate) fn set(
        &mut self,
        name: &[u8],
        rules: &[&[u8]],
        now: u64,
        all_channels: bool,
    ) -> Result<(), Error> {
        if has_spaces(name) {
            return Err(Error::text("ERR Usernames can't contain spaces or null characters"));
        }
        let rules = merge(rules).map_err(|first| {
            let first = String::from_utf8_lossy(first);
            Error::text(format!("ERR Unmatched parenthesis in acl selector starting at '{first}'."))
        })?;
        let known = self.get(name);
        if known.is_none() && self.len() >= USERS_MAX {
            return Err(Error::text(format!("ERR There are no more than {USERS_MAX} users")));
        }
        let mut user = match known {
            Some(user) => User::clone(user),
            None => User::new(Bytes::copy_from_slice(name), now, all_channels),
        };
        for rule in rules {
            user.apply(&rule, all_channels).map_err(|error| {
                let rule = String::from_utf8_lossy(&rule);
                Error::text(format!("ERR Error in ACL SETUSER modifier '{rule}': {error}"))
            })?;
        }
        let rules = user.rules();
        let bytes = name.len() + rules.iter().map(Vec::len).sum::<usize>();
        if bytes > RULES_BYTES_MAX || rules.len() > RULES_MAX {
            return Err(Error::text(format!(
                "ERR The user has more than {RULES_MAX} rules, or they are longer than {RULES_BYTES_MAX} bytes"
            )));
        }
        self.insert(user);
        Ok(())
    }

    /// Gives the default user this password and no other; an empty one: none.
    pub(crate) fn set_default_password(&mut self, password: &[u8]) {
        let mut user = User::clone(self.default_user());
        let rule = if password.is_empty() { b"nopass".to_vec() } else { [b">", password].concat() };
        for rule in [&b"resetpass"[..], &rule] {
            user.apply(rule, false).expect("these are rules");
        }
        self.insert(user);
    }

    /// Removes a user; false if there is none of that name.
    pub(crate) fn remove(&mut self, name: &[u8]) -> bool {
        assert_ne!(name, DEFAULT_USER, "the default user stays");
        self.get(name).is_some() && Arc::make_mut(&mut self.by_name).remove(name).is_some()
    }

    /// Puts in a user as a snapshot has it: where in the log it was made, and its rules, which must be those of
    /// [`User::rules`].
    pub(crate) fn restore<'a>(
        &mut self,
        name: &[u8],
        born: u64,
        rules: impl IntoIterator<Item = &'a [u8]>,
    ) -> Result<(), Error> {
        let mut user = User::new(Bytes::copy_from_slice(name), born, false);
        for rule in rules {
            user.apply(rule, false).map_err(|error| {
                // A rule may hold what tells of a password.
                Error::text(format!("ERR Error in the rules of user '{}': {error}", name.escape_ascii()))
            })?;
        }
        self.insert(user);
        Ok(())
    }

    fn insert(&mut self, user: User) {
        Arc::make_mut(&mut self.by_name).insert(user.name().clone(), Arc::new(user));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn described(users: &Users, name: &str) -> String {
        String::from_utf8(users.get(name.as_bytes()).expect("it is there").describe()).expect("text")
    }

    #[test]
    fn rules_describe_what_they_have_made() {
        let hash = "34344e4d60c2b6d639b7bd22e18f2b0b91bc34bf0ac5f9952744435093cfb4e6";
        for (rules, expected) in [
            ("", "off sanitize-payload resetchannels -@all".to_owned()),
            (
                "on nopass resetchannels &foo +@all",
                "on nopass sanitize-payload resetchannels &foo +@all".into(),
            ),
            (">passwd4", format!("off sanitize-payload #{hash} resetchannels -@all")),
            (">passwd4 nopass", "off nopass sanitize-payload resetchannels -@all".into()),
            (">a <a", "off sanitize-payload resetchannels -@all".into()),
            ("~a %R~b %W~c %RW~d %r~c ~*", "off sanitize-payload ~* resetchannels -@all".into()),
            ("~a %R~b %W~c %RW~d %r~c", "off sanitize-payload ~a %R~b ~c ~d resetchannels -@all".into()),
            ("+GET -get +get +@String", "off sanitize-payload resetchannels -@all +get +@string".into()),
            ("+config|get +config", "off sanitize-payload resetchannels -@all +config".into()),
            ("+config +config|get", "off sanitize-payload resetchannels -@all +config +config|get".into()),
            ("+select|0 +SELECT|1", "off sanitize-payload resetchannels -@all +select|0 +select|1".into()),
            (
                "+@all -@hash -@slow +hget -@hash",
                "off sanitize-payload resetchannels +@all -@slow +hget -@hash".into(),
            ),
            (
                "+get ( ~k +set ) (&c)",
                "off sanitize-payload resetchannels -@all +get (~k resetchannels -@all +set) \
              (resetchannels &c -@all)"
                    .into(),
            ),
            ("+get (~k) clearselectors", "off sanitize-payload resetchannels -@all +get".into()),
            ("skip-sanitize-payload", "off skip-sanitize-payload resetchannels -@all".into()),
            ("on >a ~* &* +@all reset", "off sanitize-payload resetchannels -@all".into()),
        ] {
            let mut users = Users::default();
            let rules: Vec<&[u8]> = rules.split(' ').map(str::as_bytes).collect();
            users.set(b"u", &rules, 1, false).expect(&expected);
            assert_eq!(described(&users, "u"), expected);
            // Where all channels are the default, a description says all the same.
            let mut restored = Users::default();
            let rules = users.get(b"u").expect("it was just made").rules();
            restored.restore(b"u", 1, rules.iter().map(Vec::as_slice)).expect("its own rules");
            assert_eq!(restored, users, "{expected}");
        }
        // Read as one text, it would be other rules.
        let mut users = Users::default();
        users.set(b"u", &[b"(~a) ~b)"], 1, false).expect("a pattern may hold a parenthesis");
        let rules = users.get(b"u").expect("it was just made").rules();
        let mut restored = Users::default();
        restored.restore(b"u", 1, rules.iter().map(Vec::as_slice)).expect("its own rules");
        assert_eq!(restored, users);
        assert_eq!(described(&Users::default(), "default"), "on nopass sanitize-payload ~* &* +@all");
    }

    #[test]
    fn wrong_rules_change_nothing() {
        for (rules, reason) in [
            ("what", "'what': Syntax error"),
            ("+nothing", "'+nothing': Unknown command or category name in ACL"),
            ("+@nothing", "'+@nothing': Unknown command or category name in ACL"),
            ("+config|nothing", "'+config|nothing': Unknown command or category name in ACL"),
            ("+get|a|b", "'+get|a|b': Unknown command or category name in ACL"),
            ("-get|a", "'-get|a': Unknown command or category name in ACL"),
            ("+config|get|x", "'+config|get|x': Allowing first-arg of a subcommand is not supported"),
            ("+get|", "'+get|': Syntax error"),
            (
                "allkeys ~a",
                "'~a': Adding a pattern after the * pattern (or the 'allkeys' flag) is not valid and does not \
              have any effect. Try 'resetkeys' to start with an empty list of patterns",
            ),
            (
                "&* &a",
                "'&a': Adding a pattern after the * pattern (or the 'allchannels' flag) is not valid and does not \
              have any effect. Try 'resetchannels' to start with an empty list of channels",
            ),
            ("%~", "'%~': Syntax error"),
            ("%RR~a", "'%RR~a': Syntax error"),
            ("%X~a", "'%X~a': Syntax error"),
            (
                "#12",
                "'#12': The password hash must be exactly 64 characters and contain only lowercase hexadecimal \
              characters",
            ),
            ("<none", "'<none': The password you are trying to remove from the user does not exist"),
            ("(+get what)", "'(+get what)': Syntax error"),
        ] {
            let mut users = Users::default();
            let rules: Vec<&[u8]> =
                std::iter::once("on").chain(rules.split(' ')).map(str::as_bytes).collect();
            let error = users.set(b"u", &rules, 1, false).expect_err(reason);
            assert_eq!(error.to_string(), format!("ERR Error in ACL SETUSER modifier {reason}"));
            assert_eq!(users, Users::default());
        }
        let mut users = Users::default();
        let error = users.set(b"u", &[b"(+get"], 1, false).expect_err("never closed").to_string();
        assert_eq!(error, "ERR Unmatched parenthesis in acl selector starting at '(+get'.");
        for name in ["a b", "a\0", "\n"] {
            assert!(users.set(name.as_bytes(), &[], 1, false).is_err(), "{name:?}");
        }
        let long = [b"~", &[b'x'; RULES_BYTES_MAX][..]].concat();
        assert!(users.set(b"u", &[&long], 1, false).is_err());
    }

    #[test]
    fn passwords_admit_those_who_have_one() {
        let mut users = Users::default();
        assert!(users.authenticate(b"default", b"anything").is_some());
        users.set_default_password(b"secret");
        assert!(users.authenticate(b"default", b"anything").is_none());
        assert!(users.authenticate(b"default", b"secret").is_some());
        users.set_default_password(b"");
        assert!(users.authenticate(b"default", b"").is_some());
        users.set(b"u", &[b">a", b">b"], 7, false).expect("rules");
        assert!(users.authenticate(b"u", b"a").is_none(), "it is off");
        users.set(b"u", &[b"on"], 9, false).expect("rules");
        assert!(users.authenticate(b"u", b"a").is_some() && users.authenticate(b"u", b"b").is_some());
        assert!(users.authenticate(b"u", b"c").is_none() && users.authenticate(b"v", b"a").is_none());
        assert_eq!(users.get(b"u").map(|user| user.born()), Some(7));
        assert!(users.remove(b"u") && !users.remove(b"u"));
    }
}
