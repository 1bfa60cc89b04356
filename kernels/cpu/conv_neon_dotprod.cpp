// Binary conv2d and linear with NEON and UDOT (ARMv8.2), which adds four counts to a sum of 32
// bits, so that nothing has to be widened. conv_neon.hpp has the loops.

#include "kernels/cpu/conv_neon.hpp"
#include "kernels/cpu/loops.hpp"

#include <arm_neon.h>

namespace kernels::cpu {
namespace {

struct InWords {
    using Sum = uint32x4_t;
    static constexpr int kSteps = 1 << 24;

    static Sum nothing() { return vdupq_n_u32(0); }
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
            "udot %[a].4s, %[bits_a].16b, %[ones].16b\n\t"
            "udot %[b].4s, %[bits_b].16b, %[ones].16b\n\t"
            "udot %[c].4s, %[bits_c].16b, %[ones].16b\n\t"
            "udot %[d].4s, %[bits_d].16b, %[ones].16b"
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
              [weight_d] "w"(weights.d),
              [ones] "w"(vdupq_n_u8(1)));
        of_a = a;
        of_b = b;
        of_c = c;
        of_d = d;
    }
    static uint32x4_t four(const Sum* sums) {
        return vpaddq_u32(vpaddq_u32(sums[0], sums[1]), vpaddq_u32(sums[2], sums[3]));
    }
};

}  // namespace

void binary_dot_neon_dotprod(const BinaryDot& job) { binary_loop<InWords>(job); }

}  // namespace kernels::cpu
