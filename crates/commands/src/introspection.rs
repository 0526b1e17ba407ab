//! `COMMAND` and its subcommands, `HELP` of every container, `LOLWUT`: the table and its version as clients see them.
//!
//! For: rendering rows. Leaves to others: the rows. Invariant: what Quorate does not run is not listed, so that
//! a client that looks before it leaps is told the truth; its keys can be asked for all the same.

use quorate_resp::Reply;

use crate::command::{Argument, ArgumentKind, BeginSearch, Command, FindKeys, KeySpec};
use crate::key_search::{KeyPositions, keys};
use crate::table::{commands, lookup};
use crate::{Args, Category, Error, Flag, REDIS_VERSION, Read, glob};

/// `COMMAND`, `COMMAND INFO [name …]`
pub(crate) fn info(_: &Read<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    let names = args.from(2);
    if names.is_empty() {
        reply.array(supported().count());
        supported().for_each(|command| write_info(command, reply));
        return Ok(());
    }
    reply.array(names.len());
    for name in names {
        match find(name) {
            Some(command) => write_info(command, reply),
            None => reply.null_array(),
        }
    }
    Ok(())
}

/// `LOLWUT [VERSION version]`: what Redis says of versions for which it has no picture.
pub(crate) fn lolwut(_: &Read<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    if args.len() > 2 && args.is(1, "VERSION") {
        args.integer(2)?;
    }
    reply.verbatim("txt", format!("Redis ver. {REDIS_VERSION}\n").as_bytes());
    Ok(())
}

/// `COMMAND COUNT`
pub(crate) fn count(_: &Read<'_>, _: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    reply.count(supported().count());
    Ok(())
}

/// `COMMAND DOCS [name …]`
pub(crate) fn docs(_: &Read<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    let names = args.from(2);
    let found: Vec<&Command> = if names.is_empty() {
        supported().collect()
    } else {
        names.iter().filter_map(|name| find(name)).collect()
    };
    write_docs(&found, reply);
    Ok(())
}

/// `COMMAND LIST [FILTERBY MODULE name|ACLCAT category|PATTERN pattern]`
pub(crate) fn list(_: &Read<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    let filter: Box<dyn Fn(&Command) -> bool> = match args.len() {
        2 => Box::new(|_| true),
        5 if args.is(2, "FILTERBY") => {
            let what = args.at(4);
            if args.is(3, "MODULE") {
                Box::new(|_| false)
            } else if args.is(3, "ACLCAT") {
                let category = Category::ALL
                    .iter()
                    .find(|category| category.name().as_bytes().eq_ignore_ascii_case(what));
                Box::new(move |command| {
                    category.is_some_and(|category| command.acl_categories().has(*category))
                })
            } else if args.is(3, "PATTERN") {
                Box::new(move |command| glob::matches_ignore_case(what, command.full_name().as_bytes()))
            } else {
                return Err(Error::Syntax);
            }
        }
        _ => return Err(Error::Syntax),
    };
    let with_subcommands = supported().flat_map(|command| {
        std::iter::once(command).chain(command.subcommands.iter().filter(|sub| sub.is_supported()))
    });
    let names: Vec<String> =
        with_subcommands.filter(|command| filter(command)).map(Command::full_name).collect();
    reply.array(names.len());
    names.iter().for_each(|name| reply.bulk(name.as_bytes()));
    Ok(())
}

/// `COMMAND GETKEYS command argument …`
pub(crate) fn getkeys(_: &Read<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    let (request, keys) = request_keys(args)?;
    reply.array(keys.len());
    keys.iter().for_each(|key| reply.bulk(&request[key.index]));
    Ok(())
}

/// `COMMAND GETKEYSANDFLAGS command argument …`
pub(crate) fn getkeysandflags(_: &Read<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    let (request, keys) = request_keys(args)?;
    reply.array(keys.len());
    for key in &keys {
        reply.array(2);
        reply.bulk(&request[key.index]);
        write_names(key.flags.iter().map(|flag| flag.name()), "", reply);
    }
    Ok(())
}

/// `<container> HELP`
pub(crate) fn help(_: &Read<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    let container = lookup(&args[0]).ok_or(Error::Syntax)?;
    let name = container.name.to_ascii_uppercase();
    let mut lines = vec![format!("{name} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:")];
    for sub in container.subcommands.iter().filter(|sub| sub.name != "help" && sub.is_supported()) {
        let sub_name = sub.name.to_ascii_uppercase();
        lines.push([sub_name, syntax(sub.arguments)].join(" ").trim_end().to_owned());
        lines.push(format!("    {}", sub.summary));
    }
    lines.extend(["HELP".to_owned(), "    Prints this help.".to_owned()]);
    reply.array(lines.len());
    lines.iter().for_each(|line| reply.simple(line));
    Ok(())
}

/// The arguments in the usual notation: `key [EX seconds | PX milliseconds]`.
pub fn syntax(arguments: &[Argument]) -> String {
    let parts: Vec<String> = arguments.iter().map(argument_syntax).collect();
    parts.join(" ")
}

fn argument_syntax(argument: &Argument) -> String {
    let mut text = match argument.kind {
        ArgumentKind::PureToken => argument.token.unwrap_or(argument.name).to_owned(),
        ArgumentKind::OneOf(choices) => {
            let choices: Vec<String> = choices.iter().map(argument_syntax).collect();
            let all = choices.join(" | ");
            if argument.optional { all } else { format!("<{all}>") }
        }
        ArgumentKind::Block(parts) => syntax(parts),
        _ => argument.name.to_owned(),
    };
    if let (Some(token), false) = (argument.token, matches!(argument.kind, ArgumentKind::PureToken)) {
        text = if token.is_empty() { format!("\"\" {text}") } else { format!("{token} {text}") };
    }
    if argument.multiple {
        text = format!("{text} [{text} ...]");
    }
    if argument.optional { format!("[{text}]") } else { text }
}

fn supported() -> impl Iterator<Item = &'static Command> {
    commands().filter(|command| command.is_supported())
}

/// A command by its full name, as `get` or `config|get`, if Quorate runs it.
fn find(name: &[u8]) -> Option<&'static Command> {
    let mut words = name.splitn(2, |byte| *byte == b'|');
    let command = lookup(words.next()?)?;
    let command = match words.next() {
        Some(sub) => command.subcommand(sub)?,
        None => command,
    };
    command.is_supported().then_some(command)
}

/// The request behind `COMMAND GETKEYS`, and its keys.
fn request_keys(args: Args<'_>) -> Result<(Args<'_>, KeyPositions), Error> {
    let request = Args::new(args.from(2));
    let container = lookup(&request[0]).ok_or(Error::text("ERR Invalid command specified"))?;
    let command = match request.get(1) {
        Some(sub) if !container.subcommands.is_empty() => {
            container.subcommand(sub).ok_or(Error::text("ERR Invalid command specified"))?
        }
        _ => container,
    };
    if command.keys.is_empty() {
        return Err(Error::text("ERR The command has no key arguments"));
    }
    if !command.arity_fits(request.len()) {
        return Err(Error::text("ERR Invalid number of arguments specified for command"));
    }
    match keys(command, request) {
        Some(keys) if !keys.is_empty() => Ok((request, keys)),
        _ if command.flags.has(Flag::NoMandatoryKeys) => Ok((request, KeyPositions::new())),
        _ => Err(Error::text("ERR Invalid arguments specified for command")),
    }
}

fn write_info(command: &Command, reply: &mut Reply) {
    let (first, last, step) = legacy_range(command);
    reply.array(10);
    reply.bulk(command.full_name().as_bytes());
    reply.integer(command.arity.into());
    write_names(command.flags.iter().map(Flag::name), "", reply);
    reply.integer(first);
    reply.integer(last);
    reply.integer(step);
    write_names(command.acl_categories().iter().map(Category::name), "@", reply);
    reply.set(command.tips.len());
    command.tips.iter().for_each(|tip| reply.bulk(tip.as_bytes()));
    reply.set(command.keys.len());
    command.keys.iter().for_each(|spec| write_key_spec(spec, reply));
    let subcommands: Vec<&Command> = command.subcommands.iter().filter(|sub| sub.is_supported()).collect();
    reply.set(subcommands.len());
    subcommands.iter().for_each(|sub| write_info(sub, reply));
}

/// First key, last key and step, as clients before Redis 7 know them: one range, or adjoining ranges joined.
fn legacy_range(command: &Command) -> (i64, i64, i64) {
    let ranges: Vec<(i64, i64, i64)> = command.keys.iter().filter_map(range_of).collect();
    if let ([range], 1) = (ranges.as_slice(), command.keys.len()) {
        return *range;
    }
    let mut joined: Option<(i64, i64, i64)> = None;
    for (first, last, step) in ranges.into_iter().filter(|(_, _, step)| *step == 1) {
        joined = match joined {
            None => Some((first, last, step)),
            // A negative last key is counted from the end, beyond all others.
            Some((joined_first, joined_last, _)) if joined_last == first - 1 => {
                Some((joined_first, if last < 0 { last } else { last.max(joined_last) }, 1))
            }
            other => other,
        };
    }
    joined.unwrap_or((0, 0, 0))
}

/// A range of keys that begins at a fixed argument: its first and last argument, and its step.
fn range_of(spec: &KeySpec) -> Option<(i64, i64, i64)> {
    match (spec.begin, spec.find) {
        (BeginSearch::Index(first), FindKeys::Range { last, step, .. }) => {
            let (first, last) = (first as i64, i64::from(last));
            Some((first, if last >= 0 { first + last } else { last }, step as i64))
        }
        _ => None,
    }
}

fn write_names<'a>(names: impl Iterator<Item = &'a str>, prefix: &str, reply: &mut Reply) {
    let names: Vec<&str> = names.collect();
    reply.set(names.len());
    names.iter().for_each(|name| reply.simple(&format!("{prefix}{name}")));
}

fn write_key_spec(spec: &KeySpec, reply: &mut Reply) {
    reply.map(3);
    reply.bulk(b"flags");
    write_names(spec.flags.iter().map(|flag| flag.name()), "", reply);
    reply.bulk(b"begin_search");
    match spec.begin {
        BeginSearch::Index(index) => write_search("index", &[("index", index as i64)], reply),
        BeginSearch::Keyword(word, from) => {
            reply.map(2);
            write_pair("type", "keyword", reply);
            reply.bulk(b"spec");
            reply.map(2);
            write_pair("keyword", word, reply);
            reply.bulk(b"startfrom");
            reply.integer(from.into());
        }
        BeginSearch::Unknown => write_search("unknown", &[], reply),
    }
    reply.bulk(b"find_keys");
    match spec.find {
        FindKeys::Range { last, step, limit } => {
            let numbers = [("lastkey", last.into()), ("keystep", step as i64), ("limit", limit as i64)];
            write_search("range", &numbers, reply);
        }
        FindKeys::KeyNum { count, first, step } => {
            let numbers = [("keynumidx", count as i64), ("firstkey", first as i64), ("keystep", step as i64)];
            write_search("keynum", &numbers, reply);
        }
        FindKeys::Unknown => write_search("unknown", &[], reply),
    }
}

fn write_search(kind: &str, numbers: &[(&str, i64)], reply: &mut Reply) {
    reply.map(2);
    write_pair("type", kind, reply);
    reply.bulk(b"spec");
    reply.map(numbers.len());
    for (name, number) in numbers {
        reply.bulk(name.as_bytes());
        reply.integer(*number);
    }
}

fn write_pair(name: &str, value: &str, reply: &mut Reply) {
    reply.bulk(name.as_bytes());
    reply.bulk(value.as_bytes());
}

fn write_docs(commands: &[&Command], reply: &mut Reply) {
    reply.map(commands.len());
    for command in commands {
        reply.bulk(command.full_name().as_bytes());
        let subcommands: Vec<&Command> =
            command.subcommands.iter().filter(|sub| sub.is_supported()).collect();
        let parts = 4
            + 3 * usize::from(command.deprecated.is_some())
            + usize::from(!command.arguments.is_empty())
            + usize::from(!subcommands.is_empty());
        reply.map(parts);
        write_pair("summary", command.summary, reply);
        write_pair("since", command.since, reply);
        write_pair("group", command.group.name(), reply);
        write_pair("complexity", command.complexity, reply);
        if let Some((since, replaced_by)) = command.deprecated {
            reply.bulk(b"doc_flags");
            write_names(["deprecated"].into_iter(), "", reply);
            write_pair("deprecated_since", since, reply);
            write_pair("replaced_by", replaced_by, reply);
        }
        if !command.arguments.is_empty() {
            reply.bulk(b"arguments");
            write_arguments(command.arguments, reply);
        }
        if !subcommands.is_empty() {
            reply.bulk(b"subcommands");
            write_docs(&subcommands, reply);
        }
    }
}

fn write_arguments(arguments: &[Argument], reply: &mut Reply) {
    reply.array(arguments.len());
    for argument in arguments {
        let flags: Vec<&str> = [
            (argument.optional, "optional"),
            (argument.multiple, "multiple"),
            (argument.multiple_token, "multiple_token"),
        ]
        .into_iter()
        .filter_map(|(set, name)| set.then_some(name))
        .collect();
        let (kind, parts) = match argument.kind {
            ArgumentKind::String => ("string", None),
            ArgumentKind::Integer => ("integer", None),
            ArgumentKind::Double => ("double", None),
            ArgumentKind::Key => ("key", None),
            ArgumentKind::Pattern => ("pattern", None),
            ArgumentKind::UnixTime => ("unix-time", None),
            ArgumentKind::PureToken => ("pure-token", None),
            ArgumentKind::OneOf(parts) => ("oneof", Some(parts)),
            ArgumentKind::Block(parts) => ("block", Some(parts)),
        };
        let is_key = matches!(argument.kind, ArgumentKind::Key);
        reply.map(
            2 + usize::from(is_key)
                + usize::from(argument.token.is_some())
                + usize::from(!flags.is_empty())
                + usize::from(parts.is_some()),
        );
        write_pair("name", argument.name, reply);
        write_pair("type", kind, reply);
        if is_key {
            reply.bulk(b"key_spec_index");
            reply.count(argument.key_spec);
        }
        if let Some(token) = argument.token {
            write_pair("token", token, reply);
        }
        if !flags.is_empty() {
            reply.bulk(b"flags");
            write_names(flags.into_iter(), "", reply);
        }
        if let Some(parts) = parts {
            reply.bulk(b"arguments");
            write_arguments(parts, reply);
        }
    }
}
