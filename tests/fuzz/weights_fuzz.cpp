// A file of weights, for a model that has one.

#include "calibrate/parameters.hpp"
#include "fuzz.hpp"

namespace {

constexpr std::string_view kModel = R"(hetmap: model/1
name: m
input: {name: i, height: 1, width: 1, channels: 70, type: binary}
parameters: {file: weights}
layers:
  - {name: f, operation: linear, inputs: [i], weights: binary, out_channels: 2}
  - {name: t, operation: threshold, inputs: [f]}
  - {name: g, operation: linear, inputs: [t], weights: binary, out_channels: 3}
  - {name: r, operation: linear, inputs: [t], weights: binary, out_channels: 1, out: f32}
  - {name: s, operation: linear, inputs: [r], weights: f32, out_channels: 2}
outputs: [g, s]
)";

sim::Model model_beside(const std::string& weights) {
    const fuzz::MemoryFile file;
    file.write(kModel);
    sim::Model model = sim::load_model(file.path(), {});
    model.path = weights;  // of the same folder
    model.parameters.file = model.path.filename().string();
    return model;
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const fuzz::MemoryFile file;
    static const sim::Model kModelBeside = model_beside(file.path());
    file.write(fuzz::text_of(data, size));
    fuzz::tolerate([] {
        const calibrate::Parameters parameters = calibrate::load_parameters(kModelBeside);
        // 2 rows of 2 words, 2 thresholds, 1 word of directions, 3 rows of a word; a row, a scale
        // and a bias, 2 weights and 2 biases.
        if (parameters.size() != 6 || parameters[1].weights.size() != 4 ||
            parameters[1].weights[1] >> 6 != 0 || parameters[2].thresholds.size() != 2 ||
            parameters[2].flips.size() != 1 || parameters[3].weights.size() != 3 ||
            parameters[4].scales.size() != 1 || parameters[5].real_weights.size() != 2) {
            fuzz::fail("parameters of another model");
        }
    });
    return 0;
}
