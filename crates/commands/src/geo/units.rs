//! Units of distance, distances on the earth, and how both are written.

use quorate_resp::{Protocol, Reply, parse_f64};

use super::Point;
use super::geohash::WORLD;
use crate::{Args, Error};

/// The earth's quadratic mean radius.
pub(super) const EARTH_RADIUS_METERS: f64 = 6_372_797.560856;

/// The length of a unit that an argument names.
pub(super) fn unit_meters(name: &[u8]) -> Result<f64, Error> {
    [("m", 1.0), ("km", 1000.0), ("ft", 0.3048), ("mi", 1609.34)]
        .into_iter()
        .find_map(|(unit, meters)| name.eq_ignore_ascii_case(unit.as_bytes()).then_some(meters))
        .ok_or(Error::text("ERR unsupported unit provided. please use M, KM, FT, MI"))
}

/// The place that the arguments `i` and the one behind it give.
pub(super) fn point(args: Args<'_>, i: usize) -> Result<Point, Error> {
    let longitude = parse_f64(&args[i]).ok_or(Error::NotFloat)?;
    let latitude = parse_f64(&args[i + 1]).ok_or(Error::NotFloat)?;
    let point = Point { longitude, latitude };
    if WORLD.contain(point) {
        return Ok(point);
    }
    Err(Error::text(format!("ERR invalid longitude,latitude pair {longitude:.6},{latitude:.6}")))
}

/// Meters between two latitudes.
pub(super) fn latitude_meters(a: f64, b: f64) -> f64 {
    EARTH_RADIUS_METERS * (radians(b) - radians(a)).abs()
}

/// Meters between two places, by the haversine formula.
pub(super) fn distance_meters(a: Point, b: Point) -> f64 {
    let v = libm::sin((radians(b.longitude) - radians(a.longitude)) / 2.0);
    if v == 0.0 {
        return latitude_meters(a.latitude, b.latitude);
    }
    let (from, to) = (radians(a.latitude), radians(b.latitude));
    let u = libm::sin((to - from) / 2.0);
    let haversine = u * u + libm::cos(from) * libm::cos(to) * v * v;
    2.0 * EARTH_RADIUS_METERS * libm::asin(haversine.sqrt())
}

pub(super) fn radians(degrees: f64) -> f64 {
    degrees * (std::f64::consts::PI / 180.0)
}

pub(super) fn degrees(radians: f64) -> f64 {
    radians / (std::f64::consts::PI / 180.0)
}

/// Writes a distance with four digits behind the point, a bulk string in both versions of the protocol.
pub(super) fn write_distance(distance: f64, reply: &mut Reply) {
    let scaled = (distance * 10_000.0).round_ties_even() as i64;
    reply.bulk(format!("{}.{:04}", scaled / 10_000, scaled % 10_000).as_bytes());
}

/// Writes longitude and latitude with up to 17 digits behind the point.
pub(super) fn write_point(point: Point, reply: &mut Reply) {
    reply.array(2);
    for degrees in [point.longitude, point.latitude] {
        let text = format!("{degrees:.17}");
        let text = text.trim_end_matches('0').trim_end_matches('.');
        let text = if text == "-0" { "0" } else { text };
        match reply.protocol() {
            Protocol::Resp2 => reply.bulk(text.as_bytes()),
            Protocol::Resp3 => reply.raw(format!(",{text}\r\n").as_bytes()),
        }
    }
}
