// The variant `persistent`: a chain of any length, which may branch, in one cooperative launch.
// Offered where at least two convolutions or linear layers follow each other and the batch is
// small.

#include "kernels/cuda/persistent_unit.hpp"
#include "kernels/cuda/tensor_core.hpp"

#include <algorithm>
#include <map>
#include <stdexcept>

namespace kernels::cuda {
namespace {

std::size_t size(std::int64_t count) { return static_cast<std::size_t>(count); }

// How a device multiplies bits in this variant.
Multiply persistent_multiply(const DeviceLimits& limits) {
    return bit_multiply(limits).value_or(Multiply::bit_bytes);
}

// Steps become units: a convolution or linear layer takes along the add, threshold and pool that
// follow it, where no other step needs what is in between, or where it can be written beside.
//
// Values are known by the step that makes them; kInput and kSecondInput are the chain's inputs.
class PersistentPlan {
public:
    PersistentPlan(const Chain& chain, Multiply bits)
        : chain_(chain),
          bits_(bits),
          shapes_(shapes_of(chain)),
          last_(static_cast<int>(chain.steps.size()) - 1),
          users_(chain.steps.size()) {
        for (int i = 0; i <= last_; ++i) {
            if (main_of(i) >= 0) {
                users_[size(main_of(i))].push_back(i);
            }
            if (step(i).kind != StepKind::add) {
                continue;
            }
            if (step(i).second_from >= 0) {
                users_[size(step(i).second_from)].push_back(i);
            }
            fits_ = fits_ && step(i).second_from != kBefore;
        }
        std::vector<bool> done(chain.steps.size(), false);
        for (int i = 0; i <= last_ && fits_; ++i) {
            if (done[size(i)]) {
                continue;
            }
            Fused fused{.first = i, .input = main_of(i)};
            if (is_dot(i)) {
                fuse(fused);
            } else if (is_only_indices(i)) {
                continue;
            } else {
                fused.sums = i;
            }
            for (const int each : {i, fused.add, fused.threshold, fused.pool}) {
                if (each >= 0) {
                    done[size(each)] = true;
                }
            }
            units_.push_back(fused);
        }
    }

    // Of the fused steps, by index; -1: not there.
    struct Fused {
        int first = 0;
        int input = kInput;
        int add = -1, second = kSecondInput, threshold = -1, pool = -1;
        int sums = -1, bits = -1;  // the values that are written; not a dot: sums
    };

    bool fits() const { return fits_; }
    const std::vector<Fused>& units() const { return units_; }
    int dots() const {
        return static_cast<int>(std::count_if(
            units_.begin(), units_.end(), [&](const Fused& unit) { return is_dot(unit.first); }));
    }
    bool is_dot(int i) const {
        return step(i).kind == StepKind::conv2d || step(i).kind == StepKind::linear;
    }
    const Step& step(int i) const { return chain_.steps[size(i)]; }
    Shape shape_of(int value) const {
        return value == kInput ? chain_.input : shapes_[size(value)];
    }
    int last() const { return last_; }

    DotRequest request_of(const Fused& unit) const {
        const auto at = [&](int i) { return i >= 0 ? &step(i) : nullptr; };
        const Shape input = shape_of(unit.input);
        return {.dot = &step(unit.first),
                .input = input,
                .add = unit.add >= 0,
                .threshold = at(unit.threshold),
                .pool = at(unit.pool),
                .sums = unit.sums >= 0,
                .batch = chain_.batch,
                .multiply = input.element == Element::u8 ? Multiply::pixels : bits_};
    }

private:
    int main_of(int i) const {
        const int from = step(i).from;
        return from != kBefore ? from : i > 0 ? i - 1 : kInput;
    }
    bool used_once(int value) const { return value != last_ && users_[size(value)].size() == 1; }

    // A flatten that only linear layers read: they have the order of its input as well.
    bool is_only_indices(int i) const {
        return step(i).kind == StepKind::flatten && i != last_ &&
               std::all_of(users_[size(i)].begin(), users_[size(i)].end(), [&](int user) {
                   return step(user).kind == StepKind::linear;
               });
    }

    void fuse(Fused& unit) {
        // 1. Where the input is.
        if (step(unit.first).kind == StepKind::linear) {
            while (unit.input >= 0 && is_only_indices(unit.input)) {
                unit.input = main_of(unit.input);
            }
        }
        // 2. An add whose other side is there already.
        int value = unit.first;
        if (used_once(value)) {
            const int user = users_[size(value)].front();
            if (step(user).kind == StepKind::add) {
                const bool is_main = main_of(user) == value;
                const int other = is_main ? step(user).second_from : main_of(user);
                if (other < unit.first) {
                    unit.add = value = user;
                    unit.second = other;
                }
            }
        }
        // 3. A threshold; sums are written for others.
        for (const int user : users_[size(value)]) {
            if (unit.threshold < 0 && step(user).kind == StepKind::threshold) {
                unit.threshold = user;
            }
        }
        if (unit.threshold < 0 || !used_once(value)) {
            unit.sums = value;
        }
        unit.bits = unit.threshold;
        // 4. A pool, if all sums stay inside.
        if (unit.threshold >= 0 && unit.sums < 0 && used_once(unit.threshold)) {
            const int user = users_[size(unit.threshold)].front();
            if (step(user).kind == StepKind::max_pool2d && fits_pool(step(user))) {
                unit.pool = unit.bits = user;
            }
        }
        fits_ = fits_unit(request_of(unit));
    }

    const Chain& chain_;
    Multiply bits_;
    std::vector<Shape> shapes_;
    int last_;
    std::vector<std::vector<int>> users_;
    std::vector<Fused> units_;
    bool fits_ = true;
};

constexpr int kLargestPersistentBatch = 8;
constexpr int kPersistentThreads = 32 * kPersistentWarps;

std::int64_t elements_of(const Shape& shape, int batch) {
    return std::int64_t{batch} * shape.height * shape.width * shape.channels;
}

bool fits_persistent(const Chain& chain, const DeviceLimits& limits) {
    if (has_reals(chain) || has_bytes(chain) || !limits.cooperative || limits.capability < 75 ||
        chain.batch > kLargestPersistentBatch ||
        limits.local_bytes < size(kPersistentWarps) * 4096) {
        return false;
    }
    // Indices fit into int, places in scratch memory into unsigned.
    std::vector<Shape> tensors = shapes_of(chain);
    tensors.push_back(chain.input);
    std::size_t bytes = 0;
    for (const Shape& shape : tensors) {
        if (elements_of(shape, chain.batch) >= std::int64_t{1} << 29) {
            return false;
        }
        bytes += tensor_bytes(shape, Layout::nhwc, chain.batch) + 128;
    }
    if (bytes > UINT32_MAX) {
        return false;
    }
    const PersistentPlan plan(chain, persistent_multiply(limits));
    return plan.fits() && plan.dots() >= 2;
}

// What a unit without a dot product does.
void describe_elementwise(PersistentUnit& unit,
                          std::vector<std::byte>& constant,
                          const Step& step,
                          const Shape& input,
                          const Shape& output,
                          int batch) {
    const auto elements = static_cast<int>(elements_of(output, batch));
    const auto out_words = batch * output.height * output.width * output.words() * 2;
    unit.channels = input.channels;
    unit.words = input.words() * 2;
    unit.height = input.height;
    unit.width = input.width;
    unit.out_height = output.height;
    unit.out_width = output.width;
    unit.kernel_height = step.kernel_height;
    unit.kernel_width = step.kernel_width;
    unit.stride = step.stride;
    unit.padding = step.padding;
    unit.count = elements;
    switch (step.kind) {
        case StepKind::threshold: {
            const auto [thresholds, flips] = complemented(step, input.channels);
            unit.kind = PersistentKind::threshold;
            unit.count = out_words * 4;
            unit.thresholds = append(constant, thresholds);
            unit.flips = append(constant, flips);
            break;
        }
        case StepKind::add:
            unit.kind = PersistentKind::add;
            break;
        case StepKind::max_pool2d:
            unit.kind = input.element == Element::int32 ? PersistentKind::pool_int32
                                                        : PersistentKind::pool_u8;
            if (input.element == Element::binary) {
                unit.kind = PersistentKind::pool_bits;
                unit.count = out_words;
            }
            break;
        default:  // flatten
            unit.kind = PersistentKind::copy;
            if (input.element == Element::binary) {
                unit.count = out_words;
                if (input.channels % 64 != 0) {
                    unit.kind = PersistentKind::flatten_bits;
                }
            } else if (input.element == Element::u8) {
                unit.count = (elements + 3) / 4;
            }
    }
}

std::vector<std::string> configurations(const Chain& chain, const DeviceLimits& limits) {
    if (!fits_persistent(chain, limits)) {
        return {};
    }
    // Blocks for each multiprocessor. Turing's have memory for one.
    return limits.capability < 80 ? std::vector<std::string>{"1"}
                                  : std::vector<std::string>{"1", "2"};
}

DeviceKernel prepare(const Chain& chain,
                     const std::string& configuration,
                     const DeviceLimits& limits) {
    const std::vector<std::string> offered = configurations(chain, limits);
    if (std::find(offered.begin(), offered.end(), configuration) == offered.end()) {
        throw std::invalid_argument("persistent: no configuration " + configuration);
    }
    const Multiply multiply = persistent_multiply(limits);
    const PersistentPlan plan(chain, multiply);
    const PersistentKernels kernels = persistent_kernels();
    const int blocks = limits.compute_units * (configuration == "2" ? 2 : 1);

    // 1. Where every value is. Nothing is used twice: batches are small.
    std::size_t scratch = 0;
    std::map<int, PersistentTensor> places{{kInput, {PersistentPlace::input, 0}},
                                           {kSecondInput, {PersistentPlace::second_input, 0}}};
    const auto place = [&](int value) {
        if (value == -1) {
            return PersistentTensor{PersistentPlace::scratch, 0};
        }
        const auto found = places.find(value);
        if (found != places.end()) {
            return found->second;
        }
        PersistentTensor tensor{PersistentPlace::output, 0};
        if (value != plan.last()) {
            tensor = {PersistentPlace::scratch, static_cast<unsigned>(scratch)};
            scratch +=
                (tensor_bytes(plan.shape_of(value), Layout::nhwc, chain.batch) + 127) / 128 * 128;
        }
        return places.emplace(value, tensor).first->second;
    };

    // 2. Units. Blocks have to meet before a unit whose inputs were written since they last did.
    std::vector<std::byte> constant;
    std::vector<PersistentUnit> units;
    std::map<int, int> written;  // value: how often blocks had met
    int meetings = 0;
    for (const auto& fused : plan.units()) {
        const Step& first = plan.step(fused.first);
        int second = fused.second;
        if (first.kind == StepKind::add) {
            second = first.second_from;
        }
        PersistentUnit unit{};
        unit.input = place(fused.input);
        unit.second = place(second);
        unit.sums = place(fused.sums);
        unit.bits = place(fused.bits);
        if (plan.is_dot(fused.first)) {
            const DotRequest request = plan.request_of(fused);
            unit.kind = PersistentKind::dot;
            unit.pixels = request.multiply == Multiply::pixels ? 1 : 0;
            unit.dot = append_unit(constant, request);
            const std::int64_t alone =
                std::int64_t{(position_tiles(unit.dot) + 1) / kPersistentTiles} * unit.dot.groups;
            DotDivision division{.tiles = kPersistentTiles, .warps_k = 1};
            while (division.warps_k < kPersistentWarps &&
                   alone * division.warps_k * 2 <= std::int64_t{blocks} * kPersistentWarps &&
                   division.warps_k * 2 <= unit.dot.steps) {
                division.warps_k *= 2;
            }
            divide(unit.dot, division, kPersistentWarps);
        } else {
            describe_elementwise(unit,
                                 constant,
                                 first,
                                 plan.shape_of(fused.input),
                                 plan.shape_of(fused.sums),
                                 chain.batch);
        }
        for (const int value : {fused.input, second}) {
            const auto found = written.find(value);
            if (found != written.end() && found->second == meetings) {
                unit.wait = 1;
            }
        }
        meetings += unit.wait;
        for (const int value : {fused.sums, fused.bits}) {
            if (value >= 0) {
                written[value] = meetings;
            }
        }
        units.push_back(unit);
    }

    // 3. The launch.
    const unsigned table = append(constant, units);
    DeviceKernel kernel;
    const BufferArgument constants = add_constant(kernel, constant);
    const BufferArgument tensors = add_scratch(kernel, std::max<std::size_t>(scratch, 128));
    const BufferArgument barrier = add_scratch(kernel, 128);
    kernel.launches.push_back(
        launch_of(multiply == Multiply::bit_and   ? kernels.with_and
                  : multiply == Multiply::bit_xor ? kernels.with_xor
                                                  : kernels.with_bytes,
                  configuration,
                  {.groups = {static_cast<unsigned>(blocks), 1, 1},
                   .group_size = {kPersistentThreads, 1, 1},
                   .local_bytes = kPersistentWarps * 4096,
                   .cooperative = true},
                  static_cast<int>(units.size()),
                  table,
                  constants,
                  kInputBuffer,
                  needs_second_input(chain) ? kSecondInputBuffer : kInputBuffer,
                  kOutputBuffer,
                  tensors,
                  barrier));
    return kernel;
}

}  // namespace

DeviceVariant persistent_variant() {
    return {.name = "persistent",
            .summary = "many layers in one launch, on tensor cores, for small batches",
            .configurations = configurations,
            .prepare = prepare,
            .longest_chain = 64};
}

}  // namespace kernels::cuda
