"""One network by hetmap's chosen mapping and by ONNX Runtime, on one thread of the same core, in turn.

compare.py MODEL MAPPING FILE.onnx [--turns N]: MODEL is the imported folder, MAPPING what hetmap chose for it. A run of
each by turns, the second of two, since the first finds the other's tensors in the caches; medians of the thread's
processor time. Prints a row of CSV: ours and theirs in microseconds, the ratio, and the largest difference of the
outputs, as a part of the largest number. Exit code 1 where that is more than 1e-4, or, where the network ends in
quantized numbers, more than two of their steps: there ONNX Runtime's optimizations are off for the outputs, because its
kernels for AVX2 cut sums off.
"""

import argparse
import csv
import os
import statistics
import sys
import time

import hetmap
import numpy
import onnxruntime


def theirs(path, optimized=True):
    options = onnxruntime.SessionOptions()
    if not optimized:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    (image,) = session.get_inputs()
    shape = [size if isinstance(size, int) else 1 for size in image.shape]
    return shape, lambda values: session.run(None, {image.name: values})[0]


def step_of(outputs):
    """Between quantized numbers; 0 where there are more of them than a byte has."""
    different = numpy.unique(outputs)
    return float(numpy.diff(different).min()) if 1 < len(different) <= 256 < len(outputs) else 0.0


def thread_us(run):
    run()
    begin = time.thread_time_ns()
    run()
    return (time.thread_time_ns() - begin) / 1000


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("model")
    parser.add_argument("mapping")
    parser.add_argument("onnx")
    parser.add_argument("--turns", type=int, default=60)
    chosen = parser.parse_args()

    core = min(os.sched_getaffinity(0))
    shape, run_theirs = theirs(chosen.onnx)
    values = numpy.random.default_rng(7).normal(0, 1, shape).astype(numpy.float32)
    with hetmap.Session(chosen.model, chosen.mapping) as session:
        os.sched_setaffinity(0, {core})
        (name,) = session.inputs
        session.inputs[name][:] = values.transpose(0, 2, 3, 1)
        session.run()
        ours = next(iter(session.outputs.values())).ravel()
        expected = theirs(chosen.onnx, optimized=False)[1](values).ravel()
        largest = float(numpy.abs(expected).max())
        difference = float(numpy.abs(ours - expected).max()) / largest
        times = [(thread_us(session.run), thread_us(lambda: run_theirs(values))) for _ in range(chosen.turns)]
    ours_us, theirs_us = (statistics.median(each) for each in zip(*times))
    csv.writer(sys.stdout).writerow([os.path.basename(chosen.model), round(ours_us, 1), round(theirs_us, 1),
                                     round(ours_us / theirs_us, 3), f"{difference:.1e}"])
    return difference > max(1e-4, 2.01 * step_of(expected) / largest)


if __name__ == "__main__":
    sys.exit(main())
