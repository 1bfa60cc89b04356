// In place of reader.cpp and writer.cpp where protobuf, or ONNX's description for it, was not
// found.

#include "sim/error.hpp"
#include "sim/import/export.hpp"
#include "sim/import/reader.hpp"

namespace sim::onnx {

bool can_read() { return false; }

File read_model(const std::filesystem::path&) {
    throw InputError{
        "this hetmap was built without ONNX: install libonnx-dev, libprotobuf-dev and "
        "protobuf-compiler, and build it again"};
}

File parse(const std::string&, const std::string&, const std::filesystem::path&) {
    return read_model({});
}

Pieces cut_up(const std::filesystem::path&,
              const Placement&,
              const std::function<void(const SegmentFile&)>&) {
    read_model({});
    return {};
}

Pieces cut_up(const std::string&,
              const std::string&,
              const std::filesystem::path&,
              const Placement& placement,
              const std::function<void(const SegmentFile&)>& take) {
    return cut_up({}, placement, take);
}

}  // namespace sim::onnx
