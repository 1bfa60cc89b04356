"""Finds the inner loops in assembler, counts their instructions, and asks llvm-mca what they cost.

usage: loops.py LLVM_MCA FOLDER_OF_ASSEMBLER OUTPUT_FOLDER     writes loops.csv and summary.md
"""

import csv
import re
import subprocess
import sys
from pathlib import Path

PROCESSORS = ["cortex-a57", "cortex-a72", "cortex-a76", "neoverse-n1"]

# What is looked for: the file, what the loop is, the instruction that does its work, how many of them an
# iteration has, products of each, and an instruction that tells it from others.
LOOPS = [
    ("conv_scalar", "binary, 4 positions", r"cnt\tv\d+\.8b", 4, 64, None),
    ("conv_neon", "binary, 8 channels x 2 positions, C >= 128", r"cnt\tv\d+\.16b", 16, 128, "pairs"),
    ("conv_neon", "binary, 8 channels x 2 positions, words apart", r"cnt\tv\d+\.16b", 16, 128, "apart"),
    ("conv_neon", "binary, 8 channels x 1 position", r"cnt\tv\d+\.16b", 8, 128, "pairs"),
    ("conv_neon_dotprod", "binary, 8 channels x 2 positions, C >= 128", r"cnt\tv\d+\.16b", 16, 128, "pairs"),
    ("conv_neon_dotprod", "binary, 8 channels x 2 positions, words apart", r"cnt\tv\d+\.16b", 16, 128, "apart"),
    ("conv_neon_dotprod", "binary, 8 channels x 1 position", r"cnt\tv\d+\.16b", 8, 128, "pairs"),
    ("first_conv_scalar", "u8, 16 channels x 1 position", r"(mla|mul)\tv\d+\.8h", 8, 8, None),
    ("first_conv_neon", "u8, 16 channels x 2 positions", r"smlal2?\tv\d+\.8h", 16, 8, None),
    ("first_conv_neon_dotprod", "u8, 16 channels x 4 positions, four groups", r"sdot\tv\d+\.4s", 64, 16, None),
    ("first_conv_neon_dotprod", "u8, 16 channels x 4 positions, one group", r"sdot\tv\d+\.4s", 16, 16, None),
]


def instructions(lines):
    return [line for line in lines if re.match(r"\t[a-z]", line)]


def blocks_of(path):
    """Straight pieces of the assembler, each from a label to the next label or past a branch."""
    blocks, current = [], []
    for line in path.read_text().split("\n"):
        # Hand-written instructions have a blank where the compiler's have a tab.
        line = re.sub(r"^\t([a-z][a-z0-9.]*) ", r"\t\1\t", line.split("//")[0].rstrip())
        if re.match(r"\.L\w+:", line):
            blocks.append(current)
            current = [line]
        elif re.match(r"\t[a-z]", line):
            current.append(line)
            if re.match(r"\t(b|b\.\w+|bne|beq|bgt|blt|bge|ble|bhi|bls|bcc|bcs|cbn?z|tbn?z|ret)\t", line + "\t"):
                blocks.append(current)
                current = []
    blocks.append(current)
    return [block for block in blocks if block]


def find(path, work, count, kind):
    for block in blocks_of(path):
        found = len([line for line in block if re.search(work, line)])
        separate = any("ld1\t" in line and "[1]" in line for line in block)
        single = sum("ldr\td" in line for line in block) > 2 and not separate
        if found == count and not single and (kind is None or separate == (kind == "apart")):
            return block
    return None


def mca(tool, processor, block):
    """Cycles an iteration, and of the busiest pipe or of issuing what they are at least."""
    result = subprocess.run(
        [tool, "-mtriple=aarch64-linux-gnu", f"-mcpu={processor}", "-mattr=+dotprod", "-iterations=1000"],
        input="\n".join(block) + "\n", capture_output=True, text=True, check=True).stdout
    cycles = int(re.search(r"Total Cycles: +(\d+)", result).group(1)) / 1000
    pressure = re.search(r"Resource pressure per iteration:\n.*\n(.*)\n", result).group(1)
    busiest = max(float(value) for value in pressure.split() if value != "-")
    return cycles, busiest


def main():
    tool, folder, output = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    rows, missing = [], []
    for name, what, work, count, products, kind in LOOPS:
        block = find(folder / f"{name}.s", work, count, kind)
        if block is None:
            missing.append(f"{name}: {what}")
            continue
        vector = [line for line in instructions(block)
                  if re.search(r"\tv\d+\.", line) and not re.match(r"\tldp?r?\t", line)]
        total = len(instructions(block))
        row = {"file": name, "loop": what, "instructions": total, "of vectors": len(vector),
               "products": count * products, "instructions per 64 products": 64 * total / (count * products)}
        for processor in PROCESSORS:
            cycles, busiest = mca(tool, processor, block)
            row[f"{processor}: cycles"] = cycles
            row[f"{processor}: cycles per 128 products"] = 128 * cycles / (count * products)
            row[f"{processor}: of the pipes' limit"] = busiest / cycles
        rows.append(row)
    with open(output / "loops.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys(), lineterminator="\n")
        writer.writeheader()
        for row in rows:
            writer.writerow({key: f"{value:.3f}" if isinstance(value, float) else value for key, value in row.items()})

    version = re.search(r"LLVM version [\d.]+", subprocess.run([tool, "--version"], capture_output=True, text=True).stdout)
    compiler = subprocess.run(["aarch64-linux-gnu-g++", "--version"], capture_output=True, text=True).stdout.split("\n")[0]
    lines = [f"{compiler}; llvm-mca of {version.group(0)}. Not measured: what models of the processors say.", "",
             "Cycles per 128 products, and in brackets the share of the time in which the busiest pipe works.", "",
             "| file | loop | instructions per 64 products | " + " | ".join(PROCESSORS) + " |",
             "|---|---|--:|" + "--:|" * len(PROCESSORS)]
    for row in rows:
        costs = [f"{row[f'{p}: cycles per 128 products']:.2f} ({100 * row[f'{p}: of the pipes' + chr(39) + ' limit']:.0f} %)"
                 for p in PROCESSORS]
        lines.append(f"| {row['file']} | {row['loop']} | {row['instructions per 64 products']:.2f} | " + " | ".join(costs) + " |")
    (output / "summary.md").write_text("\n".join(lines) + "\n")
    print("\n".join(lines))
    for loop in missing:
        print(f"not found: {loop}", file=sys.stderr)
    sys.exit(1 if missing else 0)


main()
