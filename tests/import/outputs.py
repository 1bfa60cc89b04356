"""Compares what imported networks compute with ONNX Runtime: outputs.py HETMAP FOLDER [--csv FILE] [NAME...]

Every FOLDER/*.onnx whose weights `hetmap import --parameters` takes along is run by libhetmap, found beside HETMAP, on
three images; every output must be ONNX Runtime's within 1e-4 of its largest number, or, of a network that is quantized
to 8 bits, within two of its steps (ONNX Runtime's optimizations are off: its kernels for AVX2 cut sums off, and what
computes in floats may round another way). Of the others the reason is printed. Exit code 1 if one differs.
"""

import argparse
import csv
import pathlib
import subprocess
import sys
import tempfile

import numpy
import onnx
import onnxruntime
from reals import TOLERANCE, Library

IMAGES = 3


def shape_of(path):
    """Of the only input, if that is an image of f32."""
    graph = onnx.load(str(path), load_external_data=False).graph
    constants = {t.name for t in graph.initializer}
    inputs = [i for i in graph.input if i.name not in constants]
    dims = [d.dim_value or 1 for d in inputs[0].type.tensor_type.shape.dim]
    if len(inputs) == 1 and len(graph.output) == 1 and len(dims) == 4 and inputs[0].type.tensor_type.elem_type == onnx.TensorProto.FLOAT:
        return inputs[0].name, dims
    return None


def compared(library, folder, path, name, shape):
    is_quantized = any(node.op_type == "QuantizeLinear" for node in onnx.load(str(path), load_external_data=False).graph.node)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    images = [numpy.random.default_rng(seed).normal(0, 1, shape).astype(numpy.float32) for seed in range(IMAGES)]
    worst, allowed = 0.0, TOLERANCE
    for image, ours in zip(images, library.run(folder, [image[0].transpose(1, 2, 0) for image in images])):
        theirs = session.run(None, {name: image})[0]
        if theirs.ndim == 4:
            theirs = theirs.transpose(0, 2, 3, 1)
        largest = float(numpy.abs(theirs).max())
        worst = max(worst, float(numpy.abs(ours - theirs.ravel()).max()) / largest)
        if is_quantized:
            allowed = max(allowed, 2.01 * float(numpy.diff(numpy.unique(theirs)).min()) / largest)
    return worst, allowed


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("hetmap")
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--csv")
    chosen = parser.parse_args()
    library = Library(pathlib.Path(chosen.hetmap).resolve().parent / "libhetmap.so")
    rows, bad = [], 0
    for path in sorted(chosen.folder.glob("*.onnx")):
        if chosen.names and not any(path.name.startswith(f"{name}-") for name in chosen.names):
            continue
        given = shape_of(path)
        if given is None:
            rows.append((path.stem, "", "not one image of f32 to one output"))
            continue
        with tempfile.TemporaryDirectory() as folder:
            out = pathlib.Path(folder) / "model"
            made = subprocess.run([chosen.hetmap, "import", path, "--out", out, "--parameters"], capture_output=True, text=True)
            if made.returncode != 0:
                rows.append((path.stem, "", made.stderr.split("cannot run here: ")[-1].split(";")[0].strip()))
                continue
            difference, allowed = compared(library, out, path, *given)
        bad += not difference <= allowed
        rows.append((path.stem, f"{difference:.1e}", "" if difference <= allowed else "differs"))
    for row in rows:
        print(*row)
    if chosen.csv:
        with open(chosen.csv, "w", newline="") as file:
            csv.writer(file).writerows([("network", "difference", "why not"), *rows])
    print(f"{sum(bool(row[1]) for row in rows)} of {len(rows)} networks run, {bad} differ by more than they may")
    return bad > 0


if __name__ == "__main__":
    sys.exit(main())
