#pragma once

// What it costs that a tensor changes threads: those who read it are not those who made it, so it
// lies in the caches of other cores. The reader fetches it from there, and in the next run the
// maker takes its cache lines back.
//
// Both sides are seen inside networks: a kernel whose tensors all stay with its own threads takes
// what it takes; beside others it takes longer, and that is the handover's. Start at `Crossings`.

#include "calibrate/samples.hpp"
#include "sim/compile/problem.hpp"

#include <cstdint>
#include <span>
#include <vector>

namespace calibrate {

// One side of a change of threads, of the tensor `bytes`, as a task pays for it.
struct Crossing {
    bool reads = false;    // the reader's side; else the maker's
    int from = 1, to = 1;  // threads of the team that made it, and of the one that reads it
    std::int64_t bytes = 0;

    friend auto operator<=>(const Crossing&, const Crossing&) = default;
};

// By task of the mapping (its place there): the sides that it pays for.
std::vector<std::vector<Crossing>> crossings_of(const sim::Problem& problem,
                                                const sim::Mapping& mapping);

class Crossings {
public:
    // A task with this cost took so many nanoseconds and paid for this alone. `cost` must outlive
    // this.
    void add(const Crossing& crossing, const Cost& cost, double ns);

    // By threads and bytes, both sides together: of each side the median of what kernels lost by
    // it, the faster half of them, which a chosen mapping is made of. What nothing is known of is
    // left out.
    std::vector<sim::Handover> handovers(const StoppingRule& rule) const;

private:
    struct Seen {
        const Cost* cost = nullptr;
        std::vector<double> ns;
    };
    std::map<Crossing, std::vector<Seen>> seen_;
};

// Those measured now, with the points of those before that were not measured again.
std::vector<sim::Handover> merged(std::vector<sim::Handover> now,
                                  std::span<const sim::Handover> before);

}  // namespace calibrate
