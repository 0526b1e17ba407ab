//! Random commands to Quorate and to a real Redis 7.0: the answers must be the same.
//!
//! A run is made of rounds. A round begins with two empty servers, draws its commands from the seed and its own
//! number, and ends with a look at all keys. A difference ends the round; the round is shortened to the few commands
//! that still differ, and printed with what repeats it.
//!
//! ```text
//! differential --redis ADDRESS [--node ADDRESS] [--seed N] [--round N] [--commands N] [--differences N] [--only NAME]
//!
//!   --redis        a Redis 7.0, which is emptied
//!   --node         a Quorate node, which is emptied too; without: a bare state within this program
//!   --seed         of all choices                                    default 1
//!   --round        the only round to run
//!   --commands     when to stop                                      default 50000
//!   --differences  how many to report before the run is given up     default 5
//!   --only         draw only commands whose names begin so
//! ```

mod chance;
mod compare;
mod generate;
mod inspect;
mod setup;
mod sides;
mod values;

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Instant;

use quorate_commands::golden::{quote, render};
use quorate_commands::{Args, resolve};
use quorate_resp::{Protocol, Value};

use crate::chance::Chance;
use crate::compare::{Verdict, compare};
use crate::generate::{Generator, Request, Step};
use crate::sides::{Answer, Bare, Remote, Side};

/// Steps of a round.
const ROUND_STEPS: usize = 600;
/// Requests that go out together.
const PIPELINE_REQUESTS: usize = 200;

fn main() -> ExitCode {
    let options = Options::parse();
    let mut pair = Pair::connect(&options);
    // What a command that panics says would go between the lines.
    std::panic::set_hook(Box::new(|panic| eprintln!("{panic}")));
    let started = Instant::now();
    let (mut requests, mut differences) = (0, 0);
    let mut explained: BTreeMap<&str, usize> = BTreeMap::new();
    let mut successes: BTreeMap<String, usize> = BTreeMap::new();
    let mut round = options.round.unwrap_or(0);
    while requests < options.commands && differences < options.differences {
        let outcome = pair.round(&options, round);
        requests += outcome.requests;
        for (reason, times) in outcome.explained {
            *explained.entry(reason).or_default() += times;
        }
        for (name, times) in outcome.successes {
            *successes.entry(name).or_default() += times;
        }
        if let Some(difference) = outcome.difference {
            differences += 1;
            println!("--- difference: seed {} round {round}, protocol {:?}", options.seed, protocol(round));
            println!("{}", difference.text);
            pair.tell(round, difference.steps);
        }
        if options.round.is_some() {
            break;
        }
        round += 1;
    }
    for (reason, times) in explained {
        println!("{times:8} explained: {reason}");
    }
    let generator = Generator::new(Chance::new(0, 0), &options.only);
    let mut rare: Vec<_> =
        generator.names().map(|name| (successes.get(&name).copied().unwrap_or(0), name)).collect();
    rare.sort();
    let rare: Vec<_> = rare.iter().take(8).map(|(times, name)| format!("{name} {times}")).collect();
    println!("         least often answered without an error: {}", rare.join(", "));
    println!(
        "differential: {requests} commands, {differences} differences (seed {}, {} s)",
        options.seed,
        started.elapsed().as_secs()
    );
    if differences == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

struct Options {
    redis: String,
    node: Option<String>,
    seed: u64,
    round: Option<u64>,
    commands: usize,
    differences: usize,
    only: String,
}

impl Options {
    fn parse() -> Options {
        let mut options = Options {
            redis: String::new(),
            node: None,
            seed: 1,
            round: None,
            commands: 50_000,
            differences: 5,
            only: String::new(),
        };
        let mut words = std::env::args().skip(1);
        while let Some(name) = words.next() {
            let value = words.next().unwrap_or_else(|| panic!("{name} needs a value"));
            let number =
                || value.replace('_', "").parse().unwrap_or_else(|_| panic!("{name} takes a number"));
            match name.as_str() {
                "--redis" => options.redis = value,
                "--node" => options.node = Some(value),
                "--seed" => options.seed = number(),
                "--round" => options.round = Some(number()),
                "--commands" => options.commands = number() as usize,
                "--differences" => options.differences = number() as usize,
                "--only" => options.only = value,
                _ => panic!("{name} is no option"),
            }
        }
        assert!(!options.redis.is_empty(), "--redis says where Redis is");
        options
    }
}

/// Both servers.
struct Pair {
    redis: Remote,
    ours: Box<dyn Side>,
}

/// What became of a round.
struct Outcome {
    requests: usize,
    explained: BTreeMap<&'static str, usize>,
    /// Answers of the commands that were no errors.
    successes: BTreeMap<String, usize>,
    difference: Option<Difference>,
}

struct Difference {
    /// The steps up to the one that differs.
    steps: Vec<Step>,
    /// What the two said.
    text: String,
}

impl Pair {
    fn connect(options: &Options) -> Pair {
        let ours: Box<dyn Side> = match &options.node {
            Some(address) => Box::new(Remote::connect(address, true)),
            None => Box::new(Bare::default()),
        };
        Pair { redis: Remote::connect(&options.redis, false), ours }
    }

    fn round(&mut self, options: &Options, round: u64) -> Outcome {
        let mut generator = Generator::new(Chance::new(options.seed, round), &options.only);
        let mut steps: Vec<Step> = (0..ROUND_STEPS).map(|_| generator.step()).collect();
        if !round.is_multiple_of(5) {
            steps.insert(0, setup::values(None));
        }
        let drawn = steps.iter().map(Vec::len).sum();
        steps.insert(ROUND_STEPS / 2, inspect::state());
        steps.push(inspect::state());
        Outcome { requests: drawn, ..self.run(round, &steps) }
    }

    /// Runs steps on empty servers, up to the first difference.
    fn run(&mut self, round: u64, steps: &[Step]) -> Outcome {
        let mut outcome =
            Outcome { requests: 0, explained: BTreeMap::new(), successes: BTreeMap::new(), difference: None };
        self.reset(round);
        let requests: Vec<(usize, &Request)> = steps
            .iter()
            .enumerate()
            .flat_map(|(i, step)| step.iter().map(move |request| (i, request)))
            .collect();
        for chunk in requests.chunks(PIPELINE_REQUESTS) {
            for (i, request, redis, ours) in self.ask(chunk) {
                match compare(request, &redis, &ours) {
                    Verdict::Same => {}
                    Verdict::Explained(reason) => *outcome.explained.entry(reason).or_default() += 1,
                    Verdict::Different => {
                        let text = describe(request, &redis, &ours);
                        outcome.difference = Some(Difference { steps: steps[..=i].to_vec(), text });
                        return outcome;
                    }
                }
                outcome.requests += 1;
                if !matches!(redis.value, Value::Error(_)) {
                    let words: Vec<&[u8]> = request.iter().map(Vec::as_slice).collect();
                    let name = resolve(Args::new(&words))
                        .map_or_else(|_| String::new(), |command| command.full_name());
                    *outcome.successes.entry(name).or_default() += 1;
                }
            }
            if let Some((redis, ours)) = self.different_events() {
                let last = chunk.last().map_or(0, |(i, _)| *i);
                let text = describe_events(&redis, &ours);
                outcome.difference = Some(Difference { steps: steps[..=last].to_vec(), text });
                return outcome;
            }
        }
        outcome
    }

    fn different_events(&mut self) -> Option<(Vec<String>, Vec<String>)> {
        let (redis, ours) = (self.redis.events()?, self.ours.events()?);
        (redis != ours).then_some((redis, ours))
    }

    fn ask<'a>(&mut self, chunk: &[(usize, &'a Request)]) -> Vec<(usize, &'a Request, Answer, Answer)> {
        let requests: Vec<&Request> = chunk.iter().map(|(_, request)| *request).collect();
        self.ours.set_time(self.redis.time());
        let redis = self.redis.run(&requests);
        let ours = self.ours.run(&requests);
        let answers = redis.into_iter().zip(ours);
        chunk.iter().zip(answers).map(|((i, request), (redis, ours))| (*i, *request, redis, ours)).collect()
    }

    /// As few of the steps as still differ, if they do so again: drops halves, quarters and so on, as long as it helps.
    fn shorten(&mut self, round: u64, mut steps: Vec<Step>) -> Option<Vec<Step>> {
        // Of long steps, where values are made or the state is looked at, each request stands for itself.
        let apart = |step: Step| match step.len() {
            0..=4 => vec![step],
            _ => step.into_iter().map(|request| vec![request]).collect(),
        };
        steps = steps.into_iter().flat_map(apart).collect();
        steps = self.run(round, &steps).difference?.steps;
        let mut size = steps.len().div_ceil(2);
        loop {
            let mut at = 0;
            let mut helped = false;
            while at < steps.len() {
                let end = (at + size).min(steps.len());
                let without = [&steps[..at], &steps[end..]].concat();
                match self.run(round, &without).difference {
                    Some(difference) => (steps, helped) = (difference.steps, true),
                    None => at += size,
                }
            }
            if size == 1 && !helped {
                return Some(steps);
            }
            size = size.div_ceil(2);
        }
    }

    /// Prints what is left of the steps when they are shortened, and the answers that differ.
    fn tell(&mut self, round: u64, steps: Vec<Step>) {
        let Some(steps) = self.shorten(round, steps) else {
            println!("(it did not come again)");
            return;
        };
        println!("settings {}", settings(round).join(" "));
        self.reset(round);
        for request in steps.iter().flatten() {
            println!("> {}", line(request));
            for (_, request, redis, ours) in self.ask(&[(0, request)]) {
                if matches!(compare(request, &redis, &ours), Verdict::Different) {
                    println!("{}", describe(request, &redis, &ours));
                }
            }
            if let Some((redis, ours)) = self.different_events() {
                println!("{}", describe_events(&redis, &ours));
            }
        }
    }

    fn reset(&mut self, round: u64) {
        let settings = settings(round);
        self.redis.reset(protocol(round), &settings);
        self.ours.reset(protocol(round), &settings);
        self.redis.events();
        self.ours.events();
    }
}

fn line(request: &Request) -> String {
    request.iter().map(|arg| quote(arg)).collect::<Vec<_>>().join(" ")
}

fn describe(request: &Request, redis: &Answer, ours: &Answer) -> String {
    let (mut said, mut says) = (render(&redis.value, false), render(&ours.value, false));
    if said == says {
        (said, says) = (quote(&redis.raw), quote(&ours.raw));
    }
    format!("{}\n  redis   {said}\n  quorate {says}", line(request))
}

/// The events from the first that differs on.
fn describe_events(redis: &[String], ours: &[String]) -> String {
    let same = redis.iter().zip(ours).take_while(|(redis, ours)| redis == ours).count();
    let some = |events: &[String]| events.iter().skip(same).take(3).cloned().collect::<Vec<_>>().join(", ");
    format!("  redis   {}\n  quorate {}", some(redis), some(ours))
}

fn protocol(round: u64) -> Protocol {
    if round.is_multiple_of(2) { Protocol::Resp3 } else { Protocol::Resp2 }
}

/// The settings of a round: those of Redis, or such that small values are large already.
fn settings(round: u64) -> Vec<&'static str> {
    let pairs: [[&str; 3]; 9] = [
        ["notify-keyspace-events", "KEA", "KEA"],
        ["hash-max-listpack-entries", "512", "4"],
        ["hash-max-listpack-value", "64", "8"],
        ["zset-max-listpack-entries", "128", "4"],
        ["zset-max-listpack-value", "64", "8"],
        ["set-max-intset-entries", "512", "4"],
        ["stream-node-max-entries", "100", "3"],
        ["hll-sparse-max-bytes", "3000", "60"],
        ["list-max-listpack-size", "-2", "3"],
    ];
    let which = if round % 4 < 2 { 1 } else { 2 };
    let pairs = pairs.iter().flat_map(|pair| [pair[0], pair[which]]);
    // Since 7.2 a small set of words is a listpack; without those, sets are as in 7.0.
    pairs.chain(["set-max-listpack-entries", "0"]).collect()
}
