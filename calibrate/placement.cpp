#include "calibrate/placement.hpp"

#include "calibrate/clock.hpp"
#include "calibrate/statistics.hpp"
#include "sim/index.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <thread>

namespace calibrate {
namespace {

// On two threads of a core a round trip takes a quarter of what it does between cores; within a
// placement its median stays within a fifth.
constexpr double kOther = 1.6;

double distance(double a, double b) {
    return std::abs(std::log(std::max(a, 1.0) / std::max(b, 1.0)));
}

}  // namespace

bool is_same_placement(double round_trip_ns, double reference_ns) {
    return round_trip_ns <= 0 || reference_ns <= 0 ||
           distance(round_trip_ns, reference_ns) <= std::log(kOther);
}

bool wait_for_placement(Executor& executor,
                        double reference_ns,
                        double& patience_s,
                        const std::function<bool()>& stop) {
    constexpr std::chrono::milliseconds kPause{20};
    const std::int64_t begin = now_ns();
    const double patience = patience_s;
    while (!is_same_placement(executor.round_trip_ns(), reference_ns)) {
        patience_s = patience - static_cast<double>(now_ns() - begin) * 1e-9;
        if (patience_s <= 0 || (stop && stop())) {
            return false;
        }
        std::this_thread::sleep_for(kPause);
    }
    return true;
}

int Placements::nearest(double round_trip_ns) const {
    int nearest = -1;
    double least = 0;
    for (int i = 0; i < count(); ++i) {
        const double away = distance(round_trip_ns, medians_[sim::at(i)]);
        if (nearest < 0 || away < least) {
            nearest = i;
            least = away;
        }
    }
    return nearest;
}

bool Placements::is_known(double round_trip_ns) const {
    const int one = nearest(round_trip_ns);
    return one >= 0 && is_same_placement(round_trip_ns, medians_[sim::at(one)]);
}

int Placements::of(double round_trip_ns, int most) {
    constexpr std::size_t kEnough = 300;
    if (count() == 0 || (!is_known(round_trip_ns) && count() < most)) {
        round_trips_.push_back({round_trip_ns});
        medians_.push_back(round_trip_ns);
        return count() - 1;
    }
    const int one = nearest(round_trip_ns);
    std::vector<double>& all = round_trips_[sim::at(one)];
    if (all.size() < kEnough && is_known(round_trip_ns)) {
        all.push_back(round_trip_ns);
        medians_[sim::at(one)] = quantile(all, 0.5);
    }
    return one;
}

const std::vector<double>& Placements::round_trips(int placement) const {
    return round_trips_[sim::at(placement)];
}

}  // namespace calibrate
