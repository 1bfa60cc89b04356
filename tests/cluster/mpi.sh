# For the scripts beside it: how processes are started here. Sourced.

export LC_ALL=C
say() { echo "cluster: $*"; }
fail() {
    echo "cluster: $*" >&2
    exit 1
}
skip() {
    say "skipped, $*"
    exit 77
}
command -v mpirun >/dev/null || skip "there is no mpirun here (openmpi-bin)"
# Open MPI asks root whether it is meant. Whoever waits leaves the core to others: there are more
# ranks than cores.
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_mpi_yield_when_idle=1
export OMPI_MCA_rmaps_base_oversubscribe=1 OMPI_MCA_btl_base_warn_component_unused=0
export OMPI_MCA_btl_vader_single_copy_mechanism=none # containers often forbid reading another's memory

# ranks COUNT COMMAND...
ranks() {
    local count=$1
    shift
    timeout -k 5 "${limit:-120}" mpirun --oversubscribe -n "$count" "$@"
}
mpirun --oversubscribe -n 2 true >/dev/null 2>&1 || skip "mpirun starts nothing here: $(mpirun --oversubscribe -n 2 true 2>&1 | grep . | head -1)"
# Arguments of hard_model: proven in a second or so, but by levels that are wide enough to be shared; and not
# within a minute.
# shellcheck disable=SC2034
MEDIUM=(36 1) HARD=(60 1)
