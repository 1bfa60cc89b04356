#pragma once

// ONNX files: protobuf in, a plain graph out. The files of this room that know protobuf are
// reader.cpp and writer.cpp; built without protobuf there is reader_absent.cpp in their place.
//
// Start at `read_model`. No opset and no IR version is refused: what newer ones brought is skipped
// by protobuf, and an operation that nobody knows is taken as one.

#include "sim/import/graph.hpp"

#include <filesystem>
#include <string>

namespace sim::onnx {

// Was this program built with protobuf? Without it every file is refused, in words.
bool can_read();

// The model in `path`: functions of the file's own put in place of their calls, nodes sorted. Data
// in other files must lie in the model's folder; only its size is looked at. Throws InputError: no
// such file, no ONNX, cut off, larger than protobuf takes, tensors whose values do not fit their
// shape or lie outside the folder, names made twice, cycles.
File read_model(const std::filesystem::path& path);

// The same of bytes in memory. `name` stands in messages; without a folder no external data is
// taken.
File parse(const std::string& bytes,
           const std::string& name,
           const std::filesystem::path& folder = {});

}  // namespace sim::onnx
