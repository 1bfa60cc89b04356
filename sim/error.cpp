#include "sim/error.hpp"

#include <fmt/format.h>

namespace sim {

InputError input_error(const SourcePosition& where, const std::string& what) {
    std::string place = where.file;
    if (where.line > 0) {
        place += fmt::format("{}{}", place.empty() ? "line " : ":", where.line);
        if (where.column > 0) {
            place += fmt::format(":{}", where.column);
        }
    }
    return InputError{place.empty() ? what : fmt::format("{}: {}", place, what)};
}

}  // namespace sim
