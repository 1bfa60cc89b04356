#include "kernels/cuda/naive.hpp"

#include "kernels/cuda/dot_plan.hpp"
#include "kernels/cuda/elementwise.hpp"

#include <algorithm>

namespace kernels::cuda {
namespace {

constexpr unsigned kMostGroups = 65535;

bool names(const std::string& configuration, char axis) {
    return configuration.find(axis) != std::string::npos;
}

unsigned up_to(int count, unsigned most) { return std::min(static_cast<unsigned>(count), most); }

// As HEP-BNN's launches: rows are threads, and columns where they are not blocks. Where there is
// one position only, threads are channels.
LaunchShape launch_shape(const NaiveShape& shape,
                         const std::string& configuration,
                         unsigned largest_group) {
    const DotShape& dot = shape.dot;
    const unsigned largest = std::min(largest_group, 1024u);
    const int units = dot.result == Result::sums ? dot.channels : dot.filled / 32;
    LaunchShape launch;
    if (names(configuration, 'x')) {
        launch.groups.x = up_to(dot.batch, kMostGroups);
    }
    if (shape.linear != 0) {
        launch.group_size.x = up_to(units, largest);
        return launch;
    }
    launch.group_size.x = up_to(shape.pool.height, largest);
    if (names(configuration, 'y')) {
        launch.groups.y = up_to(shape.pool.width, kMostGroups);
    } else {
        launch.group_size.y = up_to(shape.pool.width, largest / launch.group_size.x);
    }
    if (names(configuration, 'z')) {
        launch.groups.z = up_to(units, kMostGroups);
    }
    return launch;
}

std::vector<std::string> configurations(const Chain& chain, const DeviceLimits&) {
    const Pattern pattern = pattern_of(chain);
    if (!fits(chain, pattern)) {
        return {};
    }
    if (pattern.dot == nullptr) {
        return {"elementwise"};
    }
    if (pattern.dot->kind == StepKind::linear) {  // HEP-BNN's other names mean the same there
        return {"xyz", "z"};
    }
    return {"xyz", "xz", "yz", "z", "xy", "y", "x"};
}

DeviceKernel prepare(const Chain& chain,
                     const std::string& configuration,
                     const DeviceLimits& limits) {
    const std::vector<std::string> offered = configurations(chain, limits);
    if (std::find(offered.begin(), offered.end(), configuration) == offered.end()) {
        refuse("naive", configuration);
    }
    const Pattern pattern = pattern_of(chain);
    if (pattern.dot == nullptr) {
        return elementwise_prepare(chain);
    }

    const DotPlan plan = plan_dot(chain, pattern);
    const Step one{.kind = StepKind::max_pool2d};
    const Step& pool = pattern.pool == nullptr ? one : *pattern.pool;
    const NaiveShape shape{.dot = plan.shape,
                           .pool = pool_shape(pool, output_of(chain)),
                           .linear = pattern.dot->kind == StepKind::linear ? 1 : 0};
    DeviceKernel kernel;
    const BufferArgument weights = add_constant(kernel, plan.weights);
    const FinishBuffers finish = add_finish(kernel, plan);
    const auto largest = static_cast<unsigned>(limits.largest_group);
    kernel.launches.push_back(launch_of(naive_kernel(plan.element == Element::u8),
                                        "naive",
                                        launch_shape(shape, configuration, largest),
                                        shape,
                                        kInputBuffer,
                                        weights,
                                        finish.table,
                                        finish.of_position,
                                        finish.thresholds,
                                        finish.flips,
                                        finish.second,
                                        kOutputBuffer));
    return kernel;
}

}  // namespace

DeviceVariant naive_variant() {
    return {.name = "naive",
            .summary = "one window and channel after the other, spread as HEP-BNN does",
            .configurations = configurations,
            .prepare = prepare};
}

}  // namespace kernels::cuda
