#pragma once

// Included by targets whose input is text: libFuzzer then calls this for every new input.

#include "fuzz.hpp"

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data,
                                               std::size_t size,
                                               std::size_t most,
                                               unsigned seed) {
    return fuzz::mutate_text(data, size, most, seed);
}
