#pragma once

// The body that all tensor-core kernels share: one tile of a DotUnit, from packed activations to
// packed outputs. A good place to start reading is dot_tile(), at the end.
//
// There is no shared memory and no barrier in the main loop. Weights are laid out so that each
// lane's fragment is one 128-bit load that is whole in cache lines; activations stay in the plain
// layout, since K may have any order: lane t of four takes the 64-bit word t of a step, which is
// both of its registers. Neighbours in a block read the same lines at nearly the same time, so the
// first-level cache does what staging would, and keeps the taps of a kernel that overlap. Loads of
// the next step are under way while this one is multiplied.

#include "kernels/cuda/mma.cuh"
#include "kernels/cuda/tensor_core_unit.hpp"

namespace kernels::cuda {

inline constexpr unsigned kAllLanes = 0xffffffff;

// Sums and bits are written where there is somewhere to.
struct DotTensors {
    const unsigned char* constant;
    const void* input;
    const int* second;
    int* sums;
    void* bits;
};

template <class Value>
__device__ __forceinline__ const Value* table_at(const unsigned char* constant, unsigned offset) {
    return reinterpret_cast<const Value*>(constant + offset);
}

// What a lane knows of the positions in its fragments.
template <int kTiles>
struct Positions {
    int base[kTiles];              // of the window of column lane / 4: word or byte of the input
    unsigned outside[kTiles];      // bits: the codes outside; pixels: where its masks begin
    int border[(kTiles + 3) / 4];  // the border class of column `lane`, and of `lane` + 32
};

// Which pixel of the output a column of the product belongs to, and which part of a window.
__device__ __forceinline__ int pixel_of(const DotUnit& unit, int column) {
    return unit.pooled != 0 ? (column >> 4) * 4 + (column >> 1 & 3) : column;
}
__device__ __forceinline__ int part_of(int column) { return (column >> 3 & 1) * 2 + (column & 1); }

// Every lane looks up one column or two, and hands them on to those that need them.
template <Multiply kMultiply, int kTiles>
__device__ __forceinline__ Positions<kTiles> positions_of(const DotUnit& unit,
                                                          const unsigned char* constant,
                                                          int first_column,
                                                          int lane) {
    Positions<kTiles> positions;
    int bases[(kTiles + 3) / 4];
    unsigned outsides[(kTiles + 3) / 4];
#pragma unroll
    for (int half = 0; half < (kTiles + 3) / 4; ++half) {
        const int column = first_column + 32 * half + lane;
        // Columns behind the last repeat it; nothing of them is written.
        const int pixel = min(pixel_of(unit, column), unit.pixels - 1);
        const auto number = static_cast<unsigned>(pixel);
        const auto high = static_cast<unsigned>(
            static_cast<unsigned long long>(number) * unit.items_factor >> 32);
        const unsigned image = (high + number) >> unit.items_shift;
        const int within = pixel - static_cast<int>(image) * unit.items;
        const int2 position = __ldg(table_at<int2>(constant, unit.positions) +
                                    (unit.pooled != 0 ? within * 4 + part_of(column) : within));
        bases[half] = static_cast<int>(image) * unit.image + position.x;
        positions.border[half] = position.y;
        outsides[half] = kMultiply == Multiply::pixels
                             ? static_cast<unsigned>(position.y * unit.mask_row)
                             : __ldg(table_at<unsigned>(constant, unit.outside) + position.y);
    }
#pragma unroll
    for (int j = 0; j < kTiles; ++j) {
        const int source = j % 4 * 8 + lane / 4;
        positions.base[j] = __shfl_sync(kAllLanes, bases[j / 4], source);
        positions.outside[j] = __shfl_sync(kAllLanes, outsides[j / 4], source);
    }
    return positions;
}

// The lane's words of one step. Words outside the image, or behind the last tap, are zero.
template <Multiply kMultiply, int kTiles>
__device__ __forceinline__ void load_activations(uint2 (&b)[kTiles],
                                                 const DotUnit& unit,
                                                 const DotTensors& at,
                                                 const Positions<kTiles>& positions,
                                                 int2 tap,
                                                 int word) {
#pragma unroll
    for (int j = 0; j < kTiles; ++j) {
        b[j] = make_uint2(0, 0);
        if constexpr (kMultiply == Multiply::pixels) {
            // 8 bytes from any address, out of 12 from an aligned one.
            const auto* const input = static_cast<const unsigned*>(at.input);
            const int byte = positions.base[j] + tap.x;
            const auto last = static_cast<unsigned>(unit.last);
            const auto first = static_cast<unsigned>(byte >> 2);
            const unsigned low = input[min(first, last)];
            const unsigned middle = input[min(first + 1, last)];
            const unsigned high = input[min(first + 2, last)];
            const auto shift = static_cast<unsigned>(byte & 3) * 8;
            const uint2 inside =
                __ldg(table_at<uint2>(at.constant, unit.masks) + positions.outside[j] + word);
            b[j].x = __funnelshift_r(low, middle, shift) & inside.x;
            b[j].y = __funnelshift_r(middle, high, shift) & inside.y;
        } else {
            if ((positions.outside[j] & static_cast<unsigned>(tap.y)) == 0) {
                b[j] = static_cast<const uint2*>(at.input)[positions.base[j] + tap.x];
            }
        }
    }
}

// One step of the product for sixteen channels, whose weights are a.
template <Multiply kMultiply, int kTiles>
__device__ __forceinline__ void multiply(int (&sums)[kTiles][4],
                                         const uint4& a,
                                         const uint2 (&b)[kTiles]) {
    const unsigned rows[4] = {a.x, a.y, a.z, a.w};
#pragma unroll
    for (int j = 0; j < kTiles; ++j) {
        const unsigned columns[2] = {b[j].x, b[j].y};
        if constexpr (kMultiply == Multiply::bit_and) {
            mma_b1_and_16x8x256(sums[j], rows, columns);
        } else if constexpr (kMultiply == Multiply::bit_xor) {
            mma_b1_xor_16x8x256(sums[j], rows, columns);
        } else if constexpr (kMultiply == Multiply::pixels) {
            mma_s8u8_16x8x32(sums[j], rows, columns);
        } else {
            mma_s8_16x8x32(sums[j], rows, columns);
        }
    }
}

// The same for bits as bytes: each of eight rounds takes one bit out of every byte. Which bit meets
// which does not matter, as long as it is the same one on both sides.
template <int kTiles>
__device__ __forceinline__ void multiply_spread(int (&sums)[4][kTiles][4],
                                                const uint4 (&a)[4],
                                                const uint2 (&b)[kTiles]) {
    constexpr unsigned kLowest = 0x01010101;
#pragma unroll 2
    for (int bit = 0; bit < 8; ++bit) {
        uint2 spread[kTiles];
#pragma unroll
        for (int j = 0; j < kTiles; ++j) {
            spread[j] = make_uint2(b[j].x >> bit & kLowest, b[j].y >> bit & kLowest);
        }
#pragma unroll
        for (int i = 0; i < 4; ++i) {
            multiply<Multiply::bit_bytes, kTiles>(sums[i],
                                                  make_uint4(a[i].x >> bit & kLowest,
                                                             a[i].y >> bit & kLowest,
                                                             a[i].z >> bit & kLowest,
                                                             a[i].w >> bit & kLowest),
                                                  spread);
        }
    }
}

template <Multiply kMultiply, int kTiles>
__device__ __forceinline__ void multiply_step(int (&sums)[4][kTiles][4],
                                              const uint4 (&a)[4],
                                              const uint2 (&b)[kTiles]) {
    if constexpr (kMultiply == Multiply::bit_bytes) {
        multiply_spread<kTiles>(sums, a, b);
    } else {
#pragma unroll
        for (int i = 0; i < 4; ++i) {
            multiply<kMultiply, kTiles>(sums[i], a[i], b);
        }
    }
}

// Which eight channels a lane holds, and where they go.
struct LanePlace {
    int group, byte;  // of the group's word
    __device__ int first_channel() const { return group * 64 + byte * 8; }
};

__device__ __forceinline__ void store_bits(
    const DotUnit& unit, const DotTensors& at, const LanePlace& place, int pixel, unsigned bits) {
    if (pixel < unit.pixels) {
        static_cast<unsigned char*>(
            at.bits)[(static_cast<long long>(pixel) * unit.groups + place.group) * 8 + place.byte] =
            static_cast<unsigned char>(bits);
    }
}

// u + limit < 0 for eight channels, the first in the lowest bit.
__device__ __forceinline__ unsigned below_limits(const int (&u)[8], const int (&limit)[8]) {
    unsigned bits = 0;
#pragma unroll
    for (int c = 7; c >= 0; --c) {
        bits = __funnelshift_l(static_cast<unsigned>(u[c] + limit[c]), bits, 1);
    }
    return bits;
}

__device__ __forceinline__ void load_8(int (&values)[8], const int* from) {
#pragma unroll
    for (int q = 0; q < 2; ++q) {
        const int4 four = __ldg(reinterpret_cast<const int4*>(from) + q);
        values[4 * q] = four.x;
        values[4 * q + 1] = four.y;
        values[4 * q + 2] = four.z;
        values[4 * q + 3] = four.w;
    }
}

// The index of a column's position in the convolution's output.
__device__ __forceinline__ int position_of(const DotUnit& unit, int column) {
    if (unit.pooled == 0) {
        return column;
    }
    const int pixel = pixel_of(unit, column), part = part_of(column);
    const int image = pixel / unit.items, within = pixel % unit.items;
    const int y = within / unit.pooled_width * 2 + part / 2;
    const int x = within % unit.pooled_width * 2 + part % 2;
    return (image * unit.height + y) * unit.width + x;
}

// Everything that may follow a dot product, for eight channels of one column; returns their bits.
__device__ __forceinline__ unsigned finish_column(const DotUnit& unit,
                                                  const DotTensors& at,
                                                  const LanePlace& place,
                                                  int column,
                                                  int border,
                                                  const int (&u)[8]) {
    int base[8];
    load_8(
        base,
        table_at<int>(at.constant, unit.table) + border * unit.groups * 64 + place.first_channel());
    if (unit.has_limits != 0) {
        return below_limits(u, base);
    }
    if (pixel_of(unit, column) >= unit.pixels) {
        return 0;
    }

    const long long first =
        static_cast<long long>(position_of(unit, column)) * unit.channels + place.first_channel();
    const bool aligned = unit.channels % 4 == 0;
    unsigned bits = 0;
#pragma unroll
    for (int q = 0; q < 2; ++q) {
        const int channel = place.first_channel() + 4 * q;
        const int left = unit.channels - channel;
        unsigned sum[4];  // they wrap around
#pragma unroll
        for (int c = 0; c < 4; ++c) {
            sum[c] = static_cast<unsigned>(base[4 * q + c] - unit.scale * u[4 * q + c]);
        }
        if (unit.has_second != 0) {
            const int* const second = at.second + first + 4 * q;
            if (aligned && left > 0) {
                const int4 four = *reinterpret_cast<const int4*>(second);
                sum[0] += static_cast<unsigned>(four.x);
                sum[1] += static_cast<unsigned>(four.y);
                sum[2] += static_cast<unsigned>(four.z);
                sum[3] += static_cast<unsigned>(four.w);
            } else {
#pragma unroll
                for (int c = 0; c < 4; ++c) {
                    if (c < left) {
                        sum[c] += static_cast<unsigned>(second[c]);
                    }
                }
            }
        }
        if (unit.has_sums != 0) {
            int* const sums = at.sums + first + 4 * q;
            if (aligned && left > 0) {
                *reinterpret_cast<int4*>(sums) = make_int4(static_cast<int>(sum[0]),
                                                           static_cast<int>(sum[1]),
                                                           static_cast<int>(sum[2]),
                                                           static_cast<int>(sum[3]));
            } else {
#pragma unroll
                for (int c = 0; c < 4; ++c) {
                    if (c < left) {
                        sums[c] = static_cast<int>(sum[c]);
                    }
                }
            }
        }
        if (unit.has_thresholds != 0) {
            const int4 limit = __ldg(reinterpret_cast<const int4*>(
                table_at<int>(at.constant, unit.thresholds) + channel));
            const int4 flip = __ldg(
                reinterpret_cast<const int4*>(table_at<int>(at.constant, unit.flips) + channel));
            const int limits[4] = {limit.x, limit.y, limit.z, limit.w};
            const int flips[4] = {flip.x, flip.y, flip.z, flip.w};
#pragma unroll
            for (int c = 0; c < 4; ++c) {
                if ((static_cast<int>(sum[c]) ^ flips[c]) >= limits[c]) {
                    bits |= 1u << (4 * q + c);
                }
            }
        }
    }
    return bits;
}

// u of the lane's eight channels in column 2 (lane % 4) + e of a tile: 2 i + h is row h of the two
// that it has in the i-th sixteen channels.
template <Multiply kMultiply, int kTiles>
__device__ __forceinline__ void counts_of(
    int (&u)[8], const int (&sums)[4][kTiles][4], int tile, int e, int ones) {
#pragma unroll
    for (int c = 0; c < 8; ++c) {
        const int sum = sums[c / 2][tile][c % 2 * 2 + e];
        u[c] = kMultiply == Multiply::bit_xor  ? sum
               : kMultiply == Multiply::pixels ? -sum
                                               : ones - 2 * sum;
    }
}

// One tile: (64 warps_n) channels by (8 kTiles warps_m) positions. `shared` has 4 KiB for each
// warp, unless bits come straight from limits and no warps share a tile. kAhead is how many steps
// are loaded ahead.
template <Multiply kMultiply, int kTiles, int kAhead>
__device__ __forceinline__ void dot_tile(const DotUnit& unit,
                                         const DotTensors& at,
                                         int tile,
                                         int4* shared) {
    constexpr bool kOnes = kMultiply == Multiply::bit_and || kMultiply == Multiply::bit_bytes;
    const int lane = static_cast<int>(threadIdx.x) % 32;
    const int warp = __shfl_sync(kAllLanes, static_cast<int>(threadIdx.x) / 32, 0);

    // 1. The warp's part of the product. Warps with nothing to do go through the motions.
    const int warp_k = warp & (unit.warps_k - 1);
    const int warp_m = warp >> unit.shift_k & (unit.warps_m - 1);
    const int warp_n = warp >> (unit.shift_k + unit.shift_m);
    const auto blocks_m = static_cast<unsigned>(unit.blocks_m);
    const auto column_block = static_cast<int>(static_cast<unsigned>(tile) % blocks_m);
    const auto row_block = static_cast<int>(static_cast<unsigned>(tile) / blocks_m);
    const int first_column = (column_block * unit.warps_m + warp_m) * kTiles * 8;
    const int wanted_group = row_block * unit.warps_n + warp_n;
    const bool active = wanted_group < unit.groups;
    const int group = active ? wanted_group : unit.groups - 1;
    const int begin = warp_k * unit.steps >> unit.shift_k;
    const int end = active ? (warp_k + 1) * unit.steps >> unit.shift_k : begin;
    const Positions<kTiles> positions =
        positions_of<kMultiply, kTiles>(unit, at.constant, first_column, lane);

    // 2. The main loop. Small tiles are for work that is short of warps, where what counts is how
    //    many loads are under way: they load several steps ahead. Large ones have registers for
    //    one, and tables are two steps longer than the product, so that nothing is left out at
    //    its end.
    int sums[4][kTiles][4] = {};
    int ones[kTiles] = {};
    const int2* const taps = table_at<int2>(at.constant, unit.taps) + lane % 4;
    const uint4* const weights = table_at<uint4>(at.constant, unit.weights) +
                                 static_cast<long long>(group) * unit.steps * 128 + lane;
    if constexpr (kAhead > 1) {
        uint4 a[kAhead][4];
        uint2 b[kAhead][kTiles];
        const auto load = [&](uint4(&to_a)[4], uint2(&to_b)[kTiles], int step) {
#pragma unroll
            for (int i = 0; i < 4; ++i) {
                to_a[i] = __ldg(weights + step * 128 + i * 32);
            }
            load_activations<kMultiply, kTiles>(
                to_b, unit, at, positions, __ldg(taps + 4 * step), 4 * step + lane % 4);
        };
#pragma unroll
        for (int s = 0; s < kAhead; ++s) {
            if (begin + s < end) {
                load(a[s], b[s], begin + s);
            }
        }
#pragma unroll 1
        for (int first = begin; first < end; first += kAhead) {
#pragma unroll
            for (int s = 0; s < kAhead; ++s) {
                const int step = first + s;
                if (step >= end) {
                    break;
                }
                multiply_step<kMultiply, kTiles>(sums, a[s], b[s]);
                if constexpr (kOnes) {
#pragma unroll
                    for (int j = 0; j < kTiles; ++j) {
                        ones[j] += __popc(b[s][j].x) + __popc(b[s][j].y);
                    }
                }
                if (step + kAhead < end) {
                    load(a[s], b[s], step + kAhead);
                }
            }
        }
    } else {
        uint4 a[4];
        uint2 b[kTiles], next_b[kTiles];
        load_activations<kMultiply, kTiles>(
            b, unit, at, positions, __ldg(taps + 4 * begin), 4 * begin + lane % 4);
#pragma unroll
        for (int i = 0; i < 4; ++i) {
            a[i] = __ldg(weights + begin * 128 + i * 32);
        }
        int2 tap = __ldg(taps + 4 * begin + 4);
#pragma unroll(kMultiply == Multiply::bit_and || kMultiply == Multiply::bit_xor ? 2 : 1)
        for (int step = begin; step < end; ++step) {
            const uint4* const next_weights = weights + (step + 1) * 128;
            load_activations<kMultiply, kTiles>(
                next_b, unit, at, positions, tap, 4 * step + 4 + lane % 4);
            tap = __ldg(taps + 4 * step + 8);
            if constexpr (kMultiply == Multiply::bit_bytes) {
                uint4 next_a[4];
#pragma unroll
                for (int i = 0; i < 4; ++i) {
                    next_a[i] = __ldg(next_weights + i * 32);
                }
                multiply_step<kMultiply, kTiles>(sums, a, b);
#pragma unroll
                for (int i = 0; i < 4; ++i) {
                    a[i] = next_a[i];
                }
            } else {
#pragma unroll
                for (int i = 0; i < 4; ++i) {  // each is free as soon as it has been multiplied
                    multiply<kMultiply, kTiles>(sums[i], a[i], b);
                    a[i] = __ldg(next_weights + i * 32);
                }
            }
#pragma unroll
            for (int j = 0; j < kTiles; ++j) {
                if constexpr (kOnes) {
                    ones[j] += __popc(b[j].x) + __popc(b[j].y);
                }
                b[j] = next_b[j];
            }
        }
    }
    if constexpr (kOnes) {  // of the whole column lane / 4
#pragma unroll
        for (int j = 0; j < kTiles; ++j) {
            ones[j] += __shfl_xor_sync(kAllLanes, ones[j], 1);
            ones[j] += __shfl_xor_sync(kAllLanes, ones[j], 2);
        }
    }
    const LanePlace place{group, lane / 4};
    const int own_column = lane % 4 * 2;  // and the next

    // 3. Bits straight from limits, which are loaded again only where the border class changes.
    if (unit.has_limits != 0 && unit.warps_k == 1) {
        const int* const limits_at = table_at<int>(at.constant, unit.table) + place.first_channel();
        const int first_pixel = pixel_of(unit, first_column + own_column);
        const int row = unit.groups * 8;
        auto* const bits_at = static_cast<unsigned char*>(at.bits) +
                              static_cast<long long>(first_pixel) * row + group * 8 + place.byte;
        const int left = active ? unit.pixels - first_pixel : 0;
        const int left_alone = unit.pooled == 0 ? left : 0;
        int limit[8] = {};
        int loaded = -1;
#pragma unroll
        for (int pair = 0; pair < kTiles / 2; ++pair) {
            unsigned window = 0;
#pragma unroll
            for (int each = 0; each < 4; ++each) {
                const int j = 2 * pair + each / 2, e = each % 2;
                const int border =
                    __shfl_sync(kAllLanes, positions.border[j / 4], j % 4 * 8 + own_column + e);
                if (border != loaded) {
                    load_8(limit, limits_at + border * unit.groups * 64);
                    loaded = border;
                }
                int u[8];
                const int ones_here =
                    kOnes ? __shfl_sync(kAllLanes, ones[j], 4 * (own_column + e)) : 0;
                counts_of<kMultiply, kTiles>(u, sums, j, e, ones_here);
                const unsigned bits = below_limits(u, limit);
                window |= bits;
                if (8 * j + e < left_alone) {
                    bits_at[(8 * j + e) * row] = static_cast<unsigned char>(bits);
                }
            }
            if (unit.pooled != 0 && 4 * pair < left) {
                bits_at[4 * pair * row] = static_cast<unsigned char>(window);
            }
        }
        return;
    }

    // 4. Otherwise by way of shared memory, 16 columns at a time, which adds up what the warps of a
    //    tile have and keeps the rest of the code short: it is there once, not for every register.
    //    Which of the warps finishes a column goes round.
    int4* const own = shared + warp * 256 + lane;
#pragma unroll 1
    for (int pair = 0; pair < kTiles / 2; ++pair) {
#pragma unroll
        for (int j = 0; j < kTiles; ++j) {
            if (j / 2 == pair) {
#pragma unroll
                for (int e = 0; e < 2; ++e) {
                    int u[8];
                    const int ones_here =
                        kOnes ? __shfl_sync(kAllLanes, ones[j], 4 * (own_column + e)) : 0;
                    counts_of<kMultiply, kTiles>(u, sums, j, e, ones_here);
#pragma unroll
                    for (int q = 0; q < 2; ++q) {
                        own[(j % 2 * 4 + e * 2 + q) * 32] =
                            make_int4(u[4 * q], u[4 * q + 1], u[4 * q + 2], u[4 * q + 3]);
                    }
                }
            }
        }
        if (unit.warps_k > 1) {
            __syncthreads();
        }
        unsigned window = 0;
        bool finished = false;
#pragma unroll 1
        for (int each = 0; each < 4; ++each) {
            const int j = 2 * pair + each / 2, e = each % 2;
            const int border = __shfl_sync(
                kAllLanes,
                kTiles > 4 && j >= 4 ? positions.border[(kTiles - 1) / 4] : positions.border[0],
                j % 4 * 8 + own_column + e);
            if (!active ||
                ((unit.pooled != 0 ? pair : 4 * pair + each) & (unit.warps_k - 1)) != warp_k) {
                continue;
            }
            int u[8] = {};
            const int4* part = shared + (warp - warp_k) * 256 + each * 64 + lane;
#pragma unroll 1
            for (int k = 0; k < unit.warps_k; ++k, part += 256) {
#pragma unroll
                for (int q = 0; q < 2; ++q) {
                    const int4 four = part[q * 32];
                    u[4 * q] += four.x;
                    u[4 * q + 1] += four.y;
                    u[4 * q + 2] += four.z;
                    u[4 * q + 3] += four.w;
                }
            }
            const int column = first_column + 8 * j + own_column + e;
            const unsigned bits = finish_column(unit, at, place, column, border, u);
            window |= bits;
            finished = true;
            if (unit.pooled == 0 && (unit.has_limits != 0 || unit.has_thresholds != 0)) {
                store_bits(unit, at, place, column, bits);
            }
        }
        if (finished && unit.pooled != 0) {
            store_bits(
                unit, at, place, pixel_of(unit, first_column + 16 * pair + own_column), window);
        }
        if (unit.warps_k > 1) {
            __syncthreads();
        }
    }
}

// A kernel for one unit: a block makes one tile. The output is sums or bits.
template <Multiply kMultiply, int kTiles>
__device__ __forceinline__ void dot_block(const DotUnit& unit,
                                          const unsigned char* constant,
                                          const void* input,
                                          const int* second,
                                          void* output) {
    dot_tile<kMultiply, kTiles, kTiles == 2 ? 3 : 1>(
        unit,
        DotTensors{constant, input, second, static_cast<int*>(output), output},
        static_cast<int>(blockIdx.x),
        reinterpret_cast<int4*>(dynamic_shared()));
}

// Threads of the largest block.
constexpr int threads_of(int tiles) { return tiles == 2 ? 256 : 128; }

template <int kTiles>
__global__ void __launch_bounds__(threads_of(kTiles)) tensor_core_and(DotUnit unit,
                                                                      const unsigned char* constant,
                                                                      const void* input,
                                                                      const int* second,
                                                                      void* output) {
#if defined(__CUDA_ARCH__) && (__CUDA_ARCH__ < 800 || __CUDA_ARCH__ >= 1000)
    __trap();
#else
    dot_block<Multiply::bit_and, kTiles>(unit, constant, input, second, output);
#endif
}

template <int kTiles>
__global__ void __launch_bounds__(threads_of(kTiles)) tensor_core_xor(DotUnit unit,
                                                                      const unsigned char* constant,
                                                                      const void* input,
                                                                      const int* second,
                                                                      void* output) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
    __trap();
#else
    dot_block<Multiply::bit_xor, kTiles>(unit, constant, input, second, output);
#endif
}

}  // namespace kernels::cuda
