#pragma once

// Work without the interpreter's lock, during which other threads of Python run.
//
// When the interpreter ends, threads that still want its lock are torn down where they stand, which
// C++ does not survive. So the end waits a while for work that is going on, searches give up by
// themselves, and none begins.

#include <pybind11/pybind11.h>

namespace python {

bool is_ending();

// The interpreter's lock is given back while this lives. Throws sim::MachineError where the
// interpreter is ending. To be made with the lock.
class Unlocked {
public:
    Unlocked() = default;
    Unlocked(const Unlocked&) = delete;
    Unlocked& operator=(const Unlocked&) = delete;

private:
    struct Counted {
        Counted();
        ~Counted();
        Counted(const Counted&) = delete;
        Counted& operator=(const Counted&) = delete;
    };
    Counted counted_;  // until the lock is back
    pybind11::gil_scoped_release released_;
};

// From here on the interpreter's end waits.
void add_end();

}  // namespace python
