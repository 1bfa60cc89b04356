#pragma once

// Ranks as what searches together (sim/search/team.hpp).

#include "cluster/ranks.hpp"
#include "sim/search/team.hpp"

namespace cluster {

// It refers to `ranks`.
sim::Team search_team(Ranks& ranks);

}  // namespace cluster
