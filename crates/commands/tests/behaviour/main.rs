//! What commands do beyond their replies, and what holds over many calls: one file per topic.

mod chance;
mod events;
mod history;
mod kept;
mod node;
mod versions;
mod waiters;
mod walks;
