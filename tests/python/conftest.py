"""What the tests share: a small network and a small machine as dictionaries, and an image of a boot."""

import pathlib

import numpy
import pytest

import hetmap

SOURCE = pathlib.Path(__file__).parents[2]


@pytest.fixture
def tiny():
    """Three layers, which the kernels here can run. Their weights are made up."""
    return {
        "name": "tiny",
        "input": {"name": "image", "height": 4, "width": 4, "channels": 3, "type": "u8"},
        "parameters": {"seed": 1},
        "layers": [
            {
                "name": "conv",
                "operation": "conv2d",
                "inputs": ["image"],
                "weights": "binary",
                "out_channels": 64,
                "kernel": 3,
                "stride": 1,
                "padding": 1,
                "pad_value": 0,
            },
            {"name": "threshold", "operation": "threshold", "inputs": ["conv"]},
            {"name": "flat", "operation": "flatten", "inputs": ["threshold"]},
            {
                "name": "fc",
                "operation": "linear",
                "inputs": ["flat"],
                "weights": "binary",
                "out_channels": 10,
            },
        ],
        "output": "fc",
    }


def _cost(layer, device, us):
    by = {"device": device, "variant": "v", "configuration": "c"}
    return {"layer_names": [layer], "batch": 1, **by, "time_us": us}


@pytest.fixture
def machine():
    """A host and an accelerator, on which the convolution takes 10 us and 1 us, and a copy 3 us."""
    copy = {"bytes": 512, "samples": 1, "p05_us": 3, "p50_us": 3, "p95_us": 3}
    modes = [{"name": "dma", "points": [copy]}]
    return {
        "name": "machine",
        "memories": [{"name": "host"}, {"name": "vram"}],
        "devices": [
            {"name": "cpu", "kind": "cpu", "memory": "host", "asynchronous": False},
            {
                "name": "gpu",
                "kind": "gpu",
                "memory": "vram",
                "asynchronous": True,
                "submit_us": 1,
                "per_task_us": 0,
                "completion_us": 0,
            },
        ],
        "links": [
            {"name": "up", "from": "host", "to": "vram", "modes": modes},
            {"name": "down", "from": "vram", "to": "host", "modes": modes},
        ],
        "costs": [_cost(layer, "cpu", 10) for layer in ("conv", "threshold", "flat", "fc")]
        + [_cost("conv", "gpu", 1)],
    }


@pytest.fixture
def boot():
    """Class 9 of Fashion-MNIST."""
    pixels = (SOURCE / "examples/deploy/boot.pgm").read_bytes()[-28 * 28 :]
    return numpy.frombuffer(pixels, numpy.uint8).reshape(1, 28, 28, 1)


@pytest.fixture(scope="session")
def scalar_mapping():
    """One that every machine can run."""
    return hetmap.map("vgg3-fashion", "amd-epyc-2-cores", only="cpu/scalar").mapping
