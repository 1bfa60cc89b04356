#pragma once

// Where a level's states lie, or one share of them: as tight as they can be read fast, since memory
// decides how far an exact search comes. Private to the searches.
//
// A state is a key and numbers. States with equal keys are a group, which holds the key once; each
// is a record in blocks of memory: the next one of its group, how it came about, and as many words
// of numbers as the group says. Times take the fewest bytes that hold the longest schedule
// (TimeCode). What goes leaves its place to the next state with as many numbers.

#include "sim/compile/problem.hpp"
#include "sim/run/evaluator.hpp"
#include "sim/search/bounds.hpp"
#include "sim/search/levels.hpp"
#include "sim/search/memory.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

namespace sim::internal {

std::uint64_t hash_of(const std::uint64_t* key, std::size_t words);

// Times of states as numbers of a few bytes, side by side.
class TimeCode {
public:
    TimeCode() = default;  // as they are
    // For the states of a problem that begin at its beginning.
    TimeCode(const Problem& problem, const Bounds& bounds);

    std::size_t words(std::size_t count) const { return (count * bytes_ + 3) / 4; }  // of 32 bits

    // Of what it stands before a level's other times, `first` counts them.
    void write(const Ticks* times, std::size_t count, std::size_t first, std::uint32_t* to) const;
    void read(const std::uint32_t* from, std::size_t first, std::size_t count, Ticks* times) const;
    // The largest that can be written; bounds above it are of no use.
    Ticks most() const;

    struct Order {
        bool no_later = true, no_sooner = true;
    };
    // Of `count` times from the `first` on: whether none of a's is later than b's, or sooner.
    Order compare(const std::uint32_t* a,
                  const std::uint32_t* b,
                  std::size_t first,
                  std::size_t count) const;

private:
    std::size_t bytes_ = 8;
    // Stored are multiples of a unit: shifted, then times the inverse of what is odd in it.
    int shift_ = 0;
    std::uint64_t odd_ = 1, inverse_ = 1;
};

class Store {
public:
    using Place = std::uint32_t;  // of a state; 0: none
    struct State {
        Place next;
        TraceStep step;

        std::uint32_t* numbers() { return reinterpret_cast<std::uint32_t*>(this + 1); }
        const std::uint32_t* numbers() const {
            return reinterpret_cast<const std::uint32_t*>(this + 1);
        }
    };
    // The key follows.
    struct alignas(std::uint64_t) Group {
        Place first = 0;
        std::uint16_t times = 0;  // among the numbers of each state
        std::uint16_t words = 0;  // of all its numbers
        std::uint32_t states = 0;
        std::uint32_t tidy = 0;  // how many were left when it was last tidied up

        const std::uint64_t* key() const {
            return reinterpret_cast<const std::uint64_t*>(this + 1);
        }
    };

    Store(Blocks& blocks, std::size_t key_words);
    ~Store();
    Store(Store&& other) noexcept;
    Store& operator=(Store&& other) noexcept;

    // How large a block has to be for a state with so many words of numbers, or a key.
    static std::size_t block_words(std::size_t numbers, std::size_t key_words);

    Group& group(Place place) {
        return *reinterpret_cast<Group*>(group_blocks_[place >> (block_bits_ - 1)].get() +
                                         (place & (block_mask_ >> 1)));
    }
    const Group& group(Place place) const {
        return *reinterpret_cast<const Group*>(group_blocks_[place >> (block_bits_ - 1)].get() +
                                               (place & (block_mask_ >> 1)));
    }
    // In the order in which they were made: visit(place, group).
    template <class Visit>
    void for_each_group(const Visit& visit) const {
        Place place = 0;
        for (std::size_t i = 0; i < groups_; ++i) {
            visit(place, group(place));
            place = after(place);
        }
    }
    State& state(Place place) {
        return *reinterpret_cast<State*>(
            reinterpret_cast<std::uint32_t*>(state_blocks_[place >> block_bits_].get()) +
            (place & block_mask_));
    }
    const State& state(Place place) const {
        return *reinterpret_cast<const State*>(
            reinterpret_cast<const std::uint32_t*>(state_blocks_[place >> block_bits_].get()) +
            (place & block_mask_));
    }

    // The group of a key, which is made if there is none.
    Place group_of(const std::uint64_t* key,
                   std::uint64_t hashed,
                   std::size_t times,
                   std::size_t words);
    // A place for a state of this group: as the first of it, its numbers not written.
    State& add(Group& group, TraceStep step);
    // What `link` points to goes.
    void remove(Group& group, Place& link);

    std::size_t states() const { return states_; }

    // Soon its group will be asked for: the index is fetched, then what it says.
    void expect(std::uint64_t hashed) const {
        if (!index_.empty()) {
            __builtin_prefetch(&index_[hashed & (index_.size() - 1)]);
        }
    }
    void expect_group(std::uint64_t hashed) const {
        if (!index_.empty()) {
            if (const Place found = index_[hashed & (index_.size() - 1)]; found != 0) {
                __builtin_prefetch(&group(found - 1));
            }
        }
    }

private:
    std::size_t group_words() const { return sizeof(Group) / sizeof(std::uint64_t) + key_words_; }
    bool is_key_of(Place place, const std::uint64_t* key) const {
        const std::uint64_t* const its = group(place).key();
        for (std::size_t i = 0; i < key_words_; ++i) {
            if (its[i] != key[i]) {
                return false;
            }
        }
        return true;
    }
    // The place of the group that is made next.
    Place after(Place place) const {
        const auto length = static_cast<Place>(group_words());
        const Place mask = block_mask_ >> 1;
        return (place & mask) + 2 * length > mask + 1 ? (place | mask) + 1 : place + length;
    }
    void grow();
    void clear();

    Blocks* blocks_;
    std::size_t key_words_;
    unsigned block_bits_ = 0;
    std::uint32_t block_mask_ = 0;
    std::size_t groups_ = 0, states_ = 0;
    Place next_group_ = 0;
    std::vector<Blocks::Block> group_blocks_, state_blocks_;
    std::size_t end_ = 0;           // of the last block of states, in words of 32 bits
    Counted<std::uint32_t> index_;  // by hash: a group's place + 1
    std::vector<Place> free_;       // by words of numbers
};

}  // namespace sim::internal
