// A certificate as JSON, for a program that checks it with the model and the platform alone. Before
// its layers get long, it is
//
//     {
//       "hetmap": "certificate/1",
//       "model": "small",
//       "platform": "two-devices",
//       "batch": 1,
//       "transfer_modes": "first",
//       "objective": "latency",
//       "makespan_ps": 15980000,
//       "in_any_order": true,
//       "order": ["conv1", "pool1", "fc"],
//       "weightings": [],
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
// which every mapping has, are left out. Of a throughput it says "frames_in_flight" and "period_ps"
// instead of "makespan_ps"; a weighting is {"devices": {"cpu": 1, "gpu": 3}, "engines": {"up": 1}};
// copies that the mapping issues early are in "copies", as {"tensor": "conv1", "to": "gpu",
// "before": 3}, before the task at that place of the mapping. What it proves:
// search/certificate.hpp.

#include "sim/index.hpp"
#include "sim/report/report.hpp"

#include <nlohmann/json.hpp>

#include <cmath>
#include <cstdint>
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
            if (problem_.model_layer[at(task.first)] >= problem_.model_inputs) {
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

// Weights that are not zero, by name.
ordered_json described(const Problem& problem, const std::vector<std::int64_t>& weighting) {
    ordered_json text = ordered_json::object();
    for (std::size_t r = 0; r < weighting.size(); ++r) {
        if (const std::size_t devices = problem.devices.size(); weighting[r] > 0) {
            text[r < devices ? "devices" : "engines"]
                [r < devices ? problem.device_names[r] : problem.engine_names[r - devices]] =
                    weighting[r];
        }
    }
    return text;
}

}  // namespace

std::string certificate_json(const Answer& answer) {
    const Problem& problem = *answer.problem;
    Tasks tasks(problem);
    const std::string mapping = tasks.numbers(answer.mapping).dump();
    const Certificate& certificate = answer.result.certificate.value();
    std::vector<ordered_json> beginnings, weightings;
    for (const Mapping& beginning : certificate.beginnings) {
        beginnings.push_back(tasks.numbers(beginning));
    }
    for (const std::vector<std::int64_t>& weighting : certificate.weightings) {
        weightings.push_back(described(problem, weighting));
    }
    ordered_json order = ordered_json::array();
    for (const int layer : certificate.order) {
        if (problem.model_layer[at(layer)] >= problem.model_inputs) {
            order.push_back(problem.layer_names[at(layer)]);
        }
    }
    ordered_json head{{"hetmap", "certificate/1"},
                      {"model", problem.model},
                      {"platform", problem.platform},
                      {"set", problem.set},
                      {"batch", problem.batch},
                      {"transfer_modes", problem.transfer_modes},
                      {"objective", name_of(problem, answer.goal.minimise.front())}};
    if (answer.goal.is_latency()) {
        head["makespan_ps"] = answer.result.makespan.count();
    } else {
        head["frames_in_flight"] = answer.goal.frames_in_flight;
        head["period_ps"] = std::llround(answer.result.value);
    }
    head["in_any_order"] = certificate.in_any_order;
    head["order"] = order;
    for (const EarlyCopy& copy : answer.mapping.early) {
        head["copies"].push_back({{"tensor", problem.layer_names[at(copy.tensor)]},
                                  {"to", problem.memory_names[at(copy.to)]},
                                  {"before", copy.before - 1}});
    }
    std::string text = "{";
    for (const auto& [key, value] : head.items()) {
        text += "\n  " + ordered_json(key).dump() + ": " + value.dump() + ",";
    }
    return text + "\n  \"weightings\": " + lines(weightings) +
           ",\n  \"tasks\": " + lines(tasks.described()) + ",\n  \"mapping\": " + mapping +
           ",\n  \"beginnings\": " + lines(beginnings) + "\n}\n";
}

}  // namespace sim
