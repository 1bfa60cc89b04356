#include "tests/ranks_in_threads.hpp"

#include "cluster/transport.hpp"

#include <algorithm>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <exception>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace cluster {
namespace {

// Of a rank whose others ended in an error.
struct Abandoned : std::runtime_error {
    Abandoned() : std::runtime_error("another rank ended") {}
};

// Where the ranks meet.
struct Hall {
    explicit Hall(int count)
        : ranks(static_cast<std::size_t>(count)), shown(ranks), letters(ranks) {}

    // Shows something to the others; function() sees what all show, and nobody leaves before all
    // have seen it.
    template <class Function>
    void together(int rank, const void* what, Function function) {
        shown[static_cast<std::size_t>(rank)] = what;
        meet();
        function();
        meet_again();
    }
    void abandon() {
        const std::lock_guard lock(mutex);
        abandoned = true;
        changed.notify_all();
    }

    void meet() {
        std::unique_lock lock(mutex);
        if (abandoned) {
            throw Abandoned();
        }
        const std::uint64_t now = arrive();
        changed.wait(lock, [&] { return abandoned || meetings != now; });
        if (meetings == now) {
            throw Abandoned();
        }
    }
    // All are on their way here: nobody is waited for in vain, and nobody leaves while what he
    // shows is read.
    void meet_again() {
        std::unique_lock lock(mutex);
        const std::uint64_t now = arrive();
        changed.wait(lock, [&] { return meetings != now; });
    }
    std::uint64_t arrive() {
        const std::uint64_t now = meetings;
        if (++here == ranks) {
            here = 0;
            ++meetings;
            changed.notify_all();
        }
        return now;
    }

    const std::size_t ranks;
    std::mutex mutex;
    std::condition_variable changed;
    std::size_t here = 0;
    std::uint64_t meetings = 0;
    bool abandoned = false;
    std::vector<const void*> shown;            // by rank
    std::vector<std::deque<Message>> letters;  // by rank that gets them
};

struct Member {
    Hall& hall;
    std::size_t rank;
    HetmapTransport transport{};
};

Member& of(void* self) { return *static_cast<Member*>(self); }

void send(void* self, int to, const char* bytes, std::size_t size) {
    Member& member = of(self);
    const std::lock_guard lock(member.hall.mutex);
    member.hall.letters[static_cast<std::size_t>(to)].push_back(
        {static_cast<int>(member.rank), std::string(bytes, size)});
}

std::int64_t waiting(void* self, int* from) {
    Member& member = of(self);
    const std::lock_guard lock(member.hall.mutex);
    const std::deque<Message>& letters = member.hall.letters[member.rank];
    if (letters.empty()) {
        if (member.hall.abandoned) {
            throw Abandoned();
        }
        return -1;
    }
    *from = letters.front().from;
    return static_cast<std::int64_t>(letters.front().bytes.size());
}

void take(void* self, int, char* bytes, std::size_t size) {
    Member& member = of(self);
    const std::lock_guard lock(member.hall.mutex);
    std::deque<Message>& letters = member.hall.letters[member.rank];
    std::memcpy(bytes, letters.front().bytes.data(), size);
    letters.pop_front();
}

void combine(void* self, HetmapCombination how, std::int64_t* values, std::size_t count) {
    Member& member = of(self);
    std::vector<std::int64_t> result(count);
    member.hall.together(member.transport.rank, values, [&] {
        for (std::size_t i = 0; i < count; ++i) {
            for (std::size_t rank = 0; rank < member.hall.ranks; ++rank) {
                const auto value = static_cast<const std::int64_t*>(member.hall.shown[rank])[i];
                result[i] = rank == 0             ? value
                            : how == kHetmapLeast ? std::min(result[i], value)
                            : how == kHetmapMost  ? std::max(result[i], value)
                                                  : result[i] + value;
            }
        }
    });
    std::copy(result.begin(), result.end(), values);
}

void exchange_numbers(void* self, const std::int64_t* sent, std::int64_t* received) {
    Member& member = of(self);
    member.hall.together(member.transport.rank, sent, [&] {
        for (std::size_t rank = 0; rank < member.hall.ranks; ++rank) {
            received[rank] = static_cast<const std::int64_t*>(member.hall.shown[rank])[member.rank];
        }
    });
}

void exchange(void* self,
              const char* const* sent,
              const std::int64_t*,
              char* const* received,
              const std::int64_t* received_sizes) {
    Member& member = of(self);
    member.hall.together(member.transport.rank, sent, [&] {
        for (std::size_t rank = 0; rank < member.hall.ranks; ++rank) {
            if (rank != member.rank) {
                std::memcpy(received[rank],
                            static_cast<const char* const*>(member.hall.shown[rank])[member.rank],
                            static_cast<std::size_t>(received_sizes[rank]));
            }
        }
    });
}

void broadcast(void* self, char* bytes, std::size_t size, int from) {
    Member& member = of(self);
    member.hall.together(member.transport.rank, bytes, [&] {
        if (member.transport.rank != from) {
            std::memcpy(bytes, member.hall.shown[static_cast<std::size_t>(from)], size);
        }
    });
}

int end(void* self, int code, double, std::int64_t* codes) {
    Member& member = of(self);
    const std::int64_t own = code;
    member.hall.together(member.transport.rank, &own, [&] {
        for (std::size_t rank = 0; rank < member.hall.ranks; ++rank) {
            codes[rank] = *static_cast<const std::int64_t*>(member.hall.shown[rank]);
        }
    });
    return 1;
}

void abort(void*, int code) {
    throw std::runtime_error("rank aborted with code " + std::to_string(code));
}

}  // namespace

void run_in_threads(int count, const std::function<void(Ranks&)>& function) {
    Hall hall(count);
    std::mutex first;
    std::exception_ptr error;
    std::vector<std::thread> threads;
    for (int rank = 0; rank < count; ++rank) {
        threads.emplace_back([&, rank] {
            Member member{hall, static_cast<std::size_t>(rank)};
            member.transport = {.version = kHetmapTransport,
                                .rank = rank,
                                .count = count,
                                .name = "threads",
                                .self = &member,
                                .send = send,
                                .waiting = waiting,
                                .take = take,
                                .combine = combine,
                                .exchange_numbers = exchange_numbers,
                                .exchange = exchange,
                                .broadcast = broadcast,
                                .end = end,
                                .abort = abort};
            try {
                Ranks ranks(member.transport);
                function(ranks);
            } catch (...) {
                const std::lock_guard lock(first);
                if (error == nullptr) {
                    error = std::current_exception();
                }
                hall.abandon();
            }
        });
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
    if (error != nullptr) {
        std::rethrow_exception(error);
    }
}

}  // namespace cluster
