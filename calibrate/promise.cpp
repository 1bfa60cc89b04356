#include "calibrate/promise.hpp"

#include <algorithm>
#include <limits>
#include <map>

namespace calibrate {

std::vector<bool> unpromising_ways(std::span<const Way> ways, double best) {
    constexpr double kShare = 0.2;                // of the best
    std::map<std::vector<int>, double> cheapest;  // by layers
    for (const Way& way : ways) {
        const auto [found, fresh] = cheapest.try_emplace(way.layers, way.takes);
        found->second = std::min(found->second, way.takes);
    }
    std::vector<bool> unpromising;
    for (const Way& way : ways) {
        double apart = 0;
        for (const int layer : way.layers) {
            const auto alone = cheapest.find({layer});
            apart +=
                alone == cheapest.end() ? std::numeric_limits<double>::infinity() : alone->second;
        }
        const double otherwise = std::min(cheapest.at(way.layers), apart);
        unpromising.push_back(way.least - otherwise > kShare * best);
    }
    return unpromising;
}

}  // namespace calibrate
