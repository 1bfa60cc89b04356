#include "kernels/device_kernel.hpp"

#include <algorithm>

namespace kernels {

const DeviceVariant* find_variant(std::span<const DeviceVariant> table, std::string_view name) {
    const auto found = std::ranges::find(table, name, &DeviceVariant::name);
    return found == table.end() ? nullptr : &*found;
}

}  // namespace kernels
