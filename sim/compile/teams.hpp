#pragma once

// Teams: the threads of the host that share a layer's work, and where that leaves its result. What
// one thread has written lies in the cache of its core; two that read it each want their half. So
// layouts of one order of bits are told apart by the team that has them, and a change of team is a
// conversion that moves nothing in memory (Handover). Start at `Teams`.

#include "sim/compile/offers.hpp"
#include "sim/describe/platform.hpp"

#include <string>
#include <vector>

namespace sim {

class Teams {
public:
    // None where the host has no handovers, or nothing is divided among its threads in two ways.
    Teams(const Platform& platform, const std::vector<Offer>& offers);

    // Of a task: its configuration, such as "2y"; where there are many configurations, its number
    // of threads. Empty: of a device that has none.
    std::string of(const Offer& offer) const;

private:
    bool any_ = false;
    bool by_threads_ = false;
};

// The threads that a configuration or a team says, 2 of "2y"; 0 where it does not begin with a
// number.
int threads_of(const std::string& configuration);

// From one team to another, either may be empty: nobody's. Nothing where the device does not say.
Time handover(const Device& device, const std::string& from, const std::string& to, Bytes bytes);

}  // namespace sim
