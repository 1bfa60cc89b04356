#include "kernels/chain_pattern.hpp"

#include "kernels/geometry.hpp"

#include <algorithm>
#include <utility>

namespace kernels {

Pattern pattern_of(const Chain& chain) {
    (void)shapes_of(chain);  // do the steps fit?
    const std::vector<Step>& steps = chain.steps;
    Pattern pattern;
    std::size_t next = 0;
    const auto take = [&](StepKind kind) -> const Step* {
        return next < steps.size() && steps[next].kind == kind ? &steps[next++] : nullptr;
    };

    if (const Step* flatten = take(StepKind::flatten)) {
        pattern.dot = take(StepKind::linear);
        if (pattern.dot == nullptr) {
            pattern.flatten = flatten;
        }
    } else {
        pattern.dot = take(StepKind::conv2d);
        if (pattern.dot == nullptr) {
            pattern.dot = take(StepKind::linear);
        }
    }
    if (pattern.flatten == nullptr) {
        if (pattern.dot != nullptr || steps.size() == 1) {
            pattern.add = take(StepKind::add);
        }
        pattern.threshold = take(StepKind::threshold);
        if (pattern.threshold != nullptr || next == 0) {
            pattern.pool = take(StepKind::max_pool2d);
        }
    }
    const bool square = std::ranges::all_of(steps, [](const Step& step) {
        return step.columns_stride == 0 && step.left < 0 && step.bottom < 0 && step.right < 0;
    });
    const bool fits = next == steps.size() && next > 0 && square && is_linear(chain) &&
                      !has_reals(chain) && !has_bytes(chain);
    pattern.known = fits && chain.second_result < 0;
    pattern.gives_sums = fits && pattern.dot != nullptr && pattern.threshold == &steps.back() &&
                         chain.second_result + 2 == std::ssize(steps);
    return pattern;
}

std::optional<Chain> sums_of(const Chain& chain) {
    if (chain.steps.empty() || !chain.steps.back().real || chain.steps.back().groups != 1 ||
        chain.steps.back().bytes || !chain.steps.back().real_weights.empty() ||
        chain.input.element == Element::f32) {
        return std::nullopt;
    }
    Chain sums = chain;
    Step& product = sums.steps.back();
    product.real = false;
    product.scales = product.biases = {};
    const Pattern pattern = pattern_of(sums);
    return pattern.known && small_enough(sums, pattern) ? std::optional{std::move(sums)}
                                                        : std::nullopt;
}

bool small_enough(const Chain& chain, const Pattern& pattern) {
    constexpr std::int64_t kMost = std::int64_t{1} << 27;
    if (pattern.dot == nullptr) {
        return true;
    }
    const DotGeometry geometry = geometry_of(*pattern.dot, chain.input);
    if (geometry.input.element == Element::u8 && geometry.fan_in() * 256 > kMost) {
        return false;
    }
    const std::int64_t pixels = std::int64_t{geometry.padded_height()} * geometry.padded_width();
    return pixels < kMost && pixels * (geometry.input.words() + 2) * 8 < kMost;
}

}  // namespace kernels
