#pragma once

// Searches among mappings of a given accuracy at least.
//
// An accuracy is known by measurement for a few assignments of precisions to layers, and beyond
// them by a proxy at best (sim/run/accuracy.hpp). So there are two kinds of candidates, and the
// answer is the best of both: mappings with a listed assignment that was measured to be good
// enough, searched one assignment after the other; and, where the model has sensitivities, mappings
// whose proxy is good enough and that no measurement contradicts.

#include "sim/describe/model.hpp"
#include "sim/search/search.hpp"

namespace sim {

// `percent`: the least accuracy. Empty, with a note, if there is no such mapping.
Front front_with_accuracy(const Model& model,
                          const Problem& problem,
                          const SearchOptions& options,
                          double percent);

// Of a goal with one objective.
SearchResult search_with_accuracy(const Model& model,
                                  const Problem& problem,
                                  const SearchOptions& options,
                                  double percent);

}  // namespace sim
