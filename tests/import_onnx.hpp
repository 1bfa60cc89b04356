#pragma once

// Small ONNX models for the tests, through the classes that protoc makes.

#include "onnx.pb.h"
#include "sim/import/graph.hpp"

#include <cstdint>
#include <initializer_list>
#include <string>
#include <vector>

namespace test {

using Strings = std::vector<std::string>;
using Ints = std::vector<std::int64_t>;

constexpr int kFloat = onnx::TensorProto::FLOAT, kInt64 = onnx::TensorProto::INT64;

// A model with one graph, to which inputs, constants and nodes are added.
class Onnx {
public:
    explicit Onnx(std::int64_t opset = 18) {
        model.set_ir_version(8);
        model.add_opset_import()->set_version(opset);
    }

    onnx::GraphProto& graph() { return *model.mutable_graph(); }

    // A side below zero is symbolic: "batch".
    Onnx& input(const std::string& name, const Ints& dims, int type = kFloat) {
        declare(*graph().add_input(), name, dims, type);
        return *this;
    }
    Onnx& output(const std::string& name) {
        graph().add_output()->set_name(name);
        return *this;
    }
    Onnx& declared(const std::string& name, const Ints& dims, int type = kFloat) {
        declare(*graph().add_value_info(), name, dims, type);
        return *this;
    }
    Onnx& constant(const std::string& name, const Ints& dims, float value = 0.5F) {
        onnx::TensorProto& tensor = tensor_of(name, dims, kFloat);
        std::int64_t elements = 1;
        for (const std::int64_t side : dims) {
            elements *= side;
        }
        for (std::int64_t i = 0; i < elements; ++i) {
            tensor.add_float_data(value);
        }
        return *this;
    }
    Onnx& floats(const std::string& name, const Ints& dims, const std::vector<float>& values) {
        onnx::TensorProto& tensor = tensor_of(name, dims, kFloat);
        for (const float value : values) {
            tensor.add_float_data(value);
        }
        return *this;
    }
    Onnx& ints(const std::string& name, const Ints& values) {
        onnx::TensorProto& tensor =
            tensor_of(name, {static_cast<std::int64_t>(values.size())}, kInt64);
        for (const std::int64_t value : values) {
            tensor.add_int64_data(value);
        }
        return *this;
    }
    onnx::TensorProto& tensor_of(const std::string& name, const Ints& dims, int type) {
        onnx::TensorProto& tensor = *graph().add_initializer();
        tensor.set_name(name);
        tensor.set_data_type(type);
        for (const std::int64_t side : dims) {
            tensor.add_dims(side);
        }
        return tensor;
    }

    // The last node, which attributes are added to.
    Onnx& node(const std::string& operation,
               const Strings& inputs,
               const Strings& outputs,
               const std::string& name = "") {
        onnx::NodeProto& node = *graph().add_node();
        node.set_op_type(operation);
        node.set_name(name);
        for (const std::string& input : inputs) {
            node.add_input(input);
        }
        for (const std::string& one : outputs) {
            node.add_output(one);
        }
        return *this;
    }
    Onnx& with(const std::string& name, std::int64_t value) {
        attribute(name, onnx::AttributeProto::INT).set_i(value);
        return *this;
    }
    Onnx& with(const std::string& name, const Ints& values) {
        onnx::AttributeProto& made = attribute(name, onnx::AttributeProto::INTS);
        for (const std::int64_t value : values) {
            made.add_ints(value);
        }
        return *this;
    }
    Onnx& with_floats(const std::string& name, const std::vector<float>& values) {
        onnx::AttributeProto& made = attribute(name, onnx::AttributeProto::FLOATS);
        for (const float value : values) {
            made.add_floats(value);
        }
        return *this;
    }
    Onnx& with_text(const std::string& name, const std::string& text) {
        attribute(name, onnx::AttributeProto::STRING).set_s(text);
        return *this;
    }
    Onnx& in_domain(const std::string& domain) {
        graph().mutable_node(graph().node_size() - 1)->set_domain(domain);
        return *this;
    }

    std::string bytes() const { return model.SerializeAsString(); }

    onnx::ModelProto model;

private:
    onnx::AttributeProto& attribute(const std::string& name,
                                    onnx::AttributeProto::AttributeType type) {
        onnx::AttributeProto& made =
            *graph().mutable_node(graph().node_size() - 1)->add_attribute();
        made.set_name(name);
        made.set_type(type);
        return made;
    }
    static void declare(onnx::ValueInfoProto& to,
                        const std::string& name,
                        const Ints& dims,
                        int type) {
        to.set_name(name);
        onnx::TypeProto::Tensor& tensor = *to.mutable_type()->mutable_tensor_type();
        tensor.set_elem_type(type);
        tensor.mutable_shape();
        for (const std::int64_t side : dims) {
            auto& dim = *tensor.mutable_shape()->add_dim();
            if (side < 0) {
                dim.set_dim_param(side == -1 ? "batch" : "seq");
            } else {
                dim.set_dim_value(side);
            }
        }
    }
};

}  // namespace test
