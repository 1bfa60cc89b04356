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

// `percent`: the least accuracy; `find`: what finds fronts (Search::front). Empty, with a note, if
// there is no such mapping. Throws InputError if the model states no accuracy.
Front front_with_accuracy(const Model& model,
                          const Problem& problem,
                          const SearchOptions& options,
                          double percent,
                          Front (*find)(const Problem&, const SearchOptions&) = pareto_front);

// Of a goal with one objective.
SearchResult search_with_accuracy(const Model& model,
                                  const Problem& problem,
                                  const SearchOptions& options,
                                  double percent,
                                  Front (*find)(const Problem&,
                                                const SearchOptions&) = pareto_front);

// A goal that minimises or prefers accuracy compares losses by proxy, which needs a sensitivity for
// every precision that is offered. Throws InputError where one is missing.
void expect_known_losses(const Model& model, const Problem& problem, const Goal& goal);

}  // namespace sim
