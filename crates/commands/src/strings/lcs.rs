//! `LCS`: the longest common subsequence of two strings.

use quorate_keyspace::{Entry, Value};
use quorate_resp::Reply;

use crate::{Args, Error, Read};

/// What the reply shows.
#[derive(Debug, Default)]
struct Options {
    length: bool,
    ranges: bool,
    range_lengths: bool,
    range_len_min: i64,
}

/// A run of equal bytes: where it starts in either string, and how long it is.
#[derive(Debug, Clone, Copy)]
struct Run {
    a: usize,
    b: usize,
    len: usize,
}

/// `LCS key1 key2 [LEN] [IDX] [MINMATCHLEN len] [WITHMATCHLEN]`
pub(crate) fn lcs(read: &Read<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), Error> {
    let (a, b) = (string_bytes(read.get(&args[1]))?, string_bytes(read.get(&args[2]))?);
    let options = parse_options(args)?;
    let table = Table::new(&a, &b, read.state.settings.proto_max_bulk_len())?;
    if options.ranges {
        write_ranges(&table, &options, reply);
    } else if options.length {
        reply.count(table.len(a.len(), b.len()));
    } else {
        let mut runs = table.runs();
        runs.reverse();
        let bytes: Vec<u8> = runs.iter().flat_map(|run| &a[run.a..run.a + run.len]).copied().collect();
        reply.bulk(&bytes);
    }
    Ok(())
}

fn string_bytes(entry: Option<&Entry>) -> Result<Vec<u8>, Error> {
    match entry.map(Entry::value) {
        None => Ok(Vec::new()),
        Some(Value::String(string)) => Ok(string.bytes().into_owned()),
        Some(_) => Err(Error::text("ERR The specified keys must contain string values")),
    }
}

fn parse_options(args: Args<'_>) -> Result<Options, Error> {
    let mut options = Options::default();
    let mut i = 3;
    while i < args.len() {
        if args.is(i, "IDX") {
            options.ranges = true;
        } else if args.is(i, "LEN") {
            options.length = true;
        } else if args.is(i, "WITHMATCHLEN") {
            options.range_lengths = true;
        } else if args.is(i, "MINMATCHLEN") && i + 1 < args.len() {
            options.range_len_min = args.integer(i + 1)?;
            i += 1;
        } else {
            return Err(Error::Syntax);
        }
        i += 1;
    }
    if options.ranges && options.length {
        let text = "ERR If you want both the length and indexes, please just use IDX.";
        return Err(Error::text(text));
    }
    Ok(options)
}

fn write_ranges(table: &Table<'_>, options: &Options, reply: &mut Reply) {
    let mut runs = table.runs();
    runs.retain(|run| run.len as i64 >= options.range_len_min);
    reply.map(2);
    reply.bulk(b"matches");
    reply.array(runs.len());
    for run in runs {
        reply.array(2 + usize::from(options.range_lengths));
        for start in [run.a, run.b] {
            reply.array(2);
            reply.count(start);
            reply.count(start + run.len - 1);
        }
        if options.range_lengths {
            reply.count(run.len);
        }
    }
    reply.bulk(b"len");
    reply.count(table.len(table.a.len(), table.b.len()));
}

/// The lengths of the longest common subsequences of all prefixes.
struct Table<'a> {
    a: &'a [u8],
    b: &'a [u8],
    lens: Vec<u32>,
}

impl<'a> Table<'a> {
    fn new(a: &'a [u8], b: &'a [u8], bytes_max: usize) -> Result<Table<'a>, Error> {
        let cells = (a.len() + 1).saturating_mul(b.len() + 1);
        if cells.saturating_mul(size_of::<u32>()) > bytes_max {
            let text = "ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len";
            return Err(Error::text(text));
        }
        let mut table = Table { a, b, lens: vec![0; cells] };
        let width = b.len() + 1;
        for i in 1..=a.len() {
            for j in 1..=b.len() {
                table.lens[i * width + j] = if a[i - 1] == b[j - 1] {
                    table.lens[(i - 1) * width + j - 1] + 1
                } else {
                    table.lens[(i - 1) * width + j].max(table.lens[i * width + j - 1])
                };
            }
        }
        Ok(table)
    }

    /// The length for the first `i` bytes of `a` and the first `j` bytes of `b`.
    fn len(&self, i: usize, j: usize) -> usize {
        self.lens[i * (self.b.len() + 1) + j] as usize
    }

    /// The runs of one longest common subsequence, last run first; among equals, the one that Redis finds.
    fn runs(&self) -> Vec<Run> {
        let (mut i, mut j) = (self.a.len(), self.b.len());
        let mut runs: Vec<Run> = Vec::new();
        while i > 0 && j > 0 {
            if self.a[i - 1] == self.b[j - 1] {
                i -= 1;
                j -= 1;
                match runs.last_mut() {
                    Some(run) if run.a == i + 1 && run.b == j + 1 => {
                        *run = Run { a: i, b: j, len: run.len + 1 };
                    }
                    _ => runs.push(Run { a: i, b: j, len: 1 }),
                }
            } else if self.len(i - 1, j) > self.len(i, j - 1) {
                i -= 1;
            } else {
                j -= 1;
            }
        }
        runs
    }
}
