#pragma once

// The incremental evaluator: push a task, pop it. The form of the simulator for searches.
//
// It places the tasks of a mapping one at a time in the static order and keeps nothing but the
// times that later tasks depend on; `simulate` tells the same story with every event. Start at
// `push`. What it is not: a checker. It trusts that the tasks fit each other (assert).
//
// The one difficulty is rule 2: a segment is submitted in one go, so its tasks start after the
// submission of its *last* one, which is not known while the segment is open. With R the end of
// that submission, each end in an open segment is max(a, R + b): a from inputs and queue, b the
// segment's work up to and including the task. Both are kept, `at` and `lag`, and R is put in
// when the segment closes. Nothing outside reads such a time before that, because reading it
// from elsewhere is what closes the segment.
//
// A divided layer (Task::parts) closes the segment too, and all its times are final. What depends
// on more than the tasks before (contention, buses, capacities, reconfiguration) is not seen here:
// for coupled problems the makespan is a lower bound, and sim/run/activities.hpp has the time.

#include "sim/compile/problem.hpp"
#include "sim/index.hpp"

#include <array>
#include <cstdint>
#include <span>
#include <vector>

namespace sim {

inline constexpr int kMaxPlaces = kMaxMemories * kMaxLayouts;
inline constexpr int kMaxEngines = kMaxMemories * (kMaxMemories - 1);

// Inside the evaluators and searches times are the bare counts of sim::Time, picoseconds.
using Ticks = Time::rep;
inline constexpr Ticks kNeverTicks = kNever.count();

class Evaluator {
public:
    // What every task changes; small, so that push saves it whole.
    struct Core {
        Ticks dispatcher = 0;                     // the host: what it has done and waited for
        Ticks pending = 0;                        // work of the open segment
        std::array<Ticks, kMaxDevices> queue{};   // end of the queue; unused if synchronous
        std::array<Ticks, kMaxEngines> engine{};  // end of the engine's queue
        int open = 0;                             // the device whose segment is open; 0 if none is
        int segment = 0;       // first entry of `waiting` that belongs to the open segment
        bool possible = true;  // false: a copy without a link, or a conversion nobody can do
        Ticks energy = 0;      // femtojoules, beside what is drawn at rest
    };

    // A place is a memory and a layout. A tensor is made in one and may be brought to others.
    struct Tensor {
        int device = 0, layout = 0;           // that made it
        bool exposed = false;                 // computed, and not inside a fused chain
        std::array<Ticks, kMaxPlaces> at{};   // by place; -1: not there
        std::array<Ticks, kMaxPlaces> lag{};  // -1: `at` is final; else b of the head comment
    };

    struct Waiting {
        int tensor = 0, place = 0;
    };

    explicit Evaluator(const Problem& problem);

    // Places a task; all it reads must be there. `pop` takes the latest one back.
    void push(int task) { plain_ ? place<true, true>(task) : place<true, false>(task); }
    void pop();

    // Nothing placed. The times of tensors that are not exposed mean nothing.
    void clear();

    // The time of a whole mapping, kNever if it is impossible. Clears first; nothing to pop.
    Time makespan(std::span<const int> mapping);
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

    static int place_of(int memory, int layout) { return memory * kMaxLayouts + layout; }
    int home(const Tensor& tensor) const {  // where it was made
        return place_of(devices_[at(tensor.device)].memory, tensor.layout);
    }

    // The state. Searches save it, load it and read it; see search/state.hpp.
    Core core;
    std::vector<Tensor> tensors;   // by layer
    std::vector<char> covered;     // by layer, and one more that stays 0: a sentinel
    std::vector<Waiting> waiting;  // places whose times wait for a submission

private:
    struct Input {
        int tensor = 0, layout = 0;
    };
    struct FlatTask {  // a Task without what a simulation does not need
        Ticks cost = 0;
        int device = 0, first = 0, last = 0, layout = 0;
        int inputs_begin = 0, inputs_end = 0, rest_begin = 0, rest_end = 0;
        bool divided = false;
    };
    struct Frame {
        Core core;
        int task = 0, changes = 0, waiting = 0;
    };
    struct Change {
        int tensor = 0, place = 0;
        Ticks at = 0, lag = 0;
    };
    struct Converted {  // by the divided layer that is being placed
        int tensor = 0, place = 0;
        Ticks end = 0;  // from the start; -1: by the dispatcher
    };

    // keep: so that pop can take it back. plain: no energy, synchronisation or divided layers.
    template <bool keep, bool plain>
    void place(int index);
    template <bool keep>
    void place_divided(int index);
    template <bool keep, bool plain>
    Ticks copy(int tensor, int memory);
    template <bool plain>
    Ticks seen(const Tensor& tensor, int place, int device, Ticks at) const;
    template <bool plain>
    Ticks conversion(int tensor, int device, int layout);
    void add_copy_energy(int tensor, int layout, int from, int to);
    void add_conversion_energy(int tensor, int device, int from, int to);
    template <bool keep>
    void close_segment();
    template <bool keep>
    void set(int tensor, int place, Ticks at, Ticks lag);

    const Problem& problem_;
    std::vector<ProblemDevice> devices_;
    std::vector<FlatTask> tasks_;
    std::vector<Input> inputs_;
    std::vector<int> rest_;
    std::vector<Ticks> energies_;  // by task: its own and its submission's, but for the segment's
    std::vector<Frame> frames_;
    std::vector<Change> changes_;
    std::vector<Converted> converted_;
    std::array<Ticks, kMaxMemories> synchronise_{};
    bool synchronises_ = false, knows_energy_ = false, plain_ = true;
};

// The time of one mapping, kNever if it is impossible. For many, keep an Evaluator.
Time makespan(const Problem& problem, std::span<const int> mapping);

}  // namespace sim
