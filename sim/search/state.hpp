#pragma once

// A partial schedule as a key and a vector of times: what the layered search stores and compares.
// Private to the searches. Start at `States::save`.
//
// Equal keys: the same decisions lie ahead, with the same copies, conversions and submissions in
// the same order. Then every later instant is made of the times with max and + alone, so a state
// whose times are all no larger than another's ends no later, whatever is decided from there.
//
// The key: the first uncovered layer (the level it is stored at), layers covered beyond it, the
// open segment's device, and for every tensor that will be read: who made it, in which layout, its
// turn where that may decide something (Evaluator::turn_matters), where it lies and can still be
// used, and which of these places wait for a submission.
// The times: dispatcher, queues, work of the open segment, engines, every such place (and its
// lag, if it waits).
//
// States are canonical: a time that cannot matter before some instant is raised to it, and what
// cannot matter at all is left out, so that more states turn out equal.

#include "sim/run/evaluator.hpp"
#include "sim/search/bounds.hpp"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace sim::internal {

// A state, and what is worked out on the way to it.
struct Record {
    // A copy that may be made of what was brought to a place, and its engine.
    struct Ask {
        int place = 0, engine = 0;
    };
    struct Use {
        Bits by = 0;          // devices that may read the tensor
        Bits engines = 0;     // that may be asked to copy it from where it was made
        bool read = false;    // a layer still to come reads it
        bool barred = false;  // some device would read it, but there is no way to it
        bool found = false;   // it lies where it can still be used
        std::size_t asks_begin = 0, asks_end = 0;
    };

    std::vector<std::uint64_t> key;
    std::vector<Ticks> times;

    std::vector<Use> uses;    // by live tensor
    std::vector<Bits> used;   // and word of its places: where it lies and can still be used
    std::vector<Ticks> from;  // and place: from when on that matters, if it is used
    std::vector<Ask> asks;
    std::vector<Ticks> soonest, queue;  // by device: a task to come can start, the queue ends
    std::vector<Ticks> asked, engine;   // by engine: the soonest it can be asked, its queue ends
};

class States {
public:
    States(const Problem& problem, const Bounds& bounds, const PruningRules& rules);

    std::size_t key_words(int layer) const { return key_words_[at(layer)]; }
    // Of any level.
    std::size_t most_key_words() const;
    std::size_t most_times() const;

    // Writes the state of `placed`, whose first uncovered layer is `layer`, over `record`. False if
    // it has no completion: something that must be read is where no reader can get it.
    bool save(const Evaluator& placed, int layer, Record& record) const;

    // Sets `placed` to a state of this level. It must be clear, or hold a state of this level or
    // one before.
    void load(Evaluator& placed, int layer, const std::uint64_t* key, const Ticks* times) const;

private:
    // Where a tensor's code is in the key; the places that do not fit in it follow in words.
    struct Slot {
        std::uint32_t word = 0, shift = 0, more = 0;
    };
    // A layer that reads a tensor, and where: devices with tasks that start at it, and those with
    // tasks that have to start before, at `earlier` layers.
    struct Reader {
        int layer = 0;
        int earlier_begin = 0, earlier_end = 0;  // in earlier_
        Bits always = 0;
    };
    struct Earlier {
        int first = 0;
        Bits devices = 0;
    };
    // A device whose results an engine may be asked to copy.
    struct Asker {
        int engine = 0, device = 0;
    };

    struct UsedPlaces;

    void find_tasks_to_come();
    void find_readers();
    void find_askers();
    void lay_out_keys(const Evaluator& evaluator);

    void write_head(const Evaluator& placed, int layer, Record& record) const;
    void find_soonest(const Evaluator& placed, int layer, Record& record) const;
    void find_askable(const Evaluator& placed, int layer, Record& record) const;
    void find_use(const Evaluator& placed, int layer, std::size_t live, Record& record) const;
    bool add_way(const Evaluator& placed, int tensor, int memory, UsedPlaces& places) const;
    void raise_engines(const Evaluator& placed, Record& record) const;
    void write_tensor(const Evaluator& placed, int layer, std::size_t live, Record& record) const;
    bool may_forget_maker(const Ticks* lags, std::size_t live, const Record& record) const;
    template <class Visit>
    void for_each_place(std::size_t live, const Record& record, const Visit& visit) const;

    const Problem& problem_;
    const Bounds& bounds_;
    const PruningRules rules_;
    const int devices_;

    std::vector<Reader> readers_;   // of one tensor after the other, by ascending layer
    std::vector<int> readers_end_;  // [tensor + 1]; they begin where those of the tensor before end
    std::vector<Earlier> earlier_;
    std::vector<Bits> after_;      // by layer: devices of the tasks that start there or later
    std::vector<Bits> held_;       // and engines that divided ones hold
    std::vector<Ticks> shortest_;  // [layer * devices + device]: and the shortest of them
    std::vector<std::vector<Asker>> askers_;
    std::vector<int> askers_of_;  // by layer: index in askers_

    // The key.
    int places_ = 1, place_words_ = 1;  // of a tensor
    int device_bits_ = 0, layout_bits_ = 0, places_here_ = 0, more_words_ = 0;
    std::vector<int> turn_bits_;  // by tensor: 0 where its turn decides nothing
    std::vector<int> usual_turn_;
    std::vector<std::vector<Slot>> slots_;  // by layer and live tensor
    std::vector<std::size_t> key_words_;    // by layer

    Bits synchronous_ = 0;    // devices
    Bits host_memories_ = 0;  // their memories
    // No asynchronous device shares a memory with a synchronous one, and none synchronises.
    bool separate_ = true;
    bool synchronises_ = false;
};

}  // namespace sim::internal
