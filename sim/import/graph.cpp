#include "sim/import/graph.hpp"

#include "sim/checked.hpp"
#include "sim/describe/input_file.hpp"
#include "sim/error.hpp"
#include "sim/text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <fcntl.h>
#include <queue>
#include <set>
#include <stdexcept>
#include <unistd.h>

namespace sim::onnx {
namespace {

struct TypeRow {
    std::string_view name;
    int bits;
    bool is_integer, is_float;
};

constexpr TypeRow kTypeRows[kTypes] = {
    {"undefined", 0, false, false},     {"float", 32, false, true},
    {"uint8", 8, true, false},          {"int8", 8, true, false},
    {"uint16", 16, true, false},        {"int16", 16, true, false},
    {"int32", 32, true, false},         {"int64", 64, true, false},
    {"string", 0, false, false},        {"bool", 8, true, false},
    {"float16", 16, false, true},       {"double", 64, false, true},
    {"uint32", 32, true, false},        {"uint64", 64, true, false},
    {"complex64", 64, false, false},    {"complex128", 128, false, false},
    {"bfloat16", 16, false, true},      {"float8e4m3fn", 8, false, true},
    {"float8e4m3fnuz", 8, false, true}, {"float8e5m2", 8, false, true},
    {"float8e5m2fnuz", 8, false, true}, {"uint4", 4, true, false},
    {"int4", 4, true, false},           {"float4e2m1", 4, false, true},
    {"float8e8m0", 8, false, true},
};

const TypeRow& row_of(Type type) { return kTypeRows[static_cast<int>(type)]; }

}  // namespace

int bits_of(Type type) { return row_of(type).bits; }
std::string_view name_of(Type type) { return row_of(type).name; }
bool is_integer(Type type) { return row_of(type).is_integer; }
bool is_float(Type type) { return row_of(type).is_float; }

std::int64_t elements_of(const Dims& dims) {
    std::int64_t product = 1;
    for (const std::int64_t side : dims) {
        product = checked_product(product, side);
    }
    return product;
}

std::string to_string(const Dims& dims) { return fmt::format("[{}]", fmt::join(dims, ", ")); }

std::string bytes_of(const Tensor& tensor, std::int64_t most) {
    if (tensor.file.empty()) {
        const auto own = static_cast<std::int64_t>(tensor.bytes.size());
        return tensor.bytes.substr(0, static_cast<std::size_t>(std::min(own, most)));
    }
    InputFile file{tensor.file};
    std::string bytes(static_cast<std::size_t>(std::min(tensor.length, most)), '\0');
    const int descriptor = file.release();
    std::size_t done = 0;
    while (done < bytes.size()) {
        const ssize_t got = ::pread(descriptor,
                                    bytes.data() + done,
                                    bytes.size() - done,
                                    static_cast<off_t>(tensor.offset) + static_cast<off_t>(done));
        if (got <= 0) {
            break;
        }
        done += static_cast<std::size_t>(got);
    }
    ::close(descriptor);
    if (done < bytes.size()) {
        throw MachineError{fmt::format("{}: cannot be read to its end", tensor.file.string())};
    }
    return bytes;
}

bool is_one_of(std::string_view word, std::string_view list) {
    for (std::size_t at = list.find(word); at != std::string_view::npos;
         at = list.find(word, at + 1)) {
        const std::size_t end = at + word.size();
        if (!word.empty() && at > 0 && end < list.size() && list[at - 1] == ' ' &&
            list[end] == ' ') {
            return true;
        }
    }
    return false;
}

const Attribute* Node::find(std::string_view wanted) const {
    const auto found = std::ranges::find(attributes, wanted, &Attribute::name);
    return found == attributes.end() ? nullptr : &*found;
}

std::string describe(const Node& node) {
    if (node.name.empty() && !node.outputs.empty()) {
        return fmt::format(
            "the node of '{}' ({})", printable(node.outputs.front()), printable(node.operation));
    }
    return fmt::format("node '{}' ({})", printable(node.name), printable(node.operation));
}

std::vector<std::string> captured_by(const Node& node) {
    std::vector<std::string> captured;
    for (const Attribute& attribute : node.attributes) {
        if (!attribute.graph) {
            continue;
        }
        const Graph& graph = *attribute.graph;
        std::set<std::string> own;
        for (const Declared& input : graph.inputs) {
            own.insert(input.name);
        }
        for (const auto& [name, tensor] : graph.constants) {
            own.insert(name);
        }
        for (const Node& inner : graph.nodes) {
            own.insert(inner.outputs.begin(), inner.outputs.end());
        }
        const auto read = [&](const std::string& name) {
            if (!name.empty() && !own.contains(name)) {
                captured.push_back(name);
            }
        };
        for (const Node& inner : graph.nodes) {
            std::ranges::for_each(inner.inputs, read);
            std::ranges::for_each(captured_by(inner), read);
        }
        for (const Declared& output : graph.outputs) {
            read(output.name);
        }
    }
    std::ranges::sort(captured);
    captured.erase(std::unique(captured.begin(), captured.end()), captured.end());
    return captured;
}

void sort(Graph& graph, const std::vector<std::string>& outer) {
    // 1. Who makes what: a tensor has one maker.
    constexpr int kNoNode = -1;
    std::map<std::string, int> maker;
    for (const auto& [name, tensor] : graph.constants) {
        maker.emplace(name, kNoNode);
    }
    for (const Declared& input : graph.inputs) {
        if (!maker.emplace(input.name, kNoNode).second) {
            throw std::invalid_argument{
                fmt::format("two inputs are named '{}'", printable(input.name))};
        }
    }
    for (int i = 0; i < static_cast<int>(graph.nodes.size()); ++i) {
        const Node& node = graph.nodes[static_cast<std::size_t>(i)];
        for (const std::string& output : node.outputs) {
            if (output.empty()) {
                continue;
            }
            const auto [there, is_new] = maker.emplace(output, i);
            if (!is_new) {
                throw std::invalid_argument{fmt::format(
                    "{}: its result '{}' is also {}",
                    describe(node),
                    printable(output),
                    there->second == kNoNode
                        ? std::string{"an input or a constant of the graph"}
                        : "made by " +
                              describe(graph.nodes[static_cast<std::size_t>(there->second)]))};
            }
        }
    }
    for (const std::string& name : outer) {
        maker.emplace(name, kNoNode);
    }

    // 2. Kahn's algorithm; of the nodes that are ready the first one in the file.
    std::vector<int> waits_for(graph.nodes.size(), 0);
    std::vector<std::vector<int>> readers(graph.nodes.size());
    for (int i = 0; i < static_cast<int>(graph.nodes.size()); ++i) {
        const Node& node = graph.nodes[static_cast<std::size_t>(i)];
        std::vector<std::string> reads = node.inputs;
        std::ranges::copy(captured_by(node), std::back_inserter(reads));
        for (const std::string& input : reads) {
            if (input.empty()) {
                continue;
            }
            const auto made = maker.find(input);
            if (made == maker.end()) {
                throw std::invalid_argument{fmt::format(
                    "{}: it reads '{}', which nothing makes", describe(node), printable(input))};
            }
            if (made->second != kNoNode) {
                ++waits_for[static_cast<std::size_t>(i)];
                readers[static_cast<std::size_t>(made->second)].push_back(i);
            }
        }
    }
    std::priority_queue<int, std::vector<int>, std::greater<>> ready;
    for (int i = 0; i < static_cast<int>(graph.nodes.size()); ++i) {
        if (waits_for[static_cast<std::size_t>(i)] == 0) {
            ready.push(i);
        }
    }
    std::vector<Node> sorted;
    sorted.reserve(graph.nodes.size());
    std::vector<bool> is_done(graph.nodes.size(), false);
    while (!ready.empty()) {
        const auto next = static_cast<std::size_t>(ready.top());
        ready.pop();
        is_done[next] = true;
        for (const int reader : readers[next]) {
            if (--waits_for[static_cast<std::size_t>(reader)] == 0) {
                ready.push(reader);
            }
        }
        sorted.push_back(graph.nodes[next]);
    }
    const auto left = std::ranges::find(is_done, false);
    if (left != is_done.end()) {
        // 3. Who waits for one that waits ends up in the cycle.
        std::set<std::string> seen;
        const Node* node = &graph.nodes[static_cast<std::size_t>(left - is_done.begin())];
        while (true) {
            const auto waits = std::ranges::find_if(node->inputs, [&](const std::string& input) {
                const auto made = maker.find(input);
                return made != maker.end() && made->second != kNoNode &&
                       !is_done[static_cast<std::size_t>(made->second)];
            });
            if (waits == node->inputs.end() || !seen.insert(*waits).second) {
                break;
            }
            node = &graph.nodes[static_cast<std::size_t>(maker.at(*waits))];
        }
        throw std::invalid_argument{
            fmt::format("{}: it waits for its own result: the graph has a cycle", describe(*node))};
    }
    for (const Declared& output : graph.outputs) {
        if (!maker.contains(output.name)) {
            throw std::invalid_argument{
                fmt::format("the graph's output '{}' is made by no node", printable(output.name))};
        }
    }
    graph.nodes = std::move(sorted);
}

}  // namespace sim::onnx
