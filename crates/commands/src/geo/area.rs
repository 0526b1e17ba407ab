//! The area of a search: what is in it, and which cells cover it.

use super::Point;
use super::geohash::{Bounds, Cell, STEPS_MAX, WORLD};
use super::units::{EARTH_RADIUS_METERS, degrees, distance_meters, latitude_meters, radians};

/// Half the earth's circumference at the equator, in Mercator's projection.
const MERCATOR_MAX_METERS: f64 = 20_037_726.37;

/// A form around a place, in meters.
#[derive(Debug, Clone, Copy)]
pub(super) enum Shape {
    Circle {
        radius: f64,
    },
    /// With sides along the meridians.
    Box {
        width: f64,
        height: f64,
    },
}

/// A form and the place in its middle.
#[derive(Debug, Clone, Copy)]
pub(super) struct Area {
    pub(super) center: Point,
    pub(super) shape: Shape,
}

impl Area {
    /// How far a place within the area is from its center, in meters; nothing for one that is outside.
    pub(super) fn distance_inside(&self, place: Point) -> Option<f64> {
        match self.shape {
            Shape::Circle { radius } => {
                let distance = distance_meters(self.center, place);
                (distance <= radius).then_some(distance)
            }
            Shape::Box { width, height } => {
                let beside = Point { longitude: self.center.longitude, latitude: place.latitude };
                let inside = latitude_meters(place.latitude, self.center.latitude) <= height / 2.0
                    && distance_meters(place, beside) <= width / 2.0;
                inside.then(|| distance_meters(self.center, place))
            }
        }
    }

    /// Cells that cover the area: the one of the center, and those around it that are of use. In the order in which
    /// Redis looks at them, which unsorted replies show.
    pub(super) fn cells(&self) -> Vec<Cell> {
        let bounds = self.bounds();
        let mut steps = self.estimated_steps();
        let mut cell = WORLD.cell(self.center, steps);
        if steps > 1 && !reaches(cell, &bounds) {
            steps -= 1;
            cell = WORLD.cell(self.center, steps);
        }
        let inner = cell.bounds();
        // Where the cell reaches beyond the area nothing is behind it.
        let useful = |east: i8, north: i8| {
            steps < 2
                || !(north < 0 && inner.min.latitude < bounds.min.latitude
                    || north > 0 && inner.max.latitude > bounds.max.latitude
                    || east < 0 && inner.min.longitude < bounds.min.longitude
                    || east > 0 && inner.max.longitude > bounds.max.longitude)
        };
        let mut cells = vec![cell];
        let mut last = None;
        for (east, north) in [(0, 1), (0, -1), (1, 0), (-1, 0), (1, 1), (-1, 1), (1, -1), (-1, -1)] {
            let neighbour = cell.neighbour(east, north);
            // Around the whole earth neighbours are the same cell.
            if useful(east, north) && last != Some(neighbour) {
                cells.push(neighbour);
                last = Some(neighbour);
            }
        }
        cells
    }

    /// The least and greatest longitude and latitude.
    fn bounds(&self) -> Bounds {
        let (half_width, half_height) = match self.shape {
            Shape::Circle { radius } => (radius, radius),
            Shape::Box { width, height } => (width / 2.0, height / 2.0),
        };
        let Point { longitude, latitude } = self.center;
        let north = degrees(half_height / EARTH_RADIUS_METERS);
        // Meridians are closest at the edge that is nearer to a pole.
        let edge = if latitude < 0.0 { latitude - north } else { latitude + north };
        let east = degrees(half_width / EARTH_RADIUS_METERS / libm::cos(radians(edge)));
        Bounds {
            min: Point { longitude: longitude - east, latitude: latitude - north },
            max: Point { longitude: longitude + east, latitude: latitude + north },
        }
    }

    /// So many steps that the cells around the center cover the area, mostly.
    fn estimated_steps(&self) -> u32 {
        let mut reach = match self.shape {
            Shape::Circle { radius } => radius,
            Shape::Box { width, height } => {
                ((width / 2.0) * (width / 2.0) + (height / 2.0) * (height / 2.0)).sqrt()
            }
        };
        if reach == 0.0 {
            return STEPS_MAX;
        }
        let mut steps: i32 = 1;
        while reach < MERCATOR_MAX_METERS {
            reach *= 2.0;
            steps += 1;
        }
        steps -= 2;
        // Cells are narrower near the poles.
        let latitude = self.center.latitude.abs();
        if latitude > 66.0 {
            steps -= 1;
        }
        if latitude > 80.0 {
            steps -= 1;
        }
        steps.clamp(1, STEPS_MAX as i32).unsigned_abs()
    }
}

/// Whether a cell and its neighbours reach as far as the bounds in every direction.
fn reaches(cell: Cell, bounds: &Bounds) -> bool {
    cell.neighbour(0, 1).bounds().max.latitude >= bounds.max.latitude
        && cell.neighbour(0, -1).bounds().min.latitude <= bounds.min.latitude
        && cell.neighbour(1, 0).bounds().max.longitude >= bounds.max.longitude
        && cell.neighbour(-1, 0).bounds().min.longitude <= bounds.min.longitude
}
