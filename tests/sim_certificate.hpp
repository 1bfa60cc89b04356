#pragma once

// Checks a certificate of optimality (sim/search/certificate.hpp) with nothing but the problem:
// its own simulation of beginnings, on maps, and its own bound. Slow and simple on purpose; it
// shares no code with the search.

#include "sim/compile/problem.hpp"
#include "sim_oracle.hpp"

#include <algorithm>
#include <map>
#include <string>
#include <tuple>
#include <vector>

namespace certificate {

using sim::Mapping;
using sim::Problem;
using sim::Task;
using sim::Time;

class Checker {
public:
    Checker(const Problem& problem, Time claim) : p_(problem), claim_(claim) {}

    // Empty if the mapping takes the claimed time and the beginnings show that none is faster.
    std::string check(const Mapping& mapping, const std::vector<Mapping>& beginnings) {
        if (oracle::makespan(p_, mapping) != claim_) {
            return "the mapping does not take the claimed time";
        }
        beginnings_ = &beginnings;
        next_ = 0;
        Mapping begun;
        std::string complaint = follow(begun);
        if (complaint.empty() && next_ != beginnings.size()) {
            complaint = "beginnings that no mapping has, or in a strange order";
        }
        return complaint;
    }

private:
    const Task& task(int k) const { return p_.tasks.at(static_cast<std::size_t>(k)); }
    const sim::ProblemDevice& device(int d) const {
        return p_.devices.at(static_cast<std::size_t>(d));
    }
    static std::vector<int> layers_of(const Task& t) {
        std::vector<int> layers{t.first};
        layers.insert(layers.end(), t.rest.begin(), t.rest.end());
        return layers;
    }
    static bool covers(const Task& t, int layer) {
        const std::vector<int> layers = layers_of(t);
        return std::find(layers.begin(), layers.end(), layer) != layers.end();
    }
    static const sim::TaskInput* input_of(const Task& t, int tensor) {
        for (const sim::TaskInput& input : t.inputs) {
            if (input.tensor == tensor) {
                return &input;
            }
        }
        return nullptr;
    }

    // Every mapping that begins so is at least as slow as claimed. What is not listed is looked at
    // itself, but not without end: complete mappings and dead ends are not.
    std::string follow(Mapping& begun) {
        std::vector<char> covered(static_cast<std::size_t>(p_.layers()), 0);
        for (const int k : begun) {
            for (const int layer : layers_of(task(k))) {
                covered[static_cast<std::size_t>(layer)] = 1;
            }
        }
        const auto open = std::find(covered.begin(), covered.end(), char{0});
        if (open == covered.end()) {
            const auto time = oracle::makespan(p_, begun);
            return time && *time < claim_ ? "a mapping is faster" : "";
        }
        const auto fits = [&](const Task& t) {
            const std::vector<int> layers = layers_of(t);
            return std::all_of(layers.begin(), layers.end(), [&](int layer) {
                return !covered[static_cast<std::size_t>(layer)];
            });
        };
        if (next_ < beginnings_->size() && (*beginnings_)[next_] == begun) {
            ++next_;
            return bound(begun, covered) >= claim_ ? "" : "a beginning may have a faster mapping";
        }
        const bool leads = next_ < beginnings_->size() &&
                           (*beginnings_)[next_].size() > begun.size() &&
                           std::equal(begun.begin(), begun.end(), (*beginnings_)[next_].begin());
        if (!leads && --unlisted_ < 0) {
            return "beginnings are missing";
        }
        const int layer = static_cast<int>(open - covered.begin());
        for (int k = 0; k < static_cast<int>(p_.tasks.size()); ++k) {
            if (task(k).first != layer || !sim::fits_order(task(k)) || !fits(task(k)) ||
                has_better(k)) {
                continue;
            }
            begun.push_back(k);
            std::string complaint = follow(begun);
            begun.pop_back();
            if (!complaint.empty()) {
                return complaint;
            }
        }
        return "";
    }

    // Another device shares its memory.
    bool has_neighbour(int d) const {
        return std::count_if(p_.devices.begin(), p_.devices.end(), [&](const auto& other) {
                   return other.memory == device(d).memory;
               }) > 1;
    }

    // Another task does the same in every way and is not slower: exchanging them never hurts.
    bool has_better(int k) const {
        const Task& t = task(k);
        for (int other = 0; other < static_cast<int>(p_.tasks.size()); ++other) {
            const Task& o = task(other);
            const bool same = other != k && o.first == t.first && o.rest == t.rest &&
                              o.device == t.device && o.out_layout == t.out_layout &&
                              o.inner == t.inner && o.inputs == t.inputs;
            if (same && (o.cost < t.cost || (o.cost == t.cost && other < k))) {
                return true;
            }
        }
        return false;
    }

    // A bound on all mappings that begin so. The beginning is simulated as if its last segment
    // were submitted already, which it is at the soonest.
    Time bound(const Mapping& begun, const std::vector<char>& covered) {
        struct Made {
            int device = 0, layout = 0, turn = 0;
        };
        std::map<int, Made> made;
        std::map<std::tuple<int, int, int>, Time> there;  // tensor, memory, layout
        std::map<int, Time> queue, engine;
        Time dispatcher{};
        // When a tensor is in a memory as it was made, by way of whatever memories; kNever if it
        // cannot be. `now`: it is copied.
        const auto bring = [&](const auto& self, int tensor, int memory, bool now) -> Time {
            const Made& by = made.at(tensor);
            const auto here = std::tuple{tensor, memory, by.layout};
            if (there.count(here)) {
                return there.at(here);
            }
            const int from = p_.source(tensor, by.layout, device(by.device).memory, memory);
            if (from < 0) {
                return sim::kNever;
            }
            const Time before = self(self, tensor, from, now);
            Time& busy =
                engine[p_.engine.at(static_cast<std::size_t>(from * p_.memories + memory))];
            const Time end = std::max(busy, before) + p_.copy(tensor, by.layout, from, memory);
            if (now) {
                busy = there[here] = end;
            }
            return std::min(end, sim::kNever);
        };
        int open = -1;
        for (std::size_t begin = 0, end = 0; begin < begun.size(); begin = end) {
            const int d = task(begun[begin]).device;
            const sim::ProblemDevice& on = device(d);
            end = begin + 1;
            while (on.asynchronous && end < begun.size() && task(begun[end]).device == d) {
                ++end;
            }
            Time submitted = dispatcher + (on.asynchronous ? on.submit : Time{});
            const Time all = submitted + on.per_task * static_cast<std::int64_t>(end - begin);
            for (std::size_t i = begin; i < end; ++i) {
                const Task& t = task(begun[i]);
                submitted += on.per_task;
                Time start = dispatcher;
                if (on.asynchronous) {
                    start = std::max(queue[d], p_.whole_segments ? all : submitted);
                }
                std::vector<sim::TaskInput> convert, inputs = t.inputs;
                std::stable_sort(inputs.begin(), inputs.end(), [&](const auto& a, const auto& b) {
                    return made.at(a.tensor).turn < made.at(b.tensor).turn;
                });
                for (const sim::TaskInput& input : inputs) {
                    const Made& by = made.at(input.tensor);
                    const auto wanted = std::tuple{input.tensor, on.memory, input.layout};
                    const bool is_there = there.count(wanted) > 0;
                    Time at =
                        is_there ? there.at(wanted) : bring(bring, input.tensor, on.memory, true);
                    if (at >= sim::kNever) {
                        return sim::kNever;
                    }
                    if (!is_there && by.layout != input.layout) {
                        convert.push_back(input);
                    }
                    if (!on.asynchronous && device(by.device).asynchronous) {
                        at += device(by.device).completion;
                    }
                    start = std::max(start, at);
                }
                for (const sim::TaskInput& input : convert) {
                    const Time time =
                        p_.convert(input.tensor, d, made.at(input.tensor).layout, input.layout);
                    if (time >= sim::kNever) {
                        return sim::kNever;
                    }
                    start += time;
                    // What the host converted is in its past; see Evaluator.
                    there[{input.tensor, on.memory, input.layout}] =
                        on.asynchronous ? start : Time{};
                }
                start += t.cost;
                (on.asynchronous ? queue[d] : dispatcher) = start;
                sim::for_each_result(t, [&](const sim::TaskResult& result) {
                    made[result.tensor] = {d, result.layout, t.first};
                    there[{result.tensor, on.memory, result.layout}] = start;
                });
            }
            if (on.asynchronous) {
                dispatcher = all;
            }
            open = on.asynchronous ? d : -1;
        }

        // Whatever must be done with something that is there: at the soonest, and then on to the
        // end of the model.
        Time most = dispatcher;
        for (int layer = 0; layer < p_.layers(); ++layer) {
            const std::vector<int>& inputs = p_.inputs.at(static_cast<std::size_t>(layer));
            if (covered[static_cast<std::size_t>(layer)] ||
                std::none_of(
                    inputs.begin(), inputs.end(), [&](int input) { return made.count(input); })) {
                continue;
            }
            Time least = sim::kNever;
            for (int k = 0; k < static_cast<int>(p_.tasks.size()); ++k) {
                const Task& t = task(k);
                const std::vector<int> layers = layers_of(t);
                if (!covers(t, layer) || !sim::fits_order(t) ||
                    std::any_of(layers.begin(), layers.end(), [&](int l) {
                        return covered[static_cast<std::size_t>(l)] != 0;
                    })) {
                    continue;
                }
                const sim::ProblemDevice& on = device(t.device);
                Time start = dispatcher, conversion{};
                if (on.asynchronous) {
                    start = std::max(
                        queue[t.device],
                        dispatcher + on.per_task + (open == t.device ? Time{} : on.submit));
                }
                for (const sim::TaskInput& input : t.inputs) {
                    if (!made.count(input.tensor)) {
                        continue;
                    }
                    const Made& by = made.at(input.tensor);
                    const auto wanted = std::tuple{input.tensor, on.memory, input.layout};
                    Time at = there.count(wanted) ? there.at(wanted)
                                                  : bring(bring, input.tensor, on.memory, false);
                    if (!there.count(wanted) && by.layout != input.layout) {
                        const Time time =
                            p_.convert(input.tensor, t.device, by.layout, input.layout);
                        // Another reader on this memory may have converted it by then, also what
                        // this device cannot.
                        const bool alone =
                            p_.consumers.at(static_cast<std::size_t>(input.tensor)).size() == 1;
                        if (time >= sim::kNever) {
                            at = alone || !has_neighbour(t.device) ? sim::kNever : at;
                        } else if (alone) {
                            conversion += time;
                        }
                    }
                    if (!on.asynchronous && device(by.device).asynchronous) {
                        at += device(by.device).completion;
                    }
                    start = std::max(start, at);
                }
                if (start < sim::kNever) {
                    least = std::min(least, start + conversion + t.cost + after(k));
                }
            }
            most = std::max(most, std::min(least, sim::kNever));
        }
        return most;
    }

    // At least the time from a task's end to the end of the model.
    Time after(int k) {
        if (const auto known = after_.find(k); known != after_.end()) {
            return known->second;
        }
        const Task& t = task(k);
        const sim::ProblemDevice& here = device(t.device);
        Time most{};
        sim::for_each_result(t, [&](const sim::TaskResult& result) {
            for (const int reader : p_.consumers.at(static_cast<std::size_t>(result.tensor))) {
                if (!covers(t, reader)) {
                    most = std::max(most, after(here, result, reader));
                }
            }
        });
        return after_[k] = std::min(most, sim::kNever);
    }

    // From when one of its results is made, by way of one reader.
    Time after(const sim::ProblemDevice& here, const sim::TaskResult& made, int reader) {
        Time least = sim::kNever;
        for (int next = 0; next < static_cast<int>(p_.tasks.size()); ++next) {
            const Task& n = task(next);
            const sim::TaskInput* input = input_of(n, made.tensor);
            if (!input || !covers(n, reader) || !sim::fits_order(n)) {
                continue;
            }
            const sim::ProblemDevice& on = device(n.device);
            Time delay{};
            if (on.memory != here.memory) {
                delay = p_.transfer(made.tensor, made.layout, here.memory, on.memory);
            }
            if (here.asynchronous && !on.asynchronous) {
                delay += here.completion;
            }
            if (!here.asynchronous && on.asynchronous) {
                delay = std::max(delay, on.submit + on.per_task);
            }
            const Time convert =
                made.layout == input->layout
                    ? Time{}
                    : p_.convert(made.tensor, n.device, made.layout, input->layout);
            const bool alone = p_.consumers.at(static_cast<std::size_t>(made.tensor)).size() == 1;
            const bool never = convert >= sim::kNever && (alone || !has_neighbour(n.device));
            if (delay >= sim::kNever || never) {
                continue;
            }
            if (alone) {
                delay += convert;
            }
            least = std::min(least, delay + n.cost + after(next));
        }
        return least;
    }

    const Problem& p_;
    const Time claim_;
    const std::vector<Mapping>* beginnings_ = nullptr;
    std::size_t next_ = 0;
    int unlisted_ = 100'000;
    std::map<int, Time> after_;
};

inline std::string complaint(const Problem& problem,
                             Time claim,
                             const Mapping& mapping,
                             const std::vector<Mapping>& beginnings) {
    return Checker(problem, claim).check(mapping, beginnings);
}

}  // namespace certificate
