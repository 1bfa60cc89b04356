#include "sim/search/layered.hpp"

#include "sim/index.hpp"
#include "sim/search/levels.hpp"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <functional>
#include <span>
#include <thread>
#include <utility>

namespace sim::internal {
namespace {

// Where a module's search puts the end of the task before it: so late that all else is long over.
constexpr Ticks kOrigin = Ticks{1} << 50;

// From this width on threads pay: below, a pass is over before they have started.
constexpr std::size_t kWideEnough = 4096;

std::uint64_t hash(const std::uint64_t* key, std::size_t words) {
    std::uint64_t h = 0x9e3779b97f4a7c15u;
    for (std::size_t i = 0; i < words; ++i) {
        h = (h ^ key[i]) * 0xff51afd7ed558ccdu;
        h ^= h >> 32;
    }
    return h;
}

// The states of a level, or one thread's share of them: a hash table on the key, and for every
// key a list of those that do not dominate each other. On cache lines of its own, since threads
// write to neighbours.
class alignas(128) Level {
public:
    struct Entry {
        Ticks bound = 0;
        std::size_t offset = 0;    // in data: the key, then the times
        std::uint32_t parent = 0;  // in the trace
        std::uint32_t times = 0;   // how many
        int task = 0;
        int next = -1;
        bool alive = true;
    };

    explicit Level(std::size_t key_words) : key_words_(key_words) {}

    // False if an entry dominates the new one. Removes the entries that it dominates.
    bool insert(const std::uint64_t* key, std::uint64_t hashed, Entry entry, bool compare) {
        if (2 * (keys_ + 1) > heads_.size()) {
            grow();
        }
        std::size_t slot = hashed & (heads_.size() - 1);
        while (heads_[slot] >= 0 && !equal(key, entries[at(heads_[slot])])) {
            slot = (slot + 1) & (heads_.size() - 1);
        }
        if (heads_[slot] < 0) {
            ++keys_;
        }
        const auto* times = reinterpret_cast<const Ticks*>(key + key_words_);
        for (int* link = &heads_[slot]; compare && *link >= 0;) {
            Entry& other = entries[at(*link)];
            const Ticks* theirs = times_of(other);
            bool less = true, more = true;
            for (std::uint32_t i = 0; i < entry.times && (less || more); ++i) {
                less &= times[i] <= theirs[i];
                more &= theirs[i] <= times[i];
            }
            if (more) {
                return false;
            }
            if (less && other.alive) {
                other.alive = false;
                --alive;
            }
            if (less && other.next >= 0) {
                *link = other.next;  // the last of a list stays, to keep its key in the table
            } else {
                link = &other.next;
            }
        }
        entry.offset = data.size();
        entry.next = heads_[slot];
        data.insert(data.end(), key, key + key_words_ + entry.times);
        heads_[slot] = static_cast<int>(entries.size());
        entries.push_back(entry);
        ++alive;
        return true;
    }

    // Keeps the `count` smallest bounds; returns the smallest that goes, kNeverTicks if none.
    Ticks shrink(std::size_t count) {
        std::vector<Entry> left;
        for (const Entry& entry : entries) {
            if (entry.alive) {
                left.push_back(entry);
            }
        }
        Ticks gone = kNeverTicks;
        if (left.size() > count) {
            std::nth_element(left.begin(),
                             left.begin() + static_cast<std::ptrdiff_t>(count),
                             left.end(),
                             [](const Entry& a, const Entry& b) { return a.bound < b.bound; });
            gone = left[count].bound;
            left.resize(count);
        }
        Level kept(key_words_);
        for (const Entry& entry : left) {
            kept.insert(&data[entry.offset], hash(&data[entry.offset], key_words_), entry, false);
        }
        *this = std::move(kept);
        return gone;
    }

    const Ticks* times_of(const Entry& entry) const {
        return reinterpret_cast<const Ticks*>(&data[entry.offset + key_words_]);
    }

    std::vector<Entry> entries;
    std::vector<std::uint64_t> data;
    std::size_t alive = 0;

private:
    bool equal(const std::uint64_t* key, const Entry& entry) const {
        return std::equal(key, key + key_words_, &data[entry.offset]);
    }
    void grow() {
        std::vector<int> old(std::max<std::size_t>(64, heads_.size() * 4), -1);
        old.swap(heads_);
        for (const int head : old) {
            if (head < 0) {
                continue;
            }
            std::size_t slot =
                hash(&data[entries[at(head)].offset], key_words_) & (heads_.size() - 1);
            while (heads_[slot] >= 0) {
                slot = (slot + 1) & (heads_.size() - 1);
            }
            heads_[slot] = head;
        }
    }

    std::size_t key_words_;
    std::vector<int> heads_;
    std::size_t keys_ = 0;
};

template <class Function>
void on_threads(int count, const Function& function) {
    std::vector<std::thread> others;
    for (int t = 1; t < count; ++t) {
        others.emplace_back(function, t);
    }
    function(0);
    for (std::thread& other : others) {
        other.join();
    }
}

// One pass over the levels; see search_levels.
class LevelPass {
public:
    // `after` < 0: the whole model. Else the module behind the cut that this task ends in: from a
    // state where its result is there at kOrigin and all else long ago, to the end of any task that
    // ends in the next cut, plus its tail; then only makespan and bound mean something.
    LevelPass(const Problem& problem,
              const PruningRules& rules,
              const Bounds& bounds,
              const States& states,
              std::vector<Evaluator>& evaluators,
              int threads,
              std::size_t width,
              int after,
              Incumbent incumbent)
        : best(std::move(incumbent)),
          problem_(problem),
          rules_(rules),
          bounds_(bounds),
          states_(states),
          evaluators_(evaluators),
          threads_(threads),
          room_(std::max<std::size_t>(width, 4096) / at(threads)),
          after_(after),
          first_(after < 0 ? 0 : problem.tasks[at(after)].last + 1),
          workers_(at(threads)) {
        for (int t = 0; t < threads; ++t) {
            workers_[at(t)].boxes.resize(at(threads));
            workers_[at(t)].scratch = bounds_.scratch();
            evaluators_[at(t)].clear();
        }
    }

    struct State {
        const Level* level = nullptr;
        const Level::Entry* entry = nullptr;

        TraceStep step() const { return {entry->parent, entry->task}; }
    };

    int first() const { return first_; }

    // False if no task can read the module's input.
    bool add_first_state();

    bool reaches(int layer) const { return layer - first_ < static_cast<int>(levels_.size()); }
    std::vector<State> promising(int layer);
    void choose(std::vector<State>& states, std::size_t width);
    void let_go(const State& state) { dropped_ = std::min(dropped_, state.entry->bound); }
    std::size_t batch() const { return threads_ == 1 ? 256 : 2048 * at(threads_); }
    void expand(int layer, std::span<const State> states, std::size_t place);
    void forget(int layer);

    // What is known when the pass ends.
    Incumbent finish(const Trace& trace, bool stopped);

    Incumbent best;

private:
    // New states on their way from the thread that made them to the one that keeps them.
    struct Outbox {
        struct Child {
            std::uint64_t hash = 0;
            std::size_t offset = 0;
            int level = 0;
            Level::Entry entry;
        };
        std::vector<Child> children;
        std::vector<std::uint64_t> data;
    };
    struct alignas(128) Worker {
        Record record;
        Bounds::Scratch scratch;
        std::vector<Outbox> boxes;  // by the thread that keeps
        std::uint64_t nodes = 0;
    };

    std::vector<Level>& level(int layer);
    void expand_state(const State& state, int layer, std::size_t place, int thread);
    void post(Worker& worker, int layer, Level::Entry entry);
    void keep_posted(int thread);
    void shrink_after(int layer);
    void find_complete();

    const Problem& problem_;
    const PruningRules rules_;
    const Bounds& bounds_;
    const States& states_;
    std::vector<Evaluator>& evaluators_;  // by thread
    const int threads_;
    const std::size_t room_;  // states of a level that a thread holds before it lets some go
    const int after_, first_;
    std::vector<std::vector<Level>> levels_;  // [layer - first][thread]
    std::vector<Worker> workers_;
    Ticks dropped_ = kNeverTicks;  // the smallest bound that was let go
    TraceStep last_;               // of the best mapping
};

std::vector<Level>& LevelPass::level(int layer) {
    while (static_cast<int>(levels_.size()) <= layer - first_) {
        const int next = first_ + static_cast<int>(levels_.size());
        levels_.emplace_back(at(threads_), Level(states_.key_words(next)));
    }
    return levels_[at(layer - first_)];
}

bool LevelPass::add_first_state() {
    Record record;
    Evaluator& evaluator = evaluators_.front();
    if (after_ >= 0) {
        const Task& task = problem_.tasks[at(after_)];
        Evaluator::Tensor& tensor = evaluator.tensors[at(task.last)];
        tensor.device = task.device;
        tensor.layout = task.out_layout;
        tensor.turn = task.first;
        tensor.exposed = true;
        evaluator.clear_places(task.last);
        evaluator.set_place(task.last, evaluator.home(tensor), kOrigin, -1);
    }
    if (!states_.save(evaluator, first_, record)) {
        return false;
    }
    std::vector<std::uint64_t> data = record.key;
    for (const Ticks time : record.times) {
        data.push_back(static_cast<std::uint64_t>(time));
    }
    Level::Entry root;
    root.parent = TraceStep::kRoot;
    root.task = -1;
    root.times = static_cast<std::uint32_t>(record.times.size());
    level(first_)[0].insert(data.data(), hash(data.data(), record.key.size()), root, false);
    return true;
}

std::vector<LevelPass::State> LevelPass::promising(int layer) {
    std::vector<State> states;
    if (!reaches(layer)) {
        return states;
    }
    for (const Level& share : level(layer)) {
        for (const Level::Entry& entry : share.entries) {
            if (entry.alive && entry.bound < best.makespan) {
                states.push_back({&share, &entry});
            }
        }
    }
    return states;
}

void LevelPass::choose(std::vector<State>& states, std::size_t width) {
    if (states.size() <= width) {
        return;
    }
    std::nth_element(
        states.begin(),
        states.begin() + static_cast<std::ptrdiff_t>(width),
        states.end(),
        [](const State& a, const State& b) { return a.entry->bound < b.entry->bound; });
    let_go(states[width]);  // the least of those that go
    states.resize(width);
}

void LevelPass::expand(int layer, std::span<const State> states, std::size_t place) {
    // 1. Each thread its share of the states.
    on_threads(threads_, [&](int t) {
        for (std::size_t i = at(t); i < states.size(); i += at(threads_)) {
            expand_state(states[i], layer, place + i, t);
        }
    });

    // 2. Each thread its share of the keys. The list of levels grows before threads use it.
    for (const Worker& worker : workers_) {
        for (const Outbox& box : worker.boxes) {
            for (const Outbox::Child& child : box.children) {
                level(child.level);
            }
        }
    }
    on_threads(threads_, [&](int t) { keep_posted(t); });

    // 3. Full levels give back what they would let go anyway; complete mappings are new incumbents.
    shrink_after(layer);
    find_complete();
}

// Every task that can come next, if its bound is below the incumbent.
void LevelPass::expand_state(const State& state, int layer, std::size_t place, int thread) {
    Worker& worker = workers_[at(thread)];
    Evaluator& evaluator = evaluators_[at(thread)];
    const Level::Entry& entry = *state.entry;
    states_.load(evaluator, layer, &state.level->data[entry.offset], state.level->times_of(entry));
    for (const int k : problem_.starting[at(layer)]) {
        const Task& task = problem_.tasks[at(k)];
        if (std::any_of(task.rest.begin(), task.rest.end(), [&](int other) {
                return evaluator.covered[at(other)] != 0;
            })) {
            continue;
        }
        evaluator.push(k);
        ++worker.nodes;
        const int next = evaluator.next_layer(layer + 1);
        Ticks bound = entry.bound;
        if (after_ >= 0 && bounds_.cut[at(task.last)]) {  // the end of a module; one thread only
            if (evaluator.core.possible) {
                best.makespan = std::min(best.makespan,
                                         std::max(bound, evaluator.end(k) + bounds_.tail[at(k)]));
            }
            evaluator.pop();
            continue;
        }
        if (next == problem_.layers()) {
            bound = evaluator.core.dispatcher;
        } else {
            bound = std::max(bound, bounds_(evaluator, next, best.makespan, worker.scratch));
            // Times inside a module begin anywhere.
            bound = after_ < 0 ? bounds_.rounded_up(bound) : bound;
        }
        if (evaluator.core.possible && bound < best.makespan &&
            states_.save(evaluator, next, worker.record)) {
            Level::Entry child;
            child.bound = bound;
            child.parent = static_cast<std::uint32_t>(place);
            child.task = k;
            post(worker, next, child);
        }
        evaluator.pop();
    }
}

// The worker's record, to the thread that keeps its key.
void LevelPass::post(Worker& worker, int layer, Level::Entry entry) {
    const Record& record = worker.record;
    const std::uint64_t hashed = hash(record.key.data(), record.key.size());
    Outbox& box = worker.boxes[(hashed >> 40) % at(threads_)];
    entry.times = static_cast<std::uint32_t>(record.times.size());
    box.children.push_back(
        {.hash = hashed, .offset = box.data.size(), .level = layer, .entry = entry});
    box.data.insert(box.data.end(), record.key.begin(), record.key.end());
    const std::size_t times_at = box.data.size();
    box.data.resize(times_at + record.times.size());
    std::memcpy(&box.data[times_at], record.times.data(), record.times.size() * sizeof(Ticks));
}

void LevelPass::keep_posted(int thread) {
    for (Worker& worker : workers_) {
        Outbox& box = worker.boxes[at(thread)];
        for (const Outbox::Child& child : box.children) {
            levels_[at(child.level - first_)][at(thread)].insert(
                &box.data[child.offset], child.hash, child.entry, rules_.dominance);
        }
        box.children.clear();
        box.data.clear();
    }
}

void LevelPass::shrink_after(int layer) {
    for (std::size_t later = at(layer - first_) + 1; later < levels_.size(); ++later) {
        for (Level& share : levels_[later]) {
            if (share.entries.size() > 2 * room_) {
                dropped_ = std::min(dropped_, share.shrink(room_));
            }
        }
    }
}

void LevelPass::find_complete() {
    if (static_cast<int>(levels_.size()) <= problem_.layers() - first_) {
        return;
    }
    for (const Level& share : levels_[at(problem_.layers() - first_)]) {
        for (const Level::Entry& entry : share.entries) {
            if (entry.alive && entry.bound < best.makespan) {
                best.makespan = entry.bound;
                last_ = {entry.parent, entry.task};
            }
        }
    }
}

void LevelPass::forget(int layer) {
    for (Level& share : level(layer)) {
        share = Level(0);
    }
}

Incumbent LevelPass::finish(const Trace& trace, bool stopped) {
    if (last_.task >= 0) {
        best.mapping = trace.back_from(last_);
    }
    for (const Worker& worker : workers_) {
        best.nodes += worker.nodes;
    }
    best.stopped = stopped;
    best.bound = std::max(best.bound, std::min(dropped_, best.makespan));
    return std::move(best);
}

}  // namespace

Layered::Layered(const Problem& problem, const PruningRules& rules, const SearchOptions& options)
    : problem_(problem),
      rules_(rules),
      options_(options),
      bounds_(problem, rules),
      states_(problem, bounds_, rules),
      evaluators_(at(std::max(1, options.threads)), Evaluator(problem)) {}

Incumbent Layered::pass(std::size_t width, Incumbent best) {
    return run(width, std::move(best), -1);
}

Incumbent Layered::run(std::size_t width, Incumbent best, int after) {
    const int threads = after < 0 && width >= kWideEnough ? std::max(1, options_.threads) : 1;
    LevelPass pass(
        problem_, rules_, bounds_, states_, evaluators_, threads, width, after, std::move(best));
    if (!pass.add_first_state()) {
        return std::move(pass.best);
    }
    Trace trace;
    const bool ended =
        search_levels(pass, pass.first(), problem_.layers(), width, options_.stop, trace);
    return pass.finish(trace, !ended);
}

void Layered::sharpen() {
    if (sharp_ || !rules_.modules || !rules_.path ||
        bounds_.horizon >= static_cast<double>(kOrigin)) {
        return;
    }
    sharp_ = true;
    bounds_.floor = kOrigin;
    for (int layer = problem_.layers() - 2; layer >= 0; --layer) {
        bounds_.set_tails(layer);
        int end = layer + 1;
        while (!bounds_.cut[at(end)]) {
            ++end;
        }
        // A module of one layer adds nothing, and one of most of the model is as hard as it.
        if (bounds_.cut[at(layer)] && end > layer + 1 && end - layer <= problem_.layers() / 2) {
            for (const int k : bounds_.ending[at(layer)]) {
                if (problem_.tasks[at(k)].last != layer) {
                    continue;  // it covers layers of the module too
                }
                Incumbent answer;
                for (std::size_t width = 8; width <= 4096 && !answer.proven() && !answer.stopped;
                     width *= 8) {
                    answer = run(width, std::move(answer), k);
                }
                bounds_.tail[at(k)] = std::max(bounds_.tail[at(k)], answer.bound - kOrigin);
                module_nodes_ += answer.nodes;
            }
        }
        bounds_.set_loads(layer);
    }
    bounds_.floor = 0;
}

Incumbent Layered::widen(Incumbent best, std::size_t first, std::size_t factor) {
    for (std::size_t width = first;; width *= factor) {
        if (width > 512 && !sharp_) {  // the simple tails were not enough
            module_nodes_ = 0;
            sharpen();
            best.nodes += module_nodes_;
        }
        best = pass(width, std::move(best));
        if (options_.progress) {
            options_.progress(Time{best.makespan}, Time{best.bound});
        }
        if (best.proven() || best.stopped || 2 * width * factor > options_.max_states) {
            return best;
        }
    }
}

}  // namespace sim::internal
