// The same mappings simulated by SimGrid, in the same run, one core.
//
//   simgrid_peer_benchmark [FILE.csv] [ROUNDS]
//
// SimGrid is used in its fastest way: one engine for all, activities with dependencies, one run()
// for each mapping; no actors. Our rules become dependencies: what a device, the dispatcher or a
// copy engine does follows what it did before. One second of SimGrid's is one of our microseconds,
// so that its precision of 1e-9 is far below what is compared. Its network model is that of TCP
// over wide area networks by default; the settings below take all of that away, and a copy takes
// latency + bytes / bandwidth, as ours. The makespans of both are compared on every mapping.
//
// Built only where SimGrid is found (Debian: libsimgrid-dev).

#include <cstdio>

#if !defined(HETMAP_SIMGRID)

int main() {
    std::puts("built without SimGrid (Debian: libsimgrid-dev)");
    return 77;
}

#else

#include "sim/run/evaluator.hpp"
#include "sim/search/search.hpp"
#include "tests/sim_generate.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <ctime>
#include <map>
#include <simgrid/s4u.hpp>
#include <string>
#include <vector>

namespace {

namespace s4u = simgrid::s4u;
using sim::Mapping;
using sim::Problem;

double thread_seconds() {
    timespec time{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

// SimGrid lets only the derived classes have successors.
struct Activity {
    s4u::ExecPtr exec;
    s4u::CommPtr comm;

    explicit operator bool() const { return exec || comm; }
    bool operator==(const Activity&) const = default;
    s4u::ActivityPtr base() const { return exec ? s4u::ActivityPtr(exec) : s4u::ActivityPtr(comm); }
};

// `then` after all of these; SimGrid refuses to hear it twice.
void after(std::vector<Activity> before, const Activity& then) {
    for (std::size_t i = 0; i < before.size(); ++i) {
        if (std::find(before.begin(), before.begin() + static_cast<std::ptrdiff_t>(i), before[i]) !=
            before.begin() + static_cast<std::ptrdiff_t>(i))
            continue;
        if (before[i].exec)
            before[i].exec->add_successor(then.base());
        else if (before[i].comm)
            before[i].comm->add_successor(then.base());
    }
}

// Problems of one layout and two devices on a platform of SimGrid's. Work is our microseconds at
// speed 1; a copy is so many bytes, at a million a second, that it takes what our table says.
class Peer {
public:
    Peer(s4u::Engine& engine, int devices) : engine_(engine) {
        s4u::NetZone* zone = s4u::create_full_zone("machine");
        // The dispatcher and each device; one more host, wide enough to wait on.
        for (int d = 0; d < devices; ++d)
            hosts_.push_back(zone->create_host(fmt::format("device{}", d), 1.0)->seal());
        waits_ = zone->create_host("wait", 1.0)->set_core_count(10'000)->seal();
        for (std::size_t a = 0; a < hosts_.size(); ++a)
            for (std::size_t b = 0; b < hosts_.size(); ++b) {
                if (a == b)
                    continue;
                const s4u::Link* link =
                    zone->create_link(fmt::format("link{}-{}", a, b), 1e6)->set_latency(0)->seal();
                zone->add_route(hosts_[a]->get_netpoint(),
                                hosts_[b]->get_netpoint(),
                                nullptr,
                                nullptr,
                                {s4u::LinkInRoute(link)},
                                false);
            }
        zone->seal();
    }

    // In our microseconds.
    double makespan(const Problem& problem, const Mapping& mapping) {
        const double begin = s4u::Engine::get_clock();
        std::vector<s4u::ActivityPtr> all;
        std::vector<Activity> device(problem.devices.size());  // its latest
        std::vector<Activity> copier(static_cast<std::size_t>(problem.engines));
        struct Made {
            int device = 0;
            std::vector<Activity> in;  // by memory
        };
        std::vector<Made> made(static_cast<std::size_t>(problem.layers()));
        const auto work = [&](double us, s4u::Host* host) {
            s4u::ExecPtr exec = s4u::Exec::init()->set_flops_amount(us);
            exec->set_host(host);
            all.push_back(exec);
            return Activity{.exec = exec, .comm = nullptr};
        };
        const auto memory = [&](int d) {
            return static_cast<std::size_t>(problem.devices[static_cast<std::size_t>(d)].memory);
        };
        for (std::size_t i = 0, end = 0; i < mapping.size(); i = end) {
            const int d = problem.tasks[static_cast<std::size_t>(mapping[i])].device;
            const sim::ProblemDevice& on = problem.devices[static_cast<std::size_t>(d)];
            end = i + 1;
            Activity submitted;
            if (on.asynchronous) {
                while (end < mapping.size() &&
                       problem.tasks[static_cast<std::size_t>(mapping[end])].device == d)
                    ++end;
                submitted = work(sim::microseconds(on.submit) +
                                     sim::microseconds(on.per_task) * static_cast<double>(end - i),
                                 hosts_[0]);
                after({device[0]}, submitted);
                device[0] = submitted;
            }
            for (std::size_t t = i; t < end; ++t) {
                const sim::Task& task = problem.tasks[static_cast<std::size_t>(mapping[t])];
                const Activity run =
                    work(sim::microseconds(task.cost), hosts_[static_cast<std::size_t>(d)]);
                std::vector<Activity> before{device[static_cast<std::size_t>(d)], submitted};
                for (const sim::TaskInput& input : task.inputs) {
                    Made& tensor = made[static_cast<std::size_t>(input.tensor)];
                    const std::size_t from = memory(tensor.device), to = memory(d);
                    if (!tensor.in[to]) {
                        const double us = sim::microseconds(problem.copy(
                            input.tensor, 0, static_cast<int>(from), static_cast<int>(to)));
                        s4u::CommPtr comm =
                            s4u::Comm::sendto_init(hosts_[static_cast<std::size_t>(tensor.device)],
                                                   hosts_[static_cast<std::size_t>(d)]);
                        comm->set_payload_size(static_cast<std::uint64_t>(std::llround(us * 1e6)));
                        all.push_back(comm);
                        tensor.in[to] = {.exec = nullptr, .comm = comm};
                        Activity& busy = copier[static_cast<std::size_t>(
                            problem
                                .engine[from * static_cast<std::size_t>(problem.memories) + to])];
                        after({busy, tensor.in[from]}, tensor.in[to]);
                        busy = tensor.in[to];
                    }
                    const sim::ProblemDevice& maker =
                        problem.devices[static_cast<std::size_t>(tensor.device)];
                    Activity there = tensor.in[to];
                    if (!on.asynchronous && maker.asynchronous) {
                        const Activity seen = work(sim::microseconds(maker.completion), waits_);
                        after({there}, seen);
                        there = seen;
                    }
                    before.push_back(there);
                }
                after(std::move(before), run);
                device[static_cast<std::size_t>(d)] = run;
                Made& result = made[static_cast<std::size_t>(task.last)];
                result.device = d;
                result.in.assign(static_cast<std::size_t>(problem.memories), Activity{});
                result.in[memory(d)] = run;
            }
        }
        for (const s4u::ActivityPtr& activity : all)
            activity->vetoable_start();
        engine_.run();
        return s4u::Engine::get_clock() - begin;
    }

private:
    s4u::Engine& engine_;
    std::vector<s4u::Host*> hosts_;
    s4u::Host* waits_ = nullptr;
};

double median(std::vector<double> values) {
    std::sort(values.begin(), values.end());
    return values[values.size() / 2];
}

}  // namespace

int main(int argc, char** argv) {
    const int rounds = argc > 2 ? std::max(1, std::atoi(argv[2])) : 9;
    std::vector<std::string> settings{"simgrid",
                                      "--log=root.thres:critical",
                                      "--cfg=network/TCP-gamma:-1",
                                      "--cfg=network/latency-factor:1",
                                      "--cfg=network/bandwidth-factor:1",
                                      "--cfg=network/crosstraffic:0",
                                      "--cfg=network/weight-S:0"};
    std::vector<char*> words;
    for (std::string& setting : settings)
        words.push_back(setting.data());
    words.push_back(nullptr);
    int count = static_cast<int>(settings.size());
    s4u::Engine engine(&count, words.data());
    Peer peer(engine, 2);

    std::FILE* file = argc > 1 ? std::fopen(argv[1], "w") : nullptr;
    if (argc > 1 && !file) {
        fmt::print(stderr, "simgrid_peer_benchmark: cannot write {}\n", argv[1]);
        return 1;
    }
    if (file)
        fmt::print(file, "problem,variant,simulations_per_second\n");
    fmt::print(
        "whole mappings of 20 tasks on host and one device, one core, simulations a second\n");

    constexpr std::size_t kOurs = 4096, kTheirs = 200;
    for (std::uint64_t seed = 1; seed <= 3; ++seed) {
        const Problem problem = generate::random_layered(20, 2, seed);
        sim::Evaluator evaluator(problem);
        std::vector<Mapping> mappings;
        for (std::uint64_t draw = 0; draw < kOurs; ++draw)
            mappings.push_back(sim::random_mapping(problem, draw));

        double worst = 0;  // relative difference
        for (std::size_t i = 0; i < kTheirs; ++i) {
            const double ours = sim::microseconds(evaluator.makespan(mappings[i]));
            worst = std::max(worst, std::abs(peer.makespan(problem, mappings[i]) - ours) / ours);
        }
        std::map<std::string, std::vector<double> > rates;
        for (int round = 0; round < rounds; ++round) {
            double begin = thread_seconds();
            for (std::size_t i = 0; i < kTheirs; ++i)
                (void)peer.makespan(problem, mappings[i]);
            rates["simgrid"].push_back(kTheirs / (thread_seconds() - begin));
            begin = thread_seconds();
            for (const Mapping& mapping : mappings)
                (void)evaluator.makespan(mapping);
            rates["evaluator"].push_back(kOurs / (thread_seconds() - begin));
        }
        const double theirs = median(rates["simgrid"]);
        for (const char* variant : {"simgrid", "evaluator"}) {
            const double rate = median(rates[variant]);
            fmt::print("  {:<20} {:<10} {:>12.0f}   {:>6.1f} times SimGrid\n",
                       problem.model,
                       variant,
                       rate,
                       rate / theirs);
            if (file)
                fmt::print(file, "\"{}\",{},{:.6g}\n", problem.model, variant, rate);
        }
        fmt::print("  {:<20} makespans of {} mappings differ by at most {:.1e} of themselves\n",
                   problem.model,
                   kTheirs,
                   worst);
    }
    if (file) {
        std::fclose(file);
        fmt::print("written to {}\n", argv[1]);
    }
}

#endif
