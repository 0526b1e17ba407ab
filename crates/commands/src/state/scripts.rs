//! The scripts and libraries that are loaded, on every node alike.
//!
//! For: finding them by digest and by function. Leaves to others: running them (`scripting`), their bytes in a snapshot
//! (`format`). Invariants: scripts are forgotten in the order in which they came, when there are more than
//! [`SCRIPTS_MAX`] or [`SCRIPTS_BYTES_MAX`]; libraries never; a function's name belongs to one library.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use quorate_script::{Flags, Function, Library, sha1_hex};

/// Longest script, and longest library, in bytes.
pub(crate) const SCRIPT_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Most scripts that are kept for `EVALSHA`.
const SCRIPTS_MAX: usize = 20_000;
/// Most bytes of scripts that are kept.
const SCRIPTS_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Most bytes of all libraries together.
pub(crate) const LIBRARIES_BYTES_MAX: usize = 64 * 1024 * 1024;

/// What a script or library takes besides its code, roughly: its digest, twice, and its places.
const SCRIPT_OVERHEAD_BYTES: usize = 200;
/// What a function takes besides its name and code, roughly.
const FUNCTION_OVERHEAD_BYTES: usize = 150;

/// A script that compiles.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Script {
    /// Its code, first line included.
    pub(crate) code: Box<[u8]>,
    /// What its first line declares; nothing if it has none.
    pub(crate) flags: Option<Flags>,
}

/// A library and the digest of its code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Loaded {
    pub(crate) sha: String,
    pub(crate) library: Library,
}

/// Everything that is loaded; cheap to clone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scripts {
    scripts: Arc<Cache>,
    libraries: Arc<Libraries>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Cache {
    by_sha: BTreeMap<String, Arc<Script>>,
    /// The oldest first.
    order: VecDeque<String>,
    bytes: usize,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Libraries {
    by_name: BTreeMap<String, Arc<Loaded>>,
    /// The library of each function, whose name is in lower case here: calls may have it in any case.
    functions: BTreeMap<String, String>,
    bytes: usize,
}

impl Scripts {
    /// How many scripts are kept.
    pub fn scripts_count(&self) -> usize {
        self.scripts.by_sha.len()
    }

    /// What they take, in bytes, with what it takes to find them.
    pub fn scripts_bytes(&self) -> usize {
        self.scripts.bytes + self.scripts_count() * SCRIPT_OVERHEAD_BYTES
    }

    /// How many libraries there are.
    pub fn libraries_count(&self) -> usize {
        self.libraries.by_name.len()
    }

    /// How many functions they have.
    pub fn functions_count(&self) -> usize {
        self.libraries.functions.len()
    }

    /// What the libraries take, in bytes, with what it takes to find their functions.
    pub fn functions_bytes(&self) -> usize {
        let names: usize = self.libraries.functions.keys().map(String::len).sum();
        self.libraries.bytes
            + self.libraries_count() * SCRIPT_OVERHEAD_BYTES
            + names
            + self.functions_count() * FUNCTION_OVERHEAD_BYTES
    }

    /// How many bytes of code the libraries have.
    pub fn libraries_bytes(&self) -> usize {
        self.libraries.bytes
    }

    /// The loaded libraries, by name.
    pub fn libraries(&self) -> impl Iterator<Item = &Library> {
        self.libraries.by_name.values().map(|loaded| &loaded.library)
    }

    /// The code of each library.
    pub fn library_codes(&self) -> impl Iterator<Item = &[u8]> {
        self.libraries().map(|library| &*library.code)
    }

    /// All libraries in Redis' own format, as `FUNCTION DUMP` replies them.
    pub fn dump_libraries(&self) -> Vec<u8> {
        crate::scripting::dump_libraries(self.library_codes())
    }

    /// Whether both have the very same libraries. Two that were loaded apart count as different.
    pub fn has_same_libraries(&self, other: &Scripts) -> bool {
        Arc::ptr_eq(&self.libraries, &other.libraries)
    }

    pub(crate) fn script(&self, sha: &str) -> Option<Arc<Script>> {
        self.scripts.by_sha.get(sha).cloned()
    }

    /// The code of all scripts, the oldest first.
    pub(super) fn codes(&self) -> impl Iterator<Item = &[u8]> {
        self.scripts.order.iter().filter_map(|sha| Some(&*self.scripts.by_sha.get(sha)?.code))
    }

    /// Keeps a script that is not there yet, and forgets the oldest where there are too many.
    pub(crate) fn keep(&mut self, sha: &str, script: Arc<Script>) {
        let cache = Arc::make_mut(&mut self.scripts);
        cache.bytes += script.code.len();
        cache.order.push_back(sha.to_owned());
        let replaced = cache.by_sha.insert(sha.to_owned(), script);
        assert!(replaced.is_none(), "a script is kept once");
        while cache.order.len() > SCRIPTS_MAX || cache.bytes > SCRIPTS_BYTES_MAX {
            let Some(oldest) = cache.order.pop_front() else { break };
            let forgotten = cache.by_sha.remove(&oldest).expect("what is in the order is there");
            cache.bytes -= forgotten.code.len();
        }
    }

    pub(crate) fn forget_scripts(&mut self) {
        self.scripts = Arc::default();
    }

    pub(crate) fn library(&self, name: &[u8]) -> Option<&Library> {
        let name = std::str::from_utf8(name).ok()?;
        self.libraries.by_name.get(name).map(|loaded| &loaded.library)
    }

    /// A function by its name, and the library that has it.
    pub(crate) fn function(&self, name: &[u8]) -> Option<(&Arc<Loaded>, &Function)> {
        let name = std::str::from_utf8(name).ok()?;
        let library = self.libraries.functions.get(&name.to_ascii_lowercase())?;
        let loaded = self.libraries.by_name.get(library)?;
        let mut functions = loaded.library.functions.iter();
        let function = functions.find(|function| function.name.eq_ignore_ascii_case(name))?;
        Some((loaded, function))
    }

    /// Adds a library whose name and functions are new.
    pub(crate) fn add_library(&mut self, library: Library) {
        let libraries = Arc::make_mut(&mut self.libraries);
        libraries.bytes += library.code.len();
        for function in &library.functions {
            let taken = libraries.functions.insert(function.name.to_ascii_lowercase(), library.name.clone());
            assert!(taken.is_none(), "the caller has looked for functions of that name");
        }
        let loaded = Loaded { sha: sha1_hex(&library.code), library };
        let replaced = libraries.by_name.insert(loaded.library.name.clone(), Arc::new(loaded));
        assert!(replaced.is_none(), "the caller has looked for a library of that name");
    }

    pub(crate) fn remove_library(&mut self, name: &[u8]) {
        let Ok(name) = std::str::from_utf8(name) else { return };
        let libraries = Arc::make_mut(&mut self.libraries);
        if let Some(removed) = libraries.by_name.remove(name) {
            libraries.bytes -= removed.library.code.len();
            libraries.functions.retain(|_, library| library != name);
        }
    }

    pub(crate) fn forget_libraries(&mut self) {
        self.libraries = Arc::default();
    }
}
