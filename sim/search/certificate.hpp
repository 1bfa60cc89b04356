#pragma once

// Why no mapping is better than this: beginnings of mappings, such that every mapping has one of
// them or is complete without, and for each a bound that reaches the value. Who doubts the search
// can check that with little code (tests/sim_certificate.hpp does): that the beginnings leave
// nothing out, and that each is as bad as claimed.
//
// It rests on less than the search does, not on dominance between partial schedules, canonical
// states or module bounds. A mapping with a beginning is no better than claimed for one of these:
//
//   path     from each tensor that is there on the longest way to the model's end, each layer at
//   its
//            least cost (bounds.hpp); of a stream, no more frames end than are in flight in that
//            time
//   work     (throughput; latency in any order) with time worth weight[r] on resource r, what the
//            beginning has each resource do, and the least that each open layer adds, take so long
//            in all that some resource works no less than claimed. Of the empty beginning, each
//            resource works whole units (what all costs there are multiples of), and a latency is a
//            multiple of what all times are
//   room     what budgets and memories must hold, of the beginning and at least of each open layer
//
// That makes it long, so it is for small and medium problems. Start at `certificate`.

#include "sim/compile/problem.hpp"
#include "sim/search/goal.hpp"

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace sim {

struct Certificate {
    // Of all mappings; else of those with their tasks in `order`.
    bool in_any_order = false;
    std::vector<int> order;  // layers of the problem, as the beginnings cover them
    // By device and engine, as Evaluator::load numbers them; 0: its work is not looked at.
    std::vector<std::vector<std::int64_t>> weightings;
    // In depth-first order; see `certificate`. The empty one stands for every mapping.
    std::vector<Mapping> beginnings;
};

// What is proven: of the mappings that fit, none has less than `value` on the goal's one objective,
// in picoseconds.
struct Claim {
    Goal goal;
    std::int64_t value = 0;
};

// For mappings in this order of the layers. Nothing if there are more than `most` beginnings, if
// some mapping is better, or if `stop`, asked now and then, says so.
//
// The first open layer is covered by each of its tasks in turn, in the order of `starting`, those
// first that no other task with the same layers, device, inputs and layouts dominates: takes no
// longer, and needs no more room. A task that one does is left out where the simulation of a
// mapping is as exact as the bounds are (latency without capacities and contention), and else if
// all that begins with the other was excluded by bounds alone.
std::optional<Certificate> certificate(const Problem& problem,
                                       const Claim& claim,
                                       std::span<const int> order,
                                       std::size_t most,
                                       const std::function<bool()>& stop = {});

// For mappings in any order: the longest path of the model, or one weighting, is enough; nothing if
// it is not.
std::optional<Certificate> certificate_for_any_order(const Problem& problem, const Claim& claim);

// Why no search can give a certificate of this goal on this problem; empty if one can.
std::string uncertifiable(const Problem& problem, const Goal& goal);

}  // namespace sim
