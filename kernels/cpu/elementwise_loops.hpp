#pragma once

// Pooling and addition as plain loops, for the compiler to vectorize with the flags of the file
// that includes this. All of it is in an anonymous namespace: each of these files has its own copy.

#include "kernels/cpu/loops.hpp"

namespace kernels::cpu {
namespace {

inline void add_loop(const std::int32_t* a,
                     const std::int32_t* b,
                     std::int32_t* __restrict sum,
                     std::ptrdiff_t count) {
    for (std::ptrdiff_t i = 0; i < count; ++i) {
        sum[i] = static_cast<std::int32_t>(static_cast<std::uint32_t>(a[i]) +
                                           static_cast<std::uint32_t>(b[i]));
    }
}

struct Or {
    std::uint64_t operator()(std::uint64_t a, std::uint64_t b) const { return a | b; }
};

template <typename T>
struct Larger {
    T operator()(T a, T b) const { return a < b ? b : a; }
};

// One row of 2x2 windows, 2 apart, of all `units` units. `Units` is their number where it is known.
template <int Units, typename T, typename Combine>
inline void pool_pairs(const T* __restrict upper,
                       const T* __restrict lower,
                       T* __restrict output,
                       int width,
                       int units,
                       Combine combine) {
    const std::ptrdiff_t step = Units > 0 ? Units : units;
    for (int x = 0; x < width; ++x, upper += 2 * step, lower += 2 * step, output += step) {
        for (std::ptrdiff_t unit = 0; unit < step; ++unit) {
            output[unit] = combine(combine(upper[unit], upper[step + unit]),
                                   combine(lower[unit], lower[step + unit]));
        }
    }
}

// A window of rows x columns elements, over some of their units: in a local variable where they are
// few, else over memory, many at a time.
template <int Units, typename T, typename Combine>
inline void pool_window(const T* __restrict input,
                        std::ptrdiff_t row_stride,
                        std::ptrdiff_t column_stride,
                        int rows,
                        int columns,
                        T* __restrict output,
                        int units,
                        Combine combine) {
    T few[Units > 0 ? Units : 1];
    T* const result = Units > 0 ? few : output;
    const int count = Units > 0 ? Units : units;
    for (int unit = 0; unit < count; ++unit) {
        result[unit] = input[unit];
    }
    for (int row = 0; row < rows; ++row, input += row_stride) {
        for (int column = 0; column < columns; ++column) {
            for (int unit = 0; unit < count; ++unit) {
                result[unit] = combine(result[unit], input[column * column_stride + unit]);
            }
        }
    }
    if (Units > 0) {
        for (int unit = 0; unit < count; ++unit) {
            output[unit] = result[unit];
        }
    }
}

inline int at_least(int a, int b) { return a < b ? b : a; }
inline int at_most(int a, int b) { return a < b ? a : b; }

// `job` is a copy: the loops must not wonder whether what they write is a part of it.
template <typename T, typename Combine>
void pool_loop(const Pool job, Combine combine) {
    const T* input = reinterpret_cast<const T*>(job.input);
    T* output = reinterpret_cast<T*>(job.output);
    const std::ptrdiff_t input_row = std::ptrdiff_t{job.width} * job.units;
    const std::ptrdiff_t output_row = std::ptrdiff_t{job.output_width} * job.units;
    const bool pairs = job.kernel_height == 2 && job.kernel_width == 2 && job.stride == 2 &&
                       job.padding == 0 && job.unit_begin == 0 && job.unit_end == job.units;
    for (int y = job.row_begin; y < job.row_end; ++y) {
        T* row = output + y * output_row;
        if (pairs) {
            const T* upper = input + (2 * y - job.input_row) * input_row;
            const T* lower = upper + input_row;
            if (job.units == 1) {
                pool_pairs<1>(upper, lower, row, job.output_width, 1, combine);
            } else if (job.units == 2) {
                pool_pairs<2>(upper, lower, row, job.output_width, 2, combine);
            } else {
                pool_pairs<0>(upper, lower, row, job.output_width, job.units, combine);
            }
            continue;
        }
        const int first_y = y * job.stride - job.padding;
        const int y_begin = at_least(first_y, 0);
        const int y_end = at_most(first_y + job.kernel_height, job.height);
        for (int x = 0; x < job.output_width; ++x) {
            const int first_x = x * job.stride - job.padding;
            const int x_begin = at_least(first_x, 0);
            const int x_end = at_most(first_x + job.kernel_width, job.width);
            const T* window = input + (y_begin - job.input_row) * input_row +
                              std::ptrdiff_t{x_begin} * job.units + job.unit_begin;
            T* result = row + std::ptrdiff_t{x} * job.units + job.unit_begin;
            const int rows = y_end - y_begin, columns = x_end - x_begin;
            const int units = job.unit_end - job.unit_begin;
            if (units == 1) {
                pool_window<1>(window, input_row, job.units, rows, columns, result, 1, combine);
            } else if (units == 2) {
                pool_window<2>(window, input_row, job.units, rows, columns, result, 2, combine);
            } else {
                pool_window<0>(window, input_row, job.units, rows, columns, result, units, combine);
            }
        }
    }
}

}  // namespace
}  // namespace kernels::cpu
