#pragma once

// How much memory a search holds, and may hold. Private to the searches.
//
// What grows with a search takes its memory through `Counting` or `Blocks`, which count it; nothing
// here refuses: a search asks now and then whether it holds too much, and lets go.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <type_traits>
#include <utility>
#include <vector>

namespace sim::internal {

struct MemoryUsage {
    std::size_t held = 0, limit = 0;
};

class Memory {
public:
    explicit Memory(std::size_t limit) : limit_(limit) {}

    std::size_t limit() const { return limit_; }
    std::size_t held() const { return held_.load(std::memory_order_relaxed); }
    MemoryUsage usage() const { return {held(), limit_}; }
    void add(std::size_t bytes) { held_.fetch_add(bytes, std::memory_order_relaxed); }
    void remove(std::size_t bytes) { held_.fetch_sub(bytes, std::memory_order_relaxed); }

private:
    std::size_t limit_;
    std::atomic<std::size_t> held_{0};
};

// An allocator that counts.
template <class T>
class Counting {
public:
    using value_type = T;

    explicit Counting(Memory& memory) : memory_(&memory) {}
    template <class Other>
    Counting(const Counting<Other>& other)  // NOLINT(google-explicit-constructor): an allocator's
        : memory_(&other.memory()) {}

    T* allocate(std::size_t count) {
        T* const place = std::allocator<T>().allocate(count);
        memory_->add(count * sizeof(T));
        return place;
    }
    void deallocate(T* place, std::size_t count) {
        memory_->remove(count * sizeof(T));
        std::allocator<T>().deallocate(place, count);
    }

    Memory& memory() const { return *memory_; }
    template <class Other>
    friend bool operator==(const Counting& a, const Counting<Other>& b) {
        return &a.memory() == &b.memory();
    }

    using propagate_on_container_move_assignment = std::true_type;
    using propagate_on_container_swap = std::true_type;

private:
    Memory* memory_;
};

template <class T>
using Counted = std::vector<T, Counting<T>>;

// Memory in blocks of one size, for stores that grow and go: a block that was given back is the
// next one that is taken, and does not count meanwhile. Threads may share it.
class Blocks {
public:
    using Word = std::uint64_t;
    using Block = std::unique_ptr<Word[]>;

    // `words`: of a block; a power of two.
    Blocks(Memory& memory, std::size_t words) : memory_(memory), words_(words) {}

    Memory& memory() const { return memory_; }
    std::size_t words() const { return words_; }

    Block take() {
        memory_.add(words_ * sizeof(Word));
        {
            const std::lock_guard lock(mutex_);
            if (!spare_.empty()) {
                Block block = std::move(spare_.back());
                spare_.pop_back();
                return block;
            }
        }
        return Block(new Word[words_]);  // as it is: whoever takes it writes first
    }
    void give_back(std::vector<Block>& blocks) {
        memory_.remove(blocks.size() * words_ * sizeof(Word));
        const std::lock_guard lock(mutex_);
        for (Block& block : blocks) {
            spare_.push_back(std::move(block));
        }
        blocks.clear();
    }

private:
    Memory& memory_;
    const std::size_t words_;
    std::mutex mutex_;
    std::vector<Block> spare_;
};

}  // namespace sim::internal
