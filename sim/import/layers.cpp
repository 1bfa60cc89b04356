#include "sim/import/layers.hpp"

#include "sim/checked.hpp"
#include "sim/describe/yaml.hpp"
#include "sim/error.hpp"
#include "sim/import/folding.hpp"
#include "sim/text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <optional>
#include <set>
#include <stdexcept>
#include <unordered_map>

namespace sim::onnx {
namespace {

constexpr std::size_t kMostSides = 8;  // of a tensor in a model

// ---- elements -----------------------------------------------------------------------------------

// As models name them; "" where they have none.
std::string_view element_of(Type type) {
    switch (type) {
        case Type::f32:
            return "f32";
        case Type::u8:
            return "u8";
        case Type::int8:
            return "int8";
        case Type::u16:
            return "u16";
        case Type::int16:
            return "int16";
        case Type::int32:
            return "int32";
        case Type::int64:
            return "int64";
        case Type::boolean:
            return "bool";
        case Type::f16:
            return "f16";
        case Type::f64:
            return "f64";
        case Type::u32:
            return "u32";
        case Type::u64:
            return "u64";
        case Type::bf16:
            return "bf16";
        case Type::f8e4m3fn:
        case Type::f8e4m3fnuz:
        case Type::f8e5m2:
        case Type::f8e5m2fnuz:
        case Type::f8e8m0:
            return "f8";
        case Type::u4:
            return "u4";
        case Type::int4:
        case Type::f4e2m1:
            return "int4";  // of four bits; models have no smaller floating point
        case Type::undefined:
        case Type::string:
        case Type::complex64:
        case Type::complex128:
            return "";
    }
    return "";
}

// ---- layouts
// --------------------------------------------------------------------------------------

constexpr std::string_view kOfImages =
    " Conv ConvInteger QLinearConv ConvTranspose DeformConv FusedConv MaxPool AveragePool "
    "LpPool GlobalAveragePool GlobalMaxPool GlobalLpPool LRN BatchNormalization "
    "InstanceNormalization GroupNormalization Resize Upsample DepthToSpace SpaceToDepth "
    "GridSample RoiAlign MaxRoiPool ChannelShuffle Threshold MaxUnpool ";
// Operations that work on each element, or along axes that can be named in any order.
constexpr std::string_view kOfAnyOrder =
    " Add Sub Mul Div Pow Mod Min Max Mean Sum And Or Xor Equal Less Greater LessOrEqual "
    "GreaterOrEqual Where Clip Cast QuantizeLinear DequantizeLinear Identity Dropout "
    "Concat Split Slice Pad Tile Expand ReduceMean ReduceSum ReduceMax ReduceMin "
    "ReduceProd ReduceL2 ArgMax ArgMin TopK Softmax LogSoftmax CumSum Relu LeakyRelu PRelu "
    "Elu Selu Celu Sigmoid HardSigmoid HardSwish Swish Gelu Tanh Softplus Softsign Mish "
    "Erf Exp Log Sqrt Reciprocal Abs Neg Floor Ceil Round Sign Sin Cos Not BipolarQuant "
    "Quant Threshold Quantized ";
constexpr std::string_view kReshaping = " Reshape Flatten Squeeze Unsqueeze ";
constexpr std::string_view kRecurrent = " LSTM GRU RNN ";

// An operation whose layer has the same attributes for every use: none.
struct Simple {
    std::string_view onnx, layer;
};

constexpr Simple kSimple[] = {{"Relu", "relu"},
                              {"LeakyRelu", "leaky_relu"},
                              {"PRelu", "prelu"},
                              {"Elu", "elu"},
                              {"Selu", "selu"},
                              {"Celu", "celu"},
                              {"Sigmoid", "sigmoid"},
                              {"HardSigmoid", "hard_sigmoid"},
                              {"HardSwish", "hard_swish"},
                              {"Swish", "silu"},
                              {"Gelu", "gelu"},
                              {"FastGelu", "gelu"},
                              {"Tanh", "tanh"},
                              {"Softplus", "softplus"},
                              {"Softsign", "softsign"},
                              {"Mish", "mish"},
                              {"Erf", "erf"},
                              {"Exp", "exp"},
                              {"Log", "log"},
                              {"Sqrt", "sqrt"},
                              {"Reciprocal", "reciprocal"},
                              {"Abs", "abs"},
                              {"Neg", "negative"},
                              {"Floor", "floor"},
                              {"Ceil", "ceil"},
                              {"Round", "round"},
                              {"Sign", "sign"},
                              {"Sin", "sin"},
                              {"Cos", "cos"},
                              {"Not", "not"},
                              {"Clip", "clip"},
                              {"BatchNormalization", "batch_norm"},
                              {"InstanceNormalization", "instance_norm"},
                              {"LRN", "lrn"},
                              {"RMSNormalization", "rms_norm"}};
constexpr Simple kBinaryLayers[] = {{"Add", "add"},
                                    {"Sum", "add"},
                                    {"Sub", "subtract"},
                                    {"Mul", "multiply"},
                                    {"Div", "divide"},
                                    {"Pow", "power"},
                                    {"Min", "minimum"},
                                    {"Max", "maximum"},
                                    {"Mod", "modulo"},
                                    {"Equal", "equal"},
                                    {"Less", "less"},
                                    {"Greater", "greater"},
                                    {"LessOrEqual", "less_equal"},
                                    {"GreaterOrEqual", "greater_equal"},
                                    {"And", "and"},
                                    {"Or", "or"},
                                    {"Xor", "xor"},
                                    {"Where", "where"}};
constexpr Simple kReductions[] = {{"ReduceMean", "reduce_mean"},
                                  {"ReduceSum", "reduce_sum"},
                                  {"ReduceMax", "reduce_max"},
                                  {"ReduceMin", "reduce_min"},
                                  {"ReduceProd", "reduce_product"},
                                  {"ReduceL2", "reduce_l2"},
                                  {"ArgMax", "arg_max"},
                                  {"ArgMin", "arg_min"}};

const Simple* find_in(std::span<const Simple> table, std::string_view onnx) {
    const auto found = std::ranges::find(table, onnx, &Simple::onnx);
    return found == table.end() ? nullptr : &*found;
}

constexpr std::int64_t kNoBatch = -1;

// How a tensor's sides stand in the model, and which of a plain one is the batch that is left out.
struct Place {
    Layout layout = Layout::plain;
    std::int64_t batch = kNoBatch;
    friend bool operator==(const Place&, const Place&) = default;
};

// Tensors that must lie alike are one group; what pins one of a group pins all.
class Layouts {
public:
    Layouts(const std::vector<const Step*>& steps, const std::map<std::string, Value>& values)
        : values_{values} {
        for (const Step* const step : steps) {
            if (step->is_declared) {
                pin_plain(step->node);
            } else {
                read(step->node);
            }
        }
        // A reshape that keeps batch and channels, [1, C, H, W] to [1, C, H * W], may keep the
        // order.
        for (bool again = true; again;) {
            again = false;
            for (const auto& [from, to] : reshaped_) {
                const int a = root(from), b = root(to);
                if (a == b) {
                    continue;
                }
                const bool one = is_image_[at(a)] != is_image_[at(b)];
                if (one && !is_plain_[at(a)] && !is_plain_[at(b)] && !is_sequence_[at(a)] &&
                    !is_sequence_[at(b)]) {
                    unite(from, to);
                    again = true;
                }
            }
        }
        for (const Step* const step : steps) {
            follow_batch(*step);
        }
    }

    Place of(const std::string& tensor) {
        const Dims& dims = values_.at(tensor).dims;
        const auto known = batches_.find(tensor);
        const Place plain{Layout::plain, known != batches_.end() ? known->second : first_one(dims)};
        const auto found = numbers_.find(tensor);
        if (found == numbers_.end()) {
            return plain;
        }
        const int group = root(tensor);
        if (is_image_[at(group)] && dims.size() >= 3 && dims.size() <= 5 && dims[0] == 1) {
            return {Layout::image, 0};
        }
        const bool of_sequence = (dims.size() == 3 && dims[1] == 1) ||
                                 (dims.size() == 4 && (dims[2] == 1 || dims[0] == 1));
        const std::int64_t batch = dims.size() == 4 ? (dims[2] == 1 ? 2 : 0) : 1;
        return is_sequence_[at(group)] && of_sequence ? Place{Layout::sequence, batch} : plain;
    }

private:
    int root(const std::string& tensor) {
        const auto [found, is_new] = numbers_.try_emplace(tensor, static_cast<int>(parent_.size()));
        if (is_new) {
            parent_.push_back(found->second);
            is_image_.push_back(false);
            is_plain_.push_back(false);
            is_sequence_.push_back(false);
        }
        int i = found->second;
        while (parent_[at(i)] != i) {
            i = parent_[at(i)] = parent_[at(parent_[at(i)])];
        }
        return i;
    }

    void unite(const std::string& one, const std::string& other) {
        const int a = root(one), b = root(other);
        parent_[at(b)] = a;
        is_image_[at(a)] = is_image_[at(a)] || is_image_[at(b)];
        is_plain_[at(a)] = is_plain_[at(a)] || is_plain_[at(b)];
        is_sequence_[at(a)] = is_sequence_[at(a)] || is_sequence_[at(b)];
    }

    const Value* variable(const std::string& tensor) const {
        const auto found = values_.find(tensor);
        return tensor.empty() || found == values_.end() || found->second.is_constant ||
                       !found->second.is_tensor
                   ? nullptr
                   : &found->second;
    }

    void read(const Node& node) {
        const auto first = node.outputs.empty() ? nullptr : variable(node.outputs[0]);
        if (first == nullptr) {
            return;
        }
        const std::size_t rank = first->dims.size();
        // Images of one batch lie otherwise than several.
        const auto is_alike = [&](const Dims& dims) {
            return rank == 0 || (dims[0] == 1) == (first->dims[0] == 1);
        };
        if (is_one_of(node.operation, kOfImages) && rank >= 3) {
            // Of Resize, Threshold and their like the rank says whether it is an image.
            const Value* const input = node.inputs.empty() ? nullptr : variable(node.inputs[0]);
            if (input != nullptr && input->dims.size() == rank) {
                unite(node.outputs[0], node.inputs[0]);
            }
            const bool pins = node.operation != "Threshold";
            is_image_[at(root(node.outputs[0]))] =
                is_image_[at(root(node.outputs[0]))] || (pins && rank <= 5);
        } else if (is_one_of(node.operation, kOfAnyOrder)) {
            for (const std::string& input : node.inputs) {
                const Value* const value = variable(input);
                if (value != nullptr && value->dims.size() == rank && is_alike(value->dims)) {
                    unite(node.outputs[0], input);
                }
            }
            for (const std::string& output : node.outputs) {
                const Value* const value = variable(output);
                if (value != nullptr && value->dims.size() == rank && is_alike(value->dims)) {
                    unite(node.outputs[0], output);
                }
            }
        } else if (is_one_of(node.operation, kRecurrent)) {
            pin(is_sequence_, node.inputs[0]);
            for (const std::string& output : node.outputs) {
                pin(is_sequence_, output);
            }
        } else if (is_one_of(node.operation, kReshaping) && !node.inputs.empty()) {
            const Value* const input = variable(node.inputs[0]);
            if (input != nullptr && rank >= 3 && input->dims.size() >= 3 && first->dims[0] == 1 &&
                input->dims[0] == 1 && first->dims[1] == input->dims[1]) {
                reshaped_.emplace_back(node.inputs[0], node.outputs[0]);
            }
        } else if (node.operation != "Transpose") {
            pin_plain(node);
        }
    }

    void pin_plain(const Node& node) {
        for (const std::string& input : node.inputs) {
            pin(is_plain_, input);
        }
        for (const std::string& output : node.outputs) {
            pin(is_plain_, output);
        }
    }

    void pin(std::vector<bool>& pins, const std::string& tensor) {
        if (variable(tensor) != nullptr) {
            const auto group = at(root(tensor));
            pins[group] = true;
        }
    }

    // ---- the batch of a plain tensor: the first side, if it is 1, unless it was moved
    // ------------
    static std::int64_t first_one(const Dims& dims) {
        return dims.size() > 1 && dims[0] == 1 ? 0 : kNoBatch;
    }

    static std::int64_t before(const Dims& dims, std::int64_t side) {
        return elements_of({dims.begin(), dims.begin() + side});
    }

    void follow_batch(const Step& step) {
        const Node& node = step.node;
        const auto from = std::ranges::find_if(
            node.inputs, [&](const std::string& input) { return variable(input) != nullptr; });
        for (const std::string& output : node.outputs) {
            const Value* const made = variable(output);
            if (made == nullptr) {
                continue;
            }
            std::int64_t batch = kNoBatch;
            if (from != node.inputs.end() && !step.is_declared) {
                batch = moved_batch(node, *from, *made);
            }
            const bool is_one = batch >= 0 &&
                                batch < static_cast<std::int64_t>(made->dims.size()) &&
                                made->dims.size() > 1 && made->dims[at(batch)] == 1;
            batches_[output] = is_one ? batch : first_one(made->dims);
        }
    }

    std::int64_t moved_batch(const Node& node, const std::string& from, const Value& made) {
        const Place place = of(from);
        const std::int64_t batch = place.batch;
        const Dims& dims = values_.at(from).dims;
        const auto rank = static_cast<std::int64_t>(made.dims.size());
        if (is_one_of(node.operation, kReshaping)) {
            // The side of 1 that has as many elements in front of it; where there was no batch, the
            // only side of 1.
            const std::int64_t in_front = batch == kNoBatch ? -1 : before(dims, batch);
            std::int64_t ones = 0, last = kNoBatch;
            for (std::int64_t i = 0; i < rank; ++i) {
                if (made.dims[at(i)] == 1) {
                    if (before(made.dims, i) == in_front) {
                        return i;
                    }
                    ++ones;
                    last = i;
                }
            }
            return batch == kNoBatch && node.operation == "Reshape" && ones == 1 && rank > 2 &&
                           last < rank - 1
                       ? last
                       : kNoBatch;
        }
        if (batch == kNoBatch) {
            return kNoBatch;
        }
        const Call call = call_of(node, values_);
        if (node.operation == "Transpose") {
            const Dims permutation = permutation_of(call);
            return std::ranges::find(permutation, batch) - permutation.begin();
        }
        if (node.operation == "Gather" && node.inputs[0] == from) {
            const std::int64_t axis = call.axis("axis", 0, call.rank(0));
            return axis < batch ? batch - 1 + call.rank(1) : axis == batch ? kNoBatch : batch;
        }
        if (find_in(kReductions, node.operation) != nullptr && rank < call.rank(0)) {
            const Dims axes = node.operation.starts_with("Arg")
                                  ? Dims{call.axis("axis", 0, call.rank(0))}
                                  : reduced_axes(call);
            if (std::ranges::find(axes, batch) != axes.end()) {
                return kNoBatch;
            }
            return batch -
                   std::ranges::count_if(axes, [&](std::int64_t axis) { return axis < batch; });
        }
        // Operands are aligned at their last sides.
        return batch + rank - static_cast<std::int64_t>(dims.size());
    }

    const std::map<std::string, Value>& values_;
    std::map<std::string, std::int64_t> batches_;  // the batch's side of plain tensors
    std::unordered_map<std::string, int> numbers_;
    std::vector<int> parent_;
    std::vector<bool> is_image_, is_plain_, is_sequence_;
    std::vector<std::pair<std::string, std::string>> reshaped_;
};

// ---- layers
// ---------------------------------------------------------------------------------------

// A tensor's sides in the model's order, by their numbers in ONNX. Sides that are joined (the
// directions and states of recurrent layers) stand one after the other.
Dims order_of(Place place, const Dims& dims) {
    const auto rank = static_cast<std::int64_t>(dims.size());
    Dims order;
    switch (place.layout) {
        case Layout::image:
            for (std::int64_t i = 2; i < rank; ++i) {
                order.push_back(i);
            }
            order.push_back(1);
            break;
        case Layout::sequence:
            for (std::int64_t i = 0; i < rank; ++i) {
                const bool is_batch = rank == 3 ? i == 1 : dims[2] == 1 ? i == 2 : i == 0;
                if (!is_batch) {
                    order.push_back(i);
                }
            }
            break;
        case Layout::plain:
            for (std::int64_t i = 0; i < rank; ++i) {
                if (i != place.batch) {
                    order.push_back(i);
                }
            }
            break;
    }
    return order;
}

Dims shape_of(Place place, const Dims& dims) {
    Dims shape;
    for (const std::int64_t side : order_of(place, dims)) {
        shape.push_back(dims[at(side)]);
    }
    if (place.layout == Layout::sequence && dims.size() == 4) {
        shape = {shape[0], shape[1] * shape[2]};
    }
    if (shape.empty()) {
        shape.push_back(1);
    }
    while (shape.size() > kMostSides) {
        shape[1] = checked_product(shape[0], shape[1]);
        shape.erase(shape.begin());
    }
    return shape;
}

std::string yaml_list(const Dims& numbers) { return to_string(numbers); }

constexpr std::string_view kConstant = "(a constant)";  // what a layer that is one comes from

// Thrown by a row that cannot say this use of its operation: the layer becomes opaque.
struct CannotSay {};

class Converter {
public:
    explicit Converter(const Inferred& inferred)
        : inferred_{inferred},
          live_{live_part_of(inferred)},
          layouts_{live_.steps, inferred.values} {}

    Layers run() {
        add_inputs();
        for (const Step* const step : live_.steps) {
            convert(*step);
        }
        add_outputs();
        remove_unread();
        add_makers();
        return std::move(result_);
    }

private:
    // ---- 1. what is alive -----------------------------------------------------------------------
    bool is_read(const std::string& tensor) const { return live_.tensors.contains(tensor); }

    // ---- 2. tensors -----------------------------------------------------------------------------
    const Value& value(const std::string& tensor) const { return inferred_.values.at(tensor); }

    bool is_variable(const std::string& tensor) const {
        const auto found = inferred_.values.find(tensor);
        return !tensor.empty() && found != inferred_.values.end() && !found->second.is_constant;
    }

    Dims model_shape(const std::string& tensor) {
        return shape_of(layouts_.of(tensor), value(tensor).dims);
    }

    std::string model_element(const std::string& tensor) const {
        if (const auto found = inferred_.elements.find(tensor); found != inferred_.elements.end()) {
            return found->second;
        }
        const Value& of = value(tensor);
        const std::string_view element = element_of(of.type);
        if (!of.is_tensor || element.empty()) {
            throw InputError{fmt::format(
                "{}: '{}' is {}, which no model can hold",
                inferred_.file.name,
                printable(tensor),
                of.is_tensor ? fmt::format("of the type {}", name_of(of.type))
                             : std::string{"a sequence, a map or of an unknown shape"})};
        }
        return std::string{element};
    }

    // What a layer that holds this constant has as its weights' element.
    std::string weights_of(const std::string& tensor) {
        if (const auto found = inferred_.elements.find(tensor); found != inferred_.elements.end()) {
            return found->second;
        }
        const Value& of = value(tensor);
        if (of.origin && is_binary(*of.origin)) {
            return "binary";
        }
        const std::string_view element =
            element_of(of.stored == Type::undefined ? of.type : of.stored);
        return std::string{element.empty() ? "f32" : element};
    }

    // Where an ONNX axis is among the sides in the model, counted from the end (-1 is the last).
    std::int64_t model_axis(const std::string& tensor, std::int64_t axis) {
        const Place lies = layouts_.of(tensor);
        const Dims& dims = value(tensor).dims;
        const Dims order = order_of(lies, dims);
        const auto place = std::ranges::find(order, axis);
        if (place == order.end() || (lies.layout == Layout::sequence && dims.size() == 4) ||
            order.size() > kMostSides) {
            throw CannotSay{};
        }
        return place - order.end();
    }

    // The layer's or input's name that stands for a tensor.
    std::string name_of_tensor(std::string tensor) const {
        for (auto alias = aliases_.find(tensor); alias != aliases_.end();
             alias = aliases_.find(tensor)) {
            tensor = alias->second;
        }
        const auto found = names_.find(tensor);
        return found == names_.end() ? tensor : found->second;
    }

    // ---- 3. names -------------------------------------------------------------------------------
    std::string unique_name(const std::string& wanted) {
        std::string name = printable(wanted);
        if (name.size() > 150) {
            name = "layer";
        }
        if (name.empty()) {
            name = "layer";
        }
        if (taken_.insert(name).second) {
            return name;
        }
        for (int i = 2;; ++i) {
            std::string next = fmt::format("{}_{}", name, i);
            if (taken_.insert(next).second) {
                return next;
            }
        }
    }

    std::string layer_name(const Node& node) {
        // A node's name that stands for several nodes says less than the tensor's.
        const bool usable = !node.name.empty() && is_name(node.name) && !taken_.contains(node.name);
        return unique_name(usable ? node.name : node.outputs.front());
    }

    // ---- 4. layers ------------------------------------------------------------------------------
    struct Draft {
        Layer layer;
        std::vector<std::string> tensors;  // that it reads
        std::vector<std::string> made;     // that it makes; "": one that the node leaves out
        ModelTensor unnamed = {};          // what is left out
    };

    void finish(const Node& node, Draft draft) {
        settle_element(draft);
        settle_ones(draft);
        Layer& layer = draft.layer;
        layer.name = layer_name(node);
        if (layer.from.empty()) {
            const Attribute* const said = node.find("from");
            layer.from = said != nullptr ? said->text : node.operation;
        }
        for (const std::string& tensor : draft.tensors) {
            layer.inputs.push_back(name_of_tensor(tensor));
        }
        if (draft.made.size() == 1) {
            names_[draft.made[0]] = layer.name;
        } else {
            for (std::size_t i = 0; i < draft.made.size(); ++i) {
                layer.outputs.push_back(unique_name(fmt::format("{}.{}", layer.name, i)));
                if (!draft.made[i].empty()) {
                    names_[draft.made[i]] = layer.outputs.back();
                }
            }
        }
        for (const std::string& made : draft.made) {
            layer.results.push_back(
                made.empty() ? draft.unnamed : ModelTensor{model_shape(made), model_element(made)});
        }
        result_.layers.push_back(std::move(layer));
    }

    // Operations whose result has their input's element, unless the layer says another.
    void settle_element(Draft& draft) {
        constexpr std::string_view kSame =
            " relu leaky_relu prelu elu selu celu sigmoid hard_sigmoid hard_swish silu gelu tanh "
            "softplus "
            "softsign mish erf exp log sqrt reciprocal abs negative floor ceil round sign sin cos "
            "not "
            "identity clip batch_norm instance_norm layer_norm rms_norm lrn subtract multiply "
            "divide power "
            "minimum maximum modulo ";
        constexpr std::string_view kMoved =
            " max_pool1d max_pool2d max_pool3d average_pool1d average_pool2d average_pool3d "
            "global_average_pool global_max_pool reshape slice pad expand tile gather scatter "
            "transpose "
            "flatten channel_shuffle depth_to_space space_to_depth upsample resize concat split "
            "reduce_mean reduce_sum reduce_max reduce_min reduce_product reduce_l2 cumulative_sum "
            "group_norm top_k lstm gru rnn attention softmax log_softmax ";
        Layer& layer = draft.layer;
        if (draft.tensors.empty() || draft.made.empty() || draft.made[0].empty()) {
            return;
        }
        const std::string made = model_element(draft.made[0]);
        const auto differs = [&](const std::string& tensor) {
            return inferred_.values.contains(tensor) && model_element(tensor) != made;
        };
        if (is_one_of(layer.operation, kSame) && std::ranges::any_of(draft.tensors, differs)) {
            const bool is_said = std::ranges::any_of(
                layer.attributes, [](const auto& attribute) { return attribute.first == "out"; });
            if (!is_said) {
                layer.attributes.emplace_back("out", made);
            }
        } else if (is_one_of(layer.operation, kMoved) &&
                   (differs(draft.tensors[0]) ||
                    (layer.operation == "concat" && std::ranges::any_of(draft.tensors, differs)))) {
            throw CannotSay{};
        }
    }

    // A fully connected layer gives 1x1xN, where ONNX has a row of N: sides of 1 that stay in front
    // until an operation says its whole shape. Where they would matter they are taken away first.
    void settle_ones(Draft& draft) {
        constexpr std::string_view kStated =
            " reshape slice pad expand tile gather scatter opaque embedding lstm gru rnn "
            "attention ";
        const std::string& operation = draft.layer.operation;
        const auto ones_of = [&](const std::string& tensor) {
            std::string source = tensor;
            for (auto alias = aliases_.find(source); alias != aliases_.end();
                 alias = aliases_.find(source)) {
                source = alias->second;
            }
            const auto found = ones_.find(source);
            return found == ones_.end() ? std::int64_t{0} : found->second;
        };
        if (is_one_of(operation,
                      " concat transpose split channel_shuffle embedding lstm gru rnn ") ||
            (operation == "matmul" && draft.tensors.size() > 1)) {
            for (std::string& tensor : draft.tensors) {
                if (ones_of(tensor) > 0) {
                    tensor = without_ones(tensor);
                }
            }
        }
        if (is_one_of(operation, kStated)) {
            return;
        }
        std::int64_t most = 0;
        for (const std::string& tensor : draft.tensors) {
            if (inferred_.values.contains(tensor)) {
                most = std::max(
                    most, static_cast<std::int64_t>(model_shape(tensor).size()) + ones_of(tensor));
            }
        }
        for (const std::string& made : draft.made) {
            if (made.empty()) {
                continue;
            }
            const auto rank = static_cast<std::int64_t>(model_shape(made).size());
            if (operation == "linear" || operation == "flatten") {
                ones_[made] = 3 - rank;
            } else if (operation.starts_with("reduce_") || operation.starts_with("arg_")) {
                ones_[made] = ones_of(draft.tensors[0]);
            } else if (most > rank) {
                ones_[made] = most - rank;
            }
        }
    }

    std::string without_ones(const std::string& tensor) {
        std::string key = tensor + " without ones";
        if (!names_.contains(key)) {
            Layer layer;
            layer.name = unique_name(name_of_tensor(tensor) + ".row");
            layer.operation = "reshape";
            layer.from = "Reshape";
            layer.inputs = {name_of_tensor(tensor)};
            layer.attributes = {{"shape", yaml_list(model_shape(tensor))}};
            layer.results = {{model_shape(tensor), model_element(tensor)}};
            names_[key] = layer.name;
            result_.layers.push_back(std::move(layer));
        }
        return key;
    }

    void alias(const std::string& to, const std::string& from) {
        aliases_[to] = from;
        ++result_.removed;
    }

    void add_inputs() {
        for (const Declared& input : inferred_.file.graph.inputs) {
            if (!is_read(input.name)) {
                result_.warnings.push_back(fmt::format("input '{}' is read by nothing and left out",
                                                       printable(input.name)));
                continue;
            }
            const std::string name = unique_name(is_name(input.name) ? input.name : "input");
            names_[input.name] = name;
            const Dims& dims = value(input.name).dims;
            const bool is_image =
                layouts_.of(input.name).layout == Layout::image && dims.size() == 4;
            result_.inputs.push_back(
                {name, {model_shape(input.name), model_element(input.name)}, is_image});
            if (dims.size() >= 3 && dims[0] != 1 &&
                layouts_.of(input.name).layout == Layout::plain && dims.size() == 4) {
                result_.warnings.push_back(fmt::format(
                    "input '{}' is {}: a batch other than 1, so that its layers are opaque; give "
                    "--dim '{}.0=1' if the file can take it",
                    printable(input.name),
                    to_string(dims),
                    printable(input.name)));
            }
        }
        if (result_.inputs.empty()) {
            throw InputError{
                fmt::format("{}: nothing in it depends on an input", inferred_.file.name)};
        }
    }

    void add_outputs() {
        for (const Declared& output : inferred_.file.graph.outputs) {
            if (!is_variable(output.name)) {
                result_.warnings.push_back(
                    fmt::format("output '{}' is a constant and left out", printable(output.name)));
                continue;
            }
            const std::string name = name_of_tensor(output.name);
            const bool is_input =
                std::ranges::find(result_.inputs, name, &LayerInput::name) != result_.inputs.end();
            if (is_input) {
                result_.warnings.push_back(fmt::format(
                    "output '{}' is an input as it is, and left out", printable(output.name)));
            } else if (std::ranges::find(result_.outputs, name) == result_.outputs.end()) {
                result_.outputs.push_back(name);
            }
        }
        if (result_.outputs.empty()) {
            throw InputError{
                fmt::format("{}: none of its outputs is made of its inputs", inferred_.file.name)};
        }
    }

    // Of reshapes in a row the last reads what the first does; of constants some were for a layer
    // that became opaque.
    void remove_unread() {
        std::set<std::string> read{result_.outputs.begin(), result_.outputs.end()};
        std::vector<Layer> kept;
        for (auto layer = result_.layers.rbegin(); layer != result_.layers.rend(); ++layer) {
            const bool reshapes = layer->operation == "reshape" || layer->operation == "flatten";
            if ((reshapes || layer->from == kConstant) && !read.contains(layer->name)) {
                result_.removed += reshapes ? 1 : 0;
                continue;
            }
            read.insert(layer->inputs.begin(), layer->inputs.end());
            kept.push_back(std::move(*layer));
        }
        std::ranges::reverse(kept);
        result_.layers = std::move(kept);
    }

    void add_makers() {
        std::map<std::string, std::string> layers;  // by the names of their results
        for (const Layer& layer : result_.layers) {
            layers.emplace(layer.name, layer.name);
            for (const std::string& output : layer.outputs) {
                layers.emplace(output, layer.name);
            }
        }
        for (const auto& [tensor, name] : names_) {
            if (const auto found = layers.find(name); found != layers.end()) {
                result_.made_by.emplace(tensor, found->second);
            }
        }
    }

    void convert(const Step& step) {
        bool is_said = false;
        if (!step.is_declared) {
            try {
                is_said = write(step.node);
            } catch (const CannotSay&) {
            } catch (const Unknown&) {
            } catch (const std::invalid_argument&) {  // attributes that its shapes did not need
            }
        }
        if (!is_said) {
            write_opaque(step.node);
        }
    }

    // A layer with everything that is known of a node but what it does.
    void write_opaque(const Node& node) {
        Draft draft;
        draft.layer.operation = "opaque";
        draft.layer.is_opaque = true;
        std::set<std::string> seen;
        std::int64_t weight_bits = 0;
        const auto read = [&](const std::string& tensor) {
            if (is_variable(tensor)) {
                if (seen.insert(tensor).second) {
                    draft.tensors.push_back(tensor);
                }
            } else if (const auto found = inferred_.values.find(tensor);
                       found != inferred_.values.end() && !tensor.empty()) {
                const Value& of = found->second;
                count_weight(tensor);
                const Type stored = of.stored == Type::undefined ? of.type : of.stored;
                weight_bits = checked_sum(weight_bits,
                                          checked_product(elements_of(of.dims), bits_of(stored)));
            }
        };
        std::ranges::for_each(node.inputs, read);
        std::ranges::for_each(captured_by(node), read);
        std::vector<std::string> shapes, types;
        for (const std::string& output : node.outputs) {
            if (!output.empty() && is_read(output)) {
                draft.made.push_back(output);
                shapes.push_back(yaml_list(model_shape(output)));
                types.push_back(model_element(output));
            }
        }
        auto& attributes = draft.layer.attributes;
        attributes.emplace_back(
            "kind",
            yaml_text(printable(node.domain.empty() ? node.operation
                                                    : node.domain + "." + node.operation)));
        if (shapes.size() == 1) {
            attributes.emplace_back("shape", shapes[0]);
            attributes.emplace_back("type", types[0]);
        } else {
            attributes.emplace_back("shapes", fmt::format("[{}]", fmt::join(shapes, ", ")));
            attributes.emplace_back("types", fmt::format("[{}]", fmt::join(types, ", ")));
        }
        draft.layer.macs = macs_of(node);
        if (draft.layer.macs > 0) {
            attributes.emplace_back("macs", std::to_string(draft.layer.macs));
        }
        if (weight_bits > 0) {
            attributes.emplace_back("weight_bytes", std::to_string((weight_bits + 7) / 8));
        }
        finish(node, std::move(draft));
    }

    // Multiply-accumulates of what multiplies matrices.
    std::int64_t macs_of(const Node& node) const {
        const Call call = call_of(node, inferred_.values);
        const std::string& operation = node.operation;
        const auto dims = [&](std::size_t i) {
            return call.has(i) ? call.inputs[i]->dims : Dims{};
        };
        const Dims result = node.outputs[0].empty() ? Dims{} : value(node.outputs[0]).dims;
        if (operation == "Conv" || operation == "ConvInteger" || operation == "QLinearConv" ||
            operation == "FusedConv" || operation == "DeformConv") {
            const Dims weights = dims(operation == "QLinearConv" ? 3 : 1);
            if (weights.size() < 2) {
                return 0;
            }
            return checked_product(elements_of(result),
                                   elements_of({weights.begin() + 1, weights.end()}));
        }
        if (operation == "ConvTranspose") {
            const Dims weights = dims(1);
            if (weights.size() < 2) {
                return 0;
            }
            return checked_product(elements_of(dims(0)),
                                   elements_of({weights.begin() + 1, weights.end()}));
        }
        if (operation == "MatMul" || operation == "MatMulInteger" || operation == "FusedMatMul" ||
            operation == "QLinearMatMul") {
            return dims(0).empty() ? 0 : checked_product(elements_of(result), dims(0).back());
        }
        if (operation == "Gemm") {
            return dims(0).size() != 2
                       ? 0
                       : checked_product(elements_of(result),
                                         dims(0)[call.integer("transA", 0) != 0 ? 0 : 1]);
        }
        if (is_one_of(operation, kRecurrent) && dims(0).size() == 3 && dims(1).size() == 3) {
            const Dims weights = dims(1), again = dims(2);
            return checked_product(dims(0)[0] * dims(0)[1],
                                   checked_sum(elements_of(weights), elements_of(again)));
        }
        if (operation == "Attention" && node.domain.empty() && !node.outputs.empty() &&
            call.has(1)) {
            // Queries by keys, and what they weigh by values: per query, head and key.
            const Dims q = dims(0), k = dims(1);
            if (q.size() == 3 && k.size() == 3) {
                return checked_product(2 * elements_of(q), k[1]);
            }
            return q.size() == 4 && k.size() == 4 ? checked_product(2 * elements_of(q), k[2]) : 0;
        }
        if (operation == "Einsum") {
            return einsum_macs(call);
        }
        return 0;
    }

    static std::int64_t einsum_macs(const Call& call) {
        if (call.inputs.size() != 2 || !call.has(0) || !call.has(1)) {
            return 0;
        }
        std::string equation = call.text("equation", "");
        std::erase(equation, ' ');
        const std::size_t comma = equation.find(','), arrow = equation.find("->");
        if (comma == std::string::npos || equation.find('.') != std::string::npos) {
            return 0;
        }
        std::map<char, std::int64_t> sides;
        const std::string terms[] = {equation.substr(0, comma),
                                     equation.substr(comma + 1, arrow - comma - 1)};
        for (std::size_t i = 0; i < 2; ++i) {
            const Dims& dims = call.inputs[i]->dims;
            for (std::size_t j = 0; j < std::min(terms[i].size(), dims.size()); ++j) {
                sides[terms[i][j]] = std::max(sides[terms[i][j]], dims[j]);
            }
        }
        std::int64_t product = 1;
        for (const auto& [letter, size] : sides) {
            product = checked_product(product, size);
        }
        return product;
    }

    // Numbers that are counted or chosen by are not; those that are quantized are.
    static bool is_weight(Type type) {
        return is_float(type) || type == Type::int8 || type == Type::u8 || type == Type::int4 ||
               type == Type::u4 || type == Type::int16 || type == Type::int32;
    }

    // Of every layer that holds it, though exporters let layers share constants that are alike.
    void count_weight(const std::string& tensor) {
        const auto found = inferred_.values.find(tensor);
        if (!tensor.empty() && found != inferred_.values.end() && found->second.is_constant &&
            is_weight(found->second.type)) {
            result_.weights += elements_of(found->second.dims);
        }
    }

    void count_weights(const Node& node) {
        for (const std::string& input : node.inputs) {
            count_weight(input);
        }
    }

    // ---- 5. the rows ----------------------------------------------------------------------------
    // False where the operation has no row; throws CannotSay where it has, but not for this use.
    bool write(const Node& node) {
        const std::string& operation = node.operation;
        const Call call = call_of(node, inferred_.values);
        const auto only_first_is_read = [&] {
            for (std::size_t i = 1; i < node.outputs.size(); ++i) {
                if (!node.outputs[i].empty() && is_read(node.outputs[i])) {
                    return false;
                }
            }
            return true;
        };
        if (node.domain == kOwnDomain) {
            return write_own(node, call);
        }
        if (!node.domain.empty() && node.domain != "com.microsoft") {
            return false;
        }
        if (operation == "Split") {
            write_split(node, call);
            return true;
        }
        if (operation == "TopK") {
            write_top_k(node, call);
            return true;
        }
        if (is_one_of(operation, kRecurrent)) {
            write_recurrent(node);
            return true;
        }
        if (node.outputs.empty() || node.outputs[0].empty() || !only_first_is_read()) {
            return false;
        }
        if (operation == "Identity" || operation == "Dropout") {
            alias(node.outputs[0], node.inputs[0]);
            return true;
        }
        if (operation == "Cast" || operation == "CastLike") {
            write_cast(node);
            return true;
        }
        if (is_one_of(operation, kReshaping)) {
            write_reshape(node);
            return true;
        }
        if (operation == "Transpose") {
            write_transpose(node, call);
            return true;
        }
        if (operation == "Concat") {
            std::vector<std::string> parts;  // those that have elements
            std::ranges::copy_if(
                node.inputs, std::back_inserter(parts), [&](const std::string& one) {
                    return elements_of(value(one).dims) > 0;
                });
            if (parts.size() == 1 && is_variable(parts[0])) {
                alias(node.outputs[0], parts[0]);
                return true;
            }
        }
        if (const Simple* const row = find_in(kBinaryLayers, operation)) {
            write_binary(node, row->layer);
            return true;
        }
        Draft draft;
        draft.made = {node.outputs[0]};
        if (!describe_one(node, call, draft)) {
            return false;
        }
        draft.layer.macs = macs_of(node);
        finish(node, std::move(draft));
        count_weights(node);
        return true;
    }

    // Operations of which the first input is a tensor and the rest, if there is any, constants.
    bool describe_one(const Node& node, const Call& call, Draft& draft) {
        const std::string& operation = node.operation;
        Layer& layer = draft.layer;
        auto& attributes = layer.attributes;
        const std::string& output = node.outputs[0];
        const std::string input = node.inputs.empty() ? "" : node.inputs[0];
        if (operation == "Gather" || operation == "GatherElements" || operation == "GatherND" ||
            operation.starts_with("Scatter")) {
            return describe_gather(node, call, draft);
        }
        if (operation == "MatMul" || operation == "Gemm" || operation == "FusedMatMul" ||
            operation == "MatMulInteger" || operation == "QLinearMatMul") {
            return describe_product(node, call, draft);
        }
        if (operation == "Concat") {
            layer.operation = "concat";
            for (const std::string& one : node.inputs) {
                if (elements_of(value(one).dims) > 0) {
                    draft.tensors.push_back(is_variable(one) ? one : constant_like(one, output));
                }
            }
            const std::int64_t axis =
                call.axis("axis", 1, static_cast<std::int64_t>(value(output).dims.size()));
            const std::int64_t place = model_axis(output, axis);
            for (const std::string& one : draft.tensors) {
                if (is_variable(one) && layouts_.of(one) != layouts_.of(output)) {
                    throw CannotSay{};
                }
            }
            if (place != -1) {
                attributes.emplace_back("axis", std::to_string(place));
            }
            return true;
        }
        if (operation == "Attention") {
            return describe_attention(node, call, draft);
        }

        // From here on one tensor goes in.
        if (!is_variable(input)) {
            return false;
        }
        for (std::size_t i = 1; i < node.inputs.size(); ++i) {
            if (is_variable(node.inputs[i])) {
                return false;
            }
        }
        draft.tensors = {input};
        if (const Simple* const row = find_in(kSimple, operation)) {
            layer.operation = row->layer;
            expect_alike(input, output);
            const bool of_channels = operation == "BatchNormalization" || operation == "LRN" ||
                                     operation == "InstanceNormalization";
            if (of_channels && value(input).dims.size() > 2 &&
                layouts_.of(input).layout != Layout::image) {
                throw CannotSay{};
            }
            return true;
        }
        if (const Simple* const row = find_in(kReductions, operation)) {
            layer.operation = row->layer;
            describe_reduction(node, call, draft);
            return true;
        }
        if (operation == "Conv" || operation == "ConvTranspose" || operation == "FusedConv" ||
            operation == "ConvInteger" || operation == "QLinearConv") {
            describe_convolution(node, call, draft);
            return true;
        }
        if (operation == "MaxPool" || operation == "AveragePool") {
            describe_pool(node, call, draft);
            return true;
        }
        if (operation == "GlobalAveragePool" || operation == "GlobalMaxPool") {
            expect_image(input);
            const bool is_mean = operation == "GlobalAveragePool";
            if (value(input).dims.size() == 4) {
                layer.operation = is_mean ? "global_average_pool" : "global_max_pool";
            } else {
                layer.operation = is_mean ? "reduce_mean" : "reduce_max";
                Dims axes;
                for (std::int64_t i = 2; i < call.rank(0); ++i) {
                    axes.push_back(model_axis(input, i));
                }
                attributes.emplace_back("axes", yaml_list(axes));
                attributes.emplace_back("keep", "true");
            }
            return true;
        }
        if (operation == "LayerNormalization" || operation == "GroupNormalization") {
            const bool is_group = operation == "GroupNormalization";
            if (is_group) {
                expect_image(input);
                attributes.emplace_back("groups", std::to_string(call.integer("num_groups", 1)));
            } else if (layouts_.of(input).layout != Layout::plain) {
                throw CannotSay{};
            }
            layer.operation = is_group ? "group_norm" : "layer_norm";
            return true;
        }
        if (operation == "Softmax" || operation == "LogSoftmax") {
            layer.operation = operation == "Softmax" ? "softmax" : "log_softmax";
            expect_alike(input, output);
            const bool is_old = node.opset != 0 && node.opset < 13;
            const std::int64_t rank = call.rank(0);
            const std::int64_t axis = call.axis("axis", is_old ? 1 : -1, rank);
            if (is_old) {  // over all sides from the axis on, as one
                for (std::int64_t i = axis + 1; i < rank; ++i) {
                    if (value(input).dims[at(i)] != 1) {
                        throw CannotSay{};
                    }
                }
            }
            if (const std::int64_t place = model_axis(input, axis); place != -1) {
                attributes.emplace_back("axis", std::to_string(place));
            }
            return true;
        }
        if (operation == "CumSum") {
            const Dims axis = call.constant_integers(1);
            if (axis.size() != 1) {
                return false;
            }
            layer.operation = "cumulative_sum";
            attributes.emplace_back(
                "axis", std::to_string(model_axis(input, axis_of(axis[0], call.rank(0)))));
            return true;
        }
        if (operation == "QuantizeLinear" || operation == "DequantizeLinear") {
            layer.operation = operation == "QuantizeLinear" ? "quantize" : "dequantize";
            attributes.emplace_back("out", model_element(output));
            return true;
        }
        if (operation == "Resize" || operation == "Upsample") {
            expect_image(input);
            const Dims& from = value(input).dims;
            const Dims& to = value(output).dims;
            if (from[1] != to[1] || from[0] != to[0]) {
                throw CannotSay{};
            }
            layer.operation = "resize";
            attributes.emplace_back("size", yaml_list({to.begin() + 2, to.end()}));
            return true;
        }
        if (operation == "DepthToSpace" || operation == "SpaceToDepth") {
            expect_image(input);
            layer.operation = operation == "DepthToSpace" ? "depth_to_space" : "space_to_depth";
            attributes.emplace_back("block", std::to_string(call.integer("blocksize", 1)));
            return true;
        }
        if (operation == "Slice" && is_of_channels(input, call)) {
            layer.operation = "split";
            attributes = {{"out_channels", std::to_string(value(output).dims[1])},
                          {"first_channel", std::to_string(cut_of(call).begin[1])}};
            return true;
        }
        if (operation == "Slice" || operation == "Pad" || operation == "Expand" ||
            operation == "Tile") {
            layer.operation = operation == "Slice"    ? "slice"
                              : operation == "Pad"    ? "pad"
                              : operation == "Expand" ? "expand"
                                                      : "tile";
            attributes.emplace_back("shape", yaml_list(model_shape(output)));
            if (operation != "Pad" && value(input).dims == value(output).dims &&
                layouts_.of(input) == layouts_.of(output) && !reverses(node, call)) {
                draft.layer.operation = "identity";
                attributes.clear();
            }
            return true;
        }
        return false;
    }

    // A Slice that takes neighbouring channels of images, all of their pixels, and leaves some.
    bool is_of_channels(const std::string& input, const Call& call) {
        const Dims& from = value(input).dims;
        if (layouts_.of(input).layout != Layout::image || from.size() != 4) {
            return false;
        }
        const Cut cut = cut_of(call);
        Dims size = from;
        size[1] = cut.size[1];
        return cut.size == size && cut.step == Dims(from.size(), 1) && size[1] < from[1];
    }

    static bool reverses(const Node& node, const Call& call) {
        return node.operation == "Slice" && std::ranges::min(cut_of(call).step) < 0;
    }

    // Where an axis is named it must be the same of both.
    void expect_alike(const std::string& one, const std::string& other) {
        if (layouts_.of(one) != layouts_.of(other)) {
            throw CannotSay{};
        }
    }

    void expect_image(const std::string& tensor) {
        if (layouts_.of(tensor).layout != Layout::image) {
            throw CannotSay{};
        }
    }

    // A layer that holds a constant of this shape, for another to read; the name of its tensor.
    std::string constant_layer(const std::string& constant, const Dims& shape) {
        std::string tensor = fmt::format("{} as {}", constant, to_string(shape));
        if (names_.contains(tensor)) {
            return tensor;
        }
        Layer layer;
        layer.name = unique_name(constant);
        layer.operation = "constant";
        layer.from = std::string{kConstant};
        const std::string element = model_element(constant);
        layer.attributes = {{"shape", yaml_list(shape)}, {"type", element}};
        layer.results = {{shape, element}};
        names_[tensor] = layer.name;
        count_weight(constant);
        result_.layers.push_back(std::move(layer));
        return tensor;
    }

    // The same, lying as a tensor of the same rank does.
    std::string constant_like(const std::string& constant, const std::string& beside) {
        const Dims& dims = value(constant).dims;
        Place place = layouts_.of(constant);
        if (!beside.empty() && value(beside).dims.size() == dims.size()) {
            place = layouts_.of(beside);
            if (place.batch != kNoBatch && dims[at(place.batch)] != 1) {
                throw CannotSay{};
            }
        }
        return constant_layer(constant, shape_of(place, dims));
    }

    // The side lengths of an operand beside a result that may be an image, ones in front left out.
    Dims operand_shape(const std::string& operand, const std::string& beside) {
        Dims dims = value(operand).dims;
        const Dims& whole = value(beside).dims;
        dims.insert(dims.begin(), whole.size() - std::min(whole.size(), dims.size()), 1);
        const Place place = layouts_.of(beside);
        Dims shape;
        for (const std::int64_t side : order_of(place, whole)) {
            shape.push_back(dims[at(side)]);
        }
        if (place.layout == Layout::sequence && whole.size() == 4) {
            shape = {shape[0], shape[1] * shape[2]};
        }
        while (shape.size() > 1 && shape[0] == 1) {
            shape.erase(shape.begin());
        }
        if (shape.empty()) {
            shape.push_back(1);
        }
        return shape;
    }

    static Dims without_front(Dims dims) {
        while (dims.size() > 1 && dims[0] == 1) {
            dims.erase(dims.begin());
        }
        return dims;
    }

    void write_binary(const Node& node, std::string_view operation) {
        const std::string& output = node.outputs[0];
        Draft draft;
        draft.layer.operation = operation;
        draft.made = {output};
        std::vector<std::string> constants;
        std::vector<Dims> shapes;
        for (const std::string& input : node.inputs) {
            if (is_variable(input)) {
                // It must lie as the result does, as far as it goes.
                const bool same_rank = value(input).dims.size() == value(output).dims.size();
                if ((same_rank && layouts_.of(input).layout != layouts_.of(output).layout) ||
                    without_front(operand_shape(input, output)) !=
                        without_front(model_shape(input))) {
                    throw CannotSay{};
                }
                draft.tensors.push_back(input);
                shapes.push_back(model_shape(input));
            } else if (!input.empty()) {
                constants.push_back(input);
                shapes.push_back(operand_shape(input, output));
            }
        }
        // One bit and one bit have no sum in a model.
        if (operation == "add" &&
            std::ranges::any_of(draft.tensors, [&](const std::string& tensor) {
                return model_element(tensor) == "binary";
            })) {
            throw CannotSay{};
        }
        const std::size_t operands = draft.tensors.size() + constants.size();
        if (operands == 1 && constants.empty() && operation != "where") {
            alias(output, draft.tensors[0]);
            return;
        }
        const bool any_number = operation == "add";
        const std::size_t most = operation == "where" ? 3 : 2;
        if (draft.tensors.empty() || (!any_number && operands > most)) {
            throw CannotSay{};
        }
        // What broadcasts in ONNX's order must do so in the model's.
        try {
            if (broadcast(shapes) != model_shape(output)) {
                throw CannotSay{};
            }
        } catch (const std::invalid_argument&) {
            throw CannotSay{};
        }
        const bool one_is_enough = constants.size() == 1 && operands == most;
        for (const std::string& constant : constants) {
            if (one_is_enough) {
                draft.layer.attributes.emplace_back("constant",
                                                    yaml_list(operand_shape(constant, output)));
            } else {
                draft.tensors.push_back(constant_layer(constant, operand_shape(constant, output)));
            }
        }
        // Of whole numbers a sum is wider than its parts; here it is what ONNX says.
        constexpr std::string_view kGivesTruth =
            " equal less greater less_equal greater_equal and or xor ";
        const bool is_comparison = is_one_of(operation, kGivesTruth);
        const std::string element = model_element(output);
        if (!is_comparison && !is_one_of(element, " f16 bf16 f32 f64 ")) {
            draft.layer.attributes.emplace_back("out", element);
        }
        finish(node, std::move(draft));
        count_weights(node);
    }

    void write_cast(const Node& node) {
        const std::string& output = node.outputs[0];
        if (!is_variable(node.inputs[0])) {
            throw CannotSay{};
        }
        if (model_element(node.inputs[0]) == model_element(output)) {
            alias(output, node.inputs[0]);
            return;
        }
        // Bytes cast to f32 are bytes dequantized by a step of 1.
        const bool is_of_bytes = is_one_of(model_element(node.inputs[0]), " u8 int8 ");
        Draft draft;
        draft.layer.operation =
            is_of_bytes && model_element(output) == "f32" ? "dequantize" : "convert";
        draft.layer.attributes = {{"out", model_element(output)}};
        draft.tensors = {node.inputs[0]};
        draft.made = {output};
        finish(node, std::move(draft));
    }

    // The sides above 1 in the model's order.
    Dims long_sides(const std::string& tensor) {
        const Dims& dims = value(tensor).dims;
        Dims sides;
        for (const std::int64_t side : order_of(layouts_.of(tensor), dims)) {
            if (dims[at(side)] != 1) {
                sides.push_back(side);
            }
        }
        return sides;
    }

    void write_reshape(const Node& node) {
        const std::string &input = node.inputs[0], &output = node.outputs[0];
        if (!is_variable(input)) {
            throw CannotSay{};
        }
        const Dims from = long_sides(input), to = long_sides(output);
        const bool keeps_channels = layouts_.of(input).layout == Layout::image &&
                                    layouts_.of(output).layout == Layout::image &&
                                    value(input).dims[1] == value(output).dims[1];
        const bool keeps_order =
            keeps_channels || (std::ranges::is_sorted(from) && std::ranges::is_sorted(to));
        if (keeps_order) {
            write_same_order(node);
            return;
        }
        Draft draft;
        draft.tensors = {input};
        draft.made = {output};
        const Dims shape = model_shape(output);
        if (shape.size() == 1) {
            draft.layer.operation = "flatten";
        } else {
            draft.layer.operation = "reshape";
            draft.layer.attributes = {{"shape", yaml_list(shape)}};
        }
        finish(node, std::move(draft));
    }

    // The elements of the input, or of what that is a reshape of, in the same order: nothing, if
    // the sides are the same too.
    void write_same_order(const Node& node) {
        const std::string& output = node.outputs[0];
        const auto known = same_order_.find(node.inputs[0]);
        const std::string source = known == same_order_.end() ? node.inputs[0] : known->second;
        same_order_[output] = source;
        const Dims shape = model_shape(output);
        for (const std::string& from : {node.inputs[0], source}) {
            if (model_shape(from) == shape) {
                alias(output, from);
                return;
            }
        }
        Draft draft;
        draft.tensors = {source};
        draft.made = {output};
        draft.layer.operation = shape.size() == 1 ? "flatten" : "reshape";
        if (shape.size() > 1) {
            draft.layer.attributes = {{"shape", yaml_list(shape)}};
        }
        finish(node, std::move(draft));
    }

    void write_transpose(const Node& node, const Call& call) {
        const std::string &input = node.inputs[0], &output = node.outputs[0];
        if (!is_variable(input)) {
            throw CannotSay{};
        }
        const Dims permutation = permutation_of(call);
        Dims moved;  // the result's sides above 1, as sides of the input
        for (const std::int64_t side : long_sides(output)) {
            moved.push_back(permutation[at(side)]);
        }
        if (moved == long_sides(input)) {
            write_same_order(node);
            return;
        }
        const Dims from_shape = model_shape(input), to_shape = model_shape(output);
        Draft draft;
        draft.tensors = {input};
        draft.made = {output};
        // Sides of the input by their places in the model; of those that the model leaves out of
        // one of the two, all are 1 and stand for each other.
        const Dims from = order_of(layouts_.of(input), value(input).dims);
        const Dims to = order_of(layouts_.of(output), value(output).dims);
        if (from.size() != to.size() || from.size() != from_shape.size() ||
            to.size() != to_shape.size()) {
            throw CannotSay{};
        }
        Dims places(to.size(), -1);
        std::vector<bool> is_used(from.size(), false);
        for (std::size_t i = 0; i < to.size(); ++i) {
            const auto found = std::ranges::find(from, permutation[at(to[i])]);
            if (found != from.end()) {
                places[i] = found - from.begin();
                is_used[at(places[i])] = true;
            }
        }
        for (std::int64_t& place : places) {
            if (place < 0) {
                place = std::ranges::find(is_used, false) - is_used.begin();
                is_used[at(place)] = true;
            }
        }
        draft.layer.operation = "transpose";
        draft.layer.attributes = {{"permutation", yaml_list(places)}};
        finish(node, std::move(draft));
    }

    void describe_reduction(const Node& node, const Call& call, Draft& draft) {
        const std::string &input = node.inputs[0], &output = node.outputs[0];
        if (value(input).dims.size() == value(output).dims.size()) {
            expect_alike(input, output);
        }
        const Dims reduced = node.operation.starts_with("Arg")
                                 ? Dims{call.axis("axis", 0, call.rank(0))}
                                 : reduced_axes(call);
        const bool keep = call.integer("keepdims", 1) != 0;
        Dims axes, shape = model_shape(input);
        for (const std::int64_t axis : reduced) {
            const Dims order = order_of(layouts_.of(input), value(input).dims);
            if (std::ranges::find(order, axis) == order.end()) {
                continue;  // the batch, which is 1
            }
            axes.push_back(model_axis(input, axis));
        }
        if (axes.empty()) {
            throw CannotSay{};
        }
        std::ranges::sort(axes);
        const auto rank = static_cast<std::int64_t>(shape.size());
        Dims result;
        for (std::int64_t i = 0; i < rank; ++i) {
            const bool goes = std::ranges::find(axes, i - rank) != axes.end();
            if (!goes || keep) {
                result.push_back(goes ? 1 : shape[at(i)]);
            }
        }
        if (result.empty()) {
            result.push_back(1);
        }
        if (result != model_shape(output)) {
            throw CannotSay{};
        }
        draft.layer.attributes.emplace_back("axes", yaml_list(axes));
        if (keep) {
            draft.layer.attributes.emplace_back("keep", "true");
        }
    }

    // One number where all are the same.
    static std::string sides_text(const Dims& sides) {
        const bool alike =
            std::ranges::all_of(sides, [&](std::int64_t side) { return side == sides[0]; });
        return alike ? std::to_string(sides[0]) : yaml_list(sides);
    }

    static void add_window(const Window& window, const Dims& pads, Draft& draft) {
        auto& attributes = draft.layer.attributes;
        const auto is = [](const Dims& sides, std::int64_t what) {
            return std::ranges::all_of(sides, [&](std::int64_t side) { return side == what; });
        };
        attributes.emplace_back("kernel", yaml_list(window.kernel));
        attributes.emplace_back("stride", sides_text(window.stride));
        if (std::ranges::min(pads) < 0) {
            throw CannotSay{};
        }
        if (!is(pads, 0)) {
            attributes.emplace_back("padding", sides_text(pads));
        }
        if (!is(window.dilation, 1)) {
            attributes.emplace_back("dilation", sides_text(window.dilation));
        }
    }

    // The paddings at the end that give this result when the last window must fit in whole.
    static Dims pads_for(const Window& window, const Dims& from, const Dims& to, bool exactly) {
        Dims pads = window.pad_begin;
        for (std::size_t i = 0; i < window.kernel.size(); ++i) {
            const std::int64_t reach = (window.kernel[i] - 1) * window.dilation[i] + 1;
            const std::int64_t needed =
                (to[i + 2] - 1) * window.stride[i] + reach - from[i + 2] - window.pad_begin[i];
            const bool fits = !exactly && needed <= window.pad_end[i] &&
                              needed + window.stride[i] > window.pad_end[i];
            pads.push_back(fits ? window.pad_end[i] : needed);
        }
        return pads;
    }

    void describe_convolution(const Node& node, const Call& call, Draft& draft) {
        const std::string &input = node.inputs[0], &output = node.outputs[0];
        expect_image(input);
        expect_image(output);
        const Dims& from = value(input).dims;
        const Dims& to = value(output).dims;
        const std::size_t sides = from.size() - 2;
        const bool is_transposed = node.operation == "ConvTranspose";
        const std::int64_t groups = call.integer("group", 1);
        const Window window = window_of(call, kernel_of(call));
        auto& attributes = draft.layer.attributes;
        const bool is_depthwise =
            !is_transposed && sides == 2 && groups > 1 && groups == from[1] && groups == to[1];
        draft.layer.operation =
            is_depthwise ? "depthwise_conv2d"
                         : fmt::format("conv{}{}d", is_transposed ? "_transpose" : "", sides);
        attributes.emplace_back("weights",
                                weights_of(node.inputs[node.operation == "QLinearConv" ? 3 : 1]));
        if (!is_depthwise) {
            attributes.emplace_back("out_channels", std::to_string(to[1]));
        }
        if (is_transposed) {
            Dims pads = window.pad_begin, more = call.integers("output_padding");
            pads.insert(pads.end(), window.pad_end.begin(), window.pad_end.end());
            more.resize(sides, 0);
            for (std::size_t i = 0; i < sides; ++i) {
                const std::int64_t reach = (window.kernel[i] - 1) * window.dilation[i] + 1;
                const std::int64_t size = (from[i + 2] - 1) * window.stride[i] + reach + more[i] -
                                          pads[i] - pads[sides + i];
                // With output_shape or auto_pad the paddings follow from the result.
                pads[sides + i] += size - to[i + 2];
            }
            add_window(window, pads, draft);
            if (std::ranges::any_of(more, [](std::int64_t one) { return one != 0; })) {
                attributes.emplace_back("output_padding", sides_text(more));
            }
        } else {
            add_window(window, pads_for(window, from, to, false), draft);
        }
        if (groups != 1 && !is_depthwise) {
            attributes.emplace_back("groups", std::to_string(groups));
        }
        if (const Attribute* const pad = node.find("hetmap_pad_value")) {
            attributes.emplace_back("pad_value", std::to_string(pad->integer));
        }
        add_out(model_element(input),
                weights_of(node.inputs[node.operation == "QLinearConv" ? 3 : 1]),
                output,
                attributes);
    }

    // The element of a product, where it is not what one gets without saying: the wider of the two
    // if one of them is a floating-point number, else int32.
    void add_out(const std::string& one,
                 const std::string& other,
                 const std::string& output,
                 std::vector<std::pair<std::string, std::string>>& attributes) {
        constexpr std::string_view kReal = " f8 f16 bf16 f32 f64 ";
        const std::string out = model_element(output);
        const bool one_is_real = is_one_of(one, kReal), other_is_real = is_one_of(other, kReal);
        constexpr std::string_view kWide = " int64 u64 ";
        const bool is_clear = one == other || one_is_real != other_is_real ||
                              (!one_is_real && !is_one_of(one, kWide) && !is_one_of(other, kWide));
        const std::string natural = !one_is_real && !other_is_real ? "int32"
                                    : one_is_real                  ? one
                                                                   : other;
        if (out != natural || !is_clear) {
            attributes.emplace_back("out", out);
        }
    }

    void describe_pool(const Node& node, const Call& call, Draft& draft) {
        const std::string &input = node.inputs[0], &output = node.outputs[0];
        expect_image(input);
        const Window window = window_of(call, call.integers("kernel_shape"));
        draft.layer.operation = fmt::format(
            "{}_pool{}d", node.operation == "MaxPool" ? "max" : "average", window.kernel.size());
        add_window(window, pads_for(window, value(input).dims, value(output).dims, false), draft);
        const auto is_padded = [](const Dims& pads) {
            return std::ranges::any_of(pads, [](std::int64_t one) { return one != 0; });
        };
        if (node.operation == "AveragePool" && call.integer("count_include_pad", 0) != 0 &&
            (is_padded(window.pad_begin) || is_padded(window.pad_end))) {
            draft.layer.attributes.emplace_back("count_padding", "true");
        }
    }

    // Are a tensor's last sides in the model those of ONNX, and what is in front in the same order?
    bool ends_as_in_onnx(const std::string& tensor, std::int64_t sides) {
        const Place place = layouts_.of(tensor);
        const auto rank = static_cast<std::int64_t>(value(tensor).dims.size());
        return place.layout == Layout::plain && rank >= sides &&
               (place.batch == kNoBatch || (place.batch == 0 && rank > sides) ||
                (sides == 1 && place.batch < rank - 1));
    }

    bool describe_product(const Node& node, const Call& call, Draft& draft) {
        const std::string &a = node.inputs[0], &output = node.outputs[0];
        const std::string& b = node.inputs[node.operation == "QLinearMatMul" ? 3 : 1];
        const bool is_gemm = node.operation == "Gemm";
        const bool turn_a = call.integer("transA", 0) != 0, turn_b = call.integer("transB", 0) != 0;
        if (is_gemm && node.inputs.size() > 2 && is_variable(node.inputs[2])) {
            return false;
        }
        for (const std::string* const one : {&a, &b, &output}) {
            if (is_variable(*one) && layouts_.of(*one).layout == Layout::image) {
                return false;
            }
        }
        auto& attributes = draft.layer.attributes;
        const Dims& weights = value(b).dims;
        if (is_variable(a) && !is_variable(b) && weights.size() == 2 && !turn_a) {
            const std::int64_t columns = weights[turn_b ? 0 : 1];
            // One row: a fully connected layer of the whole tensor.
            const Dims& rows = value(a).dims;
            const bool is_one_row = model_shape(a).size() == 1 && elements_of(rows) == rows.back();
            if (!ends_as_in_onnx(a, 1) || !ends_as_in_onnx(output, 1)) {
                return false;
            }
            draft.layer.operation = is_one_row ? "linear" : "matmul";
            draft.tensors = {a};
            attributes.emplace_back("weights", weights_of(b));
            attributes.emplace_back("out_channels", std::to_string(columns));
            add_out(model_element(a), weights_of(b), output, attributes);
            return true;
        }
        draft.layer.operation = "matmul";
        for (const std::string* const one : {&a, &b}) {
            draft.tensors.push_back(is_variable(*one) ? *one : constant_like(*one, ""));
            if (shape_of(layouts_.of(*one), value(*one).dims).size() < 2) {
                return false;
            }
        }
        for (const std::string* const one : {&a, &b, &output}) {
            if (is_variable(*one) && !ends_as_in_onnx(*one, 2)) {
                return false;
            }
        }
        if (turn_a) {
            attributes.emplace_back("transpose_a", "true");
        }
        if (turn_b) {
            attributes.emplace_back("transpose_b", "true");
        }
        const auto element = [&](const std::string& one) { return model_element(one); };
        add_out(element(a), element(b), output, attributes);
        return true;
    }

    // The draft's layer has weights that are dequantized, and its results have their element: it
    // goes in front of a layer that dequantizes.
    void dequantize_after(Draft& draft, const std::string& output) {
        Layer first = std::move(draft.layer);
        first.name = unique_name(output + ".quantized");
        first.from = "Gather";
        for (const std::string& tensor : draft.tensors) {
            first.inputs.push_back(name_of_tensor(tensor));
        }
        std::string element = "int8";
        for (const auto& [key, text] : first.attributes) {
            element = key == "weights" ? text : element;
        }
        first.results = {{model_shape(output), element}};
        const std::string tensor = output + " quantized";
        names_[tensor] = first.name;
        result_.layers.push_back(std::move(first));
        draft.layer = Layer{};
        draft.layer.operation = "dequantize";
        draft.layer.attributes = {{"out", model_element(output)}};
        draft.tensors = {tensor};
    }

    bool describe_gather(const Node& node, const Call& call, Draft& draft) {
        const std::string& output = node.outputs[0];
        const std::string &data = node.inputs[0], &indices = node.inputs[1];
        auto& attributes = draft.layer.attributes;
        if (node.operation == "Gather" && !is_variable(data) && value(data).dims.size() == 2 &&
            call.axis("axis", 0, 2) == 0 && model_shape(indices).size() == 1) {
            const Dims expected{model_shape(indices)[0], value(data).dims[1]};
            if (model_shape(output) != expected) {
                return false;
            }
            draft.layer.operation = "embedding";
            draft.tensors = {indices};
            attributes.emplace_back("vocabulary", std::to_string(value(data).dims[0]));
            attributes.emplace_back("out_channels", std::to_string(value(data).dims[1]));
            attributes.emplace_back("weights", weights_of(data));
            if (weights_of(data) != model_element(output)) {
                dequantize_after(draft, output);
            }
            return true;
        }
        for (const std::string& input : node.inputs) {
            if (is_variable(input)) {
                draft.tensors.push_back(input);
            }
        }
        // The first input gives the element.
        if (!is_variable(data) && !value(data).is_tensor) {
            return false;
        }
        if (!is_variable(data)) {
            draft.tensors.insert(draft.tensors.begin(), constant_like(data, ""));
        }
        if (draft.tensors.size() > 3) {
            return false;
        }
        draft.layer.operation = node.operation.starts_with("Gather") ? "gather" : "scatter";
        attributes.emplace_back("shape", yaml_list(model_shape(output)));
        return true;
    }

    bool describe_attention(const Node& node, const Call& call, Draft& draft) {
        for (std::size_t i = 0; i < 3; ++i) {
            if (!call.has(i) || !is_variable(node.inputs[i]) || call.rank(i) != 3 ||
                call.inputs[i]->dims[0] != 1) {
                return false;
            }
            draft.tensors.push_back(node.inputs[i]);
        }
        for (std::size_t i = 3; i < node.inputs.size(); ++i) {
            if (call.has(i)) {
                return false;
            }
        }
        const std::int64_t heads = call.integer("q_num_heads", 0);
        if (heads != call.integer("kv_num_heads", 0)) {
            return false;
        }
        draft.layer.operation = "attention";
        draft.layer.attributes.emplace_back("heads", std::to_string(heads));
        return true;
    }

    void write_split(const Node& node, const Call& call) {
        const std::string& input = node.inputs[0];
        if (!is_variable(input)) {
            throw CannotSay{};
        }
        const std::int64_t axis = call.axis("axis", 0, call.rank(0));
        std::vector<std::string> parts;
        Dims sizes;
        for (const std::string& output : node.outputs) {
            if (output.empty()) {
                throw CannotSay{};
            }
            if (is_variable(output)) {  // else it has no elements
                parts.push_back(output);
                sizes.push_back(value(output).dims[at(axis)]);
            }
        }
        Draft draft;
        draft.tensors = {input};
        if (parts.size() == 1) {
            alias(parts[0], input);
            return;
        }
        draft.made = parts;
        const std::int64_t place = model_axis(input, axis);
        for (const std::string& part : parts) {
            expect_alike(input, part);
            if (model_axis(part, axis) != place ||
                model_shape(part).size() != model_shape(input).size()) {
                throw CannotSay{};
            }
        }
        if (layouts_.of(input).layout == Layout::image && axis == 1 &&
            value(input).dims.size() == 4) {
            write_channels(node, input, parts, sizes);
            return;
        }
        draft.layer.operation = "split";
        draft.layer.attributes = {{"axis", std::to_string(place)}, {"sizes", yaml_list(sizes)}};
        finish(node, std::move(draft));
    }

    // Parts of the channels: a layer for each, which kernels compute.
    void write_channels(const Node& node,
                        const std::string& input,
                        const std::vector<std::string>& parts,
                        const Dims& sizes) {
        std::int64_t first = 0;
        for (std::size_t i = 0; i < parts.size(); ++i) {
            Layer part;
            part.name = unique_name(parts[i]);
            part.operation = "split";
            part.from = node.operation;
            part.attributes = {{"out_channels", std::to_string(sizes[i])},
                               {"first_channel", std::to_string(first)}};
            part.inputs = {name_of_tensor(input)};
            part.results = {{model_shape(parts[i]), model_element(parts[i])}};
            names_[parts[i]] = part.name;
            result_.layers.push_back(std::move(part));
            first += sizes[i];
        }
    }

    void write_top_k(const Node& node, const Call& call) {
        const std::string& input = node.inputs[0];
        if (!is_variable(input) || node.outputs.size() != 2 || node.outputs[0].empty() ||
            node.outputs[1].empty()) {
            throw CannotSay{};
        }
        const std::int64_t axis = call.axis("axis", -1, call.rank(0));
        expect_alike(input, node.outputs[0]);
        expect_alike(input, node.outputs[1]);
        Draft draft;
        draft.tensors = {input};
        draft.made = node.outputs;
        draft.layer.operation = "top_k";
        draft.layer.attributes = {{"k", std::to_string(value(node.outputs[0]).dims[at(axis)])}};
        if (const std::int64_t place = model_axis(input, axis); place != -1) {
            draft.layer.attributes.emplace_back("axis", std::to_string(place));
        }
        finish(node, std::move(draft));
    }

    void write_recurrent(const Node& node) {
        const std::string& input = node.inputs[0];
        // Of weights that are not constant, lengths, or initial states that come from elsewhere the
        // grammar has nothing.
        for (std::size_t i = 1; i < node.inputs.size(); ++i) {
            if (is_variable(node.inputs[i])) {
                throw CannotSay{};
            }
        }
        const std::int64_t directions = value(node.inputs[1]).dims[0];
        const std::int64_t hidden = value(node.inputs[2]).dims.at(2);
        if (!is_variable(input) || model_shape(input).size() != 2) {
            throw CannotSay{};
        }
        Draft draft;
        draft.tensors = {input};
        draft.layer.operation = node.operation == "LSTM"  ? "lstm"
                                : node.operation == "GRU" ? "gru"
                                                          : "rnn";
        draft.layer.attributes = {{"hidden", std::to_string(hidden)}};
        if (directions != 1) {
            draft.layer.attributes.emplace_back("directions", std::to_string(directions));
        }
        bool states = false;
        for (std::size_t i = 1; i < node.outputs.size(); ++i) {
            states = states || (!node.outputs[i].empty() && is_read(node.outputs[i]));
        }
        const std::size_t results = node.operation == "LSTM" ? 3 : 2;
        if (node.outputs[0].empty()) {
            throw CannotSay{};
        }
        draft.made = {node.outputs[0]};
        const Dims expected{model_shape(input)[0], directions * hidden};
        if (model_shape(node.outputs[0]) != expected) {
            throw CannotSay{};
        }
        const Dims state{directions, hidden};
        for (std::size_t i = 1; states && i < results; ++i) {
            // A state that the node leaves out has a name all the same.
            const std::string made = i < node.outputs.size() ? node.outputs[i] : "";
            if (!made.empty() && model_shape(made) != state) {
                throw CannotSay{};
            }
            draft.made.push_back(made);
        }
        draft.unnamed = {state, model_element(node.outputs[0])};
        draft.layer.macs = macs_of(node);
        finish(node, std::move(draft));
        count_weights(node);
    }

    // What recognise.cpp put in place of a pattern.
    bool write_own(const Node& node, const Call& call) {
        Draft draft;
        draft.tensors = {node.inputs[0]};
        draft.made = {node.outputs[0]};
        if (node.operation == "ChannelShuffle") {
            expect_image(node.inputs[0]);
            draft.layer.operation = "channel_shuffle";
            draft.layer.attributes = {{"groups", std::to_string(call.integer("groups", 1))}};
        } else if (node.operation == "Threshold") {
            draft.layer.operation = "threshold";
        } else if (node.operation == "Quantized") {
            draft.layer.operation = "quantize";
            draft.layer.attributes = {{"out", model_element(node.outputs[0])}};
        } else {
            return false;
        }
        finish(node, std::move(draft));
        count_weights(node);
        return true;
    }

    const Inferred& inferred_;
    Layers result_;
    Live live_;
    Layouts layouts_;
    std::set<std::string> taken_;
    std::map<std::string, std::string> names_;       // of tensors in the model
    std::map<std::string, std::string> aliases_;     // tensors that are another
    std::map<std::string, std::int64_t> ones_;       // sides of 1 that the model has in front
    std::map<std::string, std::string> same_order_;  // tensors that are a reshape of another
    std::set<std::string> counted_;                  // constants that layers hold
};

}  // namespace

Layers layers_of(const Inferred& inferred) { return Converter{inferred}.run(); }

}  // namespace sim::onnx
