"""Runs `hetmap import` over the test models that come with the onnx package: backend.py HETMAP [NAME...]

Each holds one operation (or a few), with inputs and expected results, in the opsets where it changed. What the
file declares of its results is taken out, and its small inputs become constants, so that the importer has to find
the shapes by itself. Then shape and element type of each result must be those of the expected one. Exit code 1 if
one differs.
"""

import collections
import json
import pathlib
import subprocess
import sys
import tempfile

import numpy
import onnx
import onnx.backend.test
from onnx import numpy_helper
from onnx.backend.test.loader import load_model_tests

SMALL = 64
# Sequences, maps, optionals and strings: no model holds them.
OUT_OF_SCOPE = ("sequence", "optional", "string", "identity_sequence", "identity_opt", "training", "ai_onnx_ml",
                "tfidf", "regex", "label_encoder", "image_decoder", "loop13", "loop16", "if_opt", "if_seq")


def cases():
    """Name, model, inputs and expected results, as numpy arrays, of each."""
    for case in load_model_tests(kind="node"):
        if case.model is not None and case.data_sets:
            yield case.name, case.model, *case.data_sets[0]
    data = pathlib.Path(onnx.backend.test.__file__).parent / "data"
    for path in sorted(data.glob("*/*/model.onnx")):
        values = path.parent / "test_data_set_0"
        model = onnx.load(str(path))

        def read(kind, all_):
            arrays = []
            for n, one in enumerate(all_):
                file = values / f"{kind}_{n}.pb"
                if one.type.WhichOneof("value") == "tensor_type" and file.exists():
                    arrays.append(numpy_helper.to_array(onnx.TensorProto.FromString(file.read_bytes())))
                else:
                    arrays.append(None)
            return arrays

        yield path.parent.name, model, read("input", model.graph.input), read("output", model.graph.output)


def main():
    hetmap, names = sys.argv[1], sys.argv[2:]
    outcomes, lines = collections.Counter(), []
    layers = collections.defaultdict(lambda: [0, 0])  # by operation: exact, opaque
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        for case, model, inputs, expected in cases():
            if names and not any(name in case for name in names):
                continue
            graph = model.graph
            constants = {t.name for t in graph.initializer}
            given = list(graph.input)
            if any(word in case for word in OUT_OF_SCOPE) or any(
                i.type.WhichOneof("value") != "tensor_type" for i in given + list(graph.output)
            ) or not all(isinstance(v, (numpy.ndarray, numpy.generic)) for v in inputs):
                outcomes["out of scope"] += 1
                continue
            wanted = []
            for n, (one, value) in enumerate(zip(given, inputs)):
                if one.name in constants:
                    continue
                value = numpy.asarray(value)
                if n > 0 and value.size <= SMALL and value.dtype != object:
                    constant = numpy_helper.from_array(value, one.name)
                    constant.data_type = one.type.tensor_type.elem_type or constant.data_type
                    if constant.data_type == numpy_helper.from_array(value).data_type:
                        graph.initializer.append(constant)
                        continue
                shape = one.type.tensor_type.shape
                del shape.dim[:]
                for side in value.shape:
                    shape.dim.add().dim_value = side
                one.type.tensor_type.shape.SetInParent()
            for one, value in zip(graph.output, expected):
                if isinstance(value, (numpy.ndarray, numpy.generic)):
                    wanted.append((one.name, one.type.tensor_type.elem_type, list(numpy.shape(value))))
                one.type.Clear()
            del graph.value_info[:]
            (folder / "case.onnx").write_bytes(model.SerializeToString())
            done = subprocess.run(
                [hetmap, "import", str(folder / "case.onnx"), "--out", str(folder / "out"), "--force", "--json",
                 "--tensors"], capture_output=True, text=True)
            text = done.stderr.strip().replace(str(folder), "")
            if done.returncode != 0:
                kind = "refused" if done.returncode == 2 else f"EXIT {done.returncode}"
                if "nothing in it depends on an input" in text or "none of its outputs is made" in text:
                    kind = "constant"
                outcomes[kind] += 1
                lines.append(f"{kind}: {case}: {text}")
                continue
            answer = json.loads(done.stdout)
            for one in answer["operations"]:
                layers[one["operation"]][0] += one["exact"]
                layers[one["operation"]][1] += one["opaque"]
            ours = {t["name"]: (t["type"], t["shape"]) for t in answer["tensors"]}
            # A bare name of a type in ONNX's words.
            types = {v: k.lower() for k, v in onnx.TensorProto.DataType.items()}
            wrong = [(name, ours.get(name), types[kind], shape) for name, kind, shape in wanted
                     if name in ours and ours[name] != (types[kind], shape)]
            outcomes["different" if wrong else "same"] += 1
            if wrong:
                lines.append(f"different: {case}: {wrong}")
    for line in lines:
        print(line)
    print(dict(layers))
    print(dict(outcomes))
    return 1 if outcomes["different"] or any(k.startswith("EXIT") for k in outcomes) else 0


if __name__ == "__main__":
    sys.exit(main())
