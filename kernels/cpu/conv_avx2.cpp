// Binary conv2d and linear with AVX2: a register holds 32 bits of eight output channels.
//
// There is no popcount of vectors here: a byte shuffle looks up the number of bits of each half
// byte (Mula, Kurz, Lemire, "Faster Population Counts Using AVX2 Instructions", 2016). Counts
// are added up in bytes, and 32 bits add 8 at most to each, so they are moved to wider sums
// before there can be more than 255.
//
// Chained windows need half the lookups; conv_avx512.cpp explains them.

#include "kernels/cpu/finish_avx2.hpp"
#include "kernels/cpu/loops.hpp"

#include <immintrin.h>

namespace kernels::cpu {
namespace {

// 32 bits of whatever the input was written as.
using Half = std::uint32_t __attribute__((may_alias));

constexpr int kBytesHold = 31;  // counts of up to 8 that fit into a byte

inline Vector load(const std::uint32_t* eight) {
    return _mm256_load_si256(reinterpret_cast<const Vector*>(eight));
}
inline Vector broadcast(const Half* half) {
    return _mm256_set1_epi32(static_cast<std::int32_t>(*half));
}

// Adds the number of bits of each byte to `counts`.
inline Vector add_counts(Vector counts, Vector bits) {
    const Vector table = _mm256_setr_epi8(0,
                                          1,
                                          1,
                                          2,
                                          1,
                                          2,
                                          2,
                                          3,
                                          1,
                                          2,
                                          2,
                                          3,
                                          2,
                                          3,
                                          3,
                                          4,  //
                                          0,
                                          1,
                                          1,
                                          2,
                                          1,
                                          2,
                                          2,
                                          3,
                                          1,
                                          2,
                                          2,
                                          3,
                                          2,
                                          3,
                                          3,
                                          4);
    const Vector half = _mm256_set1_epi8(15);
    const Vector low = _mm256_and_si256(bits, half);
    const Vector high = _mm256_and_si256(_mm256_srli_epi16(bits, 4), half);
    counts = _mm256_add_epi8(counts, _mm256_shuffle_epi8(table, low));
    return _mm256_add_epi8(counts, _mm256_shuffle_epi8(table, high));
}

// The four bytes of each lane added up.
inline Vector wide(Vector counts) {
    return _mm256_madd_epi16(_mm256_maddubs_epi16(counts, _mm256_set1_epi8(1)),
                             _mm256_set1_epi16(1));
}

// Eight channels at P positions.
template <int P>
void direct_tile(const BinaryDot& job, const std::uint32_t* weights, int channel, int first) {
    const Half* windows[P];
    Vector sums[P];
#pragma GCC unroll 8
    for (int p = 0; p < P; ++p) {
        windows[p] = reinterpret_cast<const Half*>(
            job.input + (job.positions[first + p].window - job.first_window));
        sums[p] = _mm256_setzero_si256();
    }
    for (int word = 0; word < job.words;) {
        const int end = word + kBytesHold / 2 < job.words ? word + kBytesHold / 2 : job.words;
        Vector counts[P];
#pragma GCC unroll 8
        for (int p = 0; p < P; ++p) {
            counts[p] = _mm256_setzero_si256();
        }
        for (; word < end; ++word) {
            const std::ptrdiff_t at = job.taps[word] * std::ptrdiff_t{2};
#pragma GCC unroll 2
            for (int half = 0; half < 2; ++half, weights += 8) {
                const Vector weight = load(weights);
#pragma GCC unroll 8
                for (int p = 0; p < P; ++p) {
                    counts[p] = add_counts(
                        counts[p], _mm256_xor_si256(broadcast(windows[p] + at + half), weight));
                }
            }
        }
#pragma GCC unroll 8
        for (int p = 0; p < P; ++p) {
            sums[p] = _mm256_sub_epi32(sums[p], wide(counts[p]));
        }
    }
#pragma GCC unroll 8
    for (int p = 0; p < P; ++p) {
        finish<true>(job.out, channel, first + p, job.positions[first + p].border, sums[p]);
    }
}

// Eight channels at P positions.
template <int P>
void chained_tile(const BinaryDot& job, const std::uint32_t* weights, int channel, int first) {
    const Half* windows[P];
    Vector sums[P], chain[P];
#pragma GCC unroll 8
    for (int p = 0; p < P; ++p) {
        windows[p] = reinterpret_cast<const Half*>(job.input + (first + p) * job.stride);
        sums[p] = chain[p] = _mm256_setzero_si256();
    }
    for (std::ptrdiff_t word = 0; word < job.words;) {
        const std::ptrdiff_t end = word + kBytesHold < job.words ? word + kBytesHold : job.words;
        Vector counts[P];
#pragma GCC unroll 8
        for (int p = 0; p < P; ++p) {
            counts[p] = _mm256_setzero_si256();
        }
        for (; word < end; ++word, weights += 16) {
            const Vector middle_weight = load(weights), after_weight = load(weights + 8);
#pragma GCC unroll 8
            for (int p = 0; p < P; ++p) {
                const Half* input = windows[p] + 2 * word;
                const Vector middle = _mm256_xor_si256(broadcast(input), middle_weight);
                const Vector after = _mm256_xor_si256(broadcast(input + 1), after_weight);
                const Vector carry = _mm256_or_si256(_mm256_andnot_si256(after, middle),
                                                     _mm256_andnot_si256(middle, chain[p]));
                chain[p] = after;
                counts[p] = add_counts(counts[p], carry);
            }
        }
#pragma GCC unroll 8
        for (int p = 0; p < P; ++p) {
            sums[p] = _mm256_sub_epi32(sums[p], wide(counts[p]));
        }
    }
#pragma GCC unroll 8
    for (int p = 0; p < P; ++p) {
        const Vector last = wide(add_counts(_mm256_setzero_si256(), chain[p]));
        finish<true>(job.out,
                     channel,
                     first + p,
                     job.positions[first + p].border,
                     _mm256_sub_epi32(_mm256_add_epi32(sums[p], sums[p]), last));
    }
}

}  // namespace

Tiling tiling_avx2(int words, int positions, int channels) {
    const bool chained = words >= 6 && positions > 1 && channels > 32;
    return {.lanes = 8, .block_vectors = 1, .chained = chained};
}

void chain_windows_avx2(const ChainWindows& job) {
    std::uint64_t* output = job.output;
    for (int i = 0; i < job.position_count; ++i) {
        const std::uint64_t* run = job.rows + (job.positions[i].window - job.first_window);
        // The chain of a run continues the one before it instead of its row's.
        std::uint64_t chain = 0;
        for (int j = 0; j < job.runs; ++j, run += job.run_stride, output += job.run_words) {
            const std::uint64_t change = (chain ^ run[-1]) >> 32;
            const Vector changes = _mm256_set1_epi32(static_cast<std::int32_t>(change));
            for (int word = 0; word < job.run_words; word += 4) {
                const auto* from = reinterpret_cast<const Vector*>(run + word);
                auto* to = reinterpret_cast<Vector*>(output + word);
                _mm256_storeu_si256(to, _mm256_xor_si256(_mm256_loadu_si256(from), changes));
            }
            chain ^= run[-1] ^ run[job.run_words - 1];
        }
    }
}

void binary_dot_avx2(const BinaryDot& job) {
    for (int channel = job.channel_begin; channel < job.channel_end; channel += 8) {
        const std::uint32_t* weights = job.weights + std::ptrdiff_t{channel} * 2 * job.words;
        int first = 0;
        if (job.chained) {
            for (; first + 2 <= job.position_count; first += 2) {
                chained_tile<2>(job, weights, channel, first);
            }
            for (; first < job.position_count; ++first) {
                chained_tile<1>(job, weights, channel, first);
            }
            continue;
        }
        for (; first + 6 <= job.position_count; first += 6) {
            direct_tile<6>(job, weights, channel, first);
        }
        for (; first + 2 <= job.position_count; first += 2) {
            direct_tile<2>(job, weights, channel, first);
        }
        if (first < job.position_count) {
            direct_tile<1>(job, weights, channel, first);
        }
    }
}

}  // namespace kernels::cpu
