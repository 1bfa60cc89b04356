#pragma once

// The OpenCL devices of this machine, opened once for all tests, and shorthands for running one
// segment or kernel on them.

#include "calibrate/device.hpp"
#include "kernels_chains.hpp"

#include <cstring>
#include <memory>
#include <span>
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

// What an implementation makes of a chain, with `others` as its inputs beside the main one; every
// byte of the output is set to 0xa5 before.
inline kernels_test::Tensor run(calibrate::Device& device,
                                const kernels::Chain& chain,
                                const calibrate::Implementation& implementation,
                                const kernels_test::Tensor& input,
                                std::span<const kernels_test::Tensor* const> others,
                                std::size_t output_bytes) {
    const std::string_view mode = device.modes({}).front();
    const int done = device.new_event();
    std::vector<Mirror> inputs;
    const auto bring = [&](const kernels_test::Tensor& tensor) {
        inputs.push_back(mirror(device, tensor.size(), mode, -1));
        std::memcpy(inputs.back().host, tensor.data(), tensor.size());
    };
    bring(input);
    for (const kernels_test::Tensor* const other : others) {
        bring(*other);
    }
    const Mirror output = mirror(device, output_bytes, mode, done);
    std::memset(output.host, 0xa5, output_bytes);

    calibrate::Stage stage{
        .kernel = device.prepare(chain, implementation.variant, implementation.configuration),
        .tensors = {inputs[0].device, nullptr, output.device},
        .waits = {output.arrived},
        .signal = done};
    std::vector<const std::byte*> more;
    for (std::size_t i = 0; i < inputs.size(); ++i) {
        stage.waits.push_back(inputs[i].arrived);
        if (i == 1) {
            stage.tensors.second_input = inputs[i].device;
        } else if (i > 1) {
            more.push_back(inputs[i].device);
        }
    }
    stage.tensors.more = more;
    // Twice in one segment: nothing that the first leaves behind may change the second.
    const calibrate::Stage stages[] = {stage, stage};
    const int segment = device.record(stages);
    for (const Mirror& tensor : inputs) {
        device.submit(tensor.up);
    }
    for (const int command : {output.up, segment, output.down}) {
        device.submit(command);
    }
    device.wait(output.came_back);
    kernels_test::Tensor result(output_bytes);
    std::memcpy(result.data(), output.host, result.size());
    return result;
}

}  // namespace opencl_test
