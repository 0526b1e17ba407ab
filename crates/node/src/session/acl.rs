//! `ACL`: what is true of the one user that there is.
//!
//! For: `ACL CAT LIST USERS`, so that tools which ask are told the truth. Leaves to others: `ACL WHOAMI`
//! (`connection`). Users of one's own are not supported yet; commands that make them say so.
//! Invariant: neither a password nor its hash is ever shown.

use quorate_commands::{Args, Category, Command, Error};

use super::Session;
use super::backend::Backend;

impl<B: Backend> Session<B> {
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
            Some(_) => return Err(Error::WrongArity("acl|cat".into())),
        };
        self.reply.array(names.len());
        names.iter().for_each(|name| self.reply.bulk(name.as_bytes()));
        Ok(())
    }

    pub(super) fn acl_list(&mut self) {
        // Redis shows the password's hash here, which would help to guess it.
        let password = if self.tunables.has_password { "#(hidden)" } else { "nopass" };
        self.reply.array(1);
        self.reply.bulk(format!("user default on {password} sanitize-payload ~* &* +@all").as_bytes());
    }
}
