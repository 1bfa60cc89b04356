"""Times of the layers of an ONNX file by ONNX Runtime: profile_onnx.py FILE.onnx OUT.csv [--runs N] [--threads 1,2]

Every execution provider that this ONNX Runtime has, and of the CPU's each number of threads, is a device of its own.
OUT.csv has the columns layer,device,us: one row for each layer and run, for `hetmap import-profile`. Nothing is
optimized, so that the layers are those of the file. Prints, for each device, the time of a whole run (median, without
the profiler), which the sum of the layers should come to: the two are run in turn.
"""

import argparse
import csv
import json
import os
import pathlib
import statistics
import tempfile
import time

import numpy
import onnxruntime

NUMPY = {"tensor(float)": numpy.float32, "tensor(float16)": numpy.float16, "tensor(double)": numpy.float64,
         "tensor(int64)": numpy.int64, "tensor(int32)": numpy.int32, "tensor(uint8)": numpy.uint8,
         "tensor(int8)": numpy.int8, "tensor(bool)": numpy.bool_}


def session(path, provider, threads, profile):
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    # Two sessions take turns here: threads of one that wait busily would take the other's core.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if profile:
        options.enable_profiling = True
        options.profile_file_prefix = profile
    return onnxruntime.InferenceSession(str(path), options, providers=[provider])


def feeds_of(one):
    random = numpy.random.default_rng(1)
    return {i.name: random.random([d if isinstance(d, int) else 1 for d in i.shape]).astype(NUMPY[i.type])
            for i in one.get_inputs()}


def profiled(path, provider, threads, runs):
    """(layer, microseconds) of every run but the first few, and the seconds of plain runs between them."""
    plain = session(path, provider, threads, None)
    feeds = feeds_of(plain)
    rows, seconds = [], []
    warm = 3
    with tempfile.TemporaryDirectory() as folder:
        # A session's profile is one file: runs in blocks, with plain runs between them.
        for block in range(4):
            watched = session(path, provider, threads, str(pathlib.Path(folder) / f"block{block}"))
            for run in range(warm + runs // 4):
                watched.run(None, feeds)
                start = time.perf_counter()
                plain.run(None, feeds)
                if run >= warm:
                    seconds.append(time.perf_counter() - start)
            events = json.loads(pathlib.Path(watched.end_profiling()).read_text())
            seen = {}
            for event in events:
                name = event.get("name", "")
                if event.get("cat") == "Node" and name.endswith("_kernel_time"):
                    layer = name[: -len("_kernel_time")]
                    seen[layer] = seen.get(layer, 0) + 1
                    if seen[layer] > warm:
                        rows.append((layer, max(0.5, event["dur"])))
    return rows, statistics.median(seconds)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("onnx")
    parser.add_argument("csv")
    parser.add_argument("--runs", type=int, default=24)
    parser.add_argument("--threads", default=f"{os.cpu_count()},1")
    args = parser.parse_args()
    devices = []
    for provider in onnxruntime.get_available_providers():
        if provider == "CPUExecutionProvider":
            for number, threads in enumerate(args.threads.split(",")):
                devices.append(("cpu" if number == 0 else f"cpu{threads}", provider, int(threads)))
        elif provider != "AzureExecutionProvider":
            devices.append((provider.removesuffix("ExecutionProvider").lower(), provider, 0))
    with open(args.csv, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["layer", "device", "us"])
        for device, provider, threads in devices:
            rows, run = profiled(args.onnx, provider, threads, args.runs)
            writer.writerows((layer, device, us) for layer, us in rows)
            print(json.dumps({"device": device, "threads": threads, "run_us": round(run * 1e6, 1)}))


if __name__ == "__main__":
    main()
