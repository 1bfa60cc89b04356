# Sourced by the experiments' `run`: where things are, and what a result says about where it is from.

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
hetmap=build/hetmap
[[ -x $hetmap ]] || {
    echo "build/hetmap is missing: ./dev build" >&2
    exit 1
}

# The measured profile of this machine: the argument, or the one that was measured on such a processor. Different
# ones may have one name, such as those of virtual machines.
this_processor=$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -1)
this_cache="caches: \"l1d $(($(getconf LEVEL1_DCACHE_SIZE) / 1024)) KiB,"
profile=${1:-$(grep -lF "  cpu: \"$this_processor\"" platforms/measured/*.yaml 2>/dev/null | xargs -r grep -lF "$this_cache" | head -1 || true)}

machine() {
    echo "$this_processor, $(nproc) cores, $(date -u +%Y-%m-%d)," \
        "revision $(git describe --always --dirty)"
}
