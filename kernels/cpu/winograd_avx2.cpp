// Loops of the variant winograd: eight channels in a register, and products of 16 output channels
// for up to 6 tiles at a time, which is what fits into the registers.

#include "kernels/cpu/winograd_loops.hpp"

#include <immintrin.h>

namespace kernels::cpu {
namespace {

using Vector = __m256;

// The first `count` lanes, of eight.
inline __m256i mask_of(int count) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(count), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

// Four numbers to four: x0 - x2, x1 + x2, x2 - x1, x1 - x3.
inline void transform(Vector& a, Vector& b, Vector& c, Vector& d) {
    const Vector first = _mm256_sub_ps(a, c), second = _mm256_add_ps(b, c),
                 third = _mm256_sub_ps(c, b), fourth = _mm256_sub_ps(b, d);
    a = first;
    b = second;
    c = third;
    d = fourth;
}

template <typename Load, typename Store>
inline void transform_tile(const Load& load, const Store& store) {
    Vector tile[4][4];
    for (int y = 0; y < 4; ++y) {
        for (int x = 0; x < 4; ++x) {
            tile[y][x] = load(4 * y + x);
        }
    }
    for (int x = 0; x < 4; ++x) {
        transform(tile[0][x], tile[1][x], tile[2][x], tile[3][x]);
    }
    for (int y = 0; y < 4; ++y) {
        transform(tile[y][0], tile[y][1], tile[y][2], tile[y][3]);
        for (int x = 0; x < 4; ++x) {
            store(4 * y + x, tile[y][x]);
        }
    }
}

// Products of so many tiles. No array: g++ leaves those of many registers in memory.
template <int Tiles>
struct Sums {
    Sums<Tiles - 1> before;
    Vector low = _mm256_setzero_ps(), high = _mm256_setzero_ps();

    void add(const float* tiles, std::ptrdiff_t stride, Vector w0, Vector w1) {
        before.add(tiles, stride, w0, w1);
        const Vector x = _mm256_broadcast_ss(tiles + (Tiles - 1) * stride);
        low = _mm256_fmadd_ps(x, w0, low);
        high = _mm256_fmadd_ps(x, w1, high);
    }
    void store(float* to) const {
        before.store(to);
        _mm256_storeu_ps(to + (Tiles - 1) * kWinogradBlock, low);
        _mm256_storeu_ps(to + (Tiles - 1) * kWinogradBlock + 8, high);
    }
};

template <>
struct Sums<0> {
    void add(const float*, std::ptrdiff_t, Vector, Vector) {}
    void store(float*) const {}
};

template <int Tiles>
inline void multiply(const float* tiles,
                     std::ptrdiff_t stride,
                     std::ptrdiff_t channels,
                     const float* weights,
                     float* to) {
    Sums<Tiles> sums;
    for (std::ptrdiff_t c = 0; c < channels; ++c, weights += kWinogradBlock) {
        sums.add(tiles + c, stride, _mm256_loadu_ps(weights), _mm256_loadu_ps(weights + 8));
    }
    sums.store(to);
}

}  // namespace

void winograd_input_avx2(const float* const* pixels,
                         int channels,
                         float* to,
                         std::ptrdiff_t stride) {
    const float* from[kWinogradPlaces];  // what is stored cannot change these
    for (int i = 0; i < kWinogradPlaces; ++i) {
        from[i] = pixels[i];
    }
    int c = 0;
    for (; c + 8 <= channels; c += 8) {
        transform_tile([&](int i) { return _mm256_loadu_ps(from[i] + c); },
                       [&](int i, Vector v) { _mm256_storeu_ps(to + i * stride + c, v); });
    }
    if (c < channels) {
        const __m256i mask = mask_of(channels - c);
        transform_tile([&](int i) { return _mm256_maskload_ps(from[i] + c, mask); },
                       [&](int i, Vector v) { _mm256_maskstore_ps(to + i * stride + c, mask, v); });
    }
}

void winograd_product_avx2(const float* tiles,
                           std::ptrdiff_t stride,
                           int count,
                           int channels,
                           const float* weights,
                           float* to) {
    int i = 0;
    for (; i + 6 <= count; i += 6) {
        multiply<6>(tiles + i * stride, stride, channels, weights, to + i * kWinogradBlock);
    }
    const float* const left = tiles + i * stride;
    float* const last = to + i * kWinogradBlock;
    switch (count - i) {
        case 5:
            return multiply<5>(left, stride, channels, weights, last);
        case 4:
            return multiply<4>(left, stride, channels, weights, last);
        case 3:
            return multiply<3>(left, stride, channels, weights, last);
        case 2:
            return multiply<2>(left, stride, channels, weights, last);
        case 1:
            return multiply<1>(left, stride, channels, weights, last);
        default:
            return;
    }
}

void winograd_output_avx2(const WinogradOutput& job) {
    for (int half = 0; half < 2 && 8 * half < job.channels; ++half) {
        const float* const from = job.from + 8 * half;
        Vector rows[2][4];  // of the output, by column of the tile
        for (int x = 0; x < 4; ++x) {
            const auto place = [&](int y) {
                return _mm256_loadu_ps(from + (4 * y + x) * job.stride);
            };
            const Vector a = place(0), b = place(1), c = place(2), d = place(3);
            rows[0][x] = _mm256_add_ps(_mm256_add_ps(a, b), c);
            rows[1][x] = _mm256_sub_ps(_mm256_sub_ps(b, c), d);
        }
        const Vector bias = _mm256_loadu_ps(job.biases + 8 * half),
                     least = _mm256_set1_ps(job.least), most = _mm256_set1_ps(job.most);
        const int left = job.channels - 8 * half;
        for (int y = 0; y < 2; ++y) {
            const Vector both[2] = {
                _mm256_add_ps(_mm256_add_ps(rows[y][0], rows[y][1]), rows[y][2]),
                _mm256_sub_ps(_mm256_sub_ps(rows[y][1], rows[y][2]), rows[y][3])};
            for (int x = 0; x < 2; ++x) {
                float* const to = job.pixels[2 * y + x];
                if (to == nullptr) {
                    continue;
                }
                const Vector value =
                    _mm256_min_ps(_mm256_max_ps(_mm256_add_ps(both[x], bias), least), most);
                if (left >= 8) {
                    _mm256_storeu_ps(to + 8 * half, value);
                } else {
                    _mm256_maskstore_ps(to + 8 * half, mask_of(left), value);
                }
            }
        }
    }
}

}  // namespace kernels::cpu
