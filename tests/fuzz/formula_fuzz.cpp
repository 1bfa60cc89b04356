// An expression, for a few layers.

#include "fuzz.hpp"
#include "sim/describe/formula.hpp"

#include <cmath>
#include <limits>

namespace {

constexpr std::string_view kModel = R"(hetmap: model/1
name: m
input: {name: i, height: 9, width: 7, channels: 64, type: binary}
parameters: {seed: 1}
layers:
  - {name: c, operation: conv2d, inputs: [i], weights: binary, out_channels: 32, kernel: [3, 5], padding: 1, groups: 4}
  - {name: t, operation: threshold, inputs: [c]}
  - {name: l, operation: linear, inputs: [t], weights: binary, out_channels: 10}
output: l
)";

sim::Model model() {
    const fuzz::MemoryFile file;
    file.write(kModel);
    return sim::load_model(file.path(), {});
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const sim::Model kLayers = model();
    static const std::vector<std::string> kMore{"first", "other_one"};
    constexpr double kValues[] = {0.0, -3.5};
    fuzz::tolerate([&] {
        const sim::Formula formula{std::string{fuzz::text_of(data, size)}, {"f.yaml", 1, 1}, kMore};
        formula.uses("batch");
        for (int layer = 1; layer < static_cast<int>(kLayers.layers.size()); ++layer) {
            fuzz::tolerate([&] {
                const auto inputs = sim::formula_inputs(kLayers, layer, layer * 100, 250.0);
                if (!std::isfinite(formula.evaluate(inputs, kValues))) {
                    fuzz::fail("a formula that gives no number");
                }
            });
        }
    });
    return 0;
}
