//! `DEBUG`: the few subcommands that help in testing a client, none of which can harm.
//!
//! For: `DEBUG` as Redis' own test suite uses it against a server that it did not start.
//! Leaves to others: who may use it (the node's setting `enable-debug-command`).
//! Invariant: nothing here changes data, stops the node or holds up anybody but the client that asks.

use std::time::Duration;

use quorate_commands::{Args, Error, State};
use quorate_keyspace::{Entry, Millis, Seed, StreamId, Value};

use super::Session;
use super::backend::Backend;
use crate::group::Failure;

const NOT_ALLOWED: &str = "ERR DEBUG command not allowed. If the enable-debug-command option is set to \"local\", \
                           you can run it from a local connection, otherwise you need to set this option in the \
                           configuration file, and then restart the server.";
const WRONG_TYPE_NAME: &str = "ERR Wrong protocol type name. Please use one of the following: \
                               string|integer|double|bignum|null|array|set|map|attrib|push|verbatim|true|false";

/// Longest `DEBUG SLEEP`.
const SLEEP_SECONDS_MAX: f64 = 60.0;

impl<B: Backend> Session<B> {
    pub(super) async fn debug(&mut self, args: Args<'_>) -> Result<(), Error> {
        if !self.backend.front().debug_allowed(self.client.origin.local) {
            return Err(Error::text(NOT_ALLOWED));
        }
        let sub = args[1].to_ascii_lowercase();
        match (sub.as_slice(), args.len()) {
            (b"log", 3) => {
                tracing::info!(message = %String::from_utf8_lossy(&args[2]), "DEBUG LOG");
                self.reply.ok();
            }
            (b"error", 3) => return Err(Error::text(String::from_utf8_lossy(&args[2]).into_owned())),
            (b"object", 3) => self.debug_object(args).await?,
            (b"digest-value", _) => self.debug_digest_value(args).await?,
            (b"protocol", 3) => self.debug_protocol(args)?,
            // Expired keys are removed in the order of the log, with or without this switch; they do not exist
            // for any command from the moment they are due.
            (b"set-active-expire", 3) => {
                args.integer(2)?;
                self.reply.ok();
            }
            (b"jmap" | b"change-repl-id" | b"quicklist-packed-threshold" | b"pause-cron", _) => {
                self.reply.ok()
            }
            (b"help", 2) => self.debug_help(),
            (b"sleep", 3) => {
                let seconds = quorate_resp::parse_f64(&args[2]).filter(|seconds| !seconds.is_nan());
                let seconds = seconds.unwrap_or(0.0).clamp(0.0, SLEEP_SECONDS_MAX);
                tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
                self.reply.ok();
            }
            _ => {
                let name = String::from_utf8_lossy(&args[1]).into_owned();
                return Err(Error::text(format!(
                    "ERR DEBUG subcommand '{name}' is not supported by Quorate. Try DEBUG HELP.",
                )));
            }
        }
        Ok(())
    }

    /// Looks at the state as a read does, with the agreed time.
    async fn look<R>(&self, look: impl FnOnce(&State, Millis) -> R) -> Result<R, Error> {
        match self.backend.barrier(self.read_mode).await {
            Ok(now) => Ok(self.backend.with_state(|state| look(state, now.max(state.clock)))),
            Err(Failure::Refused(text)) => Err(Error::text(text)),
            Err(Failure::Unknown) => Err(Error::text("CLUSTERDOWN The cluster is down")),
        }
    }

    async fn debug_object(&mut self, args: Args<'_>) -> Result<(), Error> {
        let db = self.db;
        let found = self.look(|state, now| {
            let entry = state.keyspace.db(db).get(&args[2], now)?;
            Some((entry.value().encoding_name(), entry.value().heap_bytes()))
        });
        let (encoding, bytes) = found.await?.ok_or(Error::NoSuchKey)?;
        // Values move, so there is no address to show.
        let text = format!(
            "Value at:0x0 refcount:1 encoding:{encoding} serializedlength:{bytes} lru:0 lru_seconds_idle:0"
        );
        self.reply.simple(&text);
        Ok(())
    }

    async fn debug_digest_value(&mut self, args: Args<'_>) -> Result<(), Error> {
        let db = self.db;
        let digests = self.look(|state, now| -> Result<Vec<String>, Error> {
            let entry = |key: &&[u8]| state.keyspace.db(db).get(key, now);
            args.from(2).iter().map(|key| entry(key).map_or(Ok(hex([0; DIGEST_WORDS])), digest)).collect()
        });
        let digests = digests.await??;
        self.reply.array(digests.len());
        digests.iter().for_each(|digest| self.reply.simple(digest));
        Ok(())
    }

    fn debug_protocol(&mut self, args: Args<'_>) -> Result<(), Error> {
        let reply = &mut self.reply;
        match args[2].to_ascii_lowercase().as_slice() {
            b"string" => reply.bulk(b"Hello World"),
            b"integer" => reply.integer(12345),
            b"double" => reply.double(3141.0 / 1000.0),
            b"bignum" => reply.big_number("1234567999999999999999999999999999999"),
            b"null" => reply.null(),
            b"array" => {
                reply.array(3);
                (0..3).for_each(|i| reply.integer(i));
            }
            b"set" => {
                reply.set(3);
                (0..3).for_each(|i| reply.integer(i));
            }
            b"map" => {
                reply.map(3);
                for i in 0..3 {
                    reply.integer(i);
                    reply.boolean(i == 1);
                }
            }
            b"attrib" => {
                if reply.attribute(1) {
                    reply.bulk(b"key-popularity");
                    reply.array(2);
                    reply.bulk(b"key:123");
                    reply.integer(90);
                }
                reply.bulk(b"Some real reply following the attribute");
            }
            b"push" => {
                if reply.protocol() == quorate_resp::Protocol::Resp2 {
                    return Err(Error::text("ERR RESP2 is not supported by this command"));
                }
                reply.push(2);
                reply.bulk(b"server-cpu-usage");
                reply.integer(42);
                reply.bulk(b"Some real reply following the push reply");
            }
            b"verbatim" => reply.verbatim("txt", b"This is a verbatim\nstring"),
            b"true" => reply.boolean(true),
            b"false" => reply.boolean(false),
            _ => return Err(Error::text(WRONG_TYPE_NAME)),
        }
        Ok(())
    }

    fn debug_help(&mut self) {
        let lines = [
            "DEBUG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
            "DIGEST-VALUE <key> [<key> ...]",
            "    Show a digest of each value: the same for values that are the same.",
            "ERROR <text>",
            "    Return an error with this text.",
            "LOG <message>",
            "    Write the message to the node's log.",
            "OBJECT <key>",
            "    Show the encoding and size of a value.",
            "PROTOCOL <type>",
            "    Reply with a test value of that type.",
            "SET-ACTIVE-EXPIRE <0|1>",
            "    Accepted without effect: expired keys are removed in the order of the log.",
            "SLEEP <seconds>",
            "    Answer after so many seconds, a minute at most. Other clients do not wait.",
            "HELP",
            "    Print this help.",
        ];
        self.reply.array(lines.len());
        lines.iter().for_each(|line| self.reply.simple(line));
    }
}

/// A digest is as long as Redis', 20 bytes, in words of which the last is half.
const DIGEST_WORDS: usize = 3;
const DIGEST_DIGITS: usize = 40;

/// A digest of what clients see of a value: its type, its content, and whether it expires.
/// It depends on neither encoding nor hash seed, so it is the same on every node and in every cluster.
fn digest(entry: &Entry) -> Result<String, Error> {
    let value = entry.value();
    let mut sum = words(&[value.type_name().as_bytes()]);
    let mut add = |parts: &[&[u8]]| {
        let more = words(parts);
        (0..DIGEST_WORDS).for_each(|i| sum[i] = sum[i].wrapping_add(more[i]));
    };
    match value {
        Value::String(string) => add(&[&string.bytes()]),
        Value::Hash(hash) => hash.iter().for_each(|(field, value)| add(&[field, value])),
        Value::List(list) => list.iter_from(0).enumerate().for_each(|(index, element)| {
            add(&[&index.to_le_bytes(), &element.to_blob()]);
        }),
        Value::Set(set) => set.iter().for_each(|member| add(&[&member.to_blob()])),
        Value::SortedSet(set) => set.iter().for_each(|(member, score)| {
            // The two zeros are one score.
            add(&[member, &(score + 0.0).to_bits().to_le_bytes()]);
        }),
        // Groups are left out, as in Redis.
        Value::Stream(stream) => stream.entries().range(StreamId::MIN, StreamId::MAX).for_each(|entry| {
            let mut parts = [entry.id().ms, entry.id().seq].map(|half| half.to_le_bytes().to_vec()).to_vec();
            entry.for_each(|field, value| parts.extend([field.to_vec(), value.to_vec()]));
            add(&parts.iter().map(Vec::as_slice).collect::<Vec<_>>());
        }),
        other => {
            let name = other.type_name();
            return Err(Error::text(format!("ERR DEBUG DIGEST-VALUE knows no values of type {name}")));
        }
    }
    if entry.expires().is_some() {
        add(&[b"expires"]);
    }
    Ok(hex(sum))
}

/// Hashes parts, none of which runs into the next.
fn words(parts: &[&[u8]]) -> [u64; DIGEST_WORDS] {
    let mut bytes = Vec::new();
    for part in parts {
        bytes.extend_from_slice(&(part.len() as u64).to_le_bytes());
        bytes.extend_from_slice(part);
    }
    std::array::from_fn(|i| Seed([i as u8; 16]).hash(&bytes))
}

fn hex(words: [u64; DIGEST_WORDS]) -> String {
    let mut text: String = words.iter().map(|word| format!("{word:016x}")).collect();
    text.truncate(DIGEST_DIGITS);
    text
}
