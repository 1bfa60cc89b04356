// threshold, max_pool2d, add and flatten, and threshold with max_pool2d.

#include "kernels/cpu/bodies.hpp"
#include "kernels/cpu/buffer.hpp"
#include "kernels/cpu/dot_plan.hpp"

#include <algorithm>
#include <cstring>
#include <memory>

namespace kernels::cpu {

Rows rows_under(const Step& pool, const Shape& input, Rows rows) {
    return {
        std::max(0, rows.begin * pool.stride - pool.padding),
        std::min(input.height, (rows.end - 1) * pool.stride - pool.padding + pool.kernel_height)};
}

Pool pool_of(const Step& step, const Shape& input, const Shape& output, const Slice& slice) {
    const bool binary = input.element == Element::binary;
    return {.input = nullptr,
            .input_row = 0,
            .height = input.height,
            .width = input.width,
            .units = binary ? input.words() : input.channels,
            .kernel_height = step.kernel_height,
            .kernel_width = step.kernel_width,
            .stride = step.stride,
            .padding = step.padding,
            .row_begin = slice.row_begin,
            .row_end = slice.row_end,
            .unit_begin = binary ? slice.channel_begin / 64 : slice.channel_begin,
            .unit_end = binary ? (slice.channel_end + 63) / 64 : slice.channel_end,
            .output = nullptr,
            .output_width = output.width};
}

namespace {

std::size_t size(std::int64_t count) { return static_cast<std::size_t>(count); }

template <typename T>
const T* as(const std::byte* tensor) {
    return reinterpret_cast<const T*>(tensor);
}
template <typename T>
T* as(std::byte* tensor) {
    return reinterpret_cast<T*>(tensor);
}

// Pixels of a batch before row `row` of image `image`.
std::int64_t pixels_before(const Shape& shape, int image, int row) {
    return (std::int64_t{image} * shape.height + row) * shape.width;
}

class ThresholdBody {
public:
    ThresholdBody(const Chain& chain, const Pattern& pattern, const Loops& loops, int slices)
        : loops_(loops),
          input_(chain.input),
          output_(output_of(chain)),
          thresholds_(flip_thresholds(*pattern.threshold)) {
        if (pattern.pool == nullptr) {
            return;
        }
        pool_ = *pattern.pool;
        pooled_ = true;
        for (int i = 0; i < slices; ++i) {
            bits_.emplace_back(size(input_.height) * size(input_.width) * size(input_.words()));
        }
    }

    void run(const Tensors& tensors, const Slice& slice) {
        Rows rows{slice.row_begin, slice.row_end};
        if (pooled_) {
            rows = rows_under(pool_, binary_input(), rows);
        }
        for (int image = slice.image_begin; image < slice.image_end; ++image) {
            const std::int64_t first = pixels_before(input_, image, rows.begin);
            std::uint64_t* bits = pooled_
                                      ? bits_[size(slice.index)].data()
                                      : as<std::uint64_t>(tensors.output) + first * input_.words();
            loops_.threshold({.input = as<std::int32_t>(tensors.input) + first * input_.channels,
                              .pixels = std::ptrdiff_t{rows.end - rows.begin} * input_.width,
                              .channels = input_.channels,
                              .channel_begin = slice.channel_begin,
                              .channel_end = slice.channel_end,
                              .thresholds = thresholds_.thresholds.data(),
                              .flips = thresholds_.flips.data(),
                              .output = bits});
            if (!pooled_) {
                continue;
            }
            Pool pool = pool_of(pool_, binary_input(), output_, slice);
            pool.input = reinterpret_cast<const std::byte*>(bits);
            pool.input_row = rows.begin;
            pool.output = tensors.output + pixels_before(output_, image, 0) * output_.words() * 8;
            loops_.pool_binary(pool);
        }
    }

private:
    Shape binary_input() const {
        return {input_.height, input_.width, input_.channels, Element::binary};
    }

    const Loops& loops_;
    Shape input_, output_;
    FlippedThresholds thresholds_;
    bool pooled_ = false;
    Step pool_;
    std::vector<Buffer<std::uint64_t>> bits_;
};

Body pool_body(const Chain& chain, const Loops& loops) {
    const Shape input = chain.input, output = output_of(chain);
    const Step step = chain.steps[0];
    return [=, &loops](const Tensors& tensors, const Slice& slice) {
        const auto unit = [&](const Shape& shape) {
            return shape.element == Element::binary  ? shape.words() * 8
                   : shape.element == Element::int32 ? shape.channels * 4
                                                     : shape.channels;
        };
        Pool pool = pool_of(step, input, output, slice);
        for (int image = slice.image_begin; image < slice.image_end; ++image) {
            pool.input = tensors.input + pixels_before(input, image, 0) * unit(input);
            pool.output = tensors.output + pixels_before(output, image, 0) * unit(output);
            if (input.element == Element::binary) {
                loops.pool_binary(pool);
            } else if (input.element == Element::u8) {
                loops.pool_u8(pool);
            } else {
                loops.pool_int32(pool);
            }
        }
    };
}

Body add_body(const Chain& chain, const Loops& loops) {
    const Shape shape = chain.input;
    return [=, &loops](const Tensors& tensors, const Slice& slice) {
        const auto* a = as<std::int32_t>(tensors.input);
        const auto* b = as<std::int32_t>(tensors.second_input);
        auto* sum = as<std::int32_t>(tensors.output);
        const bool whole = slice.channel_begin == 0 && slice.channel_end == shape.channels;
        for (int image = slice.image_begin; image < slice.image_end; ++image) {
            const std::int64_t first = pixels_before(shape, image, slice.row_begin);
            const std::int64_t pixels = pixels_before(shape, image, slice.row_end) - first;
            // All channels of all pixels are one run; some channels, one run for each pixel.
            const std::int64_t runs = whole ? 1 : pixels;
            const std::int64_t length =
                whole ? pixels * shape.channels : slice.channel_end - slice.channel_begin;
            for (std::int64_t run = 0; run < runs; ++run) {
                const std::int64_t at = (first + run) * shape.channels + slice.channel_begin;
                loops.add(a + at, b + at, sum + at, length);
            }
        }
    };
}

// Bits of a pixel's channels follow those of the pixel before without a gap.
void flatten_bits(
    const Shape& shape, const std::uint64_t* image, int begin, int end, std::uint64_t* output) {
    const int channels = shape.channels, words = shape.words();
    int pixel = begin / channels, channel = begin % channels;
    for (int bit = begin; bit < end; bit += 64) {
        std::uint64_t packed = 0;
        for (int filled = 0; filled < 64 && bit + filled < end;) {
            const std::uint64_t rest =
                image[std::int64_t{pixel} * words + channel / 64] >> (channel % 64);
            packed |= rest << filled;  // unused bits of the input are zero
            const int taken = std::min({64 - channel % 64, channels - channel, 64 - filled});
            filled += taken;
            channel += taken;
            if (channel == channels) {
                channel = 0;
                ++pixel;
            }
        }
        output[bit / 64] = packed;
    }
}

Body flatten_body(const Chain& chain) {
    const Shape input = chain.input, output = output_of(chain);
    return [=](const Tensors& tensors, const Slice& slice) {
        for (int image = slice.image_begin; image < slice.image_end; ++image) {
            if (input.element == Element::binary && input.channels % 64 != 0) {
                flatten_bits(
                    input,
                    as<std::uint64_t>(tensors.input) +
                        pixels_before(input, image, 0) * input.words(),
                    slice.channel_begin,
                    slice.channel_end,
                    as<std::uint64_t>(tensors.output) + std::int64_t{image} * output.words());
                continue;
            }
            // The same bytes in the same order.
            const auto bytes_before = [&](int channel) {
                return input.element == Element::binary  ? size((channel + 63) / 64) * 8
                       : input.element == Element::int32 ? size(channel) * 4
                                                         : size(channel);
            };
            const std::size_t begin =
                size(image) * bytes_before(output.channels) + bytes_before(slice.channel_begin);
            std::memcpy(tensors.output + begin,
                        tensors.input + begin,
                        bytes_before(slice.channel_end) - bytes_before(slice.channel_begin));
        }
    };
}

}  // namespace

Body elementwise_body(const Chain& chain, const Pattern& pattern, const Loops& loops, int slices) {
    if (pattern.threshold != nullptr) {
        auto work = std::make_shared<ThresholdBody>(chain, pattern, loops, slices);
        return [work](const Tensors& tensors, const Slice& slice) { work->run(tensors, slice); };
    }
    if (pattern.pool != nullptr) {
        return pool_body(chain, loops);
    }
    if (pattern.add != nullptr) {
        return add_body(chain, loops);
    }
    return flatten_body(chain);
}

}  // namespace kernels::cpu
