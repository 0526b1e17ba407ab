//! Reading elements.

use quorate_keyspace::{Item, ListValue};
use quorate_resp::Reply;

use super::{index, range};
use crate::items::write_item;
use crate::{Args, Error, Read};

/// `LLEN key`
pub(crate) fn llen(read: &Read<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    reply.count(read.list(&args[1])?.map_or(0, ListValue::len));
    Ok(())
}

/// `LINDEX key index`
pub(crate) fn lindex(read: &Read<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    // Redis looks at the index of an existing key only.
    let Some(list) = read.list(&args[1])? else {
        reply.null();
        return Ok(());
    };
    match index(args.integer(2)?, list.len()).and_then(|index| list.get(index)) {
        Some(item) => write_item(item, reply),
        None => reply.null(),
    }
    Ok(())
}

/// `LRANGE key start stop`
pub(crate) fn lrange(read: &Read<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    let (start, last) = (args.integer(2)?, args.integer(3)?);
    let Some(list) = read.list(&args[1])? else {
        reply.array(0);
        return Ok(());
    };
    let (start, end) = range(start, last, list.len());
    reply.array(end - start);
    list.iter_from(start).take(end - start).for_each(|item| write_item(item, reply));
    Ok(())
}

/// `LPOS key element [RANK rank] [COUNT num-matches] [MAXLEN len]`
pub(crate) fn lpos(read: &Read<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    let search = Search::parse(args)?;
    let list = read.list(&args[1])?;
    let Some(wanted_count) = search.count else {
        match list.and_then(|list| search.matches(list).next()) {
            Some(index) => reply.count(index),
            None => reply.null(),
        }
        return Ok(());
    };
    let place = reply.deferred();
    let mut found = 0;
    if let Some(list) = list {
        for index in search.matches(list).take(wanted_count) {
            reply.count(index);
            found += 1;
        }
    }
    reply.finish_array(place, found);
    Ok(())
}

/// What LPOS looks for, and how.
struct Search<'a> {
    wanted: Item<'a>,
    /// From the last element on.
    backward: bool,
    /// How many matches to pass by.
    skipped: usize,
    /// At most so many matches, as an array; one alone if nothing is said.
    count: Option<usize>,
    /// Among so many elements.
    compared_max: usize,
}

impl<'a> Search<'a> {
    fn parse(args: Args<'a>) -> Result<Search<'a>, Error> {
        let mut search = Search {
            wanted: Item::new(args.at(2)),
            backward: false,
            skipped: 0,
            count: None,
            compared_max: usize::MAX,
        };
        // Zero stands for no limit.
        let limit = |i: usize, text: &'static str| {
            let number = args.positive(i).map_err(|_| Error::text(text))?;
            Ok(if number == 0 { usize::MAX } else { number })
        };
        let mut i = 3;
        while i < args.len() {
            if i + 1 == args.len() {
                return Err(Error::Syntax);
            }
            if args.is(i, "RANK") {
                let rank = args.integer_but_least(i + 1)?;
                if rank == 0 {
                    return Err(Error::text(
                        "ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... \
                         or use negative to start from the end of the list",
                    ));
                }
                search.backward = rank < 0;
                search.skipped = usize::try_from(rank.unsigned_abs() - 1).unwrap_or(usize::MAX);
            } else if args.is(i, "COUNT") {
                search.count = Some(limit(i + 1, "ERR COUNT can't be negative")?);
            } else if args.is(i, "MAXLEN") {
                search.compared_max = limit(i + 1, "ERR MAXLEN can't be negative")?;
            } else {
                return Err(Error::Syntax);
            }
            i += 2;
        }
        Ok(search)
    }

    /// The indexes of what is found, in the order of the search.
    fn matches<'l>(&self, list: &'l ListValue) -> impl Iterator<Item = usize> + use<'a, 'l> {
        let len = list.len();
        let Search { wanted, backward, skipped, compared_max, .. } = *self;
        let forward_items = (!backward).then(|| list.iter_from(0));
        let backward_items = backward.then(|| list.iter_back_from(len));
        let items = forward_items.into_iter().flatten().chain(backward_items.into_iter().flatten());
        items
            .take(compared_max)
            .enumerate()
            .filter(move |(_, item)| *item == wanted)
            .map(move |(at, _)| if backward { len - 1 - at } else { at })
            .skip(skipped)
    }
}
