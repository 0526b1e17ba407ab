# `just check` is the gate and changes nothing; `just fix` rewrites.

check: fmt-check clippy doc test deny

fmt-check:
    cargo fmt --all --check

clippy:
    cargo clippy --workspace --all-targets --locked -- -D warnings

doc:
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked

test:
    cargo test --workspace --locked

deny:
    cargo deny check

fix:
    cargo fmt --all
    cargo clippy --workspace --all-targets --fix --allow-dirty --allow-staged
    QUORATE_BLESS=1 cargo test -p quorate-commands
