#include "sim/search/team.hpp"

#include <cstring>

namespace sim::internal {

std::string text_of(const std::vector<std::int64_t>& numbers) {
    return {reinterpret_cast<const char*>(numbers.data()), numbers.size() * 8};
}

std::vector<std::int64_t> numbers_of(const std::string& text) {
    std::vector<std::int64_t> numbers(text.size() / 8);
    if (!numbers.empty()) {
        std::memcpy(numbers.data(), text.data(), numbers.size() * 8);
    }
    return numbers;
}

}  // namespace sim::internal
