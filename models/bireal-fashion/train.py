#!/usr/bin/env python3
"""Train bireal-fashion and its twins for Fashion-MNIST, and export them.

A residual network whose shortcuts are real-valued, after Bi-Real Net (Liu et al., arXiv 1808.00278):

    image 28x28x1, raw pixels 0..255
    stem     5x5, stride 2, 1 -> 64, f32                        14 x 14 x 64
    block1   3x3, 64 -> 64, and the block's input               14 x 14 x 64
    block2   the same                                           14 x 14 x 64
    block3   3x3, stride 2, 64 -> 128, and the block's input,
             averaged over 2x2 and through a 1x1 f32 product     7 x 7 x 128
    block4   3x3, 128 -> 128, and the block's input              7 x 7 x 128
    norm, relu, average over all pixels, linear 128 -> 10, f32

Every convolution has a batch norm behind it. What goes into a block's 3x3 convolution, and its weights, have one of
three precisions:

    binary   +1 where x >= t, a threshold by channel that is learned, else -1; weights +1 and -1
    int8     x / s, rounded, 0 to 255, a step s by tensor that is learned; weights -127 to 127, a step by output channel
    f32      relu(x)

so each block has its own precision, and a network with some blocks at int8 is a fine-tuned binary one. A padded
element counts 0.

How it is trained, in this order: f32; all blocks binary, from the f32 one; all int8, from the f32 one; each mixed one
from the binary one. All but the first learn, by halves, from the labels and from what the f32 one says of each image
(distillation: Hinton et al., arXiv 1503.02531). Images are shifted by up to one pixel and mirrored. Of the 60,000
training images 5,000 are held out; they choose the epoch. Test images are looked at once, at the end.

How to run (PyTorch and NumPy; DIR holds the four .gz files of Fashion-MNIST):

    python3 train.py --data DIR --out build [--only f32 binary ...] [--threads 2]

Every network writes NAME.pt, NAME.csv (the curve) and NAME.json (what it reached, its confusion matrix) to --out; one
whose NAME.json is there is not trained again, and one that was cut off goes on after its last whole epoch (NAME.part). Then export.py makes model folders of them.
"""

import argparse
import csv
import json
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
TEMPERATURE = 3.0  # of what is learned from the f32 network
BLOCKS = ("block1", "block2", "block3", "block4")

# name: (precision of each block, where it begins, epochs, learning rate)
NETWORKS = {
    "f32": (("f32",) * 4, None, 8, 4e-3),
    "binary": (("binary",) * 4, "f32", 20, 4e-3),
    "int8": (("int8",) * 4, "f32", 1, 2e-4),
    **{f"int8-{i + 1}": (tuple("int8" if i == k else "binary" for k in range(4)), "binary", 1, 1e-3) for i in range(4)},
    "int8-1-2": (("int8", "int8", "binary", "binary"), "binary", 1, 1e-3),
    "int8-3-4": (("binary", "binary", "int8", "int8"), "binary", 1, 1e-3),
}


class Rounded(torch.autograd.Function):
    """Rounds to even; the gradient passes."""

    @staticmethod
    def forward(ctx, x):
        return torch.round(x)

    @staticmethod
    def backward(ctx, gradient):
        return gradient


class ApproximateSign(torch.autograd.Function):
    """sign, with the gradient of Bi-Real Net's parabolas: 2 - 2 |x| inside [-1, 1]."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return torch.where(x >= 0, 1.0, -1.0)

    @staticmethod
    def backward(ctx, gradient):
        (x,) = ctx.saved_tensors
        return gradient * (2 - 2 * x.abs()).clamp(min=0)


rounded, approximate_sign = Rounded.apply, ApproximateSign.apply


def weight_step(weights):
    """By output channel, of int8 weights."""
    return weights.detach().abs().amax(dim=(1, 2, 3), keepdim=True).clamp(min=1e-8) / 127


class Block(nn.Module):
    def __init__(self, inputs, outputs, stride, precision):
        super().__init__()
        self.precision = precision
        self.stride = stride
        self.threshold = nn.Parameter(torch.zeros(1, inputs, 1, 1))  # binary
        self.step = nn.Parameter(torch.tensor(1 / 32))  # int8
        self.weights = nn.Parameter(torch.empty(outputs, inputs, 3, 3))
        nn.init.kaiming_normal_(self.weights)
        self.norm = nn.BatchNorm2d(outputs)
        self.shortcut = None
        if inputs != outputs:
            self.shortcut = nn.Conv2d(inputs, outputs, 1, bias=False)
            self.shortcut_norm = nn.BatchNorm2d(outputs)

    def input(self, x):
        if self.precision == "binary":
            return approximate_sign(x - self.threshold)
        if self.precision == "int8":
            return rounded((x / self.step).clamp(0, 255)) * self.step
        return F.relu(x)

    def used_weights(self):
        if self.precision == "binary":
            return sign(self.weights)
        if self.precision == "int8":
            step = weight_step(self.weights)
            return rounded(self.weights / step) * step
        return self.weights

    def forward(self, x):
        weights = self.used_weights().contiguous(memory_format=torch.channels_last)
        y = self.norm(F.conv2d(self.input(x), weights, stride=self.stride, padding=1))
        if self.shortcut is not None:
            x = self.shortcut_norm(self.shortcut(F.avg_pool2d(x, 2)))
        return x + y


class BiReal(nn.Module):
    def __init__(self, precisions):
        super().__init__()
        self.stem = nn.Conv2d(1, 64, 5, stride=2, padding=2, bias=False)
        self.stem_norm = nn.BatchNorm2d(64)
        sizes = ((64, 64, 1), (64, 64, 1), (64, 128, 2), (128, 128, 1))
        self.blocks = nn.ModuleList(Block(*size, precision) for size, precision in zip(sizes, precisions))
        self.norm = nn.BatchNorm2d(128)
        self.linear = nn.Linear(128, 10)

    def forward(self, x):
        x = self.stem_norm(self.stem(x / 255)).contiguous(memory_format=torch.channels_last)
        for block in self.blocks:
            x = block(x)
        return self.linear(F.relu(self.norm(x)).mean(dim=(2, 3)))

    def clip(self):
        """Latent weights of a binary block stay where their gradients pass."""
        with torch.no_grad():
            for block in self.blocks:
                if block.precision == "binary":
                    block.weights.clamp_(-1, 1)


def scores(model, images):
    model.eval()
    with torch.no_grad():
        return np.concatenate([model(to_batch(images[i:i + 500])).numpy() for i in range(0, len(images), 500)])


def begin_from(model, folder, other):
    """The other's numbers; its weights, where a block has just become binary, spread over [-1, 1]."""
    saved = torch.load(os.path.join(folder, f"{other}.pt"), weights_only=True)
    before = NETWORKS[other][0]
    model.load_state_dict(saved)
    with torch.no_grad():
        for block, was in zip(model.blocks, before):
            if block.precision == "binary" and was != "binary":
                spread = block.weights.std(dim=(1, 2, 3), keepdim=True)
                block.weights.div_(2 * spread).clamp_(-1, 1)
            if block.precision == "int8" and was == "binary":
                block.step.fill_(4 / 255)


def largest_inputs(model, images):
    """What goes into each block at most, but for one in a thousand: where the steps of int8 begin."""
    found = {}
    hooks = [block.register_forward_pre_hook(lambda module, inputs: found.__setitem__(module, inputs[0]))
             for block in model.blocks]
    scores(model, images[:500])
    for hook in hooks:
        hook.remove()
    return {block: torch.quantile(x.flatten()[::37], 0.999).item() for block, x in found.items()}


def distillation(outputs, taught):
    """How far what the outputs say of the classes is from what the teacher's say, both softened."""
    return TEMPERATURE**2 * F.kl_div(F.log_softmax(outputs / TEMPERATURE, 1), F.softmax(taught / TEMPERATURE, 1),
                                     reduction="batchmean")


def train(name, data, folder):
    precisions, other, epochs, rate = NETWORKS[name]
    torch.manual_seed(SEED)
    rng = np.random.default_rng(SEED)
    images, labels = load(data, "train")
    order = rng.permutation(len(images))
    held_images, held_labels = images[order[:HELD_OUT]], labels[order[:HELD_OUT]]
    images, labels = images[order[HELD_OUT:]], labels[order[HELD_OUT:]]

    model, taught = BiReal(precisions), None
    if other is not None:
        begin_from(model, folder, other)
        teacher = BiReal(NETWORKS["f32"][0])
        teacher.load_state_dict(torch.load(os.path.join(folder, "f32.pt"), weights_only=True))
        taught = torch.from_numpy(scores(teacher, images))  # of the images as they are
    if "int8" in precisions:
        with torch.no_grad():
            for block, largest in largest_inputs(model, held_images).items():
                block.step.fill_(max(largest, 1e-3) / 255)

    decayed = [p for p in model.parameters() if p.dim() > 1]
    rest = [p for p in model.parameters() if p.dim() <= 1]
    optimizer = torch.optim.AdamW([{"params": decayed, "weight_decay": 0.0 if "binary" in precisions else 1e-2},
                                   {"params": rest, "weight_decay": 0.0}], lr=rate)
    steps = len(images) // BATCH
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, epochs * steps, pct_start=0.2)
    best, curve, begun = -1, [], os.path.join(folder, f"{name}.part")
    if os.path.exists(begun):
        saved = torch.load(begun, weights_only=False)
        for part, state in zip((model, optimizer, schedule), saved["states"]):
            part.load_state_dict(state)
        best, curve, rng = saved["best"], saved["curve"], saved["rng"]
    for epoch in range(len(curve) + 1, epochs + 1):
        start = time.time()
        model.train()
        order = rng.permutation(len(images))
        total_loss, right = 0.0, 0
        for step in range(steps):
            chosen = order[step * BATCH:(step + 1) * BATCH]
            target = torch.from_numpy(labels[chosen]).long()
            batch = shifted(images[chosen], rng, most=1)
            mirrored = rng.random(len(batch)) < 0.5
            batch = to_batch(np.where(mirrored[:, None, None], batch[:, :, ::-1], batch))
            outputs = model(batch)
            loss = F.cross_entropy(outputs, target)
            if taught is not None:
                loss = (loss + distillation(outputs, taught[torch.from_numpy(chosen)])) / 2
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            schedule.step()
            model.clip()
            total_loss += loss.item()
            right += int((outputs.argmax(1) == target).sum())
        held = int((scores(model, held_images).argmax(axis=1) == held_labels).sum())
        curve.append((epoch, round(total_loss / steps, 4), round(100 * right / (steps * BATCH), 2),
                      round(100 * held / HELD_OUT, 2)))
        print(f"{name}, epoch {epoch:2}: loss {total_loss / steps:.4f}, train {curve[-1][2]:.2f} %, "
              f"held out {curve[-1][3]:.2f} %, {time.time() - start:.0f} s", flush=True)
        if held >= best:
            best = held
            torch.save(model.state_dict(), os.path.join(folder, f"{name}.pt"))
        torch.save({"states": [part.state_dict() for part in (model, optimizer, schedule)], "best": best,
                    "curve": curve, "rng": rng}, begun + ".new")
        os.replace(begun + ".new", begun)
    with open(os.path.join(folder, f"{name}.csv"), "w", newline="") as out:
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(("epoch", "loss", "train_percent", "held_out_percent"))
        writer.writerows(curve)


def test(name, data, folder):
    model = BiReal(NETWORKS[name][0])
    model.load_state_dict(torch.load(os.path.join(folder, f"{name}.pt"), weights_only=True))
    images, labels = load(data, "t10k")
    classes = scores(model, images).argmax(axis=1)
    confusion = np.zeros((10, 10), int)
    np.add.at(confusion, (labels, classes), 1)
    right = int((classes == labels).sum())
    print(f"{name}: {right} of {len(labels)} test images right", flush=True)
    with open(os.path.join(folder, f"{name}.json"), "w") as out:
        json.dump({"name": name, "blocks": dict(zip(BLOCKS, NETWORKS[name][0])), "right": right, "of": len(labels),
                   "confusion": confusion.tolist()}, out)


def main():
    parser = argparse.ArgumentParser(description="Train bireal-fashion and its twins.")
    parser.add_argument("--data", required=True, help="folder with Fashion-MNIST's .gz files")
    parser.add_argument("--out", required=True, help="folder to write to")
    parser.add_argument("--only", nargs="*", choices=list(NETWORKS), help="default: all")
    parser.add_argument("--threads", type=int, default=1, help="threads of PyTorch (default 1)")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    os.makedirs(arguments.out, exist_ok=True)
    for name in arguments.only or NETWORKS:
        if not os.path.exists(os.path.join(arguments.out, f"{name}.json")):
            train(name, arguments.data, arguments.out)
            test(name, arguments.data, arguments.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
