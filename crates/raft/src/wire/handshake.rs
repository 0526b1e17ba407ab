//! The handshake at the start of every connection between peers.
//!
//! ```text
//! hello, 76 bytes, from the connecting side      answer, 100 bytes and a reason
//! 0   8  magic "QRTPEER" and a zero              0   8  magic
//! 8   2  lowest protocol version                 8   1  status: 0 accepted, 1 refused, 2 prove yourself
//! 10  2  highest                                 9   1  zero
//! 12  1  channel                                 10  2  protocol version chosen
//! 13  1  1 if a shared secret is configured      12  4  length of the reason in bytes, at most 512
//! 14  2  zero                                    16 16  cluster id
//! 16 16  cluster id, 0 while unformed            32  8  node id
//! 32  8  node id, 0 while unnamed                40  8  incarnation
//! 40  8  node id that is wanted, 0 for any       48 16  nonce
//! 48  8  incarnation                             64 32  proof of the answering side, or zeros
//! 56 16  nonce                                   96  4  CRC-32C of 0..96
//! 72  4  CRC-32C of 0..72                        100 …  reason, UTF-8
//! ```
//!
//! With a shared secret the answer's status is 2 and its proof HMAC-SHA256 of the secret over `"server"`, the hello and
//! bytes 0..64 of the answer; the connecting side sends its own, over `"client"` and the same, and reads one byte: 0 if
//! it is accepted. Each side's nonce makes an old proof worthless. What follows is neither encrypted nor signed.

use std::io;

use crc_fast::{CrcAlgorithm, checksum};
use hmac::{Hmac, Mac};
use quorate_storage::NodeId;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::transport::{Channel, PeerIdentity};

const MAGIC: &[u8; 8] = b"QRTPEER\0";
/// The lowest version of the peer protocol that this program speaks.
pub(crate) const VERSION_MIN: u16 = 1;
/// The highest version of the peer protocol that this program speaks.
pub const VERSION_MAX: u16 = 1;

const HELLO_BYTES: usize = 76;
const ANSWER_BYTES: usize = 100;
const REASON_BYTES_MAX: usize = 512;
const PROOF_BYTES: usize = 32;

const ACCEPTED: u8 = 0;
const REFUSED: u8 = 1;
const PROVE: u8 = 2;

/// What the connecting side says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hello {
    pub(crate) versions: (u16, u16),
    pub(crate) channel: u8,
    pub(crate) has_secret: bool,
    pub(crate) from: PeerIdentity,
    pub(crate) to: NodeId,
    nonce: [u8; 16],
}

/// Why there is no connection.
#[derive(Debug)]
pub(crate) enum Failure {
    Io(io::Error),
    /// The peer, or we, do not want it.
    Rejected(String),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

fn invalid(reason: &str) -> Failure {
    Failure::Rejected(reason.to_owned())
}

fn nonce() -> io::Result<[u8; 16]> {
    let mut nonce = [0; 16];
    getrandom::fill(&mut nonce).map_err(|error| io::Error::other(error.to_string()))?;
    Ok(nonce)
}

fn crc(bytes: &[u8]) -> [u8; 4] {
    (checksum(CrcAlgorithm::Crc32Iscsi, bytes) as u32).to_le_bytes()
}

fn proof(
    secret: &[u8],
    side: &[u8],
    hello: &[u8; HELLO_BYTES],
    answer: &[u8; ANSWER_BYTES],
) -> Hmac<sha2::Sha256> {
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(secret).expect("HMAC takes keys of any length");
    mac.update(side);
    mac.update(hello);
    mac.update(&answer[..64]);
    mac
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(bytes[at..at + 2].try_into().expect("two bytes"))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}

fn u128_at(bytes: &[u8], at: usize) -> u128 {
    u128::from_le_bytes(bytes[at..at + 16].try_into().expect("sixteen bytes"))
}

fn encode_hello(hello: &Hello) -> [u8; HELLO_BYTES] {
    let mut bytes = [0; HELLO_BYTES];
    bytes[0..8].copy_from_slice(MAGIC);
    bytes[8..10].copy_from_slice(&hello.versions.0.to_le_bytes());
    bytes[10..12].copy_from_slice(&hello.versions.1.to_le_bytes());
    bytes[12] = hello.channel;
    bytes[13] = u8::from(hello.has_secret);
    bytes[16..32].copy_from_slice(&hello.from.cluster.to_le_bytes());
    bytes[32..40].copy_from_slice(&hello.from.node.0.to_le_bytes());
    bytes[40..48].copy_from_slice(&hello.to.0.to_le_bytes());
    bytes[48..56].copy_from_slice(&hello.from.incarnation.to_le_bytes());
    bytes[56..72].copy_from_slice(&hello.nonce);
    let crc = crc(&bytes[..72]);
    bytes[72..76].copy_from_slice(&crc);
    bytes
}

fn decode_hello(bytes: &[u8; HELLO_BYTES]) -> Result<Hello, Failure> {
    if &bytes[..8] != MAGIC {
        return Err(invalid("this is not the peer protocol"));
    }
    if bytes[72..76] != crc(&bytes[..72]) {
        return Err(invalid("the hello is damaged"));
    }
    let from = PeerIdentity {
        cluster: u128_at(bytes, 16),
        node: NodeId(u64_at(bytes, 32)),
        incarnation: u64_at(bytes, 48),
    };
    Ok(Hello {
        versions: (u16_at(bytes, 8), u16_at(bytes, 10)),
        channel: bytes[12],
        has_secret: bytes[13] != 0,
        from,
        to: NodeId(u64_at(bytes, 40)),
        nonce: bytes[56..72].try_into().expect("sixteen bytes"),
    })
}

/// The connecting side. Returns who answered and the version to speak.
pub(crate) async fn connect<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    from: PeerIdentity,
    to: NodeId,
    channel: Channel,
    secret: Option<&[u8]>,
) -> Result<(PeerIdentity, u16), Failure> {
    let hello = Hello {
        versions: (VERSION_MIN, VERSION_MAX),
        channel: channel as u8,
        has_secret: secret.is_some(),
        from,
        to,
        nonce: nonce()?,
    };
    let hello = encode_hello(&hello);
    stream.write_all(&hello).await?;
    stream.flush().await?;

    let mut answer = [0; ANSWER_BYTES];
    stream.read_exact(&mut answer).await?;
    if &answer[..8] != MAGIC {
        return Err(invalid("the other side does not speak the peer protocol"));
    }
    if answer[96..100] != crc(&answer[..96]) {
        return Err(invalid("the answer to the hello is damaged"));
    }
    let reason_bytes = usize::from(u16_at(&answer, 12)).min(REASON_BYTES_MAX);
    let mut reason = vec![0; reason_bytes];
    stream.read_exact(&mut reason).await?;
    match (answer[8], secret) {
        (REFUSED, _) => return Err(Failure::Rejected(String::from_utf8_lossy(&reason).into_owned())),
        (ACCEPTED, None) => {}
        (ACCEPTED, Some(_)) => return Err(invalid("the peer does not know the cluster's secret")),
        (PROVE, Some(secret)) => prove(stream, secret, &hello, &answer).await?,
        _ => return Err(invalid("the peer answers in an unknown way")),
    }
    let version = u16_at(&answer, 10);
    if !(VERSION_MIN..=VERSION_MAX).contains(&version) {
        return Err(invalid("the peer chose a protocol version that was not offered"));
    }
    let peer = PeerIdentity {
        cluster: u128_at(&answer, 16),
        node: NodeId(u64_at(&answer, 32)),
        incarnation: u64_at(&answer, 40),
    };
    Ok((peer, version))
}

async fn prove<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    secret: &[u8],
    hello: &[u8; HELLO_BYTES],
    answer: &[u8; ANSWER_BYTES],
) -> Result<(), Failure> {
    proof(secret, b"server", hello, answer)
        .verify_slice(&answer[64..96])
        .map_err(|_| invalid("the peer does not know the cluster's secret"))?;
    stream.write_all(&proof(secret, b"client", hello, answer).finalize().into_bytes()).await?;
    stream.flush().await?;
    if stream.read_u8().await? != ACCEPTED {
        return Err(invalid("the peer does not accept our secret"));
    }
    Ok(())
}

/// The answering side. `judge` says whether the hello is welcome.
pub(crate) async fn accept<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    me: PeerIdentity,
    secret: Option<&[u8]>,
    judge: impl FnOnce(&Hello) -> Result<Channel, String>,
) -> Result<(Hello, Channel, u16), Failure> {
    let mut hello_bytes = [0; HELLO_BYTES];
    stream.read_exact(&mut hello_bytes).await?;
    let hello = decode_hello(&hello_bytes)?;
    let version = hello.versions.1.min(VERSION_MAX);
    let verdict = if version < hello.versions.0.max(VERSION_MIN) {
        Err(format!(
            "protocol versions {} to {} are offered, {VERSION_MIN} to {VERSION_MAX} are spoken here",
            hello.versions.0, hello.versions.1
        ))
    } else if secret.is_some() && !hello.has_secret {
        Err("this cluster asks for a shared secret".to_owned())
    } else {
        judge(&hello)
    };

    let mut answer = [0; ANSWER_BYTES];
    answer[0..8].copy_from_slice(MAGIC);
    answer[8] = match (&verdict, secret) {
        (Err(_), _) => REFUSED,
        (Ok(_), None) => ACCEPTED,
        (Ok(_), Some(_)) => PROVE,
    };
    answer[10..12].copy_from_slice(&version.to_le_bytes());
    let reason = verdict.as_ref().err().map_or(&b""[..], |reason| reason.as_bytes());
    let reason = &reason[..reason.len().min(REASON_BYTES_MAX)];
    answer[12..14].copy_from_slice(&(reason.len() as u16).to_le_bytes());
    answer[16..32].copy_from_slice(&me.cluster.to_le_bytes());
    answer[32..40].copy_from_slice(&me.node.0.to_le_bytes());
    answer[40..48].copy_from_slice(&me.incarnation.to_le_bytes());
    answer[48..64].copy_from_slice(&nonce()?);
    if let (Ok(_), Some(secret)) = (&verdict, secret) {
        let proof = proof(secret, b"server", &hello_bytes, &answer).finalize().into_bytes();
        answer[64..96].copy_from_slice(&proof);
    }
    let crc = crc(&answer[..96]);
    answer[96..100].copy_from_slice(&crc);
    stream.write_all(&answer).await?;
    stream.write_all(reason).await?;
    stream.flush().await?;
    let channel = verdict.map_err(Failure::Rejected)?;

    if let Some(secret) = secret {
        let mut theirs = [0; PROOF_BYTES];
        stream.read_exact(&mut theirs).await?;
        let good = proof(secret, b"client", &hello_bytes, &answer).verify_slice(&theirs).is_ok();
        stream.write_u8(if good { ACCEPTED } else { REFUSED }).await?;
        stream.flush().await?;
        if !good {
            return Err(invalid("the peer does not know the cluster's secret"));
        }
    }
    Ok((hello, channel, version))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ME: PeerIdentity = PeerIdentity { cluster: 5, node: NodeId(1), incarnation: 3 };
    const YOU: PeerIdentity = PeerIdentity { cluster: 5, node: NodeId(2), incarnation: 9 };

    async fn meet(client: Option<&[u8]>, server: Option<&[u8]>, welcome: bool) -> (bool, String) {
        let (mut near, mut far) = tokio::io::duplex(4096);
        let connecting = async {
            let result = connect(&mut near, ME, YOU.node, Channel::Forward, client).await;
            drop(near);
            result
        };
        let accepting = async {
            let result = accept(&mut far, YOU, server, |hello| {
                assert_eq!((hello.from, hello.to), (ME, YOU.node));
                if welcome { Ok(Channel::Forward) } else { Err("not welcome".into()) }
            })
            .await;
            drop(far);
            result
        };
        let (connected, accepted) = tokio::join!(connecting, accepting);
        match connected {
            Ok(peer) => {
                assert_eq!(peer, (YOU, VERSION_MAX));
                (accepted.is_ok(), String::new())
            }
            Err(failure) => (accepted.is_ok(), format!("{failure:?}")),
        }
    }

    #[tokio::test]
    async fn only_those_who_know_the_secret_get_in() {
        let secret = Some(&b"secret"[..]);
        assert_eq!(meet(None, None, true).await, (true, String::new()));
        assert_eq!(meet(secret, secret, true).await, (true, String::new()));
        let (accepted, reason) = meet(None, secret, true).await;
        assert!(!accepted && reason.contains("asks for a shared secret"), "{reason}");
        let (_, reason) = meet(secret, None, true).await;
        assert!(reason.contains("does not know"), "{reason}");
        let (accepted, reason) = meet(Some(b"other"), secret, true).await;
        assert!(!accepted && reason.contains("does not know"), "{reason}");
    }

    #[tokio::test]
    async fn a_refusal_gives_its_reason() {
        let (accepted, reason) = meet(None, None, false).await;
        assert!(!accepted && reason.contains("not welcome"), "{reason}");
    }

    #[tokio::test]
    async fn strangers_and_damage_are_turned_away() {
        for bytes in [
            &b"GET / HTTP/1.1\r\nHost: example.org\r\nAccept: text/html, application/json, */*\r\n\r\n"[..],
            &[0; 76],
        ] {
            let (mut near, mut far) = tokio::io::duplex(4096);
            near.write_all(bytes).await.expect("it fits");
            assert!(accept(&mut far, YOU, None, |_| Ok(Channel::Admin)).await.is_err());
        }
    }
}
