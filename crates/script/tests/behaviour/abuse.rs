//! Scripts that nobody would write: every library function with arguments that do not fit, in every position.
//!
//! Each seed is a script. It must end with a reply, within its bounds, and do the same on a used machine as on a fresh
//! one. `QUORATE_LONG=1` runs many more of them; `QUORATE_SEED=N` one of them, and shows it. A crash of the whole
//! process leaves the seed in `abuse.seed` below the folder for temporary files of the target directory.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use quorate_script::Limits;

use super::{Echo, run_large, run_within};

/// Small, so that many scripts meet them.
const BOUNDS: Limits = Limits { steps_max: 200_000, memory_bytes_max: 16 * 1024 * 1024 };
/// Steps are counted, not timed, but so few must not take long; a test machine may stand still for a while.
const HANGS: Duration = Duration::from_secs(60);

const NUMBERS: &[&str] = &[
    "0",
    "-0",
    "1",
    "-1",
    "2",
    "3",
    "7",
    "16",
    "17",
    "255",
    "256",
    "1000",
    "7999",
    "8000",
    "65536",
    "0.5",
    "-1.5",
    "2147483647",
    "-2147483648",
    "2147483648",
    "4294967295",
    "4294967296",
    "9007199254740993",
    "1e15",
    "-1e15",
    "9.3e18",
    "-9.3e18",
    "1.9e19",
    "1e308",
    "-1e308",
    "5e-324",
    "1/0",
    "-1/0",
    "0/0",
];
const TEXTS: &[&str] = &[
    "''",
    "'a'",
    "'abc'",
    "'0'",
    "' 12 '",
    "'0x10'",
    "'1e400'",
    "'nan'",
    "'\\0'",
    "'a\\0b'",
    "'\\255\\254'",
    "('x'):rep(10000)",
    "('ab'):rep(3000)",
    "('('):rep(500)",
    "('['):rep(3000)",
    "('{\"a\":'):rep(900)",
    // Patterns.
    "'%'",
    "'['",
    "'[^'",
    "'[a-'",
    "'[%'",
    "'%b'",
    "'%bxx'",
    "'%f'",
    "'%f[%w]'",
    "'%1'",
    "'(a*)%1'",
    "'()'",
    "'(()'",
    "'.-b'",
    "'^'",
    "'$'",
    "'^$'",
    "'a-a-a-a-$'",
    "'(.-)(.-)(.-)$'",
    "'[]]'",
    "'[^%z]+'",
    "('a-'):rep(200)",
    "('()'):rep(40)",
    // Formats.
    "'%s'",
    "'%d'",
    "'%5.3d'",
    "'%99d'",
    "'%999999999d'",
    "'%.99f'",
    "'%.999f'",
    "'%q'",
    "'%c'",
    "'%i%u%x%o'",
    "'%a'",
    "'%-+ #0x'",
    "'%e%g'",
    "'%'",
    "'%%'",
    "'%s%s%s'",
    "'%5'",
    "'%p'",
    "'%n'",
    "'%*d'",
    "'%10000s'",
    // Formats of struct.
    "'>I4'",
    "'<i16'",
    "'bBhHlL'",
    "'sfd'",
    "'c0'",
    "'Bc0'",
    "'c10'",
    "'I33'",
    "'i0'",
    "'I99999999999'",
    "'!16'",
    "'!3'",
    "'xxxx'",
    "'c2147483647'",
    "'c4294967297'",
    "'>!8bI8'",
    // JSON and MessagePack.
    "'[1,2'",
    "'{\"a\":1e999}'",
    "'\"\\\\ud800\"'",
    "'[[[[]]]]'",
    "'-'",
    "'nul'",
    "'NaN'",
    "'1 2'",
    "'{\"a\":1,\"a\":2}'",
    "'\\223\\255\\255\\255\\255'",
    "'\\221\\255\\255\\255\\255'",
    "'\\219\\255\\255\\255\\255'",
    "('\\145'):rep(3000)",
    "'\\203\\127\\240\\0\\0\\0\\0\\0\\0'",
    "'\\193'",
    "'\\130\\1'",
    "'\\207\\255\\255\\255\\255\\255\\255\\255\\255'",
    // Code, and names.
    "'return 1'",
    "'return ...'",
    "'x = 1'",
    "'while true do end'",
    "('('):rep(300) .. '1' .. (')'):rep(300)",
    "'ok'",
    "'err'",
    "'map'",
    "'double'",
    "'ECHO'",
    "'LIST'",
    "'MAP'",
    "'BIG'",
    "'NIL'",
    "'n'",
    "'k'",
    "'__index'",
];
const OTHERS: &[&str] = &[
    "nil",
    "true",
    "false",
    "{}",
    "{1,2,3}",
    "{a=1,b={c=2}}",
    "{[1]=1,[2147483648]=2}",
    "{[1/0]=1,[-1/0]=2}",
    "{[0.5]=1,[-1]=2}",
    "{1,nil,3}",
    "{ok='fine'}",
    "{err='E no'}",
    "{ok=1}",
    "{err={}}",
    "{map={a=1}}",
    "{set={a=true}}",
    "{double=0/0}",
    "{big_number='12345678901234567890'}",
    "{verbatim_string={format='txt',string='s'}}",
    "KEYS",
    "ARGV",
    "_G",
    "string",
    "redis",
    "cjson.null",
    "deep",
    "cycle",
    "wide",
    "strange",
    "function() end",
    "function(...) return ... end",
    "function() error() end",
    "function() error({}) end",
    "function() error({err='E x'}) end",
    "function(...) return coroutine.yield(...) end",
    "function(a, b) return true end",
    "function(a, b) return a < b end",
    "function() while true do end end",
    "endless",
    "thread",
    "wrapped",
    "function() return 'x' end",
];
/// What the scripts have to work with.
const BEGIN: &str = "\
local deep = {} for i = 1, 300 do deep = {deep} end
local cycle = {} cycle[1], cycle.me = cycle, cycle
local wide = {} for i = 1, 3000 do wide[i] = i end
local strange = setmetatable({}, {__index = function(t, k) return k end, __newindex = function() error('no') end,
  __call = function(...) return ... end, __tostring = function() return {} end, __concat = function(a) return a end,
  __eq = function() return true end, __lt = function() error({}) end, __le = function() return nil end,
  __len = function() return -1 end, __add = function(a, b) return a end, __unm = function() return 1/0 end})
local function endless() return 1 + endless() end
local thread = coroutine.create(function(...) while true do coroutine.yield(...) end end)
local wrapped = coroutine.wrap(function(...) while true do coroutine.yield(...) end end)
local v1, v2, v3, v4
";

/// SplitMix64.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, most: usize) -> usize {
        (self.next() % most as u64) as usize
    }

    fn pick<'a, T: ?Sized + 'a + AsRef<str>>(&mut self, from: &'a [impl std::borrow::Borrow<T>]) -> &'a str {
        from[self.below(from.len())].borrow().as_ref()
    }
}

/// Writes a script.
struct Author<'a> {
    dice: Dice,
    functions: &'a [String],
}

impl Author<'_> {
    fn script(seed: u64, functions: &[String]) -> String {
        let mut author = Author { dice: Dice(seed), functions };
        let mut code = BEGIN.to_owned();
        for _ in 0..2 + author.dice.below(12) {
            author.statement(&mut code, 0);
        }
        let returned = author.value();
        writeln!(code, "return {{v1, v2, v3, v4}}, {returned}").expect("text");
        match author.dice.below(4) {
            0 => code.replace("return {v1, v2, v3, v4}, ", "return "),
            _ => code,
        }
    }

    fn variable(&mut self) -> String {
        format!("v{}", 1 + self.dice.below(4))
    }

    fn value(&mut self) -> String {
        match self.dice.below(12) {
            0..=3 => self.dice.pick::<str>(NUMBERS).to_owned(),
            4..=6 => self.dice.pick::<str>(TEXTS).to_owned(),
            7..=8 => self.dice.pick::<str>(OTHERS).to_owned(),
            9 => self.dice.pick::<str>(self.functions).to_owned(),
            _ => self.variable(),
        }
    }

    fn values(&mut self) -> String {
        let count = self.dice.below(6);
        (0..count).map(|_| self.value()).collect::<Vec<_>>().join(", ")
    }

    fn statement(&mut self, code: &mut String, depth: usize) {
        let (target, function) = (self.variable(), self.dice.pick::<str>(self.functions).to_owned());
        let (arguments, value) = (self.values(), self.value());
        let comma = if arguments.is_empty() { "" } else { ", " };
        let line = match self.dice.below(if depth < 3 { 16 } else { 9 }) {
            0..=4 => format!("do local ok, r = pcall({function}{comma}{arguments}) {target} = r end"),
            // Sometimes nothing catches.
            5 if self.dice.below(4) == 0 => format!("{target} = {function}({arguments})"),
            5 => format!(
                "do local ok, r = xpcall(function() return {function}({arguments}) end, {value}) {target} = r end"
            ),
            6 => {
                let operators = ["+", "-", "*", "/", "%", "^", "..", "==", "<", "<=", "and", "or"];
                let (operator, other) = (self.dice.pick::<str>(&operators).to_owned(), self.value());
                format!("pcall(function() {target} = ({value}) {operator} ({other}) end)")
            }
            7 => format!("pcall(function() {target} = #({value}) end)"),
            8 => {
                let key = self.value();
                format!("pcall(function() local t = {target} t[{key}] = {value} {target} = t[{value}] end)")
            }
            9 => return self.block(code, depth, &format!("for i = 1, {} do", 1 + self.dice.0 % 300), "end"),
            10 => return self.block(code, depth, "pcall(function()", "end)"),
            11 => return self.block(code, depth, "coroutine.resume(coroutine.create(function(...)", "end))"),
            12 => {
                let opening = format!(
                    "for a, b in {} do",
                    ["pairs(wide)", "string.gmatch(('ab '):rep(50), '%w')"][self.dice.below(2)]
                );
                return self.block(code, depth, &opening, "break end");
            }
            13 => {
                let opening = format!("pcall({function}, {value}, function(...)");
                let (last, more) = (self.value(), self.value());
                return self.block(code, depth, &opening, &format!("return {last} end, {more})"));
            }
            14 => {
                return self.block(
                    code,
                    depth,
                    &format!("{target} = coroutine.wrap(function(...)"),
                    "coroutine.yield(...) end)",
                );
            }
            _ => format!("pcall(function() {target} = {target} .. {target} .. {value} end)"),
        };
        writeln!(code, "{line}").expect("text");
    }

    fn block(&mut self, code: &mut String, depth: usize, opening: &str, closing: &str) {
        writeln!(code, "{opening}").expect("text");
        for _ in 0..1 + self.dice.below(3) {
            self.statement(code, depth + 1);
        }
        writeln!(code, "{closing}").expect("text");
    }
}

/// The names of all functions that a script can call, as a script sees them.
fn functions() -> Vec<String> {
    let listed = run_large(
        "local out = {} for name, value in pairs(_G) do
           if type(value) == 'function' then out[#out + 1] = name end
           if type(value) == 'table' and name ~= '_G' then
             for key, f in pairs(value) do
               if type(f) == 'function' then out[#out + 1] = name .. '.' .. key end
             end
           end
         end return table.concat(out, ' ')",
    );
    let names: Vec<_> = listed.split(' ').skip(1).map(str::to_owned).collect();
    for known in
        ["pcall", "string.gsub", "table.sort", "cjson.decode", "cmsgpack.unpack", "struct.pack", "redis.call"]
    {
        assert!(names.iter().any(|name| name == known), "{known} is one of {names:?}");
    }
    names
}

/// What a script says and asks, in a word each.
fn behaviour(code: &str) -> (String, Vec<Vec<Vec<u8>>>, Vec<String>) {
    let mut host = Echo::default();
    let said = run_within(BOUNDS, &mut host, code, &[b"key"], &[b"argument", b"\xFF\x00"]);
    (said, host.asked, host.lines)
}

#[test]
fn no_call_of_any_function_breaks_the_machine_or_its_bounds() {
    let functions = functions();
    let number = |name: &str| std::env::var(name).ok().and_then(|value| value.parse::<u64>().ok());
    let count =
        if number("QUORATE_LONG") == Some(1) { number("QUORATE_SEEDS").unwrap_or(100_000) } else { 80 };
    let first = number("QUORATE_SEED").unwrap_or(0);
    let last = if number("QUORATE_SEED").is_some() { first + 1 } else { count };
    let note = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("abuse.seed");
    let (mut replies, mut errors, mut ended) = (0, 0, 0);
    for seed in first..last {
        let code = Author::script(seed, &functions);
        if last - first == 1 {
            eprintln!("{code}");
        }
        std::fs::write(&note, seed.to_string()).expect("a folder for temporary files");
        let begun = Instant::now();
        let used = behaviour(&code);
        assert!(begun.elapsed() < HANGS, "seed {seed} takes {:?}", begun.elapsed());
        let other = code.clone();
        let fresh = std::thread::spawn(move || behaviour(&other)).join().expect("no panic");
        assert_eq!(used, fresh, "seed {seed} does the same on a used machine and on a fresh one");
        match used.0.as_str() {
            said if said.contains("Script ended: ") => ended += 1,
            said if said.starts_with('-') => errors += 1,
            _ => replies += 1,
        }
    }
    println!(
        "{} scripts: {replies} with a reply, {errors} with an error, {ended} ended at a bound",
        last - first
    );
    if last - first > 1 {
        // A generator that only makes scripts that fail at once would test nothing.
        assert!(
            replies > count / 10 && ended > 0 && errors > 0,
            "{replies} replies, {errors} errors, {ended} ended"
        );
    }
}
