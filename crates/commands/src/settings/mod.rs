//! Cluster settings: replicated, one table row each.
//!
//! For: what `CONFIG SET` changes and `CONFIG GET` shows. Leaves to others: node settings (the server).

/// The cluster settings that commands use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Longest string, in bytes.
    pub proto_max_bulk_len: u64,
    /// Most fields of a hash in the compact form.
    pub hash_max_listpack_entries: u64,
    /// Longest field or value of a hash in the compact form, in bytes.
    pub hash_max_listpack_value: u64,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            proto_max_bulk_len: 512 << 20,
            hash_max_listpack_entries: 128,
            hash_max_listpack_value: 64,
        }
    }
}
