// In place of reader.cpp where protobuf, or ONNX's description for it, was not found.

#include "sim/error.hpp"
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

}  // namespace sim::onnx
