#include "sim/search/shares.hpp"

#include <cassert>
#include <limits>

namespace sim::internal {

Shares::Shares(const States& states,
               Memory& memory,
               Workers& workers,
               bool wide,
               int first,
               std::size_t most_words,
               std::size_t marks)
    : states_(states),
      memory_(memory),
      workers_(workers),
      wide_(wide),
      first_(first),
      marks_(marks),
      blocks_(memory, Store::block_words(most_words, states.most_key_words() + marks)) {
    assert(most_words <= std::numeric_limits<std::uint16_t>::max());
    for (std::size_t i = 0; i < pieces() * count(); ++i) {
        boxes_.emplace_back(memory);
    }
}

std::vector<Store>& Shares::level(int layer) {
    if (static_cast<int>(levels_.size()) <= layer - first_) {
        levels_.resize(at(layer - first_) + 1);
    }
    std::vector<Store>& shares = levels_[at(layer - first_)];
    if (shares.empty()) {
        shares.reserve(count());
        while (shares.size() < count()) {
            shares.emplace_back(blocks_, key_words(layer));
        }
    }
    return shares;
}

std::size_t Shares::batch(std::size_t children) const {
    return wide_ ? std::clamp(kNodesInBatch / std::max<std::size_t>(1, children),
                              kSmallestBatch,
                              kLargestBatch)
                 : kNarrowBatch;
}

std::uint32_t* Shares::post(std::span<Box> boxes,
                            int layer,
                            const std::vector<std::uint64_t>& key,
                            TraceStep step,
                            std::size_t times,
                            std::size_t words) const {
    const std::uint64_t hash = hash_of(key.data(), key.size());
    Box& box = boxes[(hash >> 40) % count()];
    box.children.push_back({.hash = hash,
                            .offset = box.words.size(),
                            .step = step,
                            .layer = layer,
                            .times = static_cast<std::uint16_t>(times),
                            .words = static_cast<std::uint16_t>(words)});
    box.words.insert(box.words.end(), key.begin(), key.end());
    const std::size_t numbers = box.words.size();
    box.words.resize(numbers + (words + 1) / 2);
    return reinterpret_cast<std::uint32_t*>(box.words.data() + numbers);
}

}  // namespace sim::internal
