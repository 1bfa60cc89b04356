// How fast the CUDA kernels are, and how near to what the tensor cores can do.
//
//   gpu_speed_benchmark [FILE.csv]
//
// 1. Every binary convolution of ResNet-18 and VGG7 at batch 512, by every variant in its fastest
//    configuration: tera-operations a second (2 for each product of two bits), and the share of
//    what products on registers alone reach in the same run.
// 2. The network of Khan et al., binary against full precision on the same GPU.
//
// A time is the difference between a long segment and one of a single run, shared among the runs
// (calibrate/accelerator.hpp); the contestants take turns; medians. Ends with 77 where there is no
// GPU.

#include "calibrate/accelerator.hpp"
#include "calibrate/binding.hpp"
#include "calibrate/device.hpp"
#include "calibrate/output_file.hpp"
#include "calibrate/statistics.hpp"
#include "sim/describe/model.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <vector>
#if defined(HETMAP_CUDA)
#include "kernels/cuda/float_conv.hpp"
#include "kernels/cuda/peak.hpp"
#endif

#if defined(HETMAP_CUDA)

namespace {

using calibrate::Device;
using calibrate::SegmentTimer;

struct Contestant {
    std::string name;
    std::unique_ptr<SegmentTimer> timer;
    std::vector<double> samples = {};  // ns of one run

    double median() const { return std::max(1.0, calibrate::quantile(samples, 0.5)); }
};

void race(std::vector<Contestant>& contestants, int rounds) {
    for (int round = 0; round < rounds; ++round) {
        for (Contestant& c : contestants) {
            c.samples.push_back(c.timer->sample_ns());
        }
    }
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
};

std::vector<Row> race_convolutions(Device& device, const std::string& network, int batch) {
    const std::filesystem::path folders[] = {"models", HETMAP_SOURCE_MODELS};
    const sim::Model model = sim::load_model(network, folders);
    const calibrate::Parameters parameters = calibrate::load_parameters(model);
    std::vector<Row> rows;
    std::set<std::string> seen;
    for (int layer = 1; layer + 1 < static_cast<int>(model.layers.size()); ++layer) {
        // A convolution with its threshold, as it runs in the network.
        const std::vector<int> layers{layer, layer + 1};
        const std::string signature = sim::signature(model, layers);
        if (!signature.starts_with("conv2d binary") || !signature.ends_with("| threshold") ||
            model.layers[static_cast<std::size_t>(layer + 1)].inputs.front() != layer ||
            !seen.insert(signature).second) {
            continue;
        }
        const kernels::Chain chain = calibrate::chain_of(model, parameters, layers, batch);
        const double operations =
            2.0 * static_cast<double>(sim::work_of(model, layer).macs) * batch;
        const auto session = calibrate::open(device.info(), 1);  // gives its memory back
        const Arena arena{*session, bytes_of(chain)};
        std::vector<Contestant> contestants;
        std::vector<calibrate::Implementation> implementations = session->implementations(chain);
        // Seconds a run where only rows or channels are spread: not worth the wait.
        std::erase_if(implementations, [](const calibrate::Implementation& i) {
            return i.variant == "naive" && i.configuration.find('x') == std::string::npos;
        });
        for (const calibrate::Implementation& i : implementations) {
            contestants.push_back(
                {i.variant,
                 std::make_unique<SegmentTimer>(*session,
                                                session->prepare(chain, i.variant, i.configuration),
                                                arena.tensors)});
        }
        double peak_tops = 0;
        const bool has_peak =
            device.info().limits.capability / 10 == 8 || device.info().limits.capability / 10 == 9;
        const kernels::cuda::Peak peak = kernels::cuda::peak_b1(device.info().limits, 2000);
        if (has_peak) {
            contestants.push_back({"peak",
                                   std::make_unique<SegmentTimer>(
                                       *session, session->prepare(peak.kernel), arena.tensors)});
        }
        race(contestants, 7);
        if (has_peak) {
            peak_tops = peak.operations / contestants.back().median() * 1e-3;
            rows.push_back({network,
                            signature,
                            "peak",
                            "",
                            contestants.back().median() * 1e-3,
                            peak_tops,
                            100});
        }
        std::map<std::string, Row> best;
        for (std::size_t i = 0; i < implementations.size(); ++i) {
            const double ns = contestants[i].median();
            Row& row = best[implementations[i].variant];
            if (row.us == 0 || ns * 1e-3 < row.us) {
                const double tops = operations / ns * 1e-3;
                row = {network,
                       signature,
                       implementations[i].variant,
                       implementations[i].configuration,
                       ns * 1e-3,
                       tops,
                       peak_tops > 0 ? 100 * tops / peak_tops : 0};
            }
        }
        for (auto& [variant, row] : best) {
            rows.push_back(std::move(row));
        }
    }
    return rows;
}

// ---- Binary against full precision
// -----------------------------------------------------------------

// All layers of a model, each by the implementation that is fastest alone; microseconds in all.
double fastest_layers_us(Device& device, const sim::Model& model, int batch) {
    const calibrate::Parameters parameters = calibrate::load_parameters(model);
    const int layers = static_cast<int>(model.layers.size());
    // Shortest path over the chain of layers: best[i], the least time from layer i to the end.
    std::vector<double> best(static_cast<std::size_t>(layers) + 1, 0);
    for (int first = layers - 1; first > 0; --first) {
        double least = 1e300;
        for (const std::vector<int>& chain_layers :
             sim::chains_from(model, first, device.longest_chain())) {
            const kernels::Chain chain =
                calibrate::chain_of(model, parameters, chain_layers, batch);
            const auto session = calibrate::open(device.info(), 1);
            const Arena arena{*session, bytes_of(chain)};
            std::vector<Contestant> contestants;
            for (const calibrate::Implementation& i : session->implementations(chain)) {
                const int kernel = session->prepare(chain, i.variant, i.configuration);
                contestants.push_back(
                    {i.variant, std::make_unique<SegmentTimer>(*session, kernel, arena.tensors)});
            }
            race(contestants, 7);
            for (const Contestant& c : contestants) {
                const auto next = static_cast<std::size_t>(chain_layers.back()) + 1;
                least = std::min(least, c.median() * 1e-3 + best[next]);
            }
        }
        best[static_cast<std::size_t>(first)] = least;
    }
    return best[1];
}

// The same network in floats.
double float_network_us(Device& device, const sim::Model& model, int batch) {
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
    kernels::cuda::FloatNetwork network{
        .batch = batch, .height = input.height, .width = input.width, .channels = input.channels};
    for (std::size_t l = 1; l < model.layers.size(); ++l) {
        const sim::Layer& layer = model.layers[l];
        const std::string_view operation = layer.operation->name;
        const sim::TensorShape& in =
            model.layers[static_cast<std::size_t>(layer.inputs.front())].output;
        using enum kernels::cuda::FloatStepKind;
        if (operation == "conv2d" || operation == "linear") {
            const bool linear = operation == "linear";
            const int k = linear ? 1 : layer.attributes.kernel_height;
            const std::int64_t fan_in = linear ? in.elements() : std::int64_t{k} * k * in.channels;
            network.steps.push_back({.kind = linear ? kernels::cuda::FloatStepKind::linear : conv2d,
                                     .out_channels = layer.output.channels,
                                     .kernel = k,
                                     .stride = linear ? 1 : layer.attributes.stride,
                                     .padding = linear ? 0 : layer.attributes.padding,
                                     .relu = true,
                                     .weights = draw(fan_in * layer.output.channels),
                                     .bias = draw(layer.output.channels)});
        } else if (operation == "max_pool2d") {
            network.steps.push_back({.kind = max_pool2d,
                                     .kernel = layer.attributes.kernel_height,
                                     .stride = layer.attributes.stride});
        }
    }
    const auto session = calibrate::open(device.info(), 1);
    const Arena arena{*session, static_cast<std::size_t>(batch * input.elements()) * 4 + 4096};
    std::vector<Contestant> one;
    one.push_back(
        {"float",
         std::make_unique<SegmentTimer>(
             *session, session->prepare(kernels::cuda::float_network(network)), arena.tensors)});
    race(one, 21);
    return one.front().median() * 1e-3;
}

}  // namespace

int main(int argc, char** argv) {
    const calibrate::Discovery found = calibrate::backend("cuda").discover();
    if (found.devices.empty()) {
        fmt::print("skipped: {}\n", found.notes.empty() ? "no CUDA device" : found.notes.front());
        return 77;
    }
    const auto device = calibrate::open(found.devices.front(), 1);
    fmt::print("{}\n\n", device->info().description);

    // 1. Convolutions.
    constexpr int kBatch = 512;
    const auto keep = [&](const std::string& csv) {
        std::fflush(stdout);
        if (argc > 1) {
            calibrate::write_file(argv[1], csv);  // what there is, should time run out
        }
    };
    std::string table =
        "network,layers,batch,variant,configuration,us,tera_operations_per_s,"
        "share_of_peak_percent\n";
    fmt::print("{:<58} {:<17} {:<12} {:>10} {:>10} {:>10}\n",
               "convolution, batch 512",
               "variant",
               "config",
               "time [us]",
               "TOPS",
               "share [%]");
    for (const std::string network : {"vgg7-cifar10", "resnet18-imagenet"}) {
        for (const Row& r : race_convolutions(*device, network, kBatch)) {
            fmt::print("{:<58} {:<17} {:<12} {:>10.1f} {:>10.1f} {:>10.1f}\n",
                       r.layers,
                       r.variant,
                       r.configuration,
                       r.us,
                       r.tops,
                       r.share);
            table += fmt::format("{},{},{},{},{},{:.3f},{:.3f},{:.2f}\n",
                                 r.network,
                                 r.layers,
                                 kBatch,
                                 r.variant,
                                 r.configuration,
                                 r.us,
                                 r.tops,
                                 r.share);
        }
        keep(table);
    }

    // 2. Binary against full precision.
    const std::filesystem::path folders[] = {"models", HETMAP_SOURCE_MODELS};
    const sim::Model khan = sim::load_model("khan-vehicle", folders);
    fmt::print(
        "\n{:<28} {:>14} {:>14} {:>10}\n", "khan-vehicle", "binary [us]", "float [us]", "ratio");
    for (const int batch : {1, 8, 64}) {
        const double binary = fastest_layers_us(*device, khan, batch);
        const double full = float_network_us(*device, khan, batch);
        fmt::print(
            "batch {:<22} {:>14.2f} {:>14.2f} {:>10.2f}\n", batch, binary, full, full / binary);
        table += fmt::format("khan-vehicle,all,{},binary,,{:.3f},,\n", batch, binary);
        table += fmt::format("khan-vehicle,all,{},float,,{:.3f},,\n", batch, full);
        keep(table);
    }
    return 0;
}

#else

int main() {
    fmt::print("skipped: built without CUDA\n");
    return 77;
}

#endif
