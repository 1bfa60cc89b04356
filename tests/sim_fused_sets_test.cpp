// Sets of layers that a cost may be for: found by their text, offered where they may be fused.
// Against all subsets of small random models, looked at one by one.

#include "sim/compile/offers.hpp"
#include "sim/describe/fused_sets.hpp"
#include "tests/temporary_folder.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <random>
#include <set>
#include <tuple>

namespace {

using Set = std::vector<int>;
using Sets = std::vector<Set>;
using Random = std::mt19937_64;

int below(Random& random, int end) {
    return std::uniform_int_distribution<int>{0, end - 1}(random);
}

template <class T>
const T& one_of(Random& random, const std::vector<T>& items) {
    return items[static_cast<std::size_t>(below(random, static_cast<int>(items.size())))];
}

sim::Model model_of(const std::string& text) {
    const TemporaryFolder folder;
    return sim::load_model(folder.write("model.yaml", text), {});
}

// Few kinds of layers on few shapes, so that many sets have one text.
sim::Model random_model(Random& random, int layers) {
    struct Made {
        std::string name;
        int channels;
        bool is_read = false;
    };
    std::vector<Made> made{{"x", 4}};
    std::string text =
        "hetmap: model/1\nname: random\ninput: {name: x, height: 1, width: 1, channels: 4, type: "
        "f32}\nparameters: {seed: 1}\nlayers:\n";
    const auto add = [&](const std::string& operation,
                         const std::vector<int>& inputs,
                         int channels,
                         const std::string& attributes) {
        const std::string name = "l" + std::to_string(made.size());
        text += "  - {name: " + name + ", operation: " + operation + ", inputs: [";
        for (std::size_t i = 0; i < inputs.size(); ++i) {
            Made& input = made[static_cast<std::size_t>(inputs[i])];
            input.is_read = true;
            text += (i == 0 ? "" : ", ") + input.name;
        }
        text += "]" + attributes + "}\n";
        made.push_back({name, channels});
    };
    for (int i = 1; i < layers; ++i) {
        // Late layers mostly, so that there are chains.
        const auto any = [&] { return std::max(below(random, i), below(random, i)); };
        const int first = any(), second = any();
        const int channels = made[static_cast<std::size_t>(first)].channels;
        const int others = made[static_cast<std::size_t>(second)].channels;
        switch (below(random, 4)) {
            case 0:
                add("conv2d", {first}, 4, ", weights: f32, out_channels: 4, kernel: 1");
                break;
            case 1:
                add("softmax", {first}, channels, "");
                break;
            case 2:
                if (channels == others) {
                    add("add", {first, second}, channels, "");
                    break;
                }
                [[fallthrough]];
            default:
                if (below(random, 2) == 0) {
                    add("concat", {first, second}, channels + others, "");
                } else {
                    add("conv2d", {first}, 4, ", weights: f32, out_channels: 4, kernel: 1");
                }
        }
    }
    std::vector<int> unread;
    for (std::size_t i = 0; i < made.size(); ++i) {
        if (!made[i].is_read) {
            unread.push_back(static_cast<int>(i));
        }
    }
    add(unread.size() == 1 ? "softmax" : "concat", unread, 0, "");
    return model_of(text + "output: " + made.back().name + "\n");
}

// What decides whether a set may be fused, from the definitions.
struct Definitions {
    const sim::Model& model;
    std::vector<std::vector<char>> leads;  // [a][b]: a path leads from a to b

    explicit Definitions(const sim::Model& m) : model{m} {
        const std::size_t n = model.layers.size();
        leads.assign(n, std::vector<char>(n));
        for (std::size_t b = 0; b < n; ++b) {
            for (const int input : model.layers[b].inputs) {
                const auto i = static_cast<std::size_t>(input);
                leads[i][b] = 1;
                for (std::size_t a = 0; a < n; ++a) {
                    leads[a][b] |= leads[a][i];
                }
            }
        }
    }
    bool path(int a, int b) const {
        return leads[static_cast<std::size_t>(a)][static_cast<std::size_t>(b)] != 0;
    }
    bool is_edge(int a, int b) const {
        const Set& inputs = model.layers[static_cast<std::size_t>(b)].inputs;
        return std::ranges::find(inputs, a) != inputs.end();
    }
    bool is_convex(const Set& set) const {
        for (int layer = 0; layer < static_cast<int>(model.layers.size()); ++layer) {
            const bool inside = std::ranges::find(set, layer) != set.end();
            const auto from = [&](int l) { return path(l, layer); };
            const auto to = [&](int l) { return path(layer, l); };
            if (!inside && std::ranges::any_of(set, from) && std::ranges::any_of(set, to)) {
                return false;
            }
        }
        return true;
    }
    bool is_connected(const Set& set) const {
        std::set<int> reached{set.front()};
        for (std::size_t round = 0; round < set.size(); ++round) {
            for (const int a : set) {
                for (const int b : set) {
                    if (reached.contains(a) && (is_edge(a, b) || is_edge(b, a))) {
                        reached.insert(b);
                    }
                }
            }
        }
        return reached.size() == set.size();
    }
    Set read_outside(const Set& set) const {
        Set layers;
        for (const int layer : set) {
            bool is_needed = is_output(model, layer);
            for (int reader = 0; reader < static_cast<int>(model.layers.size()); ++reader) {
                is_needed = is_needed ||
                            (is_edge(layer, reader) && std::ranges::find(set, reader) == set.end());
            }
            if (is_needed) {
                layers.push_back(layer);
            }
        }
        return layers;
    }
    // With a cost that gives the results at these positions.
    bool may_be_fused(const Set& set, const Set& results) const {
        const Set given = sim::results_in(set, results);
        return is_connected(set) && is_convex(set) &&
               std::ranges::includes(given, read_outside(set));
    }
};

Sets subsets(int layers, std::size_t largest) {
    Sets sets;
    for (unsigned bits = 1; bits < 1u << (layers - 1); ++bits) {
        Set set;
        for (int layer = 1; layer < layers; ++layer) {
            if ((bits >> (layer - 1) & 1u) != 0) {
                set.push_back(layer);
            }
        }
        if (set.size() <= largest) {
            sets.push_back(std::move(set));
        }
    }
    return sets;
}

// Of sets of several layers, mostly those that may be fused with some results.
const Set& random_set(Random& random, const Definitions& definitions, const Sets& sets) {
    for (;;) {
        const Set& set = one_of(random, sets);
        const bool may_be = definitions.is_connected(set) && definitions.is_convex(set);
        if (set.size() > 1 && (may_be || below(random, 20) == 0)) {
            return set;
        }
    }
}

// The last layer's alone, all, or any with the last.
Set random_results(Random& random, std::size_t size) {
    Set results;
    const int kind = below(random, 3);
    for (int position = 0; kind > 0 && position < static_cast<int>(size); ++position) {
        if (kind == 1 || position + 1 == static_cast<int>(size) || below(random, 2) == 0) {
            results.push_back(position);
        }
    }
    return results;
}

// The host has a cost for each layer and measured ones for sets, a device beside it fits.
sim::Platform platform_for(Random& random, const Definitions& definitions, const Sets& sets) {
    const sim::Model& model = definitions.model;
    sim::Platform platform;
    platform.name = "random";
    platform.memories = {{.name = "host"}};
    platform.devices = {{.name = "cpu", .kind = "cpu", .conversions = {}},
                        {.name = "fitted", .kind = "cpu", .asynchronous = true, .conversions = {}}};
    std::set<std::string> known;
    const auto add = [&](const Set& set, const Set& results, const std::string& variant) {
        const sim::Time time = sim::from_microseconds(1);
        platform.measured.push_back({.layers = sim::signature(model, set),
                                     .device = 0,
                                     .variant = variant,
                                     .configuration = "1",
                                     .in_layout = "nhwc",
                                     .out_layout = "nhwc",
                                     .results = results,
                                     .time = {time, time, time, 9},
                                     .where = {}});
    };
    for (int layer = 1; layer < static_cast<int>(model.layers.size()); ++layer) {
        if (known.insert(sim::signature(model, Set{layer})).second) {
            add({layer}, {}, "single");
        }
    }
    for (int i = 0; i < 6; ++i) {
        const Set& set = random_set(random, definitions, sets);
        add(set, random_results(random, set.size()), "v" + std::to_string(i));
        const Set& other = random_set(random, definitions, sets);
        platform.fitted.push_back({.pattern = sim::pattern(model, other),
                                   .device = 1,
                                   .variant = "f" + std::to_string(i),
                                   .configuration = "1",
                                   .in_layout = "nhwc",
                                   .out_layout = "nhwc",
                                   .results = random_results(random, other.size()),
                                   .constant_us = 1,
                                   .samples = 1,
                                   .where = {}});
    }
    return platform;
}

// Variant, layers, results.
using Offered = std::multiset<std::tuple<std::string, Set, Set>>;

Offered offered(const sim::Model& model,
                const sim::Platform& platform,
                const std::vector<std::string>& only = {}) {
    Offered all;
    for (const sim::Offer& offer : sim::offers_of(model, platform, {.batch = 1, .only = only})) {
        all.emplace(offer.variant, offer.chain, offer.results);
    }
    return all;
}

Offered should_be_offered(const Definitions& definitions,
                          const sim::Platform& platform,
                          const Sets& sets) {
    Offered all;
    for (const Set& set : sets) {
        const std::string signature = sim::signature(definitions.model, set);
        const std::string pattern = sim::pattern(definitions.model, set);
        const auto add = [&](const auto& cost, bool is_its_text) {
            if (is_its_text && definitions.may_be_fused(set, cost.results)) {
                all.emplace(cost.variant, set, definitions.read_outside(set));
            }
        };
        for (const sim::MeasuredCost& cost : platform.measured) {
            add(cost, cost.layers == signature);
        }
        for (const sim::FittedCost& fit : platform.fitted) {
            add(fit, fit.pattern == pattern);
        }
    }
    return all;
}

// A residual block: conv -> threshold -> conv -> add, and what reads it.
const std::string kBlock = R"(hetmap: model/1
name: block
input: {name: x, height: 4, width: 4, channels: 64, type: binary}
parameters: {seed: 1}
layers:
  - {name: a, operation: conv2d, inputs: [x], weights: binary, out_channels: 64, kernel: 1}
  - {name: t, operation: threshold, inputs: [a]}
  - {name: b, operation: conv2d, inputs: [t], weights: binary, out_channels: 64, kernel: 1}
  - {name: c, operation: conv2d, inputs: [t], weights: binary, out_channels: 64, kernel: 1}
  - {name: sum, operation: add, inputs: [a, b]}
  - {name: end, operation: add, inputs: [sum, c]}
output: end
)";

}  // namespace

TEST_CASE(
    "every set that may be fused and has a cost is offered, no other, whatever is asked for") {
    Random random{7};
    std::size_t fused = 0, several = 0, fitted = 0;
    for (int round = 0; round < 150; ++round) {
        const sim::Model model = random_model(random, 3 + below(random, 7));
        const Definitions definitions{model};
        const Sets sets = subsets(static_cast<int>(model.layers.size()), 5);
        const sim::Platform platform = platform_for(random, definitions, sets);
        const Offered all = offered(model, platform);
        CAPTURE(round);
        REQUIRE(all == should_be_offered(definitions, platform, sets));
        for (const auto& [variant, set, results] : all) {
            fused += set.size() > 1 ? 1 : 0;
            several += results.size() > 1 ? 1 : 0;
            fitted += variant.front() == 'f' ? 1 : 0;
        }
        Offered some = all;
        std::erase_if(some, [](const auto& offer) {
            const std::string& variant = std::get<0>(offer);
            return variant != "single" && variant != "v1" && variant.front() != 'f';
        });
        REQUIRE(offered(model, platform, {"cpu/single", "cpu/v1", "fitted"}) == some);
    }
    CHECK(fused > 1000);
    CHECK(several > 100);
    CHECK(fitted > 100);
}

TEST_CASE("the parts of a set's definition agree with the definitions") {
    Random random{8};
    for (int round = 0; round < 40; ++round) {
        const sim::Model model = random_model(random, 8);
        const Definitions definitions{model};
        for (const Set& set : subsets(static_cast<int>(model.layers.size()), 6)) {
            REQUIRE(sim::is_connected(model, set) == definitions.is_connected(set));
            REQUIRE(sim::is_convex(model, set) == definitions.is_convex(set));
            REQUIRE(sim::read_outside(model, set) == definitions.read_outside(set));
        }
    }
}

TEST_CASE("chains of two results are all chains that give the last layer's and one before") {
    Random random{17};
    std::size_t found = 0;
    for (int round = 0; round < 150; ++round) {
        const sim::Model model = random_model(random, 3 + below(random, 8));
        const Definitions definitions{model};
        const auto reads = [&](int layer, int input) {
            const Set& inputs = model.layers[static_cast<std::size_t>(layer)].inputs;
            return std::ranges::find(inputs, input) != inputs.end();
        };
        Sets wanted, given;
        for (const Set& set : subsets(static_cast<int>(model.layers.size()), 3)) {
            std::set<int> beside;
            bool is_chain = set.size() > 1;
            for (std::size_t i = 0; i < set.size(); ++i) {
                is_chain = is_chain && (i == 0 || reads(set[i], set[i - 1]));
                for (const int input : model.layers[static_cast<std::size_t>(set[i])].inputs) {
                    const bool is_main =
                        input == model.layers[static_cast<std::size_t>(set[0])].inputs[0];
                    if (!is_main && std::ranges::find(set, input) == set.end()) {
                        beside.insert(input);
                    }
                }
            }
            const Set results = definitions.read_outside(set);
            if (is_chain && definitions.is_convex(set) && beside.size() <= 1 &&
                results.size() == 2 && results.back() == set.back()) {
                wanted.push_back(set);
            }
        }
        for (int layer = 0; layer < static_cast<int>(model.layers.size()); ++layer) {
            const Sets of_layer = sim::chains_of_two_results(model, layer, 3);
            given.insert(given.end(), of_layer.begin(), of_layer.end());
        }
        std::ranges::sort(wanted);
        std::ranges::sort(given);
        CAPTURE(round);
        REQUIRE(given == wanted);
        found += given.size();
    }
    CHECK(found > 100);
}

TEST_CASE("of two costs of one kernel the one is offered that gives no more than is read") {
    const sim::Model model = model_of(R"(hetmap: model/1
name: two
input: {name: x, height: 1, width: 1, channels: 4, type: f32}
parameters: {seed: 1}
layers:
  - {name: a, operation: relu, inputs: [x]}
  - {name: b, operation: softmax, inputs: [a]}
  - {name: c, operation: relu, inputs: [b]}
  - {name: d, operation: softmax, inputs: [c]}
  - {name: e, operation: add, inputs: [c, d]}
output: e
)");
    const TemporaryFolder folder;
    std::string alone;
    for (const std::string layer :
         {"relu f32 1x1x4", "softmax f32 1x1x4", "add f32 1x1x4 + f32 1x1x4"}) {
        alone += "  - {layers: \"" + layer +
                 "\", batch: 1, device: cpu, variant: v, configuration: \"1\", time_us: 1}\n";
    }
    const auto times = [&](const std::string& costs) {
        const sim::Platform platform = sim::load_platform(
            folder.write("p.yaml",
                         "hetmap: platform/1\nname: p\nmemories: [{name: m}]\ndevices: [{name: "
                         "cpu, kind: cpu, memory: m, asynchronous: false}]\ncosts:\n" +
                             alone + costs),
            {});
        std::vector<std::tuple<Set, double, Set>> offered;
        for (const sim::Offer& offer : sim::offers_of(model, platform, {})) {
            if (offer.chain.size() == 2) {
                offered.emplace_back(offer.chain, sim::microseconds(offer.time.p50), offer.results);
            }
        }
        return offered;
    };
    const std::string begin =
        "  - {layers: \"relu f32 1x1x4 | softmax\", batch: 1, device: cpu, variant: v, "
        "configuration: \"1\", ";
    const std::string one = begin + "time_us: 3}\n", two = begin + "results: [0, 1], time_us: 5}\n";
    using Expected = std::vector<std::tuple<Set, double, Set>>;
    CHECK(times(one) == Expected{{{1, 2}, 3, {2}}});
    CHECK(times(two) == Expected{{{1, 2}, 5, {2}}, {{3, 4}, 5, {3, 4}}});
    CHECK(times(one + two) == Expected{{{1, 2}, 3, {2}}, {{3, 4}, 5, {3, 4}}});
}

TEST_CASE("the text of a set says what its layers read") {
    const sim::Model model = model_of(kBlock);
    CHECK(sim::signature(model, Set{1, 2, 3}) ==
          "conv2d binary 4x4x64 64 k1x1 s1 p0 v0 | threshold | conv2d 64 k1x1 s1 p0 v0");
    // The addition does not read c, which stands before it.
    CHECK(sim::signature(model, Set{1, 2, 3, 4, 5}) ==
          "conv2d binary 4x4x64 64 k1x1 s1 p0 v0 | threshold | conv2d 64 k1x1 s1 p0 v0 | "
          "conv2d @1 64 k1x1 s1 p0 v0 | add @0 + @2 i2");
    // Not a chain: the pattern says what is read, too.
    CHECK(sim::pattern(model, Set{3, 4, 5}) == "conv2d binary | conv2d binary | add int32 + @0 i2");
    CHECK(sim::pattern(model, Set{1, 2, 3}) == "conv2d binary | threshold | conv2d");
}

TEST_CASE("a layer that is read outside must be among the results") {
    const sim::Model model = model_of(kBlock);
    const sim::SetFinder finder{model};
    // a is read by sum and t by c.
    const std::string signature = sim::signature(model, Set{1, 2, 3});
    CHECK(finder.with_signature(signature, {}).empty());
    CHECK(finder.with_signature(signature, Set{0, 2}).empty());
    CHECK(finder.with_signature(signature, Set{0, 1, 2}) == Sets{{1, 2, 3}, {1, 2, 4}});
    CHECK(finder.with_pattern("conv2d binary | threshold | conv2d", Set{0, 1, 2}) ==
          Sets{{1, 2, 3}, {1, 2, 4}});
    CHECK(finder.with_signature("conv2d binary | nonsense", {}).empty());
    CHECK(finder.with_signature(signature, Set{7}).empty());
}

TEST_CASE("a path that leaves a set and comes back keeps it from being fused") {
    const sim::Model model = model_of(kBlock);
    const sim::SetFinder finder{model};
    // a -> t -> b -> sum: without t and b the sum waits for what it makes itself.
    CHECK(finder.with_signature(sim::signature(model, Set{1, 5}), Set{0, 1}) ==
          Sets{{3, 5}, {4, 6}});
    CHECK(finder.with_signature(sim::signature(model, Set{1, 2, 3, 5}), Set{0, 1, 3}) ==
          Sets{{1, 2, 3, 5}});
}

TEST_CASE("costs that match no layers are named, and those that lack a result") {
    const sim::Model model = model_of(kBlock);
    sim::Platform platform;
    platform.devices.resize(1);
    const auto place = [](int line) { return sim::SourcePosition{"p.yaml", line, 5}; };
    const auto add = [&](const std::string& layers, const Set& results, int line) {
        sim::MeasuredCost& cost = platform.measured.emplace_back();
        cost.layers = layers;
        cost.results = results;
        cost.where = place(line);
    };
    add(sim::signature(model, Set{1}), {}, 2);
    add("conv2d binary 4x4x64 32 k1x1 s1 p0 v0", {}, 3);
    add("conv2d binary 4x4x64 32 k1x1 s1 p0 v0", {}, 4);
    add(sim::signature(model, Set{2, 3}), {}, 5);
    add(sim::signature(model, Set{2, 3}), {0, 1}, 6);
    platform.fitted.emplace_back().pattern = "softmax int32";
    platform.fitted.back().where = place(7);
    CHECK(sim::unmatched_costs(model, platform) ==
          std::vector<std::string>{
              "p.yaml:3:5: 'conv2d binary 4x4x64 32 k1x1 s1 p0 v0': model 'block' has no such "
              "layers",
              "p.yaml:5:5: 'threshold int32 4x4x64 | conv2d 64 k1x1 s1 p0 v0': the result of 't' "
              "is needed outside of these layers of model 'block' and is not among the cost's "
              "`results`",
              "p.yaml:7:5: 'softmax int32': model 'block' has no such layers"});
}

TEST_CASE(
    "a time that was written by hand is stated, and stands before a fit like a measured one") {
    const sim::Model model = model_of(R"(hetmap: model/1
name: one
input: {name: x, height: 1, width: 1, channels: 4, type: f32}
parameters: {seed: 1}
layers:
  - {name: a, operation: softmax, inputs: [x]}
output: a
)");
    const TemporaryFolder folder;
    const auto kinds = [&](const std::string& time) {
        const sim::Platform platform = sim::load_platform(
            folder.write("p.yaml",
                         "hetmap: platform/1\nname: p\nmemories: [{name: m}]\ndevices: [{name: "
                         "cpu, kind: cpu, memory: m, asynchronous: false}]\ncosts:\n  - {layers: "
                         "\"softmax f32 1x1x4\", batch: 1, device: cpu, variant: v, "
                         "configuration: \"1\", " +
                             time +
                             "}\nfits:\n  - {pattern: \"softmax f32\", device: cpu, variant: w, "
                             "configuration: \"1\", constant_us: 1, us_per_million_macs: 0, "
                             "us_per_kib_read: 0, us_per_kib_written: 0, us_per_thousand_tiles: "
                             "0, samples: 4, median_error_percent: 1, p90_error_percent: 10}\n"),
            {});
        std::vector<std::string_view> names;
        for (const sim::Offer& offer : sim::offers_of(model, platform, {})) {
            names.push_back(name_of(offer.kind));
        }
        return names;
    };
    CHECK(kinds("time_us: 3") == std::vector<std::string_view>{"stated"});
    CHECK(kinds("samples: 9, p05_us: 1, p50_us: 2, p95_us: 3") ==
          std::vector<std::string_view>{"measured"});
}
