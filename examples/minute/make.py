#!/usr/bin/env python3
"""Writes the files of this folder: make.py (needs the packages onnx and numpy)

net.onnx   a small convolutional network with a shortcut, 32 x 32 x 3 in, 10 classes out, seeded weights
times.csv  times of its layers on a CPU and an NPU: made up, of the size that small boards have
bits.onnx  a binarized network for images of 28 x 28 bytes, whose weights `hetmap import` takes along
"""

import csv
import pathlib

import numpy
import onnx
from onnx import TensorProto, helper, numpy_helper

HERE = pathlib.Path(__file__).parent
random = numpy.random.default_rng(7)

# Microseconds. The NPU runs a convolution with the activation after it as one.
CPU = {"conv1": 118, "relu1": 7, "conv2": 148, "relu2": 5, "left": 20, "right": 263, "sum": 4, "relu3": 5, "mean": 3,
       "flat": 0.4, "fc": 2}
NPU = {"conv1 + relu1": 31, "conv2 + relu2": 24, "left": 12, "right": 33, "sum + relu3": 9, "mean": 19, "flat": 4, "fc": 21}


def save(name, nodes, constants, given, result):
    graph = helper.make_graph(nodes, name, [given], [result],
                              [numpy_helper.from_array(v, k) for k, v in constants.items()])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8, producer_name="make.py")
    onnx.checker.check_model(model)
    onnx.save(model, str(HERE / f"{name}.onnx"))


def weights(*shape):
    return (random.standard_normal(shape) / numpy.prod(shape[1:]) ** 0.5).astype(numpy.float32)


def signs(*shape):
    return random.choice([-1, 1], shape).astype(numpy.float32)


def net():
    def layer(operation, name, inputs, **attributes):
        return helper.make_node(operation, inputs, [name], name=name, **attributes)

    save("net", [
        layer("Conv", "conv1", ["image", "w1"], kernel_shape=[3, 3], pads=[1] * 4, strides=[2, 2]),
        layer("Relu", "relu1", ["conv1"]),
        layer("Conv", "conv2", ["relu1", "w2"], kernel_shape=[3, 3], pads=[1] * 4),
        layer("Relu", "relu2", ["conv2"]),
        layer("Conv", "left", ["relu2", "w3"], kernel_shape=[1, 1]),
        layer("Conv", "right", ["relu2", "w4"], kernel_shape=[3, 3], pads=[1] * 4),
        layer("Add", "sum", ["left", "right"]),
        layer("Relu", "relu3", ["sum"]),
        layer("GlobalAveragePool", "mean", ["relu3"]),
        layer("Flatten", "flat", ["mean"]),
        layer("Gemm", "fc", ["flat", "w5", "b5"], transB=1),
    ], {"w1": weights(4, 3, 3, 3), "w2": weights(8, 4, 3, 3), "w3": weights(8, 8, 1, 1), "w4": weights(8, 8, 3, 3),
        "w5": weights(10, 8), "b5": weights(10)},
        helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 3, 32, 32]),
        helper.make_tensor_value_info("fc", TensorProto.FLOAT, ["batch", 10]))


def bits():
    channels = 4
    norm = {"gamma": random.normal(0, 1, channels), "beta": random.normal(0, 0.2, channels),
            "mean": random.normal(0, 300, channels), "variance": random.uniform(1e5, 4e5, channels)}
    save("bits", [
        helper.make_node("Cast", ["image"], ["pixels"], name="cast", to=TensorProto.FLOAT),
        helper.make_node("Conv", ["pixels", "w1"], ["c1"], name="conv1", kernel_shape=[4, 4], strides=[4, 4]),
        helper.make_node("BatchNormalization", ["c1", *norm], ["n1"], name="norm1"),
        helper.make_node("Sign", ["n1"], ["s1"], name="sign1"),
        helper.make_node("Flatten", ["s1"], ["f"], name="flat"),
        helper.make_node("Gemm", ["f", "w2"], ["classes"], name="fc", transB=1),
    ], {"w1": signs(channels, 1, 4, 4), "w2": signs(10, channels * 7 * 7),
        **{k: v.astype(numpy.float32) for k, v in norm.items()}},
        helper.make_tensor_value_info("image", TensorProto.UINT8, [1, 1, 28, 28]),
        helper.make_tensor_value_info("classes", TensorProto.FLOAT, [1, 10]))


def times():
    with open(HERE / "times.csv", "w", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(["layer", "device", "us"])
        rows.writerows([layer, device, us] for device, all_ in (("cpu", CPU), ("npu", NPU)) for layer, us in all_.items())


if __name__ == "__main__":
    net()
    bits()
    times()
