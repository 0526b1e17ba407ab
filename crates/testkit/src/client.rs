//! A plain blocking RESP client: sends what it is told and says what came back, errors and broken
//! connections apart. It never retries by itself.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use bytes::BytesMut;
use quorate_resp::{Value, encode_request};

/// No test waits longer for one reply.
const PATIENCE: Duration = Duration::from_secs(30);

/// One connection.
#[derive(Debug)]
pub struct Client {
    stream: TcpStream,
    buffer: BytesMut,
}

impl Client {
    /// Connects.
    ///
    /// # Errors
    /// As the operating system says.
    pub fn connect(address: SocketAddr) -> io::Result<Client> {
        let stream = TcpStream::connect_timeout(&address, Duration::from_secs(5))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Client { stream, buffer: BytesMut::new() })
    }

    /// Sends one command and waits for its reply. An error reply is a [`Value`], not an `Err`.
    ///
    /// # Errors
    /// The connection broke: the outcome is unknown.
    pub fn call(&mut self, args: &[&str]) -> io::Result<Value> {
        self.send(&[args])?;
        self.receive()
    }

    /// As [`call`](Client::call), for arguments of bytes.
    ///
    /// # Errors
    /// The connection broke: the outcome is unknown.
    pub fn call_bytes<A: AsRef<[u8]>>(&mut self, args: &[A]) -> io::Result<Value> {
        let mut out = BytesMut::new();
        encode_request(args, &mut out);
        self.stream.write_all(&out)?;
        self.receive()
    }

    /// Sends commands without waiting for replies.
    ///
    /// # Errors
    /// The connection broke.
    pub fn send(&mut self, commands: &[&[&str]]) -> io::Result<()> {
        let mut out = BytesMut::new();
        for args in commands {
            encode_request(args.iter().map(|arg| arg.as_bytes()), &mut out);
        }
        self.stream.write_all(&out)
    }

    /// Waits for the next reply.
    ///
    /// # Errors
    /// The connection broke.
    pub fn receive(&mut self) -> io::Result<Value> {
        loop {
            let decoded = Value::decode(&mut self.buffer);
            if let Some(value) = decoded.map_err(|error| io::Error::other(error.to_string()))? {
                return Ok(value);
            }
            let mut chunk = [0; 16384];
            let read = self.stream.read(&mut chunk)?;
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.buffer.extend_from_slice(&chunk[..read]);
        }
    }

    /// A call whose reply must be this integer's kind.
    ///
    /// # Panics
    /// If the connection breaks or the reply is no integer.
    pub fn integer(&mut self, args: &[&str]) -> i64 {
        match self.call(args) {
            Ok(Value::Integer(value)) => value,
            other => panic!("{args:?} gave {other:?} instead of an integer"),
        }
    }

    /// A call whose reply must be a string or nothing.
    ///
    /// # Panics
    /// If the connection breaks or the reply is something else.
    pub fn text(&mut self, args: &[&str]) -> Option<String> {
        match self.call(args) {
            Ok(Value::Bulk(bytes)) => Some(String::from_utf8_lossy(&bytes).into_owned()),
            Ok(Value::Simple(text)) => Some(String::from_utf8_lossy(text.as_ref()).into_owned()),
            Ok(Value::Null) => None,
            other => panic!("{args:?} gave {other:?} instead of a string"),
        }
    }
}
