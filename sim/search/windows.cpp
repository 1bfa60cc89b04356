#include "sim/search/windows.hpp"

#include "sim/run/evaluator.hpp"
#include "sim/search/alternatives.hpp"
#include "sim/search/dice.hpp"
#include "sim/search/order_free_bounds.hpp"
#include "sim/search/results.hpp"

#include <algorithm>
#include <array>
#include <cassert>
#include <cmath>
#include <map>
#include <optional>
#include <span>
#include <utility>

namespace sim::internal {
namespace {

// Of a state, what is delayed to see what is left after it: so late that all else is long over.
constexpr Ticks kLate = Ticks{1} << 50;
constexpr Ticks kNothingLeft = -(Ticks{1} << 55);

// Temperatures as shares of a task's mean time.
constexpr std::array<double, 4> kHottestOfWindows{0.3, 0.15, 0.6, 0.1};  // by seed
constexpr double kColdestOfWindows = 0.002;

constexpr int kLeastWidth = 10, kMostWidth = 40;  // of a window, in tasks
constexpr int kChangesOfATask = 20;               // tried in each visit of a window
constexpr int kMissesOfASignature = 3;            // until it gets a table of its own
constexpr std::size_t kMostTables = 12;           // at the end of a window

constexpr std::uint64_t kWindowedBetweenQuestions = 200'000;

// What makes two states differ in more than times: where tensors are, and whose segment is open.
using Signature = std::vector<std::uint64_t>;

// What is left after the times of a state, in the order in which for_each_time tells them.
struct Table {
    Signature signature;
    std::vector<Ticks> left;
};

// The end of a window: from here on the sequence is fixed.
struct Cut {
    int begin = 0;          // in suffix order: how many tasks come after it
    std::vector<int> live;  // tensors that are made before and read after it
    std::vector<std::pair<int, int>> read_together;  // of `live`: whose order counts
    std::vector<Table> tables;
    std::map<Signature, int> misses = {};
};

class Windows {
public:
    Windows(const Problem& problem, const LocalSearchOptions& options)
        : problem_(problem),
          options_(options),
          evaluator_(problem),
          dice_(options.seed),
          hottest_(kHottestOfWindows[options.seed % kHottestOfWindows.size()]),
          alternatives_(alternatives_of(problem, [](int) { return true; })) {
        find_readers();
    }

    LocalSearchResult run(const Mapping& start) {
        LocalSearchResult result{.mapping = start, .appraisal = {}};
        Ticks best = evaluator_.makespan(start).count();
        sequence_ = start.tasks;  // early copies stay with the start
        place_all();
        Ticks value = evaluator_.core.possible ? evaluator_.core.dispatcher : kNeverTicks;
        if (size() > 3 && value < kNeverTicks) {
            best_ = best;
            unit_ = mean_time();
            while (!is_over()) {
                sweep();
            }
            if (best_ < best) {
                best = best_;
                result.mapping = Mapping(best_sequence_);
            }
        }
        assert(makespan(problem_, result.mapping).count() == best);
        result.appraisal = {.value = static_cast<double>(best)};
        result.evaluated = evaluated_;
        result.placed = placed_;
        return result;
    }

private:
    // ---- What may take the place of what. ----

    void find_readers() {
        for (const Task& task : problem_.tasks) {
            const std::vector<int> layers = layers_of(task);
            std::vector<int>& readers = readers_.emplace_back();
            for_each_result(task, [&](const TaskResult& result) {
                for (const int reader : problem_.consumers[at(result.tensor)]) {
                    if (!std::ranges::binary_search(layers, reader)) {
                        readers.push_back(reader);
                    }
                }
            });
        }
    }

    // ---- The whole sequence. ----

    int size() const { return static_cast<int>(sequence_.size()); }

    void push(int task) {
        evaluator_.push(task, static_cast<int>(stack_.size()));
        stack_.push_back(task);
        ++placed_;
    }
    void pop_to(std::size_t depth) {
        while (stack_.size() > depth) {
            evaluator_.pop();
            stack_.pop_back();
        }
    }
    void place_all() {
        evaluator_.clear();
        stack_.clear();
        for (const int task : sequence_) {
            push(task);
        }
        place_of_.assign(at(problem_.layers()), 0);
        note_places(0);
    }
    void note_places(int from) {
        for (int i = from; i < size(); ++i) {
            for (const int layer : layers_of(problem_.tasks[at(sequence_[at(i)])])) {
                place_of_[at(layer)] = i;
            }
        }
    }

    double mean_time() const {
        double sum = 0;
        for (const int task : sequence_) {
            sum += static_cast<double>(problem_.tasks[at(task)].cost.count());
        }
        return std::max({sum, static_cast<double>(evaluator_.core.dispatcher), 1.0}) / size();
    }

    bool is_over() {
        if (placed_ >= asked_ + kWindowedBetweenQuestions) {
            asked_ = placed_;
            is_stopped_ = options_.stop && options_.stop();
        }
        return is_stopped_ || placed_ >= options_.most_placements ||
               static_cast<double>(best_) <= options_.least;
    }

    // From the last window to the first, at one temperature after the other: what is left after a
    // window is known from the one behind it.
    void sweep() {
        place_all();
        value_ = evaluator_.core.dispatcher;
        cuts_.clear();
        cuts_.push_back({.begin = 0, .live = {}, .read_together = {}, .tables = {}});
        const int width = kLeastWidth + dice_.below(kMostWidth - kLeastWidth + 1);
        int end = size();
        if (end > width) {
            end -= dice_.below(width);  // the last window is a short one
            if (end < size()) {
                visit(end, size());
                close(end, size());
            }
        }
        while (end > 1 && !is_over()) {
            const int begin = std::max(1, end - width);
            visit(begin, end);
            if (begin > 1) {
                close(begin, size() - cuts_.back().begin);
            }
            end = begin;
        }
    }

    // ---- What is left after the end of a window. ----

    // The times of a state: `visit(get, set)` for each that may count; those of `live` places only.
    template <class Visit>
    void for_each_time(const Cut& cut, const Visit& visit) {
        const bool is_open = evaluator_.core.open != 0;
        visit(evaluator_.core.dispatcher);
        if (is_open) {
            visit(evaluator_.core.dispatcher + evaluator_.core.pending);
        }
        for (int d = 0; d < problem_.device_count(); ++d) {
            if (problem_.devices[at(d)].asynchronous) {
                visit(evaluator_.queue(d));
            }
        }
        for (int e = 0; e < problem_.engines; ++e) {
            visit(evaluator_.engine(e));
        }
        for (const int tensor : cut.live) {
            for (int place = 0; place < evaluator_.places(); ++place) {
                const Ticks time = evaluator_.time(tensor, place);
                const Ticks lag = evaluator_.lag(tensor, place);
                if (time >= 0) {
                    visit(time);
                }
                if (time >= 0 && lag >= 0) {
                    visit(evaluator_.core.dispatcher + lag);
                }
            }
        }
    }

    void read_signature(const Cut& cut, Signature& signature) const {
        signature.clear();
        signature.push_back(static_cast<std::uint64_t>(evaluator_.core.open));
        for (const int tensor : cut.live) {
            const Evaluator::Tensor& made = evaluator_.tensors[at(tensor)];
            signature.push_back(static_cast<std::uint64_t>(made.device) << 32 |
                                static_cast<std::uint64_t>(made.layout));
            for (int place = 0; place < evaluator_.places(); ++place) {
                if (place % 32 == 0) {
                    signature.push_back(0);
                }
                const bool is_there = evaluator_.time(tensor, place) >= 0;
                const bool waits = is_there && evaluator_.lag(tensor, place) >= 0;
                signature.back() |= std::uint64_t{is_there} << (2 * (place % 32)) |
                                    std::uint64_t{waits} << (2 * (place % 32) + 1);
            }
        }
        for (std::size_t i = 0; i < cut.read_together.size(); ++i) {
            if (i % 64 == 0) {
                signature.push_back(0);
            }
            const auto [a, b] = cut.read_together[i];
            const bool is_first = evaluator_.tensors[at(a)].turn < evaluator_.tensors[at(b)].turn;
            signature.back() |= std::uint64_t{is_first} << (i % 64);
        }
    }

    // The makespan after the placed beginning, which ends at this cut.
    Ticks value_at(std::size_t index) {
        if (!evaluator_.core.possible) {
            return kNeverTicks;
        }
        if (index == 0) {
            return evaluator_.core.dispatcher;
        }
        Cut& cut = cuts_[index];
        read_signature(cut, signature_);
        const auto found = std::ranges::find(cut.tables, signature_, &Table::signature);
        if (found != cut.tables.end()) {
            Ticks latest = 0;
            std::size_t next = 0;
            for_each_time(
                cut, [&](Ticks time) { latest = std::max(latest, time + found->left[next++]); });
            return latest;
        }
        if (!is_probing_ && cut.tables.size() < kMostTables &&
            ++cut.misses[signature_] > kMissesOfASignature) {
            tabulate(index);
            return value_at(index);
        }
        return value_behind(index);
    }

    // The same, by placing the tasks up to the next cut.
    Ticks value_behind(std::size_t index) {
        const std::size_t depth = stack_.size();
        for (int i = size() - cuts_[index].begin; i < size() - cuts_[index - 1].begin; ++i) {
            push(sequence_[at(i)]);
        }
        const Ticks value = value_at(index - 1);
        pop_to(depth);
        return value;
    }

    // Delays each time of the state by itself.
    void tabulate(std::size_t index) {
        is_probing_ = true;  // no tables behind it meanwhile: the state is not a real one
        Table table;
        read_signature(cuts_[index], table.signature);
        const auto probe = [&] {
            const Ticks value = value_behind(index);
            table.left.push_back(value >= kLate ? value - kLate : kNothingLeft);
        };
        Evaluator::Core& core = evaluator_.core;
        const std::vector<int> live = cuts_[index].live;
        // 1. The dispatcher alone: what waits for the end of the open segment's submission waits
        //    at least for its beginning, so its own times are the larger ones.
        const Evaluator::Core kept = core;
        std::vector<std::array<Ticks, 3>> lags;  // tensor, place, lag
        for (const int tensor : live) {
            for (int place = 0; place < evaluator_.places(); ++place) {
                const Ticks time = evaluator_.time(tensor, place);
                const Ticks lag = evaluator_.lag(tensor, place);
                if (time >= 0 && lag > 0) {
                    lags.push_back({tensor, place, lag});
                    evaluator_.set_place(tensor, place, time, 0);
                }
            }
        }
        core.pending = 0;
        core.dispatcher = kLate;
        probe();
        for (const auto& [tensor, place, lag] : lags) {
            const auto t = static_cast<int>(tensor), p = static_cast<int>(place);
            evaluator_.set_place(t, p, evaluator_.time(t, p), lag);
        }
        core = kept;
        if (core.open != 0) {
            core.pending = kLate - core.dispatcher;
            probe();
            core = kept;
        }
        // 2. Queues, engines, tensors.
        for (int d = 0; d < problem_.device_count(); ++d) {
            if (problem_.devices[at(d)].asynchronous) {
                const Ticks time = evaluator_.queue(d);
                evaluator_.set_queue(d, kLate);
                probe();
                evaluator_.set_queue(d, time);
            }
        }
        for (int e = 0; e < problem_.engines; ++e) {
            const Ticks time = evaluator_.engine(e);
            evaluator_.set_engine(e, kLate);
            probe();
            evaluator_.set_engine(e, time);
        }
        for (const int tensor : live) {
            for (int place = 0; place < evaluator_.places(); ++place) {
                const Ticks time = evaluator_.time(tensor, place);
                const Ticks lag = evaluator_.lag(tensor, place);
                if (time < 0) {
                    continue;
                }
                evaluator_.set_place(tensor, place, kLate, lag);
                probe();
                if (lag >= 0) {
                    evaluator_.set_place(tensor, place, time, kLate - core.dispatcher);
                    probe();
                }
                evaluator_.set_place(tensor, place, time, lag);
            }
        }
        cuts_[index].tables.push_back(std::move(table));
        is_probing_ = false;
    }

    // The window from `begin` to `end` is done: what comes before is asked for next.
    void close(int begin, int end) {
        Cut cut{.begin = size() - begin, .live = {}, .read_together = {}, .tables = {}};
        // 1. What is read behind and made before it. Only the order of those counts that one task
        //    reads.
        std::vector<char> is_live(at(problem_.layers()), 0);
        for (int i = begin; i < size(); ++i) {
            std::vector<int> mine;
            for (const TaskInput& input : problem_.tasks[at(sequence_[at(i)])].inputs) {
                if (place_of_[at(input.tensor)] < begin) {
                    mine.push_back(input.tensor);
                    if (!is_live[at(input.tensor)]) {
                        is_live[at(input.tensor)] = 1;
                        cut.live.push_back(input.tensor);
                    }
                }
            }
            for (std::size_t a = 0; a < mine.size(); ++a) {
                for (std::size_t b = a + 1; b < mine.size(); ++b) {
                    cut.read_together.emplace_back(mine[a], mine[b]);
                }
            }
        }
        // 2. The state of the present sequence gets its table at once.
        pop_to(at(begin));
        assert(std::ranges::equal(stack_, std::span(sequence_).first(at(begin))));
        (void)end;
        cuts_.push_back(std::move(cut));
        tabulate(cuts_.size() - 1);
        assert(value_at(cuts_.size() - 1) == value_);
    }

    // ---- A window. ----

    const Task& task_of(int index) const { return problem_.tasks[at(index)]; }

    void visit(int begin, int end) {
        begin_ = begin;
        end_ = end;
        window_.assign(sequence_.begin() + begin, sequence_.begin() + end);
        const int last = end == size() ? end - 1 : end;  // the output's task stays
        movable_ = last - begin;
        if (movable_ < 1) {
            return;
        }
        const auto changes = static_cast<std::uint64_t>(kChangesOfATask * movable_);
        for (std::uint64_t i = 0; i < changes && !is_over(); ++i) {
            ++placed_;  // what leads to nothing takes time too
            candidate_ = window_;
            if (!change()) {
                continue;
            }
            ++evaluated_;
            const Ticks next = value_of_candidate();
            const double heat = unit_ * hottest_ *
                                std::pow(kColdestOfWindows / hottest_,
                                         static_cast<double>(placed_) /
                                             static_cast<double>(options_.most_placements));
            const auto loss = static_cast<double>(next - value_);
            if (next >= kNeverTicks || (loss > 0 && dice_.share() >= std::exp(-loss / heat))) {
                continue;
            }
            accept(next);
        }
    }

    Ticks value_of_candidate() {
        std::size_t same = 0;
        const std::size_t most = std::min(candidate_.size(), stack_.size() - at(begin_));
        while (same < most && stack_[at(begin_) + same] == candidate_[same]) {
            ++same;
        }
        pop_to(at(begin_) + same);
        for (std::size_t i = same; i < candidate_.size(); ++i) {
            push(candidate_[i]);
        }
        return value_at(cuts_.size() - 1);
    }

    void accept(Ticks value) {
        value_ = value;
        const bool same_size = candidate_.size() == window_.size();
        if (same_size) {
            std::ranges::copy(candidate_, sequence_.begin() + begin_);
            for (int i = begin_; i < end_; ++i) {
                place_layers(i);
            }
        } else {
            sequence_.erase(sequence_.begin() + begin_, sequence_.begin() + end_);
            sequence_.insert(sequence_.begin() + begin_, candidate_.begin(), candidate_.end());
            const int grown =
                static_cast<int>(candidate_.size()) - static_cast<int>(window_.size());
            end_ += grown;
            movable_ += grown;
            note_places(begin_);
        }
        std::swap(window_, candidate_);
        if (value < best_) {
            best_ = value;
            best_sequence_ = sequence_;
        }
    }
    void place_layers(int place) {
        const Task& task = task_of(sequence_[at(place)]);
        place_of_[at(task.first)] = place;
        for (const int layer : task.rest) {
            place_of_[at(layer)] = place;
        }
    }

    // ---- Changes: of `candidate_`, which is the window. Places count from its beginning. ----

    bool change() {
        const double kind = dice_.share();
        if (kind < 0.30) {
            return swap_one(dice_.below(movable_));
        }
        if (kind < 0.45) {
            return move_branch_to_a_device();
        }
        if (kind < 0.55) {
            return has_fusions() && (dice_.below(2) == 0 ? fuse() : split());
        }
        if (kind < 0.85) {
            return move_in_order(dice_.below(movable_)).has_value();
        }
        const std::optional<int> place = move_in_order(dice_.below(movable_));
        return place && swap_one(*place);
    }

    bool has_fusions() const { return alternatives_.members.size() > at(problem_.layers()); }

    // Another implementation of the same layers.
    bool swap_one(int place) {
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

    int fastest_on(int device, int group) const {
        int best = -1;
        for (const int other : alternatives_.members[at(group)]) {
            const Task& task = task_of(other);
            if (task.device == device && task.parts.empty() &&
                (best < 0 || task.cost < task_of(best).cost)) {
                best = other;
            }
        }
        return best;
    }

    // Tasks that read each other, to their fastest implementations on one device.
    bool move_branch_to_a_device() {
        const int device = dice_.below(problem_.device_count());
        const int most = 2 + dice_.below(7);
        branch_.assign(1, dice_.below(movable_));
        for (int round = 0; round < 2 * most && static_cast<int>(branch_.size()) < most; ++round) {
            const int task = candidate_[at(branch_[dice_.below(branch_.size())])];
            const std::vector<TaskInput>& inputs = task_of(task).inputs;
            const std::vector<int>& readers = readers_[at(task)];
            const std::size_t which = dice_.below(inputs.size() + readers.size() + 1);
            if (which == inputs.size() + readers.size()) {
                continue;
            }
            const int layer =
                which < inputs.size() ? inputs[which].tensor : readers[which - inputs.size()];
            const int place = place_of_[at(layer)] - begin_;
            if (place >= 0 && place < movable_ &&
                std::ranges::find(branch_, place) == branch_.end()) {
                branch_.push_back(place);
            }
        }
        bool any = false;
        for (const int place : branch_) {
            const int task = candidate_[at(place)];
            const int best = fastest_on(device, alternatives_.group_of[at(task)]);
            if (best >= 0 && best != task) {
                candidate_[at(place)] = best;
                any = true;
            }
        }
        return any;
    }

    // One task to another place between what it reads and its readers: which.
    std::optional<int> move_in_order(int from) {
        const int task = candidate_[at(from)];
        int low = 0, high = movable_ - 1;
        for (const TaskInput& input : task_of(task).inputs) {
            low = std::max(low, place_of_[at(input.tensor)] - begin_ + 1);
        }
        for (const int reader : readers_[at(task)]) {
            high = std::min(high, place_of_[at(reader)] - begin_ - 1);
        }
        low = std::max(low, problem_.model_inputs - begin_);
        high = std::min(high, size() - problem_.model_ends - 1 - begin_);
        if (high <= low || is_boundary(problem_, task_of(task))) {
            return std::nullopt;
        }
        int to = low + dice_.below(high - low);
        to += to >= from;
        const auto begin = candidate_.begin();
        if (to < from) {
            std::rotate(begin + to, begin + from, begin + from + 1);
        } else {
            std::rotate(begin + from, begin + from + 1, begin + to + 1);
        }
        return to;
    }

    // Several tasks become one that covers their layers, at the latest of their places.
    bool fuse() {
        const Task& seed = task_of(candidate_[at(dice_.below(movable_))]);
        const std::vector<int>& fused = alternatives_.fusing[at(seed.first)];
        if (fused.empty()) {
            return false;
        }
        const int index = fused[dice_.below(fused.size())];
        const std::vector<int> covered = layers_of(task_of(index));
        // 1. All of its layers are in the window, in tasks of their own.
        std::vector<int> goes;
        std::size_t layers = 0;
        for (const int layer : covered) {
            const int place = place_of_[at(layer)] - begin_;
            if (place < 0 || place >= movable_) {
                return false;
            }
            if (std::ranges::find(goes, place) == goes.end()) {
                goes.push_back(place);
                layers += task_of(candidate_[at(place)]).rest.size() + 1;
            }
        }
        if (layers != covered.size()) {
            return false;
        }
        // 2. After what it reads, before its readers.
        int low = 0, high = movable_;
        for (const TaskInput& input : task_of(index).inputs) {
            low = std::max(low, place_of_[at(input.tensor)] - begin_ + 1);
        }
        for (const int reader : readers_[at(index)]) {
            high = std::min(high, place_of_[at(reader)] - begin_);
        }
        if (low > high) {
            return false;
        }
        const int place = low + dice_.below(high - low + 1);
        std::vector<int> tasks;
        for (int i = 0; i <= static_cast<int>(candidate_.size()); ++i) {
            if (i == place) {
                tasks.push_back(index);
            }
            if (i < static_cast<int>(candidate_.size()) &&
                std::ranges::find(goes, i) == goes.end()) {
                tasks.push_back(candidate_[at(i)]);
            }
        }
        candidate_ = std::move(tasks);
        return true;
    }

    // One task that covers several layers becomes one for each of them.
    bool split() {
        const int place = dice_.below(movable_);
        const Task& task = task_of(candidate_[at(place)]);
        if (task.rest.empty()) {
            return false;
        }
        const std::vector<int> singles = alternatives_.one_by_one(layers_of(task), dice_);
        if (singles.empty()) {
            return false;
        }
        candidate_.erase(candidate_.begin() + place);
        candidate_.insert(candidate_.begin() + place, singles.begin(), singles.end());
        return true;
    }

    const Problem& problem_;
    const LocalSearchOptions& options_;
    Evaluator evaluator_;
    Dice dice_;
    const double hottest_;
    double unit_ = 1;  // a task's mean time

    const Alternatives alternatives_;
    std::vector<std::vector<int>> readers_;  // by task: layers that read its results

    std::vector<int> sequence_;  // of the tasks, as it is
    std::vector<int> place_of_;  // by layer: of its task in `sequence_`
    Ticks value_ = 0;            // of `sequence_`
    std::vector<int> stack_;     // what is placed
    std::vector<Cut> cuts_;      // from the end to the beginning; the first is the end itself
    Signature signature_;
    bool is_probing_ = false;

    int begin_ = 0, end_ = 0, movable_ = 0;  // the window, and how many of it may change
    std::vector<int> window_, candidate_, branch_;

    Ticks best_ = kNeverTicks;
    std::vector<int> best_sequence_;
    std::uint64_t placed_ = 0, asked_ = 0, evaluated_ = 0;
    bool is_stopped_ = false;
};

}  // namespace

bool can_search_windows(const Problem& problem, const Goal& goal) {
    return goal.is_latency() && !is_coupled(problem) && problem.budgets.empty() &&
           !has_bonds(problem) && !is_sequential(problem);  // whose orders take the same time
}

LocalSearchResult search_windows(const Problem& problem,
                                 const Mapping& start,
                                 const LocalSearchOptions& options) {
    return Windows(problem, options).run(start);
}

}  // namespace sim::internal
