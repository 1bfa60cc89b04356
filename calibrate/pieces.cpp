#include "calibrate/pieces.hpp"

#include "sim/describe/fused_sets.hpp"
#include "sim/index.hpp"

#include <algorithm>
#include <map>
#include <set>

namespace calibrate {
namespace {

using sim::at;

// By layer the first layer of its piece; -1: of none.
std::vector<int> connected(const sim::Model& model, const std::vector<bool>& keep) {
    std::vector<int> piece(model.layers.size(), -1);
    for (int first = 0; first < static_cast<int>(piece.size()); ++first) {
        if (!keep[at(first)] || piece[at(first)] >= 0) {
            continue;
        }
        std::vector<int> open{first};
        piece[at(first)] = first;
        while (!open.empty()) {
            const int layer = open.back();
            open.pop_back();
            for (const std::vector<int>* neighbours :
                 {&model.layers[at(layer)].inputs, &model.consumers[at(layer)]}) {
                for (const int next : *neighbours) {
                    if (keep[at(next)] && piece[at(next)] < 0) {
                        piece[at(next)] = first;
                        open.push_back(next);
                    }
                }
            }
        }
    }
    return piece;
}

// `set`: ascending.
Piece piece_of(const sim::Model& model, const Parameters& parameters, const std::vector<int>& set) {
    Piece piece;
    piece.model.name = model.name;
    piece.model.path = model.path;
    std::set<int> outside;
    for (const int layer : set) {
        for (const int input : model.layers[at(layer)].inputs) {
            if (!std::ranges::binary_search(set, input)) {
                outside.insert(input);
            }
        }
    }
    std::map<int, int> renumbered;
    const auto add = [&](int layer, sim::Layer entry, LayerParameters of_layer) {
        renumbered.emplace(layer, static_cast<int>(piece.model.layers.size()));
        for (int& input : entry.inputs) {
            input = renumbered.at(input);
            piece.model.consumers[at(input)].push_back(renumbered.at(layer));
        }
        piece.model.layers.push_back(std::move(entry));
        piece.model.consumers.emplace_back();
        piece.parameters.push_back(std::move(of_layer));
    };
    for (const int layer : outside) {
        sim::Layer input;
        input.name = model.layers[at(layer)].name;
        input.output = model.layers[at(layer)].output;
        input.where = model.layers[at(layer)].where;
        add(layer, std::move(input), {});
    }
    for (const int layer : set) {
        sim::Layer entry = model.layers[at(layer)];
        entry.network = 0;
        add(layer, std::move(entry), parameters[at(layer)]);
    }
    for (const int layer : sim::read_outside(model, set)) {
        piece.model.outputs.push_back({.layer = renumbered.at(layer), .place = {}});
    }
    return piece;
}

}  // namespace

std::vector<Piece> pieces_of(const sim::Model& model,
                             const Parameters& parameters,
                             const std::vector<bool>& keep) {
    std::map<int, std::vector<int>> sets;
    const std::vector<int> piece = connected(model, keep);
    for (int layer = 0; layer < static_cast<int>(piece.size()); ++layer) {
        if (piece[at(layer)] >= 0) {
            sets[piece[at(layer)]].push_back(layer);
        }
    }
    std::vector<Piece> pieces;
    for (const auto& [first, set] : sets) {
        pieces.push_back(piece_of(model, parameters, set));
    }
    return pieces;
}

}  // namespace calibrate
