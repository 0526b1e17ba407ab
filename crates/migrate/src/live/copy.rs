//! The bytes of a source's copy, without a look at what they are.
//!
//! For: finding the end of the copy, by its length or by its mark. Leaves to others: what is done with the bytes.

use std::io;
use std::net::TcpStream;
use std::time::Duration;

use super::link::{Answer, Bound, MARK_BYTES, ask_bare};
use crate::{Address, Error};

/// How long the source may be silent.
const SILENCE_MAX: Duration = Duration::from_secs(300);

/// A copy on its way.
pub(crate) struct Copy {
    stream: TcpStream,
    name: String,
    bound: Bound,
    /// Bytes that came and were not yet taken.
    ahead: Vec<u8>,
    ended: bool,
}

/// Asks a source for a copy of all that it holds.
///
/// # Errors
/// It is not reached, or refuses.
pub(crate) fn copy_of(source: &Address) -> Result<Copy, Error> {
    let Answer::Full { connection, bound, .. } = ask_bare(source, None)? else {
        return Err(Error::Protocol { who: source.name(), what: "it goes on where nobody was".into() });
    };
    let name = connection.name().to_owned();
    let (stream, ahead) = connection.into_parts();
    stream.set_read_timeout(Some(SILENCE_MAX)).map_err(Error::io(format!("reading from {name}")))?;
    Ok(Copy { stream, name, bound, ahead, ended: false })
}

impl Copy {
    /// Bytes of the whole, where they are known.
    pub(crate) fn bytes_total(&self) -> Option<u64> {
        match self.bound {
            Bound::Len(len) => Some(len),
            Bound::Mark(_) => None,
        }
    }

    pub(crate) fn stream(&mut self) -> &mut TcpStream {
        &mut self.stream
    }

    pub(crate) fn received(&mut self, bytes: &[u8]) {
        self.ahead.extend_from_slice(bytes);
    }

    pub(crate) fn broke(&self, error: io::Error) -> Error {
        Error::io(format!("reading from {}", self.name))(error)
    }

    /// Bytes that are known to belong to the copy: nothing while more has to come first, no bytes at the end.
    pub(crate) fn take_known(&mut self, max: usize) -> Option<Vec<u8>> {
        if self.ended {
            return Some(Vec::new());
        }
        let known = match &mut self.bound {
            Bound::Len(0) => {
                self.ended = true;
                return Some(Vec::new());
            }
            Bound::Len(left) => {
                let known = self.ahead.len().min(max).min(usize::try_from(*left).unwrap_or(usize::MAX));
                *left -= known as u64;
                known
            }
            Bound::Mark(mark) => {
                let found = self.ahead.windows(MARK_BYTES).position(|window| window == mark);
                if found == Some(0) {
                    self.ended = true;
                    return Some(Vec::new());
                }
                // The mark may have come in part.
                found.unwrap_or(self.ahead.len().saturating_sub(MARK_BYTES - 1)).min(max)
            }
        };
        (known > 0).then(|| self.ahead.drain(..known).collect())
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    fn copy(bound: Bound) -> Copy {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let stream = TcpStream::connect(listener.local_addr().expect("an address")).expect("a connection");
        Copy { stream, name: "x".into(), bound, ahead: Vec::new(), ended: false }
    }

    #[test]
    fn the_end_is_found_however_the_bytes_come() {
        let mark = [b'm'; MARK_BYTES];
        let data: Vec<u8> = (0..200u8).flat_map(|byte| [byte, b'm']).collect();
        let sent = [&data[..], &mark, b"behind"].concat();
        for step in [1, 7, 39, 40, 41, 1000] {
            for bound in [Bound::Mark(mark.to_vec()), Bound::Len(data.len() as u64)] {
                let mut copy = copy(bound);
                let (mut taken, mut rest) = (Vec::new(), &sent[..]);
                while !copy.ended {
                    let count = step.min(rest.len());
                    copy.received(&rest[..count]);
                    rest = &rest[count..];
                    while let Some(bytes) = copy.take_known(16).filter(|bytes| !bytes.is_empty()) {
                        taken.extend(bytes);
                    }
                }
                // The first letter of the mark is the data's last.
                assert_eq!(taken.len().abs_diff(data.len()), usize::from(taken != data), "step {step}");
            }
        }
    }
}
