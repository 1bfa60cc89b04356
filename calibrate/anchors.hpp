#pragma once

// Anchors: costs of the profile that are measured again while mappings are validated, so that what
// the machine changed since the calibration is told from what the model gets wrong. There is one
// mapping for each kind of cost: the CPU's kernels on one thread, on each other number of threads,
// every other device's, and what it takes that tensors change threads.
//
// What is compared is that mapping then and now: the calibrator runs them at its end and writes
// down what their kernels took. Single costs are no measure, because they are medians over all
// kinds of neighbours, and an anchor's neighbours are the fastest.

#include "calibrate/executor.hpp"
#include "calibrate/stage_clock.hpp"
#include "sim/compile/problem.hpp"

#include <compare>
#include <cstddef>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace calibrate {

// The kind of a cost: its device, and of the CPU's the number of threads; 0 elsewhere.
struct CostClass {
    static constexpr int kHandovers = -1;  // in place of threads: of tensors that change them
    int device = 0, threads = 0;
    friend auto operator<=>(const CostClass&, const CostClass&) = default;
};

// Costs of one kind, measured again in turn with the mappings but in mappings of their own: what
// they take now over what the profile says. Another ratio than 1 is the machine's doing, not the
// model's.
struct Anchor {
    std::string name;  // "cpu, 1 thread", "cpu, 2 threads", "cpu, changes of threads", "cuda0"
    CostClass kind;
    int costs = 0;  // how many were measured
    double ratio = 1;
};

CostClass class_of(const sim::Task& task);

// A mapping whose tasks are of one kind where there are such, the fastest of them.
struct AnchorMapping {
    std::string name;
    CostClass kind;
    sim::Mapping mapping;
};

// For each kind of measured cost in the problem; none for what only has fits. Handovers last.
std::vector<AnchorMapping> anchor_mappings(const sim::Problem& problem);

// What the calibrator writes down of an anchor, among Platform::measurements, is called so.
std::string measurement_name(const sim::Problem& problem, const AnchorMapping& mapping);

// Runs anchors of one network, to write down: their tasks of the kind together (of handovers all
// tasks), by that name. As in a validation each comes after some other mapping.
class AnchorTimer {
public:
    enum class Of { host, accelerators };

    // References must outlive it. Throws sim::MachineError where the tensors find no memory.
    AnchorTimer(Executor& executor, const sim::Problem& problem, Of of);

    // Each once, while the threads' round trip is `round_trip_ns` (calibrate/placement.hpp), for
    // which it waits; false, and nothing is kept, if it is not.
    bool round(double round_trip_ns, double& patience_s, const std::function<bool()>& stop);

    // Of those that had a round.
    std::vector<std::pair<std::string, sim::Measurement>> measurements() const;

private:
    struct Timed {
        AnchorMapping anchor;
        Executor::Recording recording;  // of accelerators: they time their kernels
        std::vector<double> ns;
    };

    double run(const Timed& one);

    Executor& executor_;
    const sim::Problem& problem_;
    StageClock clock_;
    std::vector<Timed> anchors_;
    std::vector<Executor::Recording> others_;
    std::size_t next_ = 0;  // of the others
};

// `now`: nanoseconds by task of the mapping, measured. The ratio is of sums over its tasks of the
// kind, so that the long ones count, to what they took at the calibration; where `platform` does
// not say that, to what the profile has them cost. Of handovers it is of what the tasks take beyond
// what they would by `known`, the other anchors; without costs where nothing was written down, or
// where handovers are too little of it to tell.
Anchor anchor_of(const sim::Platform& platform,
                 const sim::Problem& problem,
                 const AnchorMapping& mapping,
                 const std::map<int, double>& now,
                 std::span<const Anchor> known);

// The problem with the costs of each kind as its anchor has them; what has none stays.
sim::Problem scaled_to(const sim::Problem& problem, std::span<const Anchor> anchors);

}  // namespace calibrate
