"""The table of networks.csv, and what operations.txt counts: summarize.py FOLDER MACHINE VERSIONS"""

import ast
import collections
import csv
import pathlib
import sys


def main():
    folder, machine, versions = pathlib.Path(sys.argv[1]), sys.argv[2], sys.argv[3]
    rows = list(csv.DictReader(open(folder / "networks.csv")))
    lines = [f"{machine}; {versions}", "",
             "| network | opset | nodes | layers | exact | opaque | tensors compared | differences | multiply-accumulates "
             "| as PyTorch counts | constants in layers | parameters in PyTorch | seconds |",
             "|---|---|---|---|---|---|---|---|---|---|---|---|---|"]
    for row in rows:
        macs, torch = row.get("macs") or "", row.get("macs (torch)") or ""
        lines.append("| " + " | ".join([
            row["network"], row.get("opset") or "", row.get("nodes") or "", row.get("layers") or row["outcome"],
            row.get("exact") or "", row.get("opaque") or "", row.get("tensors compared") or "",
            row.get("differences") or "", macs, "" if not torch else "the same" if torch == macs else torch,
            row.get("weights") or "", row.get("parameters (torch)") or "", row["seconds"]]) + " |")
    tensors = sum(int(row.get("tensors compared") or 0) for row in rows)
    layers = sum(int(row.get("layers") or 0) for row in rows)
    opaque = sum(int(row.get("opaque") or 0) for row in rows)
    wrong = sum(int(row.get("differences") or 0) for row in rows)
    lines += ["", f"{len(rows)} files, {layers} layers, {opaque} of them opaque; {tensors} tensors compared, {wrong} differences.", ""]

    lines += ["Their outputs, where kernels here compute all of their layers: the largest difference from ONNX Runtime's, as a "
              "part of the largest number.", "", "| network | difference | why it is not run |", "|---|---|---|"]
    lines += [f"| {row['network']} | {row['difference']} | {row['why not']} |"
              for row in csv.DictReader(open(folder / "outputs.csv"))]
    lines.append("")

    text = (folder / "operations.txt").read_text().splitlines()
    counts = collections.Counter(ast.literal_eval(text[-1]))
    refused = collections.Counter()
    layers = ast.literal_eval(text[-2])
    for line in text[:-2]:
        if line.startswith("refused"):
            why = ("the shape depends on data" if "depends on" in line or "bounds are no" in line
                   else "an inner graph" if "inner graph" in line
                   else "an operation of opset 25 or later, or of training" if "does not know" in line
                   else "strings" if "string" in line
                   else "an input without elements" if "is 0" in line else "other")
            refused[why] += 1
    lines += ["The test models of the onnx package, with nothing declared of their results:", "",
              "| outcome | models |", "|---|---|",
              f"| shapes and element types of all results are the expected ones | {counts['same']} |",
              f"| they are not | {counts['different']} |",
              f"| nothing in it depends on an input | {counts['constant']} |"]
    lines += [f"| refused, in words: {why} | {n} |" for why, n in refused.most_common()]
    lines += [f"| not tried: sequences, maps, optionals, strings, training | {counts['out of scope']} |"]
    some = sorted(k for k, (exact, opaque) in layers.items() if exact and opaque)
    all_ = sorted(k for k, (exact, opaque) in layers.items() if not opaque)
    none = sorted(k for k, (exact, opaque) in layers.items() if not exact)
    lines += ["", "Their layers, by ONNX's operation, without those that were computed on constants. Their parameters are inputs, and "
              "many of their images are batches of several: no layer of a model has that, so that some are opaque which are "
              "exact in the networks above.", "",
              "| always exact | " + ", ".join(all_) + " |", "|---|---|",
              "| exact or opaque, by how it is used (exact + opaque) | "
              + ", ".join(f"{k} ({layers[k][0]} + {layers[k][1]})" for k in some) + " |",
              "| always opaque | " + ", ".join(none) + " |"]
    (folder / "summary.md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
