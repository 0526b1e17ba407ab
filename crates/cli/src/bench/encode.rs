//! Requests as bytes, appended to a buffer that is used again and again.

/// Appends one request.
pub(super) fn request<A: AsRef<[u8]>>(out: &mut Vec<u8>, args: &[A]) {
    header(out, b'*', args.len());
    for arg in args {
        bulk(out, arg.as_ref());
    }
}

/// Appends one argument.
pub(super) fn bulk(out: &mut Vec<u8>, bytes: &[u8]) {
    header(out, b'$', bytes.len());
    out.extend_from_slice(bytes);
    out.extend_from_slice(b"\r\n");
}

/// Appends the line that tells how many arguments or bytes follow.
pub(super) fn header(out: &mut Vec<u8>, kind: u8, count: usize) {
    out.push(kind);
    decimal(out, count as u64, 1);
    out.extend_from_slice(b"\r\n");
}

/// Appends a number in decimal digits, with leading zeros up to a width.
pub(super) fn decimal(out: &mut Vec<u8>, mut value: u64, width: usize) {
    let mut digits = [b'0'; 20];
    let mut from = digits.len();
    while value > 0 || digits.len() - from < width.min(digits.len()) {
        from -= 1;
        digits[from] = b'0' + (value % 10) as u8;
        value /= 10;
    }
    out.extend_from_slice(&digits[from..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_look_as_a_server_expects_them() {
        let mut out = Vec::new();
        request(&mut out, &[&b"SET"[..], b"k", b""]);
        assert_eq!(out, b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$0\r\n\r\n");
        out.clear();
        for (value, width) in [(0, 1), (7, 3), (1234, 2), (u64::MAX, 1)] {
            decimal(&mut out, value, width);
            out.push(b' ');
        }
        assert_eq!(out, b"0 007 1234 18446744073709551615 ");
    }
}
