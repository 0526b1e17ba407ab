//! Requests by chance, from the descriptions of the arguments in the command table.
//!
//! For: walking a row's arguments (options left out or given, repeated, in another order) and damaging a few of the
//! requests afterwards. Leaves to others: what stands for a single argument (`values`).
//! Invariant: no request is made whose effect needs seconds, gigabytes or waiting; see [`harmless`].

use quorate_commands::{Argument, ArgumentKind, BeginSearch, Command, Flag, Group, KeySpec, Route, commands};

use crate::chance::Chance;
use crate::setup;
use crate::values::{self, Leaf, WORDS};

/// Arguments, with the name.
pub(crate) type Request = Vec<Vec<u8>>;

/// Requests that belong together: where the first leaves the two apart, the others bring them together.
pub(crate) type Step = Vec<Request>;

/// The groups whose commands work on data.
const GROUPS: [Group; 10] = [
    Group::Generic,
    Group::String,
    Group::List,
    Group::Set,
    Group::SortedSet,
    Group::Hash,
    Group::Stream,
    Group::Bitmap,
    Group::HyperLogLog,
    Group::Geo,
];

/// Commands of those groups that are not drawn, and why.
const LEFT_OUT: &[(&str, &str)] = &[
    ("help", "prose; 7.2 says more than 7.0"),
    ("pfselftest", "no data, and seconds of work in Redis"),
    ("migrate", "needs a second server"),
    ("wait", "about replicas, which the two have not alike"),
    ("waitaof", "about replicas, which the two have not alike"),
];

/// Makes steps.
pub(crate) struct Generator {
    commands: Vec<&'static Command>,
    chance: Chance,
    /// The last count of keys, or keys, that the request under way has.
    keys_len: usize,
    /// Where a count of keys is to be written.
    numkeys_at: Option<usize>,
}

impl Generator {
    /// For the commands whose full name begins with `only`. Every other one is about a single group, so that its
    /// commands meet each other's values.
    pub(crate) fn new(mut chance: Chance, only: &str) -> Generator {
        let mut all: Vec<&'static Command> = Vec::new();
        for command in commands() {
            match command.route {
                Route::Container => all.extend(command.subcommands),
                _ => all.push(command),
            }
        }
        let commands =
            all.into_iter().filter(|command| is_drawn(command) && command.full_name().starts_with(only));
        let mut commands: Vec<_> = commands.collect();
        assert!(!commands.is_empty(), "no command is called {only}");
        let group = *chance.pick(&GROUPS);
        if chance.percent(50) && commands.iter().any(|command| command.group == group) {
            // Commands on any key go on, but fewer.
            let stays = |command: &Command, chance: &mut Chance| match command.group {
                same if same == group => true,
                Group::Generic => chance.percent(30),
                _ => false,
            };
            commands.retain(|command| stays(command, &mut chance));
        }
        Generator { commands, chance, keys_len: 0, numkeys_at: None }
    }

    /// The commands that are drawn.
    pub(crate) fn names(&self) -> impl Iterator<Item = String> {
        self.commands.iter().map(|command| command.full_name())
    }

    /// The next step.
    pub(crate) fn step(&mut self) -> Step {
        if self.chance.below(400) == 0 {
            let request =
                self.chance.pick(&["SELECT 1", "SELECT 0", "SELECT 0", "DBSIZE", "FLUSHDB", "SWAPDB 0 1"]);
            return vec![request.split(' ').map(|word| word.as_bytes().to_vec()).collect()];
        }
        if self.chance.below(60) == 0 {
            let group = self.chance.pick(&self.commands).group;
            return setup::values(Some(group).filter(|group| *group != Group::Generic));
        }
        loop {
            let command = *self.chance.pick(&self.commands);
            let request = self.request(command);
            if !harmless(&request) {
                continue;
            }
            if self.chance.below(50) == 0 {
                let wrapper = self.chance.pick(&["GETKEYS", "GETKEYSANDFLAGS"]);
                return vec![[vec![b"COMMAND".to_vec(), wrapper.as_bytes().to_vec()], request].concat()];
            }
            let mut step = vec![request];
            bring_together(command, &mut step);
            return step;
        }
    }

    fn request(&mut self, command: &'static Command) -> Request {
        self.keys_len = 0;
        self.numkeys_at = None;
        let mut request: Request =
            command.parent.into_iter().map(|parent| parent.as_bytes().to_vec()).collect();
        request.push(command.name.to_ascii_uppercase().into_bytes());
        self.arguments(command, command.arguments, &mut request);
        if self.chance.percent(7) {
            self.damage(&mut request);
        }
        request
    }

    fn arguments(&mut self, command: &Command, arguments: &[Argument], out: &mut Request) {
        // Options may come in any order: now and then those at the end do.
        let fixed = arguments.iter().rposition(|argument| !argument.optional).map_or(0, |last| last + 1);
        let (fixed, options) = arguments.split_at(fixed);
        for argument in fixed {
            self.argument(command, argument, out);
        }
        let mut options: Vec<&Argument> = options.iter().collect();
        if self.chance.percent(25) {
            self.chance.shuffle(&mut options);
        }
        for argument in options {
            self.argument(command, argument, out);
        }
    }

    fn argument(&mut self, command: &Command, argument: &Argument, out: &mut Request) {
        let waits = argument.token == Some("BLOCK");
        if waits || argument.optional && self.chance.percent(if argument.token.is_some() { 65 } else { 50 }) {
            return;
        }
        let times = self.times(command, argument);
        for i in 0..times {
            if let Some(token) = argument.token
                && (i == 0 || argument.multiple_token)
            {
                out.push(self.in_any_case(token));
            }
            match argument.kind {
                ArgumentKind::PureToken => {}
                ArgumentKind::OneOf(choices) => {
                    let choice = Argument { optional: false, ..*self.chance.pick(choices) };
                    self.argument(command, &choice, out);
                }
                ArgumentKind::Block(parts) => self.arguments(command, parts, out),
                ArgumentKind::Key => {
                    let kind = values::family(command, &mut self.chance);
                    out.push(values::key(kind, &mut self.chance));
                }
                _ if argument.name == "numkeys" => {
                    self.numkeys_at = Some(out.len());
                    out.push(Vec::new());
                }
                kind => {
                    let leaf =
                        Leaf { command: command.name, group: command.group, name: argument.name, kind };
                    out.push(values::value(leaf, &mut self.chance));
                }
            }
        }
        if matches!(argument.kind, ArgumentKind::Key) {
            self.keys_len = times;
            if let Some(at) = self.numkeys_at.take() {
                out[at] = match self.chance.below(20) {
                    0 => values::integer(&mut self.chance),
                    1 => (times + 1).to_string().into_bytes(),
                    _ => times.to_string().into_bytes(),
                };
            }
        }
    }

    fn times(&mut self, command: &Command, argument: &Argument) -> usize {
        let with_keys = argument.name == "weight" || argument.name == "ID" && is_after_keyword(command);
        if with_keys && self.keys_len > 0 && !self.chance.percent(5) {
            return self.keys_len;
        }
        match (argument.multiple, self.chance.below(60)) {
            (false, _) => 1,
            (true, 0) if !matches!(argument.kind, ArgumentKind::Key) => 5 + self.chance.below(130),
            (true, draw) => [1, 1, 1, 2, 2, 3, 4][draw % 7],
        }
    }

    fn in_any_case(&mut self, token: &str) -> Vec<u8> {
        match self.chance.below(8) {
            0 => token.to_ascii_lowercase().into_bytes(),
            _ => token.as_bytes().to_vec(),
        }
    }

    /// Makes a request that may be wrong.
    fn damage(&mut self, request: &mut Request) {
        let chance = &mut self.chance;
        let at = 1 + chance.below(request.len());
        match chance.below(6) {
            0 if at < request.len() => {
                request.remove(at);
            }
            1 => request.insert(at, chance.pick(WORDS).to_vec()),
            2 if at < request.len() => request[at] = values::integer(chance),
            3 if at < request.len() => request[at] = chance.pick(WORDS).to_vec(),
            4 if at + 1 < request.len() => request.swap(at, at + 1),
            _ => {
                let again = request[at.min(request.len() - 1)].clone();
                request.push(again);
            }
        }
    }
}

/// True for XREAD and XREADGROUP, which take as many ids as keys.
fn is_after_keyword(command: &Command) -> bool {
    matches!(command.keys, [KeySpec { begin: BeginSearch::Keyword(..), .. }])
}

/// Adds requests around one that would leave the two apart.
fn bring_together(command: &Command, step: &mut Step) {
    let request = step[0].clone();
    let arg = |i: usize| request.get(i).cloned().unwrap_or_default();
    let words = |words: &[&[u8]]| words.iter().map(|word| word.to_vec()).collect::<Request>();
    let mut create = |key: &[u8], group: &[u8], consumer: &[u8]| {
        step.insert(0, words(&[b"XGROUP", b"CREATECONSUMER", key, group, consumer]));
    };
    // SORT of 7.0 takes the error that an earlier command met for its own; this one reads numbers and meets none.
    let without_error_number = || words(&[b"GEORADIUS_RO", b"missing", b"0", b"0", b"1", b"m"]);
    let level = |key: &[u8]| words(&[b"ZUNIONSTORE", key, b"1", key, b"WEIGHTS", b"0"]);
    let by_name = request.iter().any(|arg| arg.eq_ignore_ascii_case(b"bylex"));
    match command.name {
        // Since 7.2 a consumer is there once it asks; in 7.0 once it gets something.
        "xclaim" | "xautoclaim" => create(&arg(1), &arg(2), &arg(3)),
        "xreadgroup" => {
            let streams = request.iter().position(|arg| arg.eq_ignore_ascii_case(b"streams"));
            for key in request.iter().skip(streams.unwrap_or(request.len())).skip(1) {
                create(key, &arg(2), &arg(3));
            }
        }
        // Redis keeps the count in the value, although it only reads. Here a read writes nothing.
        "pfcount" if request.len() == 2 => {
            step.insert(0, words(&[b"COPY", &arg(1), b"copy", b"REPLACE"]));
            step.push(words(&[b"RENAME", b"copy", &arg(1)]));
        }
        // Which members are gone is up to chance. Redis 7.0 changes the encoding of a sorted set that it sorts.
        "sort" => {
            // The order of what is stored may be open as well.
            let stored =
                request.windows(2).filter(|pair| pair[0].eq_ignore_ascii_case(b"store")).map(|pair| &pair[1]);
            step.extend(stored.map(|key| words(&[b"DEL", key])));
            step.push(words(&[b"DEL", &arg(1)]));
            step.insert(0, without_error_number());
        }
        "sort_ro" => {
            step.push(words(&[b"DEL", &arg(1)]));
            step.insert(0, without_error_number());
        }
        // Between members of different scores, an order by name means nothing: what is found is up to chance.
        name if name.ends_with("bylex") || name == "zlexcount" => step.insert(0, level(&arg(1))),
        "zrange" if by_name => step.insert(0, level(&arg(1))),
        "zrangestore" if by_name => step.insert(0, level(&arg(2))),
        // The last digit of a distance is the C library's.
        "georadius" | "georadiusbymember" | "geosearchstore" => {
            let stores = |word: &Vec<u8>| word.eq_ignore_ascii_case(b"storedist");
            if request.iter().any(stores) {
                step.extend(request[1..].iter().map(|key| words(&[b"DEL", key])));
            }
        }
        // In Redis the string is raw after it, also where it fails; here what fails changes nothing.
        "pfdebug" => step.insert(0, words(&[b"PFADD", &arg(2)])),
        "spop" => step.push(words(&[b"DEL", &arg(1)])),
        // The id is the time.
        "xadd" if request.iter().any(|arg| arg == b"*") => step.push(words(&[b"DEL", &arg(1)])),
        _ => {}
    }
}

fn is_drawn(command: &Command) -> bool {
    let runs = matches!(command.route, Route::Read(_) | Route::Write(_));
    // Who waits cannot be compared in a pipeline; but these are only asked not to.
    let waits = command.flags.has(Flag::Blocking) && !command.name.starts_with("xread");
    let left_out = LEFT_OUT.iter().any(|(name, _reason)| *name == command.name);
    runs && !waits && !left_out && GROUPS.contains(&command.group)
}

/// False for what would take too long, too much memory, or end at a moment that the two do not share.
fn harmless(request: &Request) -> bool {
    let name = request[0].to_ascii_lowercase();
    let numbers = || request[1..].iter().filter_map(|arg| std::str::from_utf8(arg).ok());
    let integers = || numbers().filter_map(|text| text.trim_start_matches('#').parse::<i64>().ok());
    match name.as_slice() {
        // So many draws are made.
        b"srandmember" | b"hrandfield" | b"zrandmember" => {
            integers().all(|count| count >= -1000 || count == i64::MIN)
        }
        // The string grows up to there; a bit's position can also be a multiple of up to 64.
        b"setrange" | b"setbit" | b"bitfield" => {
            integers().all(|offset| !(5000..=4_294_967_296).contains(&offset))
                && numbers().all(|text| !text.starts_with('#') || text.len() < 4 || text.len() > 11)
        }
        // They would wait.
        b"xread" | b"xreadgroup" => !request.iter().any(|arg| arg.eq_ignore_ascii_case(b"block")),
        // Since 7.2 it is refused.
        b"lrem" => integers().all(|count| count != i64::MIN),
        // The sum with the time overflows in Redis.
        b"restore" if integers().any(|time| time > i64::MAX / 2) => false,
        // Time passes between the two.
        b"expire" | b"setex" | b"pexpire" | b"psetex" | b"set" | b"getex" | b"restore" => {
            let first = if name == b"set" { 3 } else { 2 };
            let times = request.iter().skip(first).filter_map(|arg| std::str::from_utf8(arg).ok());
            times.filter_map(|text| text.parse::<i64>().ok()).all(|time| !(1..=60_000).contains(&time))
        }
        _ => true,
    }
}
