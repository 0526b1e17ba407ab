//! `ACL SETUSER DELUSER GETUSER LIST USERS DRYRUN LOAD SAVE`.
//!
//! For: replies. Leaves to others: rules (`users`), what a node does when users change, `ACL WHOAMI`, `LOG`, `CAT` and
//! `GENPASS`, which are the node's. Invariant: a refused change changes nothing.

use quorate_resp::Reply;

use super::selector::Selector;
use super::users::DEFAULT_USER;
use crate::settings::SettingId;
use crate::{Args, Error, Read, Write, table};

const ACL_PUBSUB_DEFAULT: SettingId = SettingId::of("acl-pubsub-default");
const NO_FILE: &str = "ERR This Redis instance is not configured to use an ACL file. You may want to specify users via \
     the ACL SETUSER command and then issue a CONFIG REWRITE (assuming you have a Redis configuration file set) in \
     order to store users in the Redis configuration.";

/// `ACL SETUSER name [rule …]`
pub(crate) fn setuser(write: &mut Write<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    let all_channels = write.state.settings.choice(ACL_PUBSUB_DEFAULT) == "allchannels";
    write.state.users.set(&args[2], args.from(3), write.version.0, all_channels)?;
    reply.ok();
    Ok(())
}

/// `ACL DELUSER name …`
pub(crate) fn deluser(write: &mut Write<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    if args.from(2).contains(&DEFAULT_USER) {
        return Err(Error::text("ERR The 'default' user cannot be removed"));
    }
    let removed = args.from(2).iter().filter(|name| write.state.users.remove(name)).count();
    reply.count(removed);
    Ok(())
}

/// `ACL GETUSER name`
pub(crate) fn getuser(read: &Read<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    let Some(user) = read.state.users.get(&args[2]) else {
        reply.null();
        return Ok(());
    };
    reply.map(6);
    reply.bulk(b"flags");
    let flags = user.flags();
    reply.set(flags.len());
    flags.iter().for_each(|flag| reply.bulk(flag.as_bytes()));
    reply.bulk(b"passwords");
    reply.array(user.passwords.len());
    user.passwords.iter().for_each(|password| reply.bulk(password.to_hex().as_bytes()));
    write_selector(&user.selectors[0], reply);
    reply.bulk(b"selectors");
    reply.array(user.selectors.len() - 1);
    for selector in &user.selectors[1..] {
        reply.map(3);
        write_selector(selector, reply);
    }
    Ok(())
}

/// `ACL LIST`
pub(crate) fn list(read: &Read<'_>, _: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    reply.array(read.state.users.len());
    for user in read.state.users.iter() {
        reply.bulk(&[b"user ", &user.name()[..], b" ", &user.describe()].concat());
    }
    Ok(())
}

/// `ACL USERS`
pub(crate) fn users(read: &Read<'_>, _: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    reply.array(read.state.users.len());
    read.state.users.iter().for_each(|user| reply.bulk(user.name()));
    Ok(())
}

/// `ACL DRYRUN name command [argument …]`
pub(crate) fn dryrun(read: &Read<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    let text = |name: &[u8]| String::from_utf8_lossy(name).into_owned();
    let user = read.state.users.get(&args[2]);
    let user = user.ok_or_else(|| Error::text(format!("ERR User '{}' not found", text(&args[2]))))?;
    let request = Args::new(args.from(3));
    let command = match table::find(request) {
        Some(command) => command,
        None => return Err(Error::text(format!("ERR Command '{}' not found", text(&args[3])))),
    };
    if !command.arity_fits(request.len()) {
        return Err(Error::WrongArity(command.full_name().into()));
    }
    match user.check(command, request) {
        Ok(()) => reply.ok(),
        Err(denied) => reply.bulk(denied.text(user, command, request, true).as_bytes()),
    }
    Ok(())
}

/// `ACL SAVE`: whatever was acknowledged is on the disks of a majority already.
pub(crate) fn save(_: &Read<'_>, _: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    reply.ok();
    Ok(())
}

/// `ACL LOAD`: there is no file that could say anything else than the replicated users.
pub(crate) fn load(_: &Read<'_>, _: Args<'_>, _: &mut Reply) -> Result<(), Error> {
    Err(Error::text(NO_FILE))
}

fn write_selector(selector: &Selector, reply: &mut Reply) {
    reply.bulk(b"commands");
    reply.bulk(selector.command_rules().as_bytes());
    reply.bulk(b"keys");
    reply.bulk(&selector.keys());
    reply.bulk(b"channels");
    reply.bulk(&selector.channels());
}
