"""What results/dhm compares: the networks, the paper's ranges, and the calibrated set."""

NETWORKS = {"squeezenet-1.1": "SqueezeNet 1.1", "mobilenetv2": "MobileNetV2",
            "shufflenetv2-1.0": "ShuffleNetV2 1.0"}

# Reductions in percent against the GPU alone that the paper's abstract states (arXiv 2102.01343).
# Where it states one number, two points more or less count as that number.
BANDS = {"squeezenet-1.1": {"energy": (21, 28), "latency": (-2, 2)},
         "mobilenetv2": {"energy": (12, 30), "latency": (4, 26)},
         "shufflenetv2-1.0": {"energy": (23, 27), "latency": (19, 23)}}
STATED = {"squeezenet-1.1": ("21 to 28", "the same"), "mobilenetv2": ("12 to 30", "4 to 26"),
          "shufflenetv2-1.0": ("25", "21")}

# A set of assumptions that is in band for two networks (see summary.md; SqueezeNet needs others),
# from which OTHERS are varied one at a time and whose mappings are shown.
CALIBRATED = {"launch_us": "200", "kernels": "eager", "depthwise": "1", "weights": "trained",
              "bitstream": "modules", "split": "no", "crossing": "uint8"}
CALIBRATED_BOUNDARY = "gpu"

# The calibrated set, and what changes when the mapper may do less or more.
STEPS = {
    "one bitstream": {"bitstream": "one"},
    "one bitstream, divided layers": {"bitstream": "one", "split": "yes"},
    "a bitstream for each module (calibrated)": {},
    "the same, divided layers": {"split": "yes"},
    "the same, divided layers, copies while the FPGA works": {"split": "yes", "crossing": "overlapped"},
}


def is_calibrated(row):
    return (row["boundary"] == CALIBRATED_BOUNDARY and row["varied"] == "grid" and
            all(row[axis] == value for axis, value in CALIBRATED.items()))
