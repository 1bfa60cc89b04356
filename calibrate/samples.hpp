#pragma once

// What a calibration collects: the samples of each cost, filed as a profile files costs, and when
// there are enough of them.

#include "calibrate/fit.hpp"
#include "sim/compile/problem.hpp"
#include "sim/describe/model.hpp"
#include "sim/describe/platform.hpp"

#include <compare>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace calibrate {

// A cost with fewer samples is rough: good enough to see that something else is faster.
constexpr int kFewestSure = 6;
// What cannot be in the best mapping gets these: some at first sight, some later, when the machine
// may be in another mood.
constexpr int kFewestOfOthers = 12;
// By so many samples it is seen what a kernel is about.
constexpr int kFirstLook = 1;

// When a cost is measured well enough.
struct StoppingRule {
    int fewest, most;    // samples
    double uncertainty;  // of the median

    bool done(std::vector<double> samples) const;
};

constexpr StoppingRule kFull{.fewest = 24, .most = 300, .uncertainty = 0.01};
constexpr StoppingRule kQuick{.fewest = 12, .most = 80, .uncertainty = 0.02};

// What a cost is filed under in a profile.
struct CostKey {
    int device = 0;  // of the profile
    std::string layers;
    int batch = 1;
    std::string variant, configuration, in_layout, out_layout;
    std::vector<int> results = {};  // positions in `layers`; empty: the last alone

    friend auto operator<=>(const CostKey&, const CostKey&) = default;
};

CostKey key_of(const sim::MeasuredCost& cost);
// Of a task that is no boundary.
CostKey key_of(const sim::Model& model, const sim::Problem& problem, const sim::Task& task);

// All ways to run the same layers of one batch on a device.
struct CostGroup {
    int device = 0;  // of the profile
    std::string layers;
    int batch = 1;

    friend auto operator<=>(const CostGroup&, const CostGroup&) = default;
};

CostGroup group_of(const CostKey& key);

struct Cost {
    // Nanoseconds, among tasks of the same threads: in mappings drawn at random, and in mappings
    // about as fast as the best known.
    std::vector<double> anywhere, near_best;
    std::vector<double>
        beside_others;  // where some tensor changes threads (calibrate/handovers.hpp)
    // What the profile that is continued says, and of how many samples.
    std::optional<double> before_ns;
    int before = 0;
    // Wants no more samples: it has enough, or cannot be measured (then it has none).
    bool done = false;
    FitSample features;  // time not yet known

    // What the profile says. A kernel between fast neighbours finds warmer caches than one between
    // slow ones, so where it was seen in good company, that is what a chosen mapping will meet.
    const std::vector<double>& samples(const StoppingRule& rule) const {
        const std::vector<double>& undisturbed = alone(rule);
        const bool enough = static_cast<int>(undisturbed.size()) >= kFewestSure;
        return enough || beside_others.size() < undisturbed.size() ? undisturbed : beside_others;
    }
    // Of those without a change of threads.
    const std::vector<double>& alone(const StoppingRule& rule) const {
        const bool enough = static_cast<int>(near_best.size()) >= rule.fewest;
        return enough || anywhere.empty() ? near_best : anywhere;
    }
    // Those that count: without a change of threads, but for a kernel that is never seen so.
    int count() const {
        constexpr std::size_t kOftenEnough = 48;
        const std::size_t undisturbed = anywhere.size() + near_best.size();
        return static_cast<int>(
            beside_others.size() < kOftenEnough ? undisturbed : undisturbed + beside_others.size());
    }
};

using Costs = std::map<CostKey, Cost>;

}  // namespace calibrate
