//! Any bytes as an RDB file: items or an error, and never a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use quorate_migrate::rdb::{Item, Reader};

fuzz_target!(|bytes: &[u8]| {
    let Ok(mut reader) = Reader::new(bytes) else { return };
    while let Ok(item) = reader.next_item() {
        if matches!(item, Item::End { .. }) {
            break;
        }
    }
});
