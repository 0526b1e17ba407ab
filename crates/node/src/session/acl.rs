//! `ACL CAT GENPASS LOG`, and what users may do on this node's connections.
//!
//! For: checking requests before they run, noting what is denied, ending connections whose users are gone. Leaves to
//! others: rules and users (`quorate-commands`), who is connected as whom (`connection`).
//! Invariant: a user who may do everything costs one comparison for each request.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use bytes::Bytes;
use quorate_commands::{Args, Category, Command, Denial, Denied, Error, SubscriptionKind, User, Users};

use super::acl_log::{AclLog, Context, DeniedEntry};
use super::backend::Backend;
use super::registry::Client;
use super::{Front, Session};

/// Most bits of a password that is made up.
const PASSWORD_BITS_MAX: i64 = 4096;
/// Entries that `ACL LOG` shows unless it is told how many.
const ENTRIES_SHOWN: i64 = 10;

/// What was denied on this node.
#[derive(Debug, Default)]
pub(crate) struct Denials {
    pub(super) log: AclLog,
    /// How often, by [`Denial`].
    counts: [AtomicU64; 4],
}

impl Denials {
    /// How often each was denied since the start: authentication, commands, keys, channels.
    pub(crate) fn counts(&self) -> [u64; 4] {
        [Denial::Auth, Denial::Command, Denial::Key, Denial::Channel]
            .map(|denial| self.counts[denial as usize].load(Relaxed))
    }
}

impl<B: Backend> Session<B> {
    /// Whether the connection's user may make a request; the error of one that he may not.
    pub(super) fn check_permission(&self, command: &'static Command, args: Args<'_>) -> Result<(), Error> {
        let Err(denied) = self.user.check(command, args) else { return Ok(()) };
        let context = if self.multi.is_open() { Context::Multi } else { Context::Toplevel };
        self.note_denied(context, self.user.name(), denied, command, args);
        Err(Error::text(format!("NOPERM {}", denied.text(&self.user, command, args, false))))
    }

    /// Whether he may still make one that has been queued.
    pub(super) fn check_queued(&self, command: &'static Command, args: Args<'_>) -> Result<(), Error> {
        let Err(denied) = self.user.check(command, args) else { return Ok(()) };
        self.note_denied(Context::Multi, self.user.name(), denied, command, args);
        let reason = match denied.denial {
            Denial::Command => "no permission to execute the command or subcommand",
            Denial::Key => "no permission to touch the specified keys",
            Denial::Channel => "no permission to access one of the channels used as arguments to the command",
            Denial::Auth => "no permission",
        };
        Err(Error::text(format!(
            "NOPERM ACLs rules changed between the moment the transaction was accumulated and the EXEC call. This \
             command is no longer allowed for the following reason: {reason}"
        )))
    }

    pub(super) fn note_denied(
        &self,
        context: Context,
        user: &Bytes,
        denied: Denied,
        command: &'static Command,
        args: Args<'_>,
    ) {
        let front = self.backend.front();
        front.note_denied(context, user, denied, command, args, self.client.line(&front.stats).to_string());
    }

    /// Who asks, for a command that has to know.
    pub(super) fn caller(&self, command: &Command) -> Option<Arc<User>> {
        if command.asks_user { self.caller_of_transaction() } else { None }
    }

    /// Who asks, for a transaction with such a command.
    pub(super) fn caller_of_transaction(&self) -> Option<Arc<User>> {
        self.restricted.then(|| Arc::clone(&self.user))
    }

    /// Makes the connection a user's.
    pub(super) fn become_user(&mut self, user: Arc<User>) {
        self.restricted = !user.is_unrestricted();
        self.client.set_user(Arc::clone(&user));
        self.user = user;
    }

    /// Takes over the user as he is now; the connection of one who is gone ends.
    pub(super) fn refresh_user(&mut self) {
        if self.trusted {
            return;
        }
        match self.tunables.users.get(self.user.name()) {
            Some(user) if user.born() == self.user.born() => {
                if !Arc::ptr_eq(user, &self.user) {
                    self.become_user(Arc::clone(user));
                }
            }
            _ => self.client.revoke(),
        }
    }

    /// All categories, or the commands of one.
    pub(super) fn acl_cat(&mut self, args: Args<'_>) -> Result<(), Error> {
        let names: Vec<String> = match args.get(2) {
            None => Category::ALL.iter().map(|category| category.name().to_owned()).collect(),
            Some(name) if args.len() == 3 => {
                let found =
                    Category::ALL.iter().find(|known| name.eq_ignore_ascii_case(known.name().as_bytes()));
                let category = *found.ok_or_else(|| {
                    Error::text(format!("ERR Unknown category '{}'", String::from_utf8_lossy(name)))
                })?;
                let of_category =
                    |command: &&Command| command.is_supported() && command.acl_categories().has(category);
                let all = quorate_commands::commands();
                let all = all.flat_map(|command| std::iter::once(command).chain(command.subcommands));
                all.filter(of_category).map(Command::full_name).collect()
            }
            Some(_) => return Err(wrong_subcommand(args)),
        };
        self.reply.array(names.len());
        names.iter().for_each(|name| self.reply.bulk(name.as_bytes()));
        Ok(())
    }

    /// A password that nobody can guess.
    pub(super) fn acl_genpass(&mut self, args: Args<'_>) -> Result<(), Error> {
        let bits = match args.len() {
            2 => 256,
            3 => args.integer(2)?,
            _ => return Err(wrong_subcommand(args)),
        };
        if !(1..=PASSWORD_BITS_MAX).contains(&bits) {
            return Err(Error::text(format!(
                "ERR ACL GENPASS argument must be the number of bits for the output password, a positive number up \
                 to {PASSWORD_BITS_MAX}"
            )));
        }
        let digits = usize::try_from(bits).unwrap_or(0).div_ceil(4);
        let mut bytes = vec![0; digits.div_ceil(2)];
        getrandom::fill(&mut bytes)
            .map_err(|error| Error::text(format!("ERR no random numbers are to be had: {error}")))?;
        let text: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        self.reply.bulk(&text.as_bytes()[..digits]);
        Ok(())
    }

    /// What was denied lately on this node.
    pub(super) fn acl_log(&mut self, args: Args<'_>) -> Result<(), Error> {
        let log = &self.backend.front().denials.log;
        match args.len() {
            2 | 3 if !args.is(2, "RESET") => {
                let count = if args.len() == 3 { args.integer(2)? } else { ENTRIES_SHOWN };
                log.write(usize::try_from(count).unwrap_or(0), &mut self.reply);
            }
            3 => {
                log.reset();
                self.reply.ok();
            }
            _ => return Err(wrong_subcommand(args)),
        }
        Ok(())
    }
}

impl Front {
    /// Notes what a client was denied.
    pub(crate) fn note_denied(
        &self,
        context: Context,
        user: &Bytes,
        denied: Denied,
        command: &'static Command,
        args: Args<'_>,
        client: String,
    ) {
        self.denials.counts[denied.denial as usize].fetch_add(1, Relaxed);
        let object = match denied.denial {
            Denial::Command => Bytes::from(command.full_name()),
            Denial::Key | Denial::Channel | Denial::Auth => Bytes::copy_from_slice(args.at(denied.at)),
        };
        let entry = DeniedEntry { denial: denied.denial, context, object, user: user.clone(), client };
        self.denials.log.note(entry, self.tunables().denials_max);
    }

    /// Ends the connections of users who are gone, and of those who listen to what they may not any more.
    pub(super) fn retire_users(&self, before: &Users, now: &Users) {
        for user in before.iter() {
            let next = now.get(user.name()).filter(|next| next.born() == user.born());
            if next.is_some_and(|next| Arc::ptr_eq(next, user) || next.listens_to_all_of(user)) {
                continue;
            }
            let listens_too_much = |client: &Client, next: &User| {
                self.post.any_subscription(client.id, |kind, name| {
                    !next.may_listen(name, kind == SubscriptionKind::Pattern)
                })
            };
            for client in self.clients.all() {
                let own = client.user();
                let is_his = own.name() == user.name() && own.born() == user.born();
                if is_his && next.is_none_or(|next| listens_too_much(&client, next)) {
                    client.revoke();
                }
            }
        }
    }
}

fn wrong_subcommand(args: Args<'_>) -> Error {
    let sub = String::from_utf8_lossy(args.at(1));
    Error::text(format!("ERR unknown subcommand or wrong number of arguments for '{sub}'. Try ACL HELP."))
}
