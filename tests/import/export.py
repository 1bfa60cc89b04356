"""Writes the networks as ONNX files: export.py FOLDER [NAME...]

FOLDER/NAME-torchscript.onnx and FOLDER/NAME-dynamo.onnx by PyTorch's two exporters; of some networks also older
opsets, symbolic dimensions, half precision, and int8 by ONNX Runtime's quantization. FOLDER/torch.json: parameters
and multiply-accumulates as PyTorch counts them.
"""

import json
import pathlib
import sys
import warnings

import onnx
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


def recurrent(model, inputs):
    """What the counter leaves out: products of recurrent layers, for every step."""
    steps = inputs[0].shape[1]
    return sum(
        steps * p.numel()
        for module in model.modules()
        if isinstance(module, torch.nn.LSTM)
        for name, p in module.named_parameters()
        if name.startswith("weight")
    )


def quantize(source, path, inputs):
    """The network as int8 with QuantizeLinear and DequantizeLinear around its operations."""
    from onnxruntime import quantization
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Reader(quantization.CalibrationDataReader):
        def __init__(self):
            names = [i.name for i in onnx.load(str(source), load_external_data=False).graph.input]
            self.rows = iter([dict(zip(names, (i.numpy() for i in inputs)))])

        def get_next(self):
            return next(self.rows, None)

    ready = path.with_suffix(".ready")
    quant_pre_process(str(source), str(ready), skip_symbolic_shape=True)
    quantization.quantize_static(
        str(ready), str(path), Reader(), quant_format=quantization.QuantFormat.QDQ, per_channel=True,
        weight_type=quantization.QuantType.QInt8, activation_type=quantization.QuantType.QInt8)
    ready.unlink()


def write(name, kind, path, model, inputs):
    if kind.startswith("dynamo"):
        opset = int(kind.removeprefix("dynamo") or 0) or None
        torch.onnx.export(model, inputs, str(path), dynamo=True, external_data=True, verbose=False, opset_version=opset)
    elif kind == "int8":
        quantize(path.parent / f"{name}-torchscript.onnx", path, inputs)
    elif kind == "symbolic":
        names = [f"input{i}" for i in range(len(inputs))]
        axes = {n: {0: "batch", 1: "length"} if name in ("bert", "lstm") else {0: "batch"} for n in names}
        torch.onnx.export(model, inputs, str(path), dynamo=False, input_names=names, dynamic_axes=axes)
    elif kind == "half":
        import onnxruntime.transformers.float16 as float16

        source = onnx.load(str(path.parent / f"{name}-torchscript.onnx"))
        onnx.save(float16.convert_float_to_float16(source, keep_io_types=True), str(path))
    else:
        opset = 17 if kind == "torchscript" else int(kind.removeprefix("opset"))
        torch.onnx.export(model, inputs, str(path), dynamo=False, opset_version=opset)


MORE = {
    "resnet18": ["dynamo24", "opset7", "opset9", "opset11", "opset13", "symbolic", "int8", "half"],
    "mobilenet_v2": ["opset10", "int8"],
    "shufflenet_v2_x1_0": ["opset9", "opset12"],
    "vit_b_16": ["dynamo21", "dynamo23", "opset14", "int8"],
    "bert": ["opset12", "opset14", "symbolic", "int8"],
    "lstm": ["opset9", "opset14", "symbolic"],
    "detector": ["opset11", "opset13", "symbolic", "int8"],
    "unet": ["opset9", "opset20", "symbolic"],
}


def main():
    warnings.filterwarnings("ignore")
    torch.backends.mha.set_fastpath_enabled(False)
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    facts_file = folder / "torch.json"
    facts = json.loads(facts_file.read_text()) if facts_file.exists() else {}
    for name in sys.argv[2:] or networks.names():
        model, inputs = networks.network(name)
        if name not in facts:
            facts[name] = {
                "parameters": sum(p.numel() for p in model.parameters()),
                "macs": flops(model, inputs) + recurrent(model, inputs),
            }
        for kind in ["torchscript", "dynamo"] + MORE.get(name, []):
            path = folder / f"{name}-{kind}.onnx"
            if path.exists():
                continue
            try:
                with torch.no_grad():
                    write(name, kind, path, model, inputs)
                print(f"{path.name}: written", flush=True)
            except Exception as error:
                path.unlink(missing_ok=True)
                print(f"{path.name}: not written, {type(error).__name__}: {str(error)[:200]}", flush=True)
        facts_file.write_text(json.dumps(facts, indent=1))


if __name__ == "__main__":
    main()
