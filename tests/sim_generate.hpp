#pragma once

// Seeded problems for tests and benchmarks, made by hand rather than compiled: small random ones
// with everything the execution model has, random layered graphs, and networks with invented
// costs of the size that binarized layers have. What it is not: a source of results about real
// machines.

#include "sim/compile/problem.hpp"

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace generate {

using sim::Problem;
using sim::Task;
using sim::Time;

inline constexpr Time kNanosecond{1'000};
inline constexpr Time kMicrosecond{1'000'000};

// The same numbers with every standard library.
class Random {
public:
    explicit Random(std::uint64_t seed) : engine_(seed) {}
    std::int64_t integer(std::int64_t low, std::int64_t high) {
        return low +
               static_cast<std::int64_t>(engine_() % static_cast<std::uint64_t>(high - low + 1));
    }
    int index(std::size_t size) { return static_cast<int>(engine_() % size); }
    bool one_in(int n) { return integer(1, n) == 1; }
    double real(double low, double high) {
        return low + (high - low) * static_cast<double>(engine_() >> 11) * 0x1p-53;
    }

private:
    std::mt19937_64 engine_;
};

// A problem while it grows: layers first, then `sort`, then chains, then `finish`.
struct Draft {
    Problem problem;
    std::vector<std::int64_t> bytes;  // by layer
    // latency and time per byte, [from * memories + to]; negative: no link
    std::vector<std::pair<std::int64_t, std::int64_t>> links;
    // latency and time per byte, by device; negative: impossible
    std::vector<std::pair<std::int64_t, std::int64_t>> conversions;
    // A tensor in layout 1 is smaller to copy by this factor (bits instead of bytes).
    std::int64_t layout_factor = 1;

    int layers() const { return problem.layers(); }

    int add_layer(std::vector<int> inputs, std::int64_t size) {
        problem.inputs.push_back(std::move(inputs));
        bytes.push_back(size);
        return layers() - 1;
    }

    // The host reads every result that nothing else reads.
    void add_output() {
        std::vector<char> read(problem.inputs.size(), 0);
        for (const std::vector<int>& inputs : problem.inputs) {
            for (const int input : inputs) {
                read[static_cast<std::size_t>(input)] = 1;
            }
        }
        std::vector<int> sinks;
        for (int layer = 0; layer < layers(); ++layer) {
            if (!read[static_cast<std::size_t>(layer)]) {
                sinks.push_back(layer);
            }
        }
        add_layer(sinks, 0);
    }

    void add_device(sim::ProblemDevice device) {
        problem.device_names.push_back(
            problem.devices.empty() ? "cpu" : "dev" + std::to_string(problem.devices.size()));
        problem.devices.push_back(device);
    }

    // `layouts`: of the inputs in turn; one alone is for all of them.
    void add_task(const std::vector<int>& chain,
                  int device,
                  const std::vector<int>& layouts,
                  int out_layout,
                  Time cost) {
        Task task;
        task.first = chain.front();
        task.last = chain.back();
        task.rest.assign(chain.begin() + 1, chain.end());
        std::size_t next = 0;
        for (const int layer : chain) {
            for (const int input : problem.inputs[static_cast<std::size_t>(layer)]) {
                if (std::find(chain.begin(), chain.end(), input) != chain.end()) {
                    continue;
                }
                const bool seen = std::any_of(task.inputs.begin(),
                                              task.inputs.end(),
                                              [&](const auto& one) { return one.tensor == input; });
                if (!seen) {
                    task.inputs.push_back({input, layouts[next++ % layouts.size()]});
                }
            }
        }
        task.device = device;
        task.out_layout = out_layout;
        task.cost = cost;
        task.variant = "v" + std::to_string(problem.tasks.size());
        task.configuration = "c";
        problem.tasks.push_back(std::move(task));
    }

    // Layers that one task fuses, in static order, which may be any; nothing if they are not
    // connected, or a path leaves them and comes back. All that is read outside are its results.
    void add_set(std::vector<int> layers, int device, const std::vector<int>& layouts, Time cost) {
        std::sort(layers.begin(), layers.end());
        const auto inside = [&](int layer) {
            return std::find(layers.begin(), layers.end(), layer) != layers.end();
        };
        // 1. Convex: what comes after a member, outside, never leads to a member. Connected: one
        //    member reaches all over edges inside.
        std::vector<char> after(problem.inputs.size(), 0);
        std::vector<char> joined(problem.inputs.size(), 0);
        std::vector<char> is_read(problem.inputs.size(), 0);
        for (std::size_t l = 0; l < problem.inputs.size(); ++l) {
            for (const int input : problem.inputs[l]) {
                const auto i = static_cast<std::size_t>(input);
                if (inside(static_cast<int>(l)) && after[i]) {
                    return;
                }
                if (!inside(static_cast<int>(l))) {
                    after[l] |= after[i] || inside(input);
                    is_read[i] = 1;
                }
            }
        }
        joined[static_cast<std::size_t>(layers.front())] = 1;
        for (std::size_t round = 0; round < layers.size(); ++round) {
            for (const int l : layers) {
                for (const int input : problem.inputs[static_cast<std::size_t>(l)]) {
                    if (inside(input) && (joined[static_cast<std::size_t>(l)] ||
                                          joined[static_cast<std::size_t>(input)])) {
                        joined[static_cast<std::size_t>(l)] = 1;
                        joined[static_cast<std::size_t>(input)] = 1;
                    }
                }
            }
        }
        if (!std::all_of(layers.begin(), layers.end(), [&](int l) {
                return joined[static_cast<std::size_t>(l)] != 0;
            })) {
            return;
        }
        // 2. The task, and its results.
        add_task(layers, device, layouts, layouts.front(), cost);
        for (const int l : layers) {
            if (l != layers.back() && is_read[static_cast<std::size_t>(l)]) {
                problem.tasks.back().inner.push_back(
                    {l, layouts[static_cast<std::size_t>(l) % layouts.size()]});
            }
        }
    }

    // Static order: topological, ties by longest remaining path of mean single-layer costs. Tasks
    // so far must be of single layers.
    void sort() {
        const std::size_t n = problem.inputs.size();
        std::vector<double> mean(n, 0), path(n, 0);
        std::vector<int> count(n, 0), missing(n, 0), ready, order;
        std::vector<std::vector<int>> consumers(n);
        for (const Task& task : problem.tasks) {
            mean[static_cast<std::size_t>(task.first)] += static_cast<double>(task.cost.count());
            ++count[static_cast<std::size_t>(task.first)];
        }
        for (std::size_t l = 0; l < n; ++l) {
            for (const int input : problem.inputs[l]) {
                consumers[static_cast<std::size_t>(input)].push_back(static_cast<int>(l));
            }
        }
        for (std::size_t l = n; l-- > 0;) {
            for (const int c : consumers[l]) {
                path[l] = std::max(path[l], path[static_cast<std::size_t>(c)]);
            }
            path[l] += count[l] ? mean[l] / count[l] : 0;
            missing[l] = static_cast<int>(problem.inputs[l].size());
            if (!missing[l]) {
                ready.push_back(static_cast<int>(l));
            }
        }
        while (!ready.empty()) {
            const auto best = std::max_element(ready.begin(), ready.end(), [&](int a, int b) {
                const double x = path[static_cast<std::size_t>(a)];
                const double y = path[static_cast<std::size_t>(b)];
                return x != y ? x < y : a > b;
            });
            const int layer = *best;
            ready.erase(best);
            order.push_back(layer);
            for (const int c : consumers[static_cast<std::size_t>(layer)]) {
                if (--missing[static_cast<std::size_t>(c)] == 0) {
                    ready.push_back(c);
                }
            }
        }
        std::vector<int> place(n);
        for (std::size_t i = 0; i < n; ++i) {
            place[static_cast<std::size_t>(order[i])] = static_cast<int>(i);
        }
        const auto old_inputs = problem.inputs;
        const auto old_bytes = bytes;
        for (std::size_t l = 0; l < n; ++l) {
            std::vector<int> inputs;
            for (const int input : old_inputs[l]) {
                inputs.push_back(place[static_cast<std::size_t>(input)]);
            }
            problem.inputs[static_cast<std::size_t>(place[l])] = inputs;
            bytes[static_cast<std::size_t>(place[l])] = old_bytes[l];
        }
        for (Task& task : problem.tasks) {
            task.first = task.last = place[static_cast<std::size_t>(task.first)];
            for (sim::TaskInput& input : task.inputs) {
                input.tensor = place[static_cast<std::size_t>(input.tensor)];
            }
        }
    }

    // Chains of this length that may be fused, in static order: each layer is the only reader of
    // the one before, and what is read from outside is made before the first.
    std::vector<std::vector<int>> chains(int length) const {
        std::vector<std::vector<int>> consumers(problem.inputs.size()), found;
        for (int l = 0; l < layers(); ++l) {
            for (const int input : problem.inputs[static_cast<std::size_t>(l)]) {
                consumers[static_cast<std::size_t>(input)].push_back(l);
            }
        }
        for (int l = 1; l < layers() - 1; ++l) {
            std::vector<int> chain{l};
            while (static_cast<int>(chain.size()) < length) {
                const std::vector<int>& next = consumers[static_cast<std::size_t>(chain.back())];
                if (next.size() != 1 || next.front() == layers() - 1) {
                    break;
                }
                const std::vector<int>& inputs =
                    problem.inputs[static_cast<std::size_t>(next.front())];
                if (std::any_of(inputs.begin(), inputs.end(), [&](int input) {
                        return input != chain.back() && input >= l;
                    })) {
                    break;
                }
                chain.push_back(next.front());
            }
            if (static_cast<int>(chain.size()) == length) {
                found.push_back(chain);
            }
        }
        return found;
    }

    Problem finish(std::string name) {
        Problem& p = problem;
        const int n = layers(), m = p.memories, y = p.layouts;
        p.model = std::move(name);
        p.platform = "generated";
        for (int l = 0; l < n; ++l) {
            p.layer_names.push_back(l == 0       ? "input"
                                    : l == n - 1 ? "output"
                                                 : "layer" + std::to_string(l));
            p.model_layer.push_back(l == n - 1 ? -1 : l);
        }
        for (int i = 0; i < m; ++i) {
            p.memory_names.push_back("memory" + std::to_string(i));
        }
        for (int i = 0; i < y; ++i) {
            p.layout_names.push_back("layout" + std::to_string(i));
        }
        for (int e = 0; e < p.engines; ++e) {
            p.engine_names.push_back("engine" + std::to_string(e));
        }
        for (int t = 0; t < n; ++t) {
            const std::int64_t size = bytes[static_cast<std::size_t>(t)];
            for (int layout = 0; layout < y; ++layout) {
                for (int from = 0; from < m; ++from) {
                    for (int to = 0; to < m; ++to) {
                        const auto [latency, per_byte] =
                            links[static_cast<std::size_t>(from * m + to)];
                        p.copy_times.push_back(
                            from == to ? Time{}
                            : latency < 0
                                ? sim::kNever
                                : Time{latency + per_byte * size / (layout ? layout_factor : 1)});
                    }
                }
            }
            for (std::size_t d = 0; d < p.devices.size(); ++d) {
                for (int from = 0; from < y; ++from) {
                    for (int to = 0; to < y; ++to) {
                        const auto [latency, per_byte] = conversions[d];
                        p.convert_times.push_back(from == to    ? Time{}
                                                  : latency < 0 ? sim::kNever
                                                                : Time{latency + per_byte * size});
                    }
                }
            }
        }
        sim::index(p);
        return std::move(p);
    }
};

// 5 to 8 layers on 2 to 4 devices: layouts, shared memories and engines, missing links, fused
// chains with inputs from outside, segments in both readings. A few thousand mappings each.
inline Problem small_random(std::uint64_t seed) {
    Random r(seed);
    Draft d;
    Problem& p = d.problem;
    p.whole_segments = seed % 2 != 0;
    const int layers = static_cast<int>(r.integer(5, 8));
    const int devices = static_cast<int>(r.one_in(8) ? 4 : r.integer(2, 3));
    p.layouts = static_cast<int>(r.integer(1, 2));
    p.memories =
        devices == 4 ? static_cast<int>(r.integer(2, 4)) : (devices == 3 && !r.one_in(4) ? 3 : 2);

    // 1. The machine. Device 0 is the host; one of the others may be synchronous, and one may
    //    share the host's memory.
    d.add_device(
        {.memory = 0, .asynchronous = false, .submit = {}, .per_task = {}, .completion = {}});
    for (int i = 1; i < devices; ++i) {
        d.add_device({.memory = std::min(i, p.memories - 1),
                      .asynchronous = true,
                      .submit = Time{r.integer(0, 12)},
                      .per_task = Time{r.integer(0, 3)},
                      .completion = Time{r.integer(0, 6)}});
    }
    if (devices == 2 && r.one_in(4)) {
        p.devices[1].memory = 0;
    }
    if (devices > 2 && r.one_in(5)) {
        p.devices[static_cast<std::size_t>(r.integer(1, devices - 1))] = {
            .memory = static_cast<int>(r.integer(0, p.memories - 1)),
            .asynchronous = false,
            .submit = {},
            .per_task = {},
            .completion = {}};
    }
    for (int i = 0; i < devices; ++i) {
        d.conversions.emplace_back(r.one_in(12) ? -1 : r.integer(0, 3), r.integer(0, 1));
    }
    d.layout_factor = r.integer(1, 4);
    p.engine.assign(static_cast<std::size_t>(p.memories * p.memories), -1);
    for (int from = 0; from < p.memories; ++from) {
        for (int to = 0; to < p.memories; ++to) {
            const bool linked = from == 0 || to == 0 || !r.one_in(4);
            d.links.emplace_back(linked ? r.integer(0, 8) : -1, r.integer(0, 2));
            if (from == to || !linked) {
                continue;
            }
            const bool shared = p.engines > 0 && r.one_in(5);
            p.engine[static_cast<std::size_t>(from * p.memories + to)] =
                shared ? static_cast<int>(r.integer(0, p.engines - 1)) : p.engines++;
        }
    }

    // 2. The graph: mostly a chain, with branches; every third one two modules.
    d.add_layer({}, r.integer(0, 10));
    static const std::vector<std::vector<int>> kForks{
        {}, {0}, {1}, {1}, {2}, {4, 3}, {5}, {5}, {7, 6}};
    for (int l = 1; l <= layers; ++l) {
        std::vector<int> inputs{static_cast<int>(r.integer(std::max(0, l - 2), l - 1))};
        if (seed % 3 == 0) {
            inputs = kForks[static_cast<std::size_t>(l)];
        } else if (l > 1 && r.one_in(3)) {
            if (const int other = static_cast<int>(r.integer(0, l - 1)); other != inputs.front()) {
                inputs.push_back(other);
            }
        }
        d.add_layer(inputs, r.integer(0, 10));
    }
    d.add_output();

    // 3. The tasks.
    const auto layout = [&] { return static_cast<int>(r.integer(0, p.layouts - 1)); };
    d.add_task({0}, 0, {0}, 0, Time{});
    d.add_task({layers + 1}, 0, {0}, 0, Time{});
    const int lonely = r.one_in(4) ? static_cast<int>(r.integer(1, layers)) : 0;
    for (int l = 1; l <= layers; ++l) {
        for (auto count = r.integer(2, layers > 6 ? 3 : 4); count-- > 0;) {
            d.add_task({l},
                       static_cast<int>(r.integer(0, devices - 1)),
                       {layout(), layout(), layout()},
                       layout(),
                       Time{r.integer(1, 30)});
        }
    }
    d.sort();
    for (int length = 2; length <= 3; ++length) {
        for (const std::vector<int>& chain : d.chains(length)) {
            for (int copies = 0; copies < 2; ++copies) {
                if (r.one_in(2)) {
                    d.add_task(chain,
                               static_cast<int>(r.integer(0, devices - 1)),
                               {layout(), layout(), layout()},
                               layout(),
                               Time{r.integer(1, 25 * length)});
                }
            }
        }
    }
    // One layer that only a chain can do, if one covers it.
    if (lonely) {
        const bool fused = std::any_of(p.tasks.begin(), p.tasks.end(), [&](const Task& task) {
            return std::find(task.rest.begin(), task.rest.end(), lonely) != task.rest.end();
        });
        if (fused) {
            std::erase_if(p.tasks, [&](const Task& task) {
                return task.rest.empty() && task.first == lonely;
            });
        }
    }
    return d.finish("small " + std::to_string(seed));
}

// 5 to 8 layers on 2 to 6 devices, with what small_random has not: memories that only some others
// link, fused sets of any shape with several results, and sets that fit no static order.
inline Problem wide_random(std::uint64_t seed) {
    Random r(seed * 7919 + 17);
    Draft d;
    Problem& p = d.problem;
    p.whole_segments = !r.one_in(3);
    const int layers = static_cast<int>(r.integer(5, 8));
    const int devices = static_cast<int>(r.integer(2, 6));
    p.layouts = static_cast<int>(r.integer(1, 3));

    // 1. The machine: a star around the host, a line, or a mesh with holes.
    p.memories = std::max(2, devices - static_cast<int>(r.integer(0, 1)));
    d.add_device({});
    for (int i = 1; i < devices; ++i) {
        const bool asynchronous = !r.one_in(8);
        d.add_device({.memory = std::min(i, p.memories - 1),
                      .asynchronous = asynchronous,
                      .submit = Time{asynchronous ? r.integer(0, 12) : 0},
                      .per_task = Time{asynchronous ? r.integer(0, 3) : 0},
                      .completion = Time{asynchronous ? r.integer(0, 6) : 0}});
    }
    if (devices > 2 && r.one_in(3)) {
        p.devices[2].memory = 0;
    }
    for (int i = 0; i < devices; ++i) {
        d.conversions.emplace_back(r.one_in(12) ? -1 : r.integer(0, 3), r.integer(0, 1));
    }
    d.layout_factor = r.integer(1, 4);
    const auto shape = r.integer(0, 2);
    p.engine.assign(static_cast<std::size_t>(p.memories * p.memories), -1);
    for (int from = 0; from < p.memories; ++from) {
        for (int to = 0; to < p.memories; ++to) {
            const bool linked = shape == 0   ? from == 0 || to == 0
                                : shape == 1 ? from == to + 1 || to == from + 1
                                             : from == 0 || to == 0 || !r.one_in(3);
            d.links.emplace_back(linked ? r.integer(0, 8) : -1, r.integer(0, 2));
            if (from != to && linked) {
                const bool shared = p.engines > 0 && r.one_in(5);
                p.engine[static_cast<std::size_t>(from * p.memories + to)] =
                    shared ? static_cast<int>(r.integer(0, p.engines - 1)) : p.engines++;
            }
        }
    }

    // 2. The graph.
    d.add_layer({}, r.integer(0, 10));
    for (int l = 1; l <= layers; ++l) {
        std::vector<int> inputs{static_cast<int>(r.integer(std::max(0, l - 3), l - 1))};
        for (int more = 0; more < 2; ++more) {
            const int other = static_cast<int>(r.integer(0, l - 1));
            if (r.one_in(2) && std::find(inputs.begin(), inputs.end(), other) == inputs.end()) {
                inputs.push_back(other);
            }
        }
        d.add_layer(inputs, r.integer(0, 10));
    }
    d.add_output();

    // 3. The tasks.
    const auto layout = [&] { return static_cast<int>(r.integer(0, p.layouts - 1)); };
    d.add_task({0}, 0, {0}, 0, Time{});
    d.add_task({layers + 1}, 0, {0}, 0, Time{});
    for (int l = 1; l <= layers; ++l) {
        for (auto count = r.integer(2, layers > 6 ? 2 : 3); count-- > 0;) {
            d.add_task({l},
                       static_cast<int>(r.integer(0, devices - 1)),
                       {layout(), layout(), layout()},
                       layout(),
                       Time{r.integer(1, 30)});
        }
    }
    d.sort();
    for (int sets = 0; sets < 6; ++sets) {
        std::vector<int> members{static_cast<int>(r.integer(1, layers))};
        const auto size = static_cast<std::size_t>(r.integer(2, 3));
        for (int tries = 0; tries < 8 && members.size() < size; ++tries) {
            const int l = static_cast<int>(r.integer(1, layers));
            if (std::find(members.begin(), members.end(), l) == members.end()) {
                members.push_back(l);
            }
        }
        d.add_set(std::move(members),
                  static_cast<int>(r.integer(0, devices - 1)),
                  {layout(), layout(), layout()},
                  Time{r.integer(1, 40)});
    }
    return d.finish("wide " + std::to_string(seed));
}

// A cover by tasks of any order, with a random order of them and some early copies. Empty if none
// is found.
inline sim::Mapping any_mapping(const Problem& p, std::uint64_t seed) {
    Random r(seed);
    for (int tries = 0; tries < 40; ++tries) {
        // 1. Tasks that cover every layer once.
        std::vector<int> tasks, shuffled(p.tasks.size());
        std::vector<char> covered(p.inputs.size(), 0);
        std::iota(shuffled.begin(), shuffled.end(), 0);
        for (std::size_t i = shuffled.size(); i > 1; --i) {
            std::swap(shuffled[i - 1], shuffled[static_cast<std::size_t>(r.index(i))]);
        }
        for (const int k : shuffled) {
            const std::vector<int> layers = sim::layers_of(p.tasks[static_cast<std::size_t>(k)]);
            if (std::any_of(layers.begin(), layers.end(), [&](int l) {
                    return covered[static_cast<std::size_t>(l)] != 0;
                })) {
                continue;
            }
            tasks.push_back(k);
            for (const int l : layers) {
                covered[static_cast<std::size_t>(l)] = 1;
            }
        }
        if (std::find(covered.begin(), covered.end(), char{0}) != covered.end()) {
            continue;
        }
        // 2. An order: any task whose inputs are made may come next, the output last.
        sim::Mapping mapping;
        std::vector<char> made(p.inputs.size(), 0);
        std::vector<int> in_memory(p.inputs.size(), 0), layout(p.inputs.size(), 0);
        while (!tasks.empty()) {
            std::vector<std::size_t> ready;
            for (std::size_t i = 0; i < tasks.size(); ++i) {
                const Task& task = p.tasks[static_cast<std::size_t>(tasks[i])];
                const bool last = task.first == p.layers() - 1 && tasks.size() > 1;
                const bool first = mapping.empty() && task.first != 0;
                if (!last && !first &&
                    std::all_of(task.inputs.begin(), task.inputs.end(), [&](const auto& input) {
                        return made[static_cast<std::size_t>(input.tensor)] != 0;
                    })) {
                    ready.push_back(i);
                }
            }
            if (ready.empty()) {
                break;
            }
            // 3. Sometimes a copy of something that is made, wherever it can be brought.
            if (!mapping.empty() && r.one_in(3)) {
                const int tensor = r.index(p.inputs.size());
                const int to = r.index(static_cast<std::size_t>(p.memories));
                const auto t = static_cast<std::size_t>(tensor);
                if (made[t] && p.transfer(tensor, layout[t], in_memory[t], to) < sim::kNever) {
                    mapping.early.push_back({static_cast<int>(mapping.size()), tensor, to});
                }
            }
            const std::size_t i = ready[static_cast<std::size_t>(r.index(ready.size()))];
            const Task& task = p.tasks[static_cast<std::size_t>(tasks[i])];
            sim::for_each_result(task, [&](const sim::TaskResult& result) {
                const auto t = static_cast<std::size_t>(result.tensor);
                made[t] = 1;
                layout[t] = result.layout;
                in_memory[t] = p.devices[static_cast<std::size_t>(task.device)].memory;
            });
            mapping.push_back(tasks[i]);
            tasks.erase(tasks.begin() + static_cast<std::ptrdiff_t>(i));
        }
        if (tasks.empty()) {
            return mapping;
        }
    }
    return {};
}

// Host and one or two devices with plausible numbers: a few microseconds to launch, copies of
// 8 us + bytes / 20 GB/s.
inline void machine(Draft& d, int devices, bool near = false) {
    const int share = near ? 8 : 1;  // near: everything between host and device is cheaper
    d.add_device(
        {.memory = 0, .asynchronous = false, .submit = {}, .per_task = {}, .completion = {}});
    d.add_device({.memory = 1,
                  .asynchronous = true,
                  .submit = 2 * kMicrosecond / share,
                  .per_task = 300 * kNanosecond / (near ? 4 : 1),
                  .completion = 3 * kMicrosecond / share});
    if (devices == 3) {
        d.add_device({.memory = 2,
                      .asynchronous = true,
                      .submit = 5 * kMicrosecond / share,
                      .per_task = 500 * kNanosecond / (near ? 4 : 1),
                      .completion = 5 * kMicrosecond / share});
    }
    d.conversions = {{200'000, 50}, {800'000, 4}};
    if (devices == 3) {
        d.conversions.emplace_back(1'000'000, 20);
    }
    if (near) {
        for (auto& [latency, per_byte] : d.conversions) {
            latency /= 4;
        }
    }
    d.problem.memories = devices;
    d.problem.engine.assign(static_cast<std::size_t>(devices * devices), -1);
    for (int from = 0; from < devices; ++from) {
        for (int to = 0; to < devices; ++to) {
            const bool far = from == 2 || to == 2;
            d.links.emplace_back((far ? 12'000'000 : 8'000'000) / share, far ? 100 : 50);
            if (from != to) {
                d.problem.engine[static_cast<std::size_t>(from * devices + to)] =
                    d.problem.engines++;
            }
        }
    }
}

// Layers of a random width, edges to the layer before and sometimes further back, on host and one
// device; copies cost about as much as tasks.
inline Problem random_layered(int tasks, int implementations, std::uint64_t seed) {
    Random r(seed * 1000 + static_cast<std::uint64_t>(tasks));
    Draft d;
    machine(d, 2);
    d.problem.layouts = implementations > 2 ? 2 : 1;
    d.add_layer({}, 100'000);
    std::vector<int> before{0}, all{0};
    while (d.layers() <= tasks) {
        std::vector<int> row;
        for (auto width = r.integer(1, 4); width-- > 0 && d.layers() <= tasks;) {
            std::vector<int> inputs{before[static_cast<std::size_t>(r.index(before.size()))]};
            for (int extra = 0; extra < 2; ++extra) {
                if (!r.one_in(3)) {
                    continue;
                }
                const std::size_t recent = all.size() > 8 ? all.size() - 8 : 0;
                const int other =
                    extra ? all[recent + static_cast<std::size_t>(r.index(all.size() - recent))]
                          : before[static_cast<std::size_t>(r.index(before.size()))];
                if (std::find(inputs.begin(), inputs.end(), other) == inputs.end()) {
                    inputs.push_back(other);
                }
            }
            row.push_back(d.add_layer(inputs, r.integer(0, 800'000)));
        }
        all.insert(all.end(), row.begin(), row.end());
        before = row;
    }
    d.add_output();
    const auto layout = [&] { return static_cast<int>(r.integer(0, d.problem.layouts - 1)); };
    d.add_task({0}, 0, {0}, 0, Time{});
    d.add_task({d.layers() - 1}, 0, {0}, 0, Time{});
    for (int l = 1; l <= tasks; ++l) {
        for (int k = 0; k < implementations; ++k) {
            const int in = layout(), out = layout();
            d.add_task({l}, k % 2, {in}, out, Time{static_cast<std::int64_t>(r.real(5e6, 50e6))});
        }
    }
    d.sort();
    return d.finish("random " + std::to_string(tasks) + " x " + std::to_string(implementations) +
                    " #" + std::to_string(seed));
}

// A network layer by layer; tensors are channels x size x size.
class Network {
public:
    enum Kind { convolution, threshold, pool, join, linear };

    Network(int channels, int size) { note(d_.add_layer({}, 0), pool, channels, size, 0); }

    int channels(int layer) const { return channels_[static_cast<std::size_t>(layer)]; }
    int size(int layer) const { return sizes_[static_cast<std::size_t>(layer)]; }

    int layer(Kind kind,
              const std::vector<int>& inputs,
              int channels_out,
              int size_out,
              int kernel = 1,
              int groups = 1) {
        double work = 0;
        for (const int input : inputs) {
            work += kind == convolution || kind == linear
                        ? static_cast<double>(channels(input)) / groups * channels_out * kernel *
                              kernel * size_out * size_out
                        : 32.0 * channels_out * size_out * size_out;
        }
        const int made = d_.add_layer(inputs, 0);
        note(made, kind, channels_out, size_out, work);
        return made;
    }
    // Convolution, then batch norm and sign folded into a threshold.
    int block(int input, int out, int kernel, int stride = 1, int groups = 1) {
        const int pixels = (size(input) + stride - 1) / stride;
        const int made = layer(convolution, {input}, out, pixels, kernel, groups);
        return layer(threshold, {made}, out, pixels);
    }
    int pool2(int input) { return layer(pool, {input}, channels(input), (size(input) + 1) / 2, 2); }
    int join_of(const std::vector<int>& inputs, int out) {
        return layer(join, inputs, out, size(inputs.front()));
    }

    // Costs between 0.5 and 50 us: work over a rate, plus a floor, each implementation off by a
    // factor of its own. Convolution + threshold (+ pool), and convolution + threshold + join
    // with what the join reads besides, may be fused.
    Problem finish(
        std::string name, int implementations, int devices, std::uint64_t seed, bool near = false) {
        Random r(seed);
        machine(d_, devices, near);
        d_.problem.layouts = 2;
        const int last = d_.layers();
        d_.add_output();
        const auto cost = [&](int layer, int device) {
            static constexpr double kRate[] = {1.2e6, 12e6, 5e6};  // work per us
            static constexpr double kFloor[] = {0.3, 1.8, 1.0};    // us
            const double us =
                kFloor[device] + work_[static_cast<std::size_t>(layer)] / kRate[device];
            return std::clamp(us * r.real(0.8, 1.8), 0.5, 50.0);
        };
        const auto time = [](double us) { return Time{static_cast<std::int64_t>(us * 1e6)}; };
        d_.add_task({0}, 0, {0}, 0, Time{});
        d_.add_task({last}, 0, {0}, 0, Time{});
        for (int l = 1; l < last; ++l) {
            for (int k = 0; k < implementations; ++k) {
                const int device = devices == 2 ? k % 2 : (k % 5 < 2 ? 0 : k % 5 < 4 ? 1 : 2);
                const int in = device == 0 ? 0 : static_cast<int>(r.integer(0, 1));
                const int out =
                    device == 0 ? static_cast<int>(r.one_in(4)) : static_cast<int>(r.integer(0, 1));
                d_.add_task({l}, device, {in}, out, time(cost(l, device)));
            }
        }
        // Costs of chains are drawn in the order of the layers' making, to keep them in step.
        std::vector<std::vector<double>> alone(static_cast<std::size_t>(last));
        for (int l = 1; l < last; ++l) {
            for (int device = 0; device < devices; ++device) {
                alone[static_cast<std::size_t>(l)].push_back(cost(l, device));
            }
        }
        std::vector<int> old(static_cast<std::size_t>(d_.layers()));
        {
            // Sorting renumbers; find the old layer by a size that is unique to it.
            for (int l = 0; l < d_.layers(); ++l) {
                d_.bytes[static_cast<std::size_t>(l)] = l;
            }
            d_.sort();
            for (int l = 0; l < d_.layers(); ++l) {
                old[static_cast<std::size_t>(l)] =
                    static_cast<int>(d_.bytes[static_cast<std::size_t>(l)]);
            }
            for (int l = 0; l < d_.layers(); ++l) {
                const int was = old[static_cast<std::size_t>(l)];
                d_.bytes[static_cast<std::size_t>(l)] = was == last ? 0 : bytes(was);
            }
        }
        for (int length = 2; length <= 3; ++length) {
            for (const std::vector<int>& chain : d_.chains(length)) {
                const auto kind = [&](std::size_t i) {
                    return kinds_[static_cast<std::size_t>(
                        old[static_cast<std::size_t>(chain[i])])];
                };
                if ((kind(0) != convolution && kind(0) != linear) || kind(1) != threshold) {
                    continue;
                }
                if (length == 3 && kind(2) != pool && kind(2) != join) {
                    continue;
                }
                for (int device = 0; device < devices; ++device) {
                    double sum = 0;
                    for (const int l : chain) {
                        sum += alone[static_cast<std::size_t>(old[static_cast<std::size_t>(l)])]
                                    [static_cast<std::size_t>(device)];
                    }
                    d_.add_task(chain,
                                device,
                                {device ? 1 : 0},
                                device ? 1 : 0,
                                time(sum * r.real(0.55, 0.95)));
                }
            }
        }
        return d_.finish(std::move(name));
    }

private:
    void note(int, Kind kind, int channels_of, int size_of, double work) {
        channels_.push_back(channels_of);
        sizes_.push_back(size_of);
        work_.push_back(work);
        kinds_.push_back(kind);
    }
    std::int64_t bytes(int layer) const {  // bits, or counts of 16 bits before the threshold
        const std::int64_t bits = std::int64_t{channels(layer)} * size(layer) * size(layer);
        const bool counts = kinds_[static_cast<std::size_t>(layer)] == convolution;
        return std::max<std::int64_t>(64, bits / 8 * (counts ? 16 : 1));
    }

    Draft d_;
    std::vector<int> channels_, sizes_;
    std::vector<double> work_;
    std::vector<Kind> kinds_;
};

struct NetworkOptions {
    int implementations = 10;
    int devices = 3;
    std::uint64_t seed = 1;
    bool near = false;
};

inline Problem finish(Network& n, const std::string& name, const NetworkOptions& o) {
    return n.finish(name, o.implementations, o.devices, o.seed, o.near);
}

inline Problem vgg7(const NetworkOptions& o) {
    Network n(3, 32);
    int x = 0;
    for (const int out : {128, 256, 512}) {
        x = n.block(x, out, 3);
        x = n.pool2(n.block(x, out, 3));
    }
    x = n.layer(Network::threshold, {n.layer(Network::linear, {x}, 1024, 1)}, 1024, 1);
    n.layer(Network::linear, {x}, 10, 1);
    return finish(n, "vgg7", o);
}

inline Problem resnet18(const NetworkOptions& o) {
    Network n(3, 224);
    int x = n.pool2(n.block(0, 64, 7, 2));
    for (const int out : {64, 128, 256, 512}) {
        for (int i = 0; i < 2; ++i) {
            const int stride = i == 0 && out > 64 ? 2 : 1;
            const int two = n.block(n.block(x, out, 3, stride), out, 3);
            const int skip = stride == 2 ? n.block(x, out, 1, 2) : x;
            x = n.join_of({two, skip}, out);
        }
    }
    n.layer(Network::linear, {n.layer(Network::pool, {x}, 512, 1)}, 1000, 1);
    return finish(n, "resnet18", o);
}

inline Problem squeezenet(const NetworkOptions& o) {
    Network n(3, 224);
    int x = n.pool2(n.block(0, 96, 7, 2));
    static constexpr int kFire[][2] = {
        {16, 64}, {16, 64}, {32, 128}, {32, 128}, {48, 192}, {48, 192}, {64, 256}, {64, 256}};
    for (int i = 0; i < 8; ++i) {
        const int squeeze = n.block(x, kFire[i][0], 1);
        x = n.join_of({n.block(squeeze, kFire[i][1], 1), n.block(squeeze, kFire[i][1], 3)},
                      2 * kFire[i][1]);
        if (i == 2 || i == 6) {
            x = n.pool2(x);
        }
    }
    n.layer(Network::pool, {n.block(x, 1000, 1)}, 1000, 1);
    return finish(n, "squeezenet", o);
}

inline Problem mobilenet_v2(const NetworkOptions& o) {
    Network n(3, 224);
    int x = n.block(0, 32, 3, 2);
    static constexpr int kStage[][4] = {// expansion, channels, repeats, first stride
                                        {1, 16, 1, 1},
                                        {6, 24, 2, 2},
                                        {6, 32, 3, 2},
                                        {6, 64, 4, 2},
                                        {6, 96, 3, 1},
                                        {6, 160, 3, 2},
                                        {6, 320, 1, 1}};
    for (const auto& [expansion, out, repeats, first_stride] : kStage) {
        for (int i = 0; i < repeats; ++i) {
            const int stride = i == 0 ? first_stride : 1;
            const int wide = n.channels(x) * expansion;
            int y = expansion == 1 ? x : n.block(x, wide, 1);
            y = n.block(n.block(y, wide, 3, stride, wide), out, 1);
            x = i > 0 ? n.join_of({y, x}, out) : y;
        }
    }
    n.layer(Network::linear, {n.layer(Network::pool, {n.block(x, 1280, 1)}, 1280, 1)}, 1000, 1);
    return finish(n, "mobilenet_v2", o);
}

inline Problem shufflenet_v2(const NetworkOptions& o) {
    Network n(3, 224);
    int x = n.pool2(n.block(0, 24, 3, 2));
    static constexpr int kStage[][2] = {{116, 4}, {232, 8}, {464, 4}};
    for (const auto& [out, repeats] : kStage) {
        for (int i = 0; i < repeats; ++i) {
            const int half = out / 2;
            int left = x, right = x;
            if (i == 0) {
                left = n.block(n.block(x, n.channels(x), 3, 2, n.channels(x)), half, 1);
            } else {
                left = n.layer(Network::join, {x}, half, n.size(x));  // split
                right = n.layer(Network::join, {x}, half, n.size(x));
            }
            right = n.block(right, half, 1);
            right = n.block(n.block(right, half, 3, i == 0 ? 2 : 1, half), half, 1);
            x = n.layer(
                Network::join, {n.join_of({left, right}, out)}, out, n.size(left));  // shuffle
        }
    }
    n.layer(Network::linear, {n.layer(Network::pool, {n.block(x, 1024, 1)}, 1024, 1)}, 1000, 1);
    return finish(n, "shufflenet_v2", o);
}

// Nine modules of four branches.
inline Problem googlenet(const NetworkOptions& o) {
    Network n(3, 112);
    int x = n.pool2(n.block(0, 64, 7, 2));
    x = n.pool2(n.block(n.block(x, 64, 1), 192, 3));
    static constexpr int kModule[][6] = {{64, 96, 128, 16, 32, 32},
                                         {128, 128, 192, 32, 96, 64},
                                         {192, 96, 208, 16, 48, 64},
                                         {160, 112, 224, 24, 64, 64},
                                         {128, 128, 256, 24, 64, 64},
                                         {112, 144, 288, 32, 64, 64},
                                         {256, 160, 320, 32, 128, 128},
                                         {256, 160, 320, 32, 128, 128},
                                         {384, 192, 384, 48, 128, 128}};
    for (int m = 0; m < 9; ++m) {
        const auto& v = kModule[m];
        const int a = n.block(x, v[0], 1);
        const int b = n.block(n.block(x, v[1], 1), v[2], 3);
        const int c = n.block(n.block(x, v[3], 1), v[4], 5);
        const int pooled = n.layer(Network::pool, {x}, n.channels(x), n.size(x), 3);
        x = n.join_of({a, b, c, n.block(pooled, v[5], 1)}, v[0] + v[2] + v[4] + v[5]);
        if (m == 1 || m == 6) {
            x = n.pool2(x);
        }
    }
    n.layer(Network::linear, {n.layer(Network::pool, {x}, 1024, 1)}, 1000, 1);
    return finish(n, "googlenet", o);
}

// A long chain with a shortcut every few layers, for sizes no network has.
inline Problem ladder(int tasks, int implementations, std::uint64_t seed) {
    Random r(seed);
    Draft d;
    machine(d, 2);
    d.add_layer({}, 100'000);
    for (int l = 1; l <= tasks; ++l) {
        std::vector<int> inputs{l - 1};
        if (l > 4 && l % 4 == 0) {
            inputs.push_back(l - 4);
        }
        d.add_layer(inputs, r.integer(0, 100'000));
    }
    d.add_output();
    d.add_task({0}, 0, {0}, 0, Time{});
    d.add_task({tasks + 1}, 0, {0}, 0, Time{});
    for (int l = 1; l <= tasks; ++l) {
        for (int k = 0; k < implementations; ++k) {
            d.add_task({l}, k % 2, {0}, 0, Time{static_cast<std::int64_t>(r.real(1e6, 50e6))});
        }
    }
    return d.finish("ladder " + std::to_string(tasks));
}

}  // namespace generate
