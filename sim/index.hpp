#pragma once

// Indices. Numbers of layers, tasks, devices and the like are `int` everywhere, since -1 says
// "none"; containers want std::size_t. This is the one place where one becomes the other.

#include <cassert>
#include <cstddef>

namespace sim {

constexpr std::size_t at(int index) {
    assert(index >= 0);
    return static_cast<std::size_t>(index);
}

}  // namespace sim
