#pragma once

// Streams, bounded and begun by prices. No period is below the work of any resource for a frame,
// nor below the share of the frames inside in the time of one (K frames: a K-th of it), so not
// below any average of all these either. An average is the time of one frame if all work is paid
// for: what layered.hpp minimises, where a task takes longer by what it pays (prices.hpp). The
// prices that give the best bound balance the resources and the latency, and mappings that are
// fastest at prices nearby are good ones to begin with. Private to the searches.

#include "sim/compile/problem.hpp"
#include "sim/run/evaluator.hpp"
#include "sim/search/search.hpp"

#include <cstdint>
#include <vector>

namespace sim::internal {

struct StreamPrices {
    Ticks bound = 0;  // no period of a stream is below, of mappings in the static order that fit
    std::vector<Mapping> mappings;  // the most promising first
    std::uint64_t nodes = 0;
};

// Of a goal whose first objective is the period.
StreamPrices price_stream(const Problem& problem, const SearchOptions& options);

}  // namespace sim::internal
