//! What a row of the command table says.
//!
//! For: the types of a row, and what follows from a row alone (full ACL categories, positions of keys).
//! Leaves to others: the rows themselves (`table`), and rendering them for clients (`introspection`).
//! Invariants: a row is `const`; the order of [`Flag`] and [`Category`] is the order in which Redis lists them.

mod argument;
mod hidden;

use quorate_resp::Reply;

pub use self::argument::{Argument, ArgumentKind};
pub use self::hidden::Hidden;
use crate::{Args, Error, KeyPosition, Read, Write};

/// Runs a command that only reads.
pub type ReadFn = fn(&Read<'_>, Args<'_>, &mut Reply) -> Result<(), Error>;
/// Runs a command that may change the state; called at apply, on every node alike.
pub type WriteFn = fn(&mut Write<'_>, Args<'_>, &mut Reply) -> Result<(), Error>;

/// One row of the table: everything that the program knows of a command.
#[derive(Debug, Clone, Copy)]
pub struct Command {
    /// Name in lower case; of a subcommand, its own word only.
    pub name: &'static str,
    /// Name of the container that a subcommand belongs to, or nothing.
    pub parent: Option<&'static str>,
    /// Number of arguments with the name; negative: at least as many.
    pub arity: i32,
    /// Redis' command flags.
    pub flags: Flags,
    /// ACL categories beyond those that follow from the flags; see [`Command::acl_categories`].
    pub categories: Categories,
    /// Where the keys are among the arguments.
    pub keys: &'static [KeySpec],
    /// A key of this very request that the key specifications cannot tell.
    pub own_key: Option<fn(Args<'_>) -> Option<KeyPosition>>,
    /// What is done with the keys of this very request, where the key specifications cannot tell.
    pub narrow_key_flags: Option<fn(Args<'_>) -> KeyFlags>,
    /// Which arguments are shown to nobody else.
    pub hidden: Hidden,
    /// What it may do depends on more than its arguments: it has to know who asks.
    pub asks_user: bool,
    /// Hints for clients and proxies.
    pub tips: &'static [&'static str],
    /// The documentation group.
    pub group: Group,
    /// First version of Redis with this command.
    pub since: &'static str,
    /// Version that deprecated it and what to use now, if any.
    pub deprecated: Option<(&'static str, &'static str)>,
    /// Cost in big-O notation.
    pub complexity: &'static str,
    /// One sentence.
    pub summary: &'static str,
    /// Arguments as `COMMAND DOCS` describes them.
    pub arguments: &'static [Argument],
    /// Subcommands of a container.
    pub subcommands: &'static [Command],
    /// Its reply follows from the table alone: a read that needs no barrier.
    pub stateless: bool,
    /// Why it is not here and will not be, of a command that nothing runs.
    pub refusal: Option<&'static str>,
    /// What runs it.
    pub route: Route,
}

/// Where a command is run.
#[derive(Debug, Clone, Copy)]
pub enum Route {
    /// On any node's copy of the state, behind a read barrier.
    Read(ReadFn),
    /// Through the log, at apply.
    Write(WriteFn),
    /// On the node that has the connection, outside apply.
    Session(SessionCommand),
    /// By one of its subcommands.
    Container,
    /// Redis has it, Quorate has it not yet.
    Unsupported,
}

/// Commands that need the connection, the node or the cluster; the node implements them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each variant is the command of that name; its row documents it")]
pub enum SessionCommand {
    AclCat,
    AclGenpass,
    AclLog,
    AclWhoami,
    Auth,
    Bgrewriteaof,
    Bgsave,
    ClientCaching,
    ClientGetname,
    ClientGetredir,
    ClientId,
    ClientInfo,
    ClientKill,
    ClientList,
    ClientNoEvict,
    ClientNoTouch,
    ClientPause,
    ClientReadmode,
    ClientReply,
    ClientSetinfo,
    ClientSetname,
    ClientTracking,
    ClientTrackinginfo,
    ClientUnblock,
    ClientUnpause,
    Cluster,
    ConfigResetstat,
    ConfigRewrite,
    Debug,
    Discard,
    Echo,
    Exec,
    Hello,
    Info,
    Lastsave,
    LatencyDoctor,
    LatencyGraph,
    LatencyHistogram,
    LatencyHistory,
    LatencyLatest,
    LatencyReset,
    MemoryDoctor,
    MemoryMallocStats,
    MemoryPurge,
    MemoryStats,
    Module,
    Monitor,
    Multi,
    Ping,
    Psubscribe,
    Psync,
    Punsubscribe,
    Quit,
    Replconf,
    Replicaof,
    Reset,
    Role,
    Save,
    Select,
    Shutdown,
    SlowlogGet,
    SlowlogLen,
    SlowlogReset,
    Ssubscribe,
    Subscribe,
    Sunsubscribe,
    Time,
    Unsubscribe,
    Unwatch,
    Wait,
    Waitaof,
    Watch,
}

/// Costs that the number of arguments bounds, as rows word them.
const IN_ARGUMENTS: [&str; 5] = [
    "O(N) in the keys",
    "O(N) in the fields",
    "O(N) in the members",
    "O(N) in the elements",
    "O(M*log(N)) for M members of a set of N",
];

impl Command {
    /// Whether its cost is bounded by the number of its arguments and the logarithm of what they name, so that no value,
    /// however large, makes it take long. Goes by [`Command::complexity`].
    pub fn is_brief(&self) -> bool {
        let of_one = |cost: &str| {
            cost.starts_with("O(1)") || cost.starts_with("O(log N)") || cost.starts_with("O(log(N))")
        };
        let is_all = |cost: &str| of_one(cost) && !cost.contains(" and ");
        is_all(self.complexity) || IN_ARGUMENTS.contains(&self.complexity)
    }

    /// The defaults of a row, to be overridden field by field.
    pub const ROW: Command = Command {
        name: "",
        parent: None,
        arity: -1,
        flags: Flags::NONE,
        categories: Categories::NONE,
        keys: &[],
        own_key: None,
        narrow_key_flags: None,
        hidden: Hidden::None,
        asks_user: false,
        tips: &[],
        group: Group::Generic,
        since: "1.0.0",
        deprecated: None,
        complexity: "O(1)",
        summary: "",
        arguments: &[],
        subcommands: &[],
        stateless: false,
        refusal: None,
        route: Route::Unsupported,
    };

    /// Name as in errors and ACLs: `get`, `config|get`.
    pub fn full_name(&self) -> String {
        match self.parent {
            Some(parent) => format!("{parent}|{}", self.name),
            None => self.name.to_owned(),
        }
    }

    /// True if a request of `len` arguments (name included) fits the arity.
    pub fn arity_fits(&self, len: usize) -> bool {
        let needed = self.arity.unsigned_abs() as usize;
        if self.arity >= 0 { len == needed } else { len >= needed }
    }

    /// True if the command goes through the log.
    pub fn is_write(&self) -> bool {
        matches!(self.route, Route::Write(_))
    }

    /// True if Quorate runs the command.
    pub fn is_supported(&self) -> bool {
        match self.route {
            Route::Unsupported => false,
            Route::Container => self.subcommands.iter().any(Command::is_supported),
            _ => true,
        }
    }

    /// The subcommand of that name, in any case.
    pub fn subcommand(&self, name: &[u8]) -> Option<&'static Command> {
        self.subcommands.iter().find(|sub| sub.name.as_bytes().eq_ignore_ascii_case(name))
    }

    /// All ACL categories: those of the row and those that follow from its flags, as in Redis.
    pub fn acl_categories(&self) -> Categories {
        let flags = self.flags;
        let mut all = self.categories;
        let scripting = self.categories.has(Category::Scripting);
        for (implied, category) in [
            (flags.has(Flag::Write), Category::Write),
            (flags.has(Flag::Readonly) && !scripting, Category::Read),
            (flags.has(Flag::Admin), Category::Admin),
            (flags.has(Flag::Admin), Category::Dangerous),
            (flags.has(Flag::Pubsub), Category::Pubsub),
            (flags.has(Flag::Fast), Category::Fast),
            (flags.has(Flag::Blocking), Category::Blocking),
            (!flags.has(Flag::Fast), Category::Slow),
        ] {
            if implied {
                all = all.with(category);
            }
        }
        all
    }
}

/// Makes a set of a field-less enum's variants that can be written in a `const` row.
macro_rules! bit_set {
    ($(#[$set_doc:meta])* $set:ident of $(#[$doc:meta])* $item:ident { $($variant:ident = $name:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[expect(missing_docs, reason = "each variant is Redis' term of that name")]
        pub enum $item { $($variant),+ }

        impl $item {
            /// All, in the order in which Redis lists them.
            pub const ALL: &'static [$item] = &[$($item::$variant),+];

            /// Redis' name.
            pub const fn name(self) -> &'static str {
                match self { $($item::$variant => $name),+ }
            }
        }

        $(#[$set_doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
        pub struct $set(u32);

        impl $set {
            /// The empty set.
            pub const NONE: $set = $set(0);

            /// The set of `items`.
            pub const fn of(items: &[$item]) -> $set {
                let mut set = $set(0);
                let mut i = 0;
                while i < items.len() {
                    set = set.with(items[i]);
                    i += 1;
                }
                set
            }

            /// This set and `item`.
            pub const fn with(self, item: $item) -> $set {
                $set(self.0 | 1 << item as u32)
            }

            /// True if `item` is in the set.
            pub const fn has(self, item: $item) -> bool {
                self.0 & (1 << item as u32) != 0
            }

            /// The members in Redis' order.
            pub fn iter(self) -> impl Iterator<Item = $item> {
                $item::ALL.iter().copied().filter(move |item| self.has(*item))
            }
        }
    };
}

bit_set! {
    /// A set of command flags.
    Flags of
    /// A command flag of Redis.
    Flag {
        Write = "write",
        Readonly = "readonly",
        DenyOom = "denyoom",
        Admin = "admin",
        Pubsub = "pubsub",
        NoScript = "noscript",
        Blocking = "blocking",
        Loading = "loading",
        Stale = "stale",
        SkipMonitor = "skip_monitor",
        SkipSlowlog = "skip_slowlog",
        Asking = "asking",
        Fast = "fast",
        NoAuth = "no_auth",
        MayReplicate = "may_replicate",
        NoMandatoryKeys = "no_mandatory_keys",
        NoAsyncLoading = "no_async_loading",
        NoMulti = "no_multi",
        AllowBusy = "allow_busy",
        MovableKeys = "movablekeys",
    }
}

bit_set! {
    /// A set of ACL categories.
    Categories of
    /// An ACL category of Redis.
    Category {
        Keyspace = "keyspace",
        Read = "read",
        Write = "write",
        Set = "set",
        SortedSet = "sortedset",
        List = "list",
        Hash = "hash",
        String = "string",
        Bitmap = "bitmap",
        HyperLogLog = "hyperloglog",
        Geo = "geo",
        Stream = "stream",
        Pubsub = "pubsub",
        Admin = "admin",
        Fast = "fast",
        Slow = "slow",
        Blocking = "blocking",
        Dangerous = "dangerous",
        Connection = "connection",
        Transaction = "transaction",
        Scripting = "scripting",
    }
}

bit_set! {
    /// What a command does with the keys of one key specification.
    KeyFlags of
    /// A flag of a key specification.
    KeyFlag {
        Ro = "RO",
        Rw = "RW",
        Ow = "OW",
        Rm = "RM",
        Access = "access",
        Update = "update",
        Insert = "insert",
        Delete = "delete",
        NotKey = "not_key",
        Incomplete = "incomplete",
        VariableFlags = "variable_flags",
    }
}

/// Documentation group of a command, as `COMMAND DOCS` names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each variant is Redis' group of that name")]
pub enum Group {
    Generic,
    String,
    List,
    Set,
    SortedSet,
    Hash,
    Pubsub,
    Transactions,
    Connection,
    Server,
    Scripting,
    HyperLogLog,
    Cluster,
    Sentinel,
    Geo,
    Stream,
    Bitmap,
}

impl Group {
    /// Redis' name.
    pub const fn name(self) -> &'static str {
        match self {
            Group::Generic => "generic",
            Group::String => "string",
            Group::List => "list",
            Group::Set => "set",
            Group::SortedSet => "sorted-set",
            Group::Hash => "hash",
            Group::Pubsub => "pubsub",
            Group::Transactions => "transactions",
            Group::Connection => "connection",
            Group::Server => "server",
            Group::Scripting => "scripting",
            Group::HyperLogLog => "hyperloglog",
            Group::Cluster => "cluster",
            Group::Sentinel => "sentinel",
            Group::Geo => "geo",
            Group::Stream => "stream",
            Group::Bitmap => "bitmap",
        }
    }
}

/// Where keys stand among the arguments, in Redis' terms: where to begin, then which to take.
#[derive(Debug, Clone, Copy)]
pub struct KeySpec {
    /// What is done with them.
    pub flags: KeyFlags,
    /// Where the search begins.
    pub begin: BeginSearch,
    /// Which arguments from there are keys.
    pub find: FindKeys,
}

/// Where the search for keys begins.
#[derive(Debug, Clone, Copy)]
pub enum BeginSearch {
    /// At this argument (the name is argument 0).
    Index(usize),
    /// After the given word, searched from the given argument on; negative: backwards from the end.
    Keyword(&'static str, i32),
    /// Only the command itself knows.
    Unknown,
}

/// Which arguments are keys, relative to where the search began.
#[derive(Debug, Clone, Copy)]
pub enum FindKeys {
    /// Up to `last` (relative; negative: from the end of the request) in steps.
    Range {
        /// Last key, relative to the first; negative: counted from the end of the request.
        last: i32,
        /// Distance between keys.
        step: usize,
        /// Share of the remaining arguments that are keys, when `last` is -1; 0 and 1: all.
        limit: usize,
    },
    /// An argument tells how many there are.
    KeyNum {
        /// Where the count is.
        count: usize,
        /// Where the first key is.
        first: usize,
        /// Distance between keys.
        step: usize,
    },
    /// Only the command itself knows.
    Unknown,
}

impl KeySpec {
    /// One key at argument `index`.
    pub const fn at(index: usize, flags: &[KeyFlag]) -> KeySpec {
        KeySpec::range(index, 0, 1, flags)
    }

    /// Keys from argument `first` to the relative position `last` in steps of `step`.
    pub const fn range(first: usize, last: i32, step: usize, flags: &[KeyFlag]) -> KeySpec {
        let find = FindKeys::Range { last, step, limit: 0 };
        KeySpec { flags: KeyFlags::of(flags), begin: BeginSearch::Index(first), find }
    }

    /// A count at argument `index`, followed by that many keys.
    pub const fn counted(index: usize, flags: &[KeyFlag]) -> KeySpec {
        let find = FindKeys::KeyNum { count: 0, first: 1, step: 1 };
        KeySpec { flags: KeyFlags::of(flags), begin: BeginSearch::Index(index), find }
    }

    /// Keys after the word `keyword`, which is searched from argument `from` on.
    pub const fn after(
        keyword: &'static str,
        from: i32,
        last: i32,
        step: usize,
        limit: usize,
        flags: &[KeyFlag],
    ) -> KeySpec {
        let find = FindKeys::Range { last, step, limit };
        KeySpec { flags: KeyFlags::of(flags), begin: BeginSearch::Keyword(keyword, from), find }
    }

    /// Keys whose place only the command knows.
    pub const fn unknown(flags: &[KeyFlag]) -> KeySpec {
        KeySpec { flags: KeyFlags::of(flags), begin: BeginSearch::Unknown, find: FindKeys::Unknown }
    }
}
