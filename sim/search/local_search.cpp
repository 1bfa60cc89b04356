#include "sim/search/local_search.hpp"

#include "sim/run/assess.hpp"
#include "sim/run/simulate.hpp"
#include "sim/search/alternatives.hpp"
#include "sim/search/criteria.hpp"
#include "sim/search/dice.hpp"
#include "sim/search/network_turns.hpp"
#include "sim/search/results.hpp"
#include "sim/search/windows.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

namespace sim::internal {
namespace {

// Temperatures as shares of the value: from where most small losses are accepted to where none is.
constexpr double kHottest = 0.03, kColdest = 0.00005;

// A violation of a limit by all of it counts as ten times the value, or as ten where that is zero.
constexpr double kPenalty = 10;

// Each may take a simulation of the whole.
constexpr std::uint64_t kPlacementsBetweenQuestions = 20'000;

}  // namespace

// ---- Appraisals. --------------------------------------------------------------------------------

Appraiser::Appraiser(const Problem& problem, const Goal& goal)
    : problem_(problem),
      goal_(goal),
      evaluator_(problem, goal.is_stream()),
      is_interacting_(is_interacting(problem)),
      reconfigures_(reconfigures(problem)) {
    const Criterion criterion = goal.minimise.front().criterion;
    if (criterion == Criterion::energy || criterion == Criterion::energy_delay) {
        (void)value_on(problem, goal.minimise.front(), {}, {});  // throws where it is unknown
    }
    if (criterion == Criterion::sum) {
        outputs_ = network_outputs(problem);
    }
    for (const Budget& budget : problem.budgets) {
        is_static_.push_back(problem.devices[at(budget.device)].reconfiguration <= Time{});
        is_limited_ = true;
    }
    expect_known_energy(problem, goal);
    is_limited_ |= !goal.limits.empty() || has_capacities(problem) || has_bonds(problem);
    is_optimistic_ = has_capacities(problem) || goal.is_stream();
}

Appraisal Appraiser::in_full(const Mapping& mapping) const {
    return of(mapping, simulated(mapping));
}

Assessment Appraiser::simulated(const Mapping& mapping) const {
    return assess(problem_, mapping, {.frames_in_flight = goal_.frames(), .is_brief = true});
}

Appraisal Appraiser::of(const Mapping& mapping, Assessment whole) const {
    if (whole.makespan >= kNever) {
        return {.violation = kInfinite, .value = kInfinite};
    }
    Appraisal appraisal{.violation = excess(goal_, whole)};
    whole.violations.clear();  // value_on knows no value of what does not fit
    appraisal.value = value_on(problem_, goal_.minimise.front(), mapping, whole);
    return appraisal;
}

std::uint64_t Appraiser::cost_in_full(const Mapping& mapping) const {
    constexpr std::uint64_t kOfOne = 12, kOfAStream = 60;  // measured roughly
    return mapping.size() * (goal_.is_stream() ? kOfAStream : kOfOne);
}

double Appraiser::violation_of(const Mapping& mapping, Time makespan) const {
    if (!is_limited_) {
        return 0;
    }
    double violation = 0;
    const auto exceed = [&](std::int64_t needed, std::int64_t limit) {
        violation += share_beyond(needed, limit);
    };
    std::vector<std::int64_t> used(problem_.budgets.size()), weights(at(problem_.memories));
    std::int64_t loss = 0;
    for (const int index : mapping) {
        const Task& task = problem_.tasks[at(index)];
        loss += task.loss;
        for (std::size_t b = 0; b < task.uses.size(); ++b) {
            const bool works = (devices_of(task) & bit(problem_.budgets[b].device)) != 0;
            const std::int64_t use = works ? task.uses[b] : 0;
            used[b] = is_static_[b] ? used[b] + use : std::max(used[b], use);
        }
        for (std::size_t m = 0; m < task.weight_bytes.size(); ++m) {
            weights[m] += task.weight_bytes[m];
        }
    }
    for (std::size_t b = 0; b < used.size(); ++b) {
        exceed(used[b], problem_.budgets[b].limit);
    }
    for (std::size_t m = 0; m < problem_.capacities.size(); ++m) {
        if (problem_.capacities[m] > 0) {
            exceed(weights[m], problem_.capacities[m]);
        }
    }
    for (const Violation& broken : broken_bonds(problem_, mapping)) {
        exceed(broken.needed, broken.limit);
    }
    if (!goal_.limits.empty()) {
        const Changes changes = changes_of(problem_, mapping);
        Assessment known;
        known.makespan = makespan;
        known.loss = loss;
        known.segments = changes.segments;
        known.switches = changes.switches;
        if (problem_.knows_energy()) {
            known.energy = Energy{evaluator_.core.energy} + problem_.at_rest * makespan;
        }
        for (const Limit& limit : goal_.limits) {
            exceed(taken(limit, known), limit.most);
        }
    }
    return violation;
}

double Appraiser::value_of(const Mapping& mapping, Time makespan, Time sum) {
    const auto energy = [&] {
        return static_cast<double>(evaluator_.core.energy +
                                   (problem_.at_rest * makespan).femtojoules);
    };
    switch (goal_.minimise.front().criterion) {
        case Criterion::latency:
            return static_cast<double>(makespan.count());
        case Criterion::sum:
            return static_cast<double>(sum.count());
        case Criterion::energy:
            return energy();
        case Criterion::energy_delay:
            return energy() * static_cast<double>(makespan.count());
        case Criterion::period: {
            Ticks busiest = 0;
            for (int r = 0; r < evaluator_.resources(); ++r) {
                busiest = std::max(busiest, evaluator_.load(r));
            }
            // Nor do more frames end than are inside in the time that one is (but for what a frame
            // finds loaded by another).
            const std::int64_t inside = std::max(1, goal_.frames_in_flight);
            const Ticks share = reconfigures_ ? 0 : (makespan.count() + inside - 1) / inside;
            return static_cast<double>(std::max(busiest, share));
        }
        case Criterion::loss: {
            std::int64_t loss = 0;
            for (const int task : mapping) {
                loss += problem_.tasks[at(task)].loss;
            }
            return static_cast<double>(loss);
        }
        case Criterion::device: {
            std::int64_t elsewhere = 0;
            for (const int task : mapping) {
                elsewhere += channels_elsewhere(
                    problem_, problem_.tasks[at(task)], goal_.minimise.front().device);
            }
            return static_cast<double>(elsewhere);
        }
    }
    return kInfinite;
}

Appraisal Appraiser::operator()(const Mapping& mapping) {
    Time makespan = evaluator_.makespan(mapping);
    if (makespan >= kNever) {
        return {.violation = kInfinite, .value = kInfinite};
    }
    std::optional<Time> sum;
    if (!outputs_.empty() && !is_interacting_) {
        sum = sum_of_latencies(problem_, outputs_, evaluator_);
    }
    if ((is_interacting_ && !goal_.is_stream()) || (!outputs_.empty() && !sum)) {
        const Schedule schedule = simulate(problem_, mapping);
        makespan = schedule.makespan;
        sum = outputs_.empty() ? Time{} : sum_of_latencies(problem_, schedule);
    }
    return {.violation = violation_of(mapping, makespan),
            .value = value_of(mapping, makespan, sum.value_or(Time{}))};
}

// ---- The search. --------------------------------------------------------------------------------

namespace {

class Annealing {
public:
    Annealing(const Problem& problem, const Goal& goal, const LocalSearchOptions& options)
        : problem_(problem),
          options_(options),
          appraise_(problem, goal),
          early_outputs_(options.reorders && goal.minimise.front().criterion == Criterion::sum
                             ? network_outputs(problem)
                             : std::vector<NetworkOutput>{}),
          dice_(options.seed),
          // Others may stand in the start, and go; they do not come.
          alternatives_(alternatives_of(problem, [&](int k) {
              return options.reorders || fits_order(problem.tasks[at(k)]);
          })) {}

    LocalSearchResult run(const Mapping& start) {
        current_ = best_ = start;
        current_.early.clear();  // they stay with the start: what is looked at from here has none
        // What is dear to know in full is asked for in the second half; before, the best of what is
        // seen cheaply is remembered.
        const bool is_dear = appraise_.is_dear();
        best_appraisal_ = appraise_.is_optimistic() ? appraise_.in_full(start) : appraise_(start);
        Mapping promising = current_;
        Appraisal promise = appraise_(current_);
        bool is_asking = !is_dear;
        double energy = energy_of(is_dear ? promise : best_appraisal_);
        const auto most = static_cast<double>(options_.most_placements);
        std::uint64_t asked = 0;
        double elapsed = 0;
        while (placed_ < options_.most_placements && elapsed < 1 && !is_least()) {
            placed_ += current_.size();
            if (placed_ >= asked + kPlacementsBetweenQuestions) {
                asked = placed_;
                elapsed = options_.elapsed ? options_.elapsed() : 0;
                if (options_.stop && options_.stop()) {
                    break;
                }
            }
            const double done = std::max(elapsed, static_cast<double>(placed_) / most);
            // 1. A neighbour.
            candidate_ = current_;
            candidate_.early.clear();
            if (!change()) {
                continue;
            }
            ++evaluated_;
            Appraisal now = appraise_(candidate_);
            if (!early_outputs_.empty()) {
                Mapping early = with_early_outputs(problem_, early_outputs_, candidate_);
                placed_ += current_.size();
                if (const Appraisal then = early.early.empty() ? now : appraise_(early);
                    then < now) {
                    now = then;
                    candidate_ = std::move(early);
                }
            }
            if (!is_asking) {
                if (now < promise) {
                    promise = now;
                    promising = candidate_;
                }
                if (2 * done >= 1) {
                    is_asking = true;
                    candidate_ = promising;
                    now = promise;
                }
            }
            if (is_asking && now < best_appraisal_ && appraise_.is_optimistic()) {
                now = appraise_.in_full(candidate_);
                placed_ += appraise_.cost_in_full(candidate_);
            }
            if (is_asking && now < best_appraisal_) {
                best_appraisal_ = now;
                best_ = candidate_;
            }
            // 2. Better, or not much worse, and less and less so.
            const double heat = kHottest * std::pow(kColdest / kHottest, done);
            const double next = energy_of(now);
            if (next <= energy ||
                (next < kInfinite &&
                 dice_.share() < std::exp((energy - next) / (heat * std::max(energy, 1.0))))) {
                std::swap(current_, candidate_);
                energy = next;
            }
        }
        return {.mapping = std::move(best_),
                .appraisal = best_appraisal_,
                .evaluated = evaluated_,
                .placed = placed_};
    }

private:
    bool is_least() const {
        return best_appraisal_.violation == 0 && best_appraisal_.value <= options_.least;
    }

    static double energy_of(const Appraisal& appraisal) {
        return appraisal.value + kPenalty * appraisal.violation * std::max(appraisal.value, 1.0);
    }

    int size() const { return static_cast<int>(candidate_.size()); }
    const Task& task_at(int place) const { return problem_.tasks[at(candidate_[at(place)])]; }

    bool change() {
        const double kind = dice_.share();
        if (kind < 0.40) {
            return swap_one();
        }
        if (kind < 0.60) {
            return move_run_to_a_device();
        }
        if (kind < 0.75) {
            return dice_.below(2) == 0 ? fuse() : split();
        }
        return options_.reorders ? move_in_order() : swap_one();
    }

    // Another implementation of the same layers.
    bool swap_one() {
        const int place = dice_.below(size());
        const int task = candidate_[at(place)];
        const std::vector<int>& others =
            alternatives_.members[at(alternatives_.group_of[at(task)])];
        if (others.size() < 2) {
            return false;
        }
        const int other = others[dice_.below(others.size())];
        candidate_[at(place)] = other;
        return other != task;
    }

    // A few tasks in a row, each to its fastest implementation on one device.
    bool move_run_to_a_device() {
        const int device = dice_.below(problem_.device_count());
        const int length = 2 + dice_.below(5);
        const int begin = dice_.below(size());
        bool any = false;
        for (int i = begin; i < std::min(size(), begin + length); ++i) {
            int best = -1;
            const int group = alternatives_.group_of[at(candidate_[at(i)])];
            for (const int other : alternatives_.members[at(group)]) {
                const Task& task = problem_.tasks[at(other)];
                if (task.device == device && task.parts.empty() &&
                    (best < 0 || task.cost < problem_.tasks[at(best)].cost)) {
                    best = other;
                }
            }
            if (best >= 0 && best != candidate_[at(i)]) {
                candidate_[at(i)] = best;
                any = true;
            }
        }
        return any;
    }

    // Where the task of these inputs and results may stand: after what it reads, before its
    // readers. `skips`: tasks at these places do not count.
    std::pair<int, int> window(const Task& task, const std::vector<char>& skips) const {
        int low = 0, high = size();
        const std::vector<int> covered = layers_of(task);
        const auto is_covered = [&](int layer) {
            return std::ranges::binary_search(covered, layer);
        };
        for (int i = 0; i < size(); ++i) {
            if (skips[at(i)]) {
                continue;
            }
            const Task& other = task_at(i);
            for_each_result(other, [&](const TaskResult& result) {
                for (const TaskInput& input : task.inputs) {
                    if (input.tensor == result.tensor) {
                        low = std::max(low, i + 1);
                    }
                }
            });
            for (const TaskInput& input : other.inputs) {
                if (is_covered(input.tensor)) {
                    high = std::min(high, i);
                }
            }
        }
        return {low, high};
    }

    // Several tasks become one that covers their layers.
    bool fuse() {
        const int layer = dice_.below(problem_.layers());
        const std::vector<int>& fused = alternatives_.fusing[at(layer)];
        if (fused.empty()) {
            return false;
        }
        const int index = fused[dice_.below(fused.size())];
        const Task& task = problem_.tasks[at(index)];
        const std::vector<int> covered = layers_of(task);
        std::vector<char> goes(candidate_.size(), 0);
        std::size_t layers = 0;
        for (int i = 0; i < size(); ++i) {
            const std::vector<int> of_task = layers_of(task_at(i));
            const auto shared = std::ranges::count_if(
                of_task, [&](int one) { return std::ranges::binary_search(covered, one); });
            if (shared == 0) {
                continue;
            }
            if (shared != static_cast<std::ptrdiff_t>(of_task.size())) {
                return false;
            }
            goes[at(i)] = 1;
            layers += of_task.size();
        }
        const auto [low, high] = window(task, goes);
        if (layers != covered.size() || low > high) {
            return false;
        }
        const int first = static_cast<int>(std::ranges::find(goes, 1) - goes.begin());
        const int place =
            options_.reorders ? low + dice_.below(high - low + 1) : std::clamp(first, low, high);
        std::vector<int> tasks;
        for (int i = 0; i <= size(); ++i) {
            if (i == place) {
                tasks.push_back(index);
            }
            if (i < size() && !goes[at(i)]) {
                tasks.push_back(candidate_[at(i)]);
            }
        }
        candidate_.tasks = std::move(tasks);
        return is_in_order();
    }

    // One task that covers several layers becomes one for each of them.
    bool split() {
        const int place = dice_.below(size());
        const Task& task = task_at(place);
        if (task.rest.empty()) {
            return false;
        }
        const std::vector<int> singles = alternatives_.one_by_one(layers_of(task), dice_);
        if (singles.empty()) {
            return false;
        }
        candidate_.tasks.erase(candidate_.begin() + place);
        candidate_.tasks.insert(candidate_.begin() + place, singles.begin(), singles.end());
        return is_in_order();
    }

    // One task to another place between what it reads and its readers.
    bool move_in_order() {
        const int from = dice_.below(size());
        std::vector<char> skips(candidate_.size(), 0);
        skips[at(from)] = 1;
        auto [low, high] = window(task_at(from), skips);
        // The inputs' tasks stay first, the outputs' last.
        low = std::max(low, problem_.model_inputs);
        high = std::min(high, size() - problem_.model_ends);
        if (is_boundary(problem_, task_at(from)) || high - low < 2) {
            return false;
        }
        const int to = low + dice_.below(high - low);
        const int task = candidate_[at(from)];
        candidate_.tasks.erase(candidate_.begin() + from);
        candidate_.tasks.insert(candidate_.begin() + (to > from ? to - 1 : to), task);
        return to != from && to != from + 1;
    }

    // In the static order, where only that is asked for.
    bool is_in_order() const {
        if (options_.reorders) {
            return true;
        }
        return std::ranges::is_sorted(
            candidate_.tasks, {}, [&](int task) { return problem_.tasks[at(task)].first; });
    }

    const Problem& problem_;
    const LocalSearchOptions& options_;
    Appraiser appraise_;
    const std::vector<NetworkOutput> early_outputs_;  // brought early where that is better
    Dice dice_;
    const Alternatives alternatives_;
    Mapping current_, candidate_, best_;
    Appraisal best_appraisal_;
    std::uint64_t placed_ = 0, evaluated_ = 0;
};

}  // namespace

LocalSearchResult local_search(const Problem& problem,
                               const Goal& goal,
                               const Mapping& start,
                               const LocalSearchOptions& options) {
    return options.reorders && can_search_windows(problem, goal)
               ? search_windows(problem, start, options)
               : Annealing(problem, goal, options).run(start);
}

std::vector<int> layer_order(const Problem& problem, const Mapping& mapping) {
    std::vector<int> order;
    for (const int task : mapping) {
        for (const int layer : layers_of(problem.tasks[at(task)])) {
            order.push_back(layer);
        }
    }
    return order;
}

}  // namespace sim::internal
