//! RESP2 and RESP3, the protocol that Redis clients speak.
//!
//! ```text
//!  client bytes ──► Decoder ──► Request ──► (a command) ──► Reply ──► client bytes      server side
//!  reply bytes ──► ValueDecoder ──► Value          arguments ──► encode_request ──►     client side
//! ```
//!
//! Left to others: sockets and timeouts (`server`), what a request means (`commands`), typed clients (`node`).
//!
//! Invariants:
//! - No I/O, no clock, no randomness: the same bytes give the same requests, however the stream is split.
//! - No bytes from outside make this crate panic, and none make it hold more memory than a small multiple of
//!   what has arrived, bounded by [`Limits`] or [`ValueLimits`].
//! - A byte is looked at once: a decoder remembers where it stopped.
//! - Arguments are slices of the receive buffer; no copy is made of them.
//!
//! Connection tasks call the decoder, the apply task and connection tasks call [`Reply`].
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::as_conversions)]

mod decoder;
mod error;
mod inline;
mod number;
mod reply;
mod request;
mod value;
mod value_decoder;

pub use decoder::{Decoder, Limits, UNAUTHENTICATED_ARGS_MAX, UNAUTHENTICATED_BULK_BYTES_MAX};
pub use error::ProtocolError;
pub use number::{NumberText, format_double, format_integer, parse_f64, parse_i64, parse_u64};
pub use reply::{Deferred, Protocol, Reply};
pub use request::{Request, encode_request};
pub use value::Value;
pub use value_decoder::{ValueDecoder, ValueLimits};
