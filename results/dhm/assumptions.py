"""What is not published of the FPGA-GPU machine, as edits of its profile.

A profile is a text; an assumption replaces what the file says at one place by something else, and
fails where that place is not found. Start at `profile`.
"""
import re

# For each assumption the values tried in every combination (the grid), each with what it means.
GRID = {
    "launch_us": {"50": "50 us a GPU kernel", "100": "100 us", "200": "200 us", "400": "400 us"},
    "kernels": {"fused": "one a convolution",
                "eager": "three: convolution, batch norm, activation (SqueezeNet two: no batch norm)"},
    "depthwise": {"1": "on the GPU as fast as other convolutions", "1/16": "16 times slower"},
    "weights": {"random": "logic as fitted on random weights, 1,440 multipliers at most",
                "trained": "0.72 of that logic, 1,728 multipliers: between the two published "
                           "designs with trained weights"},
    "bitstream": {"one": "one for the whole network",
                  "modules": "another for each part that the FPGA does, loaded in no time"},
    "split": {"no": "layers whole", "yes": "channels may be divided between GPU and FPGA"},
    "crossing": {"uint8": "a byte an element over PCIe, before and after the FPGA's work",
                 "overlapped": "the same, while the FPGA works"},
}
# Varied one at a time, from the calibrated set.
OTHERS = {
    "stream": {"serial": "one product of channels each clock, instead of a pixel"},
    "crossing": {"kernels": "and a GPU kernel to convert to bytes, another back",
                 "fp32": "four bytes an element"},
    "blocks": {"kept": "each layer has min(587, 0.9 x multipliers) memory blocks to itself"},
    "clock_mhz": {"54.6": "the slowest design", "93.6": "the fastest"},
    "gpu_power": {"network": "4.2 W for every kernel, as for 32 ms, instead of by its duration"},
    "loading": {"100": "100 ms for each bitstream"},
}
DEFAULTS = {**{axis: next(iter(values)) for axis, values in GRID.items()},
            "stream": "pixel", "blocks": "spill", "clock_mhz": "75.7", "gpu_power": "duration",
            "loading": "0"}

# What counts as energy.
BOUNDARIES = {
    "gpu": "the GPU's rail only",
    "working": "GPU, and the FPGA while it works",
    "both": "GPU and FPGA, whose static power is drawn all the time",
    "all": "GPU, FPGA and CPU",
}


def replaced(text, old, new, times):
    """`text` with `old` replaced, which must be there so many times (None: at least once)."""
    found = text.count(old)
    if found != times and (times is not None or found == 0):
        raise ValueError(f"the profile has '{old}' {found} times, expected {times or 'some'}")
    return text.replace(old, new)


def profile(base, network, chosen, boundary):
    """The profile `base` under the assumptions `chosen` (DEFAULTS where it says nothing)."""
    a = {**DEFAULTS, **chosen}
    text = replaced(base, 'launch_us: "400"', f'launch_us: "{a["launch_us"]}"', None)

    # The GPU.
    kernels = {"fused": 1, "eager": 2 if network == "squeezenet-1.1" else 3}[a["kernels"]]
    text = replaced(text, 'kernels: "2"', f'kernels: "{kernels}"', 2)
    text = replaced(text, 'depthwise_efficiency: "1"',
                    f'depthwise_efficiency: "{a["depthwise"]}"', 1)
    if a["gpu_power"] == "network":
        text = re.sub(r'watts: "octaves[^"]*"', 'watts: "4.2"', text)
        text = replaced(text, "(2.4 - 0.152)", "(4.2 - 0.152)", 2)

    # The FPGA.
    text = replaced(text, "clock_mhz: 75.7", f'clock_mhz: {a["clock_mhz"]}', 1)
    if a["weights"] == "trained":
        text = replaced(text, 'alm_scale: "1"', 'alm_scale: "0.72"', 1)
        text = replaced(text, "multipliers: 1440", "multipliers: 1728", 1)
    if a["bitstream"] == "modules" and a["split"] == "no":
        loading_us = max(0.001, float(a["loading"]) * 1000)  # 0 would be no time to state
        text = replaced(text, "    longest_stream:",
                        f"    reconfiguration_us: {loading_us:g}\n    longest_stream:", 1)
    if a["blocks"] == "kept":
        text = re.sub(r'm20k: "[^"]*"', 'm20k: "min(587, ceil(0.9 * mults))"', text)
    if a["stream"] == "serial":
        text = replaced(text, 'cycles: "ih * iw"', 'cycles: "ih * iw * c_in * n / groups"', 1)
        text = replaced(text, '"(ih * iw + fill) / clock_mhz"',
                        '"(ih * iw * c_in * n / groups + fill) / clock_mhz"', 1)
    if a["split"] == "no":
        text = text[:text.index("\n# A layer's output channels divided")]

    # PCIe.
    if a["crossing"] == "fp32":
        text = replaced(text, "element_bits: 8", "element_bits: 32", 2)
    if a["crossing"] == "kernels":
        def later(match):
            return f'{match[1]}: {float(match[2]) + float(a["launch_us"]):.3f}'
        text = re.sub(r"\b(p05_us|p50_us|p95_us): ([0-9.]+)", later, text)
    if a["crossing"] == "overlapped":
        # A copy takes its least time, and the FPGA as long as pixels or copies take, at the links'
        # speed for long copies. Within a stream this charges for feature maps that do not cross.
        for floor_us in (13.064, 21.193):
            text = re.sub(r"        points:\n((?:          - .*\n)+)",
                          f"        latency_us: {floor_us}\n        bandwidth_gb_per_s: 1000000\n",
                          text, count=1)
        slowest = "max(ih * iw, clock_mhz * 0.656e-3 * max(inputs, outputs))"
        text = replaced(text, 'cycles: "ih * iw"', f'cycles: "{slowest}"', 1)
        text = replaced(text, '"(ih * iw + fill) / clock_mhz"', f'"({slowest} + fill) / clock_mhz"', 1)
    if a["bitstream"] == "modules" and a["split"] == "yes":
        text = with_limits_for_each(text, a["weights"])
    return bounded(text, boundary)


def with_limits_for_each(text, weights):
    """What a bitstream for each task comes to when loading takes no time: no common budget, and a
    limit for each task. hetmap can prove that much faster than reconfigurations.

    A stream of the three networks is within the limit exactly if each of its stages is as below:
    conv0, bottleneck0_dw3x3 and bottleneck0_project1x1 of MobileNetV2 have 864, 288 and 512
    multipliers, stage2_0_b1_dw3x3 and _pw1x1 of ShuffleNetV2 216 and 1,392.
    """
    limit, stage, longest = ((1728, "weights <= 864 || (weights <= 1728 && ih <= 28)", 3)
                             if weights == "trained" else (1440, "weights <= 864", 2))
    text = re.sub(r"    resources:\n(      (multipliers|alm|lab|m20k): \d+ .*\n)+", "", text)
    text = re.sub(r"longest_stream: \d+", f"longest_stream: {longest}", text)
    begin, end = text.index("  - device: fpga\n    operations"), text.index("\n# A layer's output")
    formula = re.sub(r"    resources:\n(      .*\n)+", "", text[begin:end])
    alone = re.sub(r'    cycles: "(.*)"', r'    cycles: "\1 + fill"', formula)
    alone = re.sub(r"    fill_cycles: .*\n", "", alone)
    alone = replaced(alone, "    shares: true\n", f'    shares: true\n    when: "weights <= {limit}"\n', 1)
    streams = replaced(formula, "    shares: true\n", f'    when: "{stage}"\n', 1)
    streams = replaced(streams, '"8 bit"', '"8 bit, in a stream"', 1)
    return text[:begin] + alone + streams + text[end:]


def bounded(text, boundary):
    """The profile with the powers of whatever `boundary` leaves out set to zero."""
    if boundary == "all":
        return text
    text = replaced(text, "active_power_w: 5.0 ", "active_power_w: 0 ", 1)
    text = replaced(text, "idle_power_w: 0.69 ", "idle_power_w: 0 ", 1)
    if boundary == "both":
        return text
    text = replaced(text, "idle_power_w: 0.635 ", "idle_power_w: 0 ", 1)
    if boundary == "working":
        return replaced(text, '"(1.1004 - 0.635 + 1.025e-5 * logic) * busy_us"',
                        '"(1.1004 + 1.025e-5 * logic) * busy_us"', None)
    text = replaced(text, '"(1.1004 - 0.635 + 1.025e-5 * logic) * busy_us"', '"0"', None)
    text = replaced(text, "active_power_w: 1.1 ", "active_power_w: 0 ", 1)
    return replaced(text, "energy_pj_per_byte: 80 ", "energy_pj_per_byte: 0 ", 2)


def of_gpu(base, network, chosen, boundary):
    """The profile for the GPU alone: an FPGA that is not there draws nothing."""
    gpu = {axis: value for axis, value in chosen.items()
           if axis in ("launch_us", "kernels", "depthwise", "gpu_power")}
    return profile(base, network, gpu, boundary).replace("idle_power_w: 0.635 ", "idle_power_w: 0 ")
