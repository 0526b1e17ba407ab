//! A real Redis on a free loopback port, without persistence, that goes when this does.

use std::io::{BufRead, BufReader, BufWriter, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::cases::Case;

/// Requests between two looks at their replies.
const PIPELINE: usize = 500;

pub(crate) struct Redis {
    server: Child,
    replies: BufReader<TcpStream>,
    requests: BufWriter<TcpStream>,
}

impl Redis {
    pub(crate) fn start() -> Redis {
        let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let port = free.expect("a loopback port is free").port();
        let server = Command::new("redis-server")
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-server is in the path");
        let deadline = Instant::now() + Duration::from_secs(20);
        let stream = loop {
            match TcpStream::connect(("127.0.0.1", port)) {
                Ok(stream) => break stream,
                Err(error) => assert!(Instant::now() < deadline, "redis-server does not answer: {error}"),
            }
            std::thread::yield_now();
        };
        let copy = stream.try_clone().expect("a socket can be shared");
        Redis { server, replies: BufReader::new(copy), requests: BufWriter::new(stream) }
    }

    /// How many bytes the data of a case adds to `used_memory`.
    pub(crate) fn measure(&mut self, case: &Case) -> u64 {
        self.ask(&[b"FLUSHALL".to_vec(), b"SYNC".to_vec()]);
        let before = self.used_memory();
        let mut waiting = 0;
        (case.fill)(&mut |request| {
            self.send(request);
            waiting += 1;
            if waiting == PIPELINE {
                self.receive(std::mem::take(&mut waiting));
            }
        });
        self.receive(waiting);
        self.used_memory() - before
    }

    fn used_memory(&mut self) -> u64 {
        self.send(&[b"INFO".to_vec(), b"memory".to_vec()]);
        self.requests.flush().expect("redis reads");
        let mut used = None;
        // The reply ends with an empty line, whose length is a part of the first line.
        let mut left =
            self.line().trim_start_matches('$').parse::<usize>().expect("INFO is a bulk string") + 2;
        while left > 0 {
            let line = self.line();
            left -= line.len() + 2;
            used = used.or(line.strip_prefix("used_memory:").and_then(|bytes| bytes.parse().ok()));
        }
        used.expect("INFO tells used_memory")
    }

    fn ask(&mut self, request: &[Vec<u8>]) {
        self.send(request);
        self.receive(1);
    }

    fn send(&mut self, request: &[Vec<u8>]) {
        let mut write = || -> std::io::Result<()> {
            write!(self.requests, "*{}\r\n", request.len())?;
            for arg in request {
                write!(self.requests, "${}\r\n", arg.len())?;
                self.requests.write_all(arg)?;
                self.requests.write_all(b"\r\n")?;
            }
            Ok(())
        };
        write().expect("redis reads");
    }

    /// Reads so many replies, which are numbers, statuses or ids.
    fn receive(&mut self, count: usize) {
        self.requests.flush().expect("redis reads");
        for _ in 0..count {
            let line = self.line();
            assert!(!line.starts_with('-'), "redis says {line}");
            if line.starts_with('$') {
                self.line();
            }
        }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.replies.read_line(&mut line).expect("redis answers");
        line.trim_end_matches("\r\n").to_owned()
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ended = self.server.kill().and_then(|()| self.server.wait());
    }
}
