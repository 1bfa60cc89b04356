// Errors as exceptions: InputError (a ValueError), MachineError and BusyError (RuntimeErrors), all
// of them hetmap.Error. Their texts are those of the program, with its options by their names here.

#include "python/module.hpp"
#include "runtime/hetmap.hpp"
#include "sim/error.hpp"

#include <exception>
#include <string_view>

namespace python {
namespace {

// Of the interpreter's lifetime, as pybind11's own types are.
struct Exceptions {
    PyObject *error = nullptr, *input = nullptr, *machine = nullptr, *busy = nullptr;
};
Exceptions& exceptions() {
    static Exceptions all;
    return all;
}

PyObject* add_exception(py::module_& module, const char* name, PyObject* base, PyObject* kind) {
    py::list bases;
    bases.append(py::handle{base});
    if (kind != nullptr) {
        bases.append(py::handle{kind});
    }
    PyObject* const type = PyErr_NewException(
        (std::string{"hetmap."} + name).c_str(), py::tuple(bases).ptr(), nullptr);
    if (type == nullptr) {
        throw py::error_already_set{};
    }
    module.add_object(name, py::handle{type});
    return type;
}

// "--min-accuracy: greedy cannot ..." -> "min_accuracy: greedy cannot ...". Where an option stands
// in a command that the text proposes it stays as it is.
std::string with_our_names(std::string_view text) {
    std::string ours;
    for (std::size_t i = 0; i < text.size();) {
        const std::string_view before = text.substr(0, i), rest = text.substr(i);
        const bool may_begin = before.empty() || before.ends_with("; ") || before.ends_with(", ") ||
                               rest.starts_with("--set ");
        if (!may_begin || !rest.starts_with("--")) {
            ours += text[i++];
            continue;
        }
        for (i += 2; i < text.size() && (text[i] == '-' || (text[i] >= 'a' && text[i] <= 'z'));
             ++i) {
            ours += text[i] == '-' ? '_' : text[i];
        }
    }
    return ours;
}

// "hetmap_run: a run is going on" -> "a run is going on"
std::string without_function(std::string_view text) {
    const std::size_t end = text.find(": ");
    return std::string{
        text.starts_with("hetmap_") && end != std::string_view::npos ? text.substr(end + 2) : text};
}

void raise(PyObject* type, const std::string& what) { PyErr_SetObject(type, text_of(what).ptr()); }

// NOLINTNEXTLINE(performance-unnecessary-value-param): as pybind11 takes it
void translate(std::exception_ptr thrown) {
    try {
        if (thrown) {
            std::rethrow_exception(thrown);
        }
    } catch (const sim::InputError& error) {
        raise(exceptions().input, with_our_names(error.what()));
    } catch (const sim::MachineError& error) {
        raise(exceptions().machine, error.what());
    } catch (const hetmap::Error& error) {
        const std::string what = without_function(error.what());
        switch (error.code()) {
            case HETMAP_BUSY:
                return raise(exceptions().busy, what);
            case HETMAP_INPUT:
            case HETMAP_ARGUMENT:
                return raise(exceptions().input, what);
            case HETMAP_OK:
            case HETMAP_MACHINE:
                return raise(exceptions().machine, what);
        }
    }
}

}  // namespace

py::str text_of(const std::string& bytes) {
    PyObject* const text = PyUnicode_DecodeUTF8(
        bytes.data(), static_cast<Py_ssize_t>(bytes.size()), "backslashreplace");
    if (text == nullptr) {
        throw py::error_already_set{};
    }
    return py::reinterpret_steal<py::str>(text);
}

void add_errors(py::module_& module) {
    Exceptions& all = exceptions();
    all.error = add_exception(module, "Error", PyExc_Exception, nullptr);
    all.input = add_exception(module, "InputError", all.error, PyExc_ValueError);
    all.machine = add_exception(module, "MachineError", all.error, PyExc_RuntimeError);
    all.busy = add_exception(module, "BusyError", all.error, PyExc_RuntimeError);
    py::register_exception_translator(&translate);
}

}  // namespace python
