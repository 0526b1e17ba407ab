//! A running Redis becomes a cluster: its data first, then its stream of commands, until it is cut over.
//!
//! ```text
//!  ask ──► copy ──► load ──► follow ──(cut over)──► pause writes ──► drain ──► fence ──► compare ──► done
//!   ▲                          │
//!   └──── broken: go on ───────┘
//! ```
//!
//! For: the order of things, and what happens when a connection breaks. Leaves to others: the stream (`link`), the
//! target (`apply`), the cut-over (`cut_over`).
//! Invariants: what the source has done takes effect once and in its order; a place is acknowledged after it has taken
//! effect in the target.

mod apply;
mod copy;
mod cut_over;
mod link;

use std::time::{Duration, Instant};

use self::apply::{Applier, Batch, forget_progress, read_progress, route, write_progress};
pub(crate) use self::copy::{Copy, copy_of};
pub use self::cut_over::CutOver;
use self::link::{Fed, Link, Place, ask};
use crate::load::{Databases, Loaded, load};
use crate::{
    Address, Connection, Error, Event, Observer, OnConflict, Progress, Stage, Target, TargetOptions,
};

/// Between two acknowledgements, and two questions for the source's place.
const TELL_PAUSE: Duration = Duration::from_millis(1000);
/// Between two tries to reach a source, and for how long.
const RETRY_PAUSE: Duration = Duration::from_secs(1);
const AWAY_MAX: Duration = Duration::from_secs(120);

/// What is to be done.
#[derive(Debug, Clone)]
pub struct LiveOptions {
    /// The Redis.
    pub source: Address,
    /// Nodes of the cluster.
    pub targets: Vec<Address>,
    /// What is done about keys that are there already.
    pub on_conflict: OnConflict,
    /// Which databases are moved.
    pub databases: Databases,
    /// Cut over by itself once fewer bytes of the stream are open than this.
    pub cut_over_below_bytes: Option<u64>,
    /// Compare every key while the source's writes are paused.
    pub verify: bool,
    /// Leave the source refusing writes.
    pub fence: bool,
}

/// What came of it.
#[derive(Debug, Clone)]
pub struct LiveReport {
    /// What the source's copy held; of the last one where it took several.
    pub loaded: Loaded,
    /// Commands of the stream.
    pub commands: u64,
    /// The cut-over.
    pub cut_over: CutOver,
}

/// Follows a source until it is cut over.
///
/// # Errors
/// The source or the target is away for long or refuses, or they differ in the end; the source takes writes then as
/// before.
pub fn import_live(options: &LiveOptions, observer: &mut dyn Observer) -> Result<LiveReport, Error> {
    let mut control = Connection::open(&options.source)?;
    if control.info("server")?.iter().any(|(name, value)| name == "server_name" && value == "quorate") {
        let what = "the source is a node of Quorate, whose stream has no place to go on at: export it, and import the file";
        return Err(Error::Usage(what.into()));
    }
    let target_options = TargetOptions { on_conflict: options.on_conflict };
    let mut target = Target::open(&options.targets, target_options)?;
    let earlier = read_progress(target.connection()?)?;
    let was_empty = earlier.is_none() && target.connection()?.databases()?.is_empty();
    if let Some(place) = &earlier {
        let what =
            format!("an earlier import into this target was at byte {} of the source's stream", place.offset);
        observer.event(Event::Note(what));
    }
    let mut import = Import {
        options,
        was_empty,
        loaded: Loaded::default(),
        has_loaded: earlier.is_some(),
        progress: Progress::default(),
    };
    let mut place = earlier;
    let mut commands = 0;
    loop {
        let (mut link, mut applier) = import.begin(target, place.as_ref(), observer)?;
        applier.commands = commands;
        match import.follow(&mut link, &mut applier, &mut control, observer) {
            Ok(()) => {
                let cut_over = cut_over::cut_over(
                    options,
                    &mut link,
                    &mut applier,
                    &mut control,
                    &mut import.progress,
                    observer,
                )?;
                forget_progress(&mut applier.connection)?;
                return Ok(LiveReport { loaded: import.loaded, commands: applier.commands, cut_over });
            }
            Err(error) if error.is_broken_connection() => {
                observer.event(Event::Warning(format!("{error}; asking the source again")));
                place = Some(applier.applied.clone());
                commands = applier.commands;
                control = patiently(|| Connection::open(&options.source))?;
                target = Target::open(&options.targets, TargetOptions { on_conflict: options.on_conflict })?;
            }
            Err(error) => return Err(error),
        }
    }
}

/// Tries again for a while what fails for want of a connection, or because the source is not ready.
fn patiently<T>(mut work: impl FnMut() -> Result<T, Error>) -> Result<T, Error> {
    let deadline = Instant::now() + AWAY_MAX;
    loop {
        match work() {
            Err(error) if Instant::now() < deadline && is_passing(&error) => std::thread::sleep(RETRY_PAUSE),
            result => return result,
        }
    }
}

fn is_passing(error: &Error) -> bool {
    let not_ready =
        |text: &str| ["LOADING", "NOMASTERLINK", "MASTERDOWN"].iter().any(|code| text.starts_with(code));
    error.is_broken_connection() || matches!(error, Error::Refused { text, .. } if not_ready(text))
}

/// What does not change over several connections.
struct Import<'o> {
    options: &'o LiveOptions,
    was_empty: bool,
    loaded: Loaded,
    /// Whether the target holds a copy, or a part of one.
    has_loaded: bool,
    progress: Progress,
}

impl Import<'_> {
    /// Goes on at a place, or takes a copy.
    fn begin(
        &mut self,
        mut target: Target,
        place: Option<&Place>,
        observer: &mut dyn Observer,
    ) -> Result<(Link, Applier), Error> {
        let options = self.options;
        let mut from = place;
        loop {
            let mut dump = match patiently(|| ask(&options.source, from))? {
                Fed::Continue(link) => {
                    let what = format!("the source goes on at byte {} of its stream", link.place.offset);
                    observer.event(Event::Note(what));
                    let applier =
                        Applier::new(options.targets.clone(), into_connection(target)?, link.place.clone());
                    return Ok((link, applier));
                }
                Fed::Full(dump) => dump,
            };
            self.make_room(&mut target, observer)?;
            self.has_loaded = true;
            self.progress =
                Progress { stage: Stage::Load, bytes_total: dump.bytes_total(), ..Progress::default() };
            let loaded =
                load(&mut dump.reader, Some(&mut target), &options.databases, &mut self.progress, observer);
            let link = loaded.and_then(|loaded| {
                self.loaded = loaded;
                dump.finish()
            });
            match link {
                Ok(link) => {
                    let keys = self.loaded.keys_total();
                    observer.event(Event::Note(format!(
                        "the copy of {keys} keys is loaded; following the source"
                    )));
                    let mut connection = into_connection(target)?;
                    write_progress(&mut connection, &link.place)?;
                    let applier = Applier::new(options.targets.clone(), connection, link.place.clone());
                    return Ok((link, applier));
                }
                Err(error) if error.is_broken_connection() => {
                    observer.event(Event::Warning(format!("{error}; taking a new copy")));
                    let on_conflict = options.on_conflict;
                    target = patiently(|| Target::open(&options.targets, TargetOptions { on_conflict }))?;
                    from = None;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// A new copy takes the place of all that came from the source before.
    fn make_room(&mut self, target: &mut Target, observer: &mut dyn Observer) -> Result<(), Error> {
        if !self.has_loaded {
            return Ok(());
        }
        if !self.was_empty {
            return Err(Error::NotEmpty(
                "the source cannot go on where the import was, and the target held keys before the import, which a new \
                 copy could not be told from: empty the target, or the part that was imported, and start again"
                    .into(),
            ));
        }
        let what = "the source cannot go on where the import was: everything in the target is removed for a new copy";
        observer.event(Event::Warning(what.into()));
        let connection = target.connection()?;
        connection.call(&[b"FLUSHALL"])?;
        connection.call(&[b"FUNCTION", b"FLUSH"]).map(drop)
    }

    /// Applies the stream until it is to be cut over.
    fn follow(
        &mut self,
        link: &mut Link,
        applier: &mut Applier,
        control: &mut Connection,
        observer: &mut dyn Observer,
    ) -> Result<(), Error> {
        self.progress = Progress { stage: Stage::Follow, ..Progress::default() };
        link.acknowledge(applier.applied.offset)?;
        let mut told = Instant::now();
        loop {
            drain(link, applier, &self.options.databases, observer)?;
            self.progress.commands = applier.commands;
            observer.progress(&self.progress);
            let mut wants = observer.wants_cut_over();
            if told.elapsed() >= TELL_PAUSE {
                told = Instant::now();
                link.acknowledge(applier.applied.offset)?;
                let lag = source_offset(control)?.saturating_sub(applier.applied.offset);
                self.progress.lag_bytes = Some(lag);
                wants |= self.options.cut_over_below_bytes.is_some_and(|below| lag < below);
            }
            if wants {
                return Ok(());
            }
            link.wait()?;
        }
    }
}

fn into_connection(mut target: Target) -> Result<Connection, Error> {
    target.finish()?;
    Ok(target.into_connection())
}

/// Applies what has come.
fn drain(
    link: &mut Link,
    applier: &mut Applier,
    databases: &Databases,
    observer: &mut dyn Observer,
) -> Result<(), Error> {
    let mut batch = Batch::default();
    let mut wants_acknowledgement = false;
    loop {
        let next = link.next()?;
        let has_more = next.is_some();
        if let Some(request) = next {
            wants_acknowledgement |= route(request, &mut link.place, databases, &mut batch);
        } else if !batch.is_whole() {
            // The rest of a transaction is on its way.
            link.wait()?;
            continue;
        }
        if batch.is_full() || !has_more && !batch.is_empty() {
            let place = link.place.clone();
            applier.apply(&mut batch, &place, observer)?;
        } else if batch.is_empty() && batch.is_whole() {
            applier.skip_to(&link.place);
        }
        if wants_acknowledgement && batch.is_empty() && batch.is_whole() {
            wants_acknowledgement = false;
            link.acknowledge(applier.applied.offset)?;
        }
        if !has_more {
            return Ok(());
        }
    }
}

/// How far the source's history goes.
fn source_offset(control: &mut Connection) -> Result<u64, Error> {
    let pairs = control.info("replication")?;
    let offset = pairs.iter().find(|(name, _)| name == "master_repl_offset");
    Ok(offset.and_then(|(_, offset)| offset.parse().ok()).unwrap_or_default())
}
