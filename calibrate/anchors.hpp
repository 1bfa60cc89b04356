#pragma once

// Anchors: costs of the profile that are measured again while mappings are validated, so that what
// the machine changed since the calibration is told from what the model gets wrong. There is one
// mapping for each kind of cost: the CPU's kernels on one thread, on each other number of threads,
// and every other device's.

#include "sim/compile/problem.hpp"

#include <compare>
#include <map>
#include <span>
#include <string>
#include <vector>

namespace calibrate {

// The kind of a cost: its device, and of the CPU's the number of threads; 0 elsewhere.
struct CostClass {
    int device = 0, threads = 0;
    friend auto operator<=>(const CostClass&, const CostClass&) = default;
};

// Costs of one kind, measured again in turn with the mappings but in mappings of their own: what
// they take now over what the profile says. Another ratio than 1 is the machine's doing, not the
// model's.
struct Anchor {
    std::string name;  // "cpu, 1 thread", "cpu, 2 threads", "cuda0"
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

// For each kind of measured cost in the problem; none for what only has fits.
std::vector<AnchorMapping> anchor_mappings(const sim::Problem& problem);

// `now`: nanoseconds by task of the mapping, measured. The ratio is of sums over its tasks of the
// kind, so that the long ones count.
Anchor anchor_of(const sim::Problem& problem,
                 const AnchorMapping& mapping,
                 const std::map<int, double>& now);

// The problem with the costs of each kind as its anchor has them; what has none stays.
sim::Problem scaled_to(const sim::Problem& problem, std::span<const Anchor> anchors);

}  // namespace calibrate
