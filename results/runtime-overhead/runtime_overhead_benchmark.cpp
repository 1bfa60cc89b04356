// What libhetmap adds to a run: the same mapping by the executor, as hetmap validate measures it,
// and through the shared library, in turn; thread CPU time, on one kernel thread.

#include "calibrate/parameters.hpp"
#include "calibrate/runnable.hpp"
#include "calibrate/statistics.hpp"
#include "sim/describe/model.hpp"

#include <fmt/format.h>

#include <array>
#include <cstdio>
#include <ctime>
#include <filesystem>
#include <hetmap.hpp>
#include <string>
#include <vector>

namespace {

constexpr int kTurns = 2000;

double cpu_ns() {
    timespec now{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) * 1e9 + static_cast<double>(now.tv_nsec);
}

// The second of two runs: the first finds the other's data in the caches.
template <typename Run>
double second_ns(const Run& run) {
    run();
    const double begin = cpu_ns();
    run();
    return cpu_ns() - begin;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc < 2) {
        std::fprintf(stderr, "usage: runtime_overhead_benchmark FILE.csv\n");
        return 2;
    }
    std::FILE* const csv = std::fopen(argv[1], "w");
    if (csv == nullptr) {
        std::perror(argv[1]);
        return 1;
    }
    fmt::print(csv, "model,batch,executor_us,libhetmap_us,ratio\n");
    fmt::print("model              batch  executor [us]  libhetmap [us]  ratio\n");
    const std::array<std::filesystem::path, 1> models{HETMAP_SOURCE_MODELS};
    for (const char* const name : {"vgg3-fashion", "vgg7-cifar10", "khan-vehicle"}) {
        for (const int batch : {1, 8}) {
            const sim::Model model = sim::load_model(name, models);
            const calibrate::Parameters parameters = calibrate::load_parameters(model);
            calibrate::Runnable runnable = calibrate::guessed(model, parameters, batch);
            calibrate::Executor executor{
                model, parameters, runnable.problem, std::move(runnable.devices)};
            const calibrate::Executor::Recording recording = executor.prepare(runnable.mapping);
            hetmap::Session session{model.path.string(), "", {.batch = batch}};
            std::vector<double> by_executor, by_library;
            for (int turn = 0; turn < kTurns; ++turn) {
                by_executor.push_back(second_ns([&] { executor.run(recording); }));
                by_library.push_back(second_ns([&] { session.run(); }));
            }
            const double executor_us = calibrate::quantile(by_executor, 0.5) / 1000;
            const double library_us = calibrate::quantile(by_library, 0.5) / 1000;
            fmt::print(csv,
                       "{},{},{:.3f},{:.3f},{:.4f}\n",
                       name,
                       batch,
                       executor_us,
                       library_us,
                       library_us / executor_us);
            fmt::print("{:<17} {:>6} {:>14.2f} {:>15.2f} {:>6.3f}\n",
                       name,
                       batch,
                       executor_us,
                       library_us,
                       library_us / executor_us);
        }
    }
    std::fclose(csv);
}
