#pragma once

// The best among twins (sim/describe/twins.hpp): each was asked by itself, and here their answers
// are put together. Accuracy is the one that the models state for their mappings, measured or by
// proxy.

#include "sim/search/answer.hpp"

#include <vector>

namespace sim {

// The best of the answers, each of a twin: the least value on the objective, where that is the
// accuracy the highest; the first of equal ones. At least one. Throws InputError if the objective
// is the accuracy and a twin's is not known.
std::size_t best_of_twins(const std::vector<Answer>& answers);

// One front of all: points that another twin's point is as good as are left out. On the axis of
// accuracy a point is by how much its own is below the most accurate of all. It is proven if all
// are. At least one, all with the same goal. Throws InputError if accuracy is an objective and some
// point's is not known.
FrontAnswer front_of_twins(std::vector<FrontAnswer> fronts);

}  // namespace sim
