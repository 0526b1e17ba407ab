//! `FUNCTION` and its subcommands.

use std::collections::BTreeSet;

use quorate_resp::Reply;
use quorate_script::{Function, Library};

use super::dump as payload;
use crate::state::scripts::{LIBRARIES_BYTES_MAX, SCRIPT_BYTES_MAX, Scripts};
use crate::{Args, Error, Read, Write, glob};

fn failed(why: impl Into<String>) -> Error {
    Error::text(format!("ERR {}", why.into()))
}

/// `FUNCTION LOAD [REPLACE] code`
pub(crate) fn load(write: &mut Write<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    let mut replace = false;
    for option in &args.from(2)[..args.len() - 3] {
        if !option.eq_ignore_ascii_case(b"replace") {
            return Err(failed(format!("Unknown option given: {}", String::from_utf8_lossy(option))));
        }
        replace = true;
    }
    let code = args.at(args.len() - 1);
    let library = checked(code)?;
    let name = library.name.clone();
    let mut scripts = write.state.scripts.clone();
    add(&mut scripts, library, replace)?;
    write.state.scripts = scripts;
    reply.bulk(name.as_bytes());
    Ok(())
}

/// A library, once its code has run.
fn checked(code: &[u8]) -> Result<Library, Error> {
    if code.len() > SCRIPT_BYTES_MAX {
        return Err(failed(format!("Library is longer than {SCRIPT_BYTES_MAX} bytes")));
    }
    quorate_script::load_library(code).map_err(failed)
}

/// Adds a library; on an error `scripts` is of no use any more.
fn add(scripts: &mut Scripts, library: Library, replace: bool) -> Result<(), Error> {
    if scripts.library(library.name.as_bytes()).is_some() {
        if !replace {
            return Err(failed(format!("Library '{}' already exists", library.name)));
        }
        scripts.remove_library(library.name.as_bytes());
    }
    let mut names = BTreeSet::new();
    let is_taken = |function: &&Function| {
        scripts.function(function.name.as_bytes()).is_some()
            || !names.insert(function.name.to_ascii_lowercase())
    };
    if let Some(taken) = library.functions.iter().find(is_taken) {
        return Err(failed(format!("Function {} already exists", taken.name)));
    }
    if scripts.libraries_bytes() + library.code.len() > LIBRARIES_BYTES_MAX {
        return Err(failed(format!("All libraries together are longer than {LIBRARIES_BYTES_MAX} bytes")));
    }
    scripts.add_library(library);
    Ok(())
}

/// `FUNCTION DELETE library`
pub(crate) fn delete(write: &mut Write<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    if write.state.scripts.library(&args[2]).is_none() {
        return Err(failed("Library not found"));
    }
    write.state.scripts.remove_library(&args[2]);
    reply.ok();
    Ok(())
}

/// `FUNCTION FLUSH [ASYNC|SYNC]`
pub(crate) fn flush(write: &mut Write<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    match args.len() {
        2 => {}
        3 if args.is(2, "sync") || args.is(2, "async") => {}
        3 => return Err(failed("FUNCTION FLUSH only supports SYNC|ASYNC option")),
        _ => return Err(subcommand_syntax(args)),
    }
    write.state.scripts.forget_libraries();
    reply.ok();
    Ok(())
}

fn subcommand_syntax(args: Args<'_>) -> Error {
    let sub = String::from_utf8_lossy(&args[1]).into_owned();
    failed(format!("unknown subcommand or wrong number of arguments for '{sub}'. Try FUNCTION HELP."))
}

/// `FUNCTION LIST [LIBRARYNAME pattern] [WITHCODE]`
pub(crate) fn list(read: &Read<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    let (mut with_code, mut pattern) = (false, None);
    let mut i = 2;
    while i < args.len() {
        if !with_code && args.is(i, "withcode") {
            with_code = true;
        } else if pattern.is_none() && args.is(i, "libraryname") {
            i += 1;
            pattern = Some(args.get(i).ok_or_else(|| failed("library name argument was not given"))?);
        } else {
            return Err(failed(format!("Unknown argument {}", String::from_utf8_lossy(&args[i]))));
        }
        i += 1;
    }
    let wanted = |library: &&Library| {
        pattern.is_none_or(|pattern| glob::matches_ignore_case(pattern, library.name.as_bytes()))
    };
    let libraries: Vec<&Library> = read.state.scripts.libraries().filter(wanted).collect();
    reply.array(libraries.len());
    for library in libraries {
        write_library(library, with_code, reply);
    }
    Ok(())
}

fn write_library(library: &Library, with_code: bool, reply: &mut Reply) {
    reply.map(if with_code { 4 } else { 3 });
    reply.bulk(b"library_name");
    reply.bulk(library.name.as_bytes());
    reply.bulk(b"engine");
    reply.bulk(b"LUA");
    reply.bulk(b"functions");
    reply.array(library.functions.len());
    library.functions.iter().for_each(|function| write_function(function, reply));
    if with_code {
        reply.bulk(b"library_code");
        reply.bulk(&library.code);
    }
}

fn write_function(function: &Function, reply: &mut Reply) {
    reply.map(3);
    reply.bulk(b"name");
    reply.bulk(function.name.as_bytes());
    reply.bulk(b"description");
    reply.bulk_or_null(function.description.as_deref());
    reply.bulk(b"flags");
    reply.set(function.flags.iter().count());
    function.flags.iter().for_each(|flag| reply.simple(flag.name()));
}

/// `FUNCTION STATS`
pub(crate) fn stats(read: &Read<'_>, _: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    let scripts = &read.state.scripts;
    reply.map(2);
    reply.bulk(b"running_script");
    reply.null();
    reply.bulk(b"engines");
    reply.map(1);
    reply.bulk(b"LUA");
    reply.map(2);
    reply.bulk(b"libraries_count");
    reply.count(scripts.libraries_count());
    reply.bulk(b"functions_count");
    reply.count(scripts.functions_count());
    Ok(())
}

/// `FUNCTION DUMP`
pub(crate) fn dump(read: &Read<'_>, _: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    let codes = read.state.scripts.libraries().map(|library| library.code.as_slice());
    reply.bulk(&payload::write(codes));
    Ok(())
}

/// `FUNCTION RESTORE payload [FLUSH|APPEND|REPLACE]`
pub(crate) fn restore(write: &mut Write<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    if args.len() > 4 {
        return Err(subcommand_syntax(args));
    }
    let (flush, replace) = match args.get(3).map(<[u8]>::to_ascii_lowercase).as_deref() {
        None | Some(b"append") => (false, false),
        Some(b"replace") => (false, true),
        Some(b"flush") => (true, false),
        Some(_) => {
            return Err(failed(
                "Wrong restore policy given, value should be either FLUSH, APPEND or REPLACE.",
            ));
        }
    };
    let mut restored = write.state.scripts.clone();
    restored.forget_libraries();
    for code in payload::read(&args[2])? {
        add(&mut restored, checked(&code)?, false)?;
    }
    if flush {
        write.state.scripts = restored;
    } else {
        let mut joined = write.state.scripts.clone();
        // All that are replaced go first: their functions may come back in other libraries.
        for library in restored.libraries() {
            if joined.library(library.name.as_bytes()).is_some() {
                if !replace {
                    return Err(failed(format!("Library {} already exists", library.name)));
                }
                joined.remove_library(library.name.as_bytes());
            }
        }
        for library in restored.libraries() {
            add(&mut joined, library.clone(), false)?;
        }
        write.state.scripts = joined;
    }
    reply.ok();
    Ok(())
}
