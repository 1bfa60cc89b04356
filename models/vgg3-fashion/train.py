#!/usr/bin/env python3
"""Train vgg3-fashion, a binarized VGG3 for Fashion-MNIST, and export it as integers.

The network (tensors are N, H, W, C in the exported files):

    image 28x28x1, raw pixels 0..255
    conv1 3x3, 1 -> 64, zero padding    threshold1    pool1 2x2
    conv2 3x3, 64 -> 64, zero padding   threshold2    pool2 2x2
    flatten (y, x, c)
    fc1 3136 -> 64                      threshold3
    fc2 64 -> 10, class = lowest index of the largest output

Weights and activations are +1 or -1, and no layer has a bias. A padded element
counts 0, so near the border a sum simply has fewer terms.

How it is trained: real-valued latent weights clipped to [-1, 1] stand behind the
signs, and gradients pass each sign by the straight-through estimator (unchanged
where the argument lies in [-1, 1], else zero). Each threshold is a batch norm
followed by sign, with sign(0) = +1. fc2 is followed, in the loss only, by one
positive scale shared by all classes, which cannot change the largest output.
Training images are shifted by up to one pixel in either direction. The epoch
that is exported is the one with the best accuracy on 5,000 held-out training
images; the test images are looked at once, at the end.

How it is exported: for every channel, batch norm and sign become one integer
threshold and a direction, found by evaluating PyTorch's own batch norm at
integers and checked over every value that the layer's input can take. The
exported file is then read back and evaluated in NumPy, by code that shares
nothing with the training network, and every bit and class is compared.

How to run (needs PyTorch and NumPy; DIR holds the four .gz files of Fashion-MNIST):

    python3 train.py --data DIR --epochs 28 --out build

It writes weights.bin and predictions.bin (the files of this folder), and
checkpoint.pt, from which --export-only writes the other two again.

What it reached: 8,863 of the 10,000 test images right (88.63 %), with 28 epochs,
PyTorch 1.13 and one thread, of which the 27th was exported (4,472 of the 5,000
held-out images right); 18 minutes on one x86-64 core. (That was with glibc told
to keep freed memory, MALLOC_MMAP_THRESHOLD_=4294967296 and
MALLOC_TRIM_THRESHOLD_=8589934592 in the environment; without, it is slower.) The
seed is fixed, but another version of PyTorch or number of threads may round
differently and so end at slightly different weights.
"""

import argparse
import math
import os
import pathlib
import sys
import time

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from training import load, shifted, sign, to_batch

SEED = 2301
BATCH = 128
HELD_OUT = 5000
LEARNING_RATE = 3e-3
MAGIC = b"hetmap-weights/1"
INT32_MIN, INT32_MAX = -(2**31), 2**31 - 1


# ---------------------------------------------------------------- the network in training

class Vgg3(nn.Module):
    def __init__(self):
        super().__init__()

        def latent(*shape):
            return nn.Parameter(torch.empty(*shape).uniform_(-0.5, 0.5))

        self.conv1 = latent(64, 1, 3, 3)
        self.norm1 = nn.BatchNorm2d(64)
        self.conv2 = latent(64, 64, 3, 3)
        self.norm2 = nn.BatchNorm2d(64)
        self.fc1 = latent(64, 7 * 7 * 64)
        self.norm3 = nn.BatchNorm1d(64)
        self.fc2 = latent(10, 64)
        self.log_scale = nn.Parameter(torch.tensor(math.log(0.1)))

    def latents(self):
        return [self.conv1, self.conv2, self.fc1, self.fc2]

    def bits(self, x):
        """The outputs of threshold-and-pool 1 and 2 and of threshold 3, all +1 or -1.

        Here the pool comes before the sign, for the sake of the gradient. As sign
        never decreases, the values are those of pooling after it.
        """
        x = F.conv2d(x, sign(self.conv1), padding=1)
        x = x.contiguous(memory_format=torch.channels_last)  # faster from here on
        first = sign(F.max_pool2d(self.norm1(x), 2))
        weights = sign(self.conv2).contiguous(memory_format=torch.channels_last)
        x = F.conv2d(first, weights, padding=1)
        second = sign(F.max_pool2d(self.norm2(x), 2))
        x = second.permute(0, 2, 3, 1).flatten(1)  # the order (y, x, c)
        third = sign(self.norm3(F.linear(x, sign(self.fc1))))
        return first, second, third

    def forward(self, x):
        """The integer outputs of fc2, as floats and before the training scale."""
        return F.linear(self.bits(x)[2], sign(self.fc2))


def predict(model, images):
    """Eval-mode classes; of equal outputs, the lowest index."""
    model.eval()
    with torch.no_grad():
        parts = [model(to_batch(images[i:i + 500])).numpy() for i in range(0, len(images), 500)]
    return np.concatenate(parts).argmax(axis=1).astype(np.uint8)


def train(data, epochs, checkpoint):
    torch.manual_seed(SEED)
    rng = np.random.default_rng(SEED)
    images, labels = load(data, "train")
    order = rng.permutation(len(images))
    held_images, held_labels = images[order[:HELD_OUT]], labels[order[:HELD_OUT]]
    images, labels = images[order[HELD_OUT:]], labels[order[HELD_OUT:]]

    model = Vgg3()
    optimizer = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE)
    steps = len(images) // BATCH
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs * steps, 1e-6)
    best = -1
    for epoch in range(1, epochs + 1):
        start = time.time()
        model.train()
        order = rng.permutation(len(images))
        total_loss, right = 0.0, 0
        for step in range(steps):
            chosen = order[step * BATCH:(step + 1) * BATCH]
            target = torch.from_numpy(labels[chosen]).long()
            outputs = model(to_batch(shifted(images[chosen], rng)))
            loss = F.cross_entropy(outputs * model.log_scale.exp(), target)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            schedule.step()
            with torch.no_grad():
                for latent in model.latents():
                    latent.clamp_(-1, 1)
            total_loss += loss.item()
            right += int((outputs.argmax(1) == target).sum())
        held = int((predict(model, held_images) == held_labels).sum())
        print(f"epoch {epoch:2}: loss {total_loss / steps:.4f}, "
              f"train {100 * right / (steps * BATCH):.2f} %, "
              f"held out {100 * held / HELD_OUT:.2f} %, {time.time() - start:.0f} s", flush=True)
        if held > best:
            best = held
            torch.save({"epoch": epoch, "held_out_right": held, "model": model.state_dict()},
                       checkpoint)


# ---------------------------------------------------------------- export

def torch_bits(norm, values):
    """Batch norm and sign of PyTorch in eval mode at integers (N x C), as booleans."""
    x = torch.from_numpy(values.astype(np.float32))
    if isinstance(norm, nn.BatchNorm2d):
        x = x[:, :, None, None].contiguous(memory_format=torch.channels_last)
    with torch.no_grad():
        return (norm(x) >= 0).numpy().reshape(values.shape)


def threshold_bits(x, thresholds, below):
    """What a threshold layer of hetmap gives: x <= t where `below`, else x >= t."""
    return np.where(below, x <= thresholds, x >= thresholds)


def fold(norm, reach):
    """Integer thresholds and directions equal to batch norm and sign in eval mode.

    `reach` bounds the size of the integers that can come in; the result is
    checked at every integer from -reach to reach.
    """
    norm.eval()
    gamma, beta, mean, variance = (t.detach().numpy().astype(np.float64) for t in
                                   (norm.weight, norm.bias, norm.running_mean, norm.running_var))
    channels = len(gamma)
    thresholds = np.empty(channels, np.int64)
    below = gamma < 0
    for c in range(channels):
        if gamma[c] != 0:
            root = mean[c] - beta[c] * np.sqrt(variance[c] + norm.eps) / gamma[c]
        if gamma[c] == 0 or abs(root) > 2**22:
            # The bit is the same at every integer that floats tell apart here.
            always = torch_bits(norm, np.zeros((1, channels)))[0, c]
            thresholds[c], below[c] = (INT32_MIN if always else INT32_MAX), False
            continue
        # Rounding in PyTorch may move the root a little: look at the integers around it.
        near = np.arange(-4, 5) + int(np.floor(root))
        bits = torch_bits(norm, np.repeat(near[:, None], channels, axis=1))[:, c]
        ones = near[bits]
        thresholds[c] = ones.max() if below[c] else ones.min()
        expected = near <= thresholds[c] if below[c] else near >= thresholds[c]
        if bits.all() or not np.array_equal(bits, expected):
            raise AssertionError(f"channel {c}: no single step around {root}")
    values = np.repeat(np.arange(-reach, reach + 1)[:, None], channels, axis=1)
    if not np.array_equal(threshold_bits(values, thresholds, below), torch_bits(norm, values)):
        raise AssertionError("the folded thresholds differ from batch norm and sign")
    return thresholds.astype("<i4"), below


def packed(bits):
    """Rows of booleans as little-endian 64-bit words, lowest bit first, padded with 0."""
    rows = np.atleast_2d(bits)
    rows = np.pad(rows, ((0, 0), (0, -rows.shape[1] % 64)))
    return np.packbits(rows, axis=1, bitorder="little").tobytes()


def export(model, path):
    def conv(latent):  # from (out, c_in, ky, kx) to (out, ky, kx, c_in)
        return packed((latent.detach() >= 0).permute(0, 2, 3, 1).flatten(1).numpy())

    def linear(latent):
        return packed((latent.detach() >= 0).numpy())

    def threshold(norm, reach):
        thresholds, below = fold(norm, reach)
        print(f"threshold: {len(below)} channels, {int(below.sum())} of direction 1, "
              f"values {thresholds.min()} to {thresholds.max()}, "
              f"equal to PyTorch at all integers of size {reach} or less")
        return thresholds.tobytes() + packed(below)

    with open(path, "wb") as out:
        out.write(MAGIC)
        out.write(conv(model.conv1) + threshold(model.norm1, 9 * 255))
        out.write(conv(model.conv2) + threshold(model.norm2, 9 * 64))
        out.write(linear(model.fc1) + threshold(model.norm3, 3136))
        out.write(linear(model.fc2))


# ---------------------------------------------------------------- the exported network, in NumPy

class Reader:
    """Reads weights.bin from its bytes alone."""

    def __init__(self, path):
        with open(path, "rb") as stream:
            self.raw = stream.read()
        if self.raw[:16] != MAGIC:
            raise ValueError(f"{path}: wrong magic")
        self.at = 16

    def take(self, count, kind):
        values = np.frombuffer(self.raw, kind, count, self.at)
        self.at += values.nbytes
        return values

    def bits(self, rows, columns):
        words = -(-columns // 64)
        raw = self.take(rows * words * 8, np.uint8).reshape(rows, words * 8)
        bits = np.unpackbits(raw, axis=1, bitorder="little")
        if bits[:, columns:].any():
            raise ValueError("an unused bit is set")
        return bits[:, :columns].astype(bool)

    def weights(self, rows, fan_in):
        return np.where(self.bits(rows, fan_in), 1, -1).astype(np.int32)

    def threshold(self, channels):
        return self.take(channels, "<i4"), self.bits(1, channels)[0]


def dot(x, weights):
    """x (..., K) times weights (N, K), all integers.

    The product runs in floats for speed. It is exact: every partial sum, in any
    order, is an integer far below 2**24.
    """
    return (x.astype(np.float32) @ weights.T.astype(np.float32)).astype(np.int32)


def conv3x3(x, weights):
    """3x3, stride 1, zero padding 1; x is N x H x W x C, weights (ky, kx, c_in) per row."""
    height, width = x.shape[1:3]
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    patches = [padded[:, ky:ky + height, kx:kx + width] for ky in range(3) for kx in range(3)]
    return dot(np.concatenate(patches, axis=3), weights)


def plus_minus(x, thresholds, below):
    return np.where(threshold_bits(x, thresholds, below), 1, -1).astype(np.int8)


def pool2x2(x):
    n, height, width, channels = x.shape
    return x.reshape(n, height // 2, 2, width // 2, 2, channels).max(axis=(2, 4))


def integer_network(path):
    """A function from raw images to the bits of the three thresholds and the outputs."""
    reader = Reader(path)
    conv1, threshold1 = reader.weights(64, 9), reader.threshold(64)
    conv2, threshold2 = reader.weights(64, 576), reader.threshold(64)
    fc1, threshold3 = reader.weights(64, 3136), reader.threshold(64)
    fc2 = reader.weights(10, 64)
    if reader.at != len(reader.raw):
        raise ValueError(f"{path}: {len(reader.raw) - reader.at} bytes too many")

    def evaluate(images):
        first = pool2x2(plus_minus(conv3x3(images[..., None].astype(np.int32), conv1), *threshold1))
        second = pool2x2(plus_minus(conv3x3(first, conv2), *threshold2))
        third = plus_minus(dot(second.reshape(len(images), -1), fc1), *threshold3)
        return first, second, third, dot(third, fc2)

    return evaluate


def check(model, path, images):
    """The integer network's classes, and how many bits differ from PyTorch's."""
    evaluate = integer_network(path)
    model.eval()
    classes, wrong_bits = [], 0
    for i in range(0, len(images), 250):
        part = images[i:i + 250]
        *ours, outputs = evaluate(part)
        with torch.no_grad():
            theirs = [t.numpy() for t in model.bits(to_batch(part))]
        theirs[:2] = [t.transpose(0, 2, 3, 1) for t in theirs[:2]]
        wrong_bits += sum(int((a != b).sum()) for a, b in zip(ours, theirs))
        classes.append(outputs.argmax(axis=1))
    return np.concatenate(classes), wrong_bits


def main():
    parser = argparse.ArgumentParser(description="Train vgg3-fashion and export it.")
    parser.add_argument("--data", required=True, help="folder with Fashion-MNIST's .gz files")
    parser.add_argument("--epochs", type=int, default=28)
    parser.add_argument("--out", required=True, help="folder to write to")
    parser.add_argument("--threads", type=int, default=1, help="threads of PyTorch (default 1)")
    parser.add_argument("--export-only", action="store_true",
                        help="do not train: export the checkpoint.pt that is in --out")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    os.makedirs(arguments.out, exist_ok=True)
    checkpoint = os.path.join(arguments.out, "checkpoint.pt")
    weights = os.path.join(arguments.out, "weights.bin")

    if not arguments.export_only:
        train(arguments.data, arguments.epochs, checkpoint)
    model = Vgg3()
    saved = torch.load(checkpoint)
    model.load_state_dict(saved["model"])
    print(f"exporting epoch {saved['epoch']}: {saved['held_out_right']} of {HELD_OUT} "
          "held-out images right")
    export(model, weights)

    images, labels = load(arguments.data, "t10k")
    predictions = predict(model, images)
    predictions.tofile(os.path.join(arguments.out, "predictions.bin"))
    classes, wrong_bits = check(model, weights, images)
    print(f"PyTorch: {int((predictions == labels).sum())} of {len(labels)} test images right")
    print(f"integers: {int((classes == labels).sum())} of {len(labels)} test images right, "
          f"{int((classes == predictions).sum())} classes as PyTorch, {wrong_bits} bits differ")
    return 0 if wrong_bits == 0 and np.array_equal(classes, predictions) else 1


if __name__ == "__main__":
    sys.exit(main())
