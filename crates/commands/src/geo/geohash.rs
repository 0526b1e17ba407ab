//! Geohashes: a cell of the map as interleaved bits of longitude and latitude.
//!
//! Each *step* halves the cell in both directions; a score has 26 steps, 52 bits, which a double holds exactly.
//!
//! ```text
//! bit    51        50        49        48      …
//! halves longitude latitude  longitude latitude
//! ```

use super::Point;

/// Steps of a score.
pub(super) const STEPS_MAX: u32 = 26;

/// Longitudes and latitudes between bounds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    pub(super) min: Point,
    pub(super) max: Point,
}

/// What scores cover: the map in Mercator's projection, which ends before the poles.
pub(super) const WORLD: Bounds = Bounds {
    min: Point { longitude: -180.0, latitude: -85.051_128_78 },
    max: Point { longitude: 180.0, latitude: 85.051_128_78 },
};

/// What standard geohash strings cover.
const GLOBE: Bounds = Bounds {
    min: Point { longitude: -180.0, latitude: -90.0 },
    max: Point { longitude: 180.0, latitude: 90.0 },
};

/// A cell of the map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cell {
    bits: u64,
    steps: u32,
}

const LONGITUDE_BITS: u64 = 0xaaaa_aaaa_aaaa_aaaa;
const LATITUDE_BITS: u64 = 0x5555_5555_5555_5555;

impl Bounds {
    pub(super) fn contain(&self, point: Point) -> bool {
        (self.min.longitude..=self.max.longitude).contains(&point.longitude)
            && (self.min.latitude..=self.max.latitude).contains(&point.latitude)
    }

    /// The cell of a point within the bounds.
    pub(super) fn cell(&self, point: Point, steps: u32) -> Cell {
        let cells = (1u64 << steps) as f64;
        let longitude = (point.longitude - self.min.longitude) / (self.max.longitude - self.min.longitude);
        let latitude = (point.latitude - self.min.latitude) / (self.max.latitude - self.min.latitude);
        let bits = spread((latitude * cells) as u32) | spread((longitude * cells) as u32) << 1;
        Cell { bits, steps }
    }
}

impl Cell {
    /// The cell that a score stands for. Scores that no place has give places at the edge.
    pub(super) fn of_score(score: f64) -> Cell {
        Cell { bits: whole(score), steps: STEPS_MAX }
    }

    /// The bits as a score, with zeros for the steps that are missing.
    pub(super) fn score(self) -> u64 {
        self.bits << (2 * (STEPS_MAX - self.steps))
    }

    /// The first score behind all places in the cell.
    pub(super) fn score_end(self) -> u64 {
        Cell { bits: self.bits.wrapping_add(1), ..self }.score()
    }

    pub(super) fn bounds(self) -> Bounds {
        let cells = (1u64 << self.steps) as f64;
        let (longitude, latitude) = (gather(self.bits >> 1), gather(self.bits));
        let at = |min: f64, max: f64, index: u32| min + (f64::from(index) / cells) * (max - min);
        let point = |longitude, latitude| Point {
            longitude: at(WORLD.min.longitude, WORLD.max.longitude, longitude),
            latitude: at(WORLD.min.latitude, WORLD.max.latitude, latitude),
        };
        Bounds {
            min: point(longitude, latitude),
            max: point(longitude.wrapping_add(1), latitude.wrapping_add(1)),
        }
    }

    /// The middle of the cell.
    pub(super) fn center(self) -> Point {
        let Bounds { min, max } = self.bounds();
        Point {
            longitude: ((min.longitude + max.longitude) / 2.0)
                .clamp(WORLD.min.longitude, WORLD.max.longitude),
            latitude: ((min.latitude + max.latitude) / 2.0).clamp(WORLD.min.latitude, WORLD.max.latitude),
        }
    }

    /// The cell so many cells to the east and to the north, each -1, 0 or 1. The map has no edge here: behind the
    /// last cell comes the first.
    pub(super) fn neighbour(self, east: i8, north: i8) -> Cell {
        let longitude = moved(self.bits & LONGITUDE_BITS, LONGITUDE_BITS, self.steps, east);
        let latitude = moved(self.bits & LATITUDE_BITS, LATITUDE_BITS, self.steps, north);
        Cell { bits: longitude | latitude, steps: self.steps }
    }
}

/// Adds to a number whose digits are every other bit: ones between them carry over.
fn moved(digits: u64, places: u64, steps: u32, by: i8) -> u64 {
    let unused = 64 - 2 * steps;
    let between = !places >> unused;
    let sum = match by {
        0 => return digits,
        1.. => digits.wrapping_add(between.wrapping_add(1)),
        _ => (digits | between).wrapping_sub(between.wrapping_add(1)),
    };
    sum & places >> unused
}

/// Puts a zero in front of each bit.
fn spread(number: u32) -> u64 {
    let mut bits = u64::from(number);
    for (shift, mask) in [
        (16, 0x0000_ffff_0000_ffff),
        (8, 0x00ff_00ff_00ff_00ff),
        (4, 0x0f0f_0f0f_0f0f_0f0f),
        (2, 0x3333_3333_3333_3333),
        (1, LATITUDE_BITS),
    ] {
        bits = (bits | bits << shift) & mask;
    }
    bits
}

/// Takes every other bit, from the last on.
fn gather(bits: u64) -> u32 {
    let mut number = bits & LATITUDE_BITS;
    for (shift, mask) in [
        (1, 0x3333_3333_3333_3333),
        (2, 0x0f0f_0f0f_0f0f_0f0f),
        (4, 0x00ff_00ff_00ff_00ff),
        (8, 0x0000_ffff_0000_ffff),
        (16, 0x0000_0000_ffff_ffff),
    ] {
        number = (number | number >> shift) & mask;
    }
    number as u32
}

/// The standard geohash string of a place: 11 characters, of which the last is always `0`, because 52 bits are too
/// few for it.
pub(super) fn text(point: Point) -> [u8; 11] {
    const ALPHABET: &[u8; 32] = b"0123456789bcdefghjkmnpqrstuvwxyz";
    let bits = GLOBE.cell(point, STEPS_MAX).bits;
    let mut text = [b'0'; 11];
    for (i, character) in text.iter_mut().take(10).enumerate() {
        *character = ALPHABET[(bits >> (47 - 5 * i) & 31) as usize];
    }
    text
}

/// The bits that a score stands for. One that is no number of 52 bits comes from ZADD; C leaves open what becomes of it,
/// and this is what a Redis on x86-64 makes of it.
fn whole(score: f64) -> u64 {
    const HALF: f64 = (1u64 << 63) as f64;
    // The processor's conversion has one answer for all that it cannot represent.
    let convert = |number: f64| if (-HALF..HALF).contains(&number) { number as i64 } else { i64::MIN };
    if score < HALF { convert(score) as u64 } else { (convert(score - HALF) ^ i64::MIN) as u64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PALERMO: Point = Point { longitude: 13.361389, latitude: 38.115556 };

    #[test]
    fn scores_and_strings_are_those_of_redis() {
        let cell = WORLD.cell(PALERMO, STEPS_MAX);
        assert_eq!(cell.score(), 3_479_099_956_230_698);
        assert_eq!(&text(cell.center()), b"sqc8b49rny0");
        assert_eq!(Cell::of_score(cell.score() as f64), cell);
    }

    #[test]
    fn a_cell_contains_its_points_and_touches_its_neighbours() {
        for steps in 1..=STEPS_MAX {
            let cell = WORLD.cell(PALERMO, steps);
            assert!(cell.bounds().contain(PALERMO) && cell.bounds().contain(cell.center()), "{steps} steps");
            assert_eq!(cell.neighbour(1, -1).neighbour(-1, 1), cell, "{steps} steps");
            if steps > 3 {
                let (east, north) = (cell.neighbour(1, 0), cell.neighbour(0, 1));
                assert_eq!(east.bounds().min.longitude, cell.bounds().max.longitude, "{steps} steps");
                assert_eq!(north.bounds().min.latitude, cell.bounds().max.latitude, "{steps} steps");
            }
        }
        let last = WORLD.cell(Point { longitude: 179.9, latitude: 0.0 }, 5);
        assert_eq!(last.neighbour(1, 0).bounds().min.longitude, -180.0, "around the earth");
    }
}
