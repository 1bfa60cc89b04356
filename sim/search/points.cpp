#include "sim/search/points.hpp"

#include <algorithm>
#include <bit>
#include <limits>
#include <map>
#include <numeric>
#include <utility>

namespace sim::internal {
namespace {

// The same order, as whole numbers.
std::int64_t ordered(double value) {
    const auto bits = std::bit_cast<std::int64_t>(value + 0.0);
    return bits >= 0 ? bits : bits ^ std::numeric_limits<std::int64_t>::max();
}

}  // namespace

std::vector<std::uint32_t> undominated(std::span<const std::int64_t> numbers,
                                       std::size_t stride,
                                       std::size_t first,
                                       std::size_t compared,
                                       std::size_t ties) {
    const std::size_t rows = stride == 0 ? 0 : numbers.size() / stride;
    const auto number = [&](std::uint32_t row, std::size_t column) {
        return numbers[row * stride + column];
    };

    // 1. Columns that are the same in every row, or differ from an earlier one by a constant,
    // decide
    //    nothing. Doubles as whole numbers may be too far apart for a difference: those decide.
    std::vector<std::size_t> columns;
    for (std::size_t c = first; c < first + compared; ++c) {
        const auto is_same = [&](std::uint32_t row) { return number(row, c) == number(0, c); };
        const auto follows = [&](std::size_t other, std::uint32_t row) {
            std::int64_t here = 0, there = 0;
            return !__builtin_sub_overflow(number(row, c), number(0, c), &here) &&
                   !__builtin_sub_overflow(number(row, other), number(0, other), &there) &&
                   here == there;
        };
        const auto all_rows = [&](const auto& holds) {
            for (std::uint32_t row = 1; row < rows; ++row) {
                if (!holds(row)) {
                    return false;
                }
            }
            return true;
        };
        if (!all_rows(is_same) && std::none_of(columns.begin(), columns.end(), [&](auto other) {
                return all_rows([&](std::uint32_t row) { return follows(other, row); });
            })) {
            columns.push_back(c);
        }
    }

    // 2. A row comes after all that are as good.
    std::vector<std::uint32_t> order(rows), kept;
    std::iota(order.begin(), order.end(), 0u);
    std::sort(order.begin(), order.end(), [&](std::uint32_t a, std::uint32_t b) {
        for (const std::size_t c : columns) {
            if (number(a, c) != number(b, c)) {
                return number(a, c) < number(b, c);
            }
        }
        for (std::size_t c = first + compared; c < first + compared + ties; ++c) {
            if (number(a, c) != number(b, c)) {
                return number(a, c) < number(b, c);
            }
        }
        return a < b;
    });

    // 3. Of what came before, with two columns the least second one is all that matters, with three
    //    a staircase; else the list.
    if (columns.size() <= 2) {
        std::int64_t least = std::numeric_limits<std::int64_t>::max();
        for (const std::uint32_t row : order) {
            const std::int64_t last = columns.size() < 2 ? 0 : number(row, columns[1]);
            if (!kept.empty() && (columns.size() < 2 || last >= least)) {
                continue;
            }
            least = last;
            kept.push_back(row);
        }
        return kept;
    }
    if (columns.size() == 3) {
        std::map<std::int64_t, std::int64_t> stairs;
        for (const std::uint32_t row : order) {
            const std::int64_t y = number(row, columns[1]), z = number(row, columns[2]);
            auto after = stairs.upper_bound(y);
            if (after != stairs.begin() && std::prev(after)->second <= z) {
                continue;
            }
            kept.push_back(row);
            if (after != stairs.begin() && std::prev(after)->first == y) {
                --after;
            }
            while (after != stairs.end() && after->second >= z) {
                after = stairs.erase(after);
            }
            stairs.emplace(y, z);
        }
        return kept;
    }
    std::vector<std::uint32_t> rivals;  // who has beaten many comes first
    for (const std::uint32_t row : order) {
        const auto better = std::find_if(rivals.begin(), rivals.end(), [&](std::uint32_t other) {
            return std::all_of(columns.begin(), columns.end(), [&](std::size_t c) {
                return number(other, c) <= number(row, c);
            });
        });
        if (better == rivals.end()) {
            kept.push_back(row);
            rivals.push_back(row);
        } else {
            std::iter_swap(better, rivals.begin() + (better - rivals.begin()) / 2);
        }
    }
    return kept;
}

bool Points::is_as_good(const Point& point, const double* bounds) const {
    bool equal = true;
    for (std::size_t a = 0; a < minimised_; ++a) {
        if (point.values[a] > bounds[a]) {
            return false;
        }
        equal &= point.values[a] == bounds[a];
    }
    if (equal) {
        for (std::size_t a = minimised_; a < axes_; ++a) {
            if (point.values[a] != bounds[a]) {
                return point.values[a] < bounds[a];
            }
        }
    }
    return true;
}

bool Points::cover(const double* bounds) const {
    // With many axes and points, some of them.
    constexpr std::size_t kMostLooks = 256;
    for (std::size_t i = settled_; i < points_.size(); ++i) {
        if (is_as_good(points_[i], bounds)) {
            return true;
        }
    }
    const auto end =
        std::upper_bound(points_.begin(),
                         points_.begin() + static_cast<std::ptrdiff_t>(settled_),
                         bounds[0],
                         [](double value, const Point& p) { return value < p.values[0]; });
    if (end == points_.begin()) {
        return false;
    }
    // Of two axes the last of them is the best on the other.
    if (minimised_ <= 2) {
        return is_as_good(*std::prev(end), bounds);
    }
    const auto count = static_cast<std::size_t>(end - points_.begin());
    const std::size_t by = count / kMostLooks + 1;
    for (std::size_t i = count; i > 0; i -= std::min(i, by)) {
        if (is_as_good(points_[i - 1], bounds)) {
            return true;
        }
    }
    return false;
}

void Points::add(Point point) {
    if (cover(point.values.data())) {
        return;
    }
    points_.push_back(std::move(point));
    if (minimised_ == 1 || points_.size() - settled_ > 64 + settled_ / 8) {
        settle();
    }
}

void Points::settle() {
    std::vector<std::int64_t> numbers;
    for (const Point& point : points_) {
        for (const double value : point.values) {
            numbers.push_back(ordered(value));
        }
    }
    std::vector<Point> kept;
    for (const std::uint32_t row : undominated(numbers, axes_, 0, minimised_, axes_ - minimised_)) {
        kept.push_back(std::move(points_[row]));
    }
    points_ = std::move(kept);
    settled_ = points_.size();
    std::sort(points_.begin(), points_.end(), [](const Point& a, const Point& b) {
        return a.values < b.values;
    });
}

double Points::least(std::size_t axis) const {
    double least = std::numeric_limits<double>::infinity();
    for (const Point& point : points_) {
        least = std::min(least, point.values[axis]);
    }
    return least;
}

}  // namespace sim::internal
