#pragma once

// Memory that kernels read and write in whole registers: aligned to 64 bytes, zero at first, with
// 64 readable and writable bytes behind the end. Not for the files with an instruction set's
// suffix (see loops.hpp).

#include <cstddef>
#include <cstring>
#include <new>
#include <type_traits>
#include <utility>

namespace kernels::cpu {

template <typename T>
class Buffer {
    static_assert(std::is_trivially_copyable_v<T>);

public:
    Buffer() = default;
    explicit Buffer(std::size_t size) : size_(size) {
        const std::size_t bytes = size * sizeof(T) + 64;
        data_ = static_cast<T*>(::operator new (bytes, std::align_val_t{64}));
        std::memset(static_cast<void*>(data_), 0, bytes);
    }
    Buffer(Buffer&& other) noexcept
        : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
    Buffer& operator=(Buffer&& other) noexcept {
        std::swap(data_, other.data_);
        std::swap(size_, other.size_);
        return *this;
    }
    ~Buffer() { ::operator delete (data_, std::align_val_t{64}); }

    T* data() { return data_; }
    const T* data() const { return data_; }
    std::size_t size() const { return size_; }
    T& operator[](std::size_t i) { return data_[i]; }
    const T& operator[](std::size_t i) const { return data_[i]; }

private:
    T* data_ = nullptr;
    std::size_t size_ = 0;
};

}  // namespace kernels::cpu
