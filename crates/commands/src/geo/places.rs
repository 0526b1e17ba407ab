//! Adding places and reading them.

use quorate_keyspace::SortedSetValue;
use quorate_resp::Reply;

use super::Point;
use super::geohash::{self, Cell, STEPS_MAX, WORLD};
use super::units::{distance_meters, point, unit_meters, write_distance, write_point};
use crate::sorted_sets::writing::{Options, add_scored};
use crate::{Args, Error, Read, Write};

/// `GEOADD key [NX | XX] [CH] longitude latitude member [longitude latitude member ...]`
pub(crate) fn geoadd(write: &mut Write<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    let mut options = Options::default();
    let mut first = 2;
    while first < args.len() {
        match () {
            () if args.is(first, "NX") => options.new_only = true,
            () if args.is(first, "XX") => options.old_only = true,
            () if args.is(first, "CH") => options.changed = true,
            () => break,
        }
        first += 1;
    }
    let places = args.from(first);
    if places.is_empty() || !places.len().is_multiple_of(3) || options.new_only && options.old_only {
        return Err(Error::Syntax);
    }
    let mut members = Vec::with_capacity(places.len() / 3);
    for at in (first..args.len()).step_by(3) {
        let cell = WORLD.cell(point(args, at)?, STEPS_MAX);
        members.push((cell.score() as f64, args.at(at + 2)));
    }
    add_scored(write, &args[1], options, &members, reply)
}

/// `GEOPOS key [member [member ...]]`
pub(crate) fn geopos(read: &Read<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    let set = read.sorted_set(&args[1])?;
    let members = args.from(2);
    reply.array(members.len());
    for member in members {
        match set.and_then(|set| place_of(set, member)) {
            Some(place) => write_point(place, reply),
            None => reply.null_array(),
        }
    }
    Ok(())
}

/// `GEOHASH key [member [member ...]]`
pub(crate) fn geohash(read: &Read<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    let set = read.sorted_set(&args[1])?;
    let members = args.from(2);
    reply.array(members.len());
    for member in members {
        match set.and_then(|set| place_of(set, member)) {
            Some(place) => reply.bulk(&geohash::text(place)),
            None => reply.null(),
        }
    }
    Ok(())
}

/// `GEODIST key member1 member2 [M | KM | FT | MI]`
pub(crate) fn geodist(read: &Read<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    if args.len() > 5 {
        return Err(Error::Syntax);
    }
    let unit = args.get(4).map_or(Ok(1.0), unit_meters)?;
    let set = read.sorted_set(&args[1])?;
    match set.and_then(|set| Some((place_of(set, &args[2])?, place_of(set, &args[3])?))) {
        Some((a, b)) => write_distance(distance_meters(a, b) / unit, reply),
        None => reply.null(),
    }
    Ok(())
}

/// Where a member is.
pub(super) fn place_of(set: &SortedSetValue, member: &[u8]) -> Option<Point> {
    set.score(member).map(|score| Cell::of_score(score).center())
}
