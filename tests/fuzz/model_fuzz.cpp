// A model file, and everything that is asked of a model.

#include "sim/describe/model.hpp"
#include "text_mutator.hpp"

#include <algorithm>

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const fuzz::MemoryFile file;
    file.write(fuzz::text_of(data, size));
    fuzz::tolerate([] {
        const sim::Model model = sim::load_model(file.path(), {});
        for (int layer = 0; layer < static_cast<int>(model.layers.size()); ++layer) {
            const sim::Layer& one = model.layers[static_cast<std::size_t>(layer)];
            if (std::ranges::any_of(one.inputs, [&](int input) { return input >= layer; })) {
                fuzz::fail("a layer before its inputs");
            }
            const sim::Work work = sim::work_of(model, layer);
            if (work.macs < 0 || work.bytes_read < 0 || work.bytes_written < 0 ||
                work.weight_bytes < 0) {
                fuzz::fail("negative work");
            }
            sim::attributes_of(one);
            for (const std::vector<int>& chain : sim::chains_from(model, layer, 3)) {
                if (sim::signature(model, chain).empty() || sim::pattern(model, chain).empty()) {
                    fuzz::fail("a chain without a name");
                }
            }
        }
    });
    return 0;
}
