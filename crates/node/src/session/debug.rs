//! `DEBUG`: the few subcommands that help in testing a client, none of which can harm.
//!
//! For: `DEBUG` as Redis' own test suite uses it against a server that it did not start.
//! Leaves to others: who may use it (the node's setting `enable-debug-command`).
//! Invariant: nothing here changes data, stops the node or holds it up.

use quorate_commands::{Args, Error};

use super::Session;
use super::backend::Backend;
use crate::group::Failure;

const NOT_ALLOWED: &str = "ERR DEBUG command not allowed. If the enable-debug-command option is set to \"local\", \
                           you can run it from a local connection, otherwise you need to set this option in the \
                           configuration file, and then restart the server.";
const WRONG_TYPE_NAME: &str = "ERR Wrong protocol type name. Please use one of the following: \
                               string|integer|double|bignum|null|array|set|map|attrib|push|verbatim|true|false";

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
            (b"sleep", _) => {
                return Err(Error::text(
                    "ERR DEBUG SLEEP is refused: it would hold up all clients of the node",
                ));
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

    async fn debug_object(&mut self, args: Args<'_>) -> Result<(), Error> {
        let now = match self.backend.barrier(self.read_mode).await {
            Ok(now) => now,
            Err(Failure::Refused(text)) => return Err(Error::text(text)),
            Err(Failure::Unknown) => return Err(Error::text("CLUSTERDOWN The cluster is down")),
        };
        let db = self.db;
        let found = self.backend.with_state(|state| {
            let entry = state.keyspace.db(db).get(&args[2], now.max(state.clock))?;
            Some((entry.value().encoding_name(), entry.value().heap_bytes()))
        });
        let (encoding, bytes) = found.ok_or(Error::NoSuchKey)?;
        // Values move, so there is no address to show.
        let text = format!(
            "Value at:0x0 refcount:1 encoding:{encoding} serializedlength:{bytes} lru:0 lru_seconds_idle:0"
        );
        self.reply.simple(&text);
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
            "HELP",
            "    Print this help.",
        ];
        self.reply.array(lines.len());
        lines.iter().for_each(|line| self.reply.simple(line));
    }
}
