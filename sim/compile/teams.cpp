#include "sim/compile/teams.hpp"

#include <algorithm>
#include <charconv>
#include <set>

namespace sim {

int threads_of(const std::string& configuration) {
    int threads = 0;
    std::from_chars(configuration.data(), configuration.data() + configuration.size(), threads);
    return threads;
}

Teams::Teams(const Platform& platform, const std::vector<Offer>& offers) {
    constexpr std::size_t kMost = 8;  // each has its layouts
    if (platform.devices.front().handovers.empty()) {
        return;
    }
    std::set<std::string> configurations;
    for (const Offer& offer : offers) {
        if (offer.device == 0 && offer.parts.empty() && threads_of(offer.configuration) > 0) {
            configurations.insert(offer.configuration);
        }
    }
    any_ = configurations.size() > 1;
    by_threads_ = configurations.size() > kMost;
}

std::string Teams::of(const Offer& offer) const {
    const int threads = threads_of(offer.configuration);
    if (!any_ || offer.device != 0 || !offer.parts.empty() || threads <= 0) {
        return {};
    }
    return by_threads_ ? std::to_string(threads) : offer.configuration;
}

Time handover(const Device& device, const std::string& from, const std::string& to, Bytes bytes) {
    if (from.empty() || to.empty() || from == to) {
        return {};
    }
    const auto found = std::ranges::find_if(device.handovers, [&](const Handover& one) {
        return one.from == threads_of(from) && one.to == threads_of(to);
    });
    return found == device.handovers.end() ? Time{} : found->time.time(bytes);
}

}  // namespace sim
