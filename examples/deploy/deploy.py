#!/usr/bin/env python3
"""deploy.c in Python: deploy.py MODEL MAPPING IMAGE. Prints the class and what a run takes.

MODEL: a model.yaml, its folder or a name; MAPPING: what hetmap map wrote for it, or - for none; IMAGE: a
binary PGM or PPM file of the model's size.
"""

import sys
import time

import hetmap
import numpy


def pixels_of(path: str, image: numpy.ndarray) -> numpy.ndarray:
    """The pixels of a PGM (P5) or PPM (P6) file, which is (y, x, channel), as the model wants them."""
    _, height, width, channels = image.shape
    with open(path, "rb") as file:
        header = b"P%c\n%d %d\n255\n" % (b"6" if channels == 3 else b"5", width, height)
        begin, pixels = file.read(len(header)), file.read()
    if begin.split() != header.split() or len(pixels) != image.nbytes:
        sys.exit(f"{path}: expected {width} x {height} pixels of {channels} bytes, as PGM or PPM")
    return numpy.frombuffer(pixels, numpy.uint8).reshape(image.shape)


def main() -> None:
    if len(sys.argv) != 4:
        sys.exit("usage: deploy.py MODEL MAPPING IMAGE")
    _, model, mapping, path = sys.argv
    with hetmap.Session(model, None if mapping == "-" else mapping) as session:
        (image,) = session.inputs.values()
        image[:] = pixels_of(path, image)
        # The fastest of some runs: the first ones find caches and clocks cold.
        fastest = float("inf")
        for _ in range(50):
            begin = time.perf_counter()
            scores = session.run()
            fastest = min(fastest, time.perf_counter() - begin)
    print(f"class {scores.argmax()}, {fastest * 1e6:.1f} us")


if __name__ == "__main__":
    try:
        main()
    except hetmap.Error as error:
        sys.exit(f"deploy.py: {error}")
