#include "sim/run/fair_share.hpp"

#include "sim/index.hpp"

#include <algorithm>
#include <numeric>

namespace sim {

std::vector<BytesPerSecond> fair_shares(BytesPerSecond capacity,
                                        std::span<const BytesPerSecond> limits) {
    std::vector<std::size_t> slowest_first(limits.size());
    std::iota(slowest_first.begin(), slowest_first.end(), std::size_t{0});
    std::ranges::stable_sort(
        slowest_first, {}, [&](std::size_t flow) { return limits[flow].rate; });
    std::vector<BytesPerSecond> shares(limits.size());
    double left = capacity.rate;
    for (std::size_t i = 0; i < slowest_first.size(); ++i) {
        const std::size_t flow = slowest_first[i];
        const auto flows_left = static_cast<double>(limits.size() - i);
        shares[flow].rate = std::min(limits[flow].rate, left / flows_left);
        left -= shares[flow].rate;
    }
    return shares;
}

}  // namespace sim
