#include "calibrate/race.hpp"

#include "calibrate/statistics.hpp"

#include <algorithm>
#include <cstddef>
#include <map>

namespace calibrate {

double Standing::ns() const { return samples.empty() ? look : quantile(samples, 0.5); }

std::vector<Standing> race(std::span<const Runner> runners,
                           const RaceRules& rules,
                           const std::function<bool()>& stop) {
    constexpr double kNever = std::numeric_limits<double>::infinity();
    std::vector<Standing> standings(runners.size());

    // 1. A look at everyone whose group is not given up.
    double fastest = kNever;
    std::map<std::string, double> best;   // by group
    std::map<std::string, int> in_a_row;  // of a group: looks that were far behind
    for (std::size_t i = 0; i < runners.size(); ++i) {
        const Runner& runner = runners[i];
        if (stop()) {
            return standings;
        }
        if (!runner.yardstick && in_a_row[runner.group] >= rules.give_up) {
            continue;
        }
        const double ns = standings[i].look = runner.look();
        if (runner.yardstick) {
            continue;
        }
        fastest = std::min(fastest, ns);
        double& of_group = best.try_emplace(runner.group, kNever).first->second;
        of_group = std::min(of_group, ns);
        in_a_row[runner.group] = ns > rules.far * fastest ? in_a_row[runner.group] + 1 : 0;
    }

    // 2. Rounds of those that may win.
    const auto rounds_of = [&](std::size_t i) {
        const Runner& runner = runners[i];
        if (standings[i].look == kNever) {
            return 0;
        }
        if (runner.yardstick) {
            return rules.rounds;
        }
        const double of_group = best.at(runner.group);
        if (of_group > rules.far * fastest) {
            return standings[i].look == of_group ? 1 : 0;
        }
        return standings[i].look > rules.hopeless * of_group ? 0 : rules.rounds;
    };
    for (int round = 0; round < rules.rounds; ++round) {
        for (std::size_t i = 0; i < runners.size(); ++i) {
            if (round >= rounds_of(i)) {
                continue;
            }
            if (stop()) {
                return standings;
            }
            standings[i].samples.push_back(runners[i].sample());
        }
    }
    return standings;
}

}  // namespace calibrate
