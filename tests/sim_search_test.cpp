// The searches: every exact one against `exhaustive` on random problems, `exhaustive` against the
// plain way, the layered search with each of its pruning rules switched off and with the tightest
// incumbent, the baselines, and what all of them do when they are stopped, or when there is no
// answer.

#include "sim/error.hpp"
#include "sim/run/evaluator.hpp"
#include "sim/run/simulate.hpp"
#include "sim/search/layered.hpp"
#include "sim/search/results.hpp"
#include "sim/search/search.hpp"
#include "sim/search/store.hpp"
#include "sim_generate.hpp"
#include "sim_oracle.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <limits>
#include <set>
#include <string>
#include <vector>

using sim::Mapping;
using sim::Problem;
using sim::SearchOptions;
using sim::SearchResult;
using sim::SearchStatus;
using sim::Time;

namespace {

// A result that has a mapping has its makespan.
void check_mapping(const Problem& problem, const SearchResult& result) {
    if (result.status == SearchStatus::infeasible) {
        CHECK(result.mapping.empty());
        CHECK(result.makespan == sim::kNever);
        CHECK(!result.note.empty());
        return;
    }
    REQUIRE(!result.mapping.empty());
    CHECK(sim::simulate(problem, result.mapping).makespan == result.makespan);
    CHECK(result.lower_bound <= result.makespan);
    CHECK((result.status == SearchStatus::proven) == (result.lower_bound == result.makespan));
}

// A chain of layers on two synchronous devices, each in its memory, with two layouts and fusions.
Problem random_chain(std::uint64_t seed) {
    generate::Random r(seed);
    generate::Draft d;
    for (int i = 0; i < 2; ++i) {
        d.add_device(
            {.memory = i, .asynchronous = false, .submit = {}, .per_task = {}, .completion = {}});
    }
    d.conversions = {{r.integer(0, 5), 1}, {r.integer(0, 5), 0}};
    d.problem.memories = 2;
    d.problem.layouts = 2;
    d.problem.engines = 2;
    d.problem.engine = {-1, 0, 1, -1};
    d.links = {{0, 0}, {r.integer(0, 9), 1}, {r.integer(0, 9), 1}, {0, 0}};
    d.add_layer({}, 5);
    const int layers = 7;
    for (int l = 1; l <= layers; ++l) {
        d.add_layer({l - 1}, r.integer(0, 9));
    }
    d.add_output();
    const auto bit = [&] { return static_cast<int>(r.integer(0, 1)); };
    d.add_task({0}, 0, {0}, 0, Time{});
    d.add_task({layers + 1}, 0, {0}, 0, Time{});
    for (int l = 1; l <= layers; ++l) {
        for (int k = 0; k < 3; ++k) {
            d.add_task({l}, bit(), {bit()}, bit(), Time{r.integer(1, 30)});
        }
    }
    for (int length = 2; length <= 3; ++length) {
        for (const std::vector<int>& chain : d.chains(length)) {
            d.add_task(chain, bit(), {bit()}, bit(), Time{r.integer(1, 20 * length)});
        }
    }
    return d.finish("chain " + std::to_string(seed));
}

// Two layers on the host: 2 and 3 implementations, and one that fuses both.
Problem tiny() {
    generate::Draft d;
    d.add_device(
        {.memory = 0, .asynchronous = false, .submit = {}, .per_task = {}, .completion = {}});
    d.conversions = {{0, 0}};
    d.problem.engine = {-1};
    d.links = {{0, 0}};
    d.add_layer({}, 0);
    d.add_layer({0}, 0);
    d.add_layer({1}, 0);
    d.add_output();
    d.add_task({0}, 0, {0}, 0, Time{});
    d.add_task({3}, 0, {0}, 0, Time{});
    for (const int cost : {7, 5}) {
        d.add_task({1}, 0, {0}, 0, Time{cost});
    }
    for (const int cost : {4, 6, 9}) {
        d.add_task({2}, 0, {0}, 0, Time{cost});
    }
    d.add_task({1, 2}, 0, {0}, 0, Time{8});
    return d.finish("tiny");
}

}  // namespace

TEST_CASE("the table names every search once, and an unknown name gets the list") {
    std::set<std::string_view> names;
    for (const sim::Search& search : sim::searches()) {
        CHECK(names.insert(search.name).second);
        CHECK(&sim::find_search(search.name) == &search);
        CHECK(!search.summary.empty());
    }
    CHECK_THROWS_WITH_AS(
        sim::find_search("brute"),
        "search: expected one of branch-and-bound, exhaustive, dynamic-programming, greedy, heft, "
        "cpu-only, gpu-only, uniform, got 'brute'",
        sim::InputError);
}

TEST_CASE("count_mappings counts covers, group by group, and saturates") {
    CHECK(sim::count_mappings(tiny()) == 2 * 3 + 1);
    CHECK(sim::count_mappings(generate::random_layered(20, 2, 1)) == std::uint64_t{1} << 20);
    CHECK(sim::count_mappings(generate::ladder(3'000, 4, 1)) ==
          std::numeric_limits<std::uint64_t>::max());
}

TEST_CASE("a random mapping covers every layer once, and a seed always gives the same one") {
    std::set<Mapping> seen;
    for (std::uint64_t seed = 0; seed < 200; ++seed) {
        const Mapping mapping = sim::random_mapping(tiny(), seed);
        CHECK(mapping == sim::random_mapping(tiny(), seed));
        sim::simulate(tiny(), mapping);
        seen.insert(mapping);
    }
    CHECK(seen.size() == 7);
}

TEST_CASE("exhaustive tries every mapping once") {
    const SearchResult result = sim::exhaustive(tiny(), {});
    CHECK(result.evaluated == 7);
    CHECK(result.makespan == Time{8});  // the fused one; 5 + 4 apart
    CHECK(result.status == SearchStatus::proven);
    for (std::uint64_t seed = 1; seed <= 300; ++seed) {
        const Problem p = generate::small_random(seed);
        if (const SearchResult all = sim::exhaustive(p, {});
            all.status != SearchStatus::infeasible) {
            CHECK(all.evaluated == sim::count_mappings(p));
        }
    }
}

TEST_CASE("exhaustive is right where beginnings are many and groups are full") {
    // The plain way: every mapping with the evaluator.
    for (std::uint64_t seed = 1; seed <= 3; ++seed) {
        const Problem p = generate::random_layered(13, 2, seed);
        sim::Evaluator evaluator(p);
        Time best = sim::kNever;
        const auto visit = [&](const auto& self, int layer) -> void {
            if (layer == p.layers()) {
                best = std::min(best, evaluator.makespan());
                return;
            }
            for (const int k : p.starting[static_cast<std::size_t>(layer)]) {
                evaluator.push(k);
                self(self, layer + 1);
                evaluator.pop();
            }
        };
        visit(visit, 0);
        const SearchResult result = sim::exhaustive(p, {});
        CHECK(result.makespan == best);
        CHECK(result.evaluated == std::uint64_t{1} << 13);
        check_mapping(p, result);
    }
}

TEST_CASE("every exact search finds the optimum of 1,000 random problems") {
    int answers = 0;
    for (std::uint64_t seed = 1; seed <= 1'000; ++seed) {
        CAPTURE(seed);
        const Problem p =
            seed % 2 == 0 ? generate::wide_random(seed) : generate::small_random(seed);
        const SearchResult truth = sim::exhaustive(p, {});
        check_mapping(p, truth);
        for (const sim::Search& search : sim::searches()) {
            CAPTURE(search.name);
            const SearchResult result = search.run(p, {});
            check_mapping(p, result);
            if (result.status != SearchStatus::infeasible) {
                CHECK(result.makespan >= truth.makespan);
            }
            CHECK(result.lower_bound <= truth.makespan);
            if (search.exact && result.status != SearchStatus::infeasible) {
                CHECK(result.status == SearchStatus::proven);
                CHECK(result.makespan == truth.makespan);
                ++answers;
            }
        }
        if (truth.status == SearchStatus::infeasible) {
            CHECK(sim::branch_and_bound(p, {}).status == SearchStatus::infeasible);
        }
    }
    CHECK(answers > 1'800);
}

TEST_CASE("exhaustive is right about routes, many devices, sets of layers and turns") {
    // The plain way: every mapping with the oracle.
    int routed = 0, many = 0, several = 0, turning = 0;
    for (std::uint64_t seed = 1; seed <= 150; ++seed) {
        CAPTURE(seed);
        const Problem p = generate::wide_random(seed);
        if (sim::count_mappings(p) > 600) {
            continue;
        }
        Time best = sim::kNever;
        Mapping path;
        std::vector<char> covered(static_cast<std::size_t>(p.layers()), 0);
        const auto visit = [&](const auto& self) -> void {
            const auto open = std::find(covered.begin(), covered.end(), char{0});
            if (open == covered.end()) {
                best = std::min(best, oracle::makespan(p, path).value_or(sim::kNever));
                return;
            }
            for (const int k : p.starting[static_cast<std::size_t>(open - covered.begin())]) {
                const std::vector<int> layers =
                    sim::layers_of(p.tasks[static_cast<std::size_t>(k)]);
                const auto is_covered = [&](int l) { return covered[static_cast<std::size_t>(l)]; };
                if (std::any_of(layers.begin(), layers.end(), is_covered)) {
                    continue;
                }
                const std::vector<char> before = covered;
                for (const int l : layers) {
                    covered[static_cast<std::size_t>(l)] = 1;
                }
                path.push_back(k);
                self(self);
                path.pop_back();
                covered = before;
            }
        };
        visit(visit);
        CHECK(sim::exhaustive(p, {}).makespan == best);
        const sim::Evaluator evaluator(p);
        routed += p.has_routes();
        many += p.device_count() >= 5;
        several += std::any_of(p.tasks.begin(), p.tasks.end(), [](const sim::Task& task) {
            return !task.inner.empty() && sim::fits_order(task);
        });
        for (int t = 0; t < p.layers(); ++t) {
            if (evaluator.turn_matters(t)) {
                ++turning;
                break;
            }
        }
    }
    CHECK(routed > 20);
    CHECK(many > 20);
    CHECK(several > 20);
    CHECK(turning > 5);
}

TEST_CASE("64 devices and memories with two layouts: places beyond one word of a state's key") {
    int answers = 0;
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        CAPTURE(seed);
        generate::Random r(seed);
        generate::Draft d;
        Problem& p = d.problem;
        const int devices = 64, layers = 6;
        p.memories = 56;  // with 56 links at the host, both ways
        p.layouts = 2;
        d.add_device({});
        for (int i = 1; i < devices; ++i) {
            d.add_device({.memory = i % p.memories,
                          .asynchronous = true,
                          .submit = Time{r.integer(0, 5)},
                          .per_task = Time{r.integer(0, 2)},
                          .completion = Time{r.integer(0, 5)}});
        }
        for (int i = 0; i < devices; ++i) {
            d.conversions.emplace_back(r.integer(0, 3), r.integer(0, 1));
        }
        p.engine.assign(static_cast<std::size_t>(p.memories * p.memories), -1);
        for (int from = 0; from < p.memories; ++from) {
            for (int to = 0; to < p.memories; ++to) {
                const bool linked = from == 0 || to == 0;
                d.links.emplace_back(linked ? r.integer(0, 8) : -1, r.integer(0, 2));
                if (linked && from != to) {
                    p.engine[static_cast<std::size_t>(from * p.memories + to)] =
                        p.engines < sim::kMostOfAKind
                            ? p.engines++
                            : static_cast<int>(r.integer(0, p.engines - 1));
                }
            }
        }
        d.add_layer({}, 3);
        for (int l = 1; l <= layers; ++l) {
            std::vector<int> inputs{l - 1};
            if (l > 2) {
                inputs.push_back(static_cast<int>(r.integer(0, l - 2)));
            }
            d.add_layer(inputs, r.integer(0, 9));
        }
        d.add_output();
        const auto layout = [&] { return static_cast<int>(r.integer(0, 1)); };
        d.add_task({0}, 0, {0}, 0, Time{});
        d.add_task({layers + 1}, 0, {0}, 0, Time{});
        for (int l = 1; l <= layers; ++l) {
            for (int k = 0; k < 3; ++k) {
                const int device = static_cast<int>(r.one_in(2) ? r.integer(40, devices - 1)
                                                                : r.integer(0, devices - 1));
                d.add_task({l}, device, {layout(), layout()}, layout(), Time{r.integer(1, 30)});
            }
        }
        const Problem problem = d.finish("64 devices");
        const SearchResult truth = sim::exhaustive(problem, {});
        const SearchResult found = sim::branch_and_bound(problem, {});
        CHECK(found.status == truth.status);
        CHECK(found.makespan == truth.makespan);
        answers += found.status == SearchStatus::proven;
    }
    CHECK(answers > 15);
}

TEST_CASE("long: each pruning rule of the layered search alone, and with an incumbent just above") {
    // Where nothing prunes, a wrong bound shows nothing: an incumbent of optimum + 1 is where
    // bounds cut hardest.
    for (std::uint64_t seed = 1'001; seed <= 2'000; ++seed) {
        CAPTURE(seed);
        const Problem all =
            seed % 2 == 0 ? generate::wide_random(seed) : generate::small_random(seed);
        const SearchResult truth = sim::exhaustive(all, {});
        if (truth.status == SearchStatus::infeasible) {
            continue;
        }
        Problem p = sim::internal::restricted(all, std::vector<char>(all.tasks.size(), 1)).problem;
        if (seed % 3 == 0) {
            sim::drop_dominated_tasks(p);
        }
        const auto bits = static_cast<unsigned>(seed / 2 % 64);
        CAPTURE(bits);
        SearchOptions options;
        options.threads = seed % 5 == 0 ? 2 : 1;
        for (const sim::internal::PruningRules rules :
             {sim::internal::PruningRules{},
              sim::internal::PruningRules{.path = (bits & 1) != 0,
              .load = (bits & 2) != 0,
              .modules = (bits & 4) != 0,
              .dominance = (bits & 8) != 0,
              .raise = (bits & 16) != 0,
              .forget = (bits & 32) != 0}}) {
            const auto check = [&](const sim::internal::Incumbent& found) {
                CHECK(found.proven());
                CHECK(found.makespan == truth.makespan.count());
                CHECK(oracle::makespan(p, found.mapping) == truth.makespan);
            };
            sim::internal::Incumbent above;
            above.makespan = truth.makespan.count() + 1;
            sim::internal::Layered layered(p, rules, options);
            check(layered.pass(1'000'000, above));
            layered.sharpen();
            check(layered.pass(1'000'000, {}));
            check(layered.pass(1'000'000, above));
            check(sim::internal::Layered(p, rules, options).widen({}, 1, 2));
        }
    }
}

TEST_CASE("a result that nothing reads is no part of the makespan, nor of any bound") {
    int changed = 0;
    for (std::uint64_t seed = 1; seed <= 200; ++seed) {
        CAPTURE(seed);
        Problem p = generate::small_random(seed);
        sim::Task& output = *std::find_if(p.tasks.begin(), p.tasks.end(), [&](const auto& task) {
            return task.first == p.layers() - 1;
        });
        if (output.inputs.size() < 2) {
            continue;
        }
        ++changed;
        const int unread = output.inputs.back().tensor;
        output.inputs.pop_back();
        std::erase(p.inputs.back(), unread);
        sim::index(p);
        const SearchResult truth = sim::exhaustive(p, {});
        const SearchResult found = sim::branch_and_bound(p, {});
        CHECK(found.status == truth.status);
        CHECK(found.makespan == truth.makespan);
    }
    CHECK(changed > 20);
}

TEST_CASE("schedules of hours and weeks are proven too, without overflow") {
    for (const std::int64_t factor :
         {std::int64_t{10'000'000'000'000}, std::int64_t{1'000'000'000'000'000}}) {
        for (std::uint64_t seed = 1; seed <= 50; ++seed) {
            CAPTURE(seed);
            Problem p = generate::small_random(seed);
            const SearchResult truth = sim::branch_and_bound(p, {});
            const auto stretch = [&](Time& time) { time *= time < sim::kNever ? factor : 1; };
            for (sim::Task& task : p.tasks) {
                stretch(task.cost);
            }
            for (Time& time : p.copy_times) {
                stretch(time);
            }
            for (Time& time : p.convert_times) {
                stretch(time);
            }
            for (sim::ProblemDevice& device : p.devices) {
                stretch(device.submit);
                stretch(device.per_task);
                stretch(device.completion);
            }
            const SearchResult found = sim::branch_and_bound(p, {});
            CHECK(found.status == truth.status);
            if (truth.status == SearchStatus::proven) {
                CHECK(found.makespan == truth.makespan * factor);
            }
            CHECK(sim::exhaustive(p, {}).makespan == found.makespan);
        }
    }
}

TEST_CASE("dynamic programming is exact on chains of synchronous devices, and linear") {
    for (std::uint64_t seed = 1; seed <= 200; ++seed) {
        CAPTURE(seed);
        const Problem p = random_chain(seed);
        const SearchResult found = sim::dynamic_programming(p, {});
        CHECK(found.status == SearchStatus::proven);
        CHECK(found.makespan == sim::exhaustive(p, {}).makespan);
        check_mapping(p, found);
    }
    // The host's part of a long ladder without its shortcuts.
    generate::Draft d;
    generate::machine(d, 2);
    d.add_layer({}, 1);
    const int layers = 5'000;
    for (int l = 1; l <= layers; ++l) {
        d.add_layer({l - 1}, 1);
    }
    d.add_output();
    for (int l = 0; l <= layers + 1; ++l) {
        d.add_task({l}, 0, {0}, 0, Time{l % 7});
    }
    const Problem p = d.finish("long");
    const SearchResult found = sim::dynamic_programming(p, {});
    CHECK(found.status == SearchStatus::proven);
    CHECK(found.evaluated <= 2 * layers + 4);
}

TEST_CASE("dynamic programming says why it has no answer") {
    CHECK(sim::dynamic_programming(generate::ladder(20, 2, 1), {}).note ==
          "the model is not a chain: layer 'layer8' does not read just the layer before it; "
          "branch-and-bound is exact here");
    CHECK(sim::dynamic_programming(generate::ladder(4, 2, 1), {}).note ==
          "device 'dev1' is asynchronous and overlaps with the host; branch-and-bound is exact "
          "here");
}

TEST_CASE("greedy takes each layer's fastest task, and a chain only where there is no other") {
    Problem p = tiny();  // tasks: 0 input, 1 output, 2-3 layer 1, 4-6 layer 2, 7 both
    const SearchResult apart = sim::greedy(p, {});
    CHECK(apart.mapping == Mapping{0, 3, 4, 1});
    CHECK(apart.makespan == Time{9});
    CHECK(apart.status == SearchStatus::unproven);
    p.tasks.erase(p.tasks.begin() + 4, p.tasks.begin() + 7);  // layer 2 is only ever fused
    sim::index(p);
    CHECK(sim::greedy(p, {}).mapping == Mapping{0, 4, 1});
    CHECK(sim::heft(p, {}).mapping == Mapping{0, 4, 1});
    CHECK(sim::random_mapping(p, 1) == Mapping{0, 4, 1});
}

TEST_CASE("earliest finish credits a chain with the layers that it takes over") {
    // The chain ends at 8, a layer alone at 5: but the other layer would need 4 more.
    CHECK(sim::heft(tiny(), {}).mapping == Mapping{0, 7, 1});
}

TEST_CASE("uniform takes one implementation for all layers, the best one or the one asked for") {
    Problem p = tiny();
    for (sim::Task& task : p.tasks) {
        task.variant = "slow";
    }
    for (const std::size_t k : {std::size_t{3}, std::size_t{6}}) {  // 5 + 9
        p.tasks[k].variant = "fast";
    }
    p.tasks[2].cost = Time{8};
    const SearchResult best = sim::uniform(p, {});
    CHECK(best.note == "cpu/slow/c");
    CHECK(best.makespan == Time{8});  // the chain, cheaper than 8 + 4
    SearchOptions options;
    options.only = "cpu/fast/c";
    const SearchResult fast = sim::uniform(p, options);
    CHECK(fast.mapping == Mapping{0, 3, 6, 1});
    CHECK(fast.makespan == Time{14});
    options.only = "cpu/none/c";
    CHECK(sim::uniform(p, options).note == "no layer has an implementation 'cpu/none/c'");
    p.tasks[6].variant = "slow";
    options.only = "cpu/fast/c";
    CHECK(sim::uniform(p, options).note == "layer 'layer2' has no implementation 'cpu/fast/c'");
}

TEST_CASE("cpu-only and gpu-only use no other device, and are the best that do not") {
    const Problem p = generate::ladder(12, 4, 3);
    for (const bool host : {true, false}) {
        const SearchResult found = host ? sim::cpu_only(p, {}) : sim::gpu_only(p, {});
        check_mapping(p, found);
        CHECK(found.note ==
              (host ? "the best on the host alone" : "the best on asynchronous devices alone"));
        Problem few = p;
        std::erase_if(few.tasks, [&](const sim::Task& task) {
            const bool boundary = task.first == 0 || task.first == p.layers() - 1;
            return !boundary && (task.device == 0) != host;
        });
        sim::index(few);
        CHECK(found.makespan == sim::exhaustive(few, {}).makespan);
    }
    CHECK(sim::gpu_only(tiny(), {}).note ==
          "layer 'layer1' has no implementation on asynchronous devices alone");
}

TEST_CASE("whole networks are proven") {
    using namespace generate;
    for (const auto network : {vgg7, resnet18, squeezenet, mobilenet_v2}) {
        const Problem p = network({.implementations = 10, .devices = 3, .seed = 1, .near = false});
        CAPTURE(p.model);
        const SearchResult found = sim::branch_and_bound(p, {});
        CHECK(found.status == SearchStatus::proven);
        check_mapping(p, found);
    }
}

TEST_CASE("signature: the nodes that branch-and-bound visits change only on purpose") {
    using namespace generate;
    const auto nodes = [](const Problem& p) { return sim::branch_and_bound(p, {}).evaluated; };
    CHECK(nodes(vgg7({.implementations = 10, .devices = 3, .seed = 1, .near = false})) == 909);
    CHECK(nodes(resnet18({.implementations = 10, .devices = 3, .seed = 1, .near = true})) == 3'009);
    CHECK(nodes(random_layered(25, 2, 1)) == 1'014);
    CHECK(nodes(random_layered(20, 4, 2)) == 12'252);
}

TEST_CASE("a search that is stopped has a mapping and an honest bound") {
    const Problem p = generate::random_layered(25, 4, 1);
    const Time optimum = sim::branch_and_bound(p, {}).makespan;
    for (const int calls : {1, 2, 20, 60}) {
        CAPTURE(calls);
        for (const sim::Search& search : sim::searches()) {
            CAPTURE(search.name);
            int left = calls;
            SearchOptions options;
            options.stop = [&] { return --left <= 0; };
            const SearchResult found = search.run(p, options);
            if (search.name == "dynamic-programming") {
                CHECK(found.status == SearchStatus::infeasible);
                continue;
            }
            check_mapping(p, found);
            CHECK(found.makespan >= optimum);
            CHECK(found.lower_bound <= optimum);
            if (search.name == "exhaustive") {
                CHECK(found.lower_bound == Time{});
            }
        }
    }
}

TEST_CASE("long: with little memory branch-and-bound goes on depth first, to the same proof") {
    for (const std::uint64_t seed : {2u, 3u, 5u}) {
        CAPTURE(seed);
        const Problem p = generate::random_layered(20, 4, seed);
        const SearchResult roomy = sim::branch_and_bound(p, {});
        for (const std::int64_t kib : {0, 64, 256, 1'024}) {
            CAPTURE(kib);
            SearchOptions options;
            options.memory = sim::Bytes{kib * 1'024};
            int calls = 0;
            options.stop = [&] { return ++calls < 0; };
            const SearchResult found = sim::branch_and_bound(p, options);
            check_mapping(p, found);
            CHECK(found.status == SearchStatus::proven);
            CHECK(found.makespan == roomy.makespan);
            if (kib == 0) {
                CHECK(found.evaluated > roomy.evaluated);
            }

            // Stopped on the way it says so, and its bound is one.
            options.stop = [&] { return --calls <= 5; };
            const SearchResult stopped = sim::branch_and_bound(p, options);
            check_mapping(p, stopped);
            CHECK(stopped.lower_bound <= roomy.makespan);
            CHECK(stopped.makespan >= roomy.makespan);
            if (kib == 0) {
                CHECK(stopped.status == SearchStatus::unproven);
                CHECK(stopped.note ==
                      "stopped before the proof; more states than fit into 0.0 KiB (--memory)");
            }
        }
    }
}

TEST_CASE("what states hold is counted, used again, and given back") {
    sim::internal::Memory memory(1 << 20);
    {
        sim::internal::Blocks blocks(memory, 4'096);
        sim::internal::Store store(blocks, 1);
        for (std::uint64_t i = 0; i < 10'000; ++i) {
            const std::uint64_t key = i % 1'000;
            const auto place = store.group_of(&key, sim::internal::hash_of(&key, 1), 1, 3);
            store.add(store.group(place), {.parent = 0, .task = static_cast<int>(i)});
        }
        CHECK(store.states() == 10'000);
        const std::size_t held = memory.held();
        CHECK(held > 10'000 * 6 * sizeof(std::uint32_t));
        CHECK(held < 10'000 * 8 * sizeof(std::uint32_t));

        // What goes makes room for what comes.
        std::size_t left = 10'000;
        store.for_each_group([&](auto place, const auto&) {
            auto& group = store.group(place);
            while (group.first != 0) {
                store.remove(group, group.first);
                --left;
            }
        });
        CHECK(left == 0);
        for (std::uint64_t i = 0; i < 10'000; ++i) {
            const std::uint64_t key = i % 1'000;
            const auto place = store.group_of(&key, sim::internal::hash_of(&key, 1), 1, 3);
            store.add(store.group(place), {.parent = 0, .task = static_cast<int>(i)});
        }
        CHECK(memory.held() == held);
    }
    CHECK(memory.held() == 0);
}

TEST_CASE("times of states come back as they were, in as few bytes as the schedule needs") {
    for (const std::int64_t factor : {std::int64_t{1},
                                      std::int64_t{1'000},
                                      std::int64_t{1'000'000},
                                      std::int64_t{1'000'000'000}}) {
        for (const std::int64_t odd : {0, 1}) {
            CAPTURE(factor);
            Problem p = generate::random_layered(12, 2, 1);
            for (sim::Task& task : p.tasks) {
                task.cost = Time{task.cost.count() * factor + odd};
            }
            const sim::internal::Bounds bounds(p, {});
            const sim::internal::TimeCode code(p, bounds);
            std::vector<sim::Ticks> times;
            for (int i = 0; i <= 20; ++i) {
                const auto most = static_cast<sim::Ticks>(bounds.horizon) / bounds.unit;
                times.push_back(most / 20 * i * bounds.unit);
            }
            std::vector<std::uint32_t> first(code.words(times.size() + 1)), second(first);
            code.write(times.data(), times.size(), 1, first.data());
            std::vector<sim::Ticks> read(times.size());
            code.read(first.data(), 1, read.size(), read.data());
            CHECK(read == times);

            times[7] += bounds.unit;
            code.write(times.data(), times.size(), 1, second.data());
            auto order = code.compare(first.data(), second.data(), 1, times.size());
            CHECK(order.no_later);
            CHECK(!order.no_sooner);
            times[3] -= bounds.unit;
            code.write(times.data(), times.size(), 1, second.data());
            order = code.compare(first.data(), second.data(), 1, times.size());
            CHECK(!order.no_later);
            CHECK(!order.no_sooner);
        }
    }
}

TEST_CASE("progress only ever gets better") {
    const Problem p = generate::random_layered(20, 4, 2);
    Time best = sim::kNever, bound{};
    int calls = 0;
    SearchOptions options;
    options.progress = [&](Time incumbent, Time lower_bound) {
        CHECK(incumbent <= best);
        CHECK(lower_bound >= bound);
        best = incumbent;
        bound = lower_bound;
        ++calls;
    };
    const SearchResult found = sim::branch_and_bound(p, options);
    CHECK(calls >= 3);
    CHECK(best == found.makespan);
    CHECK(bound == found.lower_bound);
}

TEST_CASE("3,000 layers do not hang, and stopping is quick") {
    const Problem p = generate::ladder(3'000, 4, 1);
    int left = 10'000;
    SearchOptions options;
    options.stop = [&] { return --left <= 0; };
    for (const sim::Search& search : sim::searches()) {
        CAPTURE(search.name);
        left = search.name == "exhaustive" ? 3 : 10'000;
        const SearchResult found = search.run(p, options);
        if (search.name != "dynamic-programming") {
            check_mapping(p, found);
        }
    }
}

TEST_CASE("a problem without any mapping is infeasible for every search, with a reason") {
    Problem p = tiny();
    std::erase_if(p.tasks, [](const sim::Task& task) { return task.last == 2; });
    sim::index(p);
    CHECK(sim::count_mappings(p) == 0);
    CHECK(sim::random_mapping(p, 1).empty());
    for (const sim::Search& search : sim::searches()) {
        CAPTURE(search.name);
        const SearchResult found = search.run(p, {});
        CHECK(found.status == SearchStatus::infeasible);
        CHECK(!found.note.empty());
    }
}
