#pragma once

// What search-quality asks about: networks that branch, and task graphs as the STG set has them
// (T. Tobita, H. Kasahara, "A standard task graph set for fair evaluation of multiprocessor
// scheduling algorithms", Journal of Scheduling 5, 2002), on a host and its devices. Seeded and
// invented; start at `instances`. What it is not: a source of results about real machines.

#include "sim/compile/problem.hpp"
#include "tests/sim_generate.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace quality {

using generate::Draft;
using generate::kMicrosecond;
using generate::Random;
using sim::Problem;
using sim::Time;

struct Instance {
    std::string group;  // a row of the summary
    std::string name;
    std::function<Problem()> make;
};

// ---- Networks that branch: layers of 14 x 14 pixels. --------------------------------------------

enum class Kind { convolution, pool, add, concat };

struct NetworkLayer {
    Kind kind = Kind::convolution;
    std::vector<int> inputs;
    int kernel = 1, channels = 0;
};

struct Network {
    std::vector<NetworkLayer> layers{{.inputs = {}, .channels = 32}};  // the image

    int add(NetworkLayer layer) {
        const auto of = [&](int input) { return layers[static_cast<std::size_t>(input)].channels; };
        if (layer.kind == Kind::concat) {
            for (const int input : layer.inputs) {
                layer.channels += of(input);
            }
        } else if (layer.kind != Kind::convolution) {
            layer.channels = of(layer.inputs.front());
        }
        layers.push_back(std::move(layer));
        return static_cast<int>(layers.size()) - 1;
    }
    int convolution(int input, int kernel, int channels) {
        return add({.inputs = {input}, .kernel = kernel, .channels = channels});
    }
    int pool(int input) { return add({.kind = Kind::pool, .inputs = {input}, .kernel = 3}); }
    int sum(std::vector<int> inputs) {
        return add({.kind = Kind::add, .inputs = std::move(inputs)});
    }
    int concat(std::vector<int> inputs) {
        return add({.kind = Kind::concat, .inputs = std::move(inputs)});
    }
};

inline int channels_of(Random& random, int least, int most) {
    return 8 * static_cast<int>(random.integer(least, most));
}

// Inception modules: four branches of one, two, two and two layers.
inline Network googlenet(Random& r, int modules) {
    Network net;
    int x = net.convolution(0, 3, 64);
    for (; modules > 0; --modules) {
        const int a = net.convolution(x, 1, channels_of(r, 4, 16));
        const int b =
            net.convolution(net.convolution(x, 1, channels_of(r, 4, 16)), 3, channels_of(r, 4, 16));
        const int c =
            net.convolution(net.convolution(x, 1, channels_of(r, 2, 6)), 5, channels_of(r, 2, 8));
        const int d = net.convolution(net.pool(x), 1, channels_of(r, 4, 16));
        x = net.concat({a, b, c, d});
    }
    net.convolution(x, 1, 16);
    return net;
}

// Cells of five blocks on the two cells before, wired at random.
inline Network nasnet(Random& r, int cells) {
    Network net;
    int before = net.convolution(0, 3, 64);
    int last = net.convolution(before, 1, 64);
    for (; cells > 0; --cells) {
        const int channels = channels_of(r, 4, 8);
        std::vector<int> hidden{net.convolution(before, 1, channels),
                                net.convolution(last, 1, channels)};
        std::vector<char> is_read(2, 0);
        const auto operation = [&](int input) {
            if (r.integer(1, 10) <= 3) {
                return net.pool(input);
            }
            return net.convolution(input, r.integer(1, 3) == 3 ? 5 : 3, channels);
        };
        for (int block = 0; block < 4; ++block) {
            const auto a = static_cast<std::size_t>(r.index(hidden.size()));
            const auto b = static_cast<std::size_t>(r.index(hidden.size()));
            is_read[a] = is_read[b] = 1;
            const int left = operation(hidden[a]), right = operation(hidden[b]);
            hidden.push_back(net.sum({left, right}));
            is_read.push_back(0);
        }
        std::vector<int> open;
        for (std::size_t i = 0; i < hidden.size(); ++i) {
            if (!is_read[i]) {
                open.push_back(hidden[i]);
            }
        }
        before = last;
        last = open.size() > 1 ? net.concat(open) : open.front();
    }
    const int left = net.convolution(before, 1, 32), right = net.convolution(last, 1, 32);
    net.sum({left, right});
    return net;
}

inline Network transformer(Random& r, int blocks, int heads) {
    constexpr int kWidth = 64;
    Network net;
    int x = net.convolution(0, 1, kWidth);
    for (; blocks > 0; --blocks) {
        std::vector<int> outputs;
        const int channels = channels_of(r, 2, 6);
        for (int head = 0; head < heads; ++head) {
            const int q = net.convolution(x, 1, channels), k = net.convolution(x, 1, channels);
            const int v = net.convolution(x, 1, channels);
            const int score = net.convolution(net.sum({q, k}), 3, channels);
            outputs.push_back(net.sum({score, v}));
        }
        x = net.sum({x, net.convolution(net.concat(outputs), 1, kWidth)});
        const int wide = net.convolution(x, 1, channels_of(r, 12, 32));
        x = net.sum({x, net.convolution(wide, 1, kWidth)});
    }
    net.convolution(x, 1, 16);
    return net;
}

// One dense block: every two layers read all before.
inline Network densenet(Random& r, int steps) {
    Network net;
    std::vector<int> all{net.convolution(0, 3, 32)};
    for (; steps > 0; --steps) {
        const int together = all.size() > 1 ? net.concat(all) : all.front();
        const int narrow = net.convolution(together, 1, channels_of(r, 4, 10));
        all.push_back(net.convolution(narrow, 3, channels_of(r, 2, 5)));
    }
    net.convolution(net.convolution(net.concat(all), 1, 48), 1, 16);
    return net;
}

// A host and up to three devices with memories of their own: the one is good at convolutions, the
// other moves bytes fast.
struct Speed {
    double us_per_million_macs = 0, bytes_per_ns = 0, least_us = 0;
};

inline Problem on_devices(const Network& net, int devices, bool has_overheads, Random& r) {
    static const std::vector<Speed> kSpeeds{
        {2.25, 10, 1}, {1.0, 25, 6}, {0.875, 8, 4}, {1.5, 12, 3}};
    constexpr double kPixels = 14 * 14;
    Draft draft;
    Problem& problem = draft.problem;
    problem.memories = devices;
    problem.engine.assign(static_cast<std::size_t>(devices * devices), -1);
    for (int a = 0; a < devices; ++a) {
        for (int b = 0; b < devices; ++b) {
            // 8 GB/s to and from the host, 4 GB/s between devices.
            const bool near = a == 0 || b == 0;
            draft.links.emplace_back(near ? 5 * kMicrosecond.count() : 9 * kMicrosecond.count(),
                                     near ? 125 : 250);
            if (a != b) {
                problem.engine[static_cast<std::size_t>(a * devices + b)] = problem.engines++;
            }
        }
        draft.conversions.emplace_back(-1, 0);
        const bool pays = has_overheads && a > 0;
        draft.add_device({.memory = a,
                          .asynchronous = a > 0,
                          .submit = pays ? 4 * kMicrosecond : Time{},
                          .per_task = pays ? kMicrosecond / 2 : Time{},
                          .completion = pays ? 2 * kMicrosecond : Time{}});
    }
    for (const NetworkLayer& layer : net.layers) {
        draft.add_layer(layer.inputs, static_cast<std::int64_t>(kPixels) * 4 * layer.channels);
    }
    draft.add_output();
    draft.add_task({0}, 0, {0}, 0, Time{});
    draft.add_task({draft.layers() - 1}, 0, {0}, 0, Time{});
    for (int l = 1; l + 1 < draft.layers(); ++l) {
        const NetworkLayer& layer = net.layers[static_cast<std::size_t>(l)];
        double read = 0;
        for (const int input : layer.inputs) {
            read += net.layers[static_cast<std::size_t>(input)].channels;
        }
        const bool multiplies = layer.kind == Kind::convolution;
        const double macs =
            multiplies ? kPixels * read * layer.channels * layer.kernel * layer.kernel : 0;
        const double bytes = kPixels * 4 * (read + layer.channels);
        for (int d = 0; d < devices; ++d) {
            const Speed& speed = kSpeeds[static_cast<std::size_t>(d)];
            // Log-normal, by Box and Muller.
            const double normal = std::sqrt(-2 * std::log(r.real(1e-12, 1))) *
                                  std::cos(6.283185307179586 * r.real(0, 1));
            const double us =
                (macs / 1e6 * speed.us_per_million_macs + bytes / 2e3 / speed.bytes_per_ns) *
                    std::exp(0.35 * normal) +
                speed.least_us;
            draft.add_task({l}, d, {0}, 0, std::llround(us * 100) * (kMicrosecond / 100));
        }
    }
    draft.sort();
    return draft.finish("network");
}

// ---- Task graphs. -------------------------------------------------------------------------------

// `processors` equal ones on one memory, the host among them if it `helps`; tasks of 1 to 20 us.
// Every two tasks are joined as likely as any others, or tasks lie in layers and only those of one
// layer read those of the layer before.
inline Problem task_graph(int tasks, int processors, bool helps, bool in_layers, Random& r) {
    Draft draft;
    Problem& problem = draft.problem;
    problem.engine = {-1};
    draft.links = {{-1, 0}};
    const int devices = helps ? processors : processors + 1;
    for (int d = 0; d < devices; ++d) {
        draft.add_device({.memory = 0, .asynchronous = d > 0});
        draft.conversions.emplace_back(-1, 0);
    }
    draft.add_layer({}, 0);
    const std::int64_t predecessors = r.integer(1, 4);  // on the average
    std::vector<int> layer_of(static_cast<std::size_t>(tasks) + 1, 0);
    const std::int64_t width = r.integer(processors / 2 + 1, 2 * processors + 1);
    for (int t = 1; t <= tasks; ++t) {
        layer_of[static_cast<std::size_t>(t)] = static_cast<int>(t / width);
        std::vector<int> inputs;
        int candidates = 0;
        for (int other = 1; other < t; ++other) {
            candidates += layer_of[static_cast<std::size_t>(other)] ==
                          layer_of[static_cast<std::size_t>(t)] - 1;
        }
        for (int other = 1; other < t; ++other) {
            if (in_layers) {
                const bool is_above = layer_of[static_cast<std::size_t>(other)] ==
                                      layer_of[static_cast<std::size_t>(t)] - 1;
                if (is_above && r.integer(1, std::max(1, candidates)) <= predecessors) {
                    inputs.push_back(other);
                }
            } else if (r.integer(1, tasks) <= 2 * predecessors) {
                inputs.push_back(other);
            }
        }
        if (inputs.empty()) {
            inputs = {0};
        }
        draft.add_layer(inputs, 0);
    }
    draft.add_output();
    draft.add_task({0}, 0, {0}, 0, Time{});
    draft.add_task({draft.layers() - 1}, 0, {0}, 0, Time{});
    for (int t = 1; t <= tasks; ++t) {
        const Time cost = r.integer(1, 20) * kMicrosecond;
        for (int d = helps ? 0 : 1; d < devices; ++d) {
            draft.add_task({t}, d, {0}, 0, cost);
        }
    }
    draft.sort();
    return draft.finish("task graph");
}

// ---- All of them. -------------------------------------------------------------------------------

inline std::vector<Instance> instances() {
    std::vector<Instance> all;
    std::uint64_t seed = 0;
    using Maker = std::function<Network(Random&)>;
    const auto add_network =
        [&](std::string group, std::string name, int devices, bool overheads, Maker maker) {
            ++seed;
            all.push_back({std::move(group),
                           name + "-" + std::to_string(devices) + (overheads ? "-overheads" : ""),
                           [=, number = seed] {
                               Random random(number);
                               return on_devices(maker(random), devices, overheads, random);
                           }});
        };
    // 20 to 35 layers.
    struct Family {
        std::string_view name;
        std::function<Network(Random&)> small, large;
    };
    const std::vector<Family> families{
        {"googlenet",
         [](Random& r) { return googlenet(r, 3); },
         [](Random& r) { return googlenet(r, 4); }},
        {"nasnet", [](Random& r) { return nasnet(r, 1); }, [](Random& r) { return nasnet(r, 2); }},
        {"transformer",
         [](Random& r) { return transformer(r, 1, 3); },
         [](Random& r) { return transformer(r, 1, 4); }},
        {"densenet",
         [](Random& r) { return densenet(r, 6); },
         [](Random& r) { return densenet(r, 10); }}};
    for (const bool overheads : {false, true}) {
        for (int devices = 2; devices <= 4; ++devices) {
            for (const Family& family : families) {
                for (const bool large : {false, true}) {
                    add_network("branches",
                                std::string(family.name) + (large ? "-large" : "-small"),
                                devices,
                                overheads,
                                large ? family.large : family.small);
                }
            }
        }
    }
    for (const bool overheads : {false, true}) {
        for (const int blocks : {17, 34}) {
            add_network("transformers",
                        blocks == 17 ? "transformer-512" : "transformer-1022",
                        4,
                        overheads,
                        [blocks](Random& r) { return transformer(r, blocks, 4); });
        }
    }
    for (const int tasks : {50, 100}) {
        for (const int processors : {2, 4, 8, 16}) {
            for (int kind = 0; kind < 5; ++kind) {
                ++seed;
                all.push_back({"task graphs",
                               "stg-" + std::to_string(tasks) + "-" + std::to_string(processors) +
                                   "-" + std::to_string(kind),
                               [=, number = seed] {
                                   Random random(number);
                                   return task_graph(
                                       tasks, processors, kind % 2 == 1, kind >= 2, random);
                               }});
            }
        }
    }
    return all;
}

}  // namespace quality
