"""The table of results/streams/summary.md.

    table.py --rows DEVICES LATENCY.json STREAM.json      rows of the CSV, of two answers of hetmap validate
    table.py CSV
"""
import csv
import json
import statistics
import sys


def rows(devices, latency, stream):
    with open(latency, encoding="utf-8") as file:
        alone = json.load(file)["measured_us"]["p50"]
    with open(stream, encoding="utf-8") as file:
        answer = json.load(file)
    if not answer["outputs_identical"]:
        sys.exit("an output was wrong")
    for name, mapping in [("chosen", answer)] + [(m["name"], m) for m in answer["sample"]]:
        print(devices, answer["model"], answer["batch"], name, answer["frames_in_flight"], f'{mapping["predicted_us"]:.2f}',
              f'{mapping["measured_us"]["p50"]:.2f}', f'{mapping["error_percent"]:.2f}', f"{alone:.2f}", answer["mixed_mappings"], sep=",")


def table(path):
    answers = {}
    with open(path, encoding="utf-8") as file:
        for row in csv.DictReader(file):
            answers.setdefault((row["devices"], row["network"], row["batch"], int(row["frames_in_flight"])), []).append(row)
    print("| devices | network | in flight | chosen: predicted [us] | measured [us] | error [%] | best single run [us] | images/s | "
          "random mappings | median error [%] | p90 [%] | on two devices |")
    print("|---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|")
    for (devices, network, batch, frames), found in answers.items():
        chosen = found[0]
        errors = sorted(abs(float(row["error_percent"])) for row in found[1:])
        print(f'| {devices} | {network} | {frames} | {chosen["predicted_us"]} | {chosen["measured_us"]} | {float(chosen["error_percent"]):+.1f} '
              f'| {chosen["latency_us"]} | {1e6 * int(batch) / float(chosen["measured_us"]):.0f} | {len(errors)} '
              f'| {statistics.median(errors):.1f} | {errors[min(len(errors) - 1, 9 * len(errors) // 10)]:.1f} | {chosen["on_two_devices"]} |')


if sys.argv[1] == "--rows":
    rows(*sys.argv[2:])
else:
    table(sys.argv[1])
