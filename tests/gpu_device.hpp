#pragma once

// The GPU that the tests run on, and host memory that goes there and comes back.

#include "calibrate/backend_cuda.hpp"
#include "calibrate/device.hpp"
#include "kernels_chains.hpp"

#include <algorithm>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <string_view>
#include <vector>

namespace gpu_test {

inline std::unique_ptr<calibrate::Device> open_gpu(
    calibrate::cuda::Submission submission = calibrate::cuda::Submission::graphs) {
    const calibrate::Discovery found = calibrate::cuda_backend().discover();
    if (found.devices.empty()) {
        throw std::logic_error{"gpu_main.cpp finds a GPU before any test runs"};
    }
    return calibrate::cuda::open(found.devices.front(), submission);
}

// The GPU's memory for one tensor, with a copy each way.
struct Mirror {
    Mirror(calibrate::Device& owner, std::size_t size, std::string_view way = "pinned")
        : device{owner},
          bytes{size},
          mode{way},
          address{owner.allocate(size)},
          sent{owner.allocate_host(size, way)},
          received{owner.allocate_host(size, way)},
          event{owner.new_event()} {
        up = record(calibrate::Direction::up, -1, event);
        down = record(calibrate::Direction::down, -1, event);
    }

    int record(calibrate::Direction direction, int wait, int signal) {
        return device.record({.mode = mode,
                              .direction = direction,
                              .device = address,
                              .host = direction == calibrate::Direction::up ? sent : received,
                              .bytes = bytes,
                              .wait = wait,
                              .signal = signal});
    }

    // Now, and waits for it.
    void send(const std::byte* data) {
        std::memcpy(sent, data, bytes);
        run(up);
    }
    void fill(int value) {
        std::memset(sent, value, bytes);
        run(up);
    }
    const std::byte* fetch() {
        run(down);
        return received;
    }
    void run(int copy) {
        device.submit(copy);
        device.wait(event);
    }

    calibrate::Device& device;
    std::size_t bytes;
    std::string_view mode;
    calibrate::Address address;
    std::byte* sent;
    std::byte* received;
    int event, up = -1, down = -1;
};

// Of a tensor in layout nhwc, without the filling at its end.
inline std::size_t meaningful_bytes(const kernels::Shape& shape, int batch) {
    const auto pixels = static_cast<std::size_t>(batch) * static_cast<std::size_t>(shape.height) *
                        static_cast<std::size_t>(shape.width);
    switch (shape.element) {
        case kernels::Element::binary:
            return pixels * static_cast<std::size_t>(shape.words()) * 8;
        case kernels::Element::int32:
            return pixels * static_cast<std::size_t>(shape.channels) * 4;
        default:
            return pixels * static_cast<std::size_t>(shape.channels);
    }
}

// A chain with its inputs and the result that it must have, all in layout nhwc.
struct Case {
    kernels_test::OwnedChain owned;
    kernels_test::Tensor input, second, expected;
    kernels::Shape output;

    const kernels::Chain& chain() const { return owned.chain; }
};

// Computed by the fastest variant of this CPU (`quick`), or by the reference.
inline Case with_result(kernels_test::OwnedChain owned, kernels_test::Random& random, bool quick) {
    using namespace kernels;
    const Chain& chain = owned.chain;
    const Variant* variant = find_variant("reference");
    for (const Variant& other : variants()) {
        if (quick && other.supported() && other.accepts(chain) && other.layout == Layout::nhwc) {
            variant = &other;
        }
    }
    Shape sum = output_of(chain);
    for (std::size_t i = 0; i < chain.steps.size(); ++i) {
        if (chain.steps[i].kind == StepKind::add) {
            sum = shapes_of(chain)[i];
        }
    }
    sum.element = Element::int32;
    const Shape output = output_of(chain);
    const auto packed = [&](const Shape& shape, const kernels_test::Tensor& plain) {
        return kernels_test::converted(shape, chain.batch, Layout::plain, Layout::nhwc, plain);
    };
    const kernels_test::Tensor plain =
        kernels_test::random_tensor(random, chain.input, chain.batch);
    kernels_test::Tensor input = packed(chain.input, plain);
    kernels_test::Tensor second = kernels_test::random_tensor(random, sum, chain.batch);

    kernels_test::Tensor result(tensor_bytes(output, variant->layout, chain.batch));
    ThreadPool alone(1);
    const kernels_test::Tensor& from = variant->layout == Layout::plain ? plain : input;
    Kernel(*variant, chain, {.threads = 1, .axes = ""})
        .run({from.data(), second.data(), result.data()}, alone);
    kernels_test::Tensor expected =
        variant->layout == Layout::plain ? packed(output, result) : std::move(result);
    return {std::move(owned), std::move(input), std::move(second), std::move(expected), output};
}

}  // namespace gpu_test
