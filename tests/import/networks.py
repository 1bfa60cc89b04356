"""The networks that the importer is tried on: torchvision's, and others in plain PyTorch.

Weights are random, from a seed: shapes and operations are what matters.
"""

import torch
from torch import nn
from torch.nn import functional as F

IMAGE = (1, 3, 224, 224)
TOKENS = 128


class BertLayer(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value = (nn.Linear(width, width) for _ in range(3))
        self.out = nn.Linear(width, width)
        self.norm1, self.norm2 = nn.LayerNorm(width, eps=1e-12), nn.LayerNorm(width, eps=1e-12)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x, mask):
        def split(t):
            return t.view(t.shape[0], t.shape[1], self.heads, -1).transpose(1, 2)

        q, k, v = split(self.query(x)), split(self.key(x)), split(self.value(x))
        scores = q @ k.transpose(-1, -2) / (q.shape[-1] ** 0.5) + mask
        context = (torch.softmax(scores, -1) @ v).transpose(1, 2).reshape(x.shape)
        x = self.norm1(x + self.out(context))
        return self.norm2(x + self.down(F.gelu(self.up(x))))


class Bert(nn.Module):
    """BERT base's encoder: 12 layers, 768 wide, 12 heads, a vocabulary of 30522."""

    def __init__(self, layers=12, width=768, heads=12):
        super().__init__()
        self.words = nn.Embedding(30522, width)
        self.places = nn.Embedding(512, width)
        self.kinds = nn.Embedding(2, width)
        self.norm = nn.LayerNorm(width, eps=1e-12)
        self.layers = nn.ModuleList(BertLayer(width, heads) for _ in range(layers))
        self.pool = nn.Linear(width, width)

    def forward(self, tokens, kinds, mask):
        places = torch.arange(tokens.shape[1]).unsqueeze(0)
        x = self.norm(self.words(tokens) + self.places(places) + self.kinds(kinds))
        more = (1.0 - mask[:, None, None, :].float()) * -10000.0
        for layer in self.layers:
            x = layer(x, more)
        return x, torch.tanh(self.pool(x[:, 0]))


class Tagger(nn.Module):
    """Two LSTM layers, both directions, and a class for every step."""

    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(1000, 64)
        self.lstm = nn.LSTM(64, 128, num_layers=2, bidirectional=True, batch_first=True)
        self.out = nn.Linear(256, 17)

    def forward(self, tokens):
        states, _ = self.lstm(self.words(tokens))
        return self.out(states)


def block(inputs, outputs, kernel=3, stride=1):
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False), nn.BatchNorm2d(outputs), nn.SiLU()
    )


class Detector(nn.Module):
    """A small detector of YOLO's kind: focus, CSP blocks, spatial pyramid, two scales, decoded boxes."""

    def __init__(self, classes=20, width=16):
        super().__init__()
        w = width
        self.stem = block(12, w)
        self.down1, self.mid1 = block(w, 2 * w, 3, 2), block(2 * w, 2 * w)
        self.down2, self.mid2 = block(2 * w, 4 * w, 3, 2), block(4 * w, 4 * w)
        self.down3, self.mid3 = block(4 * w, 8 * w, 3, 2), block(8 * w, 8 * w)
        self.pool = nn.MaxPool2d(5, 1, 2)
        self.spatial = block(32 * w, 8 * w, 1)
        self.up = nn.Upsample(scale_factor=2, mode="nearest")
        self.merge = block(12 * w, 4 * w, 1)
        self.heads = nn.ModuleList([nn.Conv2d(4 * w, 3 * (5 + classes), 1), nn.Conv2d(8 * w, 3 * (5 + classes), 1)])
        self.classes = classes

    def forward(self, image):
        x = torch.cat([image[..., a::2, b::2] for a in (0, 1) for b in (0, 1)], 1)
        x = self.stem(x)
        x = self.down1(x)
        a, b = x.chunk(2, 1)
        x = torch.cat([a, b], 1) + self.mid1(x)
        middle = self.mid2(self.down2(x))
        deep = self.mid3(self.down3(middle))
        p1 = self.pool(deep)
        p2 = self.pool(p1)
        p3 = self.pool(p2)
        deep = self.spatial(torch.cat([deep, p1, p2, p3], 1))
        fine = self.merge(torch.cat([self.up(deep), middle], 1))
        boxes = []
        for head, x, stride in zip(self.heads, (fine, deep), (8, 16)):
            y = head(x)
            n, _, h, w = y.shape
            y = y.view(n, 3, 5 + self.classes, h, w).permute(0, 1, 3, 4, 2)
            rows, columns = torch.meshgrid(torch.arange(h), torch.arange(w), indexing="ij")
            grid = torch.stack([columns, rows], -1).float()
            place = (torch.sigmoid(y[..., :2]) * 2 - 0.5 + grid) * stride
            size = (torch.sigmoid(y[..., 2:4]) * 2) ** 2
            boxes.append(torch.cat([place, size, torch.sigmoid(y[..., 4:])], -1).view(n, -1, 5 + self.classes))
        return torch.cat(boxes, 1)


class UNet(nn.Module):
    def __init__(self, classes=2, widths=(16, 32, 64, 128)):
        super().__init__()

        def two(inputs, outputs):
            return nn.Sequential(
                nn.Conv2d(inputs, outputs, 3, padding=1), nn.BatchNorm2d(outputs), nn.ReLU(),
                nn.Conv2d(outputs, outputs, 3, padding=1), nn.BatchNorm2d(outputs), nn.ReLU(),
            )

        self.down = nn.ModuleList(two(a, b) for a, b in zip((3,) + widths, widths))
        self.up = nn.ModuleList(nn.ConvTranspose2d(b, a, 2, 2) for a, b in zip(widths, widths[1:]))
        self.after = nn.ModuleList(two(2 * a, a) for a in widths[:-1])
        self.out = nn.Conv2d(widths[0], classes, 1)

    def forward(self, x):
        kept = []
        for i, part in enumerate(self.down):
            x = part(x if i == 0 else F.max_pool2d(x, 2))
            kept.append(x)
        for i in reversed(range(len(self.up))):
            x = self.after[i](torch.cat([kept[i], self.up[i](x)], 1))
        return self.out(x)


TORCHVISION = [
    "resnet18", "resnet50", "mobilenet_v2", "mobilenet_v3_large", "shufflenet_v2_x1_0", "squeezenet1_1",
    "densenet121", "googlenet", "inception_v3", "efficientnet_b0", "vit_b_16", "swin_t",
]


def names():
    return TORCHVISION + ["bert", "lstm", "detector", "unet"]


def network(name):
    """The network, in inference, and example inputs."""
    torch.manual_seed(1)
    if name == "bert":
        tokens = torch.randint(0, 30522, (1, TOKENS))
        return Bert().eval(), (tokens, torch.zeros_like(tokens), torch.ones_like(tokens))
    if name == "lstm":
        return Tagger().eval(), (torch.randint(0, 1000, (1, 50)),)
    if name == "detector":
        return Detector().eval(), (torch.rand(1, 3, 256, 256),)
    if name == "unet":
        return UNet().eval(), (torch.rand(1, 3, 128, 128),)
    import torchvision

    more = {"init_weights": False} if name in ("googlenet", "inception_v3") else {}
    if more:
        more["aux_logits"] = False
    model = getattr(torchvision.models, name)(weights=None, **more).eval()
    side = 299 if name == "inception_v3" else 224
    return model, (torch.rand(1, 3, side, side),)

