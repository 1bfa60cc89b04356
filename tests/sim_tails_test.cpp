// The least energy that the layers to come add: never more than any mapping adds, and with the
// copies that cheap layers on different devices need.

#include "sim/run/evaluator.hpp"
#include "sim/search/search.hpp"
#include "sim/search/tails.hpp"
#include "sim_beyond.hpp"
#include "sim_by_hand.hpp"
#include "sim_generate.hpp"

#include <doctest/doctest.h>

#include <cstdint>
#include <numeric>
#include <span>
#include <vector>

using sim::Energy;
using sim::Evaluator;
using sim::Mapping;
using sim::Problem;
using sim::Time;
using sim::internal::Tails;

namespace {

// By task: its own energy and its submission's.
std::vector<std::int64_t> energies_of(const Problem& p) {
    std::vector<std::int64_t> energies;
    for (const sim::Task& task : p.tasks) {
        energies.push_back(task.energy.femtojoules);
        sim::for_each_bit(sim::devices_of(task), [&](int d) {
            const sim::ProblemDevice& device = p.devices[static_cast<std::size_t>(d)];
            energies.back() += device.asynchronous ? device.per_task_energy.femtojoules : 0;
        });
    }
    return energies;
}

std::vector<int> all_layers(const Problem& p) {
    std::vector<int> layers(static_cast<std::size_t>(p.layers()));
    std::iota(layers.begin(), layers.end(), 0);
    return layers;
}

}  // namespace

TEST_CASE("no mapping adds less than its tail, from wherever it has come") {
    int told = 0, problems = 0;
    for (std::uint64_t seed = 1; seed <= 300; ++seed) {
        CAPTURE(seed);
        Problem p = seed % 2 ? generate::small_random(seed) : generate::wide_random(seed);
        if (seed % 3 == 0) {
            beyond::add_divided(p, 3, seed);
        }
        beyond::add_energy(p, seed);
        Tails tails(p);
        if (!tails.is_useful()) {
            continue;
        }
        ++problems;
        tails.add_energies(energies_of(p));
        tails.finish();
        const std::vector<int> ahead = all_layers(p);
        for (std::uint64_t draw = 0; draw < 20; ++draw) {
            const Mapping mapping = sim::random_mapping(p, draw);
            Evaluator whole(p), placed(p);
            for (const int task : mapping) {
                whole.push(task);
            }
            if (mapping.empty() || !whole.core.possible) {
                continue;
            }
            int layer = 0;
            for (const int task : mapping) {
                Tails::Front front;
                const auto later = std::span(ahead).subspan(static_cast<std::size_t>(layer) + 1);
                if (tails.find(placed, layer, later, front)) {
                    ++told;
                    CHECK(placed.core.energy + tails.least(0, front) <= whole.core.energy);
                }
                placed.push(task);
                layer = placed.next_layer(layer);
            }
        }
    }
    CHECK(problems > 200);
    CHECK(told > 5'000);
}

TEST_CASE("layers that are cheap on different devices need the copies between them") {
    // a is cheap on the host, b on the device, c on the host again; each by itself takes 1.
    generate::Draft d = by_hand::hand();
    by_hand::add_layers(d, {{0}, {1}, {2}});
    for (int layer = 1; layer <= 3; ++layer) {
        d.add_task({layer}, 0, {0}, 0, Time{10});
        d.add_task({layer}, 1, {0}, 0, Time{10});
    }
    Problem p = by_hand::finish(d);
    p.energy_unknown.clear();
    p.copy_energies.assign(p.copy_times.size(), Energy{100});
    p.convert_energies.assign(p.convert_times.size(), Energy{});
    for (sim::Task& task : p.tasks) {
        const bool is_cheap = (task.first == 2) == (task.device == 1);
        task.energy = Energy{task.first == 0 || task.first == 4 ? 0 : is_cheap ? 1 : 60};
    }
    Tails tails(p);
    REQUIRE(tails.is_useful());
    tails.add_energies(energies_of(p));
    tails.finish();
    Evaluator placed(p);
    placed.push(p.starting.front().front());
    Tails::Front front;
    REQUIRE(tails.find(placed, 1, {}, front));
    CHECK(tails.least(0, front) == 62);  // all on the host; 203 with both copies, 3 without
}
