// Binary conv2d and linear on 64-bit words: xor, popcount, add.
//
// Four positions share each weight word, so that loads do not limit the popcounts.

#include "kernels/cpu/finish_scalar.hpp"
#include "kernels/cpu/loops.hpp"

namespace kernels::cpu {
namespace {

inline std::uint64_t load(const std::uint32_t* halves) {
    std::uint64_t word;
    __builtin_memcpy(&word, halves, 8);
    return word;
}

// Eight channels from `channel` on at `P` positions from `first` on.
template <int P>
void tile(const BinaryDot& job, int channel, int first) {
    const std::uint64_t* windows[P];
    for (int p = 0; p < P; ++p) {
        windows[p] = job.input + (job.positions[first + p].window - job.first_window);
    }

    std::int32_t sums[P][8];
    const std::uint32_t* weights = job.weights + std::ptrdiff_t{channel} * 2 * job.words;
    for (int c = 0; c < 8; ++c) {
        std::int64_t mismatches[P] = {};
        for (int word = 0; word < job.words; ++word, weights += 2) {
            const std::int32_t tap = job.taps[word];
            const std::uint64_t weight = load(weights);
            for (int p = 0; p < P; ++p) {
                mismatches[p] += __builtin_popcountll(windows[p][tap] ^ weight);
            }
        }
        for (int p = 0; p < P; ++p) {
            sums[p][c] = static_cast<std::int32_t>(-mismatches[p]);
        }
    }
    for (int p = 0; p < P; ++p) {
        finish<true>(job.out, channel, first + p, job.positions[first + p].border, sums[p]);
    }
}

}  // namespace

Tiling tiling_scalar(int /*words*/, int /*positions*/, int /*channels*/) {
    return {.lanes = 1, .block_vectors = 1, .chained = false};
}

void binary_dot_scalar(const BinaryDot& job) {
    for (int channel = job.channel_begin; channel < job.channel_end; channel += 8) {
        int first = 0;
        for (; first + 4 <= job.position_count; first += 4) {
            tile<4>(job, channel, first);
        }
        for (; first < job.position_count; ++first) {
            tile<1>(job, channel, first);
        }
    }
}

}  // namespace kernels::cpu
