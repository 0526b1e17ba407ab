//! `docs/configuration.md`, made from the table.

use std::fmt::Write as _;

use super::SETTINGS;

/// The page as it must be.
pub(super) fn page() -> String {
    let mut page = String::from(HEAD);
    let mut group = "";
    for setting in SETTINGS {
        if setting.group != group {
            group = setting.group;
            let _ = write!(
                page,
                "\n## {group}\n\n| setting | value | default | what it does |\n|---|---|---|---|\n"
            );
        }
        let default = setting.default().map_or_else(String::new, |d| format!("`{d}`"));
        let placeholder = setting.placeholder.replace('|', "\\|");
        let _ = writeln!(page, "| `{}` | {placeholder} | {default} | {} |", setting.name, setting.doc);
    }
    page
}

const HEAD: &str = "\
# Configuration of a node

This page is made from the table in `crates/cli/src/settings/table.rs`; a test fails when it is stale
(`QUORATE_BLESS=1 cargo test -p quorate-cli configuration` renews it).

A setting of a node is given in a TOML file (`quorate serve --config FILE`), in the environment or as a flag.
A flag beats the environment, which beats the file, which beats the default.
The setting `data-dir` is `data-dir = \"...\"` in the file, `QUORATE_DATA_DIR` in the environment and `--data-dir` as a flag.
An empty variable unsets a setting that has no default.
`quorate serve --print-config` shows every setting and where it comes from, as a file that gives the same node.

Times are `250ms`, `10s`, `5m` or `1h`. Sizes are bytes, or `64kb`, `64mb`, `1gb` in powers of 1024.
In the file, `peers` may be a table and lists may be arrays.

Settings of the cluster (passwords, memory limit, notifications and so on) are not here: they are replicated, and changed
with `CONFIG SET` on any node or `PATCH /v1/settings` of the admin API.
";

#[cfg(test)]
mod tests {
    #[test]
    fn the_page_on_configuration_is_fresh() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/configuration.md");
        let expected = super::page();
        if std::env::var_os("QUORATE_BLESS").is_some() {
            std::fs::write(path, &expected).expect("writes the page");
        }
        let found = std::fs::read_to_string(path).unwrap_or_default();
        assert!(found == expected, "docs/configuration.md is stale; renew it with QUORATE_BLESS=1");
    }
}
