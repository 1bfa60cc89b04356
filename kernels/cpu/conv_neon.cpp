// Binary conv2d and linear with NEON: counts are added up in bytes, and moved to wider sums before
// there can be more than 255 in one. conv_neon.hpp has the loops.

#include "kernels/cpu/conv_neon.hpp"

#include "kernels/cpu/loops.hpp"

#include <arm_neon.h>

namespace kernels::cpu {
namespace {

struct InBytes {
    using Sum = uint8x16_t;
    static constexpr int kSteps = 30;  // of 8 at most, and one more for a word that is left over

    static Sum nothing() { return vdupq_n_u8(0); }
    // Each sum and the bits of (input xor weight).
    static void add_four(
        Sum& of_a, Sum& of_b, Sum& of_c, Sum& of_d, const Four& inputs, const Four& weights) {
        Sum a = of_a, b = of_b, c = of_c, d = of_d;
        uint8x16_t bits_a, bits_b, bits_c, bits_d;
        asm("eor %[bits_a].16b, %[input_a].16b, %[weight_a].16b\n\t"
            "eor %[bits_b].16b, %[input_b].16b, %[weight_b].16b\n\t"
            "eor %[bits_c].16b, %[input_c].16b, %[weight_c].16b\n\t"
            "eor %[bits_d].16b, %[input_d].16b, %[weight_d].16b\n\t"
            "cnt %[bits_a].16b, %[bits_a].16b\n\t"
            "cnt %[bits_b].16b, %[bits_b].16b\n\t"
            "cnt %[bits_c].16b, %[bits_c].16b\n\t"
            "cnt %[bits_d].16b, %[bits_d].16b\n\t"
            "add %[a].16b, %[a].16b, %[bits_a].16b\n\t"
            "add %[b].16b, %[b].16b, %[bits_b].16b\n\t"
            "add %[c].16b, %[c].16b, %[bits_c].16b\n\t"
            "add %[d].16b, %[d].16b, %[bits_d].16b"
            : [a] "+w"(a),
              [b] "+w"(b),
              [c] "+w"(c),
              [d] "+w"(d),
              [bits_a] "=&w"(bits_a),
              [bits_b] "=&w"(bits_b),
              [bits_c] "=&w"(bits_c),
              [bits_d] "=&w"(bits_d)
            : [input_a] "w"(inputs.a),
              [input_b] "w"(inputs.b),
              [input_c] "w"(inputs.c),
              [input_d] "w"(inputs.d),
              [weight_a] "w"(weights.a),
              [weight_b] "w"(weights.b),
              [weight_c] "w"(weights.c),
              [weight_d] "w"(weights.d));
        of_a = a;
        of_b = b;
        of_c = c;
        of_d = d;
    }
    static uint32x4_t four(const Sum* sums) {
        const uint16x8_t low = vpaddq_u16(vpaddlq_u8(sums[0]), vpaddlq_u8(sums[1])),
                         high = vpaddq_u16(vpaddlq_u8(sums[2]), vpaddlq_u8(sums[3]));
        return vpaddlq_u16(vpaddq_u16(low, high));
    }
};

}  // namespace

Tiling tiling_neon(int /*words*/, int /*positions*/, int /*channels*/) {
    return {.lanes = 1, .block_vectors = 8, .chained = false, .halves = 4};
}

void binary_dot_neon(const BinaryDot& job) { binary_loop<InBytes>(job); }

}  // namespace kernels::cpu
