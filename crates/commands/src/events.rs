//! Keyspace notifications and messages that commands emit at apply.
//!
//! For: collecting (class, event, database, key) and what `PUBLISH` sends while a batch is applied, in one order, at no
//! cost when nobody asked. Leaves to others: delivery to subscribers (the node), and the setting that says which
//! classes are wanted.
//! Invariants: notices stand in the order of the changes; which events are emitted depends on the replicated setting
//! only. Messages are kept only where this node has subscribers, which nothing but delivery may depend on.

use bytes::Bytes;
use quorate_keyspace::DbIndex;

/// Class of a notification: one letter of `notify-keyspace-events`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each variant is Redis' class of that name")]
pub enum EventClass {
    Generic,
    String,
    List,
    Set,
    Hash,
    SortedSet,
    Expired,
    Evicted,
    Stream,
    KeyMiss,
    Module,
    New,
}

/// A set of event classes, with the two channels that they go to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct EventClasses(u32);

/// One notification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Its class.
    pub class: EventClass,
    /// Its name, as `set` or `expired`.
    pub name: &'static str,
    /// The key's database.
    pub db: DbIndex,
    /// The key.
    pub key: Bytes,
}

/// What `PUBLISH` and `SPUBLISH` send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Whether it goes to a shard channel.
    pub shard: bool,
    /// The channel.
    pub channel: Bytes,
    /// What is said.
    pub payload: Bytes,
}

/// Something that subscribers are told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// A key was changed, in a class that is wanted.
    Event(Event),
    /// A client has sent a message.
    Message(Message),
}

/// Collects the notices of a batch.
#[derive(Debug, Default)]
pub struct Events {
    wanted: EventClasses,
    wants_messages: bool,
    list: Vec<Notice>,
}

impl Events {
    /// Collects the classes in `wanted` only.
    pub fn new(wanted: EventClasses) -> Events {
        Events { wanted, ..Events::default() }
    }

    /// Collects messages as well, or not.
    pub fn set_wants_messages(&mut self, wants: bool) {
        self.wants_messages = wants;
    }

    /// Notes a message, if messages are wanted.
    pub fn publish(&mut self, shard: bool, channel: &[u8], payload: &[u8]) {
        if self.wants_messages {
            let (channel, payload) = (Bytes::copy_from_slice(channel), Bytes::copy_from_slice(payload));
            self.list.push(Notice::Message(Message { shard, channel, payload }));
        }
    }

    /// Notes an event, if its class is wanted.
    #[inline]
    pub fn notify(&mut self, class: EventClass, name: &'static str, db: DbIndex, key: &[u8]) {
        if self.wanted.has(class) {
            self.list.push(Notice::Event(Event { class, name, db, key: Bytes::copy_from_slice(key) }));
        }
    }

    /// True if somebody asked for this class.
    #[inline]
    pub fn wants(&self, class: EventClass) -> bool {
        self.wanted.has(class)
    }

    /// Changes the wanted classes, after `CONFIG SET notify-keyspace-events`.
    pub fn set_wanted(&mut self, wanted: EventClasses) {
        self.wanted = wanted;
    }

    /// Takes what was collected.
    pub fn take(&mut self) -> Vec<Notice> {
        std::mem::take(&mut self.list)
    }

    /// Whether nothing has been collected.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }
}

const KEYSPACE: u32 = 1 << 30;
const KEYEVENT: u32 = 1 << 31;
/// The letters, in the order in which Redis writes them back.
const LETTERS: [(u8, EventClass); 12] = [
    (b'g', EventClass::Generic),
    (b'$', EventClass::String),
    (b'l', EventClass::List),
    (b's', EventClass::Set),
    (b'h', EventClass::Hash),
    (b'z', EventClass::SortedSet),
    (b'x', EventClass::Expired),
    (b'e', EventClass::Evicted),
    (b't', EventClass::Stream),
    (b'd', EventClass::Module),
    (b'n', EventClass::New),
    (b'm', EventClass::KeyMiss),
];

impl EventClasses {
    /// Nothing.
    pub const NONE: EventClasses = EventClasses(0);

    const fn bit(class: EventClass) -> u32 {
        1 << class as u32
    }

    /// Everything that the letter `A` stands for: all but key misses and new keys.
    const fn all() -> u32 {
        let mut bits = 0;
        let mut i = 0;
        while i < 10 {
            bits |= Self::bit(LETTERS[i].1);
            i += 1;
        }
        bits
    }

    /// True if `class` is wanted and there is a channel for it.
    #[inline]
    pub fn has(self, class: EventClass) -> bool {
        self.0 & Self::bit(class) != 0 && self.0 & (KEYSPACE | KEYEVENT) != 0
    }

    /// True if events go to `__keyspace@<db>__:<key>`.
    pub fn to_keyspace(self) -> bool {
        self.0 & KEYSPACE != 0
    }

    /// True if events go to `__keyevent@<db>__:<event>`.
    pub fn to_keyevent(self) -> bool {
        self.0 & KEYEVENT != 0
    }

    /// Reads the letters of `notify-keyspace-events`; nothing if one is unknown.
    pub fn parse(letters: &[u8]) -> Option<EventClasses> {
        let mut bits = 0;
        for letter in letters {
            bits |= match letter {
                b'A' => Self::all(),
                b'K' => KEYSPACE,
                b'E' => KEYEVENT,
                _ => Self::bit(LETTERS.iter().find(|(known, _)| known == letter)?.1),
            };
        }
        Some(EventClasses(bits))
    }

    /// The letters, as Redis writes them.
    pub fn letters(self) -> String {
        let mut text = String::new();
        let all = self.0 & Self::all() == Self::all();
        if all {
            text.push('A');
        }
        for (i, (letter, class)) in LETTERS.iter().enumerate() {
            if self.0 & Self::bit(*class) != 0 && !(all && i < 10) {
                text.push(char::from(*letter));
            }
            // Redis writes the channels between the classes that `A` covers and those that it does not.
            if i == 10 {
                for (bit, letter) in [(KEYSPACE, 'K'), (KEYEVENT, 'E')] {
                    if self.0 & bit != 0 {
                        text.push(letter);
                    }
                }
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_are_read_and_written_as_redis_does() {
        for (given, written) in [
            ("", ""),
            ("KEA", "AKE"),
            ("g$lshzxetdKE", "AKE"),
            ("mKEglxtn", "glxtnKEm"),
            ("Kx", "xK"),
            ("E$", "$E"),
            // Redis forgets the n beside A, and so would lose it in CONFIG REWRITE.
            ("AnKE", "AnKE"),
        ] {
            let classes = EventClasses::parse(given.as_bytes()).expect("known letters");
            assert_eq!(classes.letters(), written);
            assert_eq!(EventClasses::parse(written.as_bytes()), Some(classes));
        }
        assert_eq!(EventClasses::parse(b"KEq"), None);
    }

    #[test]
    fn only_what_is_wanted_is_collected() {
        for (letters, expected) in [("", 0), ("A", 0), ("K$", 1), ("Eg", 1), ("KEA", 2), ("KEl", 0)] {
            let mut events = Events::new(EventClasses::parse(letters.as_bytes()).expect("known letters"));
            events.notify(EventClass::String, "set", DbIndex::ZERO, b"key");
            events.notify(EventClass::Generic, "del", DbIndex::ZERO, b"key");
            assert_eq!(events.take().len(), expected, "{letters}");
            assert!(events.is_empty());
        }
    }
}
