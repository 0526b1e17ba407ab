//! Standard output that does not mind a reader that has gone (`quorate … | head`).

use std::io::Write;

/// Writes text as it is.
pub(crate) fn text(text: &str) {
    bytes(text.as_bytes());
}

/// Writes a line.
pub(crate) fn line(line: &str) {
    bytes(format!("{line}\n").as_bytes());
}

/// Writes bytes; ends the program, quietly, if nobody reads them.
pub(crate) fn bytes(bytes: &[u8]) {
    let mut out = std::io::stdout().lock();
    if out.write_all(bytes).and_then(|()| out.flush()).is_err() {
        std::process::exit(0);
    }
}
