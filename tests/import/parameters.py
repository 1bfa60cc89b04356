"""Compares what `hetmap import --parameters` takes along with ONNX Runtime: parameters.py HETMAP

Random binarized networks (convolutions, fully connected layers, pools, batch norms with negative, zero and infinite
numbers, sums that are exactly at a threshold, biases, scales) are written with onnx.helper and imported. NumPy
computes the model from model.yaml and weights.bin alone, as docs/file-formats.md has them, and `hetmap run` its
classes: all bits and sums must be those of ONNX Runtime, without optimization. Exit code 1 if one differs.
"""

import gzip
import json
import pathlib
import re
import struct
import subprocess
import sys
import tempfile

import numpy
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

NETWORKS, IMAGES, CLASSES = 60, 12, 10


class Network:
    """An ONNX graph that grows node by node; `shape` is that of its last tensor."""

    def __init__(self, random):
        self.random, self.nodes, self.constants, self.names = random, [], [], 0

    def constant(self, values, kind=numpy.float32):
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(numpy.asarray(values, kind), name))
        return name

    def node(self, operation, inputs, **attributes):
        self.names += 1
        output = f"{operation.lower()}{self.names}"
        self.nodes.append(helper.make_node(operation, inputs, [output], name=output, **attributes))
        return output

    def one_of(self, *choices):
        return choices[self.random.integers(len(choices))]

    def signs(self, shape, scaled):
        weights = self.random.choice([-1.0, 1.0], shape)
        weights.flat[:2] = 1.0, -1.0  # of one sign alone they could be any numbers that are equal
        if scaled:
            weights *= self.one_of(0.25, 1.0, 0.75) * self.random.integers(1, 4, (shape[0],) + (1,) * (len(shape) - 1))
        return weights

    def threshold(self, tensor, channels, spread, rank):
        """Batch norm (or not) and a comparison; exact where it is likely to hit a sum."""
        random = self.random
        exact = random.random() < 0.5
        kind = self.one_of("Sign", "GreaterOrEqual", "Greater", "Less", "LessOrEqual")
        if random.random() < 0.8:
            mean = numpy.round(random.normal(0, spread / 2, channels))
            gamma, beta = random.normal(0, 1, channels), random.normal(0, 0.5, channels)
            variance = numpy.full(channels, 4.0) if exact else random.uniform(0.5, 1.5, channels) * spread**2
            if exact:
                gamma = random.choice([-2.0, -1.0, 0.5, 1.0], channels)
                beta = random.choice([0.0, 0.5, -1.0, 1.5], channels)
            gamma[0] = 0.0
            if channels > 3 and kind != "Sign":
                beta[1:3] = numpy.inf, -numpy.inf
            if kind == "Sign":  # zero has no bit: no sum may be there
                mean, beta = mean + 0.37, beta + 0.011
            tensor = self.node("BatchNormalization",
                               [tensor, *(self.constant(x) for x in (gamma, beta, mean, variance))],
                               epsilon=0.0 if exact else 1e-5)
        elif kind == "Sign":
            shape = (1, channels, 1, 1) if rank == 4 else (1, channels)
            # A threshold without a batch norm compares with numbers of its own.
            level = self.constant(numpy.round(random.normal(0, spread / 2, channels)).reshape(shape))
            condition = self.node("Less", [tensor, level])
            return self.node("Where", [condition, self.constant(-1.0), self.constant(1.0)]), 1.0
        if kind == "Sign":
            return self.node("Sign", [tensor]), 1.0
        scale = float(self.one_of(1.0, 0.5, 1.25))
        yes = self.one_of(scale, -scale)
        condition = self.node(kind, [tensor, self.constant(self.one_of(0.0, 0.25, -0.5))])
        return self.node("Where", [condition, self.constant(yes), self.constant(-yes)]), scale


def network(random):
    """An ONNX model from uint8 images to whole numbers."""
    net = Network(random)
    height, width = (int(x) for x in random.integers(6, 13, 2))
    channels_last = random.random() < 0.3
    input_shape = [1, height, width, 1] if channels_last else [1, 1, height, width]
    tensor = net.node("Cast", ["image"], to=TensorProto.FLOAT)
    if channels_last:
        tensor = net.node("Transpose", [tensor], perm=[0, 3, 1, 2])
    channels, most, scale = 1, 128.0, 1.0
    for _ in range(random.integers(0, 4)):
        out, kernel = int(net.one_of(3, 8, 64, 70)), int(net.one_of(1, 2, 3))
        pad = int(net.one_of(0, kernel // 2))
        stride = int(net.one_of(1, 1, 2))
        fan_in = channels * kernel * kernel
        weights = net.signs((out, channels, kernel, kernel), fan_in > 1)  # of one weight nothing shows a scale
        inputs = [tensor, net.constant(weights)]
        if random.random() < 0.3:
            inputs.append(net.constant(random.normal(0, 2, out)))
        tensor = net.node("Conv", inputs, kernel_shape=[kernel, kernel], pads=[pad] * 4, strides=[stride, stride])
        height, width = ((x + 2 * pad - kernel) // stride + 1 for x in (height, width))
        spread = most * fan_in**0.5 * numpy.abs(weights).mean() * scale
        pools = min(height, width) >= 2 and random.random() < 0.4
        before = random.random() < 0.5
        if pools and before:
            tensor = net.node("MaxPool", [tensor], kernel_shape=[2, 2], strides=[2, 2])
        tensor, scale = net.threshold(tensor, out, spread, 4)
        if pools and not before:
            tensor = net.node("MaxPool", [tensor], kernel_shape=[2, 2], strides=[2, 2])
        if pools:
            height, width = height // 2, width // 2
        channels, most = out, 1.0
        if min(height, width) < 3:
            break
    tensor = net.node("Flatten", [tensor]) if random.random() < 0.5 else net.node(
        "Reshape", [tensor, net.constant([1, -1], numpy.int64)])
    features = channels * height * width
    if random.random() < 0.7 or scale != 1.0:
        out = int(net.one_of(5, 64, 100))
        by_rows = random.random() < 0.5
        weights = net.signs((out, features), by_rows)
        inputs = [tensor, net.constant(weights if by_rows else weights.T.copy())]
        if random.random() < 0.5:
            inputs.append(net.constant(random.normal(0, 2, out)))
        tensor = net.node("Gemm", inputs, transB=int(by_rows))
        tensor, scale = net.threshold(tensor, out, most * features**0.5 * numpy.abs(weights).mean() * scale, 2)
        while scale != 1.0:  # the result is whole numbers alone
            weights = net.signs((out, out), False)
            tensor = net.node("Gemm", [tensor, net.constant(weights)], transB=1)
            tensor, scale = net.threshold(tensor, out, out**0.5 * scale, 2)
        features = out
    tensor = net.node("MatMul", [tensor, net.constant(net.signs((features, CLASSES), False))])
    graph = helper.make_graph(
        net.nodes, "net", [helper.make_tensor_value_info("image", TensorProto.UINT8, input_shape)],
        [helper.make_tensor_value_info(tensor, TensorProto.FLOAT, [1, CLASSES])], net.constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)


def attribute(text, key, otherwise):
    found = re.search(rf"\b{key}: (\[[^\]]*\]|[^,}}]+)", text)
    return json.loads(found[1]) if found and found[1][0] in "[-0123456789" else found[1] if found else otherwise


def bits(words, count):
    return numpy.unpackbits(words.view(numpy.uint8), bitorder="little", count=count).astype(bool)


def evaluate(folder, image):
    """Name -> values of every layer, of an image in (y, x, channel) order."""
    yaml, file = (folder / "model.yaml").read_text(), (folder / "weights.bin").read_bytes()
    assert file[:16] == b"hetmap-weights/1" and "parameters: {file: weights.bin}" in yaml
    place, tensors = 16, {"image": image.astype(numpy.int64)}
    for line in re.findall(r"^  - \{(.*)\}$", yaml, re.MULTILINE):
        name, operation = attribute(line, "name", ""), attribute(line, "operation", "")
        x = tensors[re.search(r"inputs: \[([^\]]*)\]", line)[1]]

        def take(kind, count):
            nonlocal place
            values = numpy.frombuffer(file, kind, count, place)
            place += values.nbytes
            return values

        if operation in ("conv2d", "linear"):
            out = attribute(line, "out_channels", 0)
            kernel = attribute(line, "kernel", [1, 1])
            fan_in = x.size if operation == "linear" else kernel[0] * kernel[1] * x.shape[2]
            words = -(-fan_in // 64)
            rows = take("<u8", out * words).reshape(out, words)
            weights = numpy.stack([numpy.where(bits(row, fan_in), 1, -1) for row in rows])
            if operation == "linear":
                tensors[name] = (weights @ x.reshape(-1)).reshape(1, 1, out)
                continue
            pad, stride = attribute(line, "padding", 0), attribute(line, "stride", 1)
            padded = numpy.pad(x, ((pad, pad), (pad, pad), (0, 0)))
            windows = numpy.lib.stride_tricks.sliding_window_view(padded, kernel, (0, 1))[::stride, ::stride]
            flat = windows.transpose(0, 1, 3, 4, 2).reshape(windows.shape[0], windows.shape[1], fan_in)
            tensors[name] = flat @ weights.T
        elif operation == "threshold":
            channels = x.shape[-1]
            t, flips = take("<i4", channels), take("<u8", -(-channels // 64))
            tensors[name] = numpy.where(numpy.where(bits(flips, channels), x <= t, x >= t), 1, -1)
        elif operation == "max_pool2d":
            size, stride = attribute(line, "kernel", 0), attribute(line, "stride", 0)
            windows = numpy.lib.stride_tricks.sliding_window_view(x, size, (0, 1))[::stride, ::stride]
            tensors[name] = windows.max((3, 4))
        elif operation == "flatten":
            tensors[name] = x.reshape(1, 1, -1)
        else:
            raise ValueError(f"{operation} in {folder}")
    assert place == len(file)
    return tensors


def run_all(model, images):
    """Name -> values of every tensor, for each image."""
    for value in onnx.shape_inference.infer_shapes(model).graph.value_info:
        if value.name not in {o.name for o in model.graph.output}:
            model.graph.output.append(value)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    names = [o.name for o in session.get_outputs()]
    return [dict(zip(names, session.run(names, {"image": image}))) for image in images]


def main():
    hetmap, bad, compared = sys.argv[1], 0, 0
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        for seed in range(NETWORKS):
            random = numpy.random.default_rng(seed)
            model = network(random)
            onnx.checker.check_model(model)
            file, out = folder / f"net{seed}.onnx", folder / f"net{seed}"
            onnx.save(model, str(file))
            made = subprocess.run([hetmap, "import", file, "--out", out, "--parameters"], capture_output=True, text=True)
            if made.returncode != 0:
                print(f"seed {seed}: {made.stderr}")
                bad += 1
                continue
            shape = [d.dim_value for d in model.graph.input[0].type.tensor_type.shape.dim]
            images = random.integers(0, 256, [IMAGES] + shape, dtype=numpy.uint8)
            result = model.graph.output[0].name
            theirs = run_all(model, images)
            side = [x for x in shape[1:] if x != 1]
            for image, tensors in zip(images, theirs):
                ours = evaluate(out, image.reshape(side[0], side[1], 1))
                for name, values in ours.items():
                    if name == "image":
                        continue
                    expected = tensors[name][0]
                    if expected.ndim == 3:
                        expected = expected.transpose(1, 2, 0)
                    is_bits = set(numpy.unique(values)) <= {-1, 1} and name != result
                    if not is_bits and name != result:
                        continue  # sums, before their scale and bias
                    expected = numpy.sign(expected) if is_bits else expected
                    if name.startswith(("flatten", "reshape")):
                        expected, values = numpy.sort(expected.ravel()), numpy.sort(values.ravel())
                    compared += values.size
                    if not numpy.array_equal(expected.ravel(), values.ravel()):
                        print(f"seed {seed}: {name} differs in {numpy.sum(expected.ravel() != values.ravel())} places")
                        bad += 1
                        break
            if not any(node.op_type in ("Conv", "Transpose") for node in model.graph.node):
                continue  # its input is no image for `hetmap run`
            # The kernels, on a data set of these images: the lowest of the classes with the largest sum.
            data = folder / "t10k-images-idx3-ubyte.gz"
            data.write_bytes(gzip.compress(struct.pack(">4B3I", 0, 0, 8, 3, IMAGES, *side) + images.tobytes()))
            ran = subprocess.run([hetmap, "run", "--model", out, "--data", data, "--json"], capture_output=True, text=True)
            classes = [int(numpy.argmax(tensors[result][0])) for tensors in theirs]
            if ran.returncode != 0 or json.loads(ran.stdout)["predictions"] != classes:
                print(f"seed {seed}: hetmap run: {ran.stderr or 'other classes'}")
                bad += 1
    print(f"{NETWORKS} networks with their weights: {compared} bits and sums compared, {bad} differ")
    return bad > 0


if __name__ == "__main__":
    sys.exit(main())
