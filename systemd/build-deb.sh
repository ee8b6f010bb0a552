#!/usr/bin/env bash
# Builds target/debian/cronlet_<version>_<architecture>.deb: the binary of profile dist, its man pages and completions, the
# unit, the configuration and an empty folder for manifests. Wants `cargo install cargo-deb`.
set -euo pipefail
cd "$(dirname "$0")/.."

cargo build --profile dist
rm -rf target/package
mkdir -p target/package/man
for shell in bash fish zsh; do
    target/dist/cronlet completion "$shell" > "target/package/cronlet.$shell"
done
target/dist/cronlet man --to target/package/man
cargo deb --profile dist --no-build --no-strip "$@"
