#include "calibrate/device.hpp"

#include <algorithm>
#include <iterator>

namespace calibrate {
namespace {

// ---- The table: in this order devices are listed ---------------------------------------------
const Backend kBackends[] = {
    cpu_backend(),
#if defined(HETMAP_CUDA)
    cuda_backend(),
#endif
#if defined(HETMAP_OPENCL)
    opencl_backend(),
#endif
};

}  // namespace

int Device::prepare(const kernels::DeviceKernel&) {
    throw DeviceError{info().name + " runs no kernels of accelerators"};
}

Discovery discover() {
    Discovery all;
    for (const Backend& backend : kBackends) {
        Discovery found = backend.discover();
        std::ranges::move(found.devices, std::back_inserter(all.devices));
        std::ranges::move(found.notes, std::back_inserter(all.notes));
    }
    return all;
}

std::unique_ptr<Device> open(const DeviceInfo& info, int threads) {
    const auto* const backend = std::ranges::find(kBackends, info.kind, &Backend::kind);
    if (backend == std::end(kBackends)) {
        throw DeviceError{"this program was built without devices of kind '" + info.kind + "'"};
    }
    return backend->open(info, threads);
}

std::unique_ptr<Device> open_cpu(int threads) {
    return open(cpu_backend().discover().devices.front(), threads);
}

}  // namespace calibrate
