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
    const calibrate::Discovery found = calibrate::backend("cuda").discover();
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

using kernels_test::Case;
using kernels_test::with_result;

}  // namespace gpu_test
