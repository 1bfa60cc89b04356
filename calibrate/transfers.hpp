#pragma once

// What moving data and waking threads cost on the host: memory copies of all sizes, layout
// conversions, the worker pool's round trip, and how fast the clock runs.

#include "kernels/chain.hpp"
#include "kernels/thread_pool.hpp"
#include "sim/describe/platform.hpp"

#include <string>
#include <utility>
#include <vector>

namespace calibrate {

// memcpy of 64 B to 64 MiB, source and destination as warm as repeating leaves them.
sim::TransferTable measure_host_copies();

// Changing a binary tensor between `nhwc` and `plain`, or one of f32 between `nhwc` and blocks of
// channels: both ways, by the size of the tensor in `nhwc`.
std::vector<sim::Conversion> measure_conversions(kernels::Element element, kernels::Layout other);

// Round trips of the pool: "thread_pool_spinning" while its workers spin, "thread_pool_asleep"
// after they went to sleep. Empty for a pool of one thread.
std::vector<std::pair<std::string, sim::Measurement>> measure_pool(kernels::ThreadPool& pool);

// Time of a million additions that wait for each other: one clock cycle each on every machine we
// know, so its ratio between two days is the ratio of the clock's speed.
sim::Measurement measure_clock();

}  // namespace calibrate
