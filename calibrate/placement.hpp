#pragma once

// Where the host's threads sit: on cores of their own, on two threads of one core, on cores that
// share a cache or do not. On a machine of one's own that stays; a hypervisor moves the processors
// of a virtual machine now and then, and with them changes what layers on several threads take, by
// half or more. It is seen from the threads' round trip: how long it takes until all of them,
// awake, have done nothing.
//
// Times are only comparable within one placement. Start at `is_same_placement`.

#include "calibrate/executor.hpp"

#include <functional>
#include <vector>

namespace calibrate {

// Round trips in nanoseconds; 0: there is one thread, which is always where it is.
bool is_same_placement(double round_trip_ns, double reference_ns);

// Waits, `patience_s` at most, until the threads sit as they did when their round trip was
// `reference_ns`. False if they do not. `patience_s` is what is left of it then.
bool wait_for_placement(Executor& executor,
                        double reference_ns,
                        double& patience_s,
                        const std::function<bool()>& stop);

// The placements that were seen, numbered as they came.
class Placements {
public:
    // The one of this round trip: a new one if it is like none before, but no more than `most`;
    // then the nearest.
    int of(double round_trip_ns, int most);
    // A round trip is like it.
    bool is_known(double round_trip_ns) const;
    int count() const { return static_cast<int>(round_trips_.size()); }
    // All that were taken for that one, the first few hundred.
    const std::vector<double>& round_trips(int placement) const;

private:
    int nearest(double round_trip_ns) const;

    std::vector<std::vector<double>> round_trips_;
    std::vector<double> medians_;  // of these
};

}  // namespace calibrate
