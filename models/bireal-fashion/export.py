#!/usr/bin/env python3
"""Write the networks that train.py trained as ONNX files, and check that they are the same.

How to run (PyTorch, NumPy, onnx and, for the check, onnxruntime):

    python3 export.py --data DIR --trained build --out build

For every NAME.pt of train.py that has a NAME.json it writes NAME.onnx, and NAME.predictions.bin: the class, a byte,
that PyTorch gives for each test image. ONNX Runtime, its optimizations off, has to give the same classes but where two
outputs are as good as equal.

What a file holds:

    u8 image, Cast, stem (batch norm and 1/255 in its weights), blocks, BatchNormalization, Relu, average, Gemm

    binary block   BatchNormalization (scale 1, bias -t), Sign; Conv with weights +c and -c, batch norm in c and a bias
    int8 block     QuantizeLinear, DequantizeLinear; Conv with weights of int8, a scale for each output channel,
                   batch norm in the scales and a bias
    f32 block      Relu; Conv, batch norm in its weights
    each           Add of the block's input (in block3 averaged, and through a 1x1 Conv)
"""

import argparse
import os
import sys

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper

from train import BLOCKS, NETWORKS, BiReal, load, scores, weight_step


class Graph:
    """Nodes and the tensors they hold, written one after the other."""

    def __init__(self):
        self.nodes, self.held = [], []

    def hold(self, name, values):
        self.held.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def node(self, operation, inputs, name, **attributes):
        self.nodes.append(helper.make_node(operation, inputs, [name], name=name, **attributes))
        return name


def folded(norm):
    """Scale and bias of a batch norm, float64."""
    scale = norm.weight.detach().double() / torch.sqrt(norm.running_var.double() + norm.eps)
    return scale.numpy(), (norm.bias.detach().double() - norm.running_mean.double() * scale).numpy()


def by_output(scale):
    return scale[:, None, None, None]


def convolution(graph, x, name, weights, bias, **attributes):
    inputs = [x, graph.hold(f"{name}.weights", weights.astype(np.float32)),
              graph.hold(f"{name}.bias", bias.astype(np.float32))]
    return graph.node("Conv", inputs, name, **attributes)


def batch_norm(graph, x, name, scale, bias):
    channels = len(scale)
    held = {"scale": scale, "bias": bias, "mean": np.zeros(channels), "variance": np.ones(channels)}
    inputs = [x] + [graph.hold(f"{name}.{what}", v.astype(np.float32)) for what, v in held.items()]
    return graph.node("BatchNormalization", inputs, name, epsilon=0.0)


def product(graph, x, name, block):
    """What the block makes of its input before it adds it: the 3x3 convolution with its batch norm."""
    scale, bias = folded(block.norm)
    shape = {"kernel_shape": [3, 3], "strides": [block.stride] * 2, "pads": [1] * 4}
    weights = block.weights.detach().double().numpy()
    if block.precision == "binary":
        threshold = -block.threshold.detach().flatten().numpy()
        bits = graph.node("Sign", [batch_norm(graph, x, f"{name}.shift", np.ones_like(threshold), threshold)],
                          f"{name}.sign")
        return convolution(graph, bits, f"{name}.conv", np.where(weights >= 0, 1, -1) * by_output(scale), bias, **shape)
    if block.precision == "int8":
        steps = weight_step(block.weights).double().numpy()
        whole = np.rint(block.weights.detach().numpy() / steps.astype(np.float32)) * by_output(np.sign(scale))
        zero = graph.hold(f"{name}.zero", np.uint8(0))
        step = graph.hold(f"{name}.step", np.float32(block.step.item()))
        bytes_in = graph.node("QuantizeLinear", [x, step, zero], f"{name}.quantize")
        real = graph.node("DequantizeLinear", [bytes_in, step, zero], f"{name}.dequantize")
        held = graph.node("DequantizeLinear", [
            graph.hold(f"{name}.weights", whole.astype(np.int8)),
            graph.hold(f"{name}.weights.scale", (steps.flatten() * np.abs(scale)).astype(np.float32)),
            graph.hold(f"{name}.weights.zero", np.zeros(len(scale), np.int8))], f"{name}.weights.real", axis=0)
        return graph.node("Conv", [real, held, graph.hold(f"{name}.bias", bias.astype(np.float32))], f"{name}.conv",
                          **shape)
    return convolution(graph, graph.node("Relu", [x], f"{name}.relu"), f"{name}.conv", weights * by_output(scale),
                       bias, **shape)


def graph_of(model):
    graph = Graph()
    x = graph.node("Cast", ["image"], "pixels", to=TensorProto.FLOAT)
    scale, bias = folded(model.stem_norm)
    x = convolution(graph, x, "stem", model.stem.weight.detach().double().numpy() / 255 * by_output(scale), bias,
                    kernel_shape=[5, 5], strides=[2, 2], pads=[2] * 4)
    for name, block in zip(BLOCKS, model.blocks):
        y = product(graph, x, name, block)
        if block.shortcut is not None:
            x = graph.node("AveragePool", [x], f"{name}.average", kernel_shape=[2, 2], strides=[2, 2],
                           ceil_mode=0)
            scale, bias = folded(block.shortcut_norm)
            x = convolution(graph, x, f"{name}.shortcut",
                            block.shortcut.weight.detach().double().numpy() * by_output(scale), bias,
                            kernel_shape=[1, 1])
        x = graph.node("Add", [y, x], f"{name}.add")
    x = graph.node("Relu", [batch_norm(graph, x, "norm", *folded(model.norm))], "relu")
    x = graph.node("Flatten", [graph.node("GlobalAveragePool", [x], "average")], "flatten")
    graph.node("Gemm", [x, graph.hold("linear.weights", model.linear.weight.detach().numpy()),
                        graph.hold("linear.bias", model.linear.bias.detach().numpy())], "scores", transB=1)
    image = helper.make_tensor_value_info("image", TensorProto.UINT8, [1, 1, 28, 28])
    result = helper.make_tensor_value_info("scores", TensorProto.FLOAT, [1, 10])
    return helper.make_graph(graph.nodes, "bireal-fashion", [image], [result], graph.held)


def check(path, images, expected):
    """The classes of the file are PyTorch's, but where the two best outputs are within rounding."""
    import onnxruntime
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    furthest, others = 0.0, 0
    for image, right in zip(images, expected):
        got = session.run(None, {"image": image[None, None]})[0][0]
        furthest = max(furthest, float(np.abs(got - right).max()))
        others += int(got.argmax() != right.argmax())
    print(f"{path}: {others} of {len(images)} images in another class than PyTorch's, outputs within {furthest:.2g}")


def main():
    parser = argparse.ArgumentParser(description="Write bireal-fashion's networks as ONNX files.")
    parser.add_argument("--data", required=True, help="folder with Fashion-MNIST's .gz files")
    parser.add_argument("--trained", required=True, help="the folder that train.py wrote to")
    parser.add_argument("--out", required=True, help="folder to write to")
    parser.add_argument("--only", nargs="*", choices=list(NETWORKS), help="default: all that are trained")
    parser.add_argument("--check", type=int, default=1000, metavar="N", help="test images to compare (default 1000)")
    arguments = parser.parse_args()
    images, _ = load(arguments.data, "t10k")
    os.makedirs(arguments.out, exist_ok=True)
    for name in arguments.only or NETWORKS:
        trained = os.path.join(arguments.trained, name)
        if not (arguments.only or os.path.exists(trained + ".json")):
            print(f"{name}: not trained")
            continue
        model = BiReal(NETWORKS[name][0])
        model.load_state_dict(torch.load(trained + ".pt", weights_only=True))
        expected = scores(model, images)
        file = helper.make_model(graph_of(model), opset_imports=[helper.make_opsetid("", 17)], ir_version=8,
                                 producer_name="models/bireal-fashion/export.py")
        onnx.checker.check_model(file, full_check=True)
        path = os.path.join(arguments.out, name)
        onnx.save(file, path + ".onnx")
        expected.argmax(axis=1).astype(np.uint8).tofile(path + ".predictions.bin")
        check(path + ".onnx", images[:arguments.check], expected[:arguments.check])
    return 0


if __name__ == "__main__":
    sys.exit(main())
