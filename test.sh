#!/usr/bin/env bash
# Runs all tests: Rust, the published clients, the browser. Installs what the project's own lock
# files name, and as root on Debian a Chromium if there is none. What cannot run here is skipped aloud,
# and named again at the end.
set -euo pipefail
cd "$(dirname "$0")"

skipped=()
skip() {
    echo "SKIPPED: $*"
    skipped+=("$*")
}
step() {
    printf '\n== %s\n' "$*"
}

node_is_new_enough() {
    command -v npm >/dev/null && node -e 'process.exit(+(process.versions.node.split(".")[0] < 20))'
}

# Prints where the browser is, if there is one.
browser() {
    local name
    for name in "${CHROMIUM:-}" chromium chromium-browser google-chrome google-chrome-stable; do
        if [[ -n $name ]] && command -v "$name"; then
            return
        fi
    done
    return 1
}

install_browser() {
    ((EUID == 0)) && command -v apt-get >/dev/null || return 1
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium
}

step 'Rust: unit, integration, compiler messages, documentation'
cargo test --workspace --all-features --locked

step 'servers for the client tests'
cargo build --locked -p fixture-server -p chat
target=${CARGO_TARGET_DIR:-$PWD/target}
export FIXTURE_SERVER=$target/debug/fixture-server CHAT_SERVER=$target/debug/chat

step 'published Rust client'
(cd tests/client-rust && CARGO_TARGET_DIR=$target/client-rust cargo test --locked)

step 'published npm client, and a browser'
if ! node_is_new_enough; then
    skip 'the npm client and the chat page: there is no Node 20 or later'
elif ! (cd tests/client && npm ci --ignore-scripts --no-audit --no-fund); then
    echo 'the packages of tests/client could not be installed' >&2
    exit 1
elif CHROMIUM=$(browser || { install_browser >&2 && browser; }); then
    export CHROMIUM
    (cd tests/client && npm test)
else
    skip 'the chat page in a browser: there is no Chromium (CHROMIUM names it)'
    (cd tests/client && npm run test:without-browser)
fi

step 'done'
if ((${#skipped[@]})); then
    printf 'passed, but SKIPPED: %s\n' "${skipped[@]}"
else
    echo 'all tests passed, none skipped'
fi
