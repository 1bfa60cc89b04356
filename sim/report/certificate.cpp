// A certificate as JSON, for a program that checks it with the model and the platform alone. Before
// its layers get long, it is
//
//     {
//       "hetmap": "certificate/1",
//       "model": "small",
//       "platform": "two-devices",
//       "batch": 1,
//       "transfer_modes": "first",
//       "makespan_ps": 15980000,
//       "order": ["conv1", "pool1", "fc"],
//       "tasks": [
//         {"layers": ["conv1", "pool1"], "device": "cpu", "variant": "avx512", "configuration":
//         "2y"},
//         {"layers": ["fc"], "device": "gpu0", "variant": "tensor_core", "configuration": "1"}],
//       "mapping": [0, 1],
//       "beginnings": [
//         [0],
//         [1, 0]]
//     }
//
// Numbers in `mapping` and `beginnings` count in `tasks` from 0. The model's input and its answer,
// which every mapping has, are left out. What it proves: search/certificate.hpp.

#include "sim/index.hpp"
#include "sim/report/report.hpp"

#include <nlohmann/json.hpp>

#include <map>

namespace sim {
namespace {

using nlohmann::ordered_json;

// Numbers the tasks in the order in which they are first met.
class Tasks {
public:
    explicit Tasks(const Problem& problem) : problem_(problem) {}

    ordered_json numbers(const Mapping& mapping) {
        ordered_json list = ordered_json::array();
        for (const int index : mapping) {
            const Task& task = problem_.tasks[at(index)];
            if (problem_.model_layer[at(task.first)] > 0) {
                list.push_back(number_.emplace(index, number_.size()).first->second);
                if (number_.size() > text_.size()) {
                    text_.push_back(described(task));
                }
            }
        }
        return list;
    }

    const std::vector<ordered_json>& described() const { return text_; }

private:
    ordered_json described(const Task& task) const {
        ordered_json layers = ordered_json::array({problem_.layer_names[at(task.first)]});
        for (const int layer : task.rest) {
            layers.push_back(problem_.layer_names[at(layer)]);
        }
        return {{"layers", layers},
                {"device", problem_.device_names[at(task.device)]},
                {"variant", task.variant},
                {"configuration", task.configuration}};
    }

    const Problem& problem_;
    std::map<int, std::size_t> number_;  // by task of the problem
    std::vector<ordered_json> text_;     // by number
};

// One element in a line.
std::string lines(const std::vector<ordered_json>& list) {
    std::string text = "[";
    for (const ordered_json& element : list) {
        text += (&element == list.data() ? "\n    " : ",\n    ") + element.dump();
    }
    return text + "]";
}

}  // namespace

std::string certificate_json(const Answer& answer) {
    const Problem& problem = *answer.problem;
    Tasks tasks(problem);
    const std::string mapping = tasks.numbers(answer.mapping).dump();
    std::vector<ordered_json> beginnings;
    for (const Mapping& beginning : answer.result.certificate) {
        beginnings.push_back(tasks.numbers(beginning));
    }
    ordered_json order = ordered_json::array();
    for (int layer = 0; layer < problem.layers(); ++layer) {
        if (problem.model_layer[at(layer)] > 0) {
            order.push_back(problem.layer_names[at(layer)]);
        }
    }
    const ordered_json head{{"hetmap", "certificate/1"},
                            {"model", problem.model},
                            {"platform", problem.platform},
                            {"set", problem.set},
                            {"batch", problem.batch},
                            {"transfer_modes", problem.transfer_modes},
                            {"makespan_ps", answer.result.makespan.count()},
                            {"order", order}};
    std::string text = "{";
    for (const auto& [key, value] : head.items()) {
        text += "\n  " + ordered_json(key).dump() + ": " + value.dump() + ",";
    }
    return text + "\n  \"tasks\": " + lines(tasks.described()) + ",\n  \"mapping\": " + mapping +
           ",\n  \"beginnings\": " + lines(beginnings) + "\n}\n";
}

}  // namespace sim
