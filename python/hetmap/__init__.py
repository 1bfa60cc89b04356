"""hetmap: which layer of a neural network runs on which device, from Python.

    import hetmap

    answer = hetmap.map("vgg3-fashion", "amd-epyc-2-cores")
    print(answer.text())
    with hetmap.Session("vgg3-fashion", answer.mapping) as session:
        scores = session.run(images)

Models, platforms and mappings are described by files, or by dictionaries with the same keys;
searches find mappings; sessions run them here. Errors are `hetmap.Error`: `InputError` (also a
ValueError) says what is wrong with what was given.
"""

from hetmap._descriptions import (
    Mapping,
    Model,
    Platform,
    load_mapping,
    load_model,
    load_platform,
)
from hetmap._hetmap import BusyError, Error, InputError, MachineError
from hetmap._hetmap import version as __version__
from hetmap._searches import Answer, Front, front, map, searches, simulate
from hetmap._sessions import Session

__all__ = [
    "Answer",
    "BusyError",
    "Error",
    "Front",
    "InputError",
    "MachineError",
    "Mapping",
    "Model",
    "Platform",
    "Session",
    "__version__",
    "front",
    "load_mapping",
    "load_model",
    "load_platform",
    "map",
    "searches",
    "simulate",
]
