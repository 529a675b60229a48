"""The report's networks in PyTorch, channels last, as a peer of the bench."""

import os
import time

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from networks import AGE_BINS, BEST_FILTERS, best_targets, draw, serve

torch.set_num_threads(os.cpu_count() or 1)
torch.manual_seed(1)


class SameConv(nn.Conv2d):
    """A 2x2 convolution with TensorFlow's `same` padding: one row below, one column right."""

    def forward(self, x):
        return super().forward(F.pad(x, (0, 1, 0, 1)))


def blocks():
    parts, channels = [], 3
    for filters in (16, 32, 64, 128):
        parts += [
            SameConv(channels, filters, 2),
            nn.ReLU(),
            nn.BatchNorm2d(filters, eps=1e-3, momentum=0.01),
            nn.MaxPool2d(2, 2),
        ]
        channels = filters
    return parts + [nn.Flatten()]


def best():
    parts, channels = [], 3
    for block in BEST_FILTERS:
        for filters in block:
            parts += [
                nn.Conv2d(channels, filters, 3, padding=1),
                nn.ReLU(),
                nn.BatchNorm2d(filters, eps=1e-3, momentum=0.01),
            ]
            channels = filters
        parts.append(nn.MaxPool2d(2, 2))
    parts += [nn.Flatten(), nn.Linear(512, 128), nn.ReLU()]
    parts += [nn.BatchNorm1d(128, eps=1e-3, momentum=0.01), nn.Dropout(0.3)]
    return parts + [nn.Linear(128, 2 + AGE_BINS)]


def unit(channels, filters, size, stride=1, groups=1):
    """Convolution with TensorFlow's `same` padding, and normalization."""
    inside = size // 2 if stride == 1 else 0
    convolution = nn.Conv2d(channels, filters, size, stride, inside, groups=groups, bias=False)
    # Images of even size: one row below, one column right.
    pad = nn.ZeroPad2d((0, 1, 0, 1)) if size > stride > 1 else nn.Identity()
    return nn.Sequential(pad, convolution, nn.BatchNorm2d(filters, eps=1e-3, momentum=0.01))


class Block(nn.Module):
    def __init__(self, channels, filters, stride):
        super().__init__()
        change = stride > 1 or channels != filters
        self.skip = unit(channels, filters, 1, stride) if change else nn.Identity()
        first = unit(channels, filters, 3, stride)
        self.body = nn.Sequential(first, nn.ReLU(), unit(filters, filters, 3))

    def forward(self, x):
        return F.relu(self.body(x) + self.skip(x))


def residual():
    parts, channels = [unit(3, 32, 3), nn.ReLU()], 32
    for group, filters in enumerate((32, 64, 128)):
        for block in range(2):
            parts.append(Block(channels, filters, 2 if group > 0 and block == 0 else 1))
            channels = filters
    return parts + classifier()


def mobile():
    parts, channels = [unit(3, 16, 3), nn.ReLU()], 16
    for filters in (32, 64, 128):
        for block in range(2):
            parts += [unit(channels, channels, 3, 2 if block == 0 else 1, channels), nn.ReLU()]
            parts += [unit(channels, filters, 1), nn.ReLU()]
            channels = filters
    return parts + classifier()


def classifier():
    return [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.25), nn.Linear(128, 2)]


def build(network):
    parts, features = blocks(), 512
    if network in ("best", "residual", "mobile"):
        parts = {"best": best, "residual": residual, "mobile": mobile}[network]()
    elif network == "gender":
        for units in (512, 256, 128, 64):
            parts += [
                nn.Linear(features, units),
                nn.ReLU(),
                nn.BatchNorm1d(units, eps=1e-3, momentum=0.01),
            ]
            if units > 64:
                parts.append(nn.Dropout(0.25))
            features = units
        parts += [nn.Linear(64, 16), nn.ReLU(), nn.Linear(16, 2)]
    else:
        for units in (256, 64, 32):
            parts += [nn.Linear(features, units), nn.LeakyReLU(0.2)]
            if units == 256:
                parts.append(nn.Dropout(0.25))
            features = units
        parts.append(nn.Linear(32, 1))
    return nn.Sequential(*parts).to(memory_format=torch.channels_last)


class Trainer:
    def __init__(self, network):
        self.model = build(network)
        self.network = network
        if network == "best":
            parameters = self.model.parameters()
            self.optimizer = torch.optim.AdamW(parameters, eps=1e-7, weight_decay=0.05)
        else:
            self.optimizer = torch.optim.Adam(self.model.parameters(), eps=1e-7)
        self.penalties = []
        if network == "age":
            for module in self.model:
                if isinstance(module, nn.Conv2d):
                    self.penalties.append((module.weight, 0.0005))
                elif isinstance(module, nn.Linear) and module.out_features > 1:
                    self.penalties += [(module.weight, 0.1), (module.bias, 0.1)]

    def loss(self, x, y):
        out = self.model(x)
        if self.network == "best":
            # The class in the first column, and the distribution.
            loss = F.cross_entropy(out[:, :2], y[:, 0].long())
            loss = loss + F.cross_entropy(out[:, 2:], y[:, 1:])
        else:
            loss = F.cross_entropy(out, y) if self.network != "age" else F.l1_loss(out, y)
        for weights, factor in self.penalties:
            loss = loss + factor * weights.square().sum()
        return loss

    def step(self, x, y):
        self.model.train()
        self.optimizer.zero_grad(set_to_none=True)
        loss = self.loss(x, y)
        loss.backward()
        self.optimizer.step()
        return loss.item()


def data(network, rows):
    """Images of 0 to 1, channels last in memory, and targets as PyTorch wants them."""
    images, labels = draw(network, rows)
    x = torch.from_numpy(images.astype(np.float32) / 255).permute(0, 3, 1, 2)
    if network == "age":
        return x, torch.from_numpy(labels[:, None].astype(np.float32))
    if network == "best":
        gender, age = best_targets(labels)
        return x, torch.from_numpy(np.concatenate([gender[:, None], age], 1).astype(np.float32))
    return x, torch.from_numpy(labels)


def prepare(network, batch):
    trainer = Trainer(network)
    x, y = data(network, batch)
    return lambda: trainer.step(x, y)


def fit(network, batch, rows, epochs):
    trainer = Trainer(network)
    x, y = data(network, rows * 6 // 5)
    start = time.perf_counter()
    for _ in range(epochs):
        order = torch.randperm(rows)
        for at in range(0, rows, batch):
            some = order[at : at + batch]
            # Indexing forgets the order of the axes in memory.
            trainer.step(x[some].contiguous(memory_format=torch.channels_last), y[some])
        trainer.model.eval()
        with torch.inference_mode():
            for at in range(rows, len(x), batch):
                trainer.loss(x[at : at + batch], y[at : at + batch]).item()
    return (time.perf_counter() - start) * 1000


def infer(network, rows):
    model = build(network).eval()
    x, _ = data(network, rows)
    with torch.inference_mode():
        for at in range(0, 640, 64):
            model(x[at : at + 64])
        start = time.perf_counter()
        for at in range(0, rows, 256):
            model(x[at : at + 256]).numpy()
        return (time.perf_counter() - start) * 1000


serve(prepare, fit, infer)
