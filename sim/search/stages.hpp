#pragma once

// Pipelines: the layers, in static order, cut into stages, each on a device of its own, so that the
// longest stage is as short as it can be. What a stream of frames wants. Private to the searches,
// which begin with them.

#include "sim/compile/problem.hpp"

#include <functional>
#include <optional>
#include <vector>

namespace sim::internal {

// Every layer by itself, with its fastest implementation on its stage's device; nothing where some
// layer has none of its own. With more than 12 devices the stages are on those in their order.
// Copies and submissions are not seen.
std::optional<Mapping> pipeline(const Problem& problem);

// For every number of stages those with the shortest longest stages, as above, by a dynamic program
// that counts what is copied from stage to stage, and that puts no more weights into a memory than
// it holds. Each is given to `value_of`, which says its period; those with a longer stage than the
// least of these are not. With many devices the most promising sets of them are looked at.
void for_each_pipeline(const Problem& problem,
                       const std::function<double(const Mapping&)>& value_of,
                       const std::function<bool()>& stop);

}  // namespace sim::internal
