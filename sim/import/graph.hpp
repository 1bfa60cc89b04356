#pragma once

// An ONNX model in memory, without protobuf: nodes, constants, what is declared of tensors.
//
// Start at reader.hpp, which makes one of a file. What the operations mean is in operations.hpp.
// Names follow ONNX's specification (https://onnx.ai/onnx/repo-docs/IR.html).

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sim::onnx {

using Dims = std::vector<std::int64_t>;

constexpr std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

// What is wrong; entry points add the name of the file, or of the node.
[[noreturn]] inline void refuse(const std::string& what) { throw std::invalid_argument{what}; }

constexpr std::size_t kMostRank = 64;
constexpr std::int64_t kMostBytes = std::numeric_limits<std::int32_t>::max();  // protobuf's limit

// The domain of what recognise.hpp puts in place of patterns.
constexpr std::string_view kOwnDomain = "hetmap";

// What one element of a tensor is, by ONNX's numbers (TensorProto.DataType).
enum class Type {
    undefined = 0,
    f32 = 1,
    u8 = 2,
    int8 = 3,
    u16 = 4,
    int16 = 5,
    int32 = 6,
    int64 = 7,
    string = 8,
    boolean = 9,
    f16 = 10,
    f64 = 11,
    u32 = 12,
    u64 = 13,
    complex64 = 14,
    complex128 = 15,
    bf16 = 16,
    f8e4m3fn = 17,
    f8e4m3fnuz = 18,
    f8e5m2 = 19,
    f8e5m2fnuz = 20,
    u4 = 21,
    int4 = 22,
    f4e2m1 = 23,
    f8e8m0 = 24,
};

inline constexpr int kTypes = 25;  // numbers from here on are of a newer ONNX than we know

int bits_of(Type type);               // 0: it has no size, such as a string
std::string_view name_of(Type type);  // ONNX's: "float", "int64"
bool is_integer(Type type);           // bool among them
bool is_float(Type type);

// Product of the sides; kBeyond (sim/checked.hpp) where it is larger than any.
std::int64_t elements_of(const Dims& dims);
std::string to_string(const Dims& dims);  // "[1, 3, 224, 224]"

// The values of a constant.
struct Tensor {
    std::string name;
    Type type = Type::undefined;
    Dims dims;
    std::string bytes;  // little-endian, as in raw_data; of what lies in another file: empty
    std::filesystem::path file = {};  // external data: it was checked to be there, and as long
    std::int64_t offset = 0, length = 0;
    std::string location = {};  // of external data: its file as the model names it
};

using TensorPointer = std::shared_ptr<const Tensor>;

// The bytes of a tensor, at most so many from its beginning, read from its file where they lie
// there.
std::string bytes_of(const Tensor& tensor,
                     std::int64_t most = std::numeric_limits<std::int64_t>::max());

// Is the word in a list, which begins and ends with a space: " Add Sub Mul "?
bool is_one_of(std::string_view word, std::string_view list);

struct Graph;

struct Attribute {
    enum class Kind { none, integer, number, text, tensor, graph, integers, numbers, texts, other };

    std::string name;
    Kind kind = Kind::none;
    std::int64_t integer = 0;
    double number = 0;
    std::string text;
    std::vector<std::int64_t> integers;
    std::vector<double> numbers;
    std::vector<std::string> texts;
    TensorPointer tensor;
    std::shared_ptr<const Graph> graph;
    std::string refers_to;  // inside a function: the attribute of its call that this one is
};

struct Node {
    std::string name;  // may be empty, and need not be unique
    std::string operation;
    std::string domain;                // "" is ONNX's own
    std::int64_t opset = 0;            // of its domain; 0: the file does not say
    std::vector<std::string> inputs;   // "" is one that is left out
    std::vector<std::string> outputs;  // the same
    std::vector<Attribute> attributes;
    std::string function = {};  // of a node in one of the file's functions: "domain:name"
    int place = -1;             // its number there
    std::string call = {};      // and the first result of the graph's node that calls it

    const Attribute* find(std::string_view name) const;  // nullptr if it is not there
};

// "node 'conv1' (Conv)", or by its result where it has no name.
std::string describe(const Node& node);

// A side that is a number, a name, or (-1 without a name) unknown.
struct Side {
    std::int64_t size = -1;
    std::string symbol;
};

// What a file declares of a tensor.
struct Declared {
    std::string name;
    Type type = Type::undefined;
    bool is_tensor = true;  // no sequence, map or optional
    bool has_shape = false;
    std::vector<Side> sides;
};

struct Graph {
    std::string name;
    std::vector<Node> nodes;  // each after those that it reads (after `sort`)
    std::map<std::string, TensorPointer> constants;
    std::vector<Declared> inputs;  // those that are constants are not in it
    std::vector<Declared> outputs;
    std::map<std::string, Declared> declared;  // value_info, inputs and outputs
};

struct File {
    std::string name;  // as the user named it
    std::int64_t ir_version = 0;
    std::int64_t opset = 0;  // of ONNX's own domain
    std::string producer;
    Graph graph;
};

// Tensors of an outer graph that the graphs in a node's attributes read.
std::vector<std::string> captured_by(const Node& node);

// Orders the nodes so that each follows those that it reads; otherwise they stay as they are.
// `outer`: names that an enclosing graph holds. Throws std::invalid_argument: a tensor made twice,
// one that nothing makes, a cycle.
void sort(Graph& graph, const std::vector<std::string>& outer = {});

}  // namespace sim::onnx
