#include "sim/describe/fused_sets.hpp"

#include "sim/index.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <set>

namespace sim {
namespace {

using Sets = std::vector<std::vector<int>>;

bool holds(std::span<const int> set, int layer) { return std::ranges::binary_search(set, layer); }

// ---- 1. What a text tells of the edges. -----------------------------------------------------

// One layer of a signature or a pattern.
struct Member {
    std::string_view operation;
    std::vector<int> reads;  // positions of layers of the set before it, ascending, each once
};

struct Edges {
    std::vector<Member> parts;
    std::vector<int> readers;  // by position: how many of the set read it
};

std::vector<std::string_view> divided(std::string_view text, std::string_view separator) {
    std::vector<std::string_view> parts;
    for (;;) {
        const std::size_t end = text.find(separator);
        parts.push_back(text.substr(0, end));
        if (end == std::string_view::npos) {
            return parts;
        }
        text.remove_prefix(end + separator.size());
    }
}

std::optional<int> whole_number(std::string_view text) {
    int value = 0;
    const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
    return failure == std::errc{} && end == text.data() + text.size() && value >= 0
               ? std::optional{value}
               : std::nullopt;
}

bool is_element(std::string_view word) { return find_element(word).has_value(); }

// The layer at `position`; nothing where the text is no layer's.
std::optional<Member> part_of(std::string_view text, int position, bool has_shapes) {
    const std::vector<std::string_view> words = divided(text, " ");
    const Operation* const operation = find_operation(words.front());
    if (operation == nullptr) {
        return std::nullopt;
    }
    Member part{.operation = operation->name, .reads = {}};
    int named = 0;
    std::size_t next = 1;
    const auto word = [&] { return next < words.size() ? words[next] : std::string_view{}; };
    while (is_element(word()) || word().starts_with('@')) {
        ++named;
        if (word().starts_with('@')) {
            const std::optional<int> at_position = whole_number(word().substr(1));
            if (!at_position || *at_position >= position) {
                return std::nullopt;
            }
            part.reads.push_back(*at_position);
            ++next;
        } else {
            next += has_shapes ? 2 : 1;
        }
        if (word() != "+") {
            break;
        }
        ++next;
    }
    // It reads the layer before unless all of its inputs are named.
    const bool has_any_number = operation->min_inputs != operation->max_inputs;
    const bool says_number = std::any_of(
        words.begin() + static_cast<std::ptrdiff_t>(std::min(next, words.size())),
        words.end(),
        [](std::string_view w) { return w.starts_with('i') && whole_number(w.substr(1)); });
    if (position > 0 && (has_any_number ? !says_number : named < operation->min_inputs)) {
        part.reads.push_back(position - 1);
    }
    std::ranges::sort(part.reads);
    part.reads.erase(std::unique(part.reads.begin(), part.reads.end()), part.reads.end());
    return part;
}

std::optional<Edges> edges_of(std::string_view text, bool has_shapes) {
    Edges edges;
    for (const std::string_view part_text : divided(text, " | ")) {
        std::optional<Member> part =
            part_of(part_text, static_cast<int>(edges.parts.size()), has_shapes);
        if (!part) {
            return std::nullopt;
        }
        edges.readers.push_back(0);
        for (const int read : part->reads) {
            ++edges.readers[at(read)];
        }
        edges.parts.push_back(std::move(*part));
    }
    return edges;
}

// Does a pattern tell what its layers read? It does not where each reads the one before, nor for
// the runs that sim::pattern says so little about.
bool tells_edges(std::string_view pattern) {
    const std::vector<std::string_view> parts = divided(pattern, " | ");
    return std::any_of(parts.begin() + 1, parts.end(), [](std::string_view part) {
        const std::vector<std::string_view> words = divided(part, " ");
        return std::ranges::any_of(
            words, [](std::string_view w) { return w.starts_with('@') || is_element(w); });
    });
}

// ---- 2. Growing sets. -----------------------------------------------------------------------

// How a set grows: the next position, and one that is there already which it reads or which reads
// it.
struct Growth {
    int position = 0, neighbour = -1;
    bool reads_neighbour = false;
};

// An order in which every position but the first has a neighbour before it; empty if there is
// none: the layers are not connected.
std::vector<Growth> growth_of(const Edges& edges) {
    const int size = static_cast<int>(edges.parts.size());
    std::vector<std::vector<int>> readers(at(size));
    for (int position = 0; position < size; ++position) {
        for (const int read : edges.parts[at(position)].reads) {
            readers[at(read)].push_back(position);
        }
    }
    std::vector<Growth> growth{{}};
    std::vector<char> is_in(at(size));
    is_in[0] = 1;
    for (std::size_t i = 0; i < growth.size(); ++i) {
        const int position = growth[i].position;
        const auto add = [&](const std::vector<int>& neighbours, bool reads_neighbour) {
            for (const int neighbour : neighbours) {
                if (!is_in[at(neighbour)]) {
                    is_in[at(neighbour)] = 1;
                    growth.push_back({neighbour, position, reads_neighbour});
                }
            }
        };
        add(readers[at(position)], true);
        add(edges.parts[at(position)].reads, false);
    }
    return static_cast<int>(growth.size()) == size ? growth : std::vector<Growth>{};
}

struct SetSearch {
    const Model& model;
    std::string_view text;
    std::size_t size = 1;
    std::vector<char> is_result;  // by position
    std::string (*text_of)(const Model&, std::span<const int>);
    Sets found;
    std::size_t tries = 0;

    void count_try();
    bool is_read_enough(int layer, int position, int readers, bool exactly) const;
    void add_if_right(const std::vector<int>& set);
    void grow(const Edges& edges, const std::vector<Growth>& growth, int first);
    void grow_chains(int first);
    void add_run(int first);
};

void SetSearch::count_try() {
    if (++tries > SetFinder::kMostTries) {
        throw InputError{fmt::format("'{}': more than {} sets of layers to try in model '{}'",
                                     text,
                                     SetFinder::kMostTries,
                                     model.name)};
    }
}

// A layer whose result stays inside is read by the set's layers and by no other.
bool SetSearch::is_read_enough(int layer, int position, int readers, bool exactly) const {
    if (is_result[at(position)]) {
        return true;
    }
    const auto count = static_cast<int>(model.consumers[at(layer)].size());
    return !is_output(model, layer) && count > 0 && (exactly ? count == readers : count <= readers);
}

void SetSearch::add_if_right(const std::vector<int>& set) {
    const std::vector<int> outside = read_outside(model, set);
    std::size_t position = 0;
    for (const int layer : outside) {
        while (set[position] != layer) {
            ++position;
        }
        if (!is_result[position]) {
            return;
        }
    }
    if (!is_convex(model, set) || text_of(model, set) != text) {
        return;
    }
    if (found.size() >= SetFinder::kMostSets) {
        throw InputError{fmt::format("'{}': model '{}' has more than {} such sets of layers",
                                     text,
                                     model.name,
                                     SetFinder::kMostSets)};
    }
    found.push_back(set);
}

// Depth first: at each depth one position more has a layer.
void SetSearch::grow(const Edges& edges, const std::vector<Growth>& growth, int first) {
    std::vector<int> set(size, -1);            // by position
    std::vector<std::vector<int>> left(size);  // by depth: layers still to be tried
    const auto fits = [&](int layer, int position) {
        const Layer& l = model.layers[at(layer)];
        if (l.operation == nullptr || l.operation->name != edges.parts[at(position)].operation ||
            !is_read_enough(layer, position, edges.readers[at(position)], true)) {
            return false;
        }
        for (int other = 0; other < static_cast<int>(size); ++other) {
            const int its = set[at(other)];
            if (its >= 0 && (its == layer || (other < position) != (its < layer))) {
                return false;
            }
        }
        return true;
    };
    left[0] = {first};
    for (std::size_t depth = 0;;) {
        const Growth& next = growth[depth];
        set[at(next.position)] = -1;
        if (left[depth].empty()) {
            if (depth == 0) {
                return;
            }
            --depth;
            continue;
        }
        const int layer = left[depth].back();
        left[depth].pop_back();
        count_try();
        if (!fits(layer, next.position)) {
            continue;
        }
        set[at(next.position)] = layer;
        if (depth + 1 == size) {
            add_if_right(set);
            continue;
        }
        ++depth;
        const int neighbour = set[at(growth[depth].neighbour)];
        std::vector<int>& candidates = left[depth];
        candidates = growth[depth].reads_neighbour ? model.consumers[at(neighbour)]
                                                   : model.layers[at(neighbour)].inputs;
        std::ranges::sort(candidates, std::greater{});
        candidates.erase(std::unique(candidates.begin(), candidates.end()), candidates.end());
    }
}

// Chains in which each layer reads the one before.
void SetSearch::grow_chains(int first) {
    const std::vector<std::string_view> parts = divided(text, " | ");
    std::vector<int> chain;
    std::vector<std::vector<int>> left(size);  // by position: layers still to be tried
    left[0] = {first};
    for (std::size_t position = 0;;) {
        chain.resize(position);
        if (left[position].empty()) {
            if (position == 0) {
                return;
            }
            --position;
            continue;
        }
        const int layer = left[position].back();
        left[position].pop_back();
        count_try();
        const std::string_view operation = model.layers[at(layer)].operation->name;
        const std::string_view part = parts[position];
        const bool fits =
            part.starts_with(operation) &&
            (part.size() == operation.size() || part[operation.size()] == ' ') &&
            is_read_enough(
                layer, static_cast<int>(position), static_cast<int>(size - 1 - position), false);
        if (!fits) {
            continue;
        }
        chain.push_back(layer);
        if (position + 1 == size) {
            add_if_right(chain);
            continue;
        }
        ++position;
        left[position].assign(model.consumers[at(layer)].rbegin(),
                              model.consumers[at(layer)].rend());
    }
}

// Consecutive layers, unless they are a chain, which grow_chains() finds.
void SetSearch::add_run(int first) {
    const int last = first + static_cast<int>(size) - 1;
    if (!is_branching_run(model, first, last)) {
        return;
    }
    std::vector<int> run;
    bool is_chain = true;
    for (int layer = first; layer <= last; ++layer) {
        const std::vector<int>& inputs = model.layers[at(layer)].inputs;
        is_chain =
            is_chain && (layer == first || std::ranges::find(inputs, layer - 1) != inputs.end());
        run.push_back(layer);
    }
    if (!is_chain) {
        add_if_right(run);
    }
}

// Nothing if `results` has a position that `text` has not.
std::optional<SetSearch> search_of(const Model& model,
                                   std::string_view text,
                                   std::span<const int> results,
                                   std::string (*text_of)(const Model&, std::span<const int>)) {
    SetSearch search{.model = model,
                     .text = text,
                     .size = divided(text, " | ").size(),
                     .is_result = {},
                     .text_of = text_of,
                     .found = {}};
    search.is_result.assign(search.size, 0);
    if (results.empty()) {
        search.is_result.back() = 1;
    }
    for (const int result : results) {
        if (at(result) >= search.size) {
            return std::nullopt;
        }
        search.is_result[at(result)] = 1;
    }
    return search;
}

const std::vector<int>& layers_with(const std::unordered_map<std::string, std::vector<int>>& map,
                                    std::string_view text) {
    static const std::vector<int> kNone;
    const auto found = map.find(std::string{text});
    return found == map.end() ? kNone : found->second;
}

std::string_view first_part(std::string_view text) { return text.substr(0, text.find(" | ")); }

}  // namespace

bool is_connected(const Model& model, std::span<const int> set) {
    std::vector<int> group(set.size());  // by position: the first layer that it hangs together with
    for (std::size_t i = 0; i < set.size(); ++i) {
        group[i] = static_cast<int>(i);
        for (const int input : model.layers[at(set[i])].inputs) {
            const auto found = std::ranges::lower_bound(set, input);
            if (found == set.end() || *found != input) {
                continue;
            }
            const int joined = group[static_cast<std::size_t>(found - set.begin())];
            std::replace(group.begin(),
                         group.begin() + static_cast<std::ptrdiff_t>(i) + 1,
                         group[i],
                         joined);
        }
    }
    return std::ranges::all_of(group, [&](int g) { return g == group.front(); });
}

bool is_convex(const Model& model, std::span<const int> set) {
    const int first = set.front(), last = set.back();
    std::vector<char> is_after(at(last - first + 1));  // outside, and reached from the set
    for (int layer = first; layer <= last; ++layer) {
        const bool is_inside = holds(set, layer);
        for (const int input : model.layers[at(layer)].inputs) {
            const bool comes_back = input >= first && is_after[at(input - first)];
            if (is_inside && comes_back) {
                return false;
            }
            if (!is_inside && (comes_back || holds(set, input))) {
                is_after[at(layer - first)] = 1;
            }
        }
    }
    return true;
}

std::vector<int> read_outside(const Model& model, std::span<const int> set) {
    std::vector<int> layers;
    for (const int layer : set) {
        const std::vector<int>& readers = model.consumers[at(layer)];
        if (is_output(model, layer) ||
            !std::ranges::all_of(readers, [&](int reader) { return holds(set, reader); })) {
            layers.push_back(layer);
        }
    }
    return layers;
}

std::vector<int> results_in(std::span<const int> set, std::span<const int> results) {
    if (results.empty()) {
        return {set.back()};
    }
    std::vector<int> layers;
    for (const int result : results) {
        layers.push_back(set[at(result)]);
    }
    std::ranges::sort(layers);
    return layers;
}

std::vector<std::vector<int>> chains_of_two_results(const Model& model, int layer, int longest) {
    const auto is_fusible = [&](int l) {
        const Layer& one = model.layers[at(l)];
        return one.operation != nullptr && !is_further_result(one) && !is_held(one);
    };
    const auto reads_two = [&](const std::vector<int>& chain) {
        const std::vector<int>& first = model.layers[at(chain.front())].inputs;
        std::set<int> beside;
        for (const int l : chain) {
            for (const int input : model.layers[at(l)].inputs) {
                if (!holds(chain, input) && input != first.front()) {
                    beside.insert(input);
                }
            }
        }
        return beside.size() <= 1;
    };
    std::vector<std::vector<int>> found, growing;
    if (is_fusible(layer) && !model.layers[at(layer)].inputs.empty()) {
        growing.push_back({layer});
    }
    while (!growing.empty()) {
        std::vector<int> chain = std::move(growing.back());
        growing.pop_back();
        if (static_cast<int>(chain.size()) >= longest) {
            continue;
        }
        const std::vector<int>& readers = model.consumers[at(chain.back())];
        for (const int reader : std::set<int>(readers.begin(), readers.end())) {
            std::vector<int> longer = chain;
            longer.push_back(reader);
            if (reader < chain.back() || !is_fusible(reader) || !is_convex(model, longer) ||
                !reads_two(longer)) {
                continue;
            }
            const std::vector<int> results = read_outside(model, longer);
            if (results.empty() || results.size() > 2 || results.back() != reader) {
                continue;
            }
            if (results.size() == 2) {
                found.push_back(longer);
            }
            growing.push_back(std::move(longer));
        }
    }
    std::ranges::sort(found);
    return found;
}

SetFinder::SetFinder(const Model& model) : model_{model} {
    for (int layer = model.inputs(); layer < static_cast<int>(model.layers.size()); ++layer) {
        if (is_further_result(model.layers[at(layer)]) || is_held(model.layers[at(layer)])) {
            continue;
        }
        const int one[] = {layer};
        by_signature_[signature(model, one)].push_back(layer);
        by_pattern_[pattern(model, one)].push_back(layer);
    }
}

std::vector<std::vector<int>> SetFinder::with_signature(std::string_view signature_text,
                                                        std::span<const int> results) const {
    std::optional<SetSearch> search = search_of(model_, signature_text, results, signature);
    const std::optional<Edges> edges = edges_of(signature_text, true);
    if (!search || !edges) {
        return {};
    }
    const std::vector<Growth> growth = growth_of(*edges);
    if (growth.empty()) {
        return {};
    }
    for (const int first : layers_with(by_signature_, first_part(signature_text))) {
        search->grow(*edges, growth, first);
    }
    return std::move(search->found);
}

std::vector<std::vector<int>> SetFinder::with_pattern(std::string_view pattern_text,
                                                      std::span<const int> results) const {
    std::optional<SetSearch> search = search_of(model_, pattern_text, results, pattern);
    if (!search) {
        return {};
    }
    const std::vector<int>& firsts = layers_with(by_pattern_, first_part(pattern_text));
    if (!tells_edges(pattern_text)) {
        for (const int first : firsts) {
            search->grow_chains(first);
            search->add_run(first);
        }
        return std::move(search->found);
    }
    const std::optional<Edges> edges = edges_of(pattern_text, false);
    const std::vector<Growth> growth = edges ? growth_of(*edges) : std::vector<Growth>{};
    for (const int first : firsts) {
        if (!growth.empty()) {
            search->grow(*edges, growth, first);
        }
    }
    return std::move(search->found);
}

}  // namespace sim
