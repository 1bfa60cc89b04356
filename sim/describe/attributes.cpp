#include "sim/describe/attributes.hpp"

#include "sim/index.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <limits>
#include <stdexcept>

namespace sim {
namespace {

int read_int(const YamlNode& node, std::int64_t lowest, std::int64_t highest) {
    return static_cast<int>(read_integer(node, lowest, highest));
}

// ---- Numbers for each side. -----------------------------------------------------------------

std::string_view sides_expected(int sides) {
    return sides == 1 ? "[width]" : sides == 2 ? "[height, width]" : "[depth, height, width]";
}

// The used ones, which are the last.
std::span<const int> used(const Sides& all, int sides) { return std::span{all}.last(at(sides)); }
std::span<int> used(Sides& all, int sides) { return std::span{all}.last(at(sides)); }

// `kernel: 3` or `kernel: [3, 5]`.
void read_sides(const YamlNode& node, int sides, std::int64_t lowest, Sides& into) {
    const std::span<int> values = used(into, sides);
    if (node.kind != YamlNode::Kind::list) {
        std::ranges::fill(values, read_int(node, lowest, kLargestWindow));
        return;
    }
    if (static_cast<int>(node.children.size()) != sides) {
        throw input_error(position_of(node),
                          fmt::format("{}: expected {}, got {} values",
                                      node.key,
                                      sides_expected(sides),
                                      node.children.size()));
    }
    for (std::size_t i = 0; i < values.size(); ++i) {
        values[i] = read_int(node.children[i], lowest, kLargestWindow);
    }
}

// One number, one for each side, or first those at the beginning of every side and then those at
// the end; or `same`.
void read_padding(const YamlNode& node, int sides, Attributes& a) {
    if (node.kind == YamlNode::Kind::text && node.text == "same") {
        a.pads_to_same = true;
        return;
    }
    const auto twice = at(2 * sides);
    if (node.kind != YamlNode::Kind::list || node.children.size() != twice) {
        if (node.kind == YamlNode::Kind::list && static_cast<int>(node.children.size()) != sides) {
            throw input_error(
                position_of(node),
                fmt::format("padding: expected one number, {} or {} of them, or 'same', got {}",
                            sides,
                            twice,
                            node.children.size()));
        }
        read_sides(node, sides, 0, a.pad_begin);
        a.pad_end = a.pad_begin;
        return;
    }
    for (int i = 0; i < sides; ++i) {
        used(a.pad_begin, sides)[at(i)] = read_int(node.children[at(i)], 0, kLargestWindow);
        used(a.pad_end, sides)[at(i)] = read_int(node.children[at(sides + i)], 0, kLargestWindow);
    }
}

bool all_are(std::span<const int> values, int value) {
    return std::ranges::all_of(values, [&](int v) { return v == value; });
}

// "3x3", or "2" where all sides have it and `short_if_equal`.
std::string sides_signature(std::span<const int> values, bool short_if_equal) {
    return short_if_equal && all_are(values, values.front())
               ? std::to_string(values.front())
               : fmt::format("{}", fmt::join(values, "x"));
}

std::string list_text(std::span<const int> values) {
    return fmt::format("[{}]", fmt::join(values, ", "));
}

// One number where it says all.
std::string one_or_list(std::span<const int> values) {
    return all_are(values, values.front()) ? std::to_string(values.front()) : list_text(values);
}

std::string padding_text(const Attributes& a, int sides) {
    const std::span<const int> begin = used(a.pad_begin, sides), end = used(a.pad_end, sides);
    if (std::ranges::equal(begin, end)) {
        return one_or_list(begin);
    }
    return fmt::format("[{}, {}]", fmt::join(begin, ", "), fmt::join(end, ", "));
}

std::string padding_signature(const Attributes& a, int sides) {
    const std::span<const int> begin = used(a.pad_begin, sides), end = used(a.pad_end, sides);
    std::string text = sides_signature(begin, true);
    if (!std::ranges::equal(begin, end)) {
        text = fmt::format("{}:{}", sides_signature(begin, false), sides_signature(end, false));
    }
    return text;
}

// ---- Lists. ---------------------------------------------------------------------------------

std::vector<int> read_ints(const YamlNode& node,
                           std::int64_t lowest,
                           std::int64_t highest,
                           std::size_t most) {
    std::vector<int> values;
    for (const YamlNode& item : read_list(node)) {
        values.push_back(read_int(item, lowest, highest));
    }
    if (values.empty() || values.size() > most) {
        throw input_error(
            position_of(node),
            fmt::format("{}: expected 1 to {} numbers, got {}", node.key, most, values.size()));
    }
    return values;
}

constexpr std::size_t kMostResults = 64;

std::vector<int> read_shape(const YamlNode& node) {
    std::vector<int> sides = read_ints(node, 1, kMostElements / 2, TensorShape::kMostDimensions);
    if (TensorShape{sides, Element::u8}.elements() > kMostElements) {
        throw input_error(
            position_of(node),
            fmt::format("{}: {} has more than 2^31 elements", node.key, fmt::join(sides, "x")));
    }
    return sides;
}

std::vector<int> read_axes(const YamlNode& node) {
    return read_ints(node,
                     -TensorShape::kMostDimensions,
                     TensorShape::kMostDimensions - 1,
                     TensorShape::kMostDimensions);
}

// What an opaque layer is called: a word that signatures, and YAML without quotes, can hold.
std::string read_kind(const YamlNode& node) {
    const std::string& kind = read_name(node);
    const bool fits = std::ranges::all_of(kind, [](char c) {
        return std::isalnum(static_cast<unsigned char>(c)) != 0 ||
               std::string_view{"_.:/-"}.find(c) != std::string_view::npos;
    });
    if (!fits) {
        throw unexpected(node, "letters, digits and any of _ . : / -");
    }
    return kind;
}

// `shape` and `type` of one result, or `shapes` and `types` of several.
void read_results(const YamlNode& entry, std::string_view layer, Attributes& a) {
    const YamlNode* const shape = find(entry, "shape");
    const YamlNode* const shapes = find(entry, "shapes");
    const YamlNode* const type = find(entry, "type");
    const YamlNode* const types = find(entry, "types");
    const bool fits = (shape != nullptr) != (shapes != nullptr) &&
                      (type != nullptr) == (shape != nullptr) &&
                      (types != nullptr) == (shapes != nullptr);
    if (!fits) {
        throw input_error(position_of(entry),
                          fmt::format("{}: expected shape and type of its result, or shapes and "
                                      "types of several",
                                      layer));
    }
    if (shape != nullptr) {
        a.results.emplace_back(read_shape(*shape), read_element(*type));
        return;
    }
    const std::vector<YamlNode>& all = read_list(*shapes);
    const std::vector<YamlNode>& elements_of = read_list(*types);
    if (all.empty() || all.size() > kMostResults || all.size() != elements_of.size()) {
        throw input_error(position_of(*types),
                          fmt::format("types: expected as many as shapes, 1 to {}, got {} and {}",
                                      kMostResults,
                                      elements_of.size(),
                                      all.size()));
    }
    for (std::size_t i = 0; i < all.size(); ++i) {
        a.results.emplace_back(read_shape(all[i]), read_element(elements_of[i]));
    }
}

// ---- The keys. ------------------------------------------------------------------------------

// How a key is read, what its value is as YAML (nothing: by default), and in a signature (nothing:
// it changes no cost, or is there without being said).
struct Key {
    std::string_view name;
    void (*read)(const YamlNode&, int sides, Attributes&);
    std::string (*text)(const Attributes&, int sides);
    std::string (*signature)(const Attributes&, int sides);
};

std::string nothing(const Attributes&, int) { return {}; }

template <int Attributes::*kField>
std::string number_text(const Attributes& a, int) {
    return std::to_string(a.*kField);
}

template <bool Attributes::*kField>
void read_flag(const YamlNode& node, int, Attributes& a) {
    a.*kField = read_bool(node);
}
template <bool Attributes::*kField>
std::string flag_text(const Attributes& a, int) {
    return a.*kField ? "true" : "";
}

template <Sides Attributes::*kField, int kLowest>
void read_window(const YamlNode& node, int sides, Attributes& a) {
    read_sides(node, std::max(1, sides), kLowest, a.*kField);
}

template <int Attributes::*kField>
void read_size(const YamlNode& node, int, Attributes& a) {
    a.*kField = read_int(node, 1, kLargestSize);
}

constexpr auto kIgnored = [](const YamlNode&, int, Attributes&) {};  // read with another

const Key kKeys[] = {
    {"weights",
     [](const YamlNode& n, int, Attributes& a) { a.weights = read_element(n); },
     [](const Attributes& a, int) {
         return a.has_weights ? std::string{name_of(a.weights)} : std::string{};
     },
     [](const Attributes& a, int) {
         return a.has_weights && a.weights != Element::binary
                    ? fmt::format("w{}", name_of(a.weights))
                    : std::string{};
     }},
    {"out_channels",
     read_size<&Attributes::out_channels>,
     [](const Attributes& a, int) {
         return a.out_channels == 0 ? std::string{} : std::to_string(a.out_channels);
     },
     [](const Attributes& a, int) {
         return a.out_channels == 0 ? std::string{} : std::to_string(a.out_channels);
     }},
    {"first_channel",
     [](const YamlNode& n, int, Attributes& a) { a.first_channel = read_int(n, 0, kLargestSize); },
     [](const Attributes& a, int) {
         return a.sizes.empty() ? std::to_string(a.first_channel) : std::string{};
     },
     [](const Attributes& a, int) {
         return a.sizes.empty() ? fmt::format("c{}", a.first_channel) : std::string{};
     }},
    {"kernel",
     read_window<&Attributes::kernel, 1>,
     [](const Attributes& a, int sides) { return list_text(used(a.kernel, sides)); },
     [](const Attributes& a, int sides) {
         return "k" + sides_signature(used(a.kernel, sides), false);
     }},
    {"stride",
     read_window<&Attributes::stride, 1>,
     [](const Attributes& a, int sides) { return one_or_list(used(a.stride, sides)); },
     [](const Attributes& a, int sides) {
         return "s" + sides_signature(used(a.stride, sides), true);
     }},
    {"padding", read_padding, padding_text, nothing},  // see signature_of
    {"pad_value",
     [](const YamlNode& n, int, Attributes& a) { a.pad_value = read_int(n, -1, 1); },
     number_text<&Attributes::pad_value>,
     [](const Attributes& a, int) { return fmt::format("v{}", a.pad_value); }},
    {"output_padding",
     read_window<&Attributes::output_padding, 0>,
     [](const Attributes& a, int sides) {
         const auto values = used(a.output_padding, sides);
         return all_are(values, 0) ? std::string{} : one_or_list(values);
     },
     [](const Attributes& a, int sides) {
         const auto values = used(a.output_padding, sides);
         return all_are(values, 0) ? std::string{} : "op" + sides_signature(values, true);
     }},
    {"dilation",
     read_window<&Attributes::dilation, 1>,
     [](const Attributes& a, int sides) {
         const auto values = used(a.dilation, sides);
         return all_are(values, 1) ? std::string{} : one_or_list(values);
     },
     [](const Attributes& a, int sides) {
         const auto values = used(a.dilation, sides);
         return all_are(values, 1) ? std::string{} : "d" + sides_signature(values, true);
     }},
    {"groups",
     read_size<&Attributes::groups>,
     number_text<&Attributes::groups>,
     nothing},  // see signature_of
    {"out",
     [](const YamlNode& n, int, Attributes& a) { a.out = read_element(n); },
     [](const Attributes& a, int) { return a.out ? std::string{name_of(*a.out)} : std::string{}; },
     [](const Attributes& a, int) {
         return a.out ? fmt::format("o{}", name_of(*a.out)) : std::string{};
     }},
    {"ceil",
     read_flag<&Attributes::ceil>,
     flag_text<&Attributes::ceil>,
     [](const Attributes& a, int) { return a.ceil ? std::string{"ceil"} : std::string{}; }},
    {"count_padding",
     read_flag<&Attributes::count_padding>,
     flag_text<&Attributes::count_padding>,
     nothing},
    {"axis",
     [](const YamlNode& n, int, Attributes& a) {
         a.axis = read_int(n, -TensorShape::kMostDimensions, TensorShape::kMostDimensions - 1);
     },
     [](const Attributes& a, int) { return a.axis == -1 ? std::string{} : std::to_string(a.axis); },
     [](const Attributes& a, int) {
         return a.axis == -1 ? std::string{} : fmt::format("a{}", a.axis);
     }},
    {"axes",
     [](const YamlNode& n, int, Attributes& a) { a.axes = read_axes(n); },
     [](const Attributes& a, int) { return list_text(a.axes); },
     [](const Attributes& a, int) { return fmt::format("a{}", fmt::join(a.axes, ".")); }},
    {"keep", read_flag<&Attributes::keep>, flag_text<&Attributes::keep>, nothing},
    {"sizes",
     [](const YamlNode& n, int, Attributes& a) {
         a.sizes = read_ints(n, 1, kMostElements / 2, kMostResults);
     },
     [](const Attributes& a, int) { return a.sizes.empty() ? std::string{} : list_text(a.sizes); },
     [](const Attributes& a, int) {
         return a.sizes.empty() ? std::string{} : fmt::format("z{}", fmt::join(a.sizes, "."));
     }},
    {"size",
     [](const YamlNode& n, int, Attributes& a) { a.sizes = read_ints(n, 1, kLargestSize, 3); },
     [](const Attributes& a, int) { return list_text(a.sizes); },
     [](const Attributes& a, int) { return fmt::format("z{}", fmt::join(a.sizes, "x")); }},
    {"permutation",
     [](const YamlNode& n, int, Attributes& a) {
         a.permutation =
             read_ints(n, 0, TensorShape::kMostDimensions - 1, TensorShape::kMostDimensions);
     },
     [](const Attributes& a, int) { return list_text(a.permutation); },
     [](const Attributes& a, int) { return fmt::format("t{}", fmt::join(a.permutation, ".")); }},
    {"constant",
     [](const YamlNode& n, int, Attributes& a) { a.constant = read_shape(n); },
     [](const Attributes& a, int) {
         return a.constant.empty() ? std::string{} : list_text(a.constant);
     },
     [](const Attributes& a, int) {
         return a.constant.empty() ? std::string{} : fmt::format("n{}", fmt::join(a.constant, "x"));
     }},
    {"transpose_a",
     read_flag<&Attributes::transpose_a>,
     flag_text<&Attributes::transpose_a>,
     [](const Attributes& a, int) { return a.transpose_a ? std::string{"ta"} : std::string{}; }},
    {"transpose_b",
     read_flag<&Attributes::transpose_b>,
     flag_text<&Attributes::transpose_b>,
     [](const Attributes& a, int) { return a.transpose_b ? std::string{"tb"} : std::string{}; }},
    {"scale",
     [](const YamlNode& n, int, Attributes& a) {
         const int sides = n.kind == YamlNode::Kind::list ? static_cast<int>(n.children.size()) : 2;
         if (sides < 1 || sides > 3) {
             throw unexpected(n, "one number, or one for each of 1 to 3 sides");
         }
         read_sides(n, sides, 1, a.scale);
     },
     [](const Attributes& a, int) { return list_text(used(a.scale, a.scale[0] == 1 ? 2 : 3)); },
     [](const Attributes& a, int) { return fmt::format("x{}", fmt::join(a.scale, "x")); }},
    {"hidden",
     read_size<&Attributes::hidden>,
     number_text<&Attributes::hidden>,
     [](const Attributes& a, int) { return fmt::format("h{}", a.hidden); }},
    {"directions",
     [](const YamlNode& n, int, Attributes& a) { a.directions = read_int(n, 1, 2); },
     number_text<&Attributes::directions>,
     [](const Attributes& a, int) {
         return a.directions == 1 ? std::string{} : std::string{"both"};
     }},
    {"heads",
     read_size<&Attributes::heads>,
     number_text<&Attributes::heads>,
     [](const Attributes& a, int) { return fmt::format("h{}", a.heads); }},
    {"k",
     read_size<&Attributes::k>,
     number_text<&Attributes::k>,
     [](const Attributes& a, int) { return fmt::format("k{}", a.k); }},
    {"vocabulary",
     [](const YamlNode& n, int, Attributes& a) {
         a.vocabulary = read_int(n, 1, kMostElements / 2);
     },
     number_text<&Attributes::vocabulary>,
     [](const Attributes& a, int) { return fmt::format("n{}", a.vocabulary); }},
    {"block",
     [](const YamlNode& n, int, Attributes& a) { a.block = read_int(n, 1, 64); },
     number_text<&Attributes::block>,
     [](const Attributes& a, int) { return fmt::format("b{}", a.block); }},
    {"kind",
     [](const YamlNode& n, int, Attributes& a) { a.kind = read_kind(n); },
     [](const Attributes& a, int) { return a.kind; },
     [](const Attributes& a, int) { return "=" + a.kind; }},
    {"shape",
     [](const YamlNode& n, int, Attributes& a) { a.shape = read_shape(n); },
     [](const Attributes& a, int) {
         return !a.shape.empty()        ? list_text(a.shape)
                : a.results.size() == 1 ? list_text(a.results[0].dimensions())
                                        : std::string{};
     },
     [](const Attributes& a, int) {
         std::string text = fmt::format("{}", fmt::join(a.shape, "x"));
         for (const TensorShape& result : a.results) {
             text += fmt::format(
                 "{}{}:{}", text.empty() ? "" : "+", sides_text(result), name_of(result.element));
         }
         return "to" + text;
     }},
    {"type",
     [](const YamlNode& n, int, Attributes& a) { a.out = read_element(n); },
     [](const Attributes& a, int) {
         return a.results.size() == 1 ? std::string{name_of(a.results[0].element)}
                : a.out               ? std::string{name_of(*a.out)}
                                      : std::string{};
     },
     nothing},
    {"shapes",
     kIgnored,
     [](const Attributes& a, int) {
         std::vector<std::string> texts;
         for (const TensorShape& result : a.results) {
             texts.push_back(list_text(result.dimensions()));
         }
         return texts.size() == 1 ? std::string{} : fmt::format("[{}]", fmt::join(texts, ", "));
     },
     nothing},
    {"types",
     kIgnored,
     [](const Attributes& a, int) {
         std::vector<std::string_view> texts;
         for (const TensorShape& result : a.results) {
             texts.push_back(name_of(result.element));
         }
         return texts.size() == 1 ? std::string{} : fmt::format("[{}]", fmt::join(texts, ", "));
     },
     nothing},
    {"macs",
     [](const YamlNode& n, int, Attributes& a) {
         a.macs = read_integer(n, 0, std::int64_t{1} << 56);
     },
     [](const Attributes& a, int) { return a.macs == 0 ? std::string{} : std::to_string(a.macs); },
     [](const Attributes& a, int) {
         return a.macs == 0 ? std::string{} : fmt::format("m{}", a.macs);
     }},
    {"weight_bytes",
     [](const YamlNode& n, int, Attributes& a) {
         a.weight_bytes = read_integer(n, 0, std::int64_t{1} << 40);
     },
     [](const Attributes& a, int) {
         return a.weight_bytes == 0 ? std::string{} : std::to_string(a.weight_bytes);
     },
     [](const Attributes& a, int) {
         return a.weight_bytes == 0 ? std::string{} : fmt::format("w{}", a.weight_bytes);
     }},
};

const Key& key_named(std::string_view name) {
    const Key* const found = std::ranges::find(kKeys, name, &Key::name);
    if (found == std::end(kKeys)) {
        throw std::logic_error{fmt::format("no reader for the attribute '{}'", name)};
    }
    return *found;
}

}  // namespace

Element read_element(const YamlNode& node) {
    std::vector<std::string_view> names;
    for (const Element element : elements()) {
        names.push_back(name_of(element));
    }
    return elements()[at(read_choice(node, "type", names))];
}

TensorShape read_tensor(const YamlNode& map) {
    const Element element = read_element(at(map, "type"));
    constexpr std::string_view kSides[] = {"depth", "height", "width", "channels"};
    const YamlNode* const shape = find(map, "shape");
    const auto is_there = [&](std::string_view key) { return find(map, key) != nullptr; };
    if (shape != nullptr) {
        if (std::ranges::any_of(kSides, is_there)) {
            throw input_error(position_of(*shape),
                              "shape: expected either it or height, width and channels");
        }
        return {read_shape(*shape), element};
    }
    std::vector<int> sides;
    for (const std::string_view side : kSides) {
        if (side != "depth" || is_there(side)) {  // images have none
            sides.push_back(read_int(at(map, side), 1, kLargestSize));
        }
    }
    return {sides, element};
}

Attributes read_attributes(const Operation& operation, const YamlNode& entry) {
    Attributes attributes;
    if (std::ranges::find(operation.required, "weights") == operation.required.end()) {
        attributes.weights = Element::f32;
    }
    attributes.has_weights = operation.has("vocabulary") || operation.has("hidden");
    for (const std::string_view name : operation.attributes) {
        if (const YamlNode* const value = find(entry, name)) {
            if (operation.has("kind") && (name == "shape" || name == "type")) {
                continue;  // of results, below
            }
            key_named(name).read(*value, operation.sides, attributes);
            attributes.has_weights = attributes.has_weights || name == "weights";
        }
    }
    if (operation.has("kind")) {
        read_results(entry, attributes.kind, attributes);
    }
    return attributes;
}

std::vector<std::pair<std::string_view, std::string>> attribute_texts(
    const Operation& operation, const Attributes& attributes) {
    std::vector<std::pair<std::string_view, std::string>> texts;
    for (const std::string_view name : operation.attributes) {
        std::string text = key_named(name).text(attributes, operation.sides);
        if (!text.empty()) {
            texts.emplace_back(name, std::move(text));
        }
    }
    return texts;
}

std::string signature_of(const Operation& operation, const Attributes& attributes) {
    std::string text;
    const auto add = [&](const std::string& word) { text += word.empty() ? "" : " " + word; };
    for (const Key& key : kKeys) {
        if (!operation.has(key.name)) {
            continue;
        }
        add(key.signature(attributes, operation.sides));
        const bool pads = key.name == "padding" &&
                          (operation.has("pad_value") || attributes.pad_begin != Sides{} ||
                           attributes.pad_end != Sides{});
        if (pads) {
            add("p" + padding_signature(attributes, operation.sides));
        }
        if (key.name == "groups" && (!operation.has("weights") || attributes.groups != 1)) {
            add(fmt::format("g{}", attributes.groups));
        }
    }
    return text;
}

}  // namespace sim
