#include "sim/search/certificate.hpp"

#include "sim/index.hpp"
#include "sim/run/assess.hpp"
#include "sim/run/evaluator.hpp"
#include "sim/search/bounds.hpp"
#include "sim/search/criteria.hpp"
#include "sim/search/mixes.hpp"
#include "sim/search/order_free_bounds.hpp"
#include "sim/search/results.hpp"

#include <algorithm>
#include <cstdint>
#include <utility>

namespace sim {

using namespace internal;

namespace {

// By layer: its tasks in the order of a certificate, each with those that dominate it and that
// nothing dominates.
struct Choice {
    int task = -1;
    std::vector<int> dominating;
};

bool dominates(const Problem& problem, int better, int worse) {
    const Task &a = problem.tasks[at(better)], &b = problem.tasks[at(worse)];
    if (better == worse || a.first != b.first || a.rest != b.rest || a.device != b.device ||
        a.out_layout != b.out_layout || a.inner != b.inner || a.inputs != b.inputs ||
        a.cost > b.cost) {
        return false;
    }
    const auto needs_no_more = [](std::int64_t one, std::int64_t other) { return one <= other; };
    return (a.cost < b.cost || better < worse) &&
           std::ranges::equal(a.uses, b.uses, needs_no_more) &&
           (!has_capacities(problem) ||
            std::ranges::equal(a.weight_bytes, b.weight_bytes, needs_no_more));
}

std::vector<std::vector<Choice>> choices(const Problem& problem) {
    std::vector<std::vector<Choice>> found;
    for (const std::vector<int>& tasks : problem.starting) {
        std::vector<Choice> first, second;
        for (const int k : tasks) {
            Choice choice{.task = k, .dominating = {}};
            std::ranges::copy_if(tasks, std::back_inserter(choice.dominating), [&](int other) {
                return dominates(problem, other, k);
            });
            (choice.dominating.empty() ? first : second).push_back(std::move(choice));
        }
        for (Choice& choice : second) {
            std::erase_if(choice.dominating, [&](int k) {
                return std::ranges::find(first, k, &Choice::task) == first.end();
            });
        }
        std::ranges::move(second, std::back_inserter(first));
        found.push_back(std::move(first));
    }
    return found;
}

class Climb {
public:
    Climb(const Problem& problem,
          const Claim& claim,
          std::size_t most,
          const std::function<bool()>& stop)
        : problem_(problem),
          claim_(claim),
          most_(most),
          stop_(stop),
          is_exact_(!claim.goal.is_stream() && !is_coupled(problem)),
          choices_(choices(problem)),
          criteria_(problem, claim.goal),
          evaluator_(problem),
          bounds_(problem, {.load = false, .modules = false}),
          scratch_(bounds_.scratch()) {
        sums_.emplace_back(criteria_.sums(), 0);
    }

    std::optional<std::vector<Mapping>> run() {
        if (climb() == Closed::no) {
            return std::nullopt;
        }
        return std::move(beginnings_);
    }

private:
    // What shows that no mapping with the beginning at hand is better.
    enum class Closed { no, by_bounds, by_simulation };

    // Of a beginning that is left open: the layer that comes next, and what was tried of it.
    struct Level {
        int layer = 0;
        std::size_t next = 0;          // of the layer's choices
        std::vector<int> closed = {};  // by bounds
        Closed all = Closed::by_bounds;
    };

    // Depth first. A stack of its own: models have thousands of layers.
    Closed climb() {
        std::vector<Level> levels;
        int layer = 0;
        std::optional<Closed> how = look(layer);
        for (;;) {
            if (!how) {
                levels.push_back({.layer = layer});
            } else if (*how == Closed::no || levels.empty()) {
                return *how;
            } else {
                Level& level = levels.back();
                if (*how == Closed::by_bounds) {
                    level.closed.push_back(path_.back());
                } else {
                    level.all = *how;
                }
                take_back();
            }
            Level& level = levels.back();
            if (const int task = next_task(level); task >= 0) {
                place(task);
                layer = evaluator_.next_layer(level.layer + 1);
                how = look(layer);
            } else {
                how = level.all;
                levels.pop_back();
            }
        }
    }

    // What shows it at once; nothing where what comes next must be tried.
    std::optional<Closed> look(int layer) {
        if (++visited_ % kVisitsBetweenStops == 0 && stop_ && stop_()) {
            return Closed::no;
        }
        if (layer == problem_.layers()) {
            return is_better() ? Closed::no : Closed::by_simulation;
        }
        if (is_excluded(layer)) {
            beginnings_.push_back(path_);
            return beginnings_.size() <= most_ ? Closed::by_bounds : Closed::no;
        }
        return std::nullopt;
    }

    // -1: there is none left.
    int next_task(Level& level) const {
        const auto& choices = choices_[at(level.layer)];
        const auto is_closed = [&](int other) {
            return is_exact_ || std::ranges::find(level.closed, other) != level.closed.end();
        };
        while (level.next < choices.size()) {
            const Choice& choice = choices[level.next++];
            if (!overlaps(problem_.tasks[at(choice.task)], evaluator_) &&
                !std::ranges::any_of(choice.dominating, is_closed)) {
                return choice.task;
            }
        }
        return -1;
    }

    void place(int task) {
        Criteria::Sums sums = sums_.back();
        criteria_.add(sums, evaluator_, task);
        sums_.push_back(std::move(sums));
        evaluator_.push(task);
        path_.push_back(task);
    }
    void take_back() {
        path_.pop_back();
        evaluator_.pop();
        sums_.pop_back();
    }

    bool is_excluded(int layer) {
        if (!evaluator_.core.possible || !criteria_.fit(sums_.back(), evaluator_, layer)) {
            return true;
        }
        const Ticks frames = std::max(1, claim_.goal.frames());
        if (bounds_(evaluator_, layer, kNeverTicks, scratch_) > (claim_.value - 1) * frames) {
            return true;
        }
        double period = 0;
        criteria_.bounds(0, sums_.back(), evaluator_, layer, &period);
        return claim_.goal.is_stream() && period >= static_cast<double>(claim_.value);
    }

    // The complete mapping.
    bool is_better() const {
        if (!evaluator_.core.possible ||
            !criteria_.fit(sums_.back(), evaluator_, problem_.layers())) {
            return false;
        }
        if (is_exact_) {
            return evaluator_.core.dispatcher < claim_.value;
        }
        const Assessment whole =
            assess(problem_, path_, {.frames_in_flight = claim_.goal.frames()});
        return value_on(problem_, claim_.goal.minimise.front(), path_, whole) <
               static_cast<double>(claim_.value);
    }

    static constexpr std::uint64_t kVisitsBetweenStops = 256;

    const Problem& problem_;
    const Claim& claim_;
    const std::size_t most_;
    const std::function<bool()>& stop_;
    const bool is_exact_;
    const std::vector<std::vector<Choice>> choices_;
    std::uint64_t visited_ = 0;
    Criteria criteria_;
    Evaluator evaluator_;
    Bounds bounds_;
    Bounds::Scratch scratch_;
    Mapping path_;
    std::vector<Criteria::Sums> sums_;
    std::vector<Mapping> beginnings_;
};

// As the bounds of the period weigh the work: sets of resources, and each engine by itself.
std::vector<std::vector<std::int64_t>> weightings(const Problem& problem) {
    const std::vector<std::int64_t> none(at(problem.device_count() + problem.engines), 0);
    std::vector<std::vector<std::int64_t>> found;
    for (const Bits some : resource_sets(problem)) {
        found.push_back(none);
        for_each_bit(some, [&](int r) { found.back()[at(r)] = 1; });
    }
    for (int engine = 0; engine < problem.engines; ++engine) {
        found.push_back(none);
        found.back()[at(problem.device_count() + engine)] = 1;
    }
    return found;
}

}  // namespace

std::optional<Certificate> certificate(const Problem& problem,
                                       const Claim& claim,
                                       std::span<const int> order,
                                       std::size_t most,
                                       const std::function<bool()>& stop) {
    const Problem there = reordered(problem, order);
    std::optional<std::vector<Mapping>> beginnings = Climb(there, claim, most, stop).run();
    if (!beginnings) {
        return std::nullopt;
    }
    Certificate found{.in_any_order = has_one_order(problem),
                      .order = {order.begin(), order.end()},
                      .weightings = {},
                      .beginnings = std::move(*beginnings)};
    if (claim.goal.is_stream()) {
        found.weightings = weightings(problem);
    }
    return found;
}

std::optional<Certificate> certificate_for_any_order(const Problem& problem, const Claim& claim) {
    Certificate found{.in_any_order = true, .order = {}, .weightings = {}, .beginnings = {{}}};
    for (int layer = 0; layer < problem.layers(); ++layer) {
        found.order.push_back(layer);
    }
    const Ticks frames = std::max(1, claim.goal.frames());
    if (longest_path_bound(problem).count() > (claim.value - 1) * frames) {
        return found;
    }
    SharedWork work = shared_work(problem);
    const bool is_rounded = !claim.goal.is_stream() && !is_interacting(problem);
    const Ticks unit = is_rounded ? common_unit(problem) : 1;
    if (rounded_up(work.bound.count(), unit) < claim.value) {
        return std::nullopt;
    }
    work.weight.resize(at(problem.device_count() + problem.engines), 0);
    found.weightings.push_back(std::move(work.weight));
    return found;
}

std::string uncertifiable(const Problem& problem, const Goal& goal) {
    const Criterion criterion = goal.minimise.front().criterion;
    if (goal.minimise.size() > 1 || !goal.prefer.empty() || !goal.limits.empty() ||
        (criterion != Criterion::latency && criterion != Criterion::period)) {
        return "certificates are of the least latency or the highest throughput, among all "
               "mappings";
    }
    if (has_bonds(problem)) {
        return "certificates are for all mappings, not for those that keep to constraints";
    }
    const bool divides =
        std::ranges::any_of(problem.tasks, [](const Task& task) { return !task.parts.empty(); });
    const bool synchronises =
        std::ranges::any_of(problem.synchronise, [](Time time) { return time > Time{}; });
    if (divides || reconfigures(problem) || synchronises) {
        return "certificates are for problems without divided layers, reconfiguration and "
               "synchronisation";
    }
    return {};
}

}  // namespace sim
