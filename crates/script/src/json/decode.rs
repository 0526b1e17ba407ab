//! Reading JSON, with the errors of Redis' library.

use mlua::{Lua, Result, Table, Value};

use super::Switches;
use crate::arguments::Arguments;
use crate::meter::Meter;
use crate::raise;

#[derive(Debug, Clone)]
enum Token {
    ObjectBegin,
    ObjectEnd,
    ArrayBegin,
    ArrayEnd,
    Text(Vec<u8>),
    Number(f64),
    Boolean(bool),
    Null,
    Colon,
    Comma,
    End,
    Wrong(&'static str),
}

impl Token {
    fn name(&self) -> &'static str {
        match self {
            Token::ObjectBegin => "T_OBJ_BEGIN",
            Token::ObjectEnd => "T_OBJ_END",
            Token::ArrayBegin => "T_ARR_BEGIN",
            Token::ArrayEnd => "T_ARR_END",
            Token::Text(_) => "T_STRING",
            Token::Number(_) => "T_NUMBER",
            Token::Boolean(_) => "T_BOOLEAN",
            Token::Null => "T_NULL",
            Token::Colon => "T_COLON",
            Token::Comma => "T_COMMA",
            Token::End => "T_END",
            Token::Wrong(why) => why,
        }
    }
}

pub(super) fn decode(lua: &Lua, meter: &Meter, switches: Switches, args: &Arguments) -> Result<Value> {
    if args.len() != 1 {
        return Err(Arguments::bad(lua, "decode", 1, "expected 1 argument"));
    }
    let string = args.string(lua, "decode", 1)?;
    let bytes = &*string.as_bytes();
    if bytes.len() >= 2 && (bytes[0] == 0 || bytes[1] == 0) {
        return Err(raise::text(lua, "JSON parser does not support UTF-16 or UTF-32"));
    }
    let mut reader = Reader { lua, meter, switches, bytes, at: 0, token_at: 0 };
    let first = reader.next();
    let value = reader.value(first)?;
    match reader.next() {
        Token::End => Ok(value),
        other => reader.expected("the end", &other),
    }
}

/// A table of which a part is read.
struct Open {
    table: Table,
    is_object: bool,
    /// The key whose value comes next.
    key: Option<Vec<u8>>,
    items: usize,
}

impl Open {
    fn add(&mut self, lua: &Lua, value: Value) -> Result<()> {
        match self.key.take() {
            Some(key) => self.table.raw_set(lua.create_string(key)?, value),
            None => {
                self.items += 1;
                self.table.raw_set(self.items, value)
            }
        }
    }
}

struct Reader<'a> {
    lua: &'a Lua,
    meter: &'a Meter,
    switches: Switches,
    bytes: &'a [u8],
    at: usize,
    token_at: usize,
}

impl Reader<'_> {
    fn expected<T>(&self, what: &str, found: &Token) -> Result<T> {
        let at = self.token_at + 1;
        let text = format!("Expected {what} but found {} at character {at}", found.name());
        Err(raise::text(self.lua, text))
    }

    /// Reads a value. Tables that are open wait in a list and not on the stack, which a text could exhaust.
    fn value(&mut self, first: Token) -> Result<Value> {
        let mut open: Vec<Open> = Vec::new();
        let mut token = first;
        loop {
            raise::charge(self.meter, 20)?;
            let mut value = match token {
                Token::Text(text) => {
                    raise::charge(self.meter, text.len() / 4)?;
                    Some(Value::String(self.lua.create_string(text)?))
                }
                Token::Number(number) => Some(Value::Number(number)),
                Token::Boolean(truth) => Some(Value::Boolean(truth)),
                Token::Null => Some(Value::NULL),
                Token::ObjectBegin | Token::ArrayBegin => {
                    self.descend(open.len() + 1)?;
                    let is_object = matches!(token, Token::ObjectBegin);
                    open.push(Open { table: self.lua.create_table()?, is_object, key: None, items: 0 });
                    None
                }
                other => return self.expected("value", &other),
            };
            // The value belongs to the innermost open table, and may be the last of it.
            let mut fresh = value.is_none();
            loop {
                let Some(table) = open.last_mut() else {
                    return Ok(value.expect("without an open table the value is whole"));
                };
                if let Some(value) = value.take() {
                    table.add(self.lua, value)?;
                }
                let next = self.next();
                match (next, table.is_object) {
                    (Token::ObjectEnd, true) | (Token::ArrayEnd, false) => {
                        value = open.pop().map(|table| Value::Table(table.table));
                        fresh = false;
                        continue;
                    }
                    (next, _) if fresh => token = next,
                    (Token::Comma, _) => token = self.next(),
                    (other, true) => return self.expected("comma or object end", &other),
                    (other, false) => return self.expected("comma or array end", &other),
                }
                break;
            }
            let table = open.last_mut().expect("the loop above ends with an open table");
            if table.is_object {
                let Token::Text(key) = token else { return self.expected("object key string", &token) };
                table.key = Some(key);
                match self.next() {
                    Token::Colon => {}
                    other => return self.expected("colon", &other),
                }
                token = self.next();
            }
        }
    }

    fn descend(&self, depth: usize) -> Result<()> {
        if depth as i64 > self.switches.decode_depth_max {
            let at = self.at;
            return Err(raise::text(
                self.lua,
                format!("Found too many nested data structures ({depth}) at character {at}"),
            ));
        }
        Ok(())
    }

    fn next(&mut self) -> Token {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.bytes.get(self.at) {
            self.at += 1;
        }
        self.token_at = self.at;
        let rest = &self.bytes[self.at..];
        let (token, len) = match rest.first() {
            None => return Token::End,
            Some(b'{') => (Token::ObjectBegin, 1),
            Some(b'}') => (Token::ObjectEnd, 1),
            Some(b'[') => (Token::ArrayBegin, 1),
            Some(b']') => (Token::ArrayEnd, 1),
            Some(b',') => (Token::Comma, 1),
            Some(b':') => (Token::Colon, 1),
            Some(b'"') => return self.text(),
            Some(b'-' | b'0'..=b'9') => return self.number(),
            _ if rest.starts_with(b"true") => (Token::Boolean(true), 4),
            _ if rest.starts_with(b"false") => (Token::Boolean(false), 5),
            _ if rest.starts_with(b"null") => (Token::Null, 4),
            _ if self.switches.decode_invalid && invalid_word(rest) => return self.number(),
            _ => (Token::Wrong("invalid token"), 0),
        };
        self.at += len;
        token
    }

    /// What C's `strtod` reads, which takes hexadecimal, `inf` and `nan` as well.
    fn number(&mut self) -> Token {
        let rest = &self.bytes[self.at..];
        let (sign, digits) = match rest {
            [b'-', digits @ ..] => (-1.0, digits),
            [b'+', digits @ ..] => (1.0, digits),
            digits => (1.0, digits),
        };
        let prefix = rest.len() - digits.len();
        let odd = match digits {
            [b'0', b'x' | b'X', ..] | [b'0', b'0'..=b'9', ..] => true,
            digits => invalid_word(digits),
        };
        if odd && !self.switches.decode_invalid {
            return Token::Wrong("invalid number");
        }
        let (number, len) = match digits {
            [b'0', b'x' | b'X', hexadecimal @ ..] => {
                let len = hexadecimal.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
                let digit = |byte: &u8| f64::from(char::from(*byte).to_digit(16).unwrap_or(0));
                (hexadecimal[..len].iter().fold(0.0, |sum, byte| sum * 16.0 + digit(byte)), len + 2)
            }
            digits if starts_with_word(digits, b"infinity") => (f64::INFINITY, 8),
            digits if starts_with_word(digits, b"inf") => (f64::INFINITY, 3),
            digits if starts_with_word(digits, b"nan") => (f64::NAN, 3),
            digits => {
                let len = decimal_len(digits);
                match std::str::from_utf8(&digits[..len]).ok().and_then(|text| text.parse::<f64>().ok()) {
                    Some(number) => (number, len),
                    None => return Token::Wrong("invalid number"),
                }
            }
        };
        self.at += prefix + len;
        Token::Number(sign * number)
    }

    fn text(&mut self) -> Token {
        let mut text = Vec::new();
        let mut at = self.at + 1;
        loop {
            match self.bytes[at..] {
                [] => return Token::Wrong("unexpected end of string"),
                [b'"', ..] => break,
                [b'\\', b'u', ..] => match unescape_unicode(&self.bytes[at..], &mut text) {
                    Some(len) => at += len,
                    None => {
                        self.token_at = at;
                        return Token::Wrong("invalid unicode escape code");
                    }
                },
                [b'\\', escaped, ..] => {
                    text.push(match escaped {
                        b'"' | b'\\' | b'/' => escaped,
                        b'b' => 8,
                        b't' => b'\t',
                        b'n' => b'\n',
                        b'f' => 12,
                        b'r' => b'\r',
                        _ => {
                            self.token_at = at;
                            return Token::Wrong("invalid escape code");
                        }
                    });
                    at += 2;
                }
                [byte, ..] => {
                    text.push(byte);
                    at += 1;
                }
            }
        }
        self.at = at + 1;
        Token::Text(text)
    }
}

fn starts_with_word(bytes: &[u8], word: &[u8]) -> bool {
    bytes.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word))
}

/// Whether infinity or not-a-number begins here, with a sign or without.
fn invalid_word(bytes: &[u8]) -> bool {
    let bytes = match bytes {
        [b'-' | b'+', rest @ ..] => rest,
        bytes => bytes,
    };
    starts_with_word(bytes, b"inf") || starts_with_word(bytes, b"nan")
}

/// How far a decimal number goes.
fn decimal_len(bytes: &[u8]) -> usize {
    let digits = |from: usize| bytes[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let mut len = digits(0);
    if bytes.get(len) == Some(&b'.') {
        len += 1 + digits(len + 1);
    }
    if let Some(b'e' | b'E') = bytes.get(len) {
        let sign = usize::from(matches!(bytes.get(len + 1), Some(b'+' | b'-')));
        if let exponent @ 1.. = digits((len + 1 + sign).min(bytes.len())) {
            len += 1 + sign + exponent;
        }
    }
    len
}

/// Adds `\uXXXX`, or a pair of surrogates, as UTF-8; how long it was.
fn unescape_unicode(bytes: &[u8], text: &mut Vec<u8>) -> Option<usize> {
    let unit = |at: usize| {
        let digits = bytes.get(at..at + 4)?;
        let all = digits.iter().all(u8::is_ascii_hexdigit);
        u32::from_str_radix(std::str::from_utf8(digits).ok().filter(|_| all)?, 16).ok()
    };
    let first = unit(2)?;
    let (code, len) = if first & 0xf800 == 0xd800 {
        // A second half must not come first, and the second half must follow.
        if first & 0x400 != 0 || bytes.get(6..8) != Some(b"\\u") {
            return None;
        }
        let second = unit(8)?;
        if second & 0xfc00 != 0xdc00 {
            return None;
        }
        (0x1_0000 + ((first & 0x3ff) << 10 | second & 0x3ff), 12)
    } else {
        (first, 6)
    };
    let character = char::from_u32(code)?;
    text.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
    Some(len)
}
