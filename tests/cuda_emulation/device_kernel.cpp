#include "tests/cuda_emulation/device_kernel.hpp"

#include <string>
#include <variant>

namespace cuda_emulation {
namespace {

std::unique_ptr<GuardedMemory> copy_of(std::span<const std::byte> data,
                                       GuardedMemory::Guard guard) {
    auto memory = std::make_unique<GuardedMemory>(data.size(), guard);
    if (!data.empty()) {
        std::memcpy(memory->data(), data.data(), data.size());
    }
    return memory;
}

}  // namespace

Prepared::Prepared(const kernels::DeviceKernel& kernel, GuardedMemory::Guard guard)
    : kernel_(kernel), guard_(guard) {
    // Devices allocate in units of 256 bytes; what is read must still be what was asked for. 16 is
    // the alignment of the widest load.
    const auto aligned = [](std::size_t size) { return (size + 15) / 16 * 16; };
    for (const std::vector<std::byte>& constant : kernel.constants) {
        std::vector<std::byte> filled = constant;
        filled.resize(aligned(constant.size()));
        constants_.push_back(copy_of(filled, guard));
    }
    for (const std::size_t size : kernel.scratch) {
        scratch_.push_back(std::make_unique<GuardedMemory>(aligned(size), guard));
    }
}

void Prepared::run(std::span<const std::byte> input,
                   std::span<const std::byte> second_input,
                   std::span<std::byte> output,
                   Order order) {
    using kernels::Place;
    const auto inputs = copy_of(input, guard_), seconds = copy_of(second_input, guard_);
    const auto outputs = copy_of(output, guard_);
    const auto address = [&](const kernels::BufferArgument& argument) -> std::byte* {
        const auto index = static_cast<std::size_t>(argument.index);
        switch (argument.place) {
            case Place::input:
                return inputs->data();
            case Place::second_input:
                return seconds->data();
            case Place::more:
                break;  // no kernel reads it
            case Place::output:
                return outputs->data();
            case Place::constant:
                return constants_.at(index)->data();
            case Place::scratch:
                return scratch_.at(index)->data();
        }
        return nullptr;
    };

    for (const kernels::Launch& launch : kernel_.launches) {
        const Known known = find(launch.function);
        if (launch.arguments.size() != known.parameters) {
            throw Error(launch.name + ": another number of arguments than of parameters");
        }
        std::vector<std::byte*> addresses(known.parameters);
        std::vector<std::vector<std::byte>> values(known.parameters);
        std::vector<void*> arguments;
        for (std::size_t i = 0; i < known.parameters; ++i) {
            const kernels::Argument& argument = launch.arguments[i];
            if (const auto* buffer = std::get_if<kernels::BufferArgument>(&argument)) {
                addresses[i] = address(*buffer);
                arguments.push_back(&addresses[i]);
            } else {
                values[i] = std::get<std::vector<std::byte>>(argument);
                arguments.push_back(values[i].data());
            }
            const std::size_t size = values[i].empty() ? sizeof(void*) : values[i].size();
            if (size != known.sizes[i]) {
                throw Error(launch.name + ": argument " + std::to_string(i) +
                            " has another size than its parameter");
            }
        }
        const auto& [groups, size] = std::pair(launch.groups, launch.group_size);
        known.invoke(launch.function,
                     arguments.data(),
                     {groups[0], groups[1], groups[2]},
                     {size[0], size[1], size[2]},
                     launch.local_bytes,
                     {.cooperative = launch.cooperative, .order = order});
    }
    std::memcpy(output.data(), outputs->data(), output.size());
}

}  // namespace cuda_emulation
