#pragma once

// The search level by level, as both exact searches do it (layered.cpp for the least latency,
// front.cpp for fronts). Private to the searches. Start at `search_levels`.
//
// Level i holds partial schedules whose first uncovered layer is i. Of each level only the most
// promising are expanded; what is let go leaves a bound, and a search that lets nothing go is a
// proof.

#include "sim/compile/problem.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

namespace sim::internal {

// How a partial schedule came about: its last task, and what it was before.
struct TraceStep {
    static constexpr std::uint32_t kRoot = ~0u;

    std::uint32_t parent = kRoot;  // in the trace
    int task = -1;                 // -1: nothing is placed
};

// Of the partial schedules that were expanded.
class Trace {
public:
    std::size_t size() const { return steps_.size(); }
    void add(const TraceStep& step) { steps_.push_back(step); }

    Mapping back_from(TraceStep last) const {
        Mapping mapping;
        for (TraceStep step = last; step.task >= 0; step = steps_[step.parent]) {
            mapping.push_back(step.task);
        }
        std::ranges::reverse(mapping);
        return mapping;
    }

private:
    std::vector<TraceStep> steps_;
};

// Expands levels `first` to `end` - 1, at most `width` partial schedules of each, and traces what
// it expands. False if `stop` ended it. A Search has
//
//     State                        refers to a partial schedule that is held; `step()` made it
//     reaches(layer)               false where nothing came to this level or beyond
//     promising(layer)             those of a level that may lead to something better
//     choose(states, width)        keeps so many, the most promising; lets the others go
//     let_go(state)                notes its bound
//     batch()                      how many are expanded between questions whether to stop
//     expand(layer, states, place) what each becomes with every task that can come next is kept at
//                                  its level, unless it is dominated or its bound is no better;
//                                  full levels shrink; `place`: of the first of them in the trace
//     forget(layer)                frees a level
template <class Search>
bool search_levels(Search& search,
                   int first,
                   int end,
                   std::size_t width,
                   const std::function<bool()>& stop,
                   Trace& trace) {
    for (int layer = first; layer < end && search.reaches(layer); ++layer) {
        // 1. Choose what to expand.
        auto states = search.promising(layer);
        search.choose(states, width);
        const std::size_t traced = trace.size();
        for (const auto& state : states) {
            trace.add(state.step());
        }
        for (std::size_t begin = 0; begin < states.size(); begin += search.batch()) {
            // 2. Asked to stop: what was not expanded is let go, here and on later levels.
            if (stop && stop()) {
                for (const auto& state : std::span(states).subspan(begin)) {
                    search.let_go(state);
                }
                for (int later = layer + 1; later < end; ++later) {
                    for (const auto& state : search.promising(later)) {
                        search.let_go(state);
                    }
                }
                return false;
            }
            // 3. Expand, keep and shrink.
            const std::size_t count = std::min(search.batch(), states.size() - begin);
            search.expand(layer, std::span(states).subspan(begin, count), traced + begin);
        }
        search.forget(layer);
    }
    return true;
}

}  // namespace sim::internal
