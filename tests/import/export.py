"""Writes the networks as ONNX files: export.py FOLDER [NAME...]; both of PyTorch's exporters.

FOLDER/NAME-torchscript.onnx and FOLDER/NAME-dynamo.onnx, and FOLDER/torch.json: parameters and
multiply-accumulates as PyTorch counts them.
"""

import json
import pathlib
import sys
import traceback
import warnings

import torch
from torch.utils.flop_counter import FlopCounterMode

import networks


def flops(model, inputs):
    # Attention without a fused kernel, so that its products are counted as the matrices they are.
    with torch.no_grad(), torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
        counter = FlopCounterMode(display=False)
        with counter:
            model(*inputs)
    return counter.get_total_flops() // 2


def main():
    warnings.filterwarnings("ignore")
    torch.backends.mha.set_fastpath_enabled(False)
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    facts_file = folder / "torch.json"
    facts = json.loads(facts_file.read_text()) if facts_file.exists() else {}
    for name in sys.argv[2:] or networks.names():
        model, inputs = networks.network(name)
        facts[name] = {
            "parameters": sum(p.numel() for p in model.parameters()),
            "weights": networks.weights_of(model),
            "macs": flops(model, inputs),
        }
        for exporter in ("torchscript", "dynamo"):
            path = folder / f"{name}-{exporter}.onnx"
            if path.exists():
                continue
            try:
                with torch.no_grad():
                    if exporter == "dynamo":
                        torch.onnx.export(model, inputs, str(path), dynamo=True, external_data=True, verbose=False)
                    else:
                        torch.onnx.export(model, inputs, str(path), dynamo=False, opset_version=17)
                print(f"{path.name}: written", flush=True)
            except Exception as error:
                print(f"{path.name}: FAILED {type(error).__name__}: {str(error)[:200]}", flush=True)
                if "-v" in sys.argv:
                    traceback.print_exc()
        facts_file.write_text(json.dumps(facts, indent=1))


if __name__ == "__main__":
    main()
