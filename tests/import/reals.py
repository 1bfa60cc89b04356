"""Compares imported f32 networks, run by libhetmap, with ONNX Runtime: reals.py HETMAP

Networks as people train them (ResNet-18's and MobileNetV2's blocks, a plain one, one with signs among real layers)
are written with onnx.helper and seeded weights, imported with them, and run; what libhetmap, found beside HETMAP,
gives must be ONNX Runtime's within 1e-4 of its largest number. Exit code 1 if one differs.
"""

import ctypes
import pathlib
import subprocess
import sys
import tempfile

import numpy
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

TOLERANCE = 1e-4


class Tensor(ctypes.Structure):
    _fields_ = [("name", ctypes.c_char_p), ("element", ctypes.c_int), ("batch", ctypes.c_int),
                ("height", ctypes.c_int), ("width", ctypes.c_int), ("channels", ctypes.c_int),
                ("data", ctypes.c_void_p), ("bytes", ctypes.c_size_t)]


class Net:
    """An ONNX graph of images that grows node by node; `channels` and `size` are those of its last tensor."""

    def __init__(self, seed, channels, size):
        self.random = numpy.random.default_rng(seed)
        self.nodes, self.constants, self.channels, self.size = [], [], channels, size
        self.image = [1, channels, size, size]

    def constant(self, values, kind=numpy.float32):
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(numpy.asarray(values, kind), name))
        return name

    def node(self, operation, inputs, **attributes):
        output = f"{operation.lower()}{len(self.nodes)}"
        self.nodes.append(helper.make_node(operation, inputs, [output], name=output, **attributes))
        return output

    def conv(self, x, out, kernel, stride=1, groups=1, bias=True):
        fan_in = self.channels // groups * kernel * kernel
        inputs = [x, self.constant(self.random.normal(0, (2 / fan_in) ** 0.5, (out, self.channels // groups, kernel, kernel)))]
        if bias:
            inputs.append(self.constant(self.random.normal(0, 0.1, out)))
        pad = kernel // 2
        y = self.node("Conv", inputs, kernel_shape=[kernel] * 2, strides=[stride] * 2, pads=[pad] * 4, group=groups)
        self.channels, self.size = out, (self.size + 2 * pad - kernel) // stride + 1
        return y

    def norm(self, x):
        c = self.channels
        numbers = self.random.normal(1, 0.2, c), self.random.normal(0, 0.2, c), self.random.normal(0, 0.2, c), self.random.uniform(0.5, 2, c)
        return self.node("BatchNormalization", [x] + [self.constant(n) for n in numbers])

    def head(self, x, classes, last=None):
        x = self.node("Flatten", [self.node("GlobalAveragePool", [x])])
        weights = self.random.normal(0, self.channels ** -0.5, (classes, self.channels))
        x = self.node("Gemm", [x, self.constant(weights), self.constant(self.random.normal(0, 0.1, classes))], transB=1)
        return self.node(last, [x], axis=1) if last else x

    def model(self, output, classes):
        graph = helper.make_graph(
            self.nodes, "net", [helper.make_tensor_value_info("image", TensorProto.FLOAT, self.image)],
            [helper.make_tensor_value_info(output, TensorProto.FLOAT, [1, classes])], self.constants)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def resnet(seed):
    net = Net(seed, 3, 32)
    x = net.node("Relu", [net.conv("image", 16, 7, 2, bias=False)])
    x = net.node("MaxPool", [x], kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4)
    net.size = (net.size + 2 - 3) // 2 + 1
    for out, stride in ((16, 1), (32, 2), (64, 2)):
        channels, size = net.channels, net.size
        y = net.node("Relu", [net.norm(net.conv(x, out, 3, stride, bias=False))])
        y = net.norm(net.conv(y, out, 3, bias=False))
        if stride > 1:
            after = net.channels, net.size
            net.channels, net.size = channels, size
            x = net.conv(x, out, 1, stride)
            net.channels, net.size = after
        x = net.node("Relu", [net.node("Add", [y, x])])
    return net.model(net.head(x, 10), 10)


def mobilenet(seed):
    net = Net(seed, 3, 24)
    six = [net.constant(0.0), net.constant(6.0)]
    x = net.node("Clip", [net.conv("image", 16, 3, 2), *six])
    for out, stride in ((16, 1), (24, 2), (24, 1)):
        before, channels = x, net.channels
        y = net.node("Clip", [net.conv(x, net.channels * 4, 1), *six])
        y = net.node("Clip", [net.conv(y, net.channels, 3, stride, groups=net.channels), *six])
        x = net.conv(y, out, 1)
        if stride == 1 and channels == out:
            x = net.node("Add", [before, x])
    return net.model(net.head(x, 7, "Softmax"), 7)


def plain(seed):
    net = Net(seed, 1, 28)
    x = net.node("Relu", [net.conv("image", 8, 5)])
    x = net.node("AveragePool", [x], kernel_shape=[2, 2], strides=[2, 2])
    x = net.node("Relu", [net.conv(x, 20, 3, groups=2)])
    return net.model(net.head(x, 10, "LogSoftmax"), 10)


def flat(seed):
    """What follows a flattened image has its elements in another order than ONNX."""
    net = Net(seed, 3, 8)
    x = net.node("Flatten", [net.node("Relu", [net.conv("image", 6, 3)])])
    net.channels = 6 * 8 * 8
    x = net.norm(x)
    weights = net.random.normal(0, net.channels ** -0.5, (net.channels, 9))
    x = net.node("MatMul", [x, net.constant(weights)])
    return net.model(x, 9)


def mixed(seed):
    """Real at both ends, signs in between, as binarized networks are published."""
    net = Net(seed, 3, 16)
    x = net.node("Sign", [net.norm(net.conv("image", 64, 3, bias=False))])
    weights = net.random.choice([-1.0, 1.0], (64, 64, 3, 3)) * net.random.uniform(0.01, 0.1, (64, 1, 1, 1))
    x = net.node("Conv", [x, net.constant(weights)], kernel_shape=[3, 3], pads=[1] * 4)
    x = net.node("Relu", [net.norm(x)])
    return net.model(net.head(x, 10), 10)


class Library:
    def __init__(self, path):
        self.c = ctypes.CDLL(str(path))
        self.c.hetmap_last_error.restype = ctypes.c_char_p

    def run(self, folder, images):
        """The output of each image, which is in (y, x, channel) order."""
        session, image, scores = ctypes.c_void_p(), Tensor(), Tensor()
        if self.c.hetmap_open(str(folder).encode(), None, None, ctypes.byref(session)) != 0:
            raise RuntimeError(self.c.hetmap_last_error().decode())
        self.c.hetmap_input(session, 0, ctypes.byref(image))
        self.c.hetmap_output(session, 0, ctypes.byref(scores))
        results = []
        for one in images:
            values = numpy.ascontiguousarray(one, numpy.float32)
            assert values.nbytes == image.bytes
            ctypes.memmove(image.data, values.ctypes.data, values.nbytes)
            if self.c.hetmap_run(session) != 0:
                raise RuntimeError(self.c.hetmap_last_error().decode())
            results.append(numpy.frombuffer(ctypes.string_at(scores.data, scores.bytes), numpy.float32).copy())
        self.c.hetmap_close(session)
        return results


def main():
    hetmap, bad, worst, count = sys.argv[1], 0, 0.0, 0
    library = Library(pathlib.Path(hetmap).resolve().parent / "libhetmap.so")
    with tempfile.TemporaryDirectory() as folder:
        for make in (resnet, mobilenet, plain, flat, mixed):
            for seed in range(3):
                model = make(seed)
                onnx.checker.check_model(model)
                name = f"{make.__name__}{seed}"
                file, out = pathlib.Path(folder) / f"{name}.onnx", pathlib.Path(folder) / name
                onnx.save(model, str(file))
                made = subprocess.run([hetmap, "import", file, "--out", out, "--parameters"], capture_output=True, text=True)
                if made.returncode != 0:
                    print(f"{name}: {made.stderr}")
                    bad += 1
                    continue
                images = numpy.random.default_rng(seed).normal(0, 1, [8] + [d.dim_value for d in model.graph.input[0].type.tensor_type.shape.dim][1:]).astype(numpy.float32)
                options = onnxruntime.SessionOptions()
                options.log_severity_level = 4
                session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
                theirs = [session.run(None, {"image": image[None]})[0].ravel() for image in images]
                ours = library.run(out, [image.transpose(1, 2, 0) for image in images])
                for one, other in zip(ours, theirs):
                    error = numpy.abs(one - other).max() / max(1.0, numpy.abs(other).max())
                    worst, count = max(worst, error), count + 1
                    if not error <= TOLERANCE:
                        print(f"{name}: differs by {error:.2g} of its largest number")
                        bad += 1
    print(f"{count} images of f32 networks with their weights: largest difference {worst:.1e}, {bad} differ")
    return bad > 0


if __name__ == "__main__":
    sys.exit(main())
