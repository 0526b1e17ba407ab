//! Numbers as Redis reads and writes them.

use quorate_resp::{format_double, format_integer, parse_f64, parse_i64, parse_u64};

#[test]
fn integers_are_read_strictly() {
    let good = [
        ("0", 0),
        ("7", 7),
        ("-1", -1),
        ("10", 10),
        ("9223372036854775807", i64::MAX),
        ("-9223372036854775808", i64::MIN),
    ];
    for (text, value) in good {
        assert_eq!(parse_i64(text.as_bytes()), Some(value), "{text:?}");
        assert_eq!(format_integer(value).as_slice(), text.as_bytes());
    }
    let bad = [
        "",
        "-",
        "+1",
        "-0",
        "00",
        "01",
        "-01",
        " 1",
        "1 ",
        "1a",
        "1.0",
        "1e3",
        "0x1",
        "--1",
        "9223372036854775808",
        "-9223372036854775809",
        "99999999999999999999",
        "1\0",
    ];
    for text in bad {
        assert_eq!(parse_i64(text.as_bytes()), None, "{text:?}");
    }
}

#[test]
fn cursors_are_read_as_by_strtoull() {
    for (text, value) in
        [("0", 0), ("007", 7), ("+1", 1), ("-1", u64::MAX), ("-0", 0), ("18446744073709551615", u64::MAX)]
    {
        assert_eq!(parse_u64(text.as_bytes()), Some(value), "{text:?}");
    }
    for text in
        ["", "-", "+", "+-1", " 1", "1 ", "a", "1a", "18446744073709551616", "99999999999999999999999"]
    {
        assert_eq!(parse_u64(text.as_bytes()), None, "{text:?}");
    }
}

#[test]
fn doubles_are_read_as_by_strtod() {
    let good: &[(&str, f64)] = &[
        ("0", 0.0),
        ("-0", -0.0),
        ("1.", 1.0),
        (".5", 0.5),
        ("+.5e1", 5.0),
        ("1e+2", 100.0),
        ("1E-2", 0.01),
        ("00012", 12.0),
        ("inf", f64::INFINITY),
        ("+inf", f64::INFINITY),
        ("-INF", f64::NEG_INFINITY),
        ("Infinity", f64::INFINITY),
        ("-infinity", f64::NEG_INFINITY),
        ("1.7976931348623157e308", f64::MAX),
        ("5e-324", 5e-324),
        ("0e-999", 0.0),
        ("0.000e5", 0.0),
        ("0x10", 16.0),
        ("-0X1.8p1", -3.0),
        ("0x.8", 0.5),
        ("0x1p-1074", 5e-324),
        ("0x1p-1022", f64::MIN_POSITIVE),
        ("0x0.fffffffffffffp-1022", f64::from_bits((1 << 52) - 1)),
        ("0x0.fffffffffffff8p-1022", f64::MIN_POSITIVE),
        ("0x1.8p-1075", 5e-324),
        ("0x1.fffffffffffffp1023", f64::MAX),
        ("0x0", 0.0),
        ("-0x0p99999999999999999999", -0.0),
        // Half to even at 53 bits, and a digit far behind that breaks the tie.
        ("0x20000000000001", 9007199254740992.0),
        ("0x20000000000003", 9007199254740996.0),
        ("0x20000000000001.00000000000000001", 9007199254740994.0),
        ("0x1ffffffffffffffff", 36893488147419103232.0),
    ];
    for (text, value) in good {
        let got = parse_f64(text.as_bytes()).unwrap_or_else(|| panic!("{text:?} is a double"));
        assert_eq!(got.to_bits(), value.to_bits(), "{text:?} gave {got}");
    }
    let bad = [
        "",
        ".",
        "+",
        "-",
        "e5",
        "1e",
        "1e+",
        "--1",
        "+-1",
        " 1",
        "1 ",
        "1,5",
        "1_0",
        "nan",
        "-nan",
        "NaN(1)",
        "infi",
        "1e400",
        "-1e400",
        "1e-400",
        "0x",
        "0x.",
        "0xg",
        "0x1p",
        "0x1p+",
        "0x1.8.1",
        "0x1p1024",
        "0x1p-1075",
        "0x1.fffffffffffff8p1023",
        "0x1p99999999999999999999",
        "1\0",
        "abc",
        "\u{661}",
    ];
    for text in bad {
        assert_eq!(parse_f64(text.as_bytes()), None, "{text:?}");
    }
    assert_eq!(parse_f64(b"1\xff"), None);
}

#[test]
fn doubles_are_written_as_by_redis() {
    let cases: &[(f64, &str)] = &[
        (0.0, "0"),
        (-0.0, "-0"),
        (3.0, "3"),
        (-3.5, "-3.5"),
        (0.1, "0.1"),
        (0.30000000000000004, "0.30000000000000004"),
        (1234567.891, "1234567.891"),
        (0.0001, "0.0001"),
        (0.000001, "0.000001"),
        (0.0000001, "1e-7"),
        (0.00001234, "1.234e-5"),
        (0.001234567, "0.001234567"),
        (12345.678901234, "1.2345678901234e+4"),
        (1234.5678901234, "1234.5678901234"),
        (4611686018427387904.0, "4611686018427387904"),
        (1152921504606846976.0, "1152921504606846976"),
        (-1152921504606846976.0, "-1152921504606846976"),
        (9223372036854775808.0, "9223372036854776000"),
        (1e19, "1e+19"),
        (12345678901234568000000.0, "12345678901234568000000"),
        (1e21, "1e+21"),
        (-1.5e100, "-1.5e+100"),
        (f64::MAX, "1.7976931348623157e+308"),
        (5e-324, "5e-324"),
        (f64::INFINITY, "inf"),
        (f64::NEG_INFINITY, "-inf"),
        (f64::NAN, "nan"),
        (-f64::NAN, "nan"),
    ];
    for (value, text) in cases {
        assert_eq!(String::from_utf8_lossy(&format_double(*value)), *text, "{value:e}");
    }
}
