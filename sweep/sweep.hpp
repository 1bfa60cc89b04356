#pragma once

// A sweep: every cell of a plan is answered once and kept in a store. Start at `run`.
//
//     plan.hpp     which cells there are            library.hpp  their models and platforms
//     finished.hpp what comes of one                store.hpp    where that is kept
//     order.hpp    which comes next                 crew.hpp     who does it
//     table.hpp    what is said of them             play.hpp     larger crews
//
// It knows sim, and reads the clock; it knows no device.

#include "sweep/crew.hpp"
#include "sweep/finished.hpp"
#include "sweep/library.hpp"
#include "sweep/plan.hpp"
#include "sweep/store.hpp"

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

namespace sweep {

// Every so many-th cell, for crews that know nothing of each other: cells i, i + of, i + 2 of, ...
struct Part {
    std::size_t i = 0, of = 1;
};

struct Progress {
    std::size_t done = 0, cells = 0;
    double seconds_left = 0;  // guessed
};

struct Hooks {
    std::function<bool()> stop;
    std::function<void(const Progress&)> progress;
};

struct Outcome {
    std::size_t cells = 0;  // of the plan, or of its part
    std::size_t known = 0;  // that were in the store
    std::size_t done = 0;   // now
    std::size_t failed = 0;
    std::size_t deaths = 0;  // of workers
    bool stopped = false;
    double seconds = 0;  // from the first cell handed out to the last that ended
};

// What a crew's workers do: a cell comes in, what became of it goes out.
Work cell_work(Library& library, const Conditions& conditions);

// Cells that the store has not, or whose time limit was reached and is longer now, are done and put
// there. A worker that dies over a cell is tried once more with it; then the cell has failed.
// `keys`: of the plan's cells.
Outcome run(const Plan& plan,
            const std::vector<std::string>& keys,
            Part part,
            Library& library,
            Store& store,
            Crew& crew,
            const Hooks& hooks);

std::vector<std::string> keys_of(const Plan& plan, Library& library);

}  // namespace sweep
