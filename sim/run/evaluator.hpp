#pragma once

// The incremental evaluator: push a task, pop it. The form of the simulator for searches.
//
// It places the tasks of a mapping one at a time, in any order in which inputs come before their
// readers, and keeps nothing but the times that later tasks depend on; `simulate` tells the same
// story with every event. Start at `push`. What it is not: a checker. It trusts that the tasks fit
// each other (assert).
//
// The one difficulty is rule 2: a segment is submitted in one go, so its tasks start after the
// submission of its *last* one, which is not known while the segment is open. With R the end of
// that submission, each end in an open segment is max(a, R + b): a from inputs and queue, b the
// segment's work up to and including the task. Both are kept, `time` and `lag`, and R is put in
// when the segment closes. Nothing outside reads such a time before that, because reading it
// from elsewhere is what closes the segment.
//
// A divided layer (Task::parts) closes the segment too, and all its times are final. What depends
// on more than the tasks before (contention, buses, capacities, reconfiguration) is not seen here:
// for coupled problems the makespan is a lower bound, and run/engine.hpp has the time.

#include "sim/compile/problem.hpp"
#include "sim/index.hpp"
#include "sim/run/turns.hpp"

#include <algorithm>
#include <cassert>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

namespace sim {

// Inside the evaluators and searches times are the bare counts of sim::Time, picoseconds, and
// energies those of sim::Energy, femtojoules.
using Ticks = Time::rep;
inline constexpr Ticks kNeverTicks = kNever.count();

class Evaluator {
public:
    // What every task changes; small, so that push saves it whole.
    struct Core {
        Ticks dispatcher = 0;  // the host: what it has done and waited for
        Ticks pending = 0;     // work of the open segment
        Ticks energy = 0;      // femtojoules, beside what is drawn at rest
        int open = 0;          // the device whose segment is open; 0 if none is
        int segment = 0;       // first entry of `waiting` that belongs to the open segment
        bool possible = true;  // false: a copy without a way, or a conversion no device can do
    };

    // A place is a memory and a layout. A tensor is made in one and may be brought to others.
    struct Tensor {
        int device = 0, layout = 0;  // that made it
        int turn = 0;                // when its task was placed: a task's inputs come in that order
        bool exposed = false;        // computed, and not inside a fused set
    };

    struct Waiting {
        int tensor = 0, place = 0;
    };
    // Each place of each tensor is there once at most: there is room for all from the start.
    class WaitingPlaces {
    public:
        explicit WaitingPlaces(std::size_t most) : places_(most) {}

        std::size_t size() const { return size_; }
        const Waiting& operator[](std::size_t index) const { return places_[index]; }
        void push_back(const Waiting& place) {
            assert(size_ < places_.size());
            places_[size_++] = place;
        }
        void shrink(std::size_t size) {
            assert(size <= size_);
            size_ = size;
        }
        void clear() { size_ = 0; }

    private:
        std::vector<Waiting> places_;
        std::size_t size_ = 0;
    };

    // `counts_loads`: load() is wanted; placing takes a little longer then.
    explicit Evaluator(const Problem& problem, bool counts_loads = false);

    // Places a task of the static order; all it reads must be there. `pop` takes the latest back.
    void push(int task) { push(task, tasks_[at(task)].first); }
    // In an order of its own: turns ascend.
    void push(int task, int turn) { (this->*push_)(task, turn); }
    void pop();

    // Nothing placed. The times of tensors that are not exposed mean nothing.
    void clear();

    // The time of a whole mapping in its own order, kNever if it is impossible. Needs no `clear`
    // before, but one after it if tasks are pushed then.
    Time makespan(const Mapping& mapping);
    // The same for what is placed: meaningful when the output is.
    Time makespan() const { return core.possible ? Time{core.dispatcher} : kNever; }

    // The end of a task that was just placed, at the earliest.
    Ticks end(int task) const;

    int next_layer(int layer) const {  // the first one from `layer` on that is not covered
        while (covered[at(layer)]) {
            ++layer;
        }
        return layer;
    }

    // ---- the state: searches save it, load it and read it; see search/state.hpp ----

    // End of a device's queue (of no meaning if it is synchronous), and of an engine's.
    Ticks queue(int device) const { return ticks_[at(device)]; }
    Ticks engine(int engine) const { return ticks_[at(devices_count_ + engine)]; }
    // What a resource (as Plan numbers them: dispatcher, devices, engines) has done so far, waiting
    // not counted: of a stream of frames no period is shorter than the largest.
    Ticks load(int resource) const { return ticks_[at(heads_ / 2 + resource)]; }
    void set_load(int resource, Ticks work) { ticks_[at(heads_ / 2 + resource)] = work; }
    int resources() const { return devices_count_ + engines_count_; }
    void set_queue(int device, Ticks time) { ticks_[at(device)] = time; }
    void set_engine(int engine, Ticks time) { ticks_[at(devices_count_ + engine)] = time; }

    int places() const { return places_; }
    int place_of(int memory, int layout) const { return memory * layouts_ + layout; }
    int home(const Tensor& tensor) const {  // where it was made
        return place_of(devices_[at(tensor.device)].memory, tensor.layout);
    }
    // By place; -1: not there.
    template <int places = 0>
    Ticks time(int tensor, int place) const {
        return ticks_[slot<places>(tensor, place)];
    }
    // -1: `time` is final; else b of the head comment.
    template <int places = 0>
    Ticks lag(int tensor, int place) const {
        return ticks_[slot<places>(tensor, place) + at(count<places>())];
    }
    // The times of all its places.
    const Ticks* times(int tensor) const { return &ticks_[slot<0>(tensor, 0)]; }
    const Ticks* lags(int tensor) const { return times(tensor) + places_; }
    // The tensor is nowhere, or (`set_place`) there at this time.
    template <int places = 0>
    void clear_places(int tensor) {
        std::fill_n(&ticks_[slot<places>(tensor, 0)], 2 * count<places>(), Ticks{-1});
    }
    template <int places = 0>
    void set_place(int tensor, int place, Ticks time, Ticks lag) {
        Ticks* const there = &ticks_[slot<places>(tensor, place)];
        there[0] = time;
        there[count<places>()] = lag;
    }

    // Whether a task's inputs may be made in either order, this one and another: then `turn` is
    // part of the state. Else usual_turn() stands for it.
    bool turn_matters(int tensor) const { return turn_matters_[at(tensor)] != 0; }
    int usual_turn(int tensor) const { return usual_turn_[at(tensor)]; }

    Core core;
    std::vector<Tensor> tensors;  // by layer
    std::vector<char> covered;    // by layer, and one more that stays 0: a sentinel
    WaitingPlaces waiting;        // places whose times wait for a submission

private:
    struct FlatTask {  // a Task without what a simulation does not need
        Ticks cost = 0;
        int device = 0, first = 0, last = 0, layout = 0;
        int inputs_begin = 0, inputs_end = 0, rest_begin = 0, rest_end = 0;
        int inner_begin = 0, inner_end = 0;
        bool divided = false;
    };
    struct Frame {
        Core core;
        int task = 0, changes = 0, waiting = 0;
    };
    struct Change {
        int slot = 0;
        Ticks before = 0;
    };
    struct Converted {  // by the divided layer that is being placed
        int tensor = 0, place = 0;
        Ticks end = 0;  // from the start; -1: by the dispatcher
    };

    // `places`: how many there are, where that is known to the compiler; 0: it is not.
    template <int places>
    int count() const {
        return places > 0 ? places : places_;
    }
    template <int places>
    std::size_t slot(int tensor, int place) const {
        return at(heads_) + at(tensor) * at(2 * count<places>()) + at(place);
    }

    // Most problems have few places, and what is done for a task is little: that the compiler knows
    // their number is worth functions of their own.
    using Placing = void (Evaluator::*)(int, int);
    template <bool keep>
    Placing placing() const;

    void clear_times();

    // keep: so that pop can take it back. basic: no energy, synchronisation or divided layers.
    template <bool keep, bool basic, int places>
    void place(int index, int turn);
    template <bool keep>
    void place_divided(int index, int turn);
    template <bool keep, bool basic, int places>
    Ticks copy(int tensor, int memory);
    template <bool keep, bool basic, int places>
    Ticks copy_over_link(int tensor, int from, int memory);
    template <bool keep, bool basic, int places>
    Ticks copy_by_way(int tensor, int memory);
    template <bool basic>
    Ticks seen(const Tensor& tensor, int place, int device, Ticks when) const;
    template <bool keep, bool basic>
    Ticks conversion(int tensor, int device, int layout);
    template <bool keep>
    void copy_early(const EarlyCopy& early);
    template <bool keep>
    void add_load(int resource, Ticks work);
    int resource_of(int device) const { return devices_[at(device)].asynchronous ? device : 0; }
    template <bool keep, int places>
    void close_segment();
    template <bool keep>
    void change(std::size_t slot, Ticks ticks);
    template <bool keep, int places>
    void change_place(int tensor, int place, Ticks time, Ticks lag);
    template <int places>
    void expose(const FlatTask& task, int turn, Ticks time, Ticks lag);
    void cover(const FlatTask& task, char value);
    std::span<const TaskInput> inputs_in_turn(const FlatTask& task);
    void find_turns();

    const Problem& problem_;
    std::vector<ProblemDevice> devices_;
    std::vector<FlatTask> tasks_;
    std::vector<TaskInput> inputs_;
    std::vector<TaskResult> inner_;
    std::vector<int> rest_;
    std::vector<Ticks> energies_;  // by task: its own and its submission's, but for the segment's
    int devices_count_ = 0, engines_count_ = 0, layouts_ = 1, places_ = 1, heads_ = 0;
    // Queues, engines, as many loads if they are counted, then of every tensor the times of its
    // places and their lags.
    std::vector<Ticks> ticks_;
    std::vector<Frame> frames_;
    std::vector<Change> changes_;
    std::vector<Converted> converted_;
    std::vector<TaskInput> sorted_;
    std::vector<Ticks> synchronise_;  // by memory
    std::vector<char> turn_matters_;  // by tensor
    std::vector<int> usual_turn_;
    bool synchronises_ = false, knows_energy_ = false, counts_loads_ = false, basic_ = true;
    Placing push_ = nullptr, place_ = nullptr;
};

// The time of one mapping, kNever if it is impossible. For many, keep an Evaluator.
Time makespan(const Problem& problem, const Mapping& mapping);

}  // namespace sim
