// What a kernel that gives two results saves: a threshold's bits, and the sums that it reads, of
// which a residual network makes use again.
//
//   two_results_benchmark [FILE.csv] [ROUNDS]
//
// 1. The convolutions of ResNet-18 (models/resnet18-imagenet) that have such a threshold behind
// them, by the chain that
//    gives the bits alone, by the one that gives the sums alone, by the one that gives both, by the
//    threshold as a pass of its own, and what it takes to write the sums' bytes.
// 2. The whole network: the mapping of the fewest tasks with chains of two results, and without
// them.
//
// One thread; everything takes turns; medians of the thread's processor time, the second of two
// runs each.

#include "calibrate/candidates.hpp"
#include "calibrate/executor.hpp"
#include "calibrate/parameters.hpp"
#include "calibrate/statistics.hpp"
#include "kernels/registry.hpp"
#include "sim/describe/fused_sets.hpp"
#include "sim/search/answer.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <new>
#include <string>
#include <vector>

namespace {

// The variants that this machine can run.
std::vector<const kernels::Variant*> contenders() {
    std::vector<const kernels::Variant*> all;
    for (const kernels::Variant& variant : kernels::variants()) {
        if (variant.supported() && variant.gives_two_results && variant.name != "reference") {
            all.push_back(&variant);
        }
    }
    return all;
}

double cpu_ns() {
    timespec now{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) * 1e9 + static_cast<double>(now.tv_nsec);
}

// Medians in microseconds, by contestant.
std::vector<double> race(const std::vector<std::function<void()>>& contestants, int rounds) {
    std::vector<std::vector<double>> samples(contestants.size());
    for (int round = 0; round < rounds; ++round) {
        for (std::size_t i = 0; i < contestants.size(); ++i) {
            contestants[i]();
            const double begin = cpu_ns();
            contestants[i]();
            samples[i].push_back(cpu_ns() - begin);
        }
    }
    std::vector<double> medians;
    for (std::vector<double>& of_one : samples) {
        medians.push_back(calibrate::quantile(of_one, 0.5) / 1000);
    }
    return medians;
}

class Memory {
public:
    explicit Memory(std::size_t bytes)
        : data_{static_cast<std::byte*>(::operator new (bytes, std::align_val_t{64}))} {
        std::memset(data_.get(), 1, bytes);
    }
    std::byte* data() const { return data_.get(); }

private:
    struct Free {
        void operator()(std::byte* p) const { ::operator delete (p, std::align_val_t{64}); }
    };
    std::unique_ptr<std::byte, Free> data_;
};

// The chain of two results, and of its last steps what else could be asked for.
void race_kernels(const sim::Model& model,
                  const calibrate::Parameters& parameters,
                  const std::vector<int>& layers,
                  const kernels::Variant& variant,
                  int rounds,
                  std::FILE* csv) {
    const kernels::Chain both = calibrate::chain_of(model, parameters, layers, 1);
    kernels::Chain bits = both, sums = both, threshold = both;
    bits.second_result = sums.second_result = threshold.second_result = -1;
    sums.steps.pop_back();
    threshold.input = kernels::second_output_of(both);
    threshold.steps = {both.steps.back()};

    const kernels::Shape shape = kernels::second_output_of(both);
    const auto bytes = kernels::tensor_bytes(shape, kernels::Layout::nhwc, 1);
    const Memory input{kernels::tensor_bytes(both.input, kernels::Layout::nhwc, 1)}, second{bytes},
        numbers{bytes}, words{bytes};
    const kernels::Configuration alone{.threads = 1, .axes = ""};
    const kernels::Kernel bits_kernel{variant, bits, alone}, sums_kernel{variant, sums, alone},
        both_kernel{variant, both, alone}, threshold_kernel{variant, threshold, alone};
    kernels::ThreadPool pool{1};
    const auto run = [&](const kernels::Kernel& kernel, const std::byte* from, std::byte* to) {
        kernel.run({.input = from,
                    .second_input = second.data(),
                    .output = to,
                    .second_output = numbers.data()},
                   pool);
    };
    const std::vector<double> us =
        race({[&] { run(bits_kernel, input.data(), words.data()); },
              [&] { run(sums_kernel, input.data(), numbers.data()); },
              [&] { run(both_kernel, input.data(), words.data()); },
              [&] { run(threshold_kernel, numbers.data(), words.data()); },
              [&] { std::memset(numbers.data(), 1, bytes); }},
             rounds);
    const std::string name = fmt::format("{} {}x{}x{}",
                                         layers.size() == 2 ? "u8" : "binary",
                                         shape.height,
                                         shape.width,
                                         shape.channels);
    fmt::print(csv, "{},{},{:.3f}\n", name, variant.name, fmt::join(us, ","));
    fmt::print("| {} | {} | {:.1f} | {:+.1f} | {:.2f} |\n",
               name,
               variant.name,
               fmt::join(us, " | "),
               100 * (us[2] / (us[0] + us[4]) - 1),
               us[2] / (us[1] + us[3]));
}

// Of as few tasks as there can be.
struct Whole {
    sim::Problem problem;
    sim::Mapping mapping;
    std::unique_ptr<calibrate::Executor> executor;
    calibrate::Executor::Recording recording;
};

std::unique_ptr<Whole> whole(const sim::Model& model,
                             const calibrate::Parameters& parameters,
                             const std::string& variant,
                             bool two_results) {
    sim::Platform platform = calibrate::candidates(model, 1, 1, {variant});
    std::erase_if(platform.measured, [&](const sim::MeasuredCost& cost) {
        return !two_results && !cost.results.empty();
    });
    auto result = std::make_unique<Whole>();
    result->problem = sim::compile(model, platform, {.batch = 1, .only = {}});
    result->mapping = sim::answer_to({}, model, result->problem).mapping;
    result->executor = std::make_unique<calibrate::Executor>(model, parameters, result->problem, 1);
    result->executor->fill_inputs(1);
    result->recording = result->executor->prepare(result->mapping);
    return result;
}

}  // namespace

int main(int argc, char** argv) {
    const int rounds = argc > 2 ? std::atoi(argv[2]) : 200;
    std::FILE* const csv = std::fopen(argc > 1 ? argv[1] : "/dev/null", "w");
    if (csv == nullptr || rounds < 1) {
        std::fprintf(stderr, "usage: two_results_benchmark [FILE.csv] [ROUNDS]\n");
        return 2;
    }
    const std::array<std::filesystem::path, 1> models{HETMAP_SOURCE_MODELS};
    const sim::Model model = sim::load_model("resnet18-imagenet", models);
    const calibrate::Parameters parameters = calibrate::load_parameters(model);

    fmt::print(csv, "shape,variant,bits_us,sums_us,both_us,threshold_us,write_us\n");
    fmt::print(
        "| convolution | variant | bits [us] | sums [us] | both [us] | threshold alone [us] | "
        "writing the sums "
        "[us] | both over bits + writing [%] | both / (sums + threshold) |\n"
        "|---|---|--:|--:|--:|--:|--:|--:|--:|\n");
    for (const kernels::Variant* const variant : contenders()) {
        for (int layer = model.inputs(); layer < static_cast<int>(model.layers.size()); ++layer) {
            for (const std::vector<int>& layers : sim::chains_of_two_results(model, layer, 3)) {
                const kernels::Chain chain = calibrate::chain_of(model, parameters, layers, 1);
                if (kernels::takes(*variant, chain)) {
                    race_kernels(model, parameters, layers, *variant, rounds, csv);
                }
            }
        }
    }
    fmt::print(
        "\n| ResNet-18, batch 1 | without [us] | with [us] | tasks | with / without "
        "|\n|---|--:|--:|---|--:|\n");
    for (const kernels::Variant* const variant : contenders()) {
        const std::string name{variant->name};
        const auto without = whole(model, parameters, name, false),
                   with = whole(model, parameters, name, true);
        const std::vector<double> us = race({[&] { without->executor->run(without->recording); },
                                             [&] { with->executor->run(with->recording); }},
                                            rounds);
        fmt::print(csv, "ResNet-18,{},{:.3f},,{:.3f},,\n", name, us[0], us[1]);
        fmt::print("| {} | {:.1f} | {:.1f} | {} and {} | {:.3f} |\n",
                   name,
                   us[0],
                   us[1],
                   without->mapping.size(),
                   with->mapping.size(),
                   us[1] / us[0]);
    }
    std::fclose(csv);
}
