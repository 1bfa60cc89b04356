#include "sim/import/inference.hpp"

#include "sim/checked.hpp"
#include "sim/error.hpp"
#include "sim/import/folding.hpp"
#include "sim/text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <stdexcept>

namespace sim::onnx {
namespace {

constexpr std::size_t kMostWarnings = 20;
constexpr int kDeepestBranch = 32;                             // branches in branches
constexpr std::int64_t kMostElements = std::int64_t{1} << 40;  // of a tensor

class Inference {
public:
    Inference(File file, const Sizes& sizes) : sizes_{sizes} { result_.file = std::move(file); }

    Inferred run() {
        Graph& graph = result_.file.graph;
        add_constants(graph, {});
        add_inputs();
        std::vector<Node> nodes = std::move(graph.nodes);
        graph.nodes.clear();
        for (Node& node : nodes) {
            add(std::move(node), graph.declared, 0);
        }
        for (const Declared& output : graph.outputs) {
            check(output, fmt::format("output '{}'", printable(output.name)));
        }
        if (more_warnings_ > 0) {
            result_.warnings.push_back(fmt::format("and {} more of these", more_warnings_));
        }
        return std::move(result_);
    }

private:
    [[noreturn]] void refuse(const std::string& what) const {
        throw InputError{fmt::format("{}: {}", result_.file.name, what)};
    }

    void warn(std::string what) {
        if (result_.warnings.size() < kMostWarnings) {
            result_.warnings.push_back(std::move(what));
        } else {
            ++more_warnings_;
        }
    }

    void add_constants(const Graph& graph, const std::map<std::string, std::string>& names) {
        for (const auto& [name, tensor] : graph.constants) {
            Value value;
            value.type = tensor->type;
            value.dims = tensor->dims;
            value.is_constant = true;
            if (tensor->length >= 0) {
                value.constant = value.origin = tensor;
            }
            value.stored = tensor->type;
            const auto renamed = names.find(name);
            result_.values[renamed == names.end() ? name : renamed->second] = std::move(value);
        }
    }

    // ---- 1. inputs: every side needs a size
    // ------------------------------------------------------ The size of a declared side; -1 if it
    // is not known.
    std::int64_t size_of(const Declared& declared, std::size_t axis) const {
        const Side& side = declared.sides[axis];
        const auto by_place = sizes_.find(fmt::format("{}.{}", declared.name, axis));
        if (by_place != sizes_.end()) {
            return by_place->second;
        }
        if (!side.symbol.empty()) {
            const auto by_name = sizes_.find(side.symbol);
            return by_name == sizes_.end() ? -1 : by_name->second;
        }
        return side.size;
    }

    void add_inputs() {
        std::set<std::string> missing, known;
        for (const auto& [name, declared] : result_.file.graph.declared) {
            for (std::size_t axis = 0; axis < declared.sides.size(); ++axis) {
                known.insert(fmt::format("{}.{}", name, axis));
                known.insert(declared.sides[axis].symbol);
            }
        }
        for (const auto& [name, size] : sizes_) {
            if (name.empty() || !known.contains(name)) {
                known.erase("");
                std::vector<std::string> names;
                for (const Declared& input : result_.file.graph.inputs) {
                    for (const Side& side : input.sides) {
                        if (!side.symbol.empty() &&
                            std::ranges::find(names, side.symbol) == names.end()) {
                            names.push_back(printable(side.symbol));
                        }
                    }
                }
                refuse(fmt::format(
                    "--dim {}: no dimension has this name; its inputs have: {}",
                    printable(name),
                    names.empty() ? "none" : fmt::format("{}", fmt::join(names, ", "))));
            }
        }
        for (const Declared& input : result_.file.graph.inputs) {
            const std::string what = fmt::format("input '{}'", printable(input.name));
            if (!input.is_tensor) {
                refuse(what + ": it is no tensor but a sequence or a map, which is not supported");
            }
            if (!input.has_shape || input.type == Type::undefined) {
                refuse(what + ": the file does not say its shape or its element type");
            }
            Value value;
            value.type = input.type;
            for (std::size_t axis = 0; axis < input.sides.size(); ++axis) {
                const std::int64_t size = size_of(input, axis);
                const bool is_open = size == -1;
                if (is_open) {
                    const std::string& symbol = input.sides[axis].symbol;
                    missing.insert(symbol.empty() ? fmt::format("{}.{}", input.name, axis)
                                                  : symbol);
                } else if (size < 1) {
                    refuse(fmt::format("{}: side {} is {}", what, axis, size));
                }
                value.dims.push_back(size);
            }
            result_.values[input.name] = std::move(value);
        }
        if (!missing.empty()) {
            std::string options;
            for (const std::string& name : missing) {
                options += fmt::format(" --dim {}=N", printable(name));
            }
            refuse(fmt::format("sizes are missing, please give:{}", options));
        }
        for (const Declared& input : result_.file.graph.inputs) {
            check_size(result_.values[input.name],
                       fmt::format("input '{}'", printable(input.name)));
        }
    }

    void check_size(const Value& value, const std::string& what) const {
        if (elements_of(value.dims) > kMostElements ||
            (!value.dims.empty() && std::ranges::max(value.dims) > kMostElements)) {
            refuse(fmt::format("{}: {} has too many elements", what, to_string(value.dims)));
        }
    }

    // ---- 2. nodes
    // ------------------------------------------------------------------------------------ Of what
    // the file declares, with all sizes known; nothing if it does not.
    std::optional<Value> declared_value(const Declared& declared) const {
        if (!declared.has_shape || declared.type == Type::undefined) {
            return std::nullopt;
        }
        Value value;
        value.type = declared.type;
        for (std::size_t axis = 0; axis < declared.sides.size(); ++axis) {
            const std::int64_t size = size_of(declared, axis);
            if (size < 1) {
                return std::nullopt;
            }
            value.dims.push_back(size);
        }
        return value;
    }

    std::vector<Value> declared_results(const Node& node,
                                        const std::map<std::string, Declared>& declared,
                                        const std::string& why) {
        std::vector<Value> results;
        std::set<std::string> missing;
        for (const std::string& output : node.outputs) {
            if (output.empty()) {
                results.emplace_back();
                continue;
            }
            const auto found = declared.find(output);
            if (found != declared.end() && !found->second.is_tensor) {
                Value value;
                value.is_tensor = false;
                results.push_back(std::move(value));
                continue;
            }
            const std::optional<Value> value =
                found == declared.end() ? std::nullopt : declared_value(found->second);
            if (!value && found != declared.end() && found->second.has_shape) {
                for (std::size_t axis = 0; axis < found->second.sides.size(); ++axis) {
                    if (size_of(found->second, axis) < 1) {
                        const std::string& symbol = found->second.sides[axis].symbol;
                        missing.insert(symbol.empty() ? fmt::format("{}.{}", output, axis)
                                                      : symbol);
                    }
                }
            }
            if (!value && !missing.empty()) {
                std::string options;
                for (const std::string& name : missing) {
                    options += fmt::format(" --dim {}=N", printable(name));
                }
                refuse(fmt::format("{}: {}; please give the sizes of '{}':{}",
                                   describe(node),
                                   why,
                                   printable(output),
                                   options));
            }
            if (!value) {
                refuse(fmt::format("{}: {}, and the file does not declare the shape of '{}'",
                                   describe(node),
                                   why,
                                   printable(output)));
            }
            results.push_back(*value);
        }
        return results;
    }

    void add(Node node, const std::map<std::string, Declared>& declared, int depth) {
        if (node.operation == "If" && node.domain.empty() && add_branch(node, depth)) {
            return;
        }
        const Call call = call_of(node, result_.values);
        std::vector<Value> results;
        const Row* const row = find_row(node);
        bool is_declared = false;
        try {
            if (row == nullptr) {
                throw Unknown{node.domain.empty()
                                  ? fmt::format("hetmap does not know the operation '{}'",
                                                printable(node.operation))
                                  : fmt::format("hetmap does not know the operation '{}' of '{}'",
                                                printable(node.operation),
                                                printable(node.domain))};
            }
            results = row->results(call);
        } catch (const Unknown& unknown) {
            results = declared_results(node, declared, unknown.why);
            is_declared = true;
        } catch (const std::invalid_argument& error) {
            refuse(fmt::format("{}: {}", describe(node), error.what()));
        } catch (const std::out_of_range&) {
            refuse(fmt::format("{}: an input has fewer dimensions than it needs", describe(node)));
        }
        if (results.size() < node.outputs.size()) {
            Value none;
            none.is_tensor = false;
            results.resize(node.outputs.size(), none);
        }
        results.resize(node.outputs.size());
        bool is_constant = set_constants(node, call, results);
        // What has no elements is the same for every input; exporters join such to others.
        for (Value& value : results) {
            value.is_constant =
                value.is_constant || (value.is_tensor && elements_of(value.dims) == 0);
        }
        is_constant = is_constant || std::ranges::all_of(results, &Value::is_constant);
        for (std::size_t i = 0; i < node.outputs.size(); ++i) {
            const std::string& output = node.outputs[i];
            if (output.empty()) {
                continue;
            }
            const Value& value = results[i];
            if (value.is_tensor) {
                if (!value.dims.empty() && std::ranges::min(value.dims) < 0) {
                    refuse(fmt::format("{}: a side of its result '{}', {}, is negative",
                                       describe(node),
                                       printable(output),
                                       to_string(value.dims)));
                }
                check_size(value, describe(node));
            }
            result_.values[output] = std::move(results[i]);
            if (const auto found = declared.find(output); found != declared.end()) {
                check(found->second, describe(node));
            }
        }
        result_.steps.push_back({std::move(node), is_constant, is_declared});
    }

    // Puts the values of constants into the results; whether they are constants.
    bool set_constants(const Node& node, const Call& call, std::vector<Value>& results) {
        const std::string& operation = node.operation;
        const bool by_chance = operation.starts_with("Random") || operation == "Bernoulli" ||
                               operation == "Multinomial";
        // What matters of the input is its shape; of CastLike's second its element type.
        const bool of_shape = operation == "Shape" || operation == "Size" ||
                              operation == "EyeLike" ||
                              (operation == "CastLike" && call.has(0) && call.input(0).is_constant);
        const bool is_constant =
            !by_chance && captured_by(node).empty() &&
            (of_shape || std::ranges::all_of(call.inputs,
                                             [](const Value* input) {
                                                 return input == nullptr || input->is_constant;
                                             })) &&
            (!call.inputs.empty() || operation == "Constant");
        if (!is_constant) {
            return false;
        }
        std::optional<std::vector<Numbers>> values;
        try {
            values = folded(call, results);
        } catch (const std::invalid_argument& error) {
            refuse(fmt::format("{}: {}", describe(node), error.what()));
        } catch (const Unknown&) {
            // A constant that is not computed.
        }
        constexpr std::string_view kKeep = " Identity Reshape Flatten Squeeze Unsqueeze Transpose ";
        const bool keeps = is_one_of(operation, kKeep);
        for (std::size_t i = 0; i < results.size(); ++i) {
            Value& result = results[i];
            result.is_constant = true;
            result.stored = result.type;
            if (values && i < values->size() &&
                static_cast<std::int64_t>((*values)[i].size()) == elements_of(result.dims)) {
                result.constant = result.origin = tensor_of((*values)[i]);
            }
            if (keeps) {
                result.stored = call.inputs[0]->stored;
                result.origin = call.inputs[0]->origin;
            } else if (operation == "DequantizeLinear") {
                result.stored = call.inputs[0]->stored;
            } else if (operation == "Constant" && !result.constant) {
                for (const Attribute& attribute : node.attributes) {
                    if (attribute.tensor && attribute.tensor->length >= 0) {
                        result.constant = result.origin = attribute.tensor;
                    }
                }
            }
        }
        return true;
    }

    // An If whose condition is known is the branch that it takes.
    bool add_branch(const Node& node, int depth) {
        const Call call = call_of(node, result_.values);
        const std::optional<Numbers> condition =
            call.has(0) ? numbers_of(call.input(0)) : std::nullopt;
        if (!condition || condition->size() != 1 || !condition->is_integral ||
            depth > kDeepestBranch) {
            return false;
        }
        const Attribute* const branch =
            node.find(condition->integers[0] != 0 ? "then_branch" : "else_branch");
        if (branch == nullptr || !branch->graph ||
            branch->graph->outputs.size() != node.outputs.size()) {
            return false;
        }
        // Names of the branch that are taken outside become others.
        std::map<std::string, std::string> names;
        const auto rename = [&](const std::string& name) {
            if (!name.empty() && result_.values.contains(name)) {
                names.try_emplace(name, fmt::format("{}#{}", name, ++renamed_));
            }
        };
        Graph graph = *branch->graph;
        try {
            std::vector<std::string> outer;
            for (const auto& [name, value] : result_.values) {
                outer.push_back(name);
            }
            sort(graph, outer);
        } catch (const std::invalid_argument& error) {
            refuse(fmt::format("{}: {}", describe(node), error.what()));
        }
        for (const auto& [name, tensor] : graph.constants) {
            rename(name);
        }
        for (const Node& inner : graph.nodes) {
            std::ranges::for_each(inner.outputs, rename);
        }
        add_constants(graph, names);
        const auto new_name = [&](const std::string& name) {
            const auto found = names.find(name);
            return found == names.end() ? name : found->second;
        };
        for (Node& inner : graph.nodes) {
            for (std::string& input : inner.inputs) {
                input = new_name(input);
            }
            for (std::string& output : inner.outputs) {
                output = new_name(output);
            }
            add(std::move(inner), graph.declared, depth + 1);
        }
        for (std::size_t i = 0; i < node.outputs.size(); ++i) {
            if (!node.outputs[i].empty()) {
                Node copy;
                copy.name = node.name;
                copy.operation = "Identity";
                copy.inputs = {new_name(graph.outputs[i].name)};
                copy.outputs = {node.outputs[i]};
                if (!result_.values.contains(copy.inputs[0])) {
                    refuse(fmt::format("{}: its branch makes no '{}'",
                                       describe(node),
                                       printable(graph.outputs[i].name)));
                }
                add(std::move(copy), {}, depth + 1);
            }
        }
        return true;
    }

    // ---- 3. what the file says itself
    // ----------------------------------------------------------------
    void check(const Declared& declared, const std::string& what) {
        const auto found = result_.values.find(declared.name);
        if (found == result_.values.end() || !found->second.is_tensor || !declared.is_tensor) {
            return;
        }
        const Value& value = found->second;
        if (declared.type != Type::undefined && declared.type != value.type &&
            value.type != Type::undefined) {
            warn(fmt::format("{}: '{}' is {} here, and {} as the file declares it",
                             what,
                             printable(declared.name),
                             name_of(value.type),
                             name_of(declared.type)));
        }
        if (!declared.has_shape) {
            return;
        }
        bool fits = declared.sides.size() == value.dims.size();
        std::vector<std::string> sides;
        for (std::size_t axis = 0; axis < declared.sides.size(); ++axis) {
            const std::int64_t size = size_of(declared, axis);
            const std::string& symbol = declared.sides[axis].symbol;
            fits = fits && (size < 0 || size == value.dims[axis]);
            sides.push_back(size >= 0        ? std::to_string(size)
                            : symbol.empty() ? "?"
                                             : printable(symbol));
        }
        if (!fits) {
            warn(fmt::format("{}: '{}' is {} here, and [{}] as the file declares it",
                             what,
                             printable(declared.name),
                             to_string(value.dims),
                             fmt::join(sides, ", ")));
        }
    }

    const Sizes& sizes_;
    Inferred result_;
    std::size_t more_warnings_ = 0;
    int renamed_ = 0;
};

}  // namespace

Call call_of(const Node& node, const std::map<std::string, Value>& values) {
    Call call{.node = node, .inputs = {}};
    for (const std::string& input : node.inputs) {
        const auto found = values.find(input);
        call.inputs.push_back(input.empty() || found == values.end() ? nullptr : &found->second);
    }
    return call;
}

Live live_part_of(const Inferred& inferred) {
    Live live;
    for (const Declared& output : inferred.file.graph.outputs) {
        live.tensors.insert(output.name);
    }
    for (auto step = inferred.steps.rbegin(); step != inferred.steps.rend(); ++step) {
        if (step->is_folded) {
            ++live.folded;
            continue;
        }
        if (std::ranges::none_of(step->node.outputs, [&](const std::string& output) {
                return !output.empty() && live.tensors.contains(output);
            })) {
            ++live.dead;
            continue;
        }
        live.tensors.insert(step->node.inputs.begin(), step->node.inputs.end());
        for (const std::string& captured : captured_by(step->node)) {
            live.tensors.insert(captured);
        }
        live.steps.push_back(&*step);
    }
    std::ranges::reverse(live.steps);
    return live;
}

Inferred infer(File file, const Sizes& sizes) { return Inference{std::move(file), sizes}.run(); }

}  // namespace sim::onnx
