#pragma once

// What is worth samples: ways to run layers of a network that may be in a mapping near its best.

#include <span>
#include <vector>

namespace calibrate {

// One task, or kernel, and what it takes, in any unit: by all that is known, and at the least.
struct Way {
    std::vector<int> layers;
    double takes = 0, least = 0;
};

// By way: whether no mapping within 20 % of the best has it. A mapping with such a way becomes
// faster by more than that where its layers are run otherwise, by one way or each by one of its
// own. `best`: what the best mapping takes. `least` of a way is held against what the others take:
// whatever holds a machine up makes a kernel look slower, never faster.
std::vector<bool> unpromising_ways(std::span<const Way> ways, double best);

}  // namespace calibrate
