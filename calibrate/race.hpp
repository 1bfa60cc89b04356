#pragma once

// Who is fastest, among many ways to do the same work of which some take a thousand times as long
// as others: a benchmark that measured all of them alike would spend its time on those that cannot
// win. Groups (kernel variants) compete with each other, and within a group its configurations;
// wanted is the time of the best of each group. It knows no device and reads no clock.
//
// 1. A look at everyone, in order: one run. A group is given up when `give_up` of it in a row took
//    `far` times as long as the fastest of all so far: put the promising ones first.
// 2. Rounds, all in turn: whoever took `hopeless` times as long as the fastest of its group is out,
//    and of a group that is `far` behind, its best runs one round.

#include <functional>
#include <limits>
#include <span>
#include <string>
#include <vector>

namespace calibrate {

struct Runner {
    std::string group;
    std::function<double()> look;    // one run, ns; whatever preparing it needs happens here
    std::function<double()> sample;  // a measurement, ns
    bool yardstick = false;          // takes part in every round, and is compared with nobody
};

struct RaceRules {
    int rounds = 7;
    double hopeless = 3;
    double far = 30;
    int give_up = 2;
};

struct Standing {
    double look = std::numeric_limits<double>::infinity();  // ns; infinity: nobody looked
    std::vector<double> samples;                            // ns
    double ns() const;  // the median of the samples; without one what the look said
};

// In the order of `runners`. `stop` is asked before every run: true ends the race with what is
// known.
std::vector<Standing> race(std::span<const Runner> runners,
                           const RaceRules& rules,
                           const std::function<bool()>& stop);

}  // namespace calibrate
