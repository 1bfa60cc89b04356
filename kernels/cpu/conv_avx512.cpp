// Binary conv2d and linear with VPOPCNTD: a register holds 32 bits of sixteen output channels.
//
// Direct: xor with 32 bits of the input, popcount, subtract; three instructions for 512 products.
// A tile of channels x positions keeps its sums in registers, so that every load serves several
// of them.
//
// Chained: half the popcounts. Let a_1, a_2, ... be the words of mismatches (input xor weight), and
// q_k = a_1 ^ ... ^ a_k. Because q_k is the xor of the input's words up to k and the weights'
// words up to k, and both were made before, q_k costs one xor, as a_k would. In each bit
//     a_{k+1} + a_{k+2} = 2 carry + q_{k+2} - q_k,   carry = majority(q_k, a_{k+1}, a_{k+2})
// (a full adder), and carry is a function of q_k, q_{k+1} and q_{k+2}: one ternary instruction.
// Summed up, the q in the middle cancel:
//     mismatches = 2 (popcounts of all carries) + popcount of the last q.
// So two words cost xor, xor, ternary, popcount, subtract: five instructions instead of six.
// It is the carry-save addition of Harley and Seal (Warren, Hacker's Delight, 2nd edition,
// section 5-1) with its sums moved out of the loop.

#include "kernels/cpu/finish_avx512.hpp"
#include "kernels/cpu/loops.hpp"

#include <immintrin.h>

namespace kernels::cpu {
namespace {

// 32 bits of whatever the input was written as.
using Half = std::uint32_t __attribute__((may_alias));

inline Vector broadcast(const Half* half) {
    return _mm512_set1_epi32(static_cast<std::int32_t>(*half));
}

// The two steps below are assembler because they leave the compiler no choice: g++ 12 reorders the
// sums of a tile until they no longer fit into the registers, and g++ and clang++ copy registers
// around the ternary instruction, which overwrites one of its three operands, although the one that
// may go is overwritten here.

// ---- Direct tiles: V vectors of channels x P positions -----------------------------------------

inline void direct_step(Vector& sum, Vector input, Vector weight) {
    Vector count;
    asm("vpxord %[input], %[weight], %[count]\n\t"
        "vpopcntd %[count], %[count]\n\t"
        "vpsubd %[count], %[sum], %[sum]"
        : [count] "=&v"(count), [sum] "+v"(sum)
        : [input] "v"(input), [weight] "v"(weight));
}

constexpr int kDirectVectors = 4;
constexpr int kDirectPositions = 6;

template <int V, int P>
void direct_tile(const BinaryDot& job, const std::uint32_t* weights, int block, int first) {
    const Half* windows[P];
    Vector sums[P][V];
#pragma GCC unroll 8
    for (int p = 0; p < P; ++p) {
        windows[p] = reinterpret_cast<const Half*>(
            job.input + (job.positions[first + p].window - job.first_window));
#pragma GCC unroll 4
        for (int v = 0; v < V; ++v) {
            sums[p][v] = _mm512_setzero_si512();
        }
    }
    const std::int32_t* const end = job.taps + job.words;
    for (const std::int32_t* tap = job.taps; tap != end; ++tap) {
        const std::ptrdiff_t at = *tap * std::ptrdiff_t{2};
#pragma GCC unroll 2
        for (int half = 0; half < 2; ++half, weights += V * 16) {
            Vector weight[V];
#pragma GCC unroll 4
            for (int v = 0; v < V; ++v) {
                weight[v] = _mm512_load_si512(weights + v * 16);
            }
#pragma GCC unroll 8
            for (int p = 0; p < P; ++p) {
                const Vector input = broadcast(windows[p] + at + half);
#pragma GCC unroll 4
                for (int v = 0; v < V; ++v) {
                    direct_step(sums[p][v], input, weight[v]);
                }
            }
        }
    }
#pragma GCC unroll 8
    for (int p = 0; p < P; ++p) {
        finish<V, true>(job.out, block, first + p, job.positions[first + p].border, sums[p]);
    }
}

template <int V>
void direct_block(const BinaryDot& job, const std::uint32_t* weights, int block) {
    int first = 0;
    for (; first + kDirectPositions <= job.position_count; first += kDirectPositions) {
        direct_tile<V, kDirectPositions>(job, weights, block, first);
    }
    switch (job.position_count - first) {
        case 5:
            return direct_tile<V, 5>(job, weights, block, first);
        case 4:
            return direct_tile<V, 4>(job, weights, block, first);
        case 3:
            return direct_tile<V, 3>(job, weights, block, first);
        case 2:
            return direct_tile<V, 2>(job, weights, block, first);
        case 1:
            return direct_tile<V, 1>(job, weights, block, first);
        default:
            return;
    }
}

// ---- Chained tiles: one vector of channels x P positions ----------------------------------------

constexpr int kChainedPositions = 10;

// From q_k (`chain`) to q_{k+2}, with the input's and the weights' parts of q_{k+1} (`middle`) and
// q_{k+2} (`after`). The constant is the truth table of carry over (q_{k+1}, q_k, q_{k+2}): where
// q_{k+1} is 1, the complement of q_{k+2}, else q_k.
inline void chain_step(Vector& sum, Vector& chain, const Half* input, Vector middle, Vector after) {
    Vector next, carry;
    asm("vpxord %[input_after]%{1to16%}, %[after], %[next]\n\t"
        "vpxord %[input_middle]%{1to16%}, %[middle], %[carry]\n\t"
        "vpternlogd $0x5c, %[next], %[chain], %[carry]\n\t"
        "vpopcntd %[carry], %[carry]\n\t"
        "vpsubd %[carry], %[sum], %[sum]"
        : [next] "=&v"(next), [carry] "=&v"(carry), [sum] "+v"(sum)
        : [chain] "v"(chain),
          [middle] "v"(middle),
          [after] "v"(after),
          [input_middle] "m"(input[0]),
          [input_after] "m"(input[1]));
    chain = next;
}

template <int P>
void chained_tile(const BinaryDot& job, const std::uint32_t* weights, int block, int first) {
    const Half* windows[P];
    Vector sums[P], chain[P];  // minus the popcounts of the carries; the last q
#pragma GCC unroll 16
    for (int p = 0; p < P; ++p) {
        windows[p] = reinterpret_cast<const Half*>(job.input + (first + p) * job.stride);
        sums[p] = chain[p] = _mm512_setzero_si512();
    }
    for (std::ptrdiff_t word = 0; word < job.words; ++word, weights += 32) {
        const Vector middle = _mm512_load_si512(weights);
        const Vector after = _mm512_load_si512(weights + 16);
#pragma GCC unroll 16
        for (int p = 0; p < P; ++p) {
            chain_step(sums[p], chain[p], windows[p] + 2 * word, middle, after);
        }
    }
#pragma GCC unroll 16
    for (int p = 0; p < P; ++p) {
        const Vector sum =
            _mm512_sub_epi32(_mm512_add_epi32(sums[p], sums[p]), _mm512_popcnt_epi32(chain[p]));
        finish<1, true>(job.out, block, first + p, job.positions[first + p].border, &sum);
    }
}

void chained_block(const BinaryDot& job, const std::uint32_t* weights, int block) {
    int first = 0;
    for (; first + kChainedPositions <= job.position_count; first += kChainedPositions) {
        chained_tile<kChainedPositions>(job, weights, block, first);
    }
    for (; first + 4 <= job.position_count; first += 4) {
        chained_tile<4>(job, weights, block, first);
    }
    switch (job.position_count - first) {
        case 3:
            return chained_tile<3>(job, weights, block, first);
        case 2:
            return chained_tile<2>(job, weights, block, first);
        case 1:
            return chained_tile<1>(job, weights, block, first);
        default:
            return;
    }
}

}  // namespace

Tiling tiling_avx512(int words, int positions, int channels) {
    // Making the chains costs about one instruction a word, and pays by the number of channels.
    const bool chained = words >= 12 && channels >= 64 && positions > 1;
    return {.lanes = 16, .block_vectors = chained ? 1 : kDirectVectors, .chained = chained};
}

void chain_windows_avx512(const ChainWindows& job) {
    std::uint64_t* output = job.output;
    for (int i = 0; i < job.position_count; ++i) {
        const std::uint64_t* run = job.rows + (job.positions[i].window - job.first_window);
        // The chain of a run continues the one before it instead of its row's.
        std::uint64_t chain = 0;
        for (int j = 0; j < job.runs; ++j, run += job.run_stride, output += job.run_words) {
            const std::uint64_t change = (chain ^ run[-1]) >> 32;
            const Vector changes = _mm512_set1_epi32(static_cast<std::int32_t>(change));
            for (int word = 0; word < job.run_words; word += 8) {
                _mm512_storeu_si512(output + word,
                                    _mm512_xor_si512(_mm512_loadu_si512(run + word), changes));
            }
            chain ^= run[-1] ^ run[job.run_words - 1];
        }
    }
}

void binary_dot_avx512(const BinaryDot& job) {
    const int end = (job.channel_end + 15) / 16;
    for (int block = job.channel_begin / 16; block < end; block += job.block_vectors) {
        const std::uint32_t* weights = job.weights + std::ptrdiff_t{block} * 32 * job.words;
        if (job.chained) {
            chained_block(job, weights, block);
            continue;
        }
        switch (end - block) {
            case 1:
                direct_block<1>(job, weights, block);
                break;
            case 2:
                direct_block<2>(job, weights, block);
                break;
            case 3:
                direct_block<3>(job, weights, block);
                break;
            default:
                direct_block<4>(job, weights, block);
                break;
        }
    }
}

}  // namespace kernels::cpu
