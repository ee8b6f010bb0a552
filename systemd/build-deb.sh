#!/usr/bin/env bash
# Builds target/debian/cronlet_<version>_<architecture>.deb: the release binary, its man pages and completions, the
# unit, the configuration and an empty folder for manifests. Wants `cargo install cargo-deb`.
set -euo pipefail
cd "$(dirname "$0")/.."

cargo build --release
rm -rf target/package
mkdir -p target/package/man
for shell in bash fish zsh; do
    target/release/cronlet completion "$shell" > "target/package/cronlet.$shell"
done
target/release/cronlet man --to target/package/man
cargo deb --no-build --no-strip "$@"
