#pragma once

// How the attributes of layers are read from YAML and written: one row for each key.

#include "sim/describe/operations.hpp"
#include "sim/describe/yaml.hpp"

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sim {

// An element by its name; one that is none is refused with those there are.
Element read_element(const YamlNode& node);

// `height`, `width` and `channels`, of volumes before them `depth`, or `shape`; and `type`, of a
// map. At most kMostElements.
TensorShape read_tensor(const YamlNode& map);

// Those keys of the layer's entry that its operation has. Throws InputError.
Attributes read_attributes(const Operation& operation, const YamlNode& entry);

// Keys and values as YAML has them, in the order of the operation's row: {"weights", "binary"},
// {"kernel", "[3, 3]"}, ... Those that can be left out only where they are other than by default,
// but for those that a kernel needs to know.
std::vector<std::pair<std::string_view, std::string>> attribute_texts(const Operation& operation,
                                                                      const Attributes& attributes);

// The attributes in a signature: " wint8 64 k3x3 s1 p1 v0". One space before each.
std::string signature_of(const Operation& operation, const Attributes& attributes);

}  // namespace sim
