#pragma once

// Errors of the user's making, and where in his file they are.

#include <stdexcept>
#include <string>

namespace sim {

// Something the user gave us is wrong: a file, a value, an option. Exit code 2.
// Everything else that throws is the machine's fault or a defect of ours. Exit code 1.
class InputError : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

// The machine lacks something: memory, file descriptors, a disk that answers. The text says what.
// Exit code 1, and no defect of ours.
class MachineError : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

// A place in a file. Lines and columns count from 1; 0 means unknown and is not printed.
struct SourcePosition {
    std::string file;
    int line = 0;
    int column = 0;

    friend bool operator==(const SourcePosition&, const SourcePosition&) = default;
};

// "platforms/a.yaml:4:15: latency_us: expected a number above zero, got 'fast'"
InputError input_error(const SourcePosition& where, const std::string& what);

}  // namespace sim
