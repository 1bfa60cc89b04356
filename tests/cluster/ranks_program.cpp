// What tests/cluster/run_ranks starts under mpirun: each rank goes through all that Ranks can do,
// and ends as it is told: `good`, `bad` (each with 2), `one` (rank 1 alone, with 1, while the
// others wait).

#include "cluster/ranks.hpp"
#include "sim/error.hpp"

#include <chrono>
#include <cstdio>
#include <fstream>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace {

void expect(bool is_so, const char* what) {
    if (!is_so) {
        throw std::runtime_error(what);
    }
}

void try_all(cluster::Ranks& ranks) {
    const int count = ranks.count(), rank = ranks.rank();
    expect(ranks.least(rank) == 0, "least");
    expect(ranks.most(rank) == count - 1, "most");
    expect(ranks.sum(rank) == count * (count - 1) / 2, "sum");
    const std::string long_text(3 << 20, 'x');
    expect(ranks.broadcast(rank == count - 1 ? long_text : "", count - 1) == long_text,
           "broadcast");
    for (int round = 0; round < 20; ++round) {
        std::vector<std::string> sent;
        for (int to = 0; to < count; ++to) {
            sent.emplace_back(static_cast<std::size_t>(rank * 100'000 + to + round), 'a');
        }
        const std::vector<std::string> received = ranks.exchange(sent);
        for (int from = 0; from < count; ++from) {
            expect(received[static_cast<std::size_t>(from)].size() ==
                       static_cast<std::size_t>(from * 100'000 + rank + round),
                   "exchange");
        }
    }
    // All to all at once, large ones too, while nobody receives yet.
    for (int to = 0; to < count; ++to) {
        if (to != rank) {
            ranks.send(to, std::to_string(rank));
            ranks.send(to, long_text);
        }
    }
    ranks.wait_for_all();
    for (int i = 0; i < 2 * (count - 1); ++i) {
        const auto message = ranks.receive(30);
        expect(message.has_value(), "receive");
        expect(message->bytes == std::to_string(message->from) || message->bytes == long_text,
               "message");
    }
    expect(!ranks.receive(0.05).has_value(), "nothing more");
}

}  // namespace

int main(int argc, char** argv) try {
    const std::string_view how = argv[1];
    const auto ranks = cluster::started_together();
    if (ranks == nullptr) {
        std::puts("alone");
        return 0;
    }
    try_all(*ranks);
    if (how == "one" && ranks->rank() != 1) {
        ranks->wait_for_all();
    }
    const int code = how == "good" ? 0 : how == "bad" ? 2 : 1;
    const std::vector<int> codes = ranks->end(code);
    if (codes.empty()) {
        if (argc > 2) {  // launchers lose what was printed before an abort, sometimes
            std::ofstream{argv[2]} << ranks->rank() << '\n';
        }
        ranks->abort(code);
    }
    if (ranks->rank() == 0) {
        std::printf("%d ranks ended, the last with %d\n", ranks->count(), codes.back());
        std::fflush(stdout);
    } else if (code != 0) {  // mpirun ends the others as soon as one has exited with an error
        std::this_thread::sleep_for(std::chrono::milliseconds{500});
    }
    return code;
} catch (const sim::MachineError& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
}
