#pragma once

// Pipelines: the layers, in static order, cut into stages, each on a device of its own, so that the
// longest stage is as short as it can be. What a stream of frames wants, but for copies and
// submissions, which are not seen here. Private to the searches, which begin with it.

#include "sim/compile/problem.hpp"

#include <optional>

namespace sim::internal {

// Every layer by itself, with its fastest implementation on its stage's device; nothing where some
// layer has none of its own. With more than 12 devices the stages are on those in their order.
std::optional<Mapping> pipeline(const Problem& problem);

}  // namespace sim::internal
