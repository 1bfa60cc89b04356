#include "calibrate/trials.hpp"

#include "calibrate/assemble.hpp"
#include "calibrate/clock.hpp"
#include "calibrate/placement.hpp"
#include "calibrate/statistics.hpp"
#include "sim/error.hpp"
#include "sim/search/search.hpp"

#include <algorithm>
#include <cstdint>
#include <random>
#include <set>
#include <utility>

namespace calibrate {
namespace {

constexpr int kRuns = 3;  // for the record, after one to warm up

// Nanoseconds; the median, as one of them may be held up.
double time_of(Executor& executor, const Executor::Recording& recording) {
    executor.run(recording);
    std::vector<double> ns;
    for (int run = 0; run < kRuns; ++run) {
        const std::int64_t begin = now_ns();
        executor.run(recording);
        ns.push_back(static_cast<double>(now_ns() - begin));
    }
    return quantile(std::move(ns), 0.5);
}

// Its tasks, but for some.
sim::Mapping near(const sim::Problem& problem, const std::set<int>& best, std::mt19937_64& random) {
    constexpr unsigned kOneIn = 4;
    return assemble(problem, [&](int t) {
        return std::pair{!best.contains(t) || random() % kOneIn == 0, random()};
    });
}

}  // namespace

std::vector<Trial> run_trials(Executor& executor,
                              const sim::Problem& problem,
                              double round_trip_ns,
                              double& patience_s,
                              const std::function<bool()>& stop) {
    constexpr int kTrials = 60, kFewest = 20;
    constexpr std::int64_t kEnough = 5'000'000'000, kSearch = 1'000'000'000;  // ns
    const std::int64_t begin = now_ns();
    sim::SearchOptions options;
    options.stop = [&] { return now_ns() - begin > kSearch || (stop && stop()); };
    const sim::Mapping found = sim::branch_and_bound(problem, options).mapping;
    const std::set<int> best(found.begin(), found.end());
    std::mt19937_64 random{1};
    std::vector<Trial> trials;
    for (int i = 1; i <= kTrials; ++i) {
        if ((i > kFewest && now_ns() - begin > kEnough) || (stop && stop())) {
            break;
        }
        sim::Mapping mapping = i % 2 == 0
                                   ? near(problem, best, random)
                                   : sim::random_mapping(problem, static_cast<std::uint64_t>(i));
        if (mapping.empty()) {
            continue;
        }
        try {
            const Executor::Recording recording = executor.prepare(mapping);
            if (!wait_for_placement(executor, round_trip_ns, patience_s, stop)) {
                break;
            }
            const double ns = time_of(executor, recording);
            trials.push_back({std::move(mapping), ns});
        } catch (const sim::InputError&) {
            continue;
        }
    }
    return trials;
}

}  // namespace calibrate
