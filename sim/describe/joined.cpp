#include "sim/describe/joined.hpp"

#include "sim/index.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>
#include <map>

namespace sim {
namespace {

// Each its own, in their order.
std::vector<std::string> names_of(std::span<const Model> models) {
    std::vector<std::string> names;
    std::map<std::string, int> count;
    for (const Model& model : models) {
        const int number = ++count[model.name];
        names.push_back(number == 1 ? model.name : fmt::format("{}#{}", model.name, number));
    }
    return names;
}

}  // namespace

Model joined(std::span<const Model> models) {
    assert(!models.empty());
    if (models.size() == 1) {
        return models.front();
    }
    const std::vector<std::string> names = names_of(models);
    Model all;
    all.name = fmt::format("{}", fmt::join(names, " + "));
    all.path = models.front().path;
    all.networks = names;

    // The inputs of all come first, then the other layers of one network after the other.
    std::vector<std::vector<int>> place(models.size());
    const auto add = [&](std::size_t network, int first, int end) {
        for (int i = first; i < end; ++i) {
            place[network].push_back(static_cast<int>(all.layers.size()));
            Layer layer = models[network].layers[at(i)];
            layer.name = names[network] + "/" + layer.name;
            layer.network = static_cast<int>(network);
            all.layers.push_back(std::move(layer));
        }
    };
    for (std::size_t network = 0; network < models.size(); ++network) {
        add(network, 0, models[network].inputs());
    }
    for (std::size_t network = 0; network < models.size(); ++network) {
        const Model& model = models[network];
        add(network, model.inputs(), static_cast<int>(model.layers.size()));
        for (const Output& output : model.outputs) {
            all.outputs.push_back({place[network][at(output.layer)], output.place});
        }
    }
    all.consumers.resize(all.layers.size());
    for (std::size_t i = 0; i < all.layers.size(); ++i) {
        const std::vector<int>& of_its_network = place[at(all.layers[i].network)];
        for (int& input : all.layers[i].inputs) {
            input = of_its_network[at(input)];
        }
    }
    for (std::size_t network = 0; network < models.size(); ++network) {
        for (std::size_t i = 0; i < models[network].layers.size(); ++i) {
            for (const int reader : models[network].consumers[i]) {
                all.consumers[at(place[network][i])].push_back(place[network][at(reader)]);
            }
        }
    }
    return all;
}

}  // namespace sim
