//! Bytes that cross a wire or reach a disk.
