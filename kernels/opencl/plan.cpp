#include "kernels/opencl/plan.hpp"

#include "kernels/geometry.hpp"

#include <algorithm>
#include <bit>

namespace kernels::opencl {
namespace {

int round_up(int value, int multiple) { return (value + multiple - 1) / multiple * multiple; }

unsigned ceil_div(unsigned value, unsigned divisor) { return (value + divisor - 1) / divisor; }

// Pieces of a pixel for the kernels of steps.cl that copy and compare whole elements.
int elements_of(const Shape& shape) {
    return shape.element == Element::binary ? shape.words() : shape.channels;
}

void set_pool(Sizes& sizes, const Step& pool) {
    sizes.pool_height = pool.kernel_height;
    sizes.pool_width = pool.kernel_width;
    sizes.pool_stride = pool.stride;
    sizes.pool_padding = pool.padding;
}

void set_input(Sizes& sizes, const Shape& input) {
    sizes.height = input.height;
    sizes.width = input.width;
    sizes.channels = input.channels;
    sizes.words = elements_of(input);
    sizes.element = static_cast<std::int32_t>(input.element);
}

}  // namespace

bool accepts(const Chain& chain) {
    const Pattern pattern = pattern_of(chain);
    if (!pattern.known || !small_enough(chain, pattern)) {
        return false;
    }
    const std::vector<Shape> shapes = shapes_of(chain);
    const auto tensor_fits = [&](const Shape& shape) {
        return fits(tensor_bytes(shape, Layout::nhwc, chain.batch));
    };
    if (!tensor_fits(chain.input) || !tensor_fits(shapes.back())) {
        return false;
    }
    if (pattern.dot == nullptr) {
        return true;
    }
    const auto dot = static_cast<std::size_t>(pattern.dot - chain.steps.data());
    const Shape& sums = shapes[dot];
    // The second addend, what is between a threshold and a pool, and the number of work items.
    const Shape bits{sums.height, sums.width, sums.channels, Element::binary};
    if ((pattern.add != nullptr && !tensor_fits(sums)) || !tensor_fits(bits)) {
        return false;
    }
    const DotGeometry geometry = geometry_of(*pattern.dot, chain.input);
    const auto weights = static_cast<std::size_t>(round_up(geometry.channels, 8)) *
                         static_cast<std::size_t>(geometry.kernel_height) *
                         static_cast<std::size_t>(geometry.kernel_width) *
                         static_cast<std::size_t>(elements_of(chain.input)) * 8;
    return fits(weights);
}

Sizes sizes_of(const Chain& chain, const Pattern& pattern) {
    const Shape output = output_of(chain);
    Sizes sizes{.batch = chain.batch};
    set_input(sizes, chain.input);
    if (pattern.dot != nullptr) {
        const DotGeometry geometry = geometry_of(*pattern.dot, chain.input);
        sizes.kernel_height = geometry.kernel_height;
        sizes.kernel_width = geometry.kernel_width;
        sizes.stride = geometry.stride;
        sizes.padding = geometry.padding;
        sizes.pad_value = geometry.pad_value;
        sizes.dot_height = geometry.height;
        sizes.dot_width = geometry.width;
        sizes.dot_channels = geometry.channels;
    }
    if (pattern.pool != nullptr) {
        set_pool(sizes, *pattern.pool);
    }
    sizes.out_height = output.height;
    sizes.out_width = output.width;
    sizes.result = static_cast<std::int32_t>(output.element);
    sizes.adds = pattern.add != nullptr ? 1 : 0;
    sizes.thresholds = pattern.threshold != nullptr ? 1 : 0;
    if (sizes.thresholds != 0) {
        sizes.pieces = output.words() * 8;
    } else if (pattern.dot != nullptr) {
        sizes.pieces = (output.channels + 7) / 8;
    } else {
        sizes.pieces = elements_of(output);
    }
    return sizes;
}

bool overlaps(const Step* pool) {
    return pool != nullptr &&
           (pool->stride < pool->kernel_height || pool->stride < pool->kernel_width);
}

unsigned group_size(unsigned wanted, const DeviceLimits& limits) {
    return std::bit_floor(
        std::min(wanted, static_cast<unsigned>(std::max(limits.largest_group, 1))));
}

Launch spread_launch(const std::string& kernel,
                     const Sizes& sizes,
                     const Spread& spread,
                     const DeviceLimits& limits) {
    const std::array<unsigned, 3> extents{
        spread.channels ? static_cast<unsigned>(sizes.pieces) : 1U,
        spread.positions ? static_cast<unsigned>(sizes.out_height * sizes.out_width) : 1U,
        spread.images ? static_cast<unsigned>(sizes.batch) : 1U};
    // Groups of 64 where there is enough to do. Few different ones: some devices compile a kernel
    // for each. Grids of more than 65535 groups along the outer axes are not for all devices.
    Launch launch;
    launch.name = kernel;
    unsigned left = group_size(64, limits);
    for (std::size_t axis = 0; axis < extents.size(); ++axis) {
        unsigned& size = launch.group_size[axis];
        size = extents[axis] > left / 2 ? left : extents[axis] >= 4 ? std::min(8U, left) : 1U;
        launch.groups[axis] =
            std::min(ceil_div(extents[axis], size), axis == 0 ? UINT32_MAX : 65535U);
        left /= size;
    }
    return launch;
}

void append_thresholds(DeviceKernel& kernel, const Step* threshold, int channels) {
    const auto filled = static_cast<std::size_t>(round_up(channels, 8));
    std::vector<std::int32_t> limits(filled, INT32_MAX), flips(filled, 0);
    if (threshold != nullptr) {
        for (std::size_t c = 0; c < static_cast<std::size_t>(channels); ++c) {
            flips[c] = bit_of(threshold->flips, c) ? -1 : 0;
            limits[c] = threshold->thresholds[c] ^ flips[c];
        }
    }
    append_constant<std::int32_t>(kernel, limits);
    append_constant<std::int32_t>(kernel, flips);
}

DeviceKernel prepare_steps(const Chain& chain,
                           const Pattern& pattern,
                           std::string_view source,
                           const Spread& spread,
                           const DeviceLimits& limits) {
    constexpr BufferArgument kInput{Place::input, 0}, kSecond{Place::second_input, 0},
        kOutput{Place::output, 0};
    DeviceKernel kernel;
    kernel.source = source;
    Sizes sizes = sizes_of(chain, pattern);
    const auto launch = [&](const std::string& name, std::vector<Argument> arguments) {
        arguments.push_back(by_value(sizes));
        kernel.launches.push_back(spread_launch(name, sizes, spread, limits));
        kernel.launches.back().arguments = std::move(arguments);
    };

    if (pattern.threshold != nullptr) {
        append_thresholds(kernel, pattern.threshold, chain.input.channels);
        launch("threshold",
               {kInput,
                pattern.add != nullptr ? kSecond : kInput,
                kOutput,
                BufferArgument{Place::constant, 0},
                BufferArgument{Place::constant, 1}});
    } else if (pattern.add != nullptr) {
        launch("add", {kInput, kSecond, kOutput});
    } else if (pattern.pool != nullptr) {
        launch("max_pool2d", {kInput, kOutput});
    } else if (chain.input.element == Element::binary && chain.input.channels % 64 != 0 &&
               chain.input.height * chain.input.width > 1) {
        launch("flatten", {kInput, kOutput});
    } else {  // the same bytes: a pool of one pixel
        sizes.out_height = chain.input.height;
        sizes.out_width = chain.input.width;
        sizes.pieces = elements_of(chain.input);
        launch("max_pool2d", {kInput, kOutput});
    }
    return kernel;
}

void append_pool(DeviceKernel& kernel,
                 const Chain& chain,
                 const Pattern& pattern,
                 const Spread& spread,
                 const DeviceLimits& limits) {
    const std::vector<Shape> shapes = shapes_of(chain);
    const Shape& unpooled = shapes[shapes.size() - 2];
    for (Launch& launch : kernel.launches) {
        for (Argument& argument : launch.arguments) {
            if (auto* const buffer = std::get_if<BufferArgument>(&argument);
                buffer != nullptr && buffer->place == Place::output) {
                *buffer = {Place::scratch, static_cast<int>(kernel.scratch.size())};
            }
        }
    }

    Sizes sizes{.batch = chain.batch};
    set_input(sizes, unpooled);
    set_pool(sizes, *pattern.pool);
    sizes.out_height = shapes.back().height;
    sizes.out_width = shapes.back().width;
    sizes.pieces = elements_of(unpooled);
    Launch launch = spread_launch("max_pool2d", sizes, spread, limits);
    launch.arguments = {BufferArgument{Place::scratch, static_cast<int>(kernel.scratch.size())},
                        BufferArgument{Place::output, 0},
                        by_value(sizes)};
    kernel.launches.push_back(std::move(launch));
    kernel.scratch.push_back(tensor_bytes(unpooled, Layout::nhwc, chain.batch));
}

}  // namespace kernels::opencl
