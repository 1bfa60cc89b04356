#pragma once

// The levels of one pass (levels.hpp) as threads share them. Private to the searches.
//
// The states of a level are divided into shares by their keys. A batch is expanded in pieces, each
// by whoever is free; a piece puts what it makes into a box for each share, and then each share
// takes what is in its boxes, in the order of the pieces. Pieces and shares are as many with one
// thread as with many: threads change nothing but the time, and nobody waits for a lock.
//
// Processes (team.hpp) share the levels in the same way: each owns some shares, expands what they
// hold row by row (`expand_rows`: the pieces are the shares), and sends what it posted to the
// others' shares to these.

#include "sim/search/levels.hpp"
#include "sim/search/memory.hpp"
#include "sim/search/state.hpp"
#include "sim/search/store.hpp"
#include "sim/search/team.hpp"
#include "sim/search/workers.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace sim::internal {

// Refers to a state of a level.
struct Held {
    std::uint32_t share = 0;
    Store::Place group = 0, state = 0;
};
using HeldList = Counted<Held>;

class Shares {
public:
    // `wide`: in several shares and pieces; else in one. `first`: the first level. `most_words`: of
    // a state's numbers. `marks`: words that keys have beyond those of States. `team`: nullptr:
    // this process owns all shares.
    Shares(const States& states,
           Memory& memory,
           Workers& workers,
           bool wide,
           int first,
           std::size_t most_words,
           std::size_t marks = 0,
           const Team* team = nullptr);

    std::size_t key_words(int layer) const { return states_.key_words(layer) + marks_; }
    std::size_t count() const { return wide_ ? kShares : 1; }
    std::span<const std::size_t> own() const { return own_; }  // shares
    bool reaches(int layer) const { return layer - first_ < static_cast<int>(levels_.size()); }
    std::vector<Store>& level(int layer);  // made if it is not there
    const std::vector<Store>& held(int layer) const { return levels_[at(layer - first_)]; }
    void forget(int layer) { level(layer).clear(); }

    const Store::State& state(const Held& held, int layer) const {
        return levels_[at(layer - first_)][held.share].state(held.state);
    }
    const Store::Group& group(const Held& held, int layer) const {
        return levels_[at(layer - first_)][held.share].group(held.group);
    }
    HeldList list() const { return HeldList{Counting<Held>(memory_)}; }
    // All states of a level for which accepts(state, group).
    template <class Accept>
    HeldList all(int layer, const Accept& accepts) const;

    // The same of one share.
    template <class Accept>
    void add_of(std::size_t share, int layer, const Accept& accepts, HeldList& found) const;

    // function(store) for each share of a level.
    template <class Function>
    void each(int layer, const Function& function) {
        std::vector<Store>& stores = level(layer);
        workers_.share(count(), [&](std::size_t share, int) { function(stores[share]); });
    }

    Memory& memory() const { return memory_; }
    Blocks& blocks() { return blocks_; }

    // How many states are expanded at a time where so many tasks may follow each.
    std::size_t batch(std::size_t children) const;

    // New states on their way from the piece that made them to the share that keeps them.
    struct Child {
        std::uint64_t hash = 0;
        std::size_t offset = 0;  // in the words: the key, then the numbers
        TraceStep step;
        int layer = 0;
        std::uint16_t times = 0, words = 0;
    };
    struct Box {
        explicit Box(Memory& memory)
            : children(Counting<Child>(memory)), words(Counting<std::uint64_t>(memory)) {}

        void clear() {
            children.clear();
            words.clear();
        }

        Counted<Child> children;
        Counted<std::uint64_t> words;
    };
    // To the share that keeps its key. Returns where its numbers go, `words` of them.
    std::uint32_t* post(std::span<Box> boxes,
                        int layer,
                        const std::vector<std::uint64_t>& key,
                        TraceStep step,
                        std::size_t times,
                        std::size_t words) const;

    // expand(held, place, worker, piece, boxes) for all, then keep(store, child, key, numbers) for
    // all that was posted.
    template <class Expand, class Keep>
    void expand(int layer,
                std::span<const Held> states,
                std::size_t place,
                const Expand& expand,
                const Keep& keep);
    // The same, in two steps, for so many rows from `begin` on of lists of the own shares:
    // expand(held, row, share, worker, boxes), and then keep_posted.
    template <class Expand>
    void expand_rows(int layer,
                     std::span<const HeldList> by_share,
                     std::size_t begin,
                     std::size_t count,
                     const Expand& expand);
    int posted_reach() const;  // the last level that something was posted to
    // In between, in a team: sends to the others what was posted to their shares, and a note.
    // Returns the notes of all.
    std::vector<std::string> exchange(std::string_view note);
    // The same for what is posted from outside.
    std::span<Box> boxes(std::size_t piece) {
        return std::span(boxes_).subspan(piece * count(), count());
    }
    template <class Keep>
    void keep_posted(const Keep& keep);

    std::size_t pieces() const { return wide_ ? kPieces : 1; }

private:
    // Questions whether to stop come after about so many nodes.
    static constexpr std::size_t kShares = 16, kPieces = 32, kNodesInBatch = 8192;
    static constexpr std::size_t kSmallestBatch = 32, kLargestBatch = 1024, kNarrowBatch = 256;
    // Memory is slow: so many states before it is used, it is asked for.
    static constexpr std::size_t kAhead = 4;

    // What another process posted to a share of this one; it lies in received_.
    struct Parcel {
        std::span<const Child> children;
        const std::uint64_t* words = nullptr;
    };

    std::string parcels_for(int process, std::string_view note);
    std::string unpack(int process);
    void make_levels_of(std::span<const Child> children);
    template <class Keep>
    void keep_share(std::size_t share, const Keep& keep);
    template <class Keep>
    void keep_all(std::size_t share,
                  std::span<const Child> children,
                  const std::uint64_t* words,
                  const Keep& keep);

    const States& states_;
    Memory& memory_;
    Workers& workers_;
    const bool wide_;
    const int first_;
    const std::size_t marks_;
    Blocks blocks_;
    std::vector<std::vector<Store>> levels_;  // [layer - first][share]
    std::vector<Box> boxes_;                  // [piece * shares + share]
    const Team* const team_;
    std::vector<std::size_t> own_;
    std::vector<std::string> received_;  // by process
    std::vector<Parcel> parcels_;        // as boxes_
};

template <class Accept>
HeldList Shares::all(int layer, const Accept& accepts) const {
    HeldList found = list();
    if (!reaches(layer)) {
        return found;
    }
    std::size_t count = 0;
    for (const Store& store : held(layer)) {
        count += store.states();
    }
    found.reserve(count);
    for (std::size_t share = 0; share < held(layer).size(); ++share) {
        add_of(share, layer, accepts, found);
    }
    return found;
}

template <class Accept>
void Shares::add_of(std::size_t share, int layer, const Accept& accepts, HeldList& found) const {
    const Store& store = held(layer)[share];
    store.for_each_group([&](Store::Place place, const Store::Group& group) {
        for (Store::Place next = group.first; next != 0; next = store.state(next).next) {
            if (accepts(store.state(next), group)) {
                found.push_back({static_cast<std::uint32_t>(share), place, next});
            }
        }
    });
}

template <class Expand, class Keep>
void Shares::expand(int layer,
                    std::span<const Held> states,
                    std::size_t place,
                    const Expand& expand,
                    const Keep& keep) {
    const std::size_t length = (states.size() + pieces() - 1) / pieces();
    workers_.share(pieces(), [&](std::size_t piece, int worker) {
        const std::size_t begin = std::min(piece * length, states.size());
        const std::size_t end = std::min(begin + length, states.size());
        for (std::size_t i = begin; i < end; ++i) {
            if (i + 1 < end) {
                const Store::State& next = state(states[i + 1], layer);
                __builtin_prefetch(&next);
                __builtin_prefetch(next.numbers() + 16);
            }
            expand(states[i], place + i, worker, piece, boxes(piece));
        }
    });
    keep_posted(keep);
}

template <class Expand>
void Shares::expand_rows(int layer,
                         std::span<const HeldList> by_share,
                         std::size_t begin,
                         std::size_t count,
                         const Expand& expand) {
    workers_.share(own_.size(), [&](std::size_t number, int worker) {
        const HeldList& states = by_share[number];
        const std::size_t end = std::min(begin + count, states.size());
        for (std::size_t i = begin; i < end; ++i) {
            if (i + 1 < end) {
                const Store::State& next = state(states[i + 1], layer);
                __builtin_prefetch(&next);
                __builtin_prefetch(next.numbers() + 16);
            }
            expand(states[i], i, own_[number], worker, boxes(own_[number]));
        }
    });
}

template <class Keep>
void Shares::keep_posted(const Keep& keep) {
    // Levels are there before threads use them.
    for (const Box& box : boxes_) {
        make_levels_of(box.children);
    }
    for (const Parcel& parcel : parcels_) {
        make_levels_of(parcel.children);
    }
    workers_.share(own_.size(), [&](std::size_t number, int) { keep_share(own_[number], keep); });
    parcels_.assign(parcels_.size(), {});
    if (own_.size() < count()) {
        for (Box& box : boxes_) {  // what was sent away
            box.clear();
        }
    }
}

template <class Keep>
void Shares::keep_share(std::size_t share, const Keep& keep) {
    for (std::size_t i = share; i < boxes_.size(); i += count()) {
        keep_all(share, boxes_[i].children, boxes_[i].words.data(), keep);
        boxes_[i].clear();
        if (!parcels_.empty()) {
            keep_all(share, parcels_[i].children, parcels_[i].words, keep);
        }
    }
}

template <class Keep>
void Shares::keep_all(std::size_t share,
                      std::span<const Child> children,
                      const std::uint64_t* words,
                      const Keep& keep) {
    const auto store = [&](std::size_t number) -> Store& {
        return levels_[at(children[number].layer - first_)][share];
    };
    for (std::size_t number = 0; number < children.size(); ++number) {
        if (number + 2 * kAhead < children.size()) {
            store(number + 2 * kAhead).expect(children[number + 2 * kAhead].hash);
        }
        if (number + kAhead < children.size()) {
            store(number + kAhead).expect_group(children[number + kAhead].hash);
        }
        const Child& child = children[number];
        const std::uint64_t* const key = words + child.offset;
        keep(store(number),
             child,
             key,
             reinterpret_cast<const std::uint32_t*>(key + key_words(child.layer)));
    }
}

}  // namespace sim::internal
