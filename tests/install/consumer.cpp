// What another program does with hetmap::sim: load an installed model, map a problem of its own.

#include "sim/compile/problem.hpp"
#include "sim/describe/model.hpp"
#include "sim/search/search.hpp"

#include <array>
#include <cstdio>
#include <filesystem>

int main() {
    const std::array<std::filesystem::path, 1> folders{MODELS};
    const sim::Model model = sim::load_model("vgg3-fashion", folders);
    if (model.layers.size() < 2)
        return 1;

    // One layer with two kernels, 3 us and 2 us, between the input and the output:
    //   host |kernel b: 2 us|
    sim::Problem problem;
    problem.inputs = {{}, {0}, {1}};
    problem.layer_names = {"image", "layer", "output"};
    problem.model_layer = {0, 1, -1};
    problem.devices.resize(1);
    problem.engine = {-1};
    problem.copy_times.assign(3, sim::Time{});
    problem.convert_times.assign(3, sim::Time{});
    const auto task = [](int layer, double us) {
        sim::Task result;
        result.first = result.last = layer;
        if (layer > 0)
            result.inputs = {{layer - 1, 0}};
        result.cost = sim::from_microseconds(us);
        return result;
    };
    problem.tasks = {task(0, 0), task(1, 3), task(1, 2), task(2, 0)};
    sim::index(problem);

    const sim::SearchResult result = sim::find_search("branch-and-bound").run(problem, {});
    std::printf("%.2f us\n", sim::microseconds(result.makespan));
    return result.status == sim::SearchStatus::proven &&
                   result.makespan == sim::from_microseconds(2)
               ? 0
               : 1;
}
