#include "sim/search/mixes.hpp"

#include <algorithm>
#include <bit>

namespace sim::internal {
namespace {

// Beyond so many resources not every division of a scale, beyond so many sets not every set.
constexpr int kMostToDivide = 4;
constexpr std::size_t kMostSets = 64;

}  // namespace

Bits resources_of(const Problem& problem, const Task& task) {
    Bits found = 0;
    for_each_bit(devices_of(task), [&](int device) { found |= bit(resource_of(problem, device)); });
    return found;
}

Bits all_resources(const Problem& problem) {
    Bits found = 0;
    for (int device = 0; device < problem.device_count(); ++device) {
        found |= bit(resource_of(problem, device));
    }
    return found;
}

std::vector<Bits> resource_sets(const Problem& problem) {
    const Bits all = all_resources(problem);
    std::vector<Bits> sets;
    if (std::popcount(all) <= std::countr_zero(kMostSets)) {
        for (Bits some = (0 - all) & all; some != 0; some = (some - all) & all) {  // ascending
            sets.push_back(some);
        }
        return sets;
    }
    for_each_bit(all, [&](int one) { sets.push_back(bit(one)); });
    sets.push_back(all);
    sets.push_back(all & ~bit(0));
    const std::size_t most = sets.size() + kMostSets;
    for_each_bit(all, [&](int one) {
        for_each_bit(all & ~(bit(one) | (bit(one) - 1)), [&](int other) {
            if (sets.size() < most) {
                sets.push_back(bit(one) | bit(other));
            }
        });
    });
    return sets;
}

std::vector<Mix> resource_mixes(const Problem& problem, std::int64_t scale, std::int64_t step) {
    const Bits all = all_resources(problem);
    const std::vector<std::int64_t> none(problem.devices.size(), 0);
    std::vector<Mix> mixes;
    if (std::popcount(all) > kMostToDivide) {
        for (const Bits some : resource_sets(problem)) {
            mixes.push_back({.weight = none, .scale = std::popcount(some)});
            for_each_bit(some, [&](int one) { mixes.back().weight[at(one)] = 1; });
        }
        return mixes;
    }
    std::vector<std::int64_t> weight = none;
    const auto divide = [&](const auto& self, Bits left, std::int64_t rest) -> void {
        const int one = std::countr_zero(left);
        left &= left - 1;
        if (left == 0) {
            weight[at(one)] = rest;
            mixes.push_back({.weight = weight, .scale = scale});
            return;
        }
        for (std::int64_t part = 0; part <= rest; part += step) {
            weight[at(one)] = part;
            self(self, left, rest - part);
        }
    };
    divide(divide, all, scale);
    return mixes;
}

}  // namespace sim::internal
