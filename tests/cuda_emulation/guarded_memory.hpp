#pragma once

// Memory between two pages that must not be touched: a read or write outside ends the test.

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>
#include <sys/mman.h>
#include <unistd.h>

namespace cuda_emulation {

class GuardedMemory {
public:
    // Which end the page lies against, to the byte; the other end has some slack, up to a page.
    enum class Guard : std::uint8_t { before, behind };

    GuardedMemory(std::size_t size, Guard guard) : size_(size) {
        const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
        const std::size_t inside = (size + page - 1) / page * page;
        mapped_ = inside + 2 * page;
        void* const memory =
            mmap(nullptr, mapped_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (memory == MAP_FAILED) {
            throw std::bad_alloc();
        }
        memory_ = static_cast<std::byte*>(memory);
        mprotect(memory_, page, PROT_NONE);
        mprotect(memory_ + page + inside, page, PROT_NONE);
        data_ = memory_ + page + (guard == Guard::behind ? inside - size : 0);
    }
    ~GuardedMemory() { munmap(memory_, mapped_); }
    GuardedMemory(const GuardedMemory&) = delete;
    GuardedMemory& operator=(const GuardedMemory&) = delete;

    std::byte* data() { return data_; }
    const std::byte* data() const { return data_; }
    std::size_t size() const { return size_; }

private:
    std::byte* memory_ = nullptr;
    std::byte* data_ = nullptr;
    std::size_t size_ = 0, mapped_ = 0;
};

}  // namespace cuda_emulation
