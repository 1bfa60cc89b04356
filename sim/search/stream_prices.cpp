#include "sim/search/stream_prices.hpp"

#include "sim/search/criteria.hpp"
#include "sim/search/layered.hpp"
#include "sim/search/prices.hpp"
#include "sim/search/results.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

namespace sim::internal {
namespace {

// Of every search for the fastest mapping at some prices, and of all of them together.
constexpr std::size_t kStreamWidth = 16;
constexpr std::uint64_t kMostStreamNodes = 600'000;
constexpr int kPriceRounds = 90;

constexpr std::size_t kMostMappings = 6;

// The latency keeps this share of the average at least, so that other prices stay numbers.
constexpr double kLeastShareOfLatency = 0.04;

// What tasks add to an average.
class Averages {
public:
    Averages(const Problem& problem, const Goal& goal)
        : problem_(problem), criteria_(problem, goal), limits_(criteria_.limits()) {
        // Work by resource; what the dispatcher does for asynchronous devices is its work.
        for (const Task& task : problem.tasks) {
            std::vector<double>& work = work_.emplace_back(at(problem.device_count()), 0.0);
            for_each_bit(resources_of(problem, task),
                         [&](int r) { work[at(r)] += static_cast<double>(task.cost.count()); });
            for_each_bit(devices_of(task), [&](int d) {
                const ProblemDevice& device = problem.devices[at(d)];
                work[0] += device.asynchronous ? static_cast<double>(device.per_task.count()) : 0;
            });
        }
        weight_.assign(at(problem.device_count()), 0.0);
        const Bits all = all_resources(problem);
        for_each_bit(all, [&](int r) { weight_[at(r)] = 1; });
        of_latency_ = 1;
        of_limits_.assign(limits_.size(), 0.0);
        level();
    }

    // Weights add up to one; the latency has some.
    void level() {
        double sum = of_latency_;
        for (const double one : weight_) {
            sum += one;
        }
        of_latency_ = std::max(of_latency_ / sum, kLeastShareOfLatency);
        double rest = 0;
        for (const double one : weight_) {
            rest += one;
        }
        for (double& one : weight_) {
            one *= rest > 0 ? (1 - of_latency_) / rest : 0;
        }
    }

    // Tasks pay in the latency's time.
    Problem priced(int frames) const {
        return paying(problem_, [&](std::size_t task) {
            double pays = 0;
            for (std::size_t r = 0; r < weight_.size(); ++r) {
                pays += weight_[r] * work_[task][r];
            }
            for (std::size_t i = 0; i < limits_.size(); ++i) {
                pays += of_limits_[i] * share(i, task);
            }
            return pays * frames / of_latency_;
        });
    }

    // Of the priced problem's bound on the latency; rounded down.
    double bound(Ticks latency, int frames) const {
        double value = static_cast<double>(latency) * of_latency_ / frames;
        for (const double price : of_limits_) {
            value -= price;
        }
        return value * (1 - 1e-9) - 1;
    }

    struct Parts {
        std::vector<double> work;    // by resource
        double latency = 0;          // its share
        std::vector<double> excess;  // by limit, as a share of it

        double worst() const {  // what is beyond limits makes it worse, as in the local searches
            double beyond = 0;
            for (const double one : excess) {
                beyond += std::max(one, 0.0);
            }
            return std::max(latency, *std::ranges::max_element(work)) * (1 + 10 * beyond);
        }
    };
    Parts parts(const Mapping& mapping, int frames) const {
        Parts parts{.work = std::vector<double>(weight_.size(), 0.0),
                    .latency = static_cast<double>(makespan(problem_, mapping).count()) / frames,
                    .excess = std::vector<double>(limits_.size(), -1.0)};
        for (const int task : mapping) {
            for (std::size_t r = 0; r < weight_.size(); ++r) {
                parts.work[r] += work_[at(task)][r];
            }
            for (std::size_t i = 0; i < limits_.size(); ++i) {
                parts.excess[i] += share(i, at(task));
            }
        }
        return parts;
    }

    // More for what is above the average, less for what is below.
    void follow(const Parts& parts, double pace) {
        double mean = of_latency_ * parts.latency;
        for (std::size_t r = 0; r < weight_.size(); ++r) {
            mean += weight_[r] * parts.work[r];
        }
        if (mean <= 0) {
            return;
        }
        const auto factor = [&](double value) {
            return std::exp(pace * std::clamp(value / mean - 1, -1.0, 2.0));
        };
        for (std::size_t r = 0; r < weight_.size(); ++r) {
            weight_[r] *= factor(parts.work[r]);
        }
        of_latency_ *= factor(parts.latency);
        level();
        for (std::size_t i = 0; i < limits_.size(); ++i) {
            of_limits_[i] = std::max(0.0, of_limits_[i] + pace * mean * parts.excess[i]);
        }
    }

private:
    double share(std::size_t limit, std::size_t task) const {
        return static_cast<double>((*limits_[limit].of_task)[task]) /
               std::max(1.0, static_cast<double>(limits_[limit].most));
    }

    const Problem& problem_;
    const Criteria criteria_;
    const std::vector<Criteria::SumLimit> limits_;
    std::vector<std::vector<double>> work_;  // by task and resource
    std::vector<double> weight_;             // by resource
    std::vector<double> of_limits_;          // by limit: picoseconds for all of it
    double of_latency_ = 0;
};

}  // namespace

StreamPrices price_stream(const Problem& problem, const SearchOptions& options) {
    StreamPrices best;
    const Restricted few = restricted(problem, Criteria(problem, options.goal).undominated());
    const int frames = std::max(1, options.goal.frames_in_flight);
    SearchOptions quietly = options;
    quietly.progress = {};
    quietly.threads = 1;
    Averages averages(few.problem, options.goal);
    std::vector<std::pair<double, Mapping>> found;
    for (int round = 0; round < kPriceRounds && best.nodes < kMostStreamNodes; ++round) {
        if (options.stop && options.stop()) {
            break;
        }
        const Problem priced = averages.priced(frames);
        const Incumbent fastest = Layered(priced, {}, quietly).pass(kStreamWidth, {});
        best.nodes += fastest.nodes;
        if (fastest.mapping.empty()) {
            break;
        }
        if (!fastest.stopped) {
            best.bound =
                std::max(best.bound, static_cast<Ticks>(averages.bound(fastest.bound, frames)));
        }
        const Averages::Parts parts = averages.parts(fastest.mapping, frames);
        const Mapping mapping = few.in_original(fastest.mapping);
        if (std::ranges::find(found, mapping, &std::pair<double, Mapping>::second) == found.end()) {
            found.emplace_back(parts.worst(), mapping);
        }
        averages.follow(parts, 1.0 / (1.5 + 0.15 * round));
    }
    std::ranges::stable_sort(found, {}, &std::pair<double, Mapping>::first);
    for (std::size_t i = 0; i < std::min(found.size(), kMostMappings); ++i) {
        best.mappings.push_back(std::move(found[i].second));
    }
    return best;
}

}  // namespace sim::internal
