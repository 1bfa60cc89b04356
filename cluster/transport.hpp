#pragma once

// How bytes get from rank to rank: a table of plain C functions, so that what gives it may be
// compiled for one MPI or another, by itself (mpi_module.cpp), and be loaded when it is needed.
// Ranks (ranks.hpp) is what programs use.
//
// One thread at a time calls these. `self` comes first in all of them.

#include <cstddef>
#include <cstdint>

extern "C" {

// Changes with this file.
enum { kHetmapTransport = 1 };  // NOLINT: C

enum HetmapCombination { kHetmapLeast, kHetmapMost, kHetmapSum };  // NOLINT: C

struct HetmapTransport {  // NOLINT(readability-identifier-naming): C's names are everybody's
    int version;
    int rank, count;
    const char* name;  // "Open MPI v4.1.4, ..."
    void* self;

    // ---- One to another. ----
    // Returns at once; the bytes are copied.
    void (*send)(void* self, int to, const char* bytes, std::size_t size);
    // How long the next message is, and from whom; -1: none is here.
    std::int64_t (*waiting)(void* self, int* from);
    // That message.
    void (*take)(void* self, int from, char* bytes, std::size_t size);

    // ---- All together: returns when all called it. ----
    // values[i] of each rank put together.
    void (*combine)(void* self, HetmapCombination how, std::int64_t* values, std::size_t count);
    // received[i] is what rank i has in sent[this rank].
    void (*exchange_numbers)(void* self, const std::int64_t* sent, std::int64_t* received);
    // The same of bytes; how many are known on both sides. A rank's own are not moved.
    void (*exchange)(void* self,
                     const char* const* sent,
                     const std::int64_t* sent_sizes,
                     char* const* received,
                     const std::int64_t* received_sizes);
    void (*broadcast)(void* self, char* bytes, std::size_t size, int from);

    // ---- The end. ----
    // Waits until all ended, each with its code: at most so long, for ever if it is negative. Then
    // codes[i] is rank i's, and nothing else may be called. Returns 0 where some did not come.
    int (*end)(void* self, int code, double seconds, std::int64_t* codes);
    // Ends all ranks, whatever they are doing. Does not return.
    void (*abort)(void* self, int code);
};

// A module's only symbol. Throws nothing; what MPI itself cannot do it says and ends the job.
using HetmapBegin = const HetmapTransport* (*)();
}
