// How fast the CUDA kernels are, and how near to what the tensor cores can do.
//
//   gpu_speed_benchmark [FILE.csv [SECONDS]]
//
// 1. Every binary convolution of ResNet-18 and VGG7 at batch 512, by every variant in its fastest
//    configuration: tera-operations a second (2 for each product of two bits), and the share of
//    what products on registers alone reach in the same run.
// 2. The network of Khan et al., binary against full precision on the same GPU.
//
// A time is the difference between a long segment and one of a single run, shared among the runs
// (calibrate/accelerator.hpp); the contestants take turns; medians. Who cannot win is looked at
// once (calibrate/race.hpp): a row with 0 samples is what that look said. It ends within SECONDS,
// and says what there was no time for. The file is written again with every row that is known. Ends
// with 77 where there is no GPU.

#include "calibrate/accelerator.hpp"
#include "calibrate/binding.hpp"
#include "calibrate/clock.hpp"
#include "calibrate/device.hpp"
#include "calibrate/output_file.hpp"
#include "calibrate/race.hpp"
#include "sim/describe/model.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <iterator>
#include <limits>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>
#if defined(HETMAP_CUDA)
#include "kernels/cuda/float_conv.hpp"
#include "kernels/cuda/peak.hpp"
#endif

#if defined(HETMAP_CUDA)

namespace {

using calibrate::Device;
using calibrate::SegmentTimer;

// Seconds that are left; the clock starts with the program.
class Deadline {
public:
    explicit Deadline(double seconds) : end_{calibrate::now_ns() + std::int64_t(seconds * 1e9)} {}
    double left() const { return static_cast<double>(end_ - calibrate::now_ns()) * 1e-9; }
    std::function<bool()> stop() const {
        return [this] { return left() <= 0; };
    }

private:
    std::int64_t end_;
};

// What every segment takes beside its kernels; measured once.
double overhead_ns(Device& device) {
    static const double ns = [&] {
        sim::Device entry;
        calibrate::measure_submission(device, entry);
        return calibrate::segment_overhead_ns(entry);
    }();
    return ns;
}

// A kernel as a runner: nothing is prepared before it is looked at.
calibrate::Runner runner(Device& device,
                         const kernels::Tensors& tensors,
                         std::string group,
                         std::function<int()> prepare) {
    const auto timer = std::make_shared<std::unique_ptr<SegmentTimer>>();
    return {.group = std::move(group),
            .look =
                [=, &device, prepare = std::move(prepare)] {
                    *timer = std::make_unique<SegmentTimer>(
                        device, prepare(), tensors, overhead_ns(device));
                    return (*timer)->look_ns();
                },
            .sample = [=] { return (*timer)->sample_ns(); }};
}

// The same kernel over and over; nanoseconds of one run.
double median_ns(Device& device, const kernels::Tensors& tensors, int kernel, const Deadline& end) {
    const calibrate::Runner one = runner(device, tensors, "", [=] { return kernel; });
    return calibrate::race({&one, 1}, {.rounds = 21}, end.stop()).front().ns();
}

// Memory for one kernel at a time: it is shared by all of them. The input is random: zeros would
// draw less power, and the clock would run higher than with real images.
struct Arena {
    Arena(Device& device, std::size_t bytes)
        : tensors{.input = device.allocate(bytes),
                  .second_input = device.allocate(bytes),
                  .output = device.allocate(bytes)} {
        const std::string_view mode = device.modes(calibrate::Direction::up).front();
        std::byte* const host = device.allocate_host(bytes, mode);
        std::mt19937 random{1};
        std::generate(host, host + bytes, [&] { return static_cast<std::byte>(random()); });
        const int filled = device.new_event();
        device.submit(device.record({.mode = mode,
                                     .direction = calibrate::Direction::up,
                                     .device = const_cast<calibrate::Address>(tensors.input),
                                     .host = host,
                                     .bytes = bytes,
                                     .signal = filled}));
        device.wait(filled);
    }
    kernels::Tensors tensors;
};

std::size_t bytes_of(const kernels::Chain& chain) {
    const auto bytes = [&](const kernels::Shape& shape) {
        return kernels::tensor_bytes(shape, kernels::Layout::nhwc, chain.batch);
    };
    return std::max(bytes(chain.input), bytes(kernels::output_of(chain)));
}

// ---- Convolutions at a large batch --------------------------------------------------------------

struct Row {
    std::string network, layers, variant, configuration;
    double us = 0, tops = 0, share = 0;  // share: of the peak, in percent; 0 where there is none
    std::size_t samples = 0;
};

// A convolution with its threshold, as it runs in the network.
struct Convolution {
    sim::Model model;
    std::vector<int> layers;
    std::string signature;
};

std::vector<Convolution> convolutions_of(const std::string& network) {
    const std::filesystem::path folders[] = {"models", HETMAP_SOURCE_MODELS};
    const sim::Model model = sim::load_model(network, folders);
    std::vector<Convolution> found;
    std::set<std::string> seen;
    for (int layer = 1; layer + 1 < static_cast<int>(model.layers.size()); ++layer) {
        const std::vector<int> layers{layer, layer + 1};
        const std::string signature = sim::signature(model, layers);
        if (signature.starts_with("conv2d binary") && signature.ends_with("| threshold") &&
            model.layers[static_cast<std::size_t>(layer + 1)].inputs.front() == layer &&
            seen.insert(signature).second) {
            found.push_back({model, layers, signature});
        }
    }
    return found;
}

// The peak, and the best of each variant that there was time for.
std::vector<Row> race_convolution(Device& device,
                                  const Convolution& convolution,
                                  int batch,
                                  const Deadline& end) {
    const calibrate::Parameters parameters = calibrate::load_parameters(convolution.model);
    const kernels::Chain chain =
        calibrate::chain_of(convolution.model, parameters, convolution.layers, batch);
    const double operations =
        2.0 *
        static_cast<double>(sim::work_of(convolution.model, convolution.layers.front()).macs) *
        batch;
    const auto session = calibrate::open(device.info(), 1);  // gives its memory back
    const Arena arena{*session, bytes_of(chain)};
    std::vector<calibrate::Runner> runners;
    const int capability = device.info().limits.capability / 10;
    const bool has_peak = capability == 8 || capability == 9;
    const kernels::cuda::Peak peak = kernels::cuda::peak_b1(device.info().limits, 2000);
    if (has_peak) {
        runners.push_back(
            runner(*session, arena.tensors, "peak", [&] { return session->prepare(peak.kernel); }));
        runners.back().yardstick = true;
    }
    std::vector<calibrate::Implementation> implementations = session->implementations(chain);
    // Where only rows or channels are spread, even a look takes seconds.
    std::erase_if(implementations, [](const calibrate::Implementation& i) {
        return i.variant == "naive" && i.configuration.find('x') == std::string::npos;
    });
    const std::size_t first = runners.size();
    for (const calibrate::Implementation& i : implementations) {
        runners.push_back(runner(*session, arena.tensors, i.variant, [&] {
            return session->prepare(chain, i.variant, i.configuration);
        }));
    }

    const std::vector<calibrate::Standing> standings = calibrate::race(runners, {}, end.stop());
    const auto row = [&](std::size_t i, std::string variant, std::string configuration) {
        const double ns = standings[i].ns();
        return Row{.network = convolution.model.name,
                   .layers = convolution.signature,
                   .variant = std::move(variant),
                   .configuration = std::move(configuration),
                   .us = ns * 1e-3,
                   .tops = operations / ns * 1e-3,
                   .samples = standings[i].samples.size()};
    };
    std::vector<Row> rows;
    double peak_tops = 0;
    if (has_peak && !standings.front().samples.empty()) {
        rows.push_back(row(0, "peak", ""));
        rows.front().tops = peak_tops = peak.operations / standings.front().ns() * 1e-3;
        rows.front().share = 100;
    }
    std::map<std::string, Row> best;
    for (std::size_t i = 0; i < implementations.size(); ++i) {
        const Row now =
            row(first + i, implementations[i].variant, implementations[i].configuration);
        if (!std::isfinite(now.us)) {
            continue;  // given up, or no time
        }
        Row& of_variant = best.try_emplace(now.variant, now).first->second;
        if (now.us < of_variant.us) {
            of_variant = now;
        }
    }
    for (auto& [variant, of_variant] : best) {
        of_variant.share = peak_tops > 0 ? 100 * of_variant.tops / peak_tops : 0;
        rows.push_back(std::move(of_variant));
    }
    return rows;
}

// ---- Binary against full precision --------------------------------------------------------------

// All layers of a model, each by the implementation that is fastest alone; microseconds in all,
// infinity if time ran out.
double fastest_layers_us(Device& device, const sim::Model& model, int batch, const Deadline& end) {
    const calibrate::Parameters parameters = calibrate::load_parameters(model);
    const int layers = static_cast<int>(model.layers.size());
    // Shortest path over the chain of layers: best[i], the least time from layer i to the end.
    std::vector<double> best(static_cast<std::size_t>(layers) + 1, 0);
    for (int first = layers - 1; first > 0; --first) {
        double least = std::numeric_limits<double>::infinity();
        for (const std::vector<int>& chain_layers :
             sim::chains_from(model, first, device.longest_chain())) {
            const kernels::Chain chain =
                calibrate::chain_of(model, parameters, chain_layers, batch);
            const auto session = calibrate::open(device.info(), 1);
            const Arena arena{*session, bytes_of(chain)};
            const std::vector<calibrate::Implementation> implementations =
                session->implementations(chain);
            std::vector<calibrate::Runner> runners;
            for (const calibrate::Implementation& i : implementations) {
                runners.push_back(runner(*session, arena.tensors, i.variant, [&] {
                    return session->prepare(chain, i.variant, i.configuration);
                }));
            }
            for (const calibrate::Standing& s : calibrate::race(runners, {}, end.stop())) {
                // A look contains submission: only samples count.
                if (!s.samples.empty()) {
                    const auto next = static_cast<std::size_t>(chain_layers.back()) + 1;
                    least = std::min(least, s.ns() * 1e-3 + best[next]);
                }
            }
        }
        best[static_cast<std::size_t>(first)] = least;
    }
    return best[1];
}

// The same network in floats; infinity if time ran out.
double float_network_us(Device& device, const sim::Model& model, int batch, const Deadline& end) {
    std::mt19937 random{1};
    std::uniform_real_distribution<float> weight{-1, 1};
    std::vector<std::vector<float>> parameters;
    parameters.reserve(2 * model.layers.size());
    const auto draw = [&](std::int64_t count) {
        std::vector<float>& values = parameters.emplace_back(static_cast<std::size_t>(count));
        std::ranges::generate(values, [&] { return weight(random); });
        return std::span<const float>{values};
    };
    const sim::TensorShape& input = model.layers.front().output;
    kernels::cuda::FloatNetwork network{.batch = batch,
                                        .height = static_cast<int>(input.height()),
                                        .width = input.width(),
                                        .channels = input.channels()};
    for (std::size_t l = 1; l < model.layers.size(); ++l) {
        const sim::Layer& layer = model.layers[l];
        const std::string_view operation = layer.operation->name;
        const sim::TensorShape& in =
            model.layers[static_cast<std::size_t>(layer.inputs.front())].output;
        using enum kernels::cuda::FloatStepKind;
        if (operation == "conv2d" || operation == "linear") {
            const bool linear = operation == "linear";
            const int k = linear ? 1 : layer.attributes.kernel_height();
            const std::int64_t fan_in =
                linear ? in.elements() : std::int64_t{k} * k * in.channels();
            network.steps.push_back({.kind = linear ? kernels::cuda::FloatStepKind::linear : conv2d,
                                     .out_channels = layer.output.channels(),
                                     .kernel = k,
                                     .stride = linear ? 1 : layer.attributes.stride[1],
                                     .padding = linear ? 0 : layer.attributes.pad_begin[1],
                                     .relu = true,
                                     .weights = draw(fan_in * layer.output.channels()),
                                     .bias = draw(layer.output.channels())});
        } else if (operation == "max_pool2d") {
            network.steps.push_back({.kind = max_pool2d,
                                     .kernel = layer.attributes.kernel_height(),
                                     .stride = layer.attributes.stride[1]});
        }
    }
    const auto session = calibrate::open(device.info(), 1);
    const Arena arena{*session, static_cast<std::size_t>(batch * input.elements()) * 4 + 4096};
    return median_ns(*session,
                     arena.tensors,
                     session->prepare(kernels::cuda::float_network(network)),
                     end) *
           1e-3;
}

}  // namespace

int main(int argc, char** argv) {
    const double seconds = argc > 2 ? std::atof(argv[2]) : 600;
    if (seconds <= 0) {
        fmt::print(stderr, "usage: gpu_speed_benchmark [FILE.csv [SECONDS]]\n");
        return 2;
    }
    const calibrate::Discovery found = calibrate::backend("cuda").discover();
    if (found.devices.empty()) {
        fmt::print("skipped: {}\n", found.notes.empty() ? "no CUDA device" : found.notes.front());
        return 77;
    }
    const auto device = calibrate::open(found.devices.front(), 1);
    fmt::print("{}\n\n", device->info().description);

    const Deadline end{seconds};

    // 1. Convolutions.
    constexpr int kBatch = 512;
    std::string table =
        "network,layers,batch,variant,configuration,us,tera_operations_per_s,"
        "share_of_peak_percent,samples\n";
    const auto keep = [&] {
        std::fflush(stdout);
        if (argc > 1) {
            calibrate::write_file(argv[1], table);  // what there is, should the program be ended
        }
    };
    fmt::print("{:<58} {:<17} {:<12} {:>10} {:>10} {:>10} {:>8}\n",
               "convolution, batch 512",
               "variant",
               "config",
               "time [us]",
               "TOPS",
               "share [%]",
               "samples");
    std::vector<Convolution> convolutions = convolutions_of("resnet18-imagenet");
    std::ranges::move(convolutions_of("vgg7-cifar10"), std::back_inserter(convolutions));
    for (std::size_t i = 0; i < convolutions.size(); ++i) {
        // Four fifths of the time, in equal shares of what is left.
        constexpr double kShare = 0.8;
        const double mine =
            (end.left() - (1 - kShare) * seconds) / static_cast<double>(convolutions.size() - i);
        if (mine <= 0) {
            fmt::print("{:<58} no time left\n", convolutions[i].signature);
            continue;
        }
        for (const Row& r : race_convolution(*device, convolutions[i], kBatch, Deadline{mine})) {
            fmt::print("{:<58} {:<17} {:<12} {:>10.1f} {:>10.1f} {:>10.1f} {:>8}\n",
                       r.layers,
                       r.variant,
                       r.configuration,
                       r.us,
                       r.tops,
                       r.share,
                       r.samples);
            table += fmt::format("{},{},{},{},{},{:.3f},{:.3f},{:.2f},{}\n",
                                 r.network,
                                 r.layers,
                                 kBatch,
                                 r.variant,
                                 r.configuration,
                                 r.us,
                                 r.tops,
                                 r.share,
                                 r.samples);
        }
        keep();
    }

    // 2. Binary against full precision.
    const std::filesystem::path folders[] = {"models", HETMAP_SOURCE_MODELS};
    const sim::Model khan = sim::load_model("khan-vehicle", folders);
    fmt::print(
        "\n{:<28} {:>14} {:>14} {:>10}\n", "khan-vehicle", "binary [us]", "float [us]", "ratio");
    for (const int batch : {1, 8, 64}) {
        const double binary = fastest_layers_us(*device, khan, batch, end);
        const double full = float_network_us(*device, khan, batch, end);
        if (!std::isfinite(binary) || !std::isfinite(full)) {
            fmt::print("batch {:<22} no time left\n", batch);
            continue;
        }
        fmt::print(
            "batch {:<22} {:>14.2f} {:>14.2f} {:>10.2f}\n", batch, binary, full, full / binary);
        table += fmt::format("khan-vehicle,all,{},binary,,{:.3f},,,\n", batch, binary);
        table += fmt::format("khan-vehicle,all,{},float,,{:.3f},,,\n", batch, full);
        keep();
    }
    return 0;
}

#else

int main() {
    fmt::print("skipped: built without CUDA\n");
    return 77;
}

#endif
