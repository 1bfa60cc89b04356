#include "sim/search/store.hpp"

#include <algorithm>
#include <bit>
#include <cassert>
#include <cmath>
#include <limits>
#include <type_traits>
#include <utility>

namespace sim::internal {
namespace {

static_assert(std::endian::native ==
              std::endian::little);  // of a number, the lower bytes come first

// A number of five or six bytes comes and goes in two pieces: through memory, as one that is copied
// byte by byte into a longer one, it would wait for itself.
template <std::size_t kBytes>
std::uint64_t load(const std::uint32_t* numbers, std::size_t index) {
    const char* const from = reinterpret_cast<const char*>(numbers) + index * kBytes;
    const auto piece = [&]<class Piece>(std::size_t begin, Piece value) {
        std::memcpy(&value, from + begin, sizeof value);
        return static_cast<std::uint64_t>(value) << (8 * begin);
    };
    if constexpr (kBytes == 8) {
        return piece(0, std::uint64_t{});
    } else if constexpr (kBytes == 6) {
        return piece(0, std::uint32_t{}) | piece(4, std::uint16_t{});
    } else if constexpr (kBytes == 5) {
        return piece(0, std::uint32_t{}) | piece(4, std::uint8_t{});
    } else {
        return piece(0, std::uint32_t{});
    }
}

template <std::size_t kBytes>
void store(std::uint32_t* numbers, std::size_t index, std::uint64_t number) {
    char* const to = reinterpret_cast<char*>(numbers) + index * kBytes;
    const auto piece = [&]<class Piece>(std::size_t begin, Piece value) {
        value = static_cast<Piece>(number >> (8 * begin));
        std::memcpy(to + begin, &value, sizeof value);
    };
    if constexpr (kBytes == 8) {
        piece(0, std::uint64_t{});
    } else {
        piece(0, std::uint32_t{});
        if constexpr (kBytes == 6) {
            piece(4, std::uint16_t{});
        } else if constexpr (kBytes == 5) {
            piece(4, std::uint8_t{});
        }
    }
}

template <class Use>
decltype(auto) with_constant(std::size_t bytes, const Use& use) {
    switch (bytes) {
        case 4:
            return use(std::integral_constant<std::size_t, 4>{});
        case 5:
            return use(std::integral_constant<std::size_t, 5>{});
        case 6:
            return use(std::integral_constant<std::size_t, 6>{});
        default:
            return use(std::integral_constant<std::size_t, 8>{});
    }
}

}  // namespace

std::uint64_t hash_of(const std::uint64_t* key, std::size_t words) {
    std::uint64_t h = 0x9e3779b97f4a7c15u;
    for (std::size_t i = 0; i < words; ++i) {
        h = (h ^ key[i]) * 0xff51afd7ed558ccdu;
        h ^= h >> 32;
    }
    return h;
}

// ---- times --------------------------------------------------------------------------------------

TimeCode::TimeCode(const Problem& problem, const Bounds& bounds) {
    // What is raised to where it begins to matter may lie a little beyond the longest schedule.
    constexpr double kBeyond = 4;
    const bool is_whole = std::ranges::all_of(
        problem.tasks, [](const Task& task) { return task.parts.empty(); });  // all times are units
    const Ticks unit = is_whole ? bounds.unit : 1;
    const double most = kBeyond * (bounds.horizon / static_cast<double>(unit) + 1);
    for (const std::size_t bytes : {4u, 5u, 6u}) {
        if (most < std::ldexp(1.0, static_cast<int>(8 * bytes))) {
            bytes_ = bytes;
            shift_ = std::countr_zero(static_cast<std::uint64_t>(unit));
            odd_ = static_cast<std::uint64_t>(unit) >> shift_;
            // Newton's method: each step doubles the bits that are right.
            for (int step = 0; step < 6; ++step) {
                inverse_ *= 2 - odd_ * inverse_;
            }
            return;
        }
    }
}

Ticks TimeCode::most() const {
    if (bytes_ == 8) {
        return std::numeric_limits<Ticks>::max();
    }
    const auto number = static_cast<Ticks>((std::uint64_t{1} << (8 * bytes_)) - 1);
    Ticks most = 0;
    return __builtin_mul_overflow(number, static_cast<Ticks>(odd_ << shift_), &most)
               ? std::numeric_limits<Ticks>::max()
               : most;
}

void TimeCode::write(const Ticks* times,
                     std::size_t count,
                     std::size_t first,
                     std::uint32_t* to) const {
    with_constant(bytes_, [&](auto bytes) {
        for (std::size_t i = 0; i < count; ++i) {
            assert(times[i] >= 0 && times[i] <= most());
            const auto number = (static_cast<std::uint64_t>(times[i]) >> shift_) * inverse_;
            assert(((number * odd_) << shift_) == static_cast<std::uint64_t>(times[i]));
            store<bytes()>(to, first + i, number);
        }
    });
}

void TimeCode::read(const std::uint32_t* from,
                    std::size_t first,
                    std::size_t count,
                    Ticks* times) const {
    with_constant(bytes_, [&](auto bytes) {
        for (std::size_t i = 0; i < count; ++i) {
            times[i] = static_cast<Ticks>((load<bytes()>(from, first + i) * odd_) << shift_);
        }
    });
}

TimeCode::Order TimeCode::compare(const std::uint32_t* a,
                                  const std::uint32_t* b,
                                  std::size_t first,
                                  std::size_t count) const {
    return with_constant(bytes_, [&](auto bytes) {
        Order order;
        for (std::size_t i = first; i < first + count && (order.no_later || order.no_sooner); ++i) {
            const std::uint64_t one = load<bytes()>(a, i), other = load<bytes()>(b, i);
            order.no_later &= one <= other;
            order.no_sooner &= other <= one;
        }
        return order;
    });
}

// ---- states -------------------------------------------------------------------------------------

Store::Store(Blocks& blocks, std::size_t key_words)
    : blocks_(&blocks),
      key_words_(key_words),
      block_bits_(static_cast<unsigned>(std::bit_width(2 * blocks.words() - 1))),
      block_mask_(static_cast<std::uint32_t>(2 * blocks.words() - 1)),
      end_(2 * blocks.words()),
      index_(Counting<std::uint32_t>(blocks.memory())) {}

Store::~Store() { clear(); }

Store::Store(Store&& other) noexcept : Store(*other.blocks_, other.key_words_) {
    *this = std::move(other);
}

Store& Store::operator=(Store&& other) noexcept {
    std::swap(blocks_, other.blocks_);
    std::swap(key_words_, other.key_words_);
    std::swap(block_bits_, other.block_bits_);
    std::swap(block_mask_, other.block_mask_);
    std::swap(next_group_, other.next_group_);
    std::swap(groups_, other.groups_);
    std::swap(states_, other.states_);
    std::swap(group_blocks_, other.group_blocks_);
    std::swap(state_blocks_, other.state_blocks_);
    std::swap(end_, other.end_);
    std::swap(index_, other.index_);
    std::swap(free_, other.free_);
    return *this;
}

// That hold so many bytes.
static constexpr std::size_t words_of(std::size_t bytes) {
    return (bytes + sizeof(std::uint64_t) - 1) / sizeof(std::uint64_t);
}

std::size_t Store::block_words(std::size_t numbers, std::size_t key_words) {
    constexpr std::size_t kUsual = 4096, kRecords = 8;
    return std::bit_ceil(std::max({kUsual,
                                   kRecords * (words_of(sizeof(State)) + numbers),
                                   kRecords * (words_of(sizeof(Group)) + key_words)}));
}

void Store::clear() {
    blocks_->give_back(group_blocks_);
    blocks_->give_back(state_blocks_);
}

Store::Place Store::group_of(const std::uint64_t* key,
                             std::uint64_t hashed,
                             std::size_t times,
                             std::size_t words) {
    if (4 * (groups_ + 1) > 3 * index_.size()) {
        grow();
    }
    const std::size_t mask = index_.size() - 1;
    std::size_t slot = hashed & mask;
    for (; index_[slot] != 0; slot = (slot + 1) & mask) {
        if (is_key_of(index_[slot] - 1, key)) {
            return index_[slot] - 1;
        }
    }
    const Place place = next_group_;
    if (place >> (block_bits_ - 1) == group_blocks_.size()) {
        group_blocks_.push_back(blocks_->take());
    }
    next_group_ = after(place);
    index_[slot] = place + 1;
    ++groups_;
    Group& made = group(place);
    made = Group{.times = static_cast<std::uint16_t>(times),
                 .words = static_cast<std::uint16_t>(words)};
    std::copy_n(key, key_words_, reinterpret_cast<std::uint64_t*>(&made + 1));
    return place;
}

void Store::grow() {
    constexpr std::size_t kFirst = 64;
    Counted<std::uint32_t> larger(std::max(kFirst, 2 * index_.size()), 0, index_.get_allocator());
    const std::size_t mask = larger.size() - 1;
    for_each_group([&](Place place, const Group& group) {
        std::size_t slot = hash_of(group.key(), key_words_) & mask;
        while (larger[slot] != 0) {
            slot = (slot + 1) & mask;
        }
        larger[slot] = place + 1;
    });
    index_ = std::move(larger);
}

Store::State& Store::add(Group& group, TraceStep step) {
    Place place = 0;
    if (group.words < free_.size() && free_[group.words] != 0) {
        place = free_[group.words];
        free_[group.words] = state(place).next;
    } else {
        const std::size_t length = sizeof(State) / sizeof(std::uint32_t) + group.words;
        if (end_ + length > block_mask_ + 1u) {
            end_ = state_blocks_.empty() ? 1 : 0;  // no state is in place 0
            state_blocks_.push_back(blocks_->take());
        }
        place = static_cast<Place>(((state_blocks_.size() - 1) << block_bits_) + end_);
        end_ += length;
    }
    State& made = state(place);
    made.next = std::exchange(group.first, place);
    made.step = step;
    ++group.states;
    ++states_;
    return made;
}

void Store::remove(Group& group, Place& link) {
    const Place place = link;
    State& gone = state(place);
    link = gone.next;
    if (free_.size() <= group.words) {
        free_.resize(group.words + 1u, 0);
    }
    gone.next = std::exchange(free_[group.words], place);
    --group.states;
    --states_;
}

}  // namespace sim::internal
