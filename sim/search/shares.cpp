#include "sim/search/shares.hpp"

#include <cassert>
#include <cstring>
#include <limits>
#include <type_traits>
#include <utility>

namespace sim::internal {
namespace {

// Shares go to the processes in turn.
bool is_of(std::size_t share, const Team& team) { return share % at(team.count) == at(team.rank); }

}  // namespace

Shares::Shares(const States& states,
               Memory& memory,
               Workers& workers,
               bool wide,
               int first,
               std::size_t most_words,
               std::size_t marks,
               const Team* team)
    : states_(states),
      memory_(memory),
      workers_(workers),
      wide_(wide),
      first_(first),
      marks_(marks),
      blocks_(memory, Store::block_words(most_words, states.most_key_words() + marks)),
      team_(team) {
    assert(most_words <= std::numeric_limits<std::uint16_t>::max());
    for (std::size_t share = 0; share < count(); ++share) {
        if (team == nullptr || is_of(share, *team)) {
            own_.push_back(share);
        }
    }
    if (team != nullptr) {
        parcels_.resize(pieces() * count());
    }
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

void Shares::make_levels_of(std::span<const Child> children) {
    for (const Child& child : children) {
        level(child.layer);
    }
}

// ---- Between processes. -------------------------------------------------------------------------
// A message: how long the note is and how many lengths there are; the note, up to a whole word; how
// many children and words each parcel has, in the order of pieces and shares; the parcels.

std::string Shares::parcels_for(int process, std::string_view note) {
    static_assert(std::is_trivially_copyable_v<Child> && sizeof(Child) % 8 == 0);
    std::vector<std::uint64_t> lengths{note.size()};
    std::size_t size = (note.size() + 7) / 8 * 8;
    for (const std::size_t piece : own_) {
        for (std::size_t share = at(process); share < count(); share += at(team_->count)) {
            const Box& box = boxes(piece)[share];
            lengths.insert(lengths.end(), {box.children.size(), box.words.size()});
            size += box.children.size() * sizeof(Child) + box.words.size() * 8;
        }
    }
    std::string message;
    message.reserve(size + lengths.size() * 8);
    const auto append = [&](const auto* from, std::size_t bytes) {
        message.append(reinterpret_cast<const char*>(from), bytes);
    };
    append(lengths.data(), lengths.size() * 8);
    message += note;
    message.resize((message.size() + 7) / 8 * 8);
    for (const std::size_t piece : own_) {
        for (std::size_t share = at(process); share < count(); share += at(team_->count)) {
            Box& box = boxes(piece)[share];
            append(box.children.data(), box.children.size() * sizeof(Child));
            append(box.words.data(), box.words.size() * 8);
            box.clear();
        }
    }
    return message;
}

// Sets the parcels of what this process sent, and returns its note.
std::string Shares::unpack(int process) {
    const char* next = received_[at(process)].data();
    const auto take = [&](std::size_t bytes) { return std::exchange(next, next + bytes); };
    const auto* lengths = reinterpret_cast<const std::uint64_t*>(next);
    std::size_t parcels = 0;
    for (std::size_t piece = at(process); piece < count(); piece += at(team_->count)) {
        parcels += own_.size();
    }
    take((1 + 2 * parcels) * 8);
    const std::size_t note_size = *lengths++;
    std::string note(take((note_size + 7) / 8 * 8), note_size);
    for (std::size_t piece = at(process); piece < count(); piece += at(team_->count)) {
        for (const std::size_t share : own_) {
            const std::size_t children = *lengths++, words = *lengths++;
            Parcel& parcel = parcels_[piece * count() + share];
            parcel.children = {reinterpret_cast<const Child*>(take(children * sizeof(Child))),
                               children};
            parcel.words = reinterpret_cast<const std::uint64_t*>(take(words * 8));
        }
    }
    return note;
}

int Shares::posted_reach() const {
    int reach = first_;
    for (const Box& box : boxes_) {
        for (const Child& child : box.children) {
            reach = std::max(reach, child.layer);
        }
    }
    return reach;
}

std::vector<std::string> Shares::exchange(std::string_view note) {
    std::vector<std::string> sent(at(team_->count));
    for (int process = 0; process < team_->count; ++process) {
        if (process != team_->rank) {
            sent[at(process)] = parcels_for(process, note);
        }
    }
    received_ = team_->exchange(std::move(sent));
    std::vector<std::string> notes(at(team_->count), std::string(note));
    for (int process = 0; process < team_->count; ++process) {
        if (process != team_->rank) {
            notes[at(process)] = unpack(process);
        }
    }
    return notes;
}

}  // namespace sim::internal
