#pragma once

// A partial schedule as a key and a vector of times: what the layered search stores and compares.
// Private to the searches.
//
// Equal keys: the same decisions lie ahead, with the same copies, conversions and submissions in
// the same order. Then every later instant is made of the times with max and + alone, so a state
// whose times are all no larger than another's ends no later, whatever is decided from there.
//
// The key: the first uncovered layer (the level it is stored at), layers covered beyond it, the
// open segment's device, and for every tensor that will be read: who made it, in which layout,
// where it lies and can still be used, and which of these places wait for a submission.
// The times: dispatcher, queues, work of the open segment, engines, every such place (and its
// lag, if it waits).
//
// States are canonical: a time that cannot matter before some instant is raised to it, and what
// cannot matter at all is left out, so that more states turn out equal.

#include "sim/run/evaluator.hpp"
#include "sim/search/bounds.hpp"

#include <array>
#include <cstdint>
#include <vector>

namespace sim {

struct Record {
    // Which places of a tensor still matter, and from when on.
    struct Use {
        unsigned by = 0;       // devices that may read it
        unsigned places = 0;   // that matter
        unsigned engines = 0;  // that may be asked to copy it
        bool read = false;     // a layer still to come reads it
        bool barred = false;   // some device would read it, but has no link to it
        std::array<Ticks, kMaxPlaces> from{};
    };

    std::vector<std::uint64_t> key;
    std::vector<Ticks> times;
    std::vector<Use> uses;  // by live tensor, while the record is made
};

class States {
public:
    States(const Problem& problem, const Bounds& bounds, const Ideas& ideas);

    std::size_t key_words(int layer) const;

    // Writes the state of `placed`, whose first uncovered layer is `layer`, over `record`. False if
    // it has no completion: something that must be read is where no reader can get it.
    bool save(const Evaluator& placed, int layer, Record& record) const;

    // Sets `placed` to a state of this level. It must be clear, or hold a state of this level or
    // one before.
    void load(Evaluator& placed, int layer, const std::uint64_t* key, const Ticks* times) const;

private:
    Record::Use use_of(const Evaluator& placed,
                       int tensor,
                       int layer,
                       const std::array<Ticks, kMaxDevices>& soonest) const;

    const Problem& problem_;
    const Bounds& bounds_;
    const Ideas ideas_;
    // By tensor, reader and device: the last layer at which a task can start that reads it there.
    std::vector<std::vector<std::array<int, kMaxDevices>>> latest_;
    std::vector<unsigned> after_;  // by layer: devices of the tasks that start there or later
    std::vector<unsigned> held_;   // and engines that divided ones hold
    std::vector<std::array<Ticks, kMaxDevices>> shortest_;  // and the shortest of them
    unsigned synchronous_ = 0;                              // devices
    // No asynchronous device shares a memory with a synchronous one, and none synchronises.
    bool separate_ = true;
    bool synchronises_ = false;
};

}  // namespace sim
