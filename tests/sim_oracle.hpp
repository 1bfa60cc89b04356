#pragma once

// A slow, plain third reading of the execution model, on maps, to check the evaluator and the plan
// against. It follows the mapping segment by segment and knows nothing of prefixes or plans.

#include "sim/compile/problem.hpp"

#include <algorithm>
#include <map>
#include <optional>
#include <tuple>
#include <vector>

namespace oracle {

using sim::Time;

class Reading {
public:
    Reading(const sim::Problem& problem, const sim::Mapping& mapping) : p(problem), m(mapping) {}

    // Nothing if the mapping needs a copy or a conversion that cannot be done.
    std::optional<Time> makespan() {
        for (std::size_t begin = 0; begin < m.size() && possible;) {
            const int d = task(begin).device;
            const sim::ProblemDevice& on = device(d);
            early_copies(begin);
            std::size_t end = begin + 1;
            while (on.asynchronous && end < m.size() && task(end).device == d &&
                   !needs_what_is_open(begin, end)) {
                ++end;
            }
            Time submitted = dispatcher + (on.asynchronous ? on.submit : Time{});
            const Time all = submitted + on.per_task * static_cast<std::int64_t>(end - begin);
            for (std::size_t i = begin; i < end; ++i) {
                if (i > begin) {
                    early_copies(i);
                }
                submitted += on.per_task;
                run(i, !on.asynchronous ? dispatcher : p.whole_segments ? all : submitted);
            }
            if (on.asynchronous) {
                dispatcher = all;
            }
            begin = end;
        }
        return possible ? std::optional{dispatcher} : std::nullopt;
    }

private:
    struct Result {
        int device = 0, layout = 0;
        std::size_t turn = 0;
    };
    struct There {
        Time from{};
        int by = -1;  // the device that made or converted it; -1: a copy
    };

    const sim::Task& task(std::size_t i) const {
        return p.tasks.at(static_cast<std::size_t>(m[i]));
    }
    const sim::ProblemDevice& device(int d) const {
        return p.devices.at(static_cast<std::size_t>(d));
    }

    // An early copy before `end` of what the tasks from `begin` on, or their device before, made.
    bool needs_what_is_open(std::size_t begin, std::size_t end) const {
        for (const sim::EarlyCopy& copy : m.early) {
            if (copy.before != static_cast<int>(end)) {
                continue;
            }
            std::optional<Result> maker;
            if (made.contains(copy.tensor)) {
                maker = made.at(copy.tensor);
            }
            bool is_new = false;
            for (std::size_t i = begin; i < end; ++i) {
                sim::for_each_result(task(i), [&](const sim::TaskResult& result) {
                    if (result.tensor == copy.tensor) {
                        maker = Result{task(i).device, result.layout, i};
                        is_new = true;
                    }
                });
            }
            const bool is_there = is_new ? device(maker->device).memory == copy.to
                                         : places.contains({copy.tensor, copy.to, maker->layout});
            if (maker->device == task(begin).device && !is_there) {
                return true;
            }
        }
        return false;
    }

    void early_copies(std::size_t i) {
        for (const sim::EarlyCopy& copy : m.early) {
            if (copy.before != static_cast<int>(i) ||
                places.contains({copy.tensor, copy.to, made.at(copy.tensor).layout})) {
                continue;
            }
            bring(copy.tensor, copy.to);
        }
    }

    // When it is there.
    Time bring(int tensor, int to) {
        const Result maker = made.at(tensor);
        const auto found = places.find({tensor, to, maker.layout});
        if (found != places.end()) {
            return found->second.from;
        }
        const int home = device(maker.device).memory;
        const int from = p.source(tensor, maker.layout, home, to);
        const Time copy = from < 0 ? sim::kNever : p.copy(tensor, maker.layout, from, to);
        Time when{};
        if (copy >= sim::kNever) {
            possible = false;
        } else {
            Time& busy = engine[p.engine.at(static_cast<std::size_t>(from * p.memories + to))];
            const Time ready = bring(tensor, from);
            busy = copy + std::max(busy, ready);
            when = busy;
        }
        places[{tensor, to, maker.layout}] = {when, -1};
        return when;
    }

    void run(std::size_t i, Time earliest) {
        const sim::Task& one = task(i);
        const sim::ProblemDevice& on = device(one.device);
        Time start = on.asynchronous ? std::max(earliest, queue[one.device]) : earliest;
        std::vector<sim::TaskInput> inputs = one.inputs, unconverted;
        std::stable_sort(inputs.begin(), inputs.end(), [&](const auto& a, const auto& b) {
            return made.at(a.tensor).turn < made.at(b.tensor).turn;
        });
        for (const sim::TaskInput& input : inputs) {
            const Result maker = made.at(input.tensor);
            auto there = places.find({input.tensor, on.memory, input.layout});
            if (there == places.end()) {
                if (maker.layout != input.layout) {
                    unconverted.push_back(input);
                }
                bring(input.tensor, on.memory);
                there = places.find({input.tensor, on.memory, maker.layout});
            }
            Time seen = there->second.from;
            const bool host_converted = there->second.by >= 0 &&
                                        !device(there->second.by).asynchronous &&
                                        there->second.by != maker.device;
            if (!on.asynchronous && device(maker.device).asynchronous && !host_converted) {
                seen += device(maker.device).completion;
            }
            const bool at_home = device(maker.device).memory == on.memory &&
                                 std::get<2>(there->first) == maker.layout;
            if (on.asynchronous && device(maker.device).asynchronous && at_home &&
                maker.device != one.device && !p.synchronise.empty()) {
                seen += p.synchronise.at(static_cast<std::size_t>(on.memory));
            }
            start = std::max(start, seen);
        }
        Time now = start;
        for (const sim::TaskInput& input : unconverted) {
            const Time convert =
                p.convert(input.tensor, one.device, made.at(input.tensor).layout, input.layout);
            possible = possible && convert < sim::kNever;
            now += possible ? convert : Time{};
            places[{input.tensor, on.memory, input.layout}] = {now, one.device};
        }
        now += one.cost;
        sim::for_each_result(one, [&](const sim::TaskResult& result) {
            made[result.tensor] = {one.device, result.layout, i};
            places[{result.tensor, on.memory, result.layout}] = {now, one.device};
        });
        (on.asynchronous ? queue[one.device] : dispatcher) = now;
    }

    const sim::Problem& p;
    const sim::Mapping& m;
    std::map<int, Result> made;                         // by tensor
    std::map<std::tuple<int, int, int>, There> places;  // by tensor, memory, layout
    std::map<int, Time> queue, engine;
    Time dispatcher{};
    bool possible = true;
};

inline std::optional<Time> makespan(const sim::Problem& problem, const sim::Mapping& mapping) {
    return Reading(problem, mapping).makespan();
}

}  // namespace oracle
