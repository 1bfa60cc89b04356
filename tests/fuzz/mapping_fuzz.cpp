// A mapping file, resolved for one problem with two devices, fused layers and copies; and that what
// is written of a mapping is read back as the same.

#include "sim/describe/mapping.hpp"
#include "sim/run/assess.hpp"
#include "text_mutator.hpp"

namespace {

constexpr std::string_view kModel = R"(hetmap: model/1
name: m
input: {name: i, height: 8, width: 8, channels: 8, type: int8}
parameters: {seed: 1}
layers:
  - {name: a, operation: max_pool2d, inputs: [i], kernel: 2, stride: 2}
  - {name: b, operation: max_pool2d, inputs: [a], kernel: 2, stride: 2}
  - {name: c, operation: add, inputs: [b, b]}
output: c
)";
constexpr std::string_view kPlatform = R"(hetmap: platform/1
name: p
memories: [{name: h}, {name: g}]
devices:
  - {name: cpu, kind: c, memory: h, asynchronous: false}
  - {name: gpu, kind: c, memory: g, asynchronous: true, submit_us: 1, per_task_us: 1, completion_us: 1, longest_stream: 3}
links:
  - {name: u, from: h, to: g, modes: [{name: x, latency_us: 1, bandwidth_gb_per_s: 1}, {name: y, latency_us: 2, bandwidth_gb_per_s: 9}]}
  - {name: d, from: g, to: h, modes: [{name: x, latency_us: 1, bandwidth_gb_per_s: 1}]}
formulas:
  - {device: cpu, operations: [max_pool2d, add], variant: v, configuration: "1", time_us: "3"}
  - {device: gpu, operations: [max_pool2d, add], variant: v, configuration: "1", time_us: "2", fill_us: "1"}
)";

struct Case {
    sim::Model model;
    sim::Platform platform;
    sim::Problem problem;

    Case() {
        const fuzz::MemoryFile file;
        file.write(kModel);
        model = sim::load_model(file.path(), {});
        file.write(kPlatform);
        platform = sim::load_platform(file.path(), {}, {});
        problem = sim::compile(model, platform, {});
    }
};

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const fuzz::MemoryFile file, again;
    static const Case kCase;
    file.write(fuzz::text_of(data, size));
    fuzz::tolerate([] {
        const sim::MappingFile read = sim::load_mapping_file(file.path());
        again.write(sim::to_yaml(read));
        if (sim::to_yaml(sim::load_mapping_file(again.path())) != sim::to_yaml(read)) {
            fuzz::fail("another mapping than the one that was written:\n" + sim::to_yaml(read));
        }
        fuzz::tolerate([&] { sim::tasks_of(read, kCase.problem); });
        const sim::Mapping mapping = sim::resolve(read, kCase.problem);
        sim::assess(kCase.problem, mapping);
        sim::Problem problem = kCase.problem;
        sim::apply_transfer_modes(read, kCase.platform, problem);
    });
    return 0;
}
