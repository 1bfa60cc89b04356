// An ONNX file, with sizes for the dimensions "batch" and "seq", where it has them: read, inferred
// and written as a model.

#include "fuzz.hpp"
#include "sim/import/import.hpp"
#include "sim/import/reader.hpp"

#include <fmt/format.h>

namespace {

void import(const std::string& bytes, const sim::onnx::Sizes& sizes) {
    const sim::onnx::Imported imported =
        sim::onnx::import_onnx(sim::onnx::parse(bytes, "fuzz.onnx"), sizes);
    for (const sim::onnx::Layer& layer : imported.layers.layers) {
        if (layer.name.empty() || layer.results.empty() ||
            (layer.outputs.empty() && layer.results.size() != 1)) {
            fuzz::fail("a layer without a name or a result");
        }
        for (const sim::onnx::ModelTensor& result : layer.results) {
            for (const std::int64_t side : result.shape) {
                if (side < 1) {
                    fuzz::fail(fmt::format(
                        "a side of {} of '{}' is {}", layer.operation, layer.name, side));
                }
            }
        }
    }
    (void)sim::onnx::checked_model(imported, "fuzz.yaml");
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string bytes{fuzz::text_of(data, size)};
    fuzz::tolerate([&] { import(bytes, {}); });
    fuzz::tolerate([&] { import(bytes, {{ "batch", 1 }}); });
    fuzz::tolerate([&] { import(bytes, {{"batch", 1}, { "seq", 6 }}); });
    return 0;
}
