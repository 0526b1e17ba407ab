//! A small blocking Redis client, for the check that a new cluster answers.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, bail};
use bytes::BytesMut;
use quorate_resp::{Value, encode_request};

/// The longest reply that is read, in bytes.
const REPLY_BYTES_MAX: usize = 1 << 20;

/// One connection.
pub(crate) struct Client {
    stream: TcpStream,
    received: BytesMut,
}

impl Client {
    /// Connects; `time_max` bounds connecting and every later read and write.
    pub(crate) fn connect(address: SocketAddr, time_max: Duration) -> anyhow::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, time_max)
            .with_context(|| format!("connecting to {address}"))?;
        stream.set_read_timeout(Some(time_max))?;
        stream.set_write_timeout(Some(time_max))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, received: BytesMut::new() })
    }

    /// Sends one request and waits for its reply; an error reply is an error.
    pub(crate) fn call(&mut self, args: &[&str]) -> anyhow::Result<Value> {
        let mut request = BytesMut::new();
        encode_request(args, &mut request);
        self.stream.write_all(&request)?;
        loop {
            if let Some(value) = Value::decode(&mut self.received)? {
                if let Some(text) = value.as_error() {
                    bail!("{}: {}", args.first().unwrap_or(&""), String::from_utf8_lossy(text));
                }
                return Ok(value);
            }
            if self.received.len() > REPLY_BYTES_MAX {
                bail!("the reply is longer than {REPLY_BYTES_MAX} bytes");
            }
            let mut buffer = [0; 4096];
            match self.stream.read(&mut buffer)? {
                0 => bail!("the node closed the connection"),
                count => self.received.extend_from_slice(&buffer[..count]),
            }
        }
    }
}
