// The CPU backend.

#include "calibrate/device.hpp"

namespace calibrate {

Backend cpu_backend() {
    return {.kind = "cpu",
            .discover = [] { return Discovery{}; },
            .open = [](const DeviceInfo&, int) -> std::unique_ptr<Device> { return nullptr; }};
}

}  // namespace calibrate
