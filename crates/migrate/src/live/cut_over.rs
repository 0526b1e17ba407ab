//! The moment at which the target takes over.
//!
//! For: a point in the source's history behind which there is nothing, and the proof that both sides are the same there.
//! Invariant: the source takes no write between that point and the end, and none after it where it is fenced; if anything
//! fails, it takes writes as before.

use std::time::{Duration, Instant};

use super::apply::{Applier, PROGRESS_KEY};
use super::link::Link;
use super::{LiveOptions, drain, source_offset};
use crate::compare::compare_servers;
use crate::{Comparison, Connection, Error, Event, Observer, Progress, Stage};

/// For how long writes are paused at once; the pause is renewed while there is work.
const PAUSE: Duration = Duration::from_secs(60);
/// How long a source that cannot pause writes has to be quiet.
const QUIET: Duration = Duration::from_secs(3);
/// How long the rest of the stream may take.
const DRAIN_MAX: Duration = Duration::from_secs(120);
/// A number of replicas that no source has: it refuses every write for want of them.
const REPLICAS_NEVER: &str = "1000000";

/// How the cut-over went.
#[derive(Debug, Clone)]
pub struct CutOver {
    /// Whether the source's writes were paused; otherwise it had been quiet.
    pub paused: bool,
    /// From the beginning of the pause until everything was applied.
    pub caught_up: Duration,
    /// From the beginning of the pause to the end of it.
    pub pause: Duration,
    /// Whether the source refuses writes from now on.
    pub fenced: bool,
    /// What the comparison found, if there was one.
    pub comparison: Option<Comparison>,
}

pub(super) fn cut_over(
    options: &LiveOptions,
    link: &mut Link,
    applier: &mut Applier,
    control: &mut Connection,
    progress: &mut Progress,
    observer: &mut dyn Observer,
) -> Result<CutOver, Error> {
    let start = Instant::now();
    let paused = pause(control)?;
    if !paused {
        let what = "the source cannot pause writes (that is of Redis 6.2): waiting until it is quiet; stop its clients";
        observer.event(Event::Warning(what.into()));
    }
    let mut fence = None;
    let result = hold(options, link, applier, control, progress, observer, paused, &mut fence);
    let (caught_up, comparison) = match result {
        Ok(done) => done,
        Err(error) => {
            // The source goes on as before; should it be away, its pause ends by itself.
            if let Some(before) = &fence {
                let _undone = control.call(&[b"CONFIG", b"SET", b"min-replicas-to-write", before.as_bytes()]);
            }
            let _undone = control.call(&[b"CLIENT", b"UNPAUSE"]);
            return Err(error);
        }
    };
    let fenced = fence.is_some();
    if paused && (fenced || !options.fence) {
        control.call(&[b"CLIENT", b"UNPAUSE"])?;
    }
    Ok(CutOver { paused, caught_up, pause: start.elapsed(), fenced, comparison })
}

/// What is done while the source takes no writes.
#[expect(clippy::too_many_arguments, reason = "the two ends, what to do with them, and what is to be undone")]
fn hold(
    options: &LiveOptions,
    link: &mut Link,
    applier: &mut Applier,
    control: &mut Connection,
    progress: &mut Progress,
    observer: &mut dyn Observer,
    paused: bool,
    fence: &mut Option<String>,
) -> Result<(Duration, Option<Comparison>), Error> {
    let start = Instant::now();
    catch_up(options, link, applier, control, paused, observer)?;
    let caught_up = start.elapsed();
    observer.event(Event::Note(format!(
        "writes stand still; the target has all of them, up to byte {} of the source's stream, after {} ms",
        applier.applied.offset,
        caught_up.as_millis()
    )));
    if options.fence {
        *fence = self::fence(control, observer)?;
    }
    let mut comparison = None;
    if options.verify {
        *progress = Progress { stage: Stage::Compare, ..Progress::default() };
        let mut renewed = Instant::now();
        let found = compare_servers(
            control,
            &mut applier.connection,
            &options.databases,
            PROGRESS_KEY,
            progress,
            observer,
            |source| {
                if paused && renewed.elapsed() >= PAUSE / 4 {
                    renewed = Instant::now();
                    pause(source)?;
                }
                // The source is not to give its replica up meanwhile.
                link.acknowledge(link.place.offset)
            },
        )?;
        if found.different > 0 {
            let first = found.named.first().map(|named| format!(", such as {named}")).unwrap_or_default();
            let what =
                format!("{} of {} keys differ{first}; nothing was cut over", found.different, found.keys);
            return Err(Error::Differs(what));
        }
        comparison = Some(found);
    }
    // Nothing has been written meanwhile, or it is not yet the end.
    let commands = applier.commands;
    catch_up(options, link, applier, control, paused, observer)?;
    if applier.commands > commands && options.verify {
        let what =
            format!("the source has taken {} writes while it was compared", applier.commands - commands);
        return Err(Error::Differs(what));
    }
    Ok((caught_up, comparison))
}

/// Pauses writes; false if the source cannot.
fn pause(control: &mut Connection) -> Result<bool, Error> {
    let millis = PAUSE.as_millis().to_string();
    match control.call(&[b"CLIENT", b"PAUSE", millis.as_bytes(), b"WRITE"]) {
        Ok(_) => Ok(true),
        Err(Error::Refused { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Makes the source refuse writes; gives the setting that did not.
fn fence(control: &mut Connection, observer: &mut dyn Observer) -> Result<Option<String>, Error> {
    let set = control.call(&[b"CONFIG", b"GET", b"min-replicas-to-write"]).and_then(|before| {
        let before = before.as_array().and_then(|pair| pair.get(1)?.as_str()).unwrap_or("0").to_owned();
        control.call(&[b"CONFIG", b"SET", b"min-replicas-to-write", REPLICAS_NEVER.as_bytes()])?;
        Ok(before)
    });
    match set {
        Ok(before) => Ok(Some(before)),
        Err(Error::Refused { text, .. }) => {
            let what = format!(
                "the source cannot be made to refuse writes ({text}): its pause is left to end by itself"
            );
            observer.event(Event::Warning(what));
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Applies the stream up to where the source is now.
fn catch_up(
    options: &LiveOptions,
    link: &mut Link,
    applier: &mut Applier,
    control: &mut Connection,
    paused: bool,
    observer: &mut dyn Observer,
) -> Result<(), Error> {
    let deadline = Instant::now() + DRAIN_MAX;
    let mut goal = source_offset(control)?;
    let mut quiet_since = Instant::now();
    loop {
        let commands = applier.commands;
        drain(link, applier, &options.databases, observer)?;
        if applier.commands > commands {
            quiet_since = Instant::now();
        }
        if applier.applied.offset >= goal && (paused || quiet_since.elapsed() >= QUIET) {
            return Ok(());
        }
        if Instant::now() >= deadline {
            return Err(Error::Differs(
                "the source did not become quiet in time; nothing was cut over".into(),
            ));
        }
        link.wait()?;
        if !paused {
            goal = source_offset(control)?;
        }
    }
}
