#pragma once

// A slow, plain third reading of the execution model, on maps, to check the evaluator and the
// simulator against. It follows the mapping segment by segment and knows nothing of prefixes.

#include "sim/compile/problem.hpp"

#include <algorithm>
#include <map>
#include <optional>
#include <tuple>
#include <vector>

namespace oracle {

// Nothing if the mapping needs a copy or a conversion that cannot be done.
inline std::optional<sim::Time> makespan(const sim::Problem& p, const sim::Mapping& mapping) {
    using sim::Time;
    struct Result {
        int device = 0, layout = 0;
    };
    struct There {
        Time from{};
        bool by_host = false;
    };
    std::map<int, Result> made;                         // by tensor
    std::map<std::tuple<int, int, int>, There> places;  // by tensor, memory, layout
    std::map<int, Time> queue, engine;
    Time dispatcher{};

    for (std::size_t begin = 0; begin < mapping.size();) {
        const int d = p.tasks.at(static_cast<std::size_t>(mapping[begin])).device;
        const sim::ProblemDevice& device = p.devices.at(static_cast<std::size_t>(d));
        std::size_t end = begin + 1;
        while (device.asynchronous && end < mapping.size() &&
               p.tasks.at(static_cast<std::size_t>(mapping[end])).device == d) {
            ++end;
        }
        Time submitted = dispatcher + (device.asynchronous ? device.submit : Time{});
        const Time all = submitted + device.per_task * static_cast<std::int64_t>(end - begin);
        for (std::size_t i = begin; i < end; ++i) {
            const sim::Task& task = p.tasks.at(static_cast<std::size_t>(mapping[i]));
            submitted += device.per_task;
            Time start = !device.asynchronous ? dispatcher
                         : p.whole_segments   ? std::max(all, queue[d])
                                              : std::max(submitted, queue[d]);
            std::vector<sim::TaskInput> unconverted;
            for (const sim::TaskInput& input : task.inputs) {
                const Result maker = made.at(input.tensor);
                const sim::ProblemDevice& by = p.devices.at(static_cast<std::size_t>(maker.device));
                auto there = places.find({input.tensor, device.memory, input.layout});
                if (there == places.end()) {
                    if (maker.layout != input.layout) {
                        unconverted.push_back(input);
                    }
                    there = places.find({input.tensor, device.memory, maker.layout});
                }
                if (there == places.end()) {
                    const int link = p.engine.at(
                        static_cast<std::size_t>(by.memory * p.memories + device.memory));
                    const Time copy = p.copy(input.tensor, maker.layout, by.memory, device.memory);
                    if (link < 0 || copy >= sim::kNever) {
                        return std::nullopt;
                    }
                    Time& busy = engine[link];
                    busy = copy +
                           std::max(busy, places.at({input.tensor, by.memory, maker.layout}).from);
                    there = places
                                .emplace(std::tuple{input.tensor, device.memory, maker.layout},
                                         There{busy, false})
                                .first;
                }
                Time seen = there->second.from;
                if (!device.asynchronous && by.asynchronous && !there->second.by_host) {
                    seen += by.completion;
                }
                start = std::max(start, seen);
            }
            Time now = start;
            for (const sim::TaskInput& input : unconverted) {
                const Time convert = p.convert(
                    input.tensor, task.device, made.at(input.tensor).layout, input.layout);
                if (convert >= sim::kNever) {
                    return std::nullopt;
                }
                now += convert;
                places[{input.tensor, device.memory, input.layout}] = {now, !device.asynchronous};
            }
            now += task.cost;
            made[task.last] = {task.device, task.out_layout};
            places[{task.last, device.memory, task.out_layout}] = {now, false};
            (device.asynchronous ? queue[d] : dispatcher) = now;
        }
        if (device.asynchronous) {
            dispatcher = all;
        }
        begin = end;
    }
    return dispatcher;
}

}  // namespace oracle
