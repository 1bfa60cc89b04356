"""A row of the table: row.py NETWORK VALIDATION.json, the latter of `hetmap validate --json`."""

import json
import sys

network, file = sys.argv[1:]
with open(file) as stream:
    found = json.load(stream)
print(f"| {network} | {found['predicted_us']:.1f} | {found['measured_us']['p50']:.1f} | {found['error_percent']:+.1f} % "
      f"| {'yes' if found['output_identical'] else 'no'} |")
