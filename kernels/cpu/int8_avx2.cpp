// Loops on numbers of 8 bits with AVX2: pairs of 16-bit products, summed in 32 bits (VPMADDWD), of
// 16 channels at up to 6 positions at a time, which is what fits into the registers. Pairs of 8-bit
// products (VPMADDUBSW) would be as fast, and saturate.

#include "kernels/cpu/elementwise_loops.hpp"
#include "kernels/cpu/int8_elementwise.hpp"
#include "kernels/cpu/int8_loops.hpp"

#include <immintrin.h>

namespace kernels::cpu {
namespace {

using Vector = __m256i;

inline Vector load(const void* from) {
    return _mm256_loadu_si256(static_cast<const Vector*>(from));
}

// 16 numbers.
inline Vector widened(const std::int8_t* from) {
    return _mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from)));
}

// What becomes of sums of a block's 16 channels, in registers. Two orders: channels 0 to 7 and 8 to
// 15; or `kInterleaved`, 0 to 3 with 8 to 11, and the rest, as interleaving 16-bit numbers leaves
// them. What a job says is copied: stores could change it, as far as the compiler knows.
template <Int8Result kResult, bool kInterleaved>
class Finish {
public:
    explicit Finish(const Int8Output& out) : out_(out) {
        scales_[0] = _mm256_loadu_ps(out.scales);
        scales_[1] = _mm256_loadu_ps(out.scales + 8);
        biases_[0] = _mm256_loadu_ps(out.biases);
        biases_[1] = _mm256_loadu_ps(out.biases + 8);
        if (kInterleaved) {
            interleave(scales_);
            interleave(biases_);
        }
        least_ = _mm256_set1_ps(out.least);
        most_ = _mm256_set1_ps(out.most);
        zero_ = _mm256_set1_epi32(out.zero);
    }

    void operator()(int position, Vector first, Vector second) const {
        std::byte* const pixel = out_.output + position * out_.stride;
        if (out_.count == kInt8Block) {
            write(pixel, first, second);
            return;
        }
        alignas(32) std::byte all[kInt8Block * kBytes];
        write(all, first, second);
        for (int i = 0; i < out_.count * kBytes; ++i) {
            pixel[i] = all[out_.first * kBytes + i];
        }
    }

private:
    static constexpr int kBytes =
        kResult == Int8Result::int32 || kResult == Int8Result::f32 ? 4 : 1;

    static void interleave(__m256 (&both)[2]) {
        const __m256 low = both[0], high = both[1];
        both[0] = _mm256_permute2f128_ps(low, high, 0x20);
        both[1] = _mm256_permute2f128_ps(low, high, 0x31);
    }

    __m256 scaled(Vector sums, int half) const {
        return _mm256_fmadd_ps(_mm256_cvtepi32_ps(sums), scales_[half], biases_[half]);
    }

    Vector rounded(__m256 values) const {
        const __m256 cut = _mm256_min_ps(_mm256_max_ps(values, least_), most_);
        return _mm256_add_epi32(_mm256_cvtps_epi32(cut), zero_);
    }

    static void write_words(std::byte* to, Vector first, Vector second) {
        const Vector low = kInterleaved ? _mm256_permute2x128_si256(first, second, 0x20) : first,
                     high = kInterleaved ? _mm256_permute2x128_si256(first, second, 0x31) : second;
        _mm256_storeu_si256(reinterpret_cast<Vector*>(to), low);
        _mm256_storeu_si256(reinterpret_cast<Vector*>(to) + 1, high);
    }

    void write(std::byte* to, Vector first, Vector second) const {
        if constexpr (kResult == Int8Result::int32) {
            write_words(to, first, second);
        } else if constexpr (kResult == Int8Result::f32) {
            write_words(
                to, _mm256_castps_si256(scaled(first, 0)), _mm256_castps_si256(scaled(second, 1)));
        } else {
            Vector packed =
                _mm256_packs_epi32(rounded(scaled(first, 0)), rounded(scaled(second, 1)));
            if (!kInterleaved) {
                packed = _mm256_permute4x64_epi64(packed, 0b11'01'10'00);
            }
            const __m128i low = _mm256_castsi256_si128(packed),
                          high = _mm256_extracti128_si256(packed, 1);
            _mm_storeu_si128(reinterpret_cast<__m128i*>(to),
                             kResult == Int8Result::u8 ? _mm_packus_epi16(low, high)
                                                       : _mm_packs_epi16(low, high));
        }
    }

    Int8Output out_;
    __m256 scales_[2], biases_[2], least_, most_;
    Vector zero_;
};

// Calls work with the Finish of the job's result.
template <bool kInterleaved, typename Work>
inline void with_finish(const Int8Output& out, const Work& work) {
    switch (out.result) {
        case Int8Result::int32:
            return work(Finish<Int8Result::int32, kInterleaved>(out));
        case Int8Result::f32:
            return work(Finish<Int8Result::f32, kInterleaved>(out));
        case Int8Result::u8:
            return work(Finish<Int8Result::u8, kInterleaved>(out));
        case Int8Result::int8:
            return work(Finish<Int8Result::int8, kInterleaved>(out));
    }
}

template <int Positions, typename Finish>
inline void dot_at(const Int8Dot job, int first, const Finish& finish) {
    Vector low[Positions], high[Positions];
    for (int i = 0; i < Positions; ++i) {
        low[i] = high[i] = _mm256_setzero_si256();
    }
    const std::int8_t* weights = job.weights;
    for (int run = 0; run < job.run_count; ++run) {
        const std::int16_t* inputs[Positions];
        for (int i = 0; i < Positions; ++i) {
            inputs[i] = job.input + job.windows[first + i] + job.runs[run];
        }
        for (std::ptrdiff_t pair = 0; pair < job.pairs; ++pair) {
            const Vector w0 = widened(weights), w1 = widened(weights + kInt8Block);
            weights += 2 * kInt8Block;
            for (int i = 0; i < Positions; ++i) {
                std::int32_t both;
                __builtin_memcpy(&both, inputs[i] + 2 * pair, sizeof both);
                const Vector x = _mm256_set1_epi32(both);
                low[i] = _mm256_add_epi32(low[i], _mm256_madd_epi16(x, w0));
                high[i] = _mm256_add_epi32(high[i], _mm256_madd_epi16(x, w1));
            }
        }
    }
    for (int i = 0; i < Positions; ++i) {
        finish(first + i, low[i], high[i]);
    }
}

void dot(const Int8Dot& job) {
    with_finish<false>(job.out, [&](const auto& finish) {
        int i = 0;
        for (; i + 6 <= job.positions; i += 6) {
            dot_at<6>(job, i, finish);
        }
        switch (job.positions - i) {
            case 5:
                return dot_at<5>(job, i, finish);
            case 4:
                return dot_at<4>(job, i, finish);
            case 3:
                return dot_at<3>(job, i, finish);
            case 2:
                return dot_at<2>(job, i, finish);
            case 1:
                return dot_at<1>(job, i, finish);
            default:
                return;
        }
    });
}

// `Pairs`: how many there are, so that the weights stay in registers; 0: any number.
template <int Pairs, typename Finish>
inline void depthwise_at(const Int8Depthwise job, const Finish& finish) {
    constexpr int kKept = Pairs > 0 ? Pairs : 1;
    const int pairs = Pairs > 0 ? Pairs : job.pairs;
    const auto weights_of = [&](int pair, Vector& first, Vector& second) {
        const Vector low = widened(job.weights + pair * 2 * kInt8Block),
                     high = widened(job.weights + pair * 2 * kInt8Block + kInt8Block);
        first = _mm256_permute2x128_si256(low, high, 0x20);
        second = _mm256_permute2x128_si256(low, high, 0x31);
    };
    Vector w0[kKept], w1[kKept];
    std::ptrdiff_t taps[2 * kKept];
    for (int pair = 0; pair < (Pairs > 0 ? Pairs : 0); ++pair) {
        weights_of(pair, w0[pair], w1[pair]);
        taps[2 * pair] = job.taps[2 * pair];
        taps[2 * pair + 1] = job.taps[2 * pair + 1];
    }
    for (int i = 0; i < job.positions; ++i) {
        const std::int16_t* const input = job.input + job.windows[i];
        Vector first = _mm256_setzero_si256(), second = first;
        for (int pair = 0; pair < pairs; ++pair) {
            const int kept = Pairs > 0 ? pair : 0;
            if (Pairs == 0) {
                weights_of(pair, w0[0], w1[0]);
                taps[0] = job.taps[2 * pair];
                taps[1] = job.taps[2 * pair + 1];
            }
            const Vector a = load(input + taps[2 * kept]), b = load(input + taps[2 * kept + 1]);
            first =
                _mm256_add_epi32(first, _mm256_madd_epi16(_mm256_unpacklo_epi16(a, b), w0[kept]));
            second =
                _mm256_add_epi32(second, _mm256_madd_epi16(_mm256_unpackhi_epi16(a, b), w1[kept]));
        }
        finish(i, first, second);
    }
}

void depthwise(const Int8Depthwise& job) {
    with_finish<true>(job.out, [&](const auto& finish) {
        if (job.pairs == 5) {  // of windows of 3x3
            depthwise_at<5>(job, finish);
        } else {
            depthwise_at<0>(job, finish);
        }
    });
}

void pool_signed(const Pool& job) { pool_loop<std::int8_t>(job, Larger<std::int8_t>{}); }

}  // namespace

const Int8Loops kInt8Avx2 = {.dot = dot,
                             .depthwise = depthwise,
                             .widen = widen_loop,
                             .quantize = quantize_loop,
                             .dequantize = dequantize_loop,
                             .add = add_loop,
                             .pool_u8 = pool_u8_avx2,
                             .pool_int8 = pool_signed};

}  // namespace kernels::cpu
