#include "sim/describe/graph.hpp"

#include "sim/checked.hpp"
#include "sim/index.hpp"

#include <boost/graph/adjacency_list.hpp>
#include <boost/graph/depth_first_search.hpp>
#include <boost/graph/topological_sort.hpp>

#include <algorithm>
#include <functional>
#include <iterator>
#include <queue>

namespace sim {
namespace {

using BoostGraph = boost::adjacency_list<boost::vecS, boost::vecS, boost::directedS>;

BoostGraph to_boost(const Graph& graph) {
    return {graph.edges.begin(), graph.edges.end(), at(graph.vertices)};
}

// Thrown by the visitor below when it has what it looked for: Boost's way out of a search.
struct CycleFound {
    int from, to;  // the edge that closes the cycle
};

struct CycleFinder : boost::dfs_visitor<> {
    std::vector<int>* parent;

    template <class Edge>
    void tree_edge(const Edge& edge, const BoostGraph& g) const {
        (*parent)[boost::target(edge, g)] = static_cast<int>(boost::source(edge, g));
    }
    template <class Edge>
    void back_edge(const Edge& edge, const BoostGraph& g) const {
        throw CycleFound{static_cast<int>(boost::source(edge, g)),
                         static_cast<int>(boost::target(edge, g))};
    }
};

// Last vertices first, as Boost gives it.
std::vector<int> reverse_topological_order(const BoostGraph& graph) {
    std::vector<int> order;
    order.reserve(boost::num_vertices(graph));
    boost::topological_sort(graph, std::back_inserter(order));
    return order;
}

// By vertex: its place in some topological order.
std::vector<int> ranks_of(const BoostGraph& graph) {
    const std::vector<int> reversed = reverse_topological_order(graph);
    std::vector<int> rank(reversed.size());
    for (std::size_t i = 0; i < reversed.size(); ++i) {
        rank[at(reversed[i])] = static_cast<int>(reversed.size() - 1 - i);
    }
    return rank;
}

// Is there a path? Only vertices up to the target's rank can lie on one.
bool reaches(const BoostGraph& graph, std::span<const int> rank, int from, int to) {
    std::vector<bool> seen(rank.size());
    std::vector<int> open{from};
    seen[at(from)] = true;
    while (!open.empty()) {
        const int vertex = open.back();
        open.pop_back();
        if (vertex == to) {
            return true;
        }
        for (const auto edge : boost::make_iterator_range(boost::out_edges(at(vertex), graph))) {
            const auto next = boost::target(edge, graph);
            if (!seen[next] && rank[next] <= rank[at(to)]) {
                seen[next] = true;
                open.push_back(static_cast<int>(next));
            }
        }
    }
    return false;
}

}  // namespace

std::vector<int> find_cycle(const Graph& graph) {
    std::vector<int> parent(at(graph.vertices), -1);
    CycleFinder finder;
    finder.parent = &parent;
    try {
        boost::depth_first_search(to_boost(graph), boost::visitor(finder));
    } catch (const CycleFound& closing) {
        std::vector<int> cycle{closing.from};
        while (cycle.back() != closing.to) {
            cycle.push_back(parent[at(cycle.back())]);
        }
        std::ranges::reverse(cycle);
        return cycle;
    }
    return {};
}

std::vector<int> topological_order(const Graph& graph, std::span<const std::int64_t> priority) {
    const BoostGraph boost_graph = to_boost(graph);
    std::vector<int> missing(at(graph.vertices));  // edges into a vertex from those not yet placed
    for (const auto& [from, to] : graph.edges) {
        ++missing[at(to)];
    }
    const auto later = [&](int a, int b) {
        return priority[at(a)] != priority[at(b)] ? priority[at(a)] < priority[at(b)] : a > b;
    };
    std::priority_queue<int, std::vector<int>, decltype(later)> ready{later};
    for (int vertex = 0; vertex < graph.vertices; ++vertex) {
        if (missing[at(vertex)] == 0) {
            ready.push(vertex);
        }
    }
    std::vector<int> order;
    order.reserve(at(graph.vertices));
    while (!ready.empty()) {
        order.push_back(ready.top());
        ready.pop();
        for (const auto edge :
             boost::make_iterator_range(boost::out_edges(at(order.back()), boost_graph))) {
            const auto next = static_cast<int>(boost::target(edge, boost_graph));
            if (--missing[at(next)] == 0) {
                ready.push(next);
            }
        }
    }
    return order;
}

std::vector<std::int64_t> longest_remaining_paths(const Graph& graph,
                                                  std::span<const std::int64_t> weight) {
    const BoostGraph boost_graph = to_boost(graph);
    std::vector<std::int64_t> longest(weight.begin(), weight.end());
    for (const int vertex : reverse_topological_order(boost_graph)) {
        std::int64_t after = 0;
        for (const auto edge :
             boost::make_iterator_range(boost::out_edges(at(vertex), boost_graph))) {
            after = std::max(after, longest[boost::target(edge, boost_graph)]);
        }
        longest[at(vertex)] = checked_sum(longest[at(vertex)], after);
    }
    return longest;
}

void add_edges_without_cycle(Graph& graph, std::span<const std::pair<int, int>> wanted) {
    BoostGraph boost_graph = to_boost(graph);
    std::vector<int> rank = ranks_of(boost_graph);
    for (const auto& [from, to] : wanted) {
        // An edge along the order at hand closes no cycle; another may, and changes the order.
        const bool along = rank[at(from)] < rank[at(to)];
        if (!along && reaches(boost_graph, rank, to, from)) {
            continue;
        }
        boost::add_edge(at(from), at(to), boost_graph);
        graph.edges.emplace_back(from, to);
        if (!along) {
            rank = ranks_of(boost_graph);
        }
    }
}

}  // namespace sim
