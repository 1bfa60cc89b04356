#include "sim/search/layered.hpp"

#include "sim/index.hpp"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <thread>
#include <utility>

namespace sim {
namespace {

constexpr std::uint32_t kRoot = ~0u;

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
        std::uint32_t times = 0;
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

}  // namespace

Layered::Layered(const Problem& problem, const Ideas& ideas, const SearchOptions& options)
    : problem_(problem),
      ideas_(ideas),
      options_(options),
      bounds_(problem, ideas),
      states_(problem, bounds_, ideas),
      evaluators_(at(std::max(1, options.threads)), Evaluator(problem)) {}

Incumbent Layered::pass(std::size_t width, Incumbent best) {
    return run(width, std::move(best), -1);
}

// `after` < 0: the whole model. Else the module behind the cut that this task ends in: from a
// state where its result is there at kOrigin and all else long ago, to the end of any task that
// ends in the next cut, plus its tail; then only makespan and bound mean something.
Incumbent Layered::run(std::size_t width, Incumbent best, int after) {
    const int layers = problem_.layers();
    const int threads = after < 0 && width >= kWideEnough ? std::max(1, options_.threads) : 1;
    const int first = after < 0 ? 0 : problem_.tasks[at(after)].last + 1;
    Ticks dropped = kNeverTicks;  // the smallest bound that was let go

    std::vector<std::vector<Level>> levels;  // [layer - first][thread]
    const auto level = [&](int layer) -> std::vector<Level>& {
        while (static_cast<int>(levels.size()) <= layer - first) {
            levels.emplace_back(at(threads),
                                Level(states_.key_words(first + static_cast<int>(levels.size()))));
        }
        return levels[at(layer - first)];
    };
    struct Step {
        std::uint32_t parent = kRoot;
        int task = -1;
    };
    std::vector<Step> trace;  // of the states that were expanded
    Step last;                // of the best mapping
    std::vector<Worker> workers(at(threads));
    for (int t = 0; t < threads; ++t) {
        workers[at(t)].boxes.resize(at(threads));
        workers[at(t)].scratch = bounds_.scratch();
        evaluators_[at(t)].clear();
    }

    // 1. The first state.
    {
        Record record;
        Evaluator& evaluator = evaluators_.front();
        if (after >= 0) {
            const Task& task = problem_.tasks[at(after)];
            Evaluator::Tensor& tensor = evaluator.tensors[at(task.last)];
            tensor.device = task.device;
            tensor.layout = task.out_layout;
            tensor.turn = task.first;
            tensor.exposed = true;
            evaluator.clear_places(task.last);
            evaluator.set_place(task.last, evaluator.home(tensor), kOrigin, -1);
        }
        if (!states_.save(evaluator, first, record)) {
            return best;  // nobody can read the module's input
        }
        std::vector<std::uint64_t> data = record.key;
        for (const Ticks time : record.times) {
            data.push_back(static_cast<std::uint64_t>(time));
        }
        Level::Entry root;
        root.parent = kRoot;
        root.task = -1;
        root.times = static_cast<std::uint32_t>(record.times.size());
        level(first)[0].insert(data.data(), hash(data.data(), record.key.size()), root, false);
    }

    struct Item {
        const Level* level = nullptr;
        const Level::Entry* entry = nullptr;
    };
    std::vector<Item> work;
    const std::size_t room = std::max<std::size_t>(width, 4096) / at(threads);
    for (int i = first; i < layers && i - first < static_cast<int>(levels.size()); ++i) {
        // 2. What to expand: the most promising of what is alive.
        work.clear();
        for (const Level& share : level(i)) {
            for (const Level::Entry& entry : share.entries) {
                if (entry.alive && entry.bound < best.makespan) {
                    work.push_back({&share, &entry});
                }
            }
        }
        if (work.size() > width) {
            std::nth_element(
                work.begin(),
                work.begin() + static_cast<std::ptrdiff_t>(width),
                work.end(),
                [](const Item& a, const Item& b) { return a.entry->bound < b.entry->bound; });
            dropped = std::min(dropped, work[width].entry->bound);
            work.resize(width);
        }
        const std::size_t traced = trace.size();
        for (const Item& item : work) {
            trace.push_back({item.entry->parent, item.entry->task});
        }

        const std::size_t batch = threads == 1 ? 256 : 2048 * at(threads);
        for (std::size_t begin = 0; begin < work.size(); begin += batch) {
            const std::size_t end = std::min(work.size(), begin + batch);

            // 3. Asked to stop: what was not expanded is let go, here and on later levels.
            if (options_.stop && options_.stop()) {
                for (std::size_t w = begin; w < work.size(); ++w) {
                    dropped = std::min(dropped, work[w].entry->bound);
                }
                for (std::size_t later = at(i - first) + 1; later < levels.size(); ++later) {
                    for (const Level& share : levels[later]) {
                        for (const Level::Entry& entry : share.entries) {
                            if (entry.alive) {
                                dropped = std::min(dropped, entry.bound);
                            }
                        }
                    }
                }
                best.stopped = true;
                break;
            }

            // 4. Expand: every task that can come next, if its bound is below the incumbent.
            const auto expand = [&](int t) {
                Worker& worker = workers[at(t)];
                Evaluator& evaluator = evaluators_[at(t)];
                for (std::size_t w = begin + at(t); w < end; w += at(threads)) {
                    const Level::Entry& entry = *work[w].entry;
                    states_.load(evaluator,
                                 i,
                                 &work[w].level->data[entry.offset],
                                 work[w].level->times_of(entry));
                    for (const int k : problem_.starting[at(i)]) {
                        const Task& task = problem_.tasks[at(k)];
                        if (std::any_of(task.rest.begin(), task.rest.end(), [&](int layer) {
                                return evaluator.covered[at(layer)] != 0;
                            })) {
                            continue;
                        }
                        evaluator.push(k);
                        ++worker.nodes;
                        const int next = evaluator.next_layer(i + 1);
                        Ticks bound = entry.bound;
                        if (after >= 0 && bounds_.cut[at(task.last)]) {
                            // The end of a module. One thread only.
                            if (evaluator.core.possible) {
                                best.makespan = std::min(
                                    best.makespan,
                                    std::max(bound, evaluator.end(k) + bounds_.tail[at(k)]));
                            }
                            evaluator.pop();
                            continue;
                        }
                        if (next == layers) {
                            bound = evaluator.core.dispatcher;
                        } else {
                            bound = std::max(
                                bound, bounds_(evaluator, next, best.makespan, worker.scratch));
                        }
                        if (evaluator.core.possible && bound < best.makespan &&
                            states_.save(evaluator, next, worker.record)) {
                            const Record& record = worker.record;
                            const std::uint64_t h = hash(record.key.data(), record.key.size());
                            Outbox& box = worker.boxes[(h >> 40) % at(threads)];
                            Outbox::Child child{
                                .hash = h, .offset = box.data.size(), .level = next, .entry = {}};
                            child.entry.bound = bound;
                            child.entry.parent = static_cast<std::uint32_t>(traced + w);
                            child.entry.task = k;
                            child.entry.times = static_cast<std::uint32_t>(record.times.size());
                            box.children.push_back(child);
                            box.data.insert(box.data.end(), record.key.begin(), record.key.end());
                            const std::size_t times_at = box.data.size();
                            box.data.resize(times_at + record.times.size());
                            std::memcpy(&box.data[times_at],
                                        record.times.data(),
                                        record.times.size() * sizeof(Ticks));
                        }
                        evaluator.pop();
                    }
                }
            };
            on_threads(threads, expand);

            // 5. Keep: each thread its share of the keys.
            for (const Worker& worker : workers) {
                for (const Outbox& box : worker.boxes) {
                    for (const Outbox::Child& child : box.children) {
                        level(child.level);  // grows the list before threads use it
                    }
                }
            }
            const auto keep = [&](int t) {
                for (Worker& worker : workers) {
                    Outbox& box = worker.boxes[at(t)];
                    for (const Outbox::Child& child : box.children) {
                        levels[at(child.level - first)][at(t)].insert(
                            &box.data[child.offset], child.hash, child.entry, ideas_.dominance);
                    }
                    box.children.clear();
                    box.data.clear();
                }
            };
            on_threads(threads, keep);

            // 6. Full levels give back what they would let go anyway; complete mappings are new
            //    incumbents.
            for (std::size_t later = at(i - first) + 1; later < levels.size(); ++later) {
                for (Level& share : levels[later]) {
                    if (share.entries.size() > 2 * room) {
                        dropped = std::min(dropped, share.shrink(room));
                    }
                }
            }
            if (static_cast<int>(levels.size()) > layers - first) {
                for (const Level& share : levels[at(layers - first)]) {
                    for (const Level::Entry& entry : share.entries) {
                        if (entry.alive && entry.bound < best.makespan) {
                            best.makespan = entry.bound;
                            last = {entry.parent, entry.task};
                        }
                    }
                }
            }
        }
        if (best.stopped) {
            break;
        }
        for (Level& share : level(i)) {
            share = Level(0);
        }
    }

    // 7. The mapping, from the end.
    if (last.task >= 0) {
        best.mapping.clear();
        for (Step step = last; step.task >= 0; step = trace[step.parent]) {
            best.mapping.push_back(step.task);
        }
        std::ranges::reverse(best.mapping);
    }
    for (const Worker& worker : workers) {
        best.nodes += worker.nodes;
    }
    best.bound = std::max(best.bound, std::min(dropped, best.makespan));
    return best;
}

void Layered::sharpen() {
    if (sharp_ || !ideas_.modules || !ideas_.path ||
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

}  // namespace sim
