//! What a search asks for, as its arguments say.

use quorate_keyspace::SortedSetValue;
use quorate_resp::parse_f64;

use super::Point;
use super::area::{Area, Shape};
use super::places::place_of;
use super::units::{point, unit_meters};
use crate::{Args, Error};

/// The commands that search.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Georadius { store: bool },
    GeoradiusByMember { store: bool },
    Geosearch,
    Geosearchstore,
}

/// The order of the result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    None,
    Nearest,
    Farthest,
}

/// A search.
#[derive(Debug)]
pub(super) struct Query<'a> {
    /// Where to look; nothing where there is nothing to look at, and then not all of it was read.
    pub(super) area: Option<Area>,
    /// The length of the unit of distances.
    pub(super) unit: f64,
    pub(super) with_distance: bool,
    pub(super) with_hash: bool,
    pub(super) with_place: bool,
    pub(super) order: Order,
    /// How many places at most; 0: all.
    pub(super) count: usize,
    /// Stop when there are enough, though nearer ones may be left.
    pub(super) any: bool,
    /// Where to store the result.
    pub(super) store: Option<&'a [u8]>,
    /// Store distances as scores, in place of geohashes.
    pub(super) store_distance: bool,
}

impl<'a> Query<'a> {
    /// Reads the arguments. `set` is what the search looks through.
    pub(super) fn parse(
        args: Args<'a>,
        form: Form,
        set: Option<&SortedSetValue>,
    ) -> Result<Query<'a>, Error> {
        let mut parser = Parser {
            args,
            form,
            set,
            center: None,
            shape: None,
            from: None,
            query: Query {
                area: None,
                unit: 1.0,
                with_distance: false,
                with_hash: false,
                with_place: false,
                order: Order::None,
                count: 0,
                any: false,
                store: None,
                store_distance: false,
            },
        };
        let mut i = parser.head()?;
        while i < args.len() {
            i = parser.option(i)?;
        }
        parser.finish()
    }
}

/// How `GEOSEARCH` names its center.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum From {
    Member,
    Place,
}

struct Parser<'a, 's> {
    args: Args<'a>,
    form: Form,
    set: Option<&'s SortedSetValue>,
    center: Option<Point>,
    shape: Option<Shape>,
    from: Option<From>,
    query: Query<'a>,
}

impl<'a> Parser<'a, '_> {
    /// Reads what stands in front of the options; where they begin.
    fn head(&mut self) -> Result<usize, Error> {
        match self.form {
            Form::Georadius { .. } => {
                self.center = Some(point(self.args, 2)?);
                self.radius(4)?;
                Ok(6)
            }
            Form::GeoradiusByMember { .. } => {
                // Redis does not look at the radius where there is nothing to search.
                if let Some(set) = self.set {
                    self.center = Some(member_place(set, &self.args[2])?);
                    self.radius(3)?;
                }
                Ok(5)
            }
            Form::Geosearch => Ok(2),
            Form::Geosearchstore => {
                self.query.store = Some(self.args.at(1));
                Ok(3)
            }
        }
    }

    /// Reads the option at argument `i`; where the next one is.
    fn option(&mut self, i: usize) -> Result<usize, Error> {
        let Parser { args, form, .. } = *self;
        let left = args.len() - i - 1;
        let searches = matches!(form, Form::Geosearch | Form::Geosearchstore);
        let stores =
            matches!(form, Form::Georadius { store: true } | Form::GeoradiusByMember { store: true });
        let is = |word: &str| args.is(i, word);
        match () {
            () if is("WITHDIST") => self.query.with_distance = true,
            () if is("WITHHASH") => self.query.with_hash = true,
            () if is("WITHCOORD") => self.query.with_place = true,
            () if is("ANY") => self.query.any = true,
            () if is("ASC") => self.query.order = Order::Nearest,
            () if is("DESC") => self.query.order = Order::Farthest,
            () if is("COUNT") && left >= 1 => {
                let count = args.integer(i + 1)?;
                if count <= 0 {
                    return Err(Error::text("ERR COUNT must be > 0"));
                }
                self.query.count = usize::try_from(count).unwrap_or(usize::MAX);
                return Ok(i + 2);
            }
            () if stores && left >= 1 && (is("STORE") || is("STOREDIST")) => {
                self.query.store = Some(args.at(i + 1));
                self.query.store_distance = is("STOREDIST");
                return Ok(i + 2);
            }
            () if form == Form::Geosearchstore && is("STOREDIST") => self.query.store_distance = true,
            () if searches => return self.search_option(i, left),
            () => return Err(Error::Syntax),
        }
        Ok(i + 1)
    }

    /// Reads an option of `GEOSEARCH` with `left` arguments behind it.
    fn search_option(&mut self, i: usize, left: usize) -> Result<usize, Error> {
        let args = self.args;
        let is = |word: &str| args.is(i, word);
        if is("FROMMEMBER") && left >= 1 && self.from != Some(From::Place) {
            self.center = self.set.map(|set| member_place(set, &args[i + 1])).transpose()?;
            self.from = Some(From::Member);
            return Ok(i + 2);
        }
        if is("FROMLONLAT") && left >= 2 && self.from != Some(From::Member) {
            self.center = Some(point(args, i + 1)?);
            self.from = Some(From::Place);
            return Ok(i + 3);
        }
        if is("BYRADIUS") && left >= 2 && !matches!(self.shape, Some(Shape::Box { .. })) {
            self.radius(i + 1)?;
            return Ok(i + 3);
        }
        if is("BYBOX") && left >= 3 && !matches!(self.shape, Some(Shape::Circle { .. })) {
            self.rectangle(i + 1)?;
            return Ok(i + 4);
        }
        Err(Error::Syntax)
    }

    /// A radius at argument `i`, and its unit.
    fn radius(&mut self, i: usize) -> Result<(), Error> {
        let radius = parse_f64(&self.args[i]).ok_or(Error::text("ERR need numeric radius"))?;
        if radius < 0.0 {
            return Err(Error::text("ERR radius cannot be negative"));
        }
        self.query.unit = unit_meters(&self.args[i + 1])?;
        self.shape = Some(Shape::Circle { radius: radius * self.query.unit });
        Ok(())
    }

    /// A width at argument `i`, a height, and their unit.
    fn rectangle(&mut self, i: usize) -> Result<(), Error> {
        let width = parse_f64(&self.args[i]).ok_or(Error::text("ERR need numeric width"))?;
        let height = parse_f64(&self.args[i + 1]).ok_or(Error::text("ERR need numeric height"))?;
        if width < 0.0 || height < 0.0 {
            return Err(Error::text("ERR height or width cannot be negative"));
        }
        self.query.unit = unit_meters(&self.args[i + 2])?;
        self.shape = Some(Shape::Box { width: width * self.query.unit, height: height * self.query.unit });
        Ok(())
    }

    fn finish(self) -> Result<Query<'a>, Error> {
        let Parser { args, form, set, center, shape, from, mut query } = self;
        if query.store.is_some() && (query.with_distance || query.with_hash || query.with_place) {
            let what =
                if form == Form::Geosearchstore { "GEOSEARCHSTORE" } else { "STORE option in GEORADIUS" };
            return Err(Error::text(format!(
                "ERR {what} is not compatible with WITHDIST, WITHHASH and WITHCOORD options"
            )));
        }
        if matches!(form, Form::Geosearch | Form::Geosearchstore) {
            let name = String::from_utf8_lossy(&args[0]);
            if from.is_none() {
                return Err(Error::text(format!(
                    "ERR exactly one of FROMMEMBER or FROMLONLAT can be specified for {name}"
                )));
            }
            if shape.is_none() {
                return Err(Error::text(format!(
                    "ERR exactly one of BYRADIUS and BYBOX can be specified for {name}"
                )));
            }
        }
        if query.any && query.count == 0 {
            return Err(Error::text("ERR the ANY argument requires COUNT argument"));
        }
        // The first ones of no order are of no use, but any are.
        if query.count > 0 && query.order == Order::None && !query.any {
            query.order = Order::Nearest;
        }
        query.area = set.and(center).zip(shape).map(|(center, shape)| Area { center, shape });
        Ok(query)
    }
}

fn member_place(set: &SortedSetValue, member: &[u8]) -> Result<Point, Error> {
    place_of(set, member).ok_or(Error::text("ERR could not decode requested zset member"))
}
