#include "sim/import/parameters.hpp"

#include "sim/checked.hpp"
#include "sim/import/exact_sign.hpp"
#include "sim/import/folding.hpp"
#include "sim/import/quantization.hpp"
#include "sim/text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <optional>
#include <set>
#include <stdexcept>
#include <unordered_map>
#include <utility>

namespace sim::onnx {
namespace {

constexpr std::int64_t kLargestSum = std::numeric_limits<std::int32_t>::max() - 1;

// Where ONNX has what a model's tensor has at a place: images turned, [C, H, W] as [H, W, C], and
// what they were flattened to; or the same.
class Order {
public:
    Order() = default;
    // Of [1, C, H, W]. Of one channel, or one pixel, it is the same.
    static Order of_image(const Dims& dims) {
        Order order;
        if (dims[1] > 1 && dims[2] * dims[3] > 1) {
            order.channels_ = dims[1];
            order.pixels_ = dims[2] * dims[3];
        }
        return order;
    }
    std::int64_t operator()(std::int64_t i) const {
        return channels_ == 1 ? i : i % channels_ * pixels_ + i / channels_;
    }
    friend bool operator==(const Order&, const Order&) = default;

private:
    std::int64_t channels_ = 1, pixels_ = 1;
};

// What is known of a tensor: its elements are scale x whole number + offset.
struct Known {
    enum class Kind {
        nothing,
        bits,   // +1 and -1
        bytes,  // 0 to 255
        sums,   // up to `most` away from zero
        reals,  // in place of whole numbers, f32
        coded   // u8 or int8 that stand for f32; its readers say how
    };
    Kind kind = Kind::nothing;
    std::vector<double> scale{1}, offset{0};  // by channel, or one for all; scales above zero
    std::int64_t most = 1;
    bool has_any_parity = true;  // else the sums are odd, or even, as `most` is
    Order order = {};

    // They are these numbers themselves.
    bool is_unscaled() const {
        const auto all_are = [](const std::vector<double>& all, double value) {
            return std::ranges::all_of(all, [&](double one) { return one == value; });
        };
        return all_are(scale, 1) && all_are(offset, 0);
    }
};

double of_channel(const std::vector<double>& all, std::size_t channel) {
    return all.size() == 1 ? all[0] : all[channel];
}

class Carrier {
public:
    Carrier(const Inferred& inferred, const Layers& layers)
        : inferred_{inferred}, layers_{layers}, live_{live_part_of(inferred)} {
        for (const Step& step : inferred.steps) {
            for (const std::string& output : step.node.outputs) {
                makers_.emplace(output, &step.node);
            }
        }
        for (const Step* const step : live_.steps) {
            for (const std::string& input : step->node.inputs) {
                readers_[input].push_back(&step->node);
            }
        }
        std::ranges::for_each(layers.layers,
                              [&](const Layer& layer) { layers_by_name_[layer.name] = &layer; });
    }

    Carried run() {
        read_inputs();
        for (const Step* const step : live_.steps) {
            const Node& node = step->node;
            try {
                if (step->is_declared || node.outputs.empty() || node.outputs[0].empty()) {
                    throw CannotRun{"no kernel here computes it"};
                }
                known_[node.outputs[0]] = result_of(node);
            } catch (const CannotRun& cannot) {
                refuse(node, cannot.why);
            } catch (const Unknown& unknown) {
                refuse(node, unknown.why);
            } catch (const std::invalid_argument& misfit) {  // attributes that no shape needed
                refuse(node, misfit.what());
            }
        }
        expect_unscaled_outputs();
        return std::move(carried_);
    }

private:
    // ---- 1. what is known -----------------------------------------------------------------------
    void read_inputs() {
        std::size_t next = 0;  // of the model's inputs: those that are read, in order
        for (const Declared& input : inferred_.file.graph.inputs) {
            if (!live_.tensors.contains(input.name)) {
                continue;
            }
            const Value& value = inferred_.values.at(input.name);
            const LayerInput& of_model = layers_.inputs.at(next++);
            Known& known = known_[input.name];
            if (value.type != Type::u8 && value.type != Type::f32) {
                carried_.obstacles.push_back(
                    fmt::format("input '{}': it is {}, and kernels here begin with float, or with "
                                "uint8 which the file casts to it",
                                printable(input.name),
                                name_of(value.type)));
                continue;
            }
            known.kind = value.type == Type::u8 ? Known::Kind::bytes : Known::Kind::reals;
            known.most = 255;
            if (of_model.is_image) {
                known.order = Order::of_image(value.dims);
            }
            inputs_.insert(input.name);
        }
    }

    const Dims& dims(const std::string& tensor) const { return inferred_.values.at(tensor).dims; }

    Known known(const std::string& tensor) const {
        const auto found = known_.find(tensor);
        return found == known_.end() ? Known{} : found->second;
    }

    std::optional<Numbers> numbers(const std::string& tensor) const {
        return numbers_in(inferred_, tensor);
    }

    std::string layer_of(const Node& node) const {
        const auto found = layers_.made_by.find(node.outputs.empty() ? "" : node.outputs[0]);
        return found == layers_.made_by.end() ? std::string{} : found->second;
    }

    void refuse(const Node& node, const std::string& why) {
        const std::string layer = layer_of(node);
        const auto found = layers_by_name_.find(layer);
        const std::string from =
            found == layers_by_name_.end() ? node.operation : found->second->from;
        carried_.obstacles.push_back(
            layer.empty() ? fmt::format("{}: {}", describe(node), why)
                          : fmt::format("layer '{}' ({}): {}", layer, printable(from), why));
    }

    // ---- 2. nodes -------------------------------------------------------------------------------
    Known result_of(const Node& node) {
        const std::string& operation = node.operation;
        if (node.domain.empty() &&
            (node.find("scale") != nullptr || node.find("scale0") != nullptr)) {
            return on_coded(node);
        }
        if (node.domain.empty() &&
            (operation == "QuantizeLinear" || operation == "DequantizeLinear")) {
            return coding(node);
        }
        if (node.domain == kOwnDomain && operation == "Threshold") {
            return threshold(node);
        }
        if (node.domain.empty() && operation == "Conv") {
            return convolution(node);
        }
        if (node.domain.empty() && (operation == "Gemm" || operation == "MatMul")) {
            return product(node);
        }
        if (node.domain.empty() && is_one_of(operation, kOnReals)) {
            return on_reals(node);
        }
        if ((node.domain == kOwnDomain && operation == "ChannelShuffle") ||
            (node.domain.empty() && (operation == "Split" || operation == "Slice"))) {
            return of_channels(node);
        }
        if (!node.domain.empty() || !is_one_of(operation, kMoving)) {
            throw CannotRun{"no kernel here computes it"};
        }
        return moved(node);
    }

    static constexpr std::string_view kMoving =
        " Identity Dropout Cast MaxPool Reshape Flatten Squeeze Unsqueeze Transpose ";

    Known moved(const Node& node) {
        const std::string& operation = node.operation;
        Known moved = known(node.inputs[0]);
        if (moved.kind == Known::Kind::nothing) {
            return moved;  // whoever made it was refused
        }
        const Dims &from = dims(node.inputs[0]), &to = dims(node.outputs[0]);
        if (operation == "Cast") {
            const Type type = inferred_.values.at(node.outputs[0]).type;
            if (type != Type::f32 && type != Type::f64) {
                throw CannotRun{fmt::format("no kernel here casts to {}", name_of(type))};
            }
            if (moved.kind == Known::Kind::bytes && layers_.made_by.contains(node.outputs[0])) {
                // A layer of its own, where not only binary products read it.
                carried_.layers.push_back({layer_of(node), {}, {}, {}});
                carried_.layers.back().limits = {1, 0};
                moved = {.kind = Known::Kind::reals, .order = moved.order};
            }
        } else if (operation == "MaxPool") {
            if (from.size() != 4 || moved.order != Order::of_image(from)) {
                throw CannotRun{"kernels here pool images of one batch"};
            }
            moved.order = Order::of_image(to);
        } else if (operation == "Transpose") {
            const Dims turn = permutation_of(call_of(node, inferred_.values));
            const bool to_channels_first =
                turn == Dims{0, 3, 1, 2} && from[0] == 1 && moved.order == Order{};
            if (!to_channels_first) {
                throw CannotRun{"no kernel here exchanges axes"};
            }
            moved.order = Order::of_image(to);
        } else if (from != to) {  // reshapes
            if (to.size() == 4 && is_image_of_input(node, from)) {
                moved.order = Order::of_image(to);
            }
            if (to.empty() || to[0] != 1 ||
                (to.size() == 4 && moved.order != Order::of_image(to))) {
                throw CannotRun{"what it makes is no image that a kernel here reads"};
            }
            if (moved.scale.size() > 1 && from.size() > 1 && from[1] != elements_of(from)) {
                spread(moved.scale, elements_of(from));
                spread(moved.offset, elements_of(from));
            }
        }
        return moved;
    }

    // An input that is nothing but an image laid out in a row is that image: in the model its
    // elements come in the image's order.
    bool is_image_of_input(const Node& node, const Dims& from) const {
        return from.size() == 2 && from[0] == 1 && inputs_.contains(node.inputs[0]) &&
               readers_.at(node.inputs[0]).size() == 1;
    }

    // Of channels, to one for each element in ONNX's order.
    static void spread(std::vector<double>& all, std::int64_t elements) {
        const std::int64_t each = elements / static_cast<std::int64_t>(all.size());
        std::vector<double> wide;
        wide.reserve(at(elements));
        for (const double one : all) {
            wide.insert(wide.end(), at(each), one);
        }
        all = std::move(wide);
    }

    // ---- 3. products ----------------------------------------------------------------------------
    // Weights by output channel and place in the model: row r, place i is values[place(r, i)].
    template <class Place>
    Known summed(const Node& node,
                 const Known& input,
                 std::int64_t rows,
                 std::int64_t fan_in,
                 const Place& place) {
        const std::optional<Numbers> values = numbers(node.inputs[1]);
        if (!values || checked_product(rows, fan_in) != static_cast<std::int64_t>(values->size())) {
            throw CannotRun{"its weights are no constant whose values are known"};
        }
        LayerNumbers own{layer_of(node), {}, {}, {}};
        if (input.kind == Known::Kind::coded) {
            return coded_product(node, std::move(own), rows, fan_in, *values, place);
        }
        const bool is_real = element_of(own.layer) == "f32";
        if (attribute_of(own.layer, "weights") != "binary") {
            return real_product(node, input, std::move(own), rows, fan_in, *values, place);
        }
        Known sums{.kind = is_real ? Known::Kind::reals : Known::Kind::sums,
                   .scale = {},
                   .offset = {},
                   .order = {}};
        if (!is_real) {
            sums.most = checked_product(fan_in, input.most);
            sums.has_any_parity = input.kind != Known::Kind::bits;
            if (sums.most > kLargestSum) {
                throw CannotRun{"its sums may be larger than 32 bits hold"};
            }
        }
        const std::int64_t words = (fan_in + 63) / 64;
        own.weights.resize(at(rows * words));
        for (std::int64_t row = 0; row < rows; ++row) {
            const double size = std::abs(values->number(at(place(row, 0))));
            const double scale = size * input.scale[0];
            if (!(size > 0) || !std::isfinite(size) ||
                std::fma(size, input.scale[0], -scale) != 0) {
                throw CannotRun{"its weights are not +c and -c, with one c for each channel"};
            }
            for (std::int64_t i = 0; i < fan_in; ++i) {
                const double weight = values->number(at(place(row, i)));
                if (std::abs(weight) != size) {
                    throw CannotRun{"its weights are not +c and -c, with one c for each channel"};
                }
                own.weights[at(row * words + i / 64)] |= std::uint64_t{weight > 0} << (i % 64);
            }
            sums.scale.push_back(scale);
        }
        sums.offset = bias(node, rows);
        if (is_real) {
            // What only thresholds read they take in, exactly; else the kernel computes it.
            const bool is_compared = only_compared(node.outputs[0]);
            for (std::int64_t row = 0; row < rows; ++row) {
                own.scales.push_back(is_compared ? 1.0F : as_float(sums.scale[at(row)]));
                own.biases.push_back(is_compared ? 0.0F
                                                 : as_float(of_channel(sums.offset, at(row))));
            }
            if (!is_compared) {
                sums.scale = {1};
                sums.offset = {0};
            }
        }
        carried_.layers.push_back(std::move(own));
        return sums;
    }

    // With weights of f32. The input's scale goes into them.
    template <class Place>
    Known real_product(const Node& node,
                       const Known& input,
                       LayerNumbers own,
                       std::int64_t rows,
                       std::int64_t fan_in,
                       const Numbers& values,
                       const Place& place) {
        if (element_of(own.layer) != "f32" || attribute_of(own.layer, "weights") != "f32") {
            throw CannotRun{"no kernel here multiplies by weights of this type"};
        }
        const std::vector<double> biases = bias(node, rows);
        for (std::int64_t row = 0; row < rows; ++row) {
            for (std::int64_t i = 0; i < fan_in; ++i) {
                own.real_weights.push_back(
                    as_float(values.number(at(place(row, i))) * input.scale[0]));
            }
            own.biases.push_back(as_float(of_channel(biases, at(row))));
        }
        carried_.layers.push_back(std::move(own));
        return {.kind = Known::Kind::reals, .order = {}};
    }

    // Of a layer of the model.
    std::string element_of(const std::string& layer) const {
        const auto found = layers_by_name_.find(layer);
        return found == layers_by_name_.end() || found->second->results.empty()
                   ? std::string{}
                   : found->second->results[0].element;
    }
    std::string attribute_of(const std::string& layer, std::string_view key) const {
        const auto found = layers_by_name_.find(layer);
        if (found != layers_by_name_.end()) {
            for (const auto& [name, text] : found->second->attributes) {
                if (name == key) {
                    return text;
                }
            }
        }
        return {};
    }

    // Whatever becomes of a tensor, it is moved about and compared, nothing else.
    bool only_compared(const std::string& tensor) const {
        const auto found = readers_.find(tensor);
        if (found == readers_.end()) {
            return false;  // an output
        }
        constexpr std::string_view kMoves = " MaxPool Reshape Flatten Squeeze Unsqueeze Identity ";
        return std::ranges::all_of(found->second, [&](const Node* node) {
            return node->domain == kOwnDomain && node->operation == "Threshold"
                       ? true
                       : node->domain.empty() && is_one_of(node->operation, kMoves) &&
                             only_compared(node->outputs[0]);
        });
    }

    std::vector<double> bias(const Node& node, std::int64_t rows) const {
        if (node.inputs.size() < 3 || node.inputs[2].empty()) {
            return {0.0};
        }
        const std::optional<Numbers> values = numbers(node.inputs[2]);
        const auto elements = values ? static_cast<std::int64_t>(values->size()) : 0;
        if (!values || (elements != 1 && elements != rows)) {
            throw CannotRun{"its bias is no constant of one number for each channel"};
        }
        std::vector<double> all;
        for (std::size_t i = 0; i < values->size(); ++i) {
            all.push_back(values->number(i));
        }
        return all;
    }

    // What a product reads: bits or bytes, all of one scale. Of what is not known whoever made it
    // was refused.
    Known factor(const Node& node) const {
        Known input = known(node.inputs[0]);
        if (input.kind == Known::Kind::nothing) {
            return input;
        }
        if (input.kind == Known::Kind::sums) {
            throw CannotRun{"what it reads is neither bits nor uint8, nor f32"};
        }
        expect_values(input);
        return input;
    }

    // Of reals: that they are what the file says, not to be scaled yet.
    static void expect_values(const Known& input) {
        if (input.kind == Known::Kind::reals && !input.is_unscaled()) {
            throw CannotRun{"what it reads is scaled, and read by thresholds too"};
        }
    }

    // ---- 4. what is done to f32 -----------------------------------------------------------------
    static constexpr std::string_view kOnReals =
        " Relu Clip Sigmoid Tanh HardSigmoid HardSwish Softmax LogSoftmax Add Mul Concat "
        "BatchNormalization AveragePool GlobalAveragePool ReduceMean ";

    Known on_reals(const Node& node) {
        Known input = known(node.inputs[0]);
        if (input.kind == Known::Kind::nothing) {
            return input;  // whoever made it was refused
        }
        if (input.kind != Known::Kind::reals) {
            throw CannotRun{"no kernel here computes it of whole numbers"};
        }
        expect_values(input);
        const Dims &from = dims(node.inputs[0]), &to = dims(node.outputs[0]);
        LayerNumbers own{layer_of(node), {}, {}, {}};
        if (node.operation == "Add") {
            const Known other = known(node.inputs[1]);
            if (other.kind == Known::Kind::nothing) {
                return {};
            }
            if (other.kind != Known::Kind::reals || other.order != input.order ||
                dims(node.inputs[1]) != from) {
                throw CannotRun{"kernels here add tensors of one shape, both f32"};
            }
            expect_values(other);
        } else if (node.operation == "Mul") {
            return product_of_reals(node, input);
        } else if (node.operation == "Concat") {
            return joined_reals(node, input);
        } else if (node.operation == "ReduceMean") {
            const Dims over = reduced_axes(call_of(node, inferred_.values));
            if (from.size() != 4 || from[0] != 1 || over != Dims{2, 3} ||
                input.order != Order::of_image(from)) {
                throw CannotRun{"kernels here take the mean of an image's pixels, and no other"};
            }
            input.order = Order{};
        } else if (node.operation == "HardSigmoid") {
            const Call call = call_of(node, inferred_.values);
            own.limits = {as_float(call.number("alpha", 0.2)), as_float(call.number("beta", 0.5))};
        } else if (node.operation == "Clip") {
            own.limits = limits(node);
        } else if (node.operation == "BatchNormalization") {
            const Norms all = norms(node.outputs[0], from);
            for (std::int64_t c = 0; c < from[1]; ++c) {
                // Of a flattened image every element is a channel, in its own order.
                const Norm one = all.of(at(from.size() == 2 ? input.order(c) : c));
                const double scale = one.gamma / std::sqrt(one.variance + one.epsilon);
                own.scales.push_back(as_float(scale));
                own.biases.push_back(as_float(one.beta - scale * one.mean));
            }
        } else if (node.operation == "AveragePool" || node.operation == "GlobalAveragePool") {
            if (from.size() != 4 || input.order != Order::of_image(from)) {
                throw CannotRun{"kernels here pool images of one batch"};
            }
            input.order = Order::of_image(to);
        }
        if (!own.limits.empty() || !own.scales.empty()) {
            carried_.layers.push_back(std::move(own));
        }
        return input;
    }

    // The other operand of a layer of f32; nothing where whoever made it was refused.
    Known other_of(const Node& node, std::size_t operand) const {
        Known other = known(node.inputs[operand]);
        if (other.kind != Known::Kind::nothing && other.kind != Known::Kind::reals) {
            throw CannotRun{"kernels here take operands that are f32, all of them"};
        }
        expect_values(other);
        return other;
    }

    // By a tensor of the same shape, or by one pixel, [1, C, 1, 1], whichever is named first.
    Known product_of_reals(const Node& node, const Known& input) const {
        Known other = other_of(node, 1);
        if (other.kind == Known::Kind::nothing) {
            return {};
        }
        const Dims &a = dims(node.inputs[0]), &b = dims(node.inputs[1]);
        const auto is_pixel_of = [](const Dims& pixel, const Dims& image) {
            return image.size() == 4 && pixel == Dims{image[0], image[1], 1, 1};
        };
        const bool is_image = a.size() == 4;
        if (a == b && input.order == other.order) {
            return input;
        }
        if (is_pixel_of(b, a) && input.order == Order::of_image(a)) {
            return input;
        }
        if (is_image && is_pixel_of(a, b) && other.order == Order::of_image(b)) {
            return other;
        }
        throw CannotRun{"kernels here multiply tensors of one shape, or an image by one pixel"};
    }

    // Images by their channels, or rows.
    Known joined_reals(const Node& node, Known input) const {
        const Dims& to = dims(node.outputs[0]);
        for (std::size_t i = 0; i < node.inputs.size(); ++i) {
            const Known other = other_of(node, i);
            if (other.kind == Known::Kind::nothing) {
                return {};
            }
            const Dims& from = dims(node.inputs[i]);
            const bool fits = from.size() == 4 ? other.order == Order::of_image(from)
                                               : from.size() == 2 && other.order == Order{};
            if (!fits || from[0] != 1) {
                throw CannotRun{"kernels here join images of one batch, or rows"};
            }
        }
        const Call call = call_of(node, inferred_.values);
        if (call.axis("axis", 1, call.rank(0)) != 1) {
            throw CannotRun{"kernels here join channels, and nothing else"};
        }
        input.order = to.size() == 4 ? Order::of_image(to) : Order{};
        return input;
    }

    // Channels of an image that are chosen, or change places; of all that the node makes.
    Known of_channels(const Node& node) {
        Known input = known(node.inputs[0]);
        if (input.kind == Known::Kind::nothing) {
            return input;
        }
        const Dims& from = dims(node.inputs[0]);
        if (input.kind != Known::Kind::reals || from.size() != 4 || from[0] != 1 ||
            input.order != Order::of_image(from)) {
            throw CannotRun{"kernels here choose channels of images of f32, one batch"};
        }
        expect_values(input);
        for (const std::string& output : node.outputs) {
            Dims same = from;
            same[1] = dims(output).at(1);
            const bool steps =
                node.operation == "Slice" && cut_of(call_of(node, inferred_.values)).step[1] != 1;
            if (dims(output) != same || steps) {
                throw CannotRun{"kernels here choose neighbouring channels, and nothing else"};
            }
            known_[output] = input;
            known_[output].order = Order::of_image(dims(output));
        }
        return known_[node.outputs[0]];
    }

    // The least and the most of a Clip: attributes, or from opset 11 on inputs.
    std::vector<float> limits(const Node& node) const {
        const Call call = call_of(node, inferred_.values);
        constexpr double kMost = std::numeric_limits<float>::max();
        double both[] = {call.number("min", -kMost), call.number("max", kMost)};
        for (std::size_t i = 0; i < 2; ++i) {
            if (node.inputs.size() > i + 1 && !node.inputs[i + 1].empty()) {
                const std::optional<Numbers> given = numbers(node.inputs[i + 1]);
                if (!given || given->size() != 1) {
                    throw CannotRun{"its limits are no constants"};
                }
                both[i] = given->number(0);
            }
        }
        return {as_float(std::clamp(both[0], -kMost, kMost)),
                as_float(std::clamp(both[1], -kMost, kMost))};
    }

    Known convolution(const Node& node) {
        Known input = factor(node);
        if (input.kind == Known::Kind::nothing) {
            return input;
        }
        const Call call = call_of(node, inferred_.values);
        const Dims &from = dims(node.inputs[0]), &weights = call.input(1).dims;
        if (from.size() != 4 || weights.size() != 4 || input.order != Order::of_image(from)) {
            throw CannotRun{"kernels here convolve images of one batch"};
        }
        if (call.integer("group", 1) != 1 && input.kind != Known::Kind::coded &&
            element_of(layer_of(node)) != "f32") {
            throw CannotRun{"kernels here convolve bits in one group"};
        }
        const auto pad = call.integer("hetmap_pad_value", 0);
        if (pad != 0 && (input.scale[0] != 1 || input.kind == Known::Kind::coded)) {
            throw CannotRun{"its padding is not what +1 and -1 of its input are"};
        }
        const std::int64_t channels = weights[1], pixels = weights[2] * weights[3];
        // (ky, kx, channel) in the model, (channel, ky, kx) in ONNX.
        const auto place = [&](std::int64_t row, std::int64_t i) {
            return (row * channels + i % channels) * pixels + i / channels;
        };
        Known sums = summed(node, input, weights[0], channels * pixels, place);
        const Dims pads = call.integers("pads");
        const bool pads_with_zeros =
            pad == 0 && (call.text("auto_pad", "NOTSET") != "NOTSET" ||
                         std::ranges::any_of(pads, [](std::int64_t one) { return one != 0; }));
        sums.has_any_parity = sums.has_any_parity || pads_with_zeros;
        sums.order = Order::of_image(dims(node.outputs[0]));
        return sums;
    }

    Known product(const Node& node) {
        Known input = factor(node);
        if (input.kind == Known::Kind::nothing) {
            return input;
        }
        const Call call = call_of(node, inferred_.values);
        const Dims &from = dims(node.inputs[0]), &weights = call.input(1).dims;
        const bool is_plain = call.number("alpha", 1) == 1 && call.integer("transA", 0) == 0 &&
                              (node.inputs.size() < 3 || call.number("beta", 1) == 1);
        if (from.size() != 2 || from[0] != 1 || weights.size() != 2 || !is_plain) {
            throw CannotRun{"kernels here multiply one row of elements by a matrix"};
        }
        const bool by_rows = call.integer("transB", 0) != 0;
        const std::int64_t rows = weights[by_rows ? 0 : 1], fan_in = weights[by_rows ? 1 : 0];
        return summed(node, input, rows, fan_in, [&](std::int64_t row, std::int64_t i) {
            const std::int64_t from_place = input.order(i);
            return by_rows ? row * fan_in + from_place : from_place * rows + row;
        });
    }

    // ---- 5. bytes that stand for f32 ------------------------------------------------------------
    Quantization of_tensor(const Node& node, const std::string& which) const {
        return quantization_of_tensor(inferred_, node, which);
    }

    std::array<float, 3> limits_of_result(const Node& node, const Quantization& format) const {
        const bool is_signed = element_of(layer_of(node)) == "int8";
        return sim::onnx::limits_of_result(inferred_, node, format, is_signed);
    }

    // From f32, or to it.
    Known coding(const Node& node) {
        Known input = known(node.inputs[0]);
        if (input.kind == Known::Kind::nothing) {
            return input;
        }
        const bool quantizes = node.operation == "QuantizeLinear";
        if (input.kind != (quantizes ? Known::Kind::reals : Known::Kind::coded)) {
            throw CannotRun{quantizes ? "no kernel here quantizes whole numbers"
                                      : "what it reads was not quantized"};
        }
        expect_values(input);
        const Quantization format =
            quantization_named(inferred_,
                               node.inputs.size() > 1 ? node.inputs[1] : "",
                               node.inputs.size() > 2 ? node.inputs[2] : "");
        const std::string code = inferred_element(quantizes ? node.outputs[0] : node.inputs[0]);
        if (format.steps.size() != 1 || (code != "u8" && code != "int8")) {
            throw CannotRun{"kernels here quantize to u8 or int8, all channels of a tensor alike"};
        }
        LayerNumbers own{layer_of(node), {}, {}, {}};
        own.limits = {as_float(format.steps[0]), as_float(format.zero)};
        carried_.layers.push_back(std::move(own));
        input.kind = quantizes ? Known::Kind::coded : Known::Kind::reals;
        return input;
    }

    std::string inferred_element(const std::string& tensor) const {
        const Type type = inferred_.values.at(tensor).type;
        return type == Type::u8 ? "u8" : type == Type::int8 ? "int8" : "";
    }

    // An operation between DequantizeLinear and QuantizeLinear, or a product behind the first.
    Known on_coded(const Node& node) {
        if (node.operation == "Conv") {
            return convolution(node);
        }
        if (node.operation == "Gemm" || node.operation == "MatMul") {
            return product(node);
        }
        Known input = known(node.inputs[0]);
        if (input.kind != Known::Kind::coded) {
            return {};  // whoever made it was refused
        }
        const std::string code = element_of(layer_of(node));
        const Quantization from = of_tensor(node, "0"), to = of_tensor(node, "");
        if (is_one_of(node.operation, kMoving) && node.operation != "Cast") {
            if (from != to || node.find("least") != nullptr) {
                throw CannotRun{"no kernel here moves numbers and quantizes them otherwise"};
            }
            return moved(node);
        }
        const auto [zero, least, most] = limits_of_result(node, to);
        const Dims& dims = this->dims(node.inputs[0]);
        LayerNumbers own{layer_of(node), {}, {}, {}};
        if (node.operation == "Add") {
            const Known second = known(node.inputs[1]);
            if (second.kind != Known::Kind::coded) {
                return {};
            }
            if (second.order != input.order || this->dims(node.inputs[1]) != dims) {
                throw CannotRun{"kernels here add tensors of one shape"};
            }
            const Quantization other = of_tensor(node, "1");
            own.limits = {as_float(from.steps[0] / to.steps[0]),
                          as_float(from.zero),
                          as_float(other.steps[0] / to.steps[0]),
                          as_float(other.zero),
                          zero,
                          least,
                          most};
        } else if (node.operation == "GlobalAveragePool") {
            if (dims.size() != 4 || input.order != Order::of_image(dims)) {
                throw CannotRun{"kernels here pool images of one batch"};
            }
            const double pixels = static_cast<double>(dims[2]) * static_cast<double>(dims[3]);
            own.limits = {as_float(from.steps[0] / to.steps[0] / pixels),
                          as_float(from.zero),
                          zero,
                          least,
                          most};
            input.order = Order{};
        } else {
            throw CannotRun{"no kernel here computes it of quantized numbers"};
        }
        carried_.layers.push_back(std::move(own));
        return input;
    }

    template <class Place>
    Known coded_product(const Node& node,
                        LayerNumbers own,
                        std::int64_t rows,
                        std::int64_t fan_in,
                        const Numbers& values,
                        const Place& place) {
        const Quantization from = of_tensor(node, "0"),
                           weights = quantization_of(inferred_, node, "1");
        const bool is_coded = node.find("scale") != nullptr;  // else the result is f32
        const Quantization to =
            is_coded ? of_tensor(node, "") : Quantization{.steps = {1}, .zero = 0};
        const auto channels = static_cast<std::int64_t>(weights.steps.size());
        const Call call = call_of(node, inferred_.values);
        const bool rows_first = node.operation == "Conv" || call.integer("transB", 0) != 0;
        const std::int64_t axis = call.integer("axis1", 0);
        const bool is_by_row =
            channels == rows && (axis < 0 ? axis + 2 : axis) == (rows_first ? 0 : 1);
        if (attribute_of(own.layer, "weights") != "int8" || weights.zero != 0 ||
            (channels != 1 && !is_by_row)) {
            throw CannotRun{
                "kernels here multiply by weights of int8 around zero, which have one "
                "scale, or one for each output channel"};
        }
        const std::vector<double> biases = bias(node, rows);
        std::vector<double> bias_steps{1};
        if (biases.size() > 1 && !call.text("scale2", "").empty()) {
            bias_steps = quantization_of(inferred_, node, "2").steps;
        }
        for (std::int64_t row = 0; row < rows; ++row) {
            const double step = from.steps[0] * of_channel(weights.steps, at(row)) / to.steps[0],
                         bias_step = of_channel(bias_steps, at(row));
            own.scales.push_back(as_float(step));
            own.biases.push_back(as_float(of_channel(biases, at(row)) * bias_step / to.steps[0]));
            for (std::int64_t i = 0; i < fan_in; ++i) {
                own.byte_weights.push_back(
                    static_cast<std::int8_t>(values.number(at(place(row, i)))));
            }
        }
        own.limits = {as_float(from.zero)};
        if (is_coded) {
            const auto [zero, least, most] = limits_of_result(node, to);
            own.limits.insert(own.limits.end(), {zero, least, most});
        }
        carried_.layers.push_back(std::move(own));
        return {.kind = is_coded ? Known::Kind::coded : Known::Kind::reals, .order = {}};
    }

    // ---- 6. thresholds --------------------------------------------------------------------------
    // A constant with one value for each channel of a tensor, or one for all.
    std::vector<double> by_channel(const std::string& constant, const Dims& whole) const {
        const std::optional<Numbers> values = numbers(constant);
        if (!values || values->size() == 0) {
            throw CannotRun{"what it compares with is no constant"};
        }
        Dims sides = values->dims;
        const bool fits = sides.size() <= whole.size();
        sides.insert(sides.begin(), whole.size() - std::min(whole.size(), sides.size()), 1);
        for (std::size_t i = 0; i < sides.size(); ++i) {
            if (!fits || (sides[i] != 1 && (i != 1 || sides[i] != whole[1]))) {
                throw CannotRun{"what it compares with is not one number for each channel"};
            }
        }
        std::vector<double> all;
        for (std::size_t i = 0; i < values->size(); ++i) {
            all.push_back(values->number(i));
        }
        return all;
    }

    struct Norms {
        std::vector<double> gamma, beta, mean, variance;
        double epsilon = 0;

        Norm of(std::size_t channel) const {
            return {of_channel(gamma, channel),
                    of_channel(beta, channel),
                    of_channel(mean, channel),
                    of_channel(variance, channel),
                    epsilon};
        }
    };

    Norms norms(const std::string& made, const Dims& whole) const {
        const Node& node = *makers_.at(made);
        const Call call = call_of(node, inferred_.values);
        if (node.inputs.size() < 5 || call.integer("training_mode", 0) != 0) {
            throw CannotRun{"its batch norm is one for training"};
        }
        constexpr float kEpsilon = 1e-5F;  // ONNX's default, a float
        Norms all{.gamma = {},
                  .beta = {},
                  .mean = {},
                  .variance = {},
                  .epsilon = call.number("epsilon", static_cast<double>(kEpsilon))};
        std::vector<double>* const parts[] = {&all.gamma, &all.beta, &all.mean, &all.variance};
        for (std::size_t i = 0; i < std::size(parts); ++i) {
            const std::optional<Numbers> values = numbers(node.inputs[i + 1]);
            if (!values || static_cast<std::int64_t>(values->size()) != whole[1]) {
                throw CannotRun{"its batch norm's numbers are no constants"};
            }
            for (std::size_t c = 0; c < values->size(); ++c) {
                parts[i]->push_back(values->number(c));
            }
        }
        return all;
    }

    // What a channel's sums are turned into: the sign of a number that grows or falls with them.
    struct Rule {
        std::string comparison;
        bool plus = true;  // the result where the comparison holds

        bool is_plus(int sign) const {
            if (comparison == "Sign" || comparison == "BipolarQuant") {
                return sign >= 0;
            }
            const bool holds = comparison == "Greater"          ? sign > 0
                               : comparison == "GreaterOrEqual" ? sign >= 0
                               : comparison == "Less"           ? sign < 0
                                                                : sign <= 0;
            return holds == plus;
        }
    };

    struct Threshold {
        std::int32_t value = 0;
        bool flip = false;
        bool has_tie = false;  // a sum that can occur is exactly there
    };

    static constexpr Threshold kAlways{std::numeric_limits<std::int32_t>::min(), false, false};
    static constexpr Threshold kNever{std::numeric_limits<std::int32_t>::max(), false, false};

    // sign_at(x) grows or falls with x; of the sums from -most to most.
    template <class SignAt>
    static Threshold between(const Rule& rule, const Known& sums, const SignAt& sign_at) {
        std::int64_t low = -sums.most, high = sums.most;
        const bool first = rule.is_plus(sign_at(low)), last = rule.is_plus(sign_at(high));
        const auto can_be = [&](std::int64_t x) {
            return sums.has_any_parity || (x - sums.most) % 2 == 0;
        };
        // 1. The two neighbours between which it changes.
        while (first != last && high - low > 1) {
            const std::int64_t middle = low + (high - low) / 2;
            (rule.is_plus(sign_at(middle)) == first ? low : high) = middle;
        }
        // 2. The one of them that is above, or below.
        Threshold found = first ? kAlways : kNever;
        if (first != last) {
            found = {static_cast<std::int32_t>(first ? low : high), first, false};
        }
        // 3. Only between neighbours, or where nothing changes, the number can be zero.
        for (const std::int64_t x : {low, high}) {
            found.has_tie = found.has_tie || (sign_at(x) == 0 && can_be(x));
        }
        return found;
    }

    // The number between which and its neighbour the result changes, among all floats.
    struct RealThreshold {
        float limit = 0;
        bool flip = false;
    };

    // Floats in their order: from -infinity, -2^31 + 2^23, to infinity.
    static float float_at(std::int64_t place) {
        const auto bits = static_cast<std::uint32_t>(place < 0 ? -place : place);
        return std::bit_cast<float>(place < 0 ? bits | 0x8000'0000U : bits);
    }

    static RealThreshold between_reals(const Rule& rule, const Line& line) {
        constexpr std::int64_t kInfinity = 0x7f80'0000;
        std::int64_t low = -kInfinity + 1, high = kInfinity - 1;
        const auto is_plus = [&](std::int64_t place) {
            return rule.is_plus(line.sign_at_real(double{float_at(place)}));
        };
        const bool first = is_plus(low), last = is_plus(high);
        if (first == last) {
            return {first ? float_at(-kInfinity) : float_at(kInfinity), false};
        }
        while (high - low > 1) {
            const std::int64_t middle = low + (high - low) / 2;
            (is_plus(middle) == first ? low : high) = middle;
        }
        return {float_at(first ? low : high), first};
    }

    // A channel's numbers, and what they are compared with.
    struct Channel {
        double scale = 1, offset = 0, level = 0;
        std::optional<Norm> norm;

        bool is_finite() const {
            const Norm n = norm.value_or(Norm{});
            const double all[] = {
                scale, offset, level, n.gamma, n.beta, n.mean, n.variance, n.epsilon};
            return std::ranges::all_of(all, [](double one) { return std::isfinite(one); });
        }
        // Of finite numbers.
        Line line() const {
            if (norm && !(norm->variance + norm->epsilon > 0)) {
                throw CannotRun{"a variance with its epsilon is not above zero"};
            }
            return norm ? Line{scale, offset, *norm, level} : Line{scale, offset, level};
        }
        // Where one is infinite it outweighs the sum: the same for the smallest and the largest.
        int sign_of_infinity(double smallest, double largest) const {
            std::array<int, 2> signs{};
            for (std::size_t i = 0; i < 2; ++i) {
                double value = scale * (i == 0 ? smallest : largest) + offset;
                if (norm) {
                    value = norm->gamma * (value - norm->mean) /
                                std::sqrt(norm->variance + norm->epsilon) +
                            norm->beta;
                }
                const double beyond = value == level ? 0 : value - level;
                if (std::isnan(beyond)) {
                    throw CannotRun{"it compares what is no number (NaN)"};
                }
                signs[i] = beyond > 0 ? 1 : beyond < 0 ? -1 : 0;
            }
            if (signs[0] != signs[1]) {
                throw CannotRun{"its numbers are infinite"};
            }
            return signs[0];
        }
    };

    static RealThreshold of_reals(const Rule& rule, const Channel& channel) {
        if (channel.is_finite()) {
            return between_reals(rule, channel.line());
        }
        constexpr double kMost = std::numeric_limits<float>::max();
        constexpr float kInfinity = std::numeric_limits<float>::infinity();
        return {rule.is_plus(channel.sign_of_infinity(-kMost, kMost)) ? -kInfinity : kInfinity,
                false};
    }

    static Threshold of_sums(const Rule& rule, const Known& sums, const Channel& channel) {
        if (channel.is_finite()) {
            const Line line = channel.line();
            return between(rule, sums, [&](std::int64_t x) { return line.sign_at(x); });
        }
        const auto most = static_cast<double>(sums.most);
        const int sign = channel.sign_of_infinity(-most, most);
        Threshold same = rule.is_plus(sign) ? kAlways : kNever;
        same.has_tie = sign == 0;
        return same;
    }

    Known threshold(const Node& node) {
        const Call call = call_of(node, inferred_.values);
        Known sums = known(node.inputs[0]);
        const Dims& whole = dims(node.inputs[0]);
        const Rule rule{.comparison = call.text("comparison", ""),
                        .plus = call.integer("plus", 1) != 0};
        Known bits{.kind = Known::Kind::bits, .scale = {call.number("scale", 0)}, .order = {}};
        bits.order = sums.order;
        if (rule.comparison.empty() || !(bits.scale[0] > 0) || !std::isfinite(bits.scale[0])) {
            throw CannotRun{"what it gives is not known to be +c and -c"};
        }
        if (sums.kind == Known::Kind::nothing) {
            return sums;
        }
        const bool is_real = sums.kind == Known::Kind::reals;
        if ((sums.kind != Known::Kind::sums && !is_real) || whole.size() < 2 || whole[0] != 1 ||
            (whole.size() != 2 && (whole.size() != 4 || sums.order != Order::of_image(whole)))) {
            throw CannotRun{"kernels here have thresholds for sums, one for each channel"};
        }
        const std::string level = call.text("level", "");
        const std::vector<double> levels =
            level.empty() ? std::vector<double>{0.0} : by_channel(level, whole);
        const bool clips = call.integer("clipped", 0) != 0 &&
                           std::ranges::any_of(levels, [](double one) { return one != 0; });
        if (clips) {
            throw CannotRun{"it clips, and compares with other numbers than zero"};
        }
        const std::string norm = call.text("norm", "");
        const std::optional<Norms> all =
            norm.empty() ? std::nullopt : std::optional{norms(norm, whole)};
        LayerNumbers own{layer_of(node), {}, {}, {}};
        own.flips.resize(at((whole[1] + 63) / 64));
        std::int64_t ties = 0;
        for (std::int64_t c = 0; c < whole[1]; ++c) {
            // Of a flattened image every element is a channel, in its own order.
            const std::size_t from = at(whole.size() == 2 ? sums.order(c) : c);
            const Channel channel{.scale = of_channel(sums.scale, from),
                                  .offset = of_channel(sums.offset, from),
                                  .level = of_channel(levels, from),
                                  .norm = all ? std::optional{all->of(from)} : std::nullopt};
            if (is_real) {
                const RealThreshold found = of_reals(rule, channel);
                own.limits.push_back(found.limit);
                own.flips[at(c / 64)] |= std::uint64_t{found.flip} << (c % 64);
                continue;
            }
            const Threshold found = of_sums(rule, sums, channel);
            own.thresholds.push_back(found.value);
            own.flips[at(c / 64)] |= std::uint64_t{found.flip} << (c % 64);
            ties += found.has_tie && rule.comparison == "Sign" ? 1 : 0;
        }
        if (ties > 0) {
            carried_.warnings.push_back(fmt::format(
                "layer '{}': in {} of its {} channels the sign of zero, which is 0 in ONNX, can be "
                "asked for; here it is +1",
                own.layer,
                ties,
                whole[1]));
        }
        carried_.layers.push_back(std::move(own));
        return bits;
    }

    // ---- 7. the answer --------------------------------------------------------------------------
    void expect_unscaled_outputs() {
        for (const Declared& output : inferred_.file.graph.outputs) {
            const Known known = this->known(output.name);
            if (known.kind != Known::Kind::nothing && !known.is_unscaled()) {
                carried_.obstacles.push_back(
                    fmt::format("output '{}': it is no whole number, but a multiple of one, or one "
                                "with a bias",
                                printable(output.name)));
            }
        }
    }

    const Inferred& inferred_;
    const Layers& layers_;
    Live live_;
    Carried carried_;
    std::unordered_map<std::string, Known> known_;
    std::unordered_map<std::string, const Node*> makers_;
    std::unordered_map<std::string, std::vector<const Node*>> readers_;
    std::set<std::string> inputs_;
    std::unordered_map<std::string, const Layer*> layers_by_name_;
};

}  // namespace

Carried carried_numbers(const Inferred& inferred, const Layers& layers) {
    return Carrier{inferred, layers}.run();
}

}  // namespace sim::onnx
