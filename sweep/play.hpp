#pragma once

// What a larger crew would make of cells of which it is known how long they take. Who hands out is
// the real one (sweep.hpp), with a store of its own and in the time that it really needs; the
// workers are simulated, and where it would wait for them the clock is put forward.

#include "sweep/library.hpp"
#include "sweep/table.hpp"

#include <cstddef>
#include <vector>

namespace sweep {

struct Played {
    double seconds = 0;     // until the last cell has ended
    double efficiency = 1;  // the share of all workers' time until then in which they worked
};

// Of those rows that are finished, in their order. Messages take no time. Throws sim::MachineError
// where there is no room for a store among the temporary files.
Played play(const std::vector<Row>& rows, Library& library, std::size_t workers);

}  // namespace sweep
