//! How a row describes its arguments, for `COMMAND DOCS`.
//!
//! Leaves to others: checking them, which is each command's own business.

/// An argument as `COMMAND DOCS` describes it.
#[derive(Debug, Clone, Copy)]
pub struct Argument {
    /// Its name.
    pub name: &'static str,
    /// What it is.
    pub kind: ArgumentKind,
    /// The word that introduces it, if any.
    pub token: Option<&'static str>,
    /// It may be left out.
    pub optional: bool,
    /// It may be given many times.
    pub multiple: bool,
    /// The token is repeated with each.
    pub multiple_token: bool,
    /// Which key specification a key belongs to.
    pub key_spec: usize,
}

/// The kind of an argument.
#[derive(Debug, Clone, Copy)]
#[expect(missing_docs, reason = "each variant is Redis' type of that name")]
pub enum ArgumentKind {
    String,
    Integer,
    Double,
    Key,
    Pattern,
    UnixTime,
    PureToken,
    /// One of several.
    OneOf(&'static [Argument]),
    /// All of several, in order.
    Block(&'static [Argument]),
}

impl Argument {
    /// A required argument.
    pub const fn new(name: &'static str, kind: ArgumentKind) -> Argument {
        Argument {
            name,
            kind,
            token: None,
            optional: false,
            multiple: false,
            multiple_token: false,
            key_spec: 0,
        }
    }

    /// A key of the first key specification.
    pub const fn key(name: &'static str) -> Argument {
        Argument::new(name, ArgumentKind::Key)
    }

    /// A word that stands for itself.
    pub const fn word(name: &'static str, token: &'static str) -> Argument {
        Argument::new(name, ArgumentKind::PureToken).token(token)
    }

    /// A choice.
    pub const fn one_of(name: &'static str, choices: &'static [Argument]) -> Argument {
        Argument::new(name, ArgumentKind::OneOf(choices))
    }

    /// A sequence.
    pub const fn block(name: &'static str, parts: &'static [Argument]) -> Argument {
        Argument::new(name, ArgumentKind::Block(parts))
    }

    /// Introduced by `token`.
    pub const fn token(self, token: &'static str) -> Argument {
        Argument { token: Some(token), ..self }
    }

    /// May be left out.
    pub const fn optional(self) -> Argument {
        Argument { optional: true, ..self }
    }

    /// May be given many times.
    pub const fn multiple(self) -> Argument {
        Argument { multiple: true, ..self }
    }

    /// May be given many times, with its token each time.
    pub const fn multiple_token(self) -> Argument {
        Argument { multiple: true, multiple_token: true, ..self }
    }

    /// A key of the key specification with this index.
    pub const fn spec(self, key_spec: usize) -> Argument {
        Argument { key_spec, ..self }
    }
}
