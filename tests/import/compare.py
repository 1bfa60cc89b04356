"""Compares `hetmap import` with ONNX Runtime: compare.py HETMAP FOLDER [--csv FILE] [NAME...]

Every FOLDER/*.onnx is imported, and run by ONNX Runtime with every tensor as an output and no optimization:
shape and element type of all of them must be the importer's. Multiply-accumulates and weights are compared
with those that PyTorch counted (FOLDER/torch.json, written by export.py). Exit code 1 if anything differs.
"""

import argparse
import csv
import json
import pathlib
import subprocess
import sys
import tempfile
import time

import numpy
import onnx
import onnxruntime

NUMPY = {
    onnx.TensorProto.FLOAT: numpy.float32, onnx.TensorProto.INT64: numpy.int64, onnx.TensorProto.INT32: numpy.int32,
    onnx.TensorProto.BOOL: numpy.bool_, onnx.TensorProto.UINT8: numpy.uint8, onnx.TensorProto.FLOAT16: numpy.float16,
    onnx.TensorProto.DOUBLE: numpy.float64, onnx.TensorProto.INT8: numpy.int8,
}
TYPES = {numpy.dtype(n).name: t for n, t in [
    ("float32", "float"), ("float64", "double"), ("float16", "float16"), ("int8", "int8"), ("uint8", "uint8"),
    ("int16", "int16"), ("uint16", "uint16"), ("int32", "int32"), ("uint32", "uint32"), ("int64", "int64"),
    ("uint64", "uint64"), ("bool", "bool")]}


def symbols(path):
    """A size for every symbolic dimension of the inputs: 1 for the batch, 16 for others."""
    graph = onnx.load(str(path), load_external_data=False).graph
    names = {d.dim_param for i in graph.input for d in i.type.tensor_type.shape.dim if d.dim_param}
    return {name: 1 if "batch" in name else 16 for name in names}


def run_all(path, sizes):
    """Name -> (type, shape) of every tensor that a node of the file's graph makes."""
    model = onnx.load(str(path))
    constants = {t.name for t in model.graph.initializer}
    feeds = {}
    random = numpy.random.default_rng(1)
    for given in model.graph.input:
        if given.name in constants:
            continue
        tensor = given.type.tensor_type
        shape = [d.dim_value or sizes[d.dim_param] for d in tensor.shape.dim]
        kind = NUMPY[tensor.elem_type]
        feeds[given.name] = (random.random(shape) if kind in (numpy.float32, numpy.float16, numpy.float64)
                             else random.integers(0, 2, shape)).astype(kind)
    have = {o.name for o in model.graph.output}
    for node in model.graph.node:
        for output in node.output:
            if output and output not in have:
                model.graph.output.append(onnx.ValueInfoProto(name=output))
                have.add(output)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        # Beside the file, so that its external data is found.
        edited = path.parent / f".{path.stem}-all.onnx"
        try:
            onnx.save(model, str(edited))
            session = onnxruntime.InferenceSession(str(edited), options, providers=["CPUExecutionProvider"])
            names = [o.name for o in session.get_outputs()]
            values = session.run(names, feeds)
        finally:
            edited.unlink(missing_ok=True)
    return {n: (TYPES[v.dtype.name], list(v.shape)) for n, v in zip(names, values) if isinstance(v, numpy.ndarray)}


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("hetmap")
    arguments.add_argument("folder", type=pathlib.Path)
    arguments.add_argument("names", nargs="*")
    arguments.add_argument("--csv")
    arguments.add_argument("--models", help="keep the models here")
    options = arguments.parse_args()
    facts_file = options.folder / "torch.json"
    facts = json.loads(facts_file.read_text()) if facts_file.exists() else {}
    rows, failed = [], 0
    with tempfile.TemporaryDirectory() as temporary:
        for path in sorted(options.folder.glob("*.onnx")):
            if options.names and not any(name in path.name for name in options.names):
                continue
            row = {"network": path.stem}
            out = pathlib.Path(options.models or temporary) / path.stem
            command = [options.hetmap, "import", str(path), "--out", str(out), "--force", "--json", "--tensors"]
            sizes = symbols(path)
            for name, size in sizes.items():
                command += ["--dim", f"{name}={size}"]
            begin = time.perf_counter()
            done = subprocess.run(command, capture_output=True, text=True)
            row["seconds"] = f"{time.perf_counter() - begin:.2f}"
            rows.append(row)
            if done.returncode == 2:
                try:
                    run_all(path, sizes)
                except Exception:
                    row["outcome"] = "refused by both"
                    print(path.stem, "refused by both:", done.stderr.strip()[-200:], flush=True)
                    continue
            if done.returncode != 0:
                row["outcome"] = done.stderr.strip()[-300:]
                failed += 1
                print(path.stem, "FAILED", row["outcome"], flush=True)
                continue
            answer = json.loads(done.stdout)
            ours = {t["name"]: (t["type"], t["shape"]) for t in answer["tensors"]}
            row |= {k: answer[k] for k in ("opset", "nodes", "layers", "exact", "opaque", "macs", "weights")}
            try:
                theirs = run_all(path, sizes)
            except Exception as error:
                row["outcome"] = f"onnxruntime: {error}"[:200]
                print(path.stem, row["outcome"], flush=True)
                continue
            wrong = [(n, ours.get(n), t) for n, t in theirs.items() if ours.get(n) != t]
            row |= {"tensors compared": len(theirs), "differences": len(wrong)}
            fact = facts.get(path.stem.rsplit("-", 1)[0])
            if fact and "length" not in sizes:
                row |= {"macs (torch)": fact["macs"], "parameters (torch)": fact["parameters"]}
                failed += fact["macs"] != answer["macs"]
            failed += bool(wrong)
            row["outcome"] = "same" if not wrong else f"{wrong[0]}"
            opaque = {o["operation"]: o["opaque"] for o in answer["operations"] if o["opaque"]}
            row["opaque operations"] = " ".join(f"{k} {v}" for k, v in opaque.items())
            print(row, flush=True)
            for one in wrong[:5]:
                print("   ", one)
            for warning in answer["warnings"][:5]:
                print("    warning:", warning)
    if options.csv:
        keys = list(dict.fromkeys(k for row in rows for k in row))
        with open(options.csv, "w", newline="") as file:
            writer = csv.DictWriter(file, keys, lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
