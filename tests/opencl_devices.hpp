#pragma once

// The OpenCL devices of this machine, opened once for all tests, and a shorthand for running one
// segment on them.

#include "calibrate/device.hpp"
#include "kernels_chains.hpp"

#include <memory>
#include <vector>

namespace opencl_test {

inline const std::vector<std::unique_ptr<calibrate::Device>>& devices() {
    static const auto kDevices = [] {
        std::vector<std::unique_ptr<calibrate::Device>> opened;
        for (const calibrate::DeviceInfo& info : calibrate::backend("opencl").discover().devices) {
            opened.push_back(calibrate::backend("opencl").open(info, 1));
        }
        return opened;
    }();
    return kDevices;
}

inline std::unique_ptr<calibrate::Device> open_first() {
    const calibrate::Backend& backend = calibrate::backend("opencl");
    return backend.open(backend.discover().devices.front(), 1);
}

// Memory on the device and on the host, with a copy in each direction that waits for `before` and
// signals an event.
struct Mirror {
    calibrate::Address device = nullptr;
    std::byte* host = nullptr;
    int up = -1, down = -1;            // commands
    int arrived = -1, came_back = -1;  // events
};

inline Mirror mirror(calibrate::Device& device,
                     std::size_t bytes,
                     std::string_view mode,
                     int done) {
    Mirror made{.device = device.allocate(bytes),
                .host = device.allocate_host(bytes, mode),
                .arrived = device.new_event(),
                .came_back = device.new_event()};
    made.up = device.record({.mode = mode,
                             .direction = calibrate::Direction::up,
                             .device = made.device,
                             .host = made.host,
                             .bytes = bytes,
                             .signal = made.arrived});
    made.down = device.record({.mode = mode,
                               .direction = calibrate::Direction::down,
                               .device = made.device,
                               .host = made.host,
                               .bytes = bytes,
                               .wait = done,
                               .signal = made.came_back});
    return made;
}

}  // namespace opencl_test
