//! Elements of lists and sets in replies.

use quorate_keyspace::Item;
use quorate_resp::Reply;

/// Writes an element as a bulk string.
pub(crate) fn write_item(item: Item<'_>, reply: &mut Reply) {
    match item {
        Item::Int(number) => reply.bulk_integer(number),
        Item::Bytes(bytes) => reply.bulk(bytes),
    }
}
