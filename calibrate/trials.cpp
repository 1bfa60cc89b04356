#include "calibrate/trials.hpp"

#include "calibrate/clock.hpp"
#include "calibrate/placement.hpp"
#include "sim/error.hpp"
#include "sim/run/simulate.hpp"
#include "sim/search/search.hpp"

#include <cstdint>

namespace calibrate {

std::vector<double> time_trials(Executor& executor,
                                const sim::Problem& problem,
                                double round_trip_ns,
                                double& patience_s,
                                const std::function<bool()>& stop) {
    constexpr int kTrials = 60, kFewest = 20;
    constexpr std::int64_t kEnough = 5'000'000'000;  // ns
    const std::int64_t begin = now_ns();
    std::vector<double> ratios;
    for (int trial = 1; trial <= kTrials; ++trial) {
        if ((trial > kFewest && now_ns() - begin > kEnough) || (stop && stop())) {
            break;
        }
        const sim::Mapping mapping =
            sim::random_mapping(problem, static_cast<std::uint64_t>(trial));
        if (mapping.empty()) {
            continue;
        }
        const double predicted = 1000 * sim::microseconds(sim::simulate(problem, mapping).makespan);
        try {
            const Executor::Recording recording = executor.prepare(mapping);
            if (!wait_for_placement(executor, round_trip_ns, patience_s, stop)) {
                break;
            }
            executor.run(recording);
            const std::int64_t from = now_ns();
            for (int run = 0; run < kRecordedRuns; ++run) {
                executor.run(recording);
            }
            const double took = static_cast<double>(now_ns() - from) / kRecordedRuns;
            if (predicted > 0) {
                ratios.push_back(took / predicted);
            }
        } catch (const sim::InputError&) {
            continue;
        }
    }
    return ratios;
}

}  // namespace calibrate
