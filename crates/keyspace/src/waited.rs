//! Keys that somebody waits for, and which of them have changed.
//!
//! For: telling whoever waits for a key (a list to pop from, a stream to read) that it is worth looking again, whatever
//! it was that changed the key. Leaves to others: who waits, and what for (`quorate-commands`).
//! Invariants: without anybody who waits a change costs one comparison; a change is noted once, in the order in which
//! keys first changed, so that it is the same on every node. A key that is noted may turn out to be of no use to those
//! who wait; a change that is of use is never left out.

use std::collections::BTreeMap;
use std::sync::Arc;

/// The awaited keys of one database.
#[derive(Debug, Default)]
pub(crate) struct Waited {
    keys: BTreeMap<Arc<[u8]>, Waits>,
    changed: Vec<Arc<[u8]>>,
}

#[derive(Debug)]
struct Waits {
    /// How many wait.
    count: usize,
    /// The key is among the changed.
    is_noted: bool,
}

impl Waited {
    pub(crate) fn add(&mut self, key: &[u8]) -> Arc<[u8]> {
        if let Some((shared, _)) = self.keys.get_key_value(key) {
            let shared = Arc::clone(shared);
            self.keys.get_mut(key).expect("it was just found").count += 1;
            return shared;
        }
        let shared: Arc<[u8]> = key.into();
        self.keys.insert(Arc::clone(&shared), Waits { count: 1, is_noted: false });
        shared
    }

    pub(crate) fn remove(&mut self, key: &[u8]) {
        let waits = self.keys.get_mut(key).expect("only those who wait stop waiting");
        waits.count -= 1;
        if waits.count == 0 {
            self.keys.remove(key);
        }
    }

    /// A key was changed, set or removed.
    #[inline]
    pub(crate) fn note(&mut self, key: &[u8]) {
        if !self.keys.is_empty() {
            self.note_awaited(key);
        }
    }

    fn note_awaited(&mut self, key: &[u8]) {
        let Some(waits) = self.keys.get_mut(key) else { return };
        if !std::mem::replace(&mut waits.is_noted, true) {
            let (shared, _) = self.keys.get_key_value(key).expect("it was just found");
            self.changed.push(Arc::clone(shared));
        }
    }

    /// Every key may have changed.
    pub(crate) fn note_all(&mut self) {
        for (key, waits) in &mut self.keys {
            if !std::mem::replace(&mut waits.is_noted, true) {
                self.changed.push(Arc::clone(key));
            }
        }
    }

    /// How many keys somebody waits for.
    pub(crate) fn len(&self) -> usize {
        self.keys.len()
    }

    pub(crate) fn has_changed(&self) -> bool {
        !self.changed.is_empty()
    }

    pub(crate) fn take_changed(&mut self) -> Vec<Arc<[u8]>> {
        let changed = std::mem::take(&mut self.changed);
        for key in &changed {
            // Whoever waited may have gone since.
            if let Some(waits) = self.keys.get_mut(key) {
                waits.is_noted = false;
            }
        }
        changed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(waited: &mut Waited) -> Vec<String> {
        waited.take_changed().iter().map(|key| String::from_utf8_lossy(key).into_owned()).collect()
    }

    #[test]
    fn awaited_keys_are_noted_once_and_in_order() {
        let mut waited = Waited::default();
        waited.note(b"a");
        assert!(!waited.has_changed());
        for key in [b"c", b"a", b"b", b"a"] {
            waited.add(key);
        }
        for key in [b"b", b"a", b"x", b"b"] {
            waited.note(key);
        }
        assert_eq!(taken(&mut waited), ["b", "a"]);
        assert!(taken(&mut waited).is_empty());
        waited.note(b"b");
        waited.note_all();
        assert_eq!(taken(&mut waited), ["b", "a", "c"]);
        waited.remove(b"a");
        waited.note(b"a");
        assert_eq!(taken(&mut waited), ["a"], "one of two still waits");
        waited.remove(b"a");
        waited.note(b"a");
        assert!(!waited.has_changed());
    }
}
