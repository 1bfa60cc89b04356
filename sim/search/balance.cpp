#include "sim/search/balance.hpp"

#include "sim/run/assess.hpp"
#include "sim/run/evaluator.hpp"
#include "sim/search/alternatives.hpp"
#include "sim/search/criteria.hpp"
#include "sim/search/dice.hpp"
#include "sim/search/loads.hpp"
#include "sim/search/order_free_bounds.hpp"
#include "sim/search/results.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <unordered_set>
#include <utility>

namespace sim::internal {
namespace {

// Temperatures as shares of the value, as in local_search.cpp.
constexpr double kHottestBalance = 0.02, kColdestBalance = 0.0001;

// Of all resources together, beside the busiest one: of two mappings with the same busiest one the
// one that leaves more room is better.
constexpr double kOfTheMean = 0.05;

constexpr double kPenaltyOfALimit = 10;  // of a limit exceeded by all of it

// What an exchange of a task costs, in placements of one.
constexpr std::uint64_t kExchange = 16;

constexpr std::uint64_t kBalancedBetweenQuestions = 200'000;

// While loads decide, all the work is at least so many times the simulation of streams. Of a chain
// loads and latency say more of the period, so that more of what they say is worth a simulation.
constexpr std::uint64_t kBetweenStreams = 4, kBetweenStreamsOfAChain = 2;

// Of the room for tensors, the share that the latest mapping decides; and by how much less it is
// whenever no mapping is tried because of it, so that it does not stay too large for all.
constexpr double kNewInRoom = 0.1, kForgotten = 0.0001;

// The share of the work after which the stream itself decides what is better.
constexpr double kByLoads = 0.5;

class Balancing {
public:
    Balancing(const Problem& problem, const Goal& goal, const LocalSearchOptions& options)
        : problem_(problem),
          goal_(goal),
          options_(options),
          appraiser_(problem, goal),
          loads_(problem),
          evaluator_(problem),
          reconfigures_(reconfigures(problem)),
          between_streams_(has_one_order(problem) ? kBetweenStreamsOfAChain : kBetweenStreams),
          dice_(options.seed),
          alternatives_(fitting_alternatives()) {
        find_devices();
        find_limits();
    }

    LocalSearchResult run(const Mapping& start) {
        best_ = start;
        best_.early.clear();
        best_appraisal_ = appraiser_.in_full(best_);
        begin_with(best_);
        const auto most = static_cast<double>(options_.most_placements);
        std::uint64_t asked = 0;
        double elapsed = 0;
        while (placed_ < options_.most_placements && elapsed < 1) {
            if (placed_ >= asked + kBalancedBetweenQuestions) {
                asked = placed_;
                elapsed = options_.elapsed ? options_.elapsed() : 0;
                if (options_.stop && options_.stop()) {
                    break;
                }
            }
            const double done = std::max(elapsed, static_cast<double>(placed_) / most);
            if (!by_stream_ && done >= kByLoads) {
                by_stream_ = true;
                begin_with(best_);
            }
            const double part = by_stream_ ? (done - kByLoads) / (1 - kByLoads) : done / kByLoads;
            const double heat = (by_stream_ ? kHottestBalance / 4 : kHottestBalance) *
                                std::pow(kColdestBalance / kHottestBalance, part);
            step(heat);
        }
        return {.mapping = std::move(best_), .appraisal = best_appraisal_, .evaluated = evaluated_};
    }

private:
    // ---- How good it is. ----

    // Nothing better than this: of loads alone, or of the latency too.
    struct Value {
        double value = 0;
        double beside = 0;  // what little the other resources count
    };

    double violation() const {
        double violation = 0;
        for (std::size_t i = 0; i < limits_.size(); ++i) {
            violation += share_beyond(used_[i], limits_[i]);
        }
        return violation;
    }

    Value by_loads() const {
        if (!loads_.is_possible()) {
            return {kInfinite, 0};
        }
        Ticks busiest = 0, all = 0;
        for (const Ticks load : loads_.loads()) {
            busiest = std::max(busiest, load);
            all += load;
        }
        return {static_cast<double>(busiest),
                kOfTheMean * static_cast<double>(all) / static_cast<double>(loads_.loads().size())};
    }

    double energy(const Value& value) const {
        return (value.value + value.beside) * (1 + kPenaltyOfALimit * violation());
    }

    // No more frames end than are inside in the time that one is.
    double share_of_latency(const Mapping& mapping) {
        if (reconfigures_) {
            return 0;
        }
        const std::int64_t inside = std::max(1, goal_.frames_in_flight);
        const Time makespan = evaluator_.makespan(mapping);
        placed_ += mapping.size();
        const Ticks share = (makespan.count() + inside - 1) / inside;
        return makespan >= kNever ? kInfinite : static_cast<double>(share);
    }

    // ---- One change. ----

    void step(double heat) {
        gone_.clear();
        come_.clear();
        if (!change()) {
            ++placed_;
            return;
        }
        ++evaluated_;
        exchange();
        const double most = energy_ - heat * energy_ * std::log(1 - dice_.share());
        Value now = by_loads();
        if (energy(now) <= most && now.value < kInfinite) {
            const Mapping mapping = loads_.mapping();
            now.value = std::max(now.value, share_of_latency(mapping));
            if (energy(now) <= most) {
                if (by_stream_) {
                    now.value = std::max(now.value, simulated(mapping));
                } else if (is_worth_asking(now)) {
                    simulated(mapping);
                }
            }
        }
        if (energy(now) <= most) {
            current_ = now;
        } else {
            loads_.undo();
            add_to_limits(gone_, come_, -1);
        }
        energy_ = energy(current_);  // limits may be others now
    }

    bool is_worth_asking(const Value& now) {
        if (now.value >= best_appraisal_.value || placed_ <= between_streams_ * simulating_) {
            return false;
        }
        if (violation() > 0) {
            leave_room([](std::size_t) { return 0.0; }, kForgotten);
            return false;
        }
        return seen_.insert(loads_.hash()).second;
    }

    double simulated(const Mapping& mapping) {
        const std::uint64_t cost = appraiser_.cost_in_full(mapping);
        placed_ += cost;
        simulating_ += cost;
        const Assessment all = appraiser_.simulated(mapping);
        if (all.stream && !all.stream->peak_bytes.empty()) {
            leave_room(
                [&](std::size_t i) {
                    const std::int64_t peak = all.stream->peak_bytes[at(memory_of_limit_[i])];
                    return static_cast<double>(peak - used_[i]);
                },
                kNewInRoom);
        }
        const Appraisal whole = appraiser_.of(mapping, all);
        if (whole < best_appraisal_) {
            best_appraisal_ = whole;
            best_ = mapping;
        }
        return whole.value * (1 + kPenaltyOfALimit * whole.violation);
    }

    // Beside the weights a memory holds tensors, of all frames inside: about as much as in the
    // mappings that were simulated of late.
    template <class TensorsOf>
    void leave_room(const TensorsOf& tensors_of, double share) {
        for (std::size_t i = 0; i < limits_.size(); ++i) {
            if (memory_of_limit_[i] >= 0) {
                room_[i] += share * (tensors_of(i) - room_[i]);
                limits_[i] = std::max<std::int64_t>(1,
                                                    problem_.capacities[at(memory_of_limit_[i])] -
                                                        static_cast<std::int64_t>(room_[i]));
            }
        }
    }

    void begin_with(const Mapping& mapping) {
        loads_.assign(mapping);
        std::ranges::fill(used_, 0);
        for (const int task : mapping) {
            add_to_limits({}, {&task, 1}, 1);
        }
        current_ = by_loads();
        current_.value = std::max(current_.value, share_of_latency(mapping));
        if (by_stream_) {
            current_.value = std::max(current_.value, best_appraisal_.value);
        }
        energy_ = energy(current_);
    }

    void exchange() {
        placed_ += kExchange * (gone_.size() + come_.size()) / 2;
        loads_.exchange(gone_, come_);
        add_to_limits(gone_, come_, 1);
    }

    void add_to_limits(std::span<const int> gone, std::span<const int> come, std::int64_t sign) {
        for (std::size_t i = 0; i < limits_.size(); ++i) {
            for (const int task : gone) {
                used_[i] -= sign * use_[i][at(task)];
            }
            for (const int task : come) {
                used_[i] += sign * use_[i][at(task)];
            }
        }
    }

    // ---- Changes. ----

    // Fills `gone_` and `come_`; false if there is nothing to change.
    bool change() {
        const double kind = dice_.share();
        if (has_sets_ && kind < 0.15) {
            return dice_.below(2) == 0 ? fuse() : split();
        }
        if (kind < 0.40) {
            return swap_one();
        }
        if (kind < 0.65) {
            return follow_a_neighbour();
        }
        if (kind < 0.80) {
            return move_a_run();
        }
        if (kind < 0.90) {
            return exchange_two();
        }
        return exchange_devices_of_a_run();
    }

    int random_layer() { return 1 + dice_.below(problem_.layers() - 2); }

    const Task& task(int index) const { return problem_.tasks[at(index)]; }

    // One of the tasks for the same layers on a device; -1: none, or the very same.
    int other_on(int index, int device) {
        const std::vector<int>& there =
            on_device_[at(alternatives_.group_of[at(index)]) * at(problem_.device_count()) +
                       at(device)];
        if (there.empty()) {
            return -1;
        }
        const int other = there[there.size() == 1 ? 0 : dice_.below(there.size())];
        return other == index ? -1 : other;
    }

    bool replace(int index, int other) {
        if (other < 0 || other == index) {
            return false;
        }
        gone_.push_back(index);
        come_.push_back(other);
        return true;
    }

    bool swap_one() {
        const int index = loads_.covering(random_layer());
        const std::vector<int>& others =
            alternatives_.members[at(alternatives_.group_of[at(index)])];
        return others.size() > 1 && replace(index, others[dice_.below(others.size())]);
    }

    // To the device of the task before or after, of one whose result it reads, or of a reader.
    bool follow_a_neighbour() {
        const int index = loads_.covering(random_layer());
        const int neighbour = neighbour_of(index);
        return neighbour >= 0 && replace(index, other_on(index, task(neighbour).device));
    }

    int neighbour_of(int index) {
        const Task& one = task(index);
        switch (dice_.below(4)) {
            case 0:
                return loads_.before(one.first);
            case 1:
                return loads_.after(one.first);
            case 2:
                return one.inputs.empty()
                           ? -1
                           : loads_.covering(one.inputs[dice_.below(one.inputs.size())].tensor);
            default: {
                const std::vector<int>& readers = problem_.consumers[at(one.last)];
                return readers.empty() ? -1 : loads_.covering(readers[dice_.below(readers.size())]);
            }
        }
    }

    bool move_a_run() {
        int layer = random_layer();
        const int first = loads_.covering(layer);
        const int neighbour = dice_.below(2) == 0 ? loads_.before(task(first).first) : -1;
        const int device =
            neighbour >= 0 ? task(neighbour).device : dice_.below(problem_.device_count());
        const int length = 2 + dice_.below(dice_.below(4) == 0 ? 24 : 6);
        for (int i = 0, index = first; i < length && index >= 0; ++i) {
            replace(index, other_on(index, device));
            index = loads_.after(task(index).first);
        }
        return !gone_.empty();
    }

    bool exchange_two() {
        const int a = loads_.covering(random_layer()), b = loads_.covering(random_layer());
        if (task(a).device == task(b).device) {
            return false;
        }
        const int c = other_on(a, task(b).device), d = other_on(b, task(a).device);
        return c >= 0 && d >= 0 && replace(a, c) && replace(b, d);
    }

    // What is on one of two devices goes to the other.
    bool exchange_devices_of_a_run() {
        const int first = loads_.covering(random_layer());
        const int one = task(first).device, other = dice_.below(problem_.device_count());
        if (one == other) {
            return false;
        }
        const int length = 2 + dice_.below(24);
        for (int i = 0, index = first; i < length && index >= 0; ++i) {
            const int device = task(index).device;
            if (device == one || device == other) {
                replace(index, other_on(index, device == one ? other : one));
            }
            index = loads_.after(task(index).first);
        }
        return !gone_.empty();
    }

    // A task for several layers comes; what it leaves of others is covered layer by layer.
    bool fuse() {
        const std::vector<int>& sets = alternatives_.fusing[at(random_layer())];
        if (sets.empty()) {
            return false;
        }
        const int index = sets[dice_.below(sets.size())];
        come_.push_back(index);
        const std::vector<int> layers = layers_of(task(index));
        for (const int layer : layers) {
            const int there = loads_.covering(layer);
            if (there == index) {
                return false;
            }
            if (std::ranges::find(gone_, there) != gone_.end()) {
                continue;
            }
            gone_.push_back(there);
            for (const int left : layers_of(task(there))) {
                if (!std::ranges::binary_search(layers, left) && !add_alone(left, -1)) {
                    return false;
                }
            }
        }
        return true;
    }

    bool split() {
        const int index = loads_.covering(random_layer());
        if (task(index).rest.empty()) {
            return false;
        }
        gone_.push_back(index);
        const int device = dice_.below(2) == 0 ? task(index).device : -1;
        for (const int layer : layers_of(task(index))) {
            if (!add_alone(layer, device)) {
                return false;
            }
        }
        return true;
    }

    // On the device, if there is one for it there.
    bool add_alone(int layer, int device) {
        if (alternatives_.alone[at(layer)].empty()) {
            return false;
        }
        const std::vector<int>* some = &alternatives_.alone[at(layer)];
        if (device >= 0) {
            const int group = alternatives_.group_of[at(some->front())];
            const std::vector<int>& there =
                on_device_[at(group) * at(problem_.device_count()) + at(device)];
            some = there.empty() ? some : &there;
        }
        come_.push_back((*some)[dice_.below(some->size())]);
        return true;
    }

    // ---- What there is to choose from. ----

    Alternatives fitting_alternatives() const {
        const Criteria criteria(problem_, goal_);
        return alternatives_of(problem_, [&](int k) {
            return fits_order(problem_.tasks[at(k)]) && !criteria.is_too_much(k);
        });
    }

    // Members of each group by their devices.
    void find_devices() {
        const std::size_t devices = at(problem_.device_count());
        on_device_.resize(alternatives_.members.size() * devices);
        for (std::size_t group = 0; group < alternatives_.members.size(); ++group) {
            for (const int k : alternatives_.members[group]) {
                on_device_[group * devices + at(task(k).device)].push_back(k);
            }
        }
        has_sets_ = std::ranges::any_of(alternatives_.fusing,
                                        [](const std::vector<int>& sets) { return !sets.empty(); });
    }

    void find_limits() {
        const auto add = [&](std::int64_t limit, const auto& use) {
            limits_.push_back(limit);
            memory_of_limit_.push_back(-1);
            room_.push_back(0);
            used_.push_back(0);
            std::vector<std::int64_t>& uses = use_.emplace_back();
            for (const Task& one : problem_.tasks) {
                uses.push_back(use(one));
            }
        };
        for (int b = 0; b < static_cast<int>(problem_.budgets.size()); ++b) {
            if (is_static(problem_, problem_.budgets[at(b)])) {
                add(problem_.budgets[at(b)].limit,
                    [&](const Task& one) { return use_of(one, problem_, b); });
            }
        }
        for (std::size_t m = 0; m < problem_.capacities.size(); ++m) {
            if (problem_.capacities[m] > 0) {
                add(problem_.capacities[m], [&](const Task& one) {
                    return one.weight_bytes.empty() ? std::int64_t{0} : one.weight_bytes[m];
                });
                memory_of_limit_.back() = static_cast<int>(m);
            }
        }
        for (const Limit& limit : goal_.limits) {
            if (limit.kind == Limit::Kind::loss) {
                add(limit.most, [](const Task& one) { return one.loss; });
            }
        }
    }

    const Problem& problem_;
    const Goal& goal_;
    const LocalSearchOptions& options_;
    Appraiser appraiser_;
    Loads loads_;
    Evaluator evaluator_;
    bool reconfigures_ = false, has_sets_ = false, by_stream_ = false;
    std::uint64_t between_streams_ = 0;
    Dice dice_;
    const Alternatives alternatives_;
    std::vector<std::vector<int>> on_device_;     // by group and device
    std::vector<std::int64_t> limits_, used_;     // sums that have one
    std::vector<std::vector<std::int64_t>> use_;  // by limit and task
    std::vector<int> memory_of_limit_;            // whose capacity it is; -1: none's
    std::vector<double> room_;                    // by limit: for tensors
    std::vector<int> gone_, come_;                // the change at hand
    Value current_;
    double energy_ = 0;  // of that
    Mapping best_;
    Appraisal best_appraisal_;
    std::unordered_set<std::uint64_t> seen_;  // mappings whose streams were simulated
    std::uint64_t placed_ = 0, simulating_ = 0, evaluated_ = 0;
};

}  // namespace

LocalSearchResult balance(const Problem& problem,
                          const Goal& goal,
                          const Mapping& start,
                          const LocalSearchOptions& options) {
    const auto fits = [&](int task) { return fits_order(problem.tasks[at(task)]); };
    const auto first = [&](int task) { return problem.tasks[at(task)].first; };
    if (std::ranges::all_of(start.tasks, fits) && std::ranges::is_sorted(start.tasks, {}, first)) {
        return Balancing(problem, goal, options).run(start);
    }
    const Problem other = reordered(problem, layer_order(problem, start));
    return Balancing(other, goal, options).run(start);
}

}  // namespace sim::internal
