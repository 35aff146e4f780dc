#!/bin/sh
# Write the pin files from the .in files: for every platform and Python >= 3.11, with hashes, no index address.
# A release younger than two days is not taken: most bad ones are found by then. PINS_COOLDOWN_DAYS=0 takes all.
set -e
cd "$(dirname "$0")/../.."
command -v uv >/dev/null || {
    echo "make pins needs uv to resolve for all platforms at once. Fix: pipx install uv" >&2
    exit 1
}
days=${PINS_COOLDOWN_DAYS:-2}
before=$(date -u -d "$days days ago" +%Y-%m-%dT%H:%M:%SZ 2>/dev/null || date -u "-v-${days}d" +%Y-%m-%dT%H:%M:%SZ)
pin() {
    uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
        --exclude-newer "$before" "$@"
}
# The development set is made under the run set's versions: one .venv serves both.
pin requirements.in -o requirements.txt
pin requirements-dev.in -c requirements.txt -o requirements-dev.txt
