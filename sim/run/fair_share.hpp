#pragma once

// Max-min fair sharing: what flows through one wire get of its bandwidth (rule 4).

#include "sim/units.hpp"

#include <span>
#include <vector>

namespace sim {

// Of `capacity`, a share for each flow that takes at most its limit: the slowest first, each gets
// an equal part of what is left, but no more than its limit. So no flow could get more without a
// flow that has no more than it getting less. Limits above zero; shares in the order of the limits.
std::vector<BytesPerSecond> fair_shares(BytesPerSecond capacity,
                                        std::span<const BytesPerSecond> limits);

}  // namespace sim
