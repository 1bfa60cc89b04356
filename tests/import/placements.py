"""Compares what `hetmap export` writes with ONNX Runtime: placements.py HETMAP FOLDER [--csv FILE] [NAME...]

Every FOLDER/*.onnx is imported and mapped at random onto two devices. The annotated file must differ from the
original in its nodes' entries alone, load with the session option that was printed, and give the same outputs;
the segments, run one after the other, must give them within 1e-5 of the largest value. Exit code 1 if anything
differs.
"""

import argparse
import csv
import json
import pathlib
import random
import re
import subprocess
import sys
import tempfile

import numpy
import onnx
import onnxruntime

from compare import NUMPY, symbols

LIMIT = 1e-5  # of the largest value of an output; of halves one unit, since between nodes the CPU keeps more of them
KEY = "layer_ann"


def feeds_of(model, sizes):
    constants = {t.name for t in model.graph.initializer}
    generator = numpy.random.default_rng(1)
    feeds = {}
    for given in model.graph.input:
        if given.name in constants:
            continue
        tensor = given.type.tensor_type
        shape = [d.dim_value or sizes[d.dim_param] for d in tensor.shape.dim]
        kind = NUMPY[tensor.elem_type]
        feeds[given.name] = (generator.random(shape) if kind in (numpy.float32, numpy.float16, numpy.float64)
                             else generator.integers(0, 2, shape)).astype(kind)
    return feeds


def session_of(path, settings=None):
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    if settings is not None:
        options.add_session_config_entry("session.layer_assignment_settings", settings)
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def outputs_of(session, feeds):
    names = [o.name for o in session.get_outputs()]
    given = {i.name for i in session.get_inputs()}
    return dict(zip(names, session.run(names, {n: v for n, v in feeds.items() if n in given})))


def limit_of(model):
    has_halves = any(t.data_type == onnx.TensorProto.FLOAT16 for t in model.graph.initializer)
    return float(numpy.finfo(numpy.float16).eps) if has_halves else LIMIT


def difference(ours, theirs):
    """The largest one over all outputs, as a part of the output's largest value; infinite where they do not fit."""
    largest = 0.0
    for name, expected in theirs.items():
        found = ours.get(name)
        if found is None or found.dtype != expected.dtype or found.shape != expected.shape:
            return float("inf")
        if expected.size == 0 or numpy.array_equal(found, expected, equal_nan=expected.dtype.kind == "f"):
            continue
        a, b = found.astype(numpy.float64), expected.astype(numpy.float64)
        largest = max(largest, float(numpy.abs(a - b).max() / max(numpy.abs(b).max(), 1e-30)))
    return largest


def random_mapping(model_yaml, seed, run_length):
    """A mapping of every layer onto gpu0 or cpu, in the model's order, in runs of random lengths."""
    text = model_yaml.read_text()
    name = re.search(r"^name: (.*)$", text, re.M).group(1)
    layers = re.findall(r"^  - \{name: (\"(?:[^\"\\]|\\.)*\"|[^,]+), operation: (?!constant,)", text, re.M)
    generator = random.Random(seed)
    entries, device = [], "gpu0"
    for layer in layers:
        if generator.random() < 1 / run_length:
            device = "cpu" if device == "gpu0" else "gpu0"
        entries.append(f"  - {{layers: [{layer}], device: {device}, variant: any, configuration: any}}")
    return (f"hetmap: mapping/1\nmodel: {name}\nplatform: two\nbatch: 1\npredicted_us: 1\norder: listed\nentries:\n"
            + "\n".join(entries) + "\n")


def strip(graph):
    """Removes the annotations from every node, and returns how many nodes lack one."""
    lacking = 0
    for node in graph.node:
        kept = [e for e in node.metadata_props if e.key != KEY]
        lacking += len(kept) == len(node.metadata_props)
        del node.metadata_props[:]
        node.metadata_props.extend(kept)
        for attribute in node.attribute:
            for inner in [attribute.g] * attribute.HasField("g") + list(attribute.graphs):
                lacking += strip(inner)
    return lacking


def run_segments(folder, feeds):
    facts = json.loads((folder / "segments.json").read_text())
    tensors = dict(feeds)
    for segment in facts["segments"]:
        session = session_of(folder / segment["file"])
        assert [i.name for i in session.get_inputs()] == segment["inputs"], segment["file"]
        assert [o.name for o in session.get_outputs()] == segment["outputs"], segment["file"]
        tensors |= outputs_of(session, {n: tensors[n] for n in segment["inputs"]})
    return {n: tensors[n] for n in facts["outputs"]}, facts


def compare(hetmap, path, temporary, run_length):
    sizes = symbols(path)
    dims = [argument for name, size in sizes.items() for argument in ("--dim", f"{name}={size}")]

    def run(*command):
        done = subprocess.run([hetmap, *map(str, command)], capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(f"{command[0]}: exit code {done.returncode}: {done.stderr.strip()[-300:]}")
        return done.stdout

    model, mapping = temporary / "model", temporary / "mapping.yaml"
    annotated, segments = path.parent / f".{path.stem}-annotated.onnx", temporary / "segments"
    run("import", path, "--out", model, "--force", *dims)
    mapping.write_text(random_mapping(model / "model.yaml", path.stem, run_length))
    export = ["export", path, "--model", model, "--mapping", mapping, "--force", "--json", *dims]
    original = onnx.load(str(path), load_external_data=False)
    feeds = feeds_of(original, sizes)
    expected = outputs_of(session_of(path), feeds)
    try:
        # Beside its external data; both devices are this machine's.
        runtime = ["--runtime-device", "gpu0=cpu"] if "device: gpu0" in mapping.read_text() else []
        answer = json.loads(run(*export, "--out", annotated, *runtime))
        copy = onnx.load(str(annotated), load_external_data=False)
        lacking = strip(copy.graph) + sum(strip(f) for f in copy.functions)
        settings = answer["session.layer_assignment_settings"]
        same = copy.SerializeToString(deterministic=True) == original.SerializeToString(deterministic=True)
        of_annotated = difference(outputs_of(session_of(annotated, settings), feeds), expected)
    finally:
        annotated.unlink(missing_ok=True)
    whole = json.loads(run(*export, "--out", segments, "--format", "segments"))
    found, facts = run_segments(segments, feeds)
    of_segments = difference(found, expected)
    warnings = whole["warnings"]
    good = lacking == 0 and same and of_annotated == 0 and of_segments <= limit_of(original)
    return {"network": path.stem, "nodes": answer["nodes"], "segments": len(facts["segments"]),
            "cut tensors": sum(len(s["inputs"]) for s in facts["segments"]), "not annotated": lacking,
            "otherwise the same": same, "annotated: difference": of_annotated, "segments: difference": of_segments,
            "warnings": len(warnings), "outcome": "same" if good else "DIFFERENT"}, warnings


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("hetmap")
    arguments.add_argument("folder", type=pathlib.Path)
    arguments.add_argument("names", nargs="*")
    arguments.add_argument("--run-length", type=float, default=6, help="layers of a segment, on average")
    arguments.add_argument("--csv")
    options = arguments.parse_args()
    rows = []
    for path in sorted(options.folder.glob("*.onnx")):
        if path.name.startswith(".") or (options.names and not any(name in path.name for name in options.names)):
            continue
        with tempfile.TemporaryDirectory() as temporary:
            try:
                row, warnings = compare(options.hetmap, path, pathlib.Path(temporary), options.run_length)
            except Exception as error:
                row, warnings = {"network": path.stem, "outcome": f"FAILED: {error}"}, []
        rows.append(row)
        print(row, flush=True)
        for warning in warnings[:5]:
            print("    warning:", warning)
    if options.csv:
        with open(options.csv, "w", newline="") as file:
            writer = csv.DictWriter(file, list(dict.fromkeys(k for row in rows for k in row)), lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
    failed = sum(row["outcome"] != "same" for row in rows)
    print(f"{len(rows)} networks, {failed} differ")
    return 1 if failed or not rows else 0


if __name__ == "__main__":
    sys.exit(main())
