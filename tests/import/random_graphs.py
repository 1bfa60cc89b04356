"""Random ONNX graphs: random_graphs.py FOLDER COUNT [SEED]; then compare.py HETMAP FOLDER says if one differs.

Each has an image or a matrix as input and up to 14 nodes with random attributes, of those that onnx's own shape
inference takes; in a random opset from 11 on. Some inputs have a symbolic batch.
"""

import pathlib
import random
import sys

import numpy
import onnx
from onnx import TensorProto, helper, numpy_helper

UNARY = ["Relu", "Sigmoid", "Tanh", "Exp", "Abs", "Neg", "Sqrt", "Erf", "Softplus", "LeakyRelu", "Elu", "HardSigmoid", "Identity",
         "Dropout", "Sign", "Floor", "Softsign"]


class Graph:
    def __init__(self, seed):
        self.random = random.Random(seed)
        r = self.random
        self.opset = r.choice([11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21])
        self.nodes, self.constants, self.shapes = [], [], {}
        shape = r.choice([[1, r.randint(1, 6), r.randint(4, 12), r.randint(4, 12)], [1, r.randint(2, 6), r.randint(4, 20)],
                          [1, r.randint(2, 16)], [r.randint(2, 5), r.randint(2, 9)],
                          [1, r.randint(1, 3), r.randint(3, 5), r.randint(3, 6), r.randint(3, 6)]])
        self.shapes["x"] = shape
        first = "batch" if shape[0] == 1 and r.random() < 0.3 else shape[0]
        self.input = helper.make_tensor_value_info("x", TensorProto.FLOAT, [first] + shape[1:])

    def constant(self, array):
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(numpy.asarray(array), name))
        return name

    def weights(self, *shape):
        return self.constant((numpy.random.default_rng(len(self.constants)).random(shape) - 0.5).astype(numpy.float32))

    def ints(self, *values):
        return self.constant(numpy.array(values, numpy.int64))

    def propose(self):
        """A node (or None) that may or may not fit."""
        r = self.random
        name = r.choice(list(self.shapes))
        shape = self.shapes[name]
        rank, sides = len(shape), len(shape) - 2
        axis = r.randrange(-rank, rank) if rank else 0
        kind = r.choice(["unary", "binary", "constant", "conv", "pool", "reshape", "transpose", "concat", "slice", "split", "reduce",
                         "softmax", "matmul", "gemm", "squeeze", "unsqueeze", "pad", "resize", "norm", "global", "gather", "where",
                         "expand", "deconv", "depthwise", "flatten", "clip", "arg", "topk", "shape"])
        new = self.opset >= 13
        if kind == "unary":
            return helper.make_node(r.choice(UNARY), [name], ["y"])
        if kind == "binary":
            return helper.make_node(r.choice(["Add", "Mul", "Sub", "Max", "Div"]), [name, r.choice(list(self.shapes))], ["y"])
        if kind == "constant":
            dims = [r.choice([1, d]) for d in shape[r.randrange(rank + 1):]]
            return helper.make_node(r.choice(["Add", "Mul", "Sub"]), r.sample([name, self.weights(*dims)], 2), ["y"])
        if kind in ("conv", "depthwise") and sides >= 1:
            groups = r.choice([g for g in range(1, shape[1] + 1) if shape[1] % g == 0]) if kind == "conv" else shape[1]
            out = groups * r.randint(1, 3) if kind == "conv" else shape[1]
            kernel = [r.randint(1, 3) for _ in range(sides)]
            more = {"auto_pad": r.choice(["SAME_UPPER", "SAME_LOWER", "VALID"])} if r.random() < 0.2 else {
                "pads": [r.randint(0, 2) for _ in range(2 * sides)]}
            return helper.make_node("Conv", [name, self.weights(out, shape[1] // groups, *kernel)], ["y"], group=groups,
                                    strides=[r.randint(1, 2) for _ in range(sides)],
                                    dilations=[1 if "auto_pad" in more else r.randint(1, 2) for _ in range(sides)], **more)
        if kind == "deconv" and sides >= 1:
            kernel = [r.randint(1, 3) for _ in range(sides)]
            return helper.make_node("ConvTranspose", [name, self.weights(shape[1], r.randint(1, 4), *kernel)], ["y"],
                                    strides=[2] * sides, output_padding=[r.randint(0, 1) for _ in range(sides)],
                                    pads=[r.randint(0, 1) for _ in range(2 * sides)])
        if kind == "pool" and sides >= 1:
            return helper.make_node(r.choice(["MaxPool", "AveragePool"]), [name], ["y"], kernel_shape=[r.randint(2, 3)] * sides,
                                    strides=[r.randint(1, 2) for _ in range(sides)], pads=[r.randint(0, 1)] * (2 * sides),
                                    ceil_mode=r.randint(0, 1))
        if kind == "reshape":
            size = int(numpy.prod(shape))
            a = r.choice([d for d in range(1, size + 1) if size % d == 0])
            target = r.choice([[a, -1], [1, a, -1], [-1], [0, -1], [1, shape[1] if rank > 1 else a, -1], [a, 1, -1], [1, -1, a, 1]])
            return helper.make_node("Reshape", [name, self.ints(*target)], ["y"])
        if kind == "flatten":
            return helper.make_node("Flatten", [name], ["y"], axis=r.randint(0, rank))
        if kind == "transpose":
            return helper.make_node("Transpose", [name], ["y"], perm=r.sample(range(rank), rank))
        if kind == "concat":
            same = [n for n, s in self.shapes.items() if len(s) == rank]
            return helper.make_node("Concat", [name] + r.choices(same, k=r.randint(0, 2)) + (
                [self.weights(*shape)] if r.random() < 0.3 and shape else []), ["y"], axis=axis)
        if kind == "slice" and rank:
            step = r.choice([1, 1, 2, -1])
            begin, end = (r.randint(0, 1), 2**31) if step > 0 else (-1, -(2**31))
            return helper.make_node("Slice", [name, self.ints(begin), self.ints(end), self.ints(axis), self.ints(step)], ["y"])
        if kind == "split" and rank and shape[axis] >= 2:
            first = r.randint(1, shape[axis] - 1)
            if new:
                return helper.make_node("Split", [name, self.ints(first, shape[axis] - first)], ["y", "z"], axis=axis)
            return helper.make_node("Split", [name], ["y", "z"], axis=axis, split=[first, shape[axis] - first])
        if kind == "reduce" and rank:
            axes = sorted(r.sample(range(rank), r.randint(1, rank)))
            operation = r.choice(["ReduceMean", "ReduceSum", "ReduceMax", "ReduceL2"])
            keep = r.randint(0, 1)
            if self.opset >= 18 or (operation == "ReduceSum" and new):
                return helper.make_node(operation, [name, self.ints(*axes)], ["y"], keepdims=keep)
            return helper.make_node(operation, [name], ["y"], axes=axes, keepdims=keep)
        if kind == "softmax" and rank:
            return helper.make_node(r.choice(["Softmax", "LogSoftmax"]), [name], ["y"], axis=axis)
        if kind == "matmul" and rank >= 1:
            if r.random() < 0.4:
                return helper.make_node("MatMul", [name, r.choice(list(self.shapes))], ["y"])
            return helper.make_node("MatMul", [name, self.weights(shape[-1], r.randint(1, 6))], ["y"])
        if kind == "gemm" and rank == 2:
            return helper.make_node("Gemm", [name, self.weights(r.randint(1, 6), shape[1])], ["y"], transB=1)
        if kind in ("squeeze", "unsqueeze"):
            operation = kind.capitalize()
            ones = [i for i, d in enumerate(shape) if d == 1]
            axes = r.sample(ones, r.randint(1, len(ones))) if kind == "squeeze" and ones else [r.randint(0, rank)]
            if kind == "squeeze" and not ones:
                return None
            if new:
                return helper.make_node(operation, [name, self.ints(*axes)], ["y"])
            return helper.make_node(operation, [name], ["y"], axes=axes)
        if kind == "pad" and rank:
            return helper.make_node("Pad", [name, self.ints(*[r.choice([0, 0, 1]) for _ in range(2 * rank)])], ["y"])
        if kind == "resize" and sides == 2:
            scales = numpy.array([1, 1, r.choice([0.5, 2, 1.5]), r.choice([0.5, 2, 3])], numpy.float32)
            empty = self.constant(numpy.array([], numpy.float32))
            return helper.make_node("Resize", [name, empty, self.constant(scales)], ["y"], mode="nearest")
        if kind == "norm" and sides >= 1:
            c = shape[1]
            return helper.make_node("BatchNormalization", [name] + [self.constant(numpy.ones(c, numpy.float32)) for _ in range(4)], ["y"])
        if kind == "norm" and rank and self.opset >= 17:
            return helper.make_node("LayerNormalization", [name, self.weights(shape[-1])], ["y"], axis=-1)
        if kind == "global" and sides >= 1:
            return helper.make_node(r.choice(["GlobalAveragePool", "GlobalMaxPool"]), [name], ["y"])
        if kind == "gather" and rank:
            indices = r.choice([numpy.array(0), numpy.array([0, 0, 0]), numpy.array([[0], [0]])])
            return helper.make_node("Gather", [name, self.constant(indices.astype(numpy.int64))], ["y"], axis=axis)
        if kind == "where":
            condition = self.constant(numpy.array(r.choice([True, False])))
            return helper.make_node("Where", [condition, name, r.choice([r.choice(list(self.shapes)), self.weights(1)])], ["y"])
        if kind == "expand":
            return helper.make_node("Expand", [name, self.ints(r.randint(1, 2), *[1] * rank)], ["y"])
        if kind == "clip":
            return helper.make_node("Clip", [name, self.constant(numpy.array(-1, numpy.float32))], ["y"])
        if kind == "arg" and rank:
            return helper.make_node(r.choice(["ArgMax", "ArgMin"]), [name], ["y"], axis=axis, keepdims=r.randint(0, 1))
        if kind == "topk" and rank:
            return helper.make_node("TopK", [name, self.ints(1)], ["y", "z"], axis=axis)
        return None

    def model(self, nodes, outputs):
        graph = helper.make_graph(nodes, "random", [self.input], outputs, self.constants)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset)], ir_version=8)

    def grow(self, count):
        for _ in range(20 * count):
            if len(self.nodes) == count:
                break
            before = len(self.constants)
            try:
                node = self.propose()
            except (ValueError, IndexError):
                node = None
            if node is None:
                del self.constants[before:]
                continue
            for i, _ in enumerate(node.output):
                node.output[i] = f"t{len(self.nodes)}_{i}"
            if self.random.random() < 0.5:
                node.name = f"n{len(self.nodes)}"
            outputs = [helper.make_tensor_value_info(o, TensorProto.UNDEFINED, None) for o in node.output]
            for o in outputs:
                o.ClearField("type")
            model = self.model(self.nodes + [node], outputs)
            # The batch counts as 1 for what comes after.
            if model.graph.input[0].type.tensor_type.shape.dim[0].dim_param:
                model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1
            try:
                inferred = onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True)
                made = {}
                for o in inferred.graph.output:
                    tensor = o.type.tensor_type
                    dims = [d.dim_value for d in tensor.shape.dim]
                    assert tensor.HasField("shape") and all(d > 0 for d in dims) and len(dims) <= 6
                    assert 0 < numpy.prod(dims, dtype=float) < 100000
                    if tensor.elem_type == TensorProto.FLOAT:
                        made[o.name] = dims
                self.nodes.append(node)
                self.shapes |= made
            except Exception:
                del self.constants[before:]
        read = {i for n in self.nodes for i in n.input}
        ends = [o for n in self.nodes for o in n.output if o not in read]
        outputs = [helper.make_tensor_value_info(o, TensorProto.FLOAT, None) for o in ends]
        for o in outputs:
            o.type.tensor_type.elem_type = next(
                (TensorProto.INT64 for n in self.nodes
                 if (n.op_type in ("ArgMax", "ArgMin") or (n.op_type == "TopK" and o.name == n.output[1])) and o.name in n.output),
                TensorProto.FLOAT)
        return self.model(self.nodes, outputs)


def main():
    folder, count = pathlib.Path(sys.argv[1]), int(sys.argv[2])
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else 1
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(count):
        graph = Graph(seed * 100000 + i)
        model = graph.grow(graph.random.randint(3, 14))
        if model.graph.node:
            onnx.save(model, str(folder / f"random-{seed}-{i:04}.onnx"))


if __name__ == "__main__":
    main()
