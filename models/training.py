"""What the training scripts of models/ share: Fashion-MNIST and signs with a gradient."""

import gzip
import os

import numpy as np
import torch


# ---------------------------------------------------------------- data

def read_idx(path):
    """The array of unsigned bytes in a gzipped IDX file."""
    with gzip.open(path, "rb") as stream:
        raw = stream.read()
    if raw[:3] != b"\x00\x00\x08":
        raise ValueError(f"{path}: not an IDX file of unsigned bytes")
    rank = raw[3]
    shape = np.frombuffer(raw, ">u4", rank, 4).astype(int)
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * rank).reshape(shape)


def load(folder, part):
    """Images (N x 28 x 28) and labels of Fashion-MNIST's `part`, "train" or "t10k"."""
    images = read_idx(os.path.join(folder, f"{part}-images-idx3-ubyte.gz"))
    labels = read_idx(os.path.join(folder, f"{part}-labels-idx1-ubyte.gz"))
    if images.shape != (len(labels), 28, 28):
        raise ValueError(f"{folder}: {part} has shape {images.shape} for {len(labels)} labels")
    return images, labels


def to_batch(images):
    """Raw pixels as floats, N x 1 x 28 x 28."""
    batch = torch.from_numpy(images.astype(np.float32)).unsqueeze(1)
    return batch.to(memory_format=torch.channels_last)


def shifted(images, rng, most=1):
    """Each image moved by up to `most` pixels down and across, zeros coming in."""
    padded = np.pad(images, ((0, 0), (most, most), (most, most)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (28, 28), axis=(1, 2))
    down, across = rng.integers(0, 2 * most + 1, (2, len(images)))
    return windows[np.arange(len(images)), down, across]


# ---------------------------------------------------------------- binarization

class Sign(torch.autograd.Function):
    """+1 where x >= 0 (so sign(0) = +1), else -1, with a straight-through gradient."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return torch.where(x >= 0, 1.0, -1.0)

    @staticmethod
    def backward(ctx, gradient):
        (x,) = ctx.saved_tensors
        return gradient * (x.abs() <= 1)


sign = Sign.apply
