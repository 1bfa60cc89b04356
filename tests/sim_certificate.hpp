#pragma once

// Checks a certificate of optimality (sim/search/certificate.hpp) with nothing but the problem:
// its own simulation of beginnings, on maps, and its own bounds. Slow and simple on purpose; it
// shares no code with the search. What a complete mapping is worth where devices and memories
// interact, and in a stream, the simulator says.

#include "sim/compile/problem.hpp"
#include "sim/run/assess.hpp"
#include "sim/search/certificate.hpp"
#include "sim_oracle.hpp"

#include <algorithm>
#include <cstdint>
#include <map>
#include <numeric>
#include <optional>
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
    // `frames`: in flight, of a throughput; 0 of a latency. The certificate is of `problem`, and
    // is looked at in its order.
    Checker(const Problem& problem, Time claim, int frames, const sim::Certificate& certificate)
        : asked_(problem),
          p_(sim::reordered(problem, certificate.order)),
          claim_(claim),
          frames_(frames),
          certificate_(certificate) {}

    // Empty if the mapping has the claimed value and the beginnings show that none has a better.
    std::string check(const Mapping& mapping) {
        if (value(asked_, mapping) != claim_) {
            return frames_ > 0 ? "the mapping does not have the claimed period"
                               : "the mapping does not take the claimed time";
        }
        for (const std::vector<std::int64_t>& weighting : certificate_.weightings) {
            if (std::any_of(weighting.begin(), weighting.end(), [](auto w) { return w < 0; })) {
                return "a weight is below zero";
            }
        }
        const std::vector<Mapping>& beginnings = certificate_.beginnings;
        const bool is_all = beginnings.size() == 1 && beginnings.front().empty();
        any_order_ = certificate_.in_any_order && !has_one_order();
        if (any_order_ && !is_all) {
            return "beginnings are in one order";
        }
        next_ = 0;
        Mapping begun;
        std::string complaint = follow(begun).complaint;
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

    // What nothing reads may end after the answer.
    bool all_is_read() const {
        return std::none_of(p_.consumers.begin(), p_.consumers.end() - 1, [](const auto& readers) {
            return readers.empty();
        });
    }
    bool has_one_order() const {
        for (int layer = 1; layer < p_.layers(); ++layer) {
            const std::vector<int>& inputs = p_.inputs.at(static_cast<std::size_t>(layer));
            if (std::find(inputs.begin(), inputs.end(), layer - 1) == inputs.end()) {
                return false;
            }
        }
        return true;
    }
    bool may_come(const Task& t) const { return any_order_ || sim::fits_order(t); }

    // Whether what a mapping is worth is what the bounds are of: dominated tasks are never better.
    bool is_exact() const { return frames_ == 0 && !sim::is_coupled(p_); }

    // Nothing if it does not fit.
    std::optional<Time> value(const Problem& problem, const Mapping& mapping) const {
        if (is_exact() && problem.budgets.empty()) {
            return oracle::makespan(problem, mapping);
        }
        const sim::Assessment whole = sim::assess(problem, mapping, {.frames_in_flight = frames_});
        if (!whole.feasible()) {
            return std::nullopt;
        }
        return frames_ > 0 ? whole.period : whole.makespan;
    }

    struct Followed {
        std::string complaint;
        bool by_bounds = true;  // no complete mapping was looked at
    };

    // Every mapping that begins so is at least as slow as claimed. What is not listed is looked at
    // itself, but not without end: complete mappings and dead ends are not.
    Followed follow(Mapping& begun) {
        std::vector<char> covered(static_cast<std::size_t>(p_.layers()), 0);
        for (const int k : begun) {
            for (const int layer : layers_of(task(k))) {
                covered[static_cast<std::size_t>(layer)] = 1;
            }
        }
        const auto open = std::find(covered.begin(), covered.end(), char{0});
        if (open == covered.end()) {
            const auto time = value(p_, begun);
            return {.complaint = time && *time < claim_ ? "a mapping is faster" : "",
                    .by_bounds = false};
        }
        const auto fits = [&](const Task& t) {
            const std::vector<int> layers = layers_of(t);
            return std::all_of(layers.begin(), layers.end(), [&](int layer) {
                return !covered[static_cast<std::size_t>(layer)];
            });
        };
        const std::vector<Mapping>& beginnings = certificate_.beginnings;
        if (next_ < beginnings.size() && beginnings[next_] == begun) {
            ++next_;
            return {.complaint =
                        is_excluded(begun, covered) ? "" : "a beginning may have a faster mapping"};
        }
        const bool leads = next_ < beginnings.size() && beginnings[next_].size() > begun.size() &&
                           std::equal(begun.begin(), begun.end(), beginnings[next_].begin());
        if (!leads && --unlisted_ < 0) {
            return {.complaint = "beginnings are missing"};
        }
        // Those that nothing dominates first.
        const int layer = static_cast<int>(open - covered.begin());
        std::vector<int> tasks;
        for (int k = 0; k < static_cast<int>(p_.tasks.size()); ++k) {
            if (task(k).first == layer && sim::fits_order(task(k))) {
                tasks.push_back(k);
            }
        }
        const auto has_better = [&](int k) {
            return std::any_of(tasks.begin(), tasks.end(), [&](int o) { return is_better(o, k); });
        };
        std::stable_partition(tasks.begin(), tasks.end(), [&](int k) { return !has_better(k); });
        Followed all;
        std::vector<int> closed;
        for (const int k : tasks) {
            if (!fits(task(k)) || (is_exact() && has_better(k)) ||
                std::any_of(closed.begin(), closed.end(), [&](int o) { return is_better(o, k); })) {
                continue;
            }
            begun.push_back(k);
            const Followed one = follow(begun);
            begun.pop_back();
            if (!one.complaint.empty()) {
                return one;
            }
            if (one.by_bounds && !has_better(k)) {
                closed.push_back(k);
            }
            all.by_bounds = all.by_bounds && one.by_bounds;
        }
        return all;
    }

    // By one of the three bounds.
    bool is_excluded(const Mapping& begun, const std::vector<char>& covered) {
        const std::optional<Begun> there = simulate(begun);
        if (!there || !has_room(begun, covered)) {
            return true;
        }
        const Time before{claim_.count() - 1};
        if (path(*there, covered) > before * std::max(1, frames_)) {
            return true;
        }
        return (frames_ > 0 || all_is_read()) &&
               std::any_of(
                   certificate_.weightings.begin(),
                   certificate_.weightings.end(),
                   [&](const auto& weights) { return takes_as_long(*there, covered, weights); });
    }

    // The least that one of its tasks adds for every layer that is not covered, added up; of a
    // fused set each layer has an equal share.
    template <class Value>
    std::int64_t least(const std::vector<char>& covered, const Value& value) const {
        std::vector<std::optional<std::int64_t>> of_layer(covered.size());
        for (const Task& t : p_.tasks) {
            const std::vector<int> layers = layers_of(t);
            const std::int64_t each = value(t) / static_cast<std::int64_t>(layers.size());
            for (const int layer : layers) {
                auto& most = of_layer[static_cast<std::size_t>(layer)];
                most = std::min(most.value_or(each), each);
            }
        }
        std::int64_t sum = 0;
        for (std::size_t layer = 0; layer < covered.size(); ++layer) {
            sum += covered[layer] ? 0 : of_layer[layer].value_or(0);
        }
        return sum;
    }

    bool has_room(const Mapping& begun, const std::vector<char>& covered) const {
        const auto goes_beyond = [&](const auto& value, std::int64_t limit) {
            std::int64_t sum = least(covered, value);
            for (const int k : begun) {
                sum += value(task(k));
            }
            return sum > limit;
        };
        for (std::size_t b = 0; b < p_.budgets.size(); ++b) {
            const auto use = [&](const Task& t) {
                return t.device == p_.budgets[b].device && !t.uses.empty() ? t.uses[b]
                                                                           : std::int64_t{0};
            };
            if (goes_beyond(use, p_.budgets[b].limit)) {
                return false;
            }
        }
        for (std::size_t m = 0; m < p_.capacities.size(); ++m) {
            const auto bytes = [&](const Task& t) {
                return t.weight_bytes.empty() ? std::int64_t{0} : t.weight_bytes[m];
            };
            if (p_.capacities[m] > 0 && goes_beyond(bytes, p_.capacities[m])) {
                return false;
            }
        }
        return true;
    }

    // Another device shares its memory.
    bool has_neighbour(int d) const {
        return std::count_if(p_.devices.begin(), p_.devices.end(), [&](const auto& other) {
                   return other.memory == device(d).memory;
               }) > 1;
    }

    // It does the same in every way, is not slower and needs no more room: where times are exact,
    // exchanging them never hurts.
    bool is_better(int better, int k) const {
        const Task &t = task(k), &o = task(better);
        if (better == k || o.first != t.first || o.rest != t.rest || o.device != t.device ||
            o.out_layout != t.out_layout || o.inner != t.inner || o.inputs != t.inputs) {
            return false;
        }
        for (std::size_t b = 0; b < t.uses.size(); ++b) {
            if (o.uses[b] > t.uses[b]) {
                return false;
            }
        }
        for (std::size_t m = 0; m < t.weight_bytes.size(); ++m) {
            const bool counts = std::any_of(
                p_.capacities.begin(), p_.capacities.end(), [](auto c) { return c > 0; });
            if (counts && o.weight_bytes[m] > t.weight_bytes[m]) {
                return false;
            }
        }
        return o.cost < t.cost || (o.cost == t.cost && better < k);
    }

    // Where a beginning has led.
    struct Begun {
        struct Made {
            int device = 0, layout = 0, turn = 0;
        };
        std::map<int, Made> made;
        std::map<std::tuple<int, int, int>, Time> there;  // tensor, memory, layout
        std::map<int, Time> queue, engine;
        std::map<int, Time> load;  // by device, the dispatcher's under 0, then engines
        Time dispatcher{};
        int open = -1;
    };

    // When a tensor is in a memory as it was made, by way of whatever memories; kNever if it
    // cannot be.
    Time bring(Begun& at, int tensor, int memory) const {
        const Begun::Made& by = at.made.at(tensor);
        const auto here = std::tuple{tensor, memory, by.layout};
        if (at.there.count(here)) {
            return at.there.at(here);
        }
        const int from = p_.source(tensor, by.layout, device(by.device).memory, memory);
        if (from < 0) {
            return sim::kNever;
        }
        const Time before = bring(at, tensor, from);
        const int engine = p_.engine.at(static_cast<std::size_t>(from * p_.memories + memory));
        const Time copy = p_.copy(tensor, by.layout, from, memory);
        const Time end = std::min(std::max(at.engine[engine], before) + copy, sim::kNever);
        at.load[p_.device_count() + engine] += copy;
        return at.engine[engine] = at.there[here] = end;
    }

    // The beginning is simulated as if its last segment were submitted already, which it is at the
    // soonest. Nothing if it cannot be.
    std::optional<Begun> simulate(const Mapping& begun) const {
        Begun at;
        for (std::size_t begin = 0, end = 0; begin < begun.size(); begin = end) {
            const int d = task(begun[begin]).device;
            const sim::ProblemDevice& on = device(d);
            end = begin + 1;
            while (on.asynchronous && end < begun.size() && task(begun[end]).device == d) {
                ++end;
            }
            Time submitted = at.dispatcher + (on.asynchronous ? on.submit : Time{});
            const Time all = submitted + on.per_task * static_cast<std::int64_t>(end - begin);
            for (std::size_t i = begin; i < end; ++i) {
                const Task& t = task(begun[i]);
                submitted += on.per_task;
                Time start = at.dispatcher;
                if (on.asynchronous) {
                    start = std::max(at.queue[d], p_.whole_segments ? all : submitted);
                }
                std::vector<sim::TaskInput> convert, inputs = t.inputs;
                std::stable_sort(inputs.begin(), inputs.end(), [&](const auto& a, const auto& b) {
                    return at.made.at(a.tensor).turn < at.made.at(b.tensor).turn;
                });
                for (const sim::TaskInput& input : inputs) {
                    const Begun::Made& by = at.made.at(input.tensor);
                    const auto wanted = std::tuple{input.tensor, on.memory, input.layout};
                    const bool is_there = at.there.count(wanted) > 0;
                    Time when = is_there ? at.there.at(wanted) : bring(at, input.tensor, on.memory);
                    if (when >= sim::kNever) {
                        return std::nullopt;
                    }
                    if (!is_there && by.layout != input.layout) {
                        convert.push_back(input);
                    }
                    if (!on.asynchronous && device(by.device).asynchronous) {
                        when += device(by.device).completion;
                    }
                    start = std::max(start, when);
                }
                Time& load = at.load[on.asynchronous ? d : 0];
                for (const sim::TaskInput& input : convert) {
                    const Time time =
                        p_.convert(input.tensor, d, at.made.at(input.tensor).layout, input.layout);
                    if (time >= sim::kNever) {
                        return std::nullopt;
                    }
                    start += time;
                    load += time;
                    // What the host converted is in its past; see Evaluator.
                    at.there[{input.tensor, on.memory, input.layout}] =
                        on.asynchronous ? start : Time{};
                }
                start += t.cost;
                load += t.cost;
                (on.asynchronous ? at.queue[d] : at.dispatcher) = start;
                sim::for_each_result(t, [&](const sim::TaskResult& result) {
                    at.made[result.tensor] = {d, result.layout, t.first};
                    at.there[{result.tensor, on.memory, result.layout}] = start;
                });
            }
            if (on.asynchronous) {
                at.load[0] += all - at.dispatcher;
                at.dispatcher = all;
            }
            at.open = on.asynchronous ? d : -1;
        }
        return at;
    }

    // What all times are multiples of.
    std::int64_t common_unit() const {
        std::int64_t unit = 0;
        const auto add = [&](Time time) {
            unit = time < sim::kNever ? std::gcd(unit, time.count()) : unit;
        };
        for (const Task& t : p_.tasks) {
            add(t.cost);
        }
        for (const sim::ProblemDevice& one : p_.devices) {
            add(one.submit);
            add(one.per_task);
            add(one.completion);
        }
        std::for_each(p_.copy_times.begin(), p_.copy_times.end(), add);
        std::for_each(p_.convert_times.begin(), p_.convert_times.end(), add);
        return std::max<std::int64_t>(unit, 1);
    }

    // What all that its tasks have a resource do is in multiples of.
    std::int64_t unit_of_work(int r) const {
        std::int64_t unit = 0;
        for (const Task& t : p_.tasks) {
            const bool on_device = device(t.device).asynchronous;
            if ((on_device ? t.device : 0) == r) {
                unit = std::gcd(unit, t.cost.count());
            }
            if (on_device && r == 0) {
                unit = std::gcd(unit, device(t.device).per_task.count());
            }
        }
        return std::max<std::int64_t>(unit, 1);
    }

    // Whether what is done and the least that each open layer adds take as long as claimed, with
    // time worth weights[r] on resource r.
    bool takes_as_long(const Begun& begun,
                       const std::vector<char>& covered,
                       const std::vector<std::int64_t>& weights) const {
        const auto weight = [&](int r) { return weights.at(static_cast<std::size_t>(r)); };
        std::int64_t sum = least(covered, [&](const Task& t) {
            const bool on_device = device(t.device).asynchronous;
            return weight(on_device ? t.device : 0) * t.cost.count() +
                   (on_device ? weight(0) * device(t.device).per_task.count() : 0);
        });
        for (const auto& [r, work] : begun.load) {
            sum += weight(r) * work.count();
        }
        // The longest time that would be less than claimed.
        std::int64_t time = claim_.count() - 1;
        if (frames_ == 0 && !sim::is_interacting(p_)) {
            time = (claim_.count() - 1) / common_unit() * common_unit();
        }
        std::int64_t done = 0, all = 0;
        for (int r = 0; r < static_cast<int>(weights.size()); ++r) {
            const std::int64_t unit = begun.load.empty() ? unit_of_work(r) : 1;
            done += weight(r) * (time / unit * unit);
            all += weight(r);
        }
        return all > 0 && sum > done;
    }

    // The longest way from what is there to the end of the model.
    Time path(const Begun& begun, const std::vector<char>& covered) {
        const auto& made = begun.made;
        const auto& there = begun.there;
        const auto& queue = begun.queue;
        const Time dispatcher = begun.dispatcher;
        const int open = begun.open;
        if (made.empty()) {
            Time least = sim::kNever;
            for (int k = 0; k < static_cast<int>(p_.tasks.size()); ++k) {
                if (covers(task(k), 0) && may_come(task(k)) && all_is_read()) {
                    least = std::min(least, task(k).cost + after(k));
                }
            }
            return all_is_read() ? least : Time{};
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
                if (!covers(t, layer) || !may_come(t) ||
                    std::any_of(layers.begin(), layers.end(), [&](int l) {
                        return covered[static_cast<std::size_t>(l)] != 0;
                    })) {
                    continue;
                }
                const sim::ProblemDevice& on = device(t.device);
                Time start = dispatcher, conversion{};
                if (on.asynchronous) {
                    const auto end = queue.find(t.device);
                    start = std::max(
                        end == queue.end() ? Time{} : end->second,
                        dispatcher + on.per_task + (open == t.device ? Time{} : on.submit));
                }
                for (const sim::TaskInput& input : t.inputs) {
                    if (!made.count(input.tensor)) {
                        continue;
                    }
                    const Begun::Made& by = made.at(input.tensor);
                    const auto wanted = std::tuple{input.tensor, on.memory, input.layout};
                    Begun later = begun;
                    Time at = bring(later, input.tensor, on.memory);
                    if (there.count(wanted)) {
                        at = there.at(wanted);
                    }
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
            if (!input || !covers(n, reader) || !may_come(n)) {
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

    const Problem& asked_;
    const Problem p_;  // its layers in the certificate's order
    const Time claim_;
    const int frames_;
    const sim::Certificate& certificate_;
    bool any_order_ = false;
    std::size_t next_ = 0;
    int unlisted_ = 100'000;
    std::map<int, Time> after_;
};

// Empty if all is well. `frames`: in flight, if the claim is a period.
inline std::string complaint(const Problem& problem,
                             Time claim,
                             const Mapping& mapping,
                             const sim::Certificate& certificate,
                             int frames = 0) {
    return Checker(problem, claim, frames, certificate).check(mapping);
}

}  // namespace certificate
