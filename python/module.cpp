#include "python/module.hpp"

#include "calibrate/output_file.hpp"
#include "python/unlocked.hpp"
#include "runtime/hetmap.h"

#include <pybind11/stl/filesystem.h>

namespace python {

PYBIND11_MODULE(_hetmap, module) {
    module.doc() = "What the package hetmap is made of; import that.";
    module.attr("version") = hetmap_version();
    add_end();
    add_errors(module);
    add_descriptions(module);
    add_searches(module);
    add_sessions(module);
    module.def("write_file", &calibrate::write_file, py::arg("path"), py::arg("text"));
}

}  // namespace python
