//! A look at the whole state, by reading commands alone.

use crate::generate::Step;
use crate::values::FAMILIES;

/// What shows everything that a key can hold; of all but one type it is an error, which is compared as well.
const LOOKS: &[&str] = &[
    "TYPE k",
    "OBJECT ENCODING k",
    "PEXPIRETIME k",
    "GET k",
    "LRANGE k 0 -1",
    "SMEMBERS k",
    "ZRANGE k 0 -1 WITHSCORES",
    "HGETALL k",
    "XINFO STREAM k FULL COUNT 0",
];

/// Reads every key of both databases.
pub(crate) fn state() -> Step {
    let words =
        |line: &str| -> Vec<Vec<u8>> { line.split(' ').map(|word| word.as_bytes().to_vec()).collect() };
    let mut step = Vec::new();
    for db in ["SELECT 1", "SELECT 0"] {
        step.extend([words(db), words("DBSIZE"), words("KEYS *")]);
        for key in FAMILIES.iter().copied().flatten() {
            for look in LOOKS {
                let mut request = words(look);
                for arg in &mut request {
                    if arg == b"k" {
                        *arg = key.to_vec();
                    }
                }
                step.push(request);
            }
        }
    }
    step
}
