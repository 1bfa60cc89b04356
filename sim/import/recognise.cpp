#include "sim/import/recognise.hpp"

#include "sim/import/folding.hpp"

#include <algorithm>
#include <cmath>
#include <optional>
#include <set>
#include <unordered_map>

namespace sim::onnx {
namespace {

// Of one tensor, whose values they keep.
constexpr std::string_view kMoving =
    " MaxPool Reshape Flatten Squeeze Unsqueeze Transpose Identity Dropout ";
constexpr int kMostMoves = 32;  // one after the other

bool is_own(const Node& node, std::string_view operation) {
    return node.domain.empty() && node.operation == operation;
}

constexpr double kNoLimit = std::numeric_limits<float>::max();

Attribute text_attribute(const std::string& name, const std::string& text) {
    Attribute attribute;
    attribute.name = name;
    attribute.kind = Attribute::Kind::text;
    attribute.text = text;
    return attribute;
}

Attribute integer_attribute(const std::string& name, std::int64_t number) {
    Attribute attribute;
    attribute.name = name;
    attribute.kind = Attribute::Kind::integer;
    attribute.integer = number;
    return attribute;
}

Attribute number_attribute(const std::string& name, double number) {
    Attribute attribute;
    attribute.name = name;
    attribute.kind = Attribute::Kind::number;
    attribute.number = number;
    return attribute;
}

class Recogniser {
public:
    explicit Recogniser(Inferred& inferred) : inferred_{inferred} { find_readers(); }

    void run() {
        for (Step& step : inferred_.steps) {
            if (!step.is_folded && !step.is_declared) {
                channel_shuffle(step.node);
                padded_convolution(step.node);
                threshold(step.node);
                quant(step.node);
                multi_threshold(step.node);
            } else if (step.is_folded) {
                weights(step.node);
            }
        }
        find_readers();
        for (Step& step : inferred_.steps) {
            if (!step.is_folded && !step.is_declared) {
                quantized_operation(step.node);
            }
        }
        for (Step& step : inferred_.steps) {
            if (!step.is_folded && !step.is_declared) {
                dequantized_product(step.node);
            }
        }
        live_ = live_part_of(inferred_);
        for (const Step* const step : live_.steps) {
            for (const std::string& input : step->node.inputs) {
                live_readers_[input].push_back(&step->node);
            }
        }
        for (const Step& step : inferred_.steps) {
            if (!step.is_folded && !step.is_declared) {
                pass_elements_on(step.node);
            }
        }
    }

private:
    void find_readers() {
        makers_.clear();
        readers_.clear();
        for (Step& step : inferred_.steps) {
            for (const std::string& output : step.node.outputs) {
                if (!output.empty()) {
                    makers_[output] = &step;
                }
            }
            for (const std::string& input : step.node.inputs) {
                ++readers_[input];
            }
            for (const std::string& captured : captured_by(step.node)) {
                ++readers_[captured];
            }
        }
        for (const Declared& output : inferred_.file.graph.outputs) {
            ++readers_[output.name];
        }
    }

    // The node that makes the tensor, if it has this operation.
    Node* maker(const std::string& tensor, std::string_view operation) {
        const auto found = makers_.find(tensor);
        return found != makers_.end() && !found->second->is_declared &&
                       is_own(found->second->node, operation)
                   ? &found->second->node
                   : nullptr;
    }

    bool has_one_reader(const std::string& tensor) const {
        const auto found = readers_.find(tensor);
        return found != readers_.end() && found->second == 1;
    }

    bool is_constant(const std::string& tensor) const {
        const auto found = inferred_.values.find(tensor);
        return found != inferred_.values.end() && found->second.is_constant;
    }

    const Dims& dims(const std::string& tensor) const { return inferred_.values.at(tensor).dims; }

    // The number of a constant that is one, or holds the same everywhere.
    std::optional<double> number(const std::string& tensor) const {
        const auto found = inferred_.values.find(tensor);
        if (found == inferred_.values.end()) {
            return std::nullopt;
        }
        const std::optional<Numbers> numbers = numbers_of(found->second);
        if (!numbers || numbers->size() == 0) {
            return std::nullopt;
        }
        for (std::size_t i = 1; i < numbers->size(); ++i) {
            if (numbers->number(i) != numbers->number(0)) {
                return std::nullopt;
            }
        }
        return numbers->number(0);
    }

    void replace(Node& node,
                 const std::string& operation,
                 const std::string& from,
                 std::vector<std::string> inputs) {
        node.domain = kOwnDomain;
        node.operation = operation;
        node.inputs = std::move(inputs);
        node.attributes = {text_attribute("from", from)};
    }

    // [1, g * c, H, W] as [1, g, c, H, W], g and c exchanged, and back.
    void channel_shuffle(Node& last) {
        if (!is_own(last, "Reshape")) {
            return;
        }
        Node* const turn = maker(last.inputs[0], "Transpose");
        Node* const first = turn != nullptr ? maker(turn->inputs[0], "Reshape") : nullptr;
        if (first == nullptr || !has_one_reader(last.inputs[0]) ||
            !has_one_reader(turn->inputs[0])) {
            return;
        }
        const std::string& input = first->inputs[0];
        const Dims &from = dims(input), &between = dims(turn->inputs[0]);
        const Dims permutation = permutation_of(call_of(*turn, inferred_.values));
        if (from != dims(last.outputs[0]) || from.size() != 4 || between.size() != 5 ||
            between[0] != from[0] || between[1] * between[2] != from[1] || between[3] != from[2] ||
            between[4] != from[3] || permutation != Dims{0, 2, 1, 3, 4}) {
            return;
        }
        replace(last, "ChannelShuffle", "Reshape + Transpose + Reshape", {input});
        last.attributes.push_back(integer_attribute("groups", between[1]));
    }

    void padded_convolution(Node& node) {
        if (!is_own(node, "Conv") || node.inputs.size() < 2 || !is_constant(node.inputs[1])) {
            return;
        }
        const Node* const pad = maker(node.inputs[0], "Pad");
        const Call call = call_of(node, inferred_.values);
        if (pad == nullptr || !has_one_reader(node.inputs[0]) || is_constant(pad->inputs[0]) ||
            call.text("auto_pad", "NOTSET") != "NOTSET") {
            return;
        }
        const Call pad_call = call_of(*pad, inferred_.values);
        const Dims &from = dims(pad->inputs[0]), &to = dims(node.inputs[0]);
        if (pad_call.text("mode", "constant") != "constant" || pad_call.has(3) || from.size() < 3) {
            return;
        }
        const std::optional<double> value =
            pad_call.has(2) ? number(pad->inputs[2]) : pad_call.number("value", 0);
        const Dims given = pad_call.has_attribute("paddings")
                               ? pad_call.integers("paddings")
                               : pad_call.integers_of("pads", 1).value_or(Dims{});
        Dims pads = call.integers("pads");
        const std::size_t sides = from.size() - 2;
        pads.resize(2 * sides, 0);
        if (!value || (*value != 0 && *value != 1 && *value != -1) ||
            given.size() != 2 * from.size() || from[0] != to[0] || from[1] != to[1] ||
            std::ranges::min(given) < 0 ||
            (*value != 0 && std::ranges::any_of(pads, [](std::int64_t one) { return one != 0; }))) {
            return;
        }
        for (std::size_t i = 0; i < sides; ++i) {
            pads[i] += given[2 + i];
            pads[sides + i] += given[from.size() + 2 + i];
        }
        std::erase_if(node.attributes, [](const Attribute& one) { return one.name == "pads"; });
        Attribute attribute;
        attribute.name = "pads";
        attribute.kind = Attribute::Kind::integers;
        attribute.integers = pads;
        node.attributes.push_back(attribute);
        node.attributes.push_back(text_attribute("from", "Pad + Conv"));
        if (*value != 0) {
            node.attributes.push_back(
                integer_attribute("hetmap_pad_value", static_cast<std::int64_t>(*value)));
        }
        node.inputs[0] = pad->inputs[0];
    }

    void pass_elements_on(const Node& node) {
        constexpr std::string_view kKeep =
            " MaxPool GlobalMaxPool Reshape Flatten Squeeze Unsqueeze Transpose Identity Dropout "
            "Concat "
            "Slice Split Expand Tile Gather ChannelShuffle DepthToSpace SpaceToDepth ";
        const auto element = [&](const std::string& tensor) {
            const auto found = inferred_.elements.find(tensor);
            return found == inferred_.elements.end() ? std::string{} : found->second;
        };
        if (node.inputs.empty()) {
            return;
        }
        const std::string first = element(node.inputs[0]);
        if ((node.domain.empty() || node.domain == kOwnDomain) &&
            is_one_of(node.operation, kKeep) && !first.empty()) {
            const bool alike = node.operation != "Concat" ||
                               std::ranges::all_of(node.inputs, [&](const std::string& input) {
                                   return element(input) == first;
                               });
            for (const std::string& output : node.outputs) {
                if (alike && !output.empty()) {
                    inferred_.elements[output] = first;
                    if (scales_.contains(node.inputs[0]) && node.operation != "Concat") {
                        scales_[output] = scales_[node.inputs[0]];
                    }
                }
            }
        }
        if (is_own(node, "Cast") && is_bytes(node.inputs[0]) &&
            only_binary_products_read(node.outputs[0], kMostMoves)) {
            inferred_.elements[node.outputs[0]] = "u8";
        }
        if (is_product(node) && !first.empty() &&
            ends_in_thresholds(node.outputs[0], gives_whole_numbers(node, first), kMostMoves)) {
            inferred_.elements[node.outputs[0]] = "int32";
        }
    }

    static bool is_product(const Node& node) {
        return (is_own(node, "Conv") || is_own(node, "Gemm") || is_own(node, "MatMul")) &&
               node.inputs.size() >= 2;
    }

    // The constant as it lies in the file, nullptr if it was computed.
    TensorPointer stored(const std::string& tensor) const {
        const auto found = inferred_.file.graph.constants.find(tensor);
        return found == inferred_.file.graph.constants.end() ? nullptr : found->second;
    }

    bool is_bytes(const std::string& tensor) const {
        const auto found = inferred_.values.find(tensor);
        return found != inferred_.values.end() && !found->second.is_constant &&
               found->second.type == Type::u8;
    }

    // What reads the bytes are products with binary weights, perhaps once they have been moved, so
    // many times at most.
    bool only_binary_products_read(const std::string& tensor, int moves) const {
        const auto readers = live_readers_.find(tensor);
        return moves > 0 && readers != live_readers_.end() && !is_output(tensor) &&
               std::ranges::all_of(readers->second, [&](const Node* reader) {
                   if (is_product(*reader)) {
                       const TensorPointer weights = stored(reader->inputs[1]);
                       return reader->inputs[0] == tensor && weights && is_binary(*weights);
                   }
                   return reader->domain.empty() && is_one_of(reader->operation, kMoving) &&
                          only_binary_products_read(reader->outputs[0], moves - 1);
               });
    }

    // Weights of +1 and -1, no bias, and bits of +1 and -1 or bytes that come in.
    bool gives_whole_numbers(const Node& node, const std::string& element) const {
        const TensorPointer weights = stored(node.inputs[1]);
        const auto scale = scales_.find(node.inputs[0]);
        const bool is_one = scale != scales_.end() && scale->second == 1;
        if (!weights || !is_binary(*weights) ||
            !(element == "u8" || (element == "binary" && is_one)) ||
            call_of(node, inferred_.values).number("alpha", 1) != 1 ||
            (node.inputs.size() > 2 && number(node.inputs[2]) != 0.0)) {
            return false;
        }
        const std::optional<Numbers> numbers = numbers_of(*weights);
        for (std::size_t i = 0; numbers && i < numbers->size(); ++i) {
            if (std::abs(numbers->number(i)) != 1) {
                return false;
            }
        }
        return numbers.has_value();
    }

    bool is_output(const std::string& tensor) const {
        return std::ranges::any_of(inferred_.file.graph.outputs,
                                   [&](const Declared& output) { return output.name == tensor; });
    }

    // Do only thresholds read the tensor, perhaps once it has been moved, or the outputs, where
    // they may? So many moves at most.
    bool ends_in_thresholds(const std::string& tensor, bool may_be_output, int moves) const {
        const auto readers = live_readers_.find(tensor);
        if (moves == 0 || (is_output(tensor) ? !may_be_output : readers == live_readers_.end())) {
            return false;
        }
        return readers == live_readers_.end() ||
               std::ranges::all_of(readers->second, [&](const Node* reader) {
                   if (reader->domain == kOwnDomain && reader->operation == "Threshold") {
                       return true;
                   }
                   return reader->domain.empty() && is_one_of(reader->operation, kMoving) &&
                          ends_in_thresholds(reader->outputs[0], may_be_output, moves - 1);
               });
    }

    void threshold(Node& node) {
        std::string input, from;
        std::vector<Attribute> rule;  // what parameters.cpp needs to find the integers
        double scale = 1;
        if (is_own(node, "Sign")) {
            input = node.inputs[0];
            from = "Sign";
            rule = {text_attribute("comparison", "Sign")};
        } else if (node.operation == "BipolarQuant" && !node.domain.empty() &&
                   !node.inputs.empty()) {
            input = node.inputs[0];
            from = "BipolarQuant";
            rule = {text_attribute("comparison", "BipolarQuant")};
            scale = node.inputs.size() > 1 ? number(node.inputs[1]).value_or(0) : 0;
        } else if (is_own(node, "Where") && node.inputs.size() == 3 &&
                   is_constant(node.inputs[1]) && is_constant(node.inputs[2])) {
            const std::optional<double> yes = number(node.inputs[1]), no = number(node.inputs[2]);
            if (!yes || !no || *yes != -*no || *yes == 0 || std::isnan(*yes)) {
                return;
            }
            for (const std::string_view comparison :
                 {"Greater", "GreaterOrEqual", "Less", "LessOrEqual"}) {
                const Node* const compare = maker(node.inputs[0], comparison);
                if (compare != nullptr && compare->inputs.size() == 2 &&
                    !is_constant(compare->inputs[0]) && is_constant(compare->inputs[1])) {
                    input = compare->inputs[0];
                    from = std::string{comparison} + " + Where";
                    rule = {text_attribute("comparison", std::string{comparison}),
                            text_attribute("level", compare->inputs[1]),
                            integer_attribute("plus", *yes > 0 ? 1 : 0)};
                    scale = std::abs(*yes);
                }
            }
        }
        if (input.empty() || is_constant(input) || !is_float(inferred_.values.at(input).type)) {
            return;
        }
        // What does not change the sign: a clip around zero.
        if (const Node* const clip = maker(input, "Clip"); clip != nullptr && around_zero(*clip)) {
            input = clip->inputs[0];
            rule.push_back(integer_attribute("clipped", 1));
        }
        const Node* const norm = maker(input, "BatchNormalization");
        if (norm != nullptr && (has_one_reader(input) || only_compared(input))) {
            from = "BatchNormalization + " + from;
            rule.push_back(text_attribute("norm", input));
            input = norm->inputs[0];
        }
        const std::string output = node.outputs[0];
        replace(node, "Threshold", from, {input});
        rule.push_back(number_attribute("scale", scale));
        node.attributes.insert(node.attributes.end(), rule.begin(), rule.end());
        scales_[output] = scale;
        inferred_.elements[output] = "binary";
    }

    bool only_compared(const std::string& tensor) const {
        const auto found = readers_.find(tensor);
        return found != readers_.end() && found->second == 1;
    }

    bool around_zero(const Node& clip) const {
        const Call call = call_of(clip, inferred_.values);
        double least = call.number("min", -1), most = call.number("max", 1);
        if (call.has(1)) {
            least = number(clip.inputs[1]).value_or(0);
        }
        if (call.has(2)) {
            most = number(clip.inputs[2]).value_or(0);
        }
        return least < 0 && most > 0;
    }

    // QONNX: a quantized tensor held in floating-point numbers. The fourth input is the number of
    // bits.
    void quant(Node& node) {
        if (node.domain.empty() || node.operation != "Quant" || is_constant(node.inputs[0])) {
            return;
        }
        const std::string element = quant_element(node);
        if (element.empty()) {
            return;
        }
        const std::string output = node.outputs[0];
        replace(node, element == "binary" ? "Threshold" : "Quantized", "Quant", {node.inputs[0]});
        inferred_.elements[output] = element;
    }

    // QONNX: as many steps as thresholds; its type says what comes out.
    void multi_threshold(Node& node) {
        if (node.domain.empty() || node.operation != "MultiThreshold" || node.inputs.empty() ||
            is_constant(node.inputs[0])) {
            return;
        }
        const std::string type = call_of(node, inferred_.values).text("out_dtype", "");
        const bool is_unsigned = type.starts_with("UINT");
        const std::string bits =
            type.substr(std::min<std::size_t>(type.size(), is_unsigned ? 4 : 3));
        std::string element;
        if (type == "BIPOLAR") {
            element = "binary";
        } else if (type == "TERNARY") {
            element = "ternary";
        } else if ((is_unsigned || type.starts_with("INT")) && bits.size() == 1 && bits[0] >= '1' &&
                   bits[0] <= '8') {
            element =
                bits[0] <= '4' ? (is_unsigned ? "u4" : "int4") : (is_unsigned ? "u8" : "int8");
        } else {
            return;
        }
        const std::string output = node.outputs[0];
        replace(node,
                element == "binary" ? "Threshold" : "Quantized",
                "MultiThreshold",
                {node.inputs[0]});
        inferred_.elements[output] = element;
    }

    std::string quant_element(const Node& node) const {
        const Call call = call_of(node, inferred_.values);
        const std::optional<double> bits = call.has(3) ? number(node.inputs[3]) : std::nullopt;
        if (!bits) {
            return "";
        }
        const bool is_signed = call.integer("signed", 1) != 0;
        const bool narrow = call.integer("narrow", 0) != 0;
        if (*bits == 1) {
            return "binary";
        }
        if (*bits == 2 && is_signed && narrow) {
            return "ternary";
        }
        return *bits <= 4    ? (is_signed ? "int4" : "u4")
               : *bits <= 8  ? (is_signed ? "int8" : "u8")
               : *bits <= 16 ? (is_signed ? "int16" : "u16")
                             : "";
    }

    // Constants that QONNX quantizes.
    void weights(const Node& node) {
        if (node.domain.empty() || node.outputs.empty()) {
            return;
        }
        if (node.operation == "BipolarQuant") {
            inferred_.elements[node.outputs[0]] = "binary";
        } else if (node.operation == "Quant") {
            const std::string element = quant_element(node);
            if (!element.empty()) {
                inferred_.elements[node.outputs[0]] = element;
            }
        }
    }

    // Of a QuantizeLinear or DequantizeLinear: the names of its constants, and along which axis.
    std::vector<Attribute> formats_of(const Node& node, const std::string& number) const {
        const Call call = call_of(node, inferred_.values);
        return {text_attribute("scale" + number, node.inputs.size() > 1 ? node.inputs[1] : ""),
                text_attribute("zero" + number, node.inputs.size() > 2 ? node.inputs[2] : ""),
                integer_attribute("axis" + number, call.integer("axis", 1))};
    }

    // Of a Relu or Clip; none where they are no constants.
    void add_limits(const Node& activation, std::vector<Attribute>& attributes) const {
        const Call call = call_of(activation, inferred_.values);
        std::optional<double> least = 0, most;
        if (activation.operation == "Clip") {
            least = call.has(1) ? number(activation.inputs[1]) : call.number("min", -kNoLimit);
            most = call.has(2) ? number(activation.inputs[2]) : call.number("max", kNoLimit);
            attributes.push_back(integer_attribute("is_clipped", least && most ? 1 : -1));
        }
        attributes.push_back(number_attribute("least", least.value_or(-kNoLimit)));
        attributes.push_back(number_attribute("most", most.value_or(kNoLimit)));
    }

    // What has the same result on numbers before and after they are dequantized, or a
    // requantization of its own at the end.
    void quantized_operation(Node& quantize) {
        constexpr std::string_view kOperations =
            " Conv ConvTranspose Gemm MatMul Add Sub Mul Concat MaxPool AveragePool "
            "GlobalAveragePool GlobalMaxPool Relu Clip LeakyRelu Sigmoid HardSwish HardSigmoid "
            "Tanh Reshape Flatten Transpose Resize Squeeze Unsqueeze Slice Pad ReduceMean ";
        if (!is_own(quantize, "QuantizeLinear") || is_constant(quantize.inputs[0])) {
            return;
        }
        std::string result = quantize.inputs[0], from = "";
        Node* node = nullptr;
        std::vector<Attribute> formats = formats_of(quantize, "");
        // An activation between a product and its quantization is part of the requantization.
        for (const std::string_view activation : {"Relu", "Clip"}) {
            const Node* const found = maker(result, activation);
            if (found == nullptr || !has_one_reader(result) || is_constant(found->inputs[0])) {
                continue;
            }
            for (const std::string_view product :
                 {"Conv", "Gemm", "MatMul", "Add", "ConvTranspose"}) {
                Node* const before = maker(found->inputs[0], product);
                if (before != nullptr && has_one_reader(found->inputs[0])) {
                    node = before;
                    from = std::string{" + "} + std::string{activation};
                    result = found->inputs[0];
                    add_limits(*found, formats);
                    break;
                }
            }
            break;
        }
        if (node == nullptr) {
            const auto made = makers_.find(result);
            if (made == makers_.end() || made->second->is_folded || made->second->is_declared ||
                !made->second->node.domain.empty() || !has_one_reader(result)) {
                return;
            }
            node = &made->second->node;
        }
        if (!is_one_of(node->operation, kOperations) || node->outputs.size() != 1) {
            return;
        }
        std::vector<std::string> inputs;
        for (const std::string& input : node->inputs) {
            if (!input.empty() && !is_constant(input) &&
                maker(input, "DequantizeLinear") == nullptr) {
                return;
            }
            inputs.push_back(before_dequantized(input, inputs.size(), formats));
        }
        // The last node stands for all; the others go with the dead ones.
        const std::string name = node->name, operation = node->operation;
        const std::vector<std::string> outputs = quantize.outputs;
        Node merged = *node;
        merged.inputs = inputs;
        merged.outputs = {outputs[0]};
        merged.attributes.push_back(
            text_attribute("from", "DequantizeLinear + " + operation + from + " + QuantizeLinear"));
        merged.attributes.insert(merged.attributes.end(), formats.begin(), formats.end());
        quantize = merged;
        // The tensor between is no one's any more.
        node->name.clear();
    }

    // A product of numbers and weights that are dequantized, whose result nothing quantizes: it
    // reads the numbers as they were before, and gives f32.
    void dequantized_product(Node& node) {
        if (!is_product(node) || node.inputs.size() < 2 || node.find("from") != nullptr ||
            is_constant(node.inputs[0]) || !is_constant(node.inputs[1]) ||
            maker(node.inputs[0], "DequantizeLinear") == nullptr ||
            maker(node.inputs[1], "DequantizeLinear") == nullptr) {
            return;
        }
        std::vector<std::string> inputs;
        std::vector<Attribute> formats{
            text_attribute("from", "DequantizeLinear + " + node.operation)};
        for (const std::string& input : node.inputs) {
            inputs.push_back(before_dequantized(input, inputs.size(), formats));
        }
        node.inputs = inputs;
        node.attributes.insert(node.attributes.end(), formats.begin(), formats.end());
    }

    // What an operation's input was before it was dequantized, its format added to `formats`; the
    // input itself where it was not.
    std::string before_dequantized(const std::string& input,
                                   std::size_t number,
                                   std::vector<Attribute>& formats) {
        const Node* const dequantize = input.empty() ? nullptr : maker(input, "DequantizeLinear");
        if (dequantize == nullptr) {
            return input;
        }
        const std::vector<Attribute> of_input = formats_of(*dequantize, std::to_string(number));
        formats.insert(formats.end(), of_input.begin(), of_input.end());
        return dequantize->inputs[0];
    }

    Inferred& inferred_;
    Live live_;
    std::unordered_map<std::string, Step*> makers_;
    std::unordered_map<std::string, int> readers_;
    std::unordered_map<std::string, std::vector<const Node*>> live_readers_;
    std::unordered_map<std::string, double> scales_;  // of binary tensors: what a bit stands for
};

}  // namespace

void recognise(Inferred& inferred) { Recogniser{inferred}.run(); }

}  // namespace sim::onnx
