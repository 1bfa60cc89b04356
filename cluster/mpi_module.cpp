// The transport over MPI (3.0 or newer), as a module by itself: nothing of hetmap is linked in, so
// it can also be compiled for a cluster's own MPI. started_together.cpp loads it.
//
// Whoever waits sleeps (patience.hpp): a rank that has nothing to do leaves its core to others.
// MPI's own waiting takes a whole core. MPI's errors end the job, its default.

#include "cluster/patience.hpp"
#include "cluster/transport.hpp"

#include <algorithm>
#include <list>
#include <memory>
#include <mpi.h>
#include <string>
#include <vector>

namespace {

constexpr std::int64_t kPiece = std::int64_t{1} << 30;  // MPI counts in int
constexpr int kTag = 0;

struct Sent {
    std::string bytes;
    MPI_Request request = MPI_REQUEST_NULL;
};

struct Mpi {
    MPI_Comm messages = MPI_COMM_NULL, together = MPI_COMM_NULL, ending = MPI_COMM_NULL;
    std::list<Sent> on_their_way;
    std::string name;
    HetmapTransport transport{};
};

Mpi& of(void* self) { return *static_cast<Mpi*>(self); }

bool is_done(std::vector<MPI_Request>& requests) {
    int done = 0;
    MPI_Testall(static_cast<int>(requests.size()), requests.data(), &done, MPI_STATUSES_IGNORE);
    return done != 0;
}

void finish(std::vector<MPI_Request> requests) {
    for (cluster::Patience patience; !is_done(requests);) {
        patience.wait();
    }
}

void forget_sent(Mpi& mpi) {
    std::erase_if(mpi.on_their_way, [](Sent& sent) {
        int done = 0;
        MPI_Test(&sent.request, &done, MPI_STATUS_IGNORE);
        return done != 0;
    });
}

void send(void* self, int to, const char* bytes, std::size_t size) {
    Mpi& mpi = of(self);
    forget_sent(mpi);
    Sent& sent = mpi.on_their_way.emplace_back();
    sent.bytes.assign(bytes, size);
    MPI_Isend(
        sent.bytes.data(), static_cast<int>(size), MPI_BYTE, to, kTag, mpi.messages, &sent.request);
}

std::int64_t waiting(void* self, int* from) {
    Mpi& mpi = of(self);
    forget_sent(mpi);
    int here = 0, size = 0;
    MPI_Status status;
    MPI_Iprobe(MPI_ANY_SOURCE, kTag, mpi.messages, &here, &status);
    if (here == 0) {
        return -1;
    }
    MPI_Get_count(&status, MPI_BYTE, &size);
    *from = status.MPI_SOURCE;
    return size;
}

void take(void* self, int from, char* bytes, std::size_t size) {
    MPI_Recv(
        bytes, static_cast<int>(size), MPI_BYTE, from, kTag, of(self).messages, MPI_STATUS_IGNORE);
}

void combine(void* self, HetmapCombination how, std::int64_t* values, std::size_t count) {
    const MPI_Op operation = how == kHetmapLeast ? MPI_MIN : how == kHetmapMost ? MPI_MAX : MPI_SUM;
    std::vector<std::int64_t> result(count);
    MPI_Request request = MPI_REQUEST_NULL;
    MPI_Iallreduce(values,
                   result.data(),
                   static_cast<int>(count),
                   MPI_INT64_T,
                   operation,
                   of(self).together,
                   &request);
    finish({request});
    std::copy(result.begin(), result.end(), values);
}

void exchange_numbers(void* self, const std::int64_t* sent, std::int64_t* received) {
    MPI_Request request = MPI_REQUEST_NULL;
    MPI_Ialltoall(sent, 1, MPI_INT64_T, received, 1, MPI_INT64_T, of(self).together, &request);
    finish({request});
}

// In pieces, each of which is a message: those between two ranks keep their order.
void exchange(void* self,
              const char* const* sent,
              const std::int64_t* sent_sizes,
              char* const* received,
              const std::int64_t* received_sizes) {
    Mpi& mpi = of(self);
    std::vector<MPI_Request> requests;
    const int count = mpi.transport.count, own = mpi.transport.rank;
    // Each begins with the one after itself, so that not all send to the same.
    for (int step = 1; step < count; ++step) {
        const int from = (own + count - step) % count, to = (own + step) % count;
        for (std::int64_t at = 0; at < received_sizes[from]; at += kPiece) {
            MPI_Irecv(received[from] + at,
                      static_cast<int>(std::min(kPiece, received_sizes[from] - at)),
                      MPI_BYTE,
                      from,
                      kTag,
                      mpi.together,
                      &requests.emplace_back());
        }
        for (std::int64_t at = 0; at < sent_sizes[to]; at += kPiece) {
            MPI_Isend(sent[to] + at,
                      static_cast<int>(std::min(kPiece, sent_sizes[to] - at)),
                      MPI_BYTE,
                      to,
                      kTag,
                      mpi.together,
                      &requests.emplace_back());
        }
    }
    finish(std::move(requests));
}

void broadcast(void* self, char* bytes, std::size_t size, int from) {
    for (std::size_t at = 0; at < size; at += kPiece) {
        const auto piece = std::min<std::size_t>(kPiece, size - at);
        MPI_Request request = MPI_REQUEST_NULL;
        MPI_Ibcast(
            bytes + at, static_cast<int>(piece), MPI_BYTE, from, of(self).together, &request);
        finish({request});
    }
}

int end(void* self, int code, double seconds, std::int64_t* codes) {
    Mpi& mpi = of(self);
    const std::int64_t own = code;
    std::vector<MPI_Request> requests{MPI_REQUEST_NULL};
    MPI_Iallgather(&own, 1, MPI_INT64_T, codes, 1, MPI_INT64_T, mpi.ending, &requests.front());
    for (cluster::Patience patience; !is_done(requests); patience.wait()) {
        if (seconds >= 0 && patience.seconds() > seconds) {
            return 0;
        }
    }
    MPI_Finalize();
    return 1;
}

void abort(void*, int code) { MPI_Abort(MPI_COMM_WORLD, code); }

// "Open MPI v4.1.4, package: ..." goes on for several lines.
std::string library_name() {
    char text[MPI_MAX_LIBRARY_VERSION_STRING] = {};
    int length = 0;
    MPI_Get_library_version(text, &length);
    const std::string name(text, static_cast<std::size_t>(length));
    return name.substr(0, name.find_first_of(",\n"));
}

}  // namespace

extern "C" __attribute__((visibility("default"))) const HetmapTransport* hetmap_begin() {
    static Mpi mpi;
    int level = 0;
    MPI_Init_thread(nullptr, nullptr, MPI_THREAD_SERIALIZED, &level);
    MPI_Comm_dup(MPI_COMM_WORLD, &mpi.messages);
    MPI_Comm_dup(MPI_COMM_WORLD, &mpi.together);
    MPI_Comm_dup(MPI_COMM_WORLD, &mpi.ending);
    mpi.name = library_name();
    mpi.transport = {.version = kHetmapTransport,
                     .rank = 0,
                     .count = 0,
                     .name = mpi.name.c_str(),
                     .self = &mpi,
                     .send = send,
                     .waiting = waiting,
                     .take = take,
                     .combine = combine,
                     .exchange_numbers = exchange_numbers,
                     .exchange = exchange,
                     .broadcast = broadcast,
                     .end = end,
                     .abort = abort};
    MPI_Comm_rank(MPI_COMM_WORLD, &mpi.transport.rank);
    MPI_Comm_size(MPI_COMM_WORLD, &mpi.transport.count);
    return &mpi.transport;
}
