#pragma once

// What the loader and the compiler ask of a directed graph: cycles, orders, longest paths.
//
// Boost.Graph does the work and stays in graph.cpp. Vertices are 0 .. vertices - 1.

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

namespace sim {

struct Graph {
    int vertices = 0;
    std::vector<std::pair<int, int>> edges;  // from, to
};

// The vertices of one cycle, each with an edge to the next and the last to the first; empty if
// there is none.
std::vector<int> find_cycle(const Graph& graph);

// Every vertex after those with an edge to it. Among the vertices that may come next, the one of
// the highest priority does, then the one of the lowest number. The graph has no cycle.
std::vector<int> topological_order(const Graph& graph, std::span<const std::int64_t> priority);

// For each vertex the heaviest path that begins there, its own weight included. No cycle.
std::vector<std::int64_t> longest_remaining_paths(const Graph& graph,
                                                  std::span<const std::int64_t> weight);

// Adds those of `wanted`, in their order, that leave the graph without a cycle.
void add_edges_without_cycle(Graph& graph, std::span<const std::pair<int, int>> wanted);

}  // namespace sim
