#pragma once

// See naive.cu.

#include "kernels/cuda/dot_finish.cuh"
#include "kernels/cuda/naive.hpp"

namespace kernels::cuda {

// -m or the dot product of one window and one channel.
template <bool kBytes>
__device__ int naive_score(const DotShape& shape,
                           const unsigned* input,
                           const unsigned* weights,
                           int image,
                           int y,
                           int x,
                           int channel) {
    const unsigned* weight = weights + channel * shape.length;
    int score = 0, i = 0;
    for (int ky = 0; ky < shape.kernel_height; ++ky) {
        for (int kx = 0; kx < shape.kernel_width; ++kx) {
            const int from_y = y * shape.stride + ky - shape.padding;
            const int from_x = x * shape.stride + kx - shape.padding;
            const bool inside = from_y >= 0 && from_y < shape.input_height && from_x >= 0 &&
                                from_x < shape.input_width;
            const int pixel = ((image * shape.input_height + from_y) * shape.input_width + from_x) *
                              shape.input_pixel;
            for (int c = 0; c < shape.input_pixel; ++c, ++i) {
                if (kBytes) {
                    const int value =
                        inside ? static_cast<int>(
                                     reinterpret_cast<const unsigned char*>(input)[pixel + c])
                               : (shape.padded_channels > 0 ? 1 : 0);
                    score += value * static_cast<signed char>(weight[i / 4] >> (8 * (i % 4)));
                } else {
                    const unsigned word = inside ? input[pixel + c] : padded_word(shape, c);
                    score -= __popc(word ^ weight[i]);
                }
            }
        }
    }
    return score;
}

template <bool kBytes>
__global__ void __launch_bounds__(1024, 1) naive(NaiveShape shape,
                                                 const unsigned* __restrict__ input,
                                                 const unsigned* __restrict__ weights,
                                                 const int* __restrict__ table,
                                                 const int* __restrict__ of_position,
                                                 const int* __restrict__ thresholds,
                                                 const int* __restrict__ flips,
                                                 const int* __restrict__ second,
                                                 unsigned* __restrict__ output) {
    const DotShape& dot = shape.dot;
    const PoolShape& pool = shape.pool;
    const Finish finish{table, thresholds, flips, second};
    const bool bits = dot.result != Result::sums;
    const int units = bits ? dot.filled / 32 : dot.channels;  // what one step writes
    const int thread = static_cast<int>(threadIdx.y * blockDim.x + threadIdx.x);
    const int threads = static_cast<int>(blockDim.x * blockDim.y);
    const bool linear = shape.linear != 0;
    const int first_unit = static_cast<int>(blockIdx.z) + (linear ? thread : 0);
    const int unit_step = static_cast<int>(gridDim.z) * (linear ? threads : 1);
    const int first_row = linear ? 0 : static_cast<int>(threadIdx.x);
    const int row_step = linear ? 1 : static_cast<int>(blockDim.x);
    const int first_column = linear ? 0 : static_cast<int>(blockIdx.y * blockDim.y + threadIdx.y);
    const int column_step = linear ? 1 : static_cast<int>(gridDim.y * blockDim.y);

    for (int image = static_cast<int>(blockIdx.x); image < dot.batch;
         image += static_cast<int>(gridDim.x)) {
        for (int row = first_row; row < pool.height; row += row_step) {
            for (int column = first_column; column < pool.width; column += column_step) {
                for (int unit = first_unit; unit < units; unit += unit_step) {
                    const int at = (image * pool.height + row) * pool.width + column;
                    if (!bits) {
                        const int score =
                            naive_score<kBytes>(dot, input, weights, image, row, column, unit);
                        const int border = of_position[row * dot.width + column];
                        output[at * units + unit] = static_cast<unsigned>(
                            sum_of<kBytes>(dot, finish, score, border, at, unit));
                        continue;
                    }
                    unsigned word = 0;
                    for (int ky = 0; ky < pool.kernel_height; ++ky) {
                        for (int kx = 0; kx < pool.kernel_width; ++kx) {
                            const int y = row * pool.stride + ky - pool.padding;
                            const int x = column * pool.stride + kx - pool.padding;
                            if (y < 0 || y >= dot.height || x < 0 || x >= dot.width) {
                                continue;
                            }
                            const int border = of_position[y * dot.width + x];
                            const int pixel = (image * dot.height + y) * dot.width + x;
                            for (int bit = 0; bit < 32; ++bit) {
                                const int channel = 32 * unit + bit;
                                if (channel >= dot.channels) {
                                    break;
                                }
                                const int score =
                                    naive_score<kBytes>(dot, input, weights, image, y, x, channel);
                                if (bit_of<kBytes>(dot, finish, score, border, pixel, channel)) {
                                    word |= 1u << bit;
                                }
                            }
                        }
                    }
                    output[at * units + unit] = word;
                }
            }
        }
    }
}

}  // namespace kernels::cuda
