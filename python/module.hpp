#pragma once

// The parts of the Python module hetmap._hetmap, which module.cpp puts together. What people see of
// it, with its defaults, is the package beside: python/hetmap/.
//
// Nothing here ends the interpreter: what sim, calibrate and libhetmap throw becomes an exception
// of the package (errors.cpp), and whatever takes long leaves the interpreter to other threads.

#include <pybind11/pybind11.h>
#include <string>

namespace python {

namespace py = pybind11;

void add_errors(py::module_& module);
void add_descriptions(py::module_& module);  // Model, Platform, Mapping
void add_searches(py::module_& module);      // Wishes, Answer, Front
void add_sessions(py::module_& module);      // Session

// A text as it is in Python, where what is no UTF-8, such as part of a file's name, is spelled out.
py::str text_of(const std::string& bytes);

}  // namespace python
