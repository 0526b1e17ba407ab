//! Searching for places within an area.

use quorate_keyspace::SortedSetValue;
use quorate_resp::Reply;

use super::Point;
use super::area::Area;
use super::geohash::Cell;
use super::query::{Form, Order, Query};
use super::units::{write_distance, write_point};
use crate::sorted_sets::bounds::ScoreRange;
use crate::{Args, Error, Read, Write};

/// `GEORADIUS key longitude latitude radius unit [option ...] [STORE key | STOREDIST key]`
pub(crate) fn georadius(write: &mut Write<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    search_or_store(write, args, Form::Georadius { store: true }, reply)
}

/// `GEORADIUS_RO key longitude latitude radius unit [option ...]`
pub(crate) fn georadius_ro(read: &Read<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    search(read, args, Form::Georadius { store: false }, reply)
}

/// `GEORADIUSBYMEMBER key member radius unit [option ...] [STORE key | STOREDIST key]`
pub(crate) fn georadiusbymember(
    write: &mut Write<'_>,
    args: Args<'_>,
    reply: &mut Reply,
) -> Result<(), Error> {
    search_or_store(write, args, Form::GeoradiusByMember { store: true }, reply)
}

/// `GEORADIUSBYMEMBER_RO key member radius unit [option ...]`
pub(crate) fn georadiusbymember_ro(read: &Read<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    search(read, args, Form::GeoradiusByMember { store: false }, reply)
}

/// `GEOSEARCH key FROMMEMBER member | FROMLONLAT longitude latitude BYRADIUS radius unit | BYBOX width height unit
/// [option ...]`
pub(crate) fn geosearch(read: &Read<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    search(read, args, Form::Geosearch, reply)
}

/// `GEOSEARCHSTORE destination source …` as `GEOSEARCH`, with `STOREDIST` to store distances
pub(crate) fn geosearchstore(write: &mut Write<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    search_or_store(write, args, Form::Geosearchstore, reply)
}

/// A place that was found.
struct Found<'a> {
    member: &'a [u8],
    score: f64,
    place: Point,
    /// From the center of the search, in meters.
    distance: f64,
}

fn search(read: &Read<'_>, args: Args<'_>, form: Form, reply: &mut Reply) -> Result<(), Error> {
    let set = read.sorted_set(&args[1])?;
    let query = Query::parse(args, form, set)?;
    write_found(&find(set, &query), &query, reply);
    Ok(())
}

fn search_or_store(
    write: &mut Write<'_>,
    args: Args<'_>,
    form: Form,
    reply: &mut Reply,
) -> Result<(), Error> {
    let source = if form == Form::Geosearchstore { &args[2] } else { &args[1] };
    let set = write.sorted_set(source)?;
    let query = Query::parse(args, form, set)?;
    let found = find(set, &query);
    let Some(target) = query.store else {
        write_found(&found, &query, reply);
        return Ok(());
    };
    let scored = found.iter().map(|found| {
        let score = if query.store_distance { found.distance / query.unit } else { found.score };
        (found.member, score)
    });
    let result = write.new_sorted_set(scored);
    let event = if form == Form::Geosearchstore { "geosearchstore" } else { "georadiusstore" };
    let stored = write.store_sorted_set(target, result, event);
    reply.integer(stored);
    Ok(())
}

fn find<'a>(set: Option<&'a SortedSetValue>, query: &Query<'_>) -> Vec<Found<'a>> {
    let (Some(set), Some(area)) = (set, &query.area) else { return Vec::new() };
    let enough = if query.any { query.count } else { usize::MAX };
    let mut found = Vec::new();
    for cell in area.cells() {
        if found.len() >= enough {
            break;
        }
        find_in_cell(set, area, cell, enough, &mut found);
    }
    match query.order {
        Order::None => {}
        Order::Nearest => found.sort_by(|a, b| a.distance.total_cmp(&b.distance)),
        Order::Farthest => found.sort_by(|a, b| b.distance.total_cmp(&a.distance)),
    }
    if query.count > 0 {
        found.truncate(query.count);
    }
    found
}

/// Adds the places of a cell that are in the area, until there are enough.
fn find_in_cell<'a>(
    set: &'a SortedSetValue,
    area: &Area,
    cell: Cell,
    enough: usize,
    found: &mut Vec<Found<'a>>,
) {
    let range = ScoreRange::between(cell.score() as f64, cell.score_end() as f64, true);
    for (member, score) in set.range(range.ranks(set)) {
        let place = Cell::of_score(score).center();
        if let Some(distance) = area.distance_inside(place) {
            found.push(Found { member, score, place, distance });
            if found.len() >= enough {
                return;
            }
        }
    }
}

fn write_found(found: &[Found<'_>], query: &Query<'_>, reply: &mut Reply) {
    let details = [query.with_distance, query.with_hash, query.with_place];
    let details = details.into_iter().filter(|wanted| *wanted).count();
    reply.array(found.len());
    for found in found {
        if details > 0 {
            reply.array(1 + details);
        }
        reply.bulk(found.member);
        if query.with_distance {
            write_distance(found.distance / query.unit, reply);
        }
        if query.with_hash {
            reply.integer(found.score as i64);
        }
        if query.with_place {
            write_point(found.place, reply);
        }
    }
}
