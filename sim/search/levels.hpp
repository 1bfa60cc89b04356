#pragma once

// The search level by level, as both exact searches do it (layered.cpp for the least latency,
// front_search.cpp for fronts). Private to the searches. Start at `search_levels`.
//
// Level i holds partial schedules whose first uncovered layer is i. Of each level only the most
// promising are expanded; what is let go leaves a bound, and a search that lets nothing go is a
// proof. Where memory is full a search may go on depth first, and let nothing go all the same.

#include "sim/compile/problem.hpp"
#include "sim/search/memory.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

namespace sim::internal {

// How a partial schedule came about: its last task, and what it was before.
struct TraceStep {
    static constexpr std::uint32_t kRoot = ~0u;

    std::uint32_t parent = kRoot;  // in the trace
    int task = -1;                 // -1: nothing is placed
};

// Of the partial schedules that were expanded: rows of them, in the simplest case of one.
class Trace {
public:
    explicit Trace(Memory& memory, std::size_t width = 1)
        : width_(width), steps_(Counting<TraceStep>(memory)) {}

    std::size_t size() const { return steps_.size() / width_; }  // rows
    void add(const TraceStep& step) { steps_.push_back(step); }
    void forget_from(std::size_t size) { steps_.resize(size * width_); }
    const TraceStep& operator[](std::size_t place) const { return steps_[place]; }

    Mapping back_from(TraceStep last) const {
        Mapping mapping;
        for (TraceStep step = last; step.task >= 0; step = steps_[step.parent]) {
            mapping.push_back(step.task);
        }
        std::ranges::reverse(mapping);
        return mapping;
    }

private:
    const std::size_t width_;
    Counted<TraceStep> steps_;
};

// How a search goes through the levels.
struct Course {
    static constexpr std::size_t kAll = ~std::size_t{0};

    int first = 0, end = 0;    // levels
    std::size_t width = kAll;  // states of a level that are expanded at most
    // What does not fit into memory: is let go, or waits until what came before it is done with.
    bool goes_deep = false;
};

struct CourseEnd {
    bool stopped = false;
    bool full = false;  // more did not fit into memory
};

// Expands the levels, and traces what it expands. A Search has
//
//     List                         of what refers to partial schedules that are held, in rows; most
//                                  have one in each row
//     reaches(layer)               false where nothing came to this level or beyond
//     promising(layer)             those of a level that may lead to something better
//     choose(states, width, layer) keeps so many, the most promising; lets the others go
//     let_go(states, begin, layer) notes the bounds of those from row `begin` on
//     trace(states, layer, trace)  how they came about, row by row
//     batch(states, layer)         how many rows are expanded between questions whether to stop
//     expand(layer, states, begin, count, place)
//                                  what each of so many rows becomes with every task that can come
//                                  next is kept at its level, unless it is dominated or its bound
//                                  is no better; full levels shrink; `place`: the row in the trace
//     usage()                      of the memory
//     forget(layer)                frees a level
//     keep_mappings(trace)         the trace of what was found is about to go
//
// Depth first, where memory is full: of a level as many are expanded as there is room for, and the
// rest waits until all that they became is done with. A level may fill a little more of the memory
// than those before it, so that there is room for some on every level.
template <class Search>
CourseEnd search_levels(Search& search,
                        const Course& course,
                        const std::function<bool()>& stop,
                        Trace& trace) {
    // Of a level: what is expanded next, where it is in the trace.
    struct Rest {
        int layer = 0;
        typename Search::List states;
        std::size_t begin = 0, traced = 0;
    };
    std::vector<Rest> rests;
    CourseEnd result;
    const auto is_full = [&](int layer) {
        const auto levels = static_cast<std::size_t>(course.end - course.first);
        const auto before = static_cast<std::size_t>(layer - course.first);
        const MemoryUsage usage = search.usage();
        return usage.held > usage.limit / 2 + usage.limit / 2 / levels * before;
    };
    for (int layer = course.first; layer < course.end && search.reaches(layer);) {
        // 1. Choose what to expand, or go on with what waited.
        const bool waited = !rests.empty() && rests.back().layer == layer;
        Rest now = waited ? std::move(rests.back()) : Rest{layer, search.promising(layer)};
        if (waited) {
            rests.pop_back();
        } else {
            search.choose(now.states, course.width, layer);
            now.traced = trace.size();
            search.trace(now.states, layer, trace);
        }
        while (now.begin < now.states.size()) {
            const std::size_t count =
                std::min(search.batch(now.states, layer), now.states.size() - now.begin);
            // 2. Asked to stop: what was not expanded is let go.
            if (stop && stop()) {
                result.stopped = true;
                rests.push_back(std::move(now));
                for (const Rest& rest : rests) {
                    search.let_go(rest.states, rest.begin, rest.layer);
                }
                for (int later = layer + 1; later < course.end; ++later) {
                    search.let_go(search.promising(later), 0, later);
                }
                return result;
            }
            // 3. Expand, keep and shrink.
            search.expand(layer, now.states, now.begin, count, now.traced + now.begin);
            now.begin += count;
            // 4. No room for more.
            if (now.begin < now.states.size() && is_full(layer)) {
                result.full = true;
                if (course.goes_deep) {
                    break;
                }
                search.let_go(now.states, now.begin, layer);
                now.begin = now.states.size();
            }
        }
        if (now.begin < now.states.size()) {
            rests.push_back(std::move(now));
        } else {
            search.forget(layer);
        }
        // 5. On to the next level, or back to what waits.
        ++layer;
        if ((layer == course.end || !search.reaches(layer)) && !rests.empty()) {
            layer = rests.back().layer;
            search.keep_mappings(trace);
            trace.forget_from(rests.back().traced + rests.back().states.size());
        }
    }
    return result;
}

}  // namespace sim::internal
