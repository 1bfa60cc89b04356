#pragma once

// The processes that were started together, by `mpirun -n 8 hetmap ...` or `srun`: how many they
// are, which one this is, and how they talk. No MPI here: its module (mpi_module.cpp) is loaded
// when a launcher started this process, so the program runs where there is no MPI. Start at
// `started_together`.
//
// Whether a launcher did is read from the environment, as launchers set it:
//
//     OMPI_COMM_WORLD_SIZE                  Open MPI's mpirun
//     PMIX_RANK                             PMIx: prterun, srun --mpi=pmix
//     PMI_RANK, PMI_SIZE                    MPICH's and Intel MPI's mpiexec, srun --mpi=pmi2
//     MV2_COMM_WORLD_SIZE                   MVAPICH's mpirun_rsh
//     SLURM_STEP_NUM_TASKS > 1 and          srun with another way to start MPI; with "none"
//       SLURM_MPI_TYPE, not "none"          its processes know nothing of each other
//
// HETMAP_MPI=off in the environment says that this process stands alone all the same. The module is
// looked for beside the program and in ../lib/hetmap; HETMAP_MPI=<file> names another one, such as
// one made for a cluster's own MPI: `mpicxx -std=c++20 -shared -fPIC -I. cluster/mpi_module.cpp -o
// <file>`.
//
// One thread of each rank at a time calls these functions. Messages from one to another and what
// all do together do not mix: what the first ones bring never ends up in the second ones.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

struct HetmapTransport;

namespace cluster {

struct Message {
    int from = 0;
    std::string bytes;
};

class Ranks {
public:
    explicit Ranks(const HetmapTransport& transport) : transport_(transport) {}

    int rank() const;
    int count() const;
    // How many of them this machine has, which share its memory; all together.
    int count_on_this_machine();
    std::string_view name() const;  // of the MPI

    // ---- One to another; below 2 GiB. ----
    // Returns at once. Messages from one rank to another arrive in the order they were sent in.
    void send(int to, std::string_view bytes);
    // From any rank. Waits at most so long; looks often at first, then sleeps in between.
    std::optional<Message> receive(double seconds);

    // ---- All together: each rank calls the same, and waits for the others. ----
    // Element i goes to rank i; what comes back at i is from rank i. Of any size.
    std::vector<std::string> exchange(std::vector<std::string> to_each);
    std::int64_t least(std::int64_t value);
    std::int64_t most(std::int64_t value);
    std::int64_t sum(std::int64_t value);
    std::vector<std::int64_t> sum(std::vector<std::int64_t> values);  // one by one
    std::string broadcast(std::string bytes, int from);
    void wait_for_all() { sum(0); }

    // ---- The end. ----
    // The last call of each rank, with its exit code: waits for the others, and returns the codes
    // by rank. Who ends in an error (not 0) waits a second at most: then the others may wait for
    // something that never comes. Nothing is returned, and this rank has to `abort`.
    std::vector<int> end(int code);
    // Ends all ranks, whatever they are doing.
    [[noreturn]] void abort(int code);

private:
    std::int64_t combine(int how, std::int64_t value);

    const HetmapTransport& transport_;
};

// Null where this process stands alone, or is the only one of a launcher that says so. Throws
// sim::MachineError where a launcher started it, but the module or its MPI is missing, or that MPI
// knows nothing of the launcher. Once in a process.
std::unique_ptr<Ranks> started_together();

// Which of its processes a launcher says that this one is, before any of that; 0 where it stands
// alone.
int rank_by_launcher();

}  // namespace cluster
