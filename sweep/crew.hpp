#pragma once

// Those who do a sweep's cells: processes of this machine, a thread of this process, ranks of a
// cluster. Each gets texts, works on one after the other, and sends one back for each.

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace cluster {
class Ranks;
}

namespace sweep {

using Work = std::function<std::string(std::string_view)>;

// What came of the first text that a worker has.
struct News {
    std::size_t worker = 0;
    std::optional<std::string>
        text;         // nothing: it died, and `why` says of what; the others are lost
    std::string why;  // "signal 11 (Segmentation fault)"
};

struct Crew {
    std::vector<std::string> names;  // of the workers
    std::function<void(std::size_t worker, std::string text)> send;
    // The next news; nothing if none comes within so many seconds.
    std::function<std::optional<News>(double seconds)> receive;
};

// Processes that begin as this one is now, without threads: what is loaded is loaded in all of
// them. One that dies is followed by another. They end, at once, when the crew goes. Throws
// MachineError where no process can be started.
Crew forked(std::size_t count, const Work& work);

// A thread of this process.
Crew thread_of(const std::string& name, const Work& work);

// All other ranks, which call `serve`: "rank 1", ... They end when the crew goes. `ranks` outlives
// it; the rank that has the crew is 0.
Crew others_of(cluster::Ranks& ranks);
void serve(cluster::Ranks& ranks, const Work& work);

// All of one and all of the other, in this order. The first is waited for, the second looked at in
// between.
Crew joined(Crew first, Crew second);

}  // namespace sweep
