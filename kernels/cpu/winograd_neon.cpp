// Loops of the variant winograd with NEON: four channels in a register, and products of 16 output
// channels for up to 6 tiles at a time, which is what fits into the registers.

#include "kernels/cpu/winograd_loops.hpp"

#include <arm_neon.h>

namespace kernels::cpu {
namespace {

using Vector = float32x4_t;

// The first `count` of four.
inline Vector load_some(const float* from, int count) {
    float four[4] = {};
    for (int i = 0; i < count; ++i) {
        four[i] = from[i];
    }
    return vld1q_f32(four);
}
inline void store_some(float* to, Vector vector, int count) {
    float four[4];
    vst1q_f32(four, vector);
    for (int i = 0; i < count; ++i) {
        to[i] = four[i];
    }
}

// Four numbers to four: x0 - x2, x1 + x2, x2 - x1, x1 - x3.
inline void transform(Vector& a, Vector& b, Vector& c, Vector& d) {
    const Vector first = vsubq_f32(a, c), second = vaddq_f32(b, c), third = vsubq_f32(c, b),
                 fourth = vsubq_f32(b, d);
    a = first;
    b = second;
    c = third;
    d = fourth;
}

template <typename Load, typename Store>
inline void transform_tile(const Load& load, const Store& store) {
    Vector tile[4][4];
#pragma GCC unroll 4
    for (int y = 0; y < 4; ++y) {
#pragma GCC unroll 4
        for (int x = 0; x < 4; ++x) {
            tile[y][x] = load(4 * y + x);
        }
    }
#pragma GCC unroll 4
    for (int x = 0; x < 4; ++x) {
        transform(tile[0][x], tile[1][x], tile[2][x], tile[3][x]);
    }
#pragma GCC unroll 4
    for (int y = 0; y < 4; ++y) {
        transform(tile[y][0], tile[y][1], tile[y][2], tile[y][3]);
#pragma GCC unroll 4
        for (int x = 0; x < 4; ++x) {
            store(4 * y + x, tile[y][x]);
        }
    }
}

template <int Tiles>
inline void multiply(const float* tiles,
                     std::ptrdiff_t stride,
                     std::ptrdiff_t channels,
                     const float* weights,
                     float* to) {
    Vector sums[Tiles][4];
#pragma GCC unroll 6
    for (int i = 0; i < Tiles; ++i) {
#pragma GCC unroll 4
        for (int v = 0; v < 4; ++v) {
            sums[i][v] = vdupq_n_f32(0);
        }
    }
    for (std::ptrdiff_t c = 0; c < channels; ++c, weights += kWinogradBlock) {
        Vector w[4];
#pragma GCC unroll 4
        for (int v = 0; v < 4; ++v) {
            w[v] = vld1q_f32(weights + 4 * v);
        }
#pragma GCC unroll 6
        for (int i = 0; i < Tiles; ++i) {
            const float x = tiles[i * stride + c];
#pragma GCC unroll 4
            for (int v = 0; v < 4; ++v) {
                sums[i][v] = vfmaq_n_f32(sums[i][v], w[v], x);
            }
        }
    }
#pragma GCC unroll 6
    for (int i = 0; i < Tiles; ++i) {
#pragma GCC unroll 4
        for (int v = 0; v < 4; ++v) {
            vst1q_f32(to + i * kWinogradBlock + 4 * v, sums[i][v]);
        }
    }
}

}  // namespace

void winograd_input_neon(const float* const* pixels,
                         int channels,
                         float* to,
                         std::ptrdiff_t stride) {
    const float* from[kWinogradPlaces];  // what is stored cannot change these
    for (int i = 0; i < kWinogradPlaces; ++i) {
        from[i] = pixels[i];
    }
    int c = 0;
    for (; c + 4 <= channels; c += 4) {
        transform_tile([&](int i) { return vld1q_f32(from[i] + c); },
                       [&](int i, Vector v) { vst1q_f32(to + i * stride + c, v); });
    }
    if (const int left = channels - c; left > 0) {
        transform_tile([&](int i) { return load_some(from[i] + c, left); },
                       [&](int i, Vector v) { store_some(to + i * stride + c, v, left); });
    }
}

void winograd_product_neon(const float* tiles,
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

void winograd_output_neon(const WinogradOutput& given) {
    const WinogradOutput job = given;  // what is stored could change it, as far as is known
    for (int quarter = 0; 4 * quarter < job.channels; ++quarter) {
        const float* const from = job.from + 4 * quarter;
        Vector rows[2][4];  // of the output, by column of the tile
#pragma GCC unroll 4
        for (int x = 0; x < 4; ++x) {
            const auto place = [&](int y) { return vld1q_f32(from + (4 * y + x) * job.stride); };
            const Vector a = place(0), b = place(1), c = place(2), d = place(3);
            rows[0][x] = vaddq_f32(vaddq_f32(a, b), c);
            rows[1][x] = vsubq_f32(vsubq_f32(b, c), d);
        }
        const Vector bias = vld1q_f32(job.biases + 4 * quarter), least = vdupq_n_f32(job.least),
                     most = vdupq_n_f32(job.most);
        const int left = job.channels - 4 * quarter;
        for (int y = 0; y < 2; ++y) {
            const Vector both[2] = {vaddq_f32(vaddq_f32(rows[y][0], rows[y][1]), rows[y][2]),
                                    vsubq_f32(vsubq_f32(rows[y][1], rows[y][2]), rows[y][3])};
            for (int x = 0; x < 2; ++x) {
                float* const to = job.pixels[2 * y + x];
                if (to == nullptr) {
                    continue;
                }
                const Vector value =
                    vminnmq_f32(vmaxnmq_f32(vaddq_f32(both[x], bias), least), most);
                if (left >= 4) {
                    vst1q_f32(to + 4 * quarter, value);
                } else {
                    store_some(to + 4 * quarter, value, left);
                }
            }
        }
    }
}

}  // namespace kernels::cpu
