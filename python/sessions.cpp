// Sessions of libhetmap, with numpy arrays that are their buffers.
//
// An array of a session keeps its buffers: these are freed when the session is closed, or gone, and
// so is the last array. Arrays that are given to `run` are checked, all of them, before any is
// copied.

#include "python/module.hpp"
#include "python/unlocked.hpp"
#include "runtime/hetmap.hpp"
#include "sim/error.hpp"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <filesystem>
#include <memory>
#include <pybind11/numpy.h>
#include <pybind11/stl.h>
#include <pybind11/stl/filesystem.h>
#include <string>
#include <utility>
#include <vector>

namespace python {
namespace {

using Shared = std::shared_ptr<hetmap::Session>;
using Shape = std::vector<py::ssize_t>;

py::dtype dtype_of(const hetmap_tensor& tensor) {
    switch (tensor.element) {
        case HETMAP_U8:
            return py::dtype::of<std::uint8_t>();
        case HETMAP_INT8:
            return py::dtype::of<std::int8_t>();
        case HETMAP_INT32:
            return py::dtype::of<std::int32_t>();
        case HETMAP_F32:
            return py::dtype::of<float>();
        case HETMAP_BINARY:
            break;
    }
    return py::dtype::of<std::uint64_t>();
}

// Of a binary tensor the last axis counts words of 64 channels.
Shape shape_of(const hetmap_tensor& tensor) {
    const int last =
        tensor.element == HETMAP_BINARY ? (tensor.channels + 63) / 64 : tensor.channels;
    return {tensor.batch, tensor.height, tensor.width, last};
}

// Bytes between neighbours, said here because pybind11 before 2.12 takes an element's size from
// where NumPy 2 has something else.
Shape strides_of(const hetmap_tensor& tensor, const Shape& shape) {
    Shape strides;
    auto bytes = static_cast<py::ssize_t>(tensor.bytes);
    for (const py::ssize_t side : shape) {
        bytes /= side;
        strides.push_back(bytes);
    }
    return strides;
}

py::array view_of(const Shared& session, const hetmap_tensor& tensor, bool is_input) {
    const py::capsule keeps{new Shared{session},
                            [](void* shared) { delete static_cast<Shared*>(shared); }};
    const Shape shape = shape_of(tensor);
    py::array view{dtype_of(tensor), shape, strides_of(tensor, shape), tensor.data, keeps};
    if (!is_input) {
        view.attr("flags").attr("writeable") = false;
    }
    return view;
}

std::string described(const py::object& dtype, const py::object& shape) {
    return py::str("{} {}").format(dtype, shape);
}

// As an array of the tensor's shape and elements. Nothing is converted: a network for bytes that is
// given floats would silently see other images.
py::array checked(const py::object& given, const hetmap_tensor& tensor) {
    py::array array = py::isinstance<py::array>(given)
                          ? py::reinterpret_borrow<py::array>(given)
                          : py::array(py::module_::import("numpy").attr("asarray")(given));
    const Shape shape = shape_of(tensor);
    const bool fits = array.ndim() == static_cast<py::ssize_t>(shape.size()) &&
                      std::equal(shape.begin(), shape.end(), array.shape());
    const py::dtype dtype = dtype_of(tensor);
    if (!fits || !array.dtype().equal(dtype)) {
        throw sim::InputError{"input '" + std::string{tensor.name} + "': expected an array of " +
                              described(dtype, py::tuple(py::cast(shape))) + ", got " +
                              described(array.dtype(), array.attr("shape"))};
    }
    return array;
}

// One run at a time, from copying the inputs to copying the outputs.
class Turn {
public:
    explicit Turn(std::atomic<bool>& taken) : taken_{taken} {
        if (taken_.exchange(true)) {
            throw hetmap::Error{HETMAP_BUSY, "the session is running, in another thread"};
        }
    }
    ~Turn() { taken_ = false; }
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;

private:
    std::atomic<bool>& taken_;
};

class Session {
public:
    // `mapping`: empty for none.
    Session(const std::filesystem::path& model,
            const std::filesystem::path& mapping,
            int batch,
            bool timed) {
        {
            const Unlocked unlocked;
            session_ = std::make_shared<hetmap::Session>(
                model.string(), mapping.string(), hetmap::Options{.batch = batch, .timed = timed});
        }
        for (int i = 0; i < session_->inputs(); ++i) {
            input_tensors_.push_back(session_->input_tensor(i));
            inputs_.push_back(view_of(session_, input_tensors_.back(), true));
        }
        for (int i = 0; i < session_->outputs(); ++i) {
            output_tensors_.push_back(session_->output_tensor(i));
            outputs_.push_back(view_of(session_, output_tensors_.back(), false));
        }
    }

    py::dict inputs() const { return by_name(input_tensors_, inputs_); }
    py::dict outputs() const { return by_name(output_tensors_, outputs_); }

    // The session stays until a run that is going on has ended, and as long as there are arrays.
    void close() {
        session_.reset();
        inputs_.clear();
        outputs_.clear();
    }
    bool is_closed() const { return session_ == nullptr; }

    py::object run(const py::args& by_position, const py::kwargs& by_input) {
        const Shared session = expect_open();
        const Turn turn{taken_};
        for (const auto& [input, array] : given(by_position, by_input)) {
            fill(input, array);
        }
        const std::vector<py::array> outputs = outputs_;  // another thread may close the session
        {
            const Unlocked unlocked;
            session->run();
        }
        if (outputs.size() == 1) {
            return outputs.front().attr("copy")();
        }
        py::dict copies;
        for (std::size_t i = 0; i < outputs.size(); ++i) {
            copies[py::str{output_tensors_[i].name}] = outputs[i].attr("copy")();
        }
        return copies;
    }

    py::dict times() {
        const Shared session = expect_open();
        const Turn turn{taken_};
        const hetmap::Times times = session->times();
        py::list tasks;
        for (const hetmap::TaskTime& task : times.tasks) {
            using namespace py::literals;
            tasks.append(py::dict("layers"_a = task.layers,
                                  "device"_a = task.device,
                                  "variant"_a = task.variant,
                                  "configuration"_a = task.configuration,
                                  "us"_a = task.us));
        }
        py::dict all;
        all["total_us"] = times.total_us;
        all["tasks"] = tasks;
        return all;
    }

private:
    Shared expect_open() const {
        if (is_closed()) {
            throw sim::InputError{"the session is closed"};
        }
        return session_;
    }

    py::dict by_name(const std::vector<hetmap_tensor>& tensors,
                     const std::vector<py::array>& arrays) const {
        (void)expect_open();
        py::dict all;
        for (std::size_t i = 0; i < arrays.size(); ++i) {
            all[py::str{tensors[i].name}] = arrays[i];
        }
        return all;
    }

    std::string input_names() const {
        std::string names;
        for (const hetmap_tensor& tensor : input_tensors_) {
            names += (names.empty() ? "" : ", ") + std::string{tensor.name};
        }
        return names;
    }

    std::size_t input_named(const std::string& name) const {
        for (std::size_t i = 0; i < input_tensors_.size(); ++i) {
            if (name == input_tensors_[i].name) {
                return i;
            }
        }
        throw sim::InputError{"there is no input '" + name + "'; there are: " + input_names()};
    }

    // Which inputs are given, and what.
    std::vector<std::pair<std::size_t, py::array>> given(const py::args& by_position,
                                                         const py::kwargs& by_input) const {
        if (by_position.size() > input_tensors_.size()) {
            throw sim::InputError{std::to_string(by_position.size()) +
                                  " arrays are more than there are inputs: " + input_names()};
        }
        std::vector<std::pair<std::size_t, py::array>> all;
        for (std::size_t i = 0; i < by_position.size(); ++i) {
            all.emplace_back(i, checked(by_position[i], input_tensors_[i]));
        }
        for (const auto& [name, array] : by_input) {
            const std::size_t input = input_named(py::cast<std::string>(name));
            if (input < by_position.size()) {
                throw sim::InputError{"input '" + std::string{input_tensors_[input].name} +
                                      "' is given twice"};
            }
            all.emplace_back(
                input, checked(py::reinterpret_borrow<py::object>(array), input_tensors_[input]));
        }
        return all;
    }

    void fill(std::size_t input, const py::array& array) {
        if ((array.flags() & py::array::c_style) != 0) {
            // The array may be the buffer itself.
            std::memmove(input_tensors_[input].data, array.data(), input_tensors_[input].bytes);
        } else {
            py::module_::import("numpy").attr("copyto")(inputs_[input], array);
        }
    }

    Shared session_;  // none: closed
    std::atomic<bool> taken_{false};
    std::vector<hetmap_tensor> input_tensors_, output_tensors_;
    std::vector<py::array> inputs_, outputs_;
};

}  // namespace

void add_sessions(py::module_& module) {
    py::class_<Session>(module, "Session")
        .def(py::init<const std::filesystem::path&, const std::filesystem::path&, int, bool>(),
             py::arg("model"),
             py::arg("mapping"),
             py::arg("batch"),
             py::arg("timed"))
        .def_property_readonly("closed", &Session::is_closed)
        .def("inputs", &Session::inputs)
        .def("outputs", &Session::outputs)
        .def("run", &Session::run)
        .def("times", &Session::times)
        .def("close", &Session::close);
}

}  // namespace python
