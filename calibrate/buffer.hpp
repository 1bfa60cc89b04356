#pragma once

// Memory of the host for tensors: aligned for whole registers, zeroed. Throws sim::MachineError
// where the machine has not so much left.

#include "calibrate/memory.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>

namespace calibrate {

class Buffer {
public:
    explicit Buffer(std::size_t bytes) : size_{(bytes + 63) / 64 * 64} {
        expect_free_memory({static_cast<std::int64_t>(size_)}, "tensors");
        // Whole pages for large tensors: they then behave alike from run to run.
        const std::size_t alignment = size_ >= 4096 ? 4096 : 64;
        void* const memory =
            std::aligned_alloc(alignment, (size_ + alignment - 1) / alignment * alignment);
        if (memory == nullptr) {
            throw std::bad_alloc{};
        }
        std::memset(memory, 0, size_);
        data_.reset(static_cast<std::byte*>(memory));
    }
    std::byte* data() const { return data_.get(); }
    std::size_t size() const { return size_; }

private:
    struct Free {
        void operator()(std::byte* p) const { std::free(p); }
    };
    std::unique_ptr<std::byte, Free> data_;
    std::size_t size_ = 0;
};

}  // namespace calibrate
