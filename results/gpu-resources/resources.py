#!/usr/bin/env python3
"""What the CUDA compiler made of every kernel, for every architecture: registers, shared memory,
spills, and how many of the instructions that matter are there.

    resources.py FILE.cu... > resources.csv

Resources are what ptxas says (-v). Instructions are read from the machine code itself, for the
toolkit's disassembler is not always there: every instruction of sm_70 and later is 128 bits, the
lowest nine of which are its operation (three more say where operands come from). Which number is
which operation is not documented; `probe` compiles tiny kernels with and without one and checks that
the number appears with it only. A b1 mma that an architecture does not have is a call of a helper
whose name contains mma_bit_internal, found in the symbol table.
"""
import collections
import csv
import os
import re
import struct
import subprocess
import sys
import tempfile

ARCHITECTURES = ["75", "80", "86", "89", "90", "100", "120"]
OPERATIONS = {"bmma": 0x03D, "imma": 0x037, "popc": 0x109, "dp4a": 0x026, "lop3": 0x012,
              "call": 0x144}

B1 = ("int c0 = i[0], c1 = i[1]; asm volatile(\"mma.sync.aligned.m8n8k128.row.col.s32.b1.b1.s32."
      "xor.popc {%0, %1}, {%2}, {%3}, {%0, %1};\" : \"+r\"(c0), \"+r\"(c1) : \"r\"(i[4]), "
      "\"r\"(i[5])); *o = c0 ^ c1;")
PROBES = {  # operation: (architecture that has it, body of a kernel with it)
    "bmma": ("80", B1),
    "imma": ("80", B1.replace("m8n8k128", "m8n8k16").replace("b1.b1", "s8.s8")
             .replace(".xor.popc", "")),
    "popc": ("80", "*o = __popc(*i);"),
    "dp4a": ("80", "*o = __dp4a(i[0], i[1], i[2]);"),
    "lop3": ("80", "*o = (i[0] & i[1]) ^ i[2];"),
    "call": ("90", B1),  # no xor there: a helper
}


def sections(path):
    """Name, header and bytes of each section of a 64-bit little-endian ELF file."""
    data = open(path, "rb").read()
    assert data[:6] == b"\x7fELF\x02\x01", f"{path}: not an ELF file of 64 bits"
    table, = struct.unpack_from("<Q", data, 0x28)
    size, count, names = struct.unpack_from("<HHH", data, 0x3A)
    headers = [struct.unpack_from("<IIQQQQIIQQ", data, table + n * size) for n in range(count)]

    def name(offset):
        begin = headers[names][4] + offset
        return data[begin:data.index(b"\0", begin)].decode()

    return [(name(h[0]), h, data[h[4]:h[4] + h[5]] if h[1] != 8 else b"") for h in headers]


def operations(path):
    """For each function's section: how many instructions, and of which operation."""
    result = {}
    for name, _, code in sections(path):
        if name.startswith(".text."):
            result[name[6:]] = collections.Counter(
                struct.unpack_from("<Q", code, at)[0] & 0x1FF for at in range(0, len(code), 16))
    return result


def emulated_mma(path):
    """Does the code call a helper in place of a b1 mma?"""
    return any(b"mma_bit_internal" in code for name, _, code in sections(path)
               if name in (".strtab", ".symtab"))


def compile_to(source, architecture, output):
    done = subprocess.run(
        ["nvcc", "-std=c++20", "-I.", f"-arch=sm_{architecture}", "-cubin", "-Xptxas", "-v",
         source, "-o", output], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{source} for sm_{architecture}:\n{done.stderr}")
    return done.stderr


def probe(folder):
    def histogram(architecture, body):
        source = os.path.join(folder, "probe.cu")
        with open(source, "w") as file:
            file.write("__global__ void k(int* o, const int* i) { " + body + " }\n")
        compile_to(source, architecture, source + "bin")
        return operations(source + "bin")["_Z1kPiPKi"]

    for operation, (architecture, body) in PROBES.items():
        code = OPERATIONS[operation]
        without = histogram(architecture, "*o = *i + 1;")
        if histogram(architecture, body)[code] == 0 or without[code] != 0:
            sys.exit(f"the number of {operation} is not {code:#x} any more")


def functions(messages):
    """What ptxas -v says of each kernel, by mangled name."""
    result, name = {}, None
    for line in messages.splitlines():
        if found := re.search(r"Function properties for (\S+)", line):
            name = found[1]
            result[name] = {}
        elif found := re.search(r"(\d+) bytes stack frame, (\d+) bytes spill stores, "
                                r"(\d+) bytes spill loads", line):
            result[name].update(stack=found[1], spill_stores=found[2], spill_loads=found[3])
        elif found := re.search(r"Used (\d+) registers", line):
            shared = re.search(r"(\d+) bytes smem", line)
            result[name].update(registers=found[1], shared=shared[1] if shared else "0")
    return {name: row for name, row in result.items() if "registers" in row}


def demangled(name):
    text = subprocess.run(["c++filt", name], capture_output=True, text=True).stdout.strip()
    text = re.sub(r"\(kernels::cuda::(\w+)\)(\d+)", r"\2", text)  # of an enumeration
    text = text.replace("kernels::cuda::", "").removeprefix("void ")
    depth = 0
    for at, letter in enumerate(text):  # without the parameters
        depth += (letter == "<") - (letter == ">")
        if letter == "(" and depth == 0:
            return text[:at]
    return text


def main():
    with tempfile.TemporaryDirectory() as folder:
        probe(folder)
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(["file", "kernel", "arch", "registers", "static shared [B]",
                         "spill stores [B]", "spill loads [B]", "stack [B]", "instructions",
                         *OPERATIONS, "emulated b1 mma"])
        for source in sys.argv[1:]:
            print(source, file=sys.stderr)
            for architecture in ARCHITECTURES:
                binary = os.path.join(folder, "kernel.cubin")
                found = functions(compile_to(source, architecture, binary))
                counts, emulated = operations(binary), emulated_mma(binary)
                for name, row in sorted(found.items(), key=lambda each: demangled(each[0])):
                    count = counts.get(name, collections.Counter())
                    if row["spill_stores"] != "0" or row["spill_loads"] != "0":
                        print(f"  spills: {demangled(name)} on sm_{architecture}", file=sys.stderr)
                    if emulated:
                        print(f"  emulates b1 mma: sm_{architecture}", file=sys.stderr)
                    writer.writerow([os.path.basename(source), demangled(name),
                                     f"sm_{architecture}", row["registers"], row["shared"],
                                     row["spill_stores"], row["spill_loads"], row["stack"],
                                     sum(count.values()),
                                     *(count[code] for code in OPERATIONS.values()),
                                     "file" if emulated else "no"])


main()
