#pragma once

// What the reports of a front share: its words, and which of its points are worth a look first.

#include "sim/report/names.hpp"
#include "sim/search/answer.hpp"

#include <cstddef>
#include <string>
#include <vector>

namespace sim {

// "small on two-devices, batch 1: the front of latency and energy"
std::string heading(const FrontAnswer& front);

// Of one of its objectives. What accuracy is lost among twins is no proxy.
ObjectiveName named(const FrontAnswer& front, const Objective& objective);

// "2 points, proven: no mapping is better than all of them (1,873 nodes)"
std::string finding(const FrontAnswer& front);

// The points, ascending, that are best for the most weightings of the objectives, each of them
// counted from its least on the front to its most: where the front bends the most. At most `most`.
std::vector<std::size_t> knees(const FrontAnswer& front, std::size_t most = 8);

}  // namespace sim
