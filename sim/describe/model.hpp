#pragma once

// A model: a directed acyclic graph of layers, loaded from models/<name>/model.yaml and checked.
//
// Start at `load_model`. Weights are not here: the simulator never needs them (calibrate does).

#include "sim/describe/operations.hpp"
#include "sim/error.hpp"

#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sim {

struct Layer {
    std::string name;
    const Operation* operation = nullptr;  // nullptr: an input of the model
    Attributes attributes;
    std::vector<int> inputs;  // indices into Model::layers, always smaller than this layer's own
    TensorShape output;
    std::string place = {};  // of an input: the memory it starts in; empty: the host's
    int network = 0;         // of Model::networks
    SourcePosition where;
};

// Where the parameters (weights and thresholds) come from.
struct Parameters {
    std::string file;        // next to model.yaml; empty: made up from `seed`
    std::uint64_t seed = 0;  // used where `file` is empty
};

// The accuracy of a network as measured with given precisions of its layers' weights.
struct MeasuredAccuracy {
    std::string name;  // "io-8bit"
    double percent = 0;
    std::string source;
    std::string precision;                                    // of all layers but
    std::vector<std::pair<std::string, std::string>> layers;  // these: layer, precision
    SourcePosition where;
};

// Points (percentage points) lost if all of a layer's channels had a precision, by itself.
struct Sensitivity {
    std::string layer;  // empty: every layer that is not listed
    std::string precision;
    double points = 0;
    SourcePosition where;
};

// What is known of a network's accuracy beyond its own weights. A mapping whose precisions are
// listed under `measured` has that accuracy; for others the sum of sensitivities, each times the
// share of the layer's channels, is a proxy, and called so wherever it is shown.
struct Accuracy {
    std::string metric;                              // "top-1 of CIFAR-10's validation images [%]"
    std::optional<double> reference = std::nullopt;  // percent, at the model's own precision
    std::vector<MeasuredAccuracy> measured;
    std::vector<Sensitivity> sensitivities;
    std::string sensitivity_source;
};

// A result that is wanted, and the memory where; empty: the host's.
struct Output {
    int layer = 0;
    std::string place;
};

// The same network with layers of other precisions, and with weights of its own; see
// sim/describe/twins.hpp.
struct Twin {
    std::string path;  // from the model's folder
    SourcePosition where;
};

struct Model {
    std::string name;
    std::string description;
    std::string source;
    std::filesystem::path path;  // of the model.yaml
    Parameters parameters;
    std::optional<Accuracy> accuracy;
    std::vector<Layer> layers;                // the inputs first; topological order
    std::vector<Output> outputs;              // each layer at most once
    std::vector<std::vector<int>> consumers;  // by layer: who reads it
    std::vector<std::string> networks = {};   // where several are joined: their names
    std::vector<Twin> twins = {};

    int inputs() const;  // how many of the layers
};

bool is_output(const Model& model, int layer);

// A layer of several results is one layer for each that is used: its own has the first, and the
// others read that one and run with it (their number is in Attributes::k).
bool is_further_result(const Layer& layer);
// A tensor that the network holds, as it holds weights: nothing computes it, it is there wherever
// it is read.
bool is_held(const Layer& layer);
// The set with all results of its layers, ascending.
std::vector<int> with_results(const Model& model, std::span<const int> set);

// Whether the layer has weights of its own.
bool has_weights(const Layer& layer);

// `name_or_path`: a model.yaml, a folder that holds one, or the name of a folder in one of
// `search_path` (or of one inside that, "bireal-fashion/f32"). Throws InputError (file, line,
// column, key, what was expected) on anything wrong: unknown or missing keys, wrong types, cycles,
// dangling inputs, shapes that do not fit.
Model load_model(const std::string& name_or_path,
                 std::span<const std::filesystem::path> search_path);

// What load_model finds by name there: in alphabetical order, each once.
std::vector<std::string> model_names(std::span<const std::filesystem::path> search_path);

Work work_of(const Model& model, int layer);

// A layer's attributes as its YAML entry may give them, in the order of its operation's row, with
// those that it leaves at their defaults: {"weights", "binary"}, {"kernel", "[3, 3]"}, ...
std::vector<std::pair<std::string_view, std::string>> attributes_of(const Layer& layer);

// A set of layers, ascending, as text that says all that decides their cost but the batch:
// operations, shapes, attributes. Profiles file measured costs under it, so layers of the same
// shape share a measurement. For example
//   "conv2d binary 14x14x64 64 k3x3 s1 p1 v0 | threshold | max_pool2d k2x2 s2"
// A layer that reads another of the set than the one before names it by its number: "add @0".
// Where an operation takes any number of inputs and the one before is not among them, the number
// stands at the end: "add @0 + @1 i2".
std::string signature(const Model& model, std::span<const int> set);

// The operations alone, "conv2d binary | threshold | max_pool2d": what a fitted cost holds for.
// Of sets that are neither chains, in which each layer reads the one before, nor branching runs
// (below), also what each layer reads beside the one before, without shapes:
//   "conv2d binary | conv2d binary | add @0"
std::string pattern(const Model& model, std::span<const int> set);

// Do layers first .. last read one tensor from outside, is only the last read outside, and is it
// more than a chain in which each reads the one before?
bool is_branching_run(const Model& model, int first, int last);

// Chains that may be fused, starting at `layer`, of 1 to `longest` layers, shortest first: each
// layer is the only reader of the one before, no inner layer is the model's output, and beside the
// first layer's first input at most one tensor comes from outside: what the kernels here can take,
// and what may stream through a device. Other sets: sim/describe/fused_sets.hpp. Then those
// that branch: consecutive layers of the model that read one tensor from outside and of which only
// the last is read outside, such as residual blocks.
std::vector<std::vector<int>> chains_from(const Model& model, int layer, int longest);

}  // namespace sim
