#include "cluster/team.hpp"

#include <utility>

namespace cluster {

sim::Team search_team(Ranks& ranks) {
    sim::Team team;
    team.rank = ranks.rank();
    team.count = ranks.count();
    team.exchange = [&ranks](std::vector<std::string> to_each) {
        return ranks.exchange(std::move(to_each));
    };
    team.from_first = [&ranks](std::string bytes) { return ranks.broadcast(std::move(bytes), 0); };
    team.least = [&ranks](std::int64_t value) { return ranks.least(value); };
    team.sum = [&ranks](std::vector<std::int64_t> values) { return ranks.sum(std::move(values)); };
    return team;
}

}  // namespace cluster
