#pragma once

// Placements out: `hetmap export`. A mapping of an imported model, back on the nodes of its ONNX
// file.
//
// Start at `place`: which node runs in which segment. `annotated` writes that into the file's
// nodes, for ONNX Runtime's partitioning by annotations; `cut_up` makes a file of each segment.

#include "sim/describe/mapping.hpp"
#include "sim/describe/model.hpp"
#include "sim/import/import.hpp"

#include <filesystem>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace sim::onnx {

// A run of tasks on one device, in a mapping's order.
struct Segment {
    int number = 0;  // from 1, as in a placement's CSV
    std::string device;
    std::vector<std::string> layers;
};

// Where an ONNX file's nodes run. Segments are named by their indices.
struct Placement {
    std::vector<Segment> segments;
    std::map<std::string, int> segment_of;                 // by the tensors that nodes make
    std::map<std::string, std::vector<int>> of_functions;  // "domain:name": by node; -1: not known
    std::map<std::string, std::set<int>> of_calls;         // of functions, by their first result
    std::map<std::string, Value> values;  // of every tensor; of large constants no numbers
    std::vector<std::string> outputs;     // of the graph
    std::set<std::string> data_files;     // external data, from the file's folder
    // Nodes, functions in place: those that made a layer, that go where a reader of theirs goes,
    // and that go where their input is made.
    std::int64_t by_layer = 0, by_reader = 0, by_input = 0;
    std::vector<std::string> notes;  // what could not be placed as the mapping has it
};

// `model` is what import makes of the file with these sizes. Throws InputError: as reading and
// importing do; layers of the model that are not the file's; a mapping of another model, with
// layers that are not there, mapped twice or left out, or in an order in which something is read
// before it is made.
Placement place(const std::filesystem::path& path,
                const Sizes& sizes,
                const Model& model,
                const MappingFile& mapping);
Placement place(File file, const Sizes& sizes, const Model& model, const MappingFile& mapping);

// The runs of a mapping's tasks; the same errors.
std::vector<Segment> segments_of(const MappingFile& mapping,
                                 const Model& model,
                                 std::vector<std::string>& notes);

// ---- annotations ------------------------------------------------------------------------------
// "hetmap/gpu/3", for each segment. Of a device's name stays what ONNX Runtime's option can hold.
std::vector<std::string> labels_of(const Placement& placement);

// An ONNX file's bytes with an entry {layer_ann: label} in the metadata_props of every node, also
// of those in functions and in the graphs of attributes; it replaces one that is there. All other
// bytes stay. Throws InputError where the bytes are no ONNX model.
std::string annotated(const std::string& bytes,
                      const std::string& name,
                      const Placement& placement);

// The text of ONNX Runtime's session option session.layer_assignment_settings. `runtime_devices`:
// what it calls our devices ("gpu0": "gpu:0"); of others the beginning of the name decides. Throws
// InputError for those of which it does not, and for what is no device of ONNX Runtime's.
std::string assignment_settings(const Placement& placement,
                                const std::map<std::string, std::string>& runtime_devices);

// ---- segments ---------------------------------------------------------------------------------
struct SegmentFile {
    Segment segment;
    std::vector<std::string> inputs, outputs;  // tensors
    std::int64_t nodes = 0;
    std::string bytes;  // an ONNX file
};

struct Pieces {
    std::vector<std::string> inputs, outputs;  // of the whole
    std::vector<std::string> notes;            // nodes that could not be where they were mapped
};

// An ONNX file of each segment that has nodes, in order, each handed to `take`: run one after the
// other they give what the whole gives. Constants, and what is computed of them alone, are in every
// segment that reads them; external data becomes part of the file. Throws InputError: a segment
// that is larger than protobuf takes, tensors between segments that are none.
Pieces cut_up(const std::filesystem::path& path,
              const Placement& placement,
              const std::function<void(const SegmentFile&)>& take);
Pieces cut_up(const std::string& bytes,
              const std::string& name,
              const std::filesystem::path& folder,
              const Placement& placement,
              const std::function<void(const SegmentFile&)>& take);

}  // namespace sim::onnx
