"""What the Python peers of the bench have in common: orders in, answers out."""

import json
import sys
import time
import traceback

import numpy as np


BEST_FILTERS = ((32, 32), (48, 48), (64, 64), (128, 128))
AGE_BINS = 62


def draw(network, rows):
    """Images as bytes, and labels."""
    rng = np.random.default_rng(1)
    images = rng.integers(0, 256, (rows, 32, 32, 3), dtype=np.uint8)
    return images, rng.integers(0, 90 if network in ("age", "best") else 2, rows)


def best_targets(labels):
    """Of the best network's two heads: a class, and a distribution over ages."""
    bins = 2 * np.arange(AGE_BINS) - 12
    near = np.exp(-(((bins - labels[:, None]) / 3) ** 2) / 2)
    return labels % 2, (near / near.sum(1, keepdims=True)).astype("float32")


def peak_memory():
    """The most memory that this process ever held, where the system tells."""
    try:
        with open("/proc/self/status") as status:
            for line in status:
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass
    return None


def timed(step, count):
    """Milliseconds of each of `count` calls."""
    times = []
    for _ in range(count):
        start = time.perf_counter()
        step()
        times.append((time.perf_counter() - start) * 1000)
    return times


def warm_up(step):
    """Steps for three seconds: runtimes that compile while they run need as long."""
    end = time.perf_counter() + 3
    while time.perf_counter() < end:
        step()


def serve(prepare, fit, infer):
    """Answers orders. `prepare(network, batch)` returns a function that takes one step."""
    steps = {}
    for line in sys.stdin:
        order = json.loads(line)
        op, network = order["op"], order.get("network")
        try:
            answer = {}
            if op == "prepare":
                step = steps[network, order["batch"]] = prepare(network, order["batch"])
                warm_up(step)
            elif op == "steps":
                answer["ms"] = timed(steps[network, order["batch"]], order["count"])
            elif op == "fit":
                answer["ms"] = fit(network, order["batch"], order["rows"], order["epochs"])
            elif op == "infer":
                answer["ms"] = infer(network, order["rows"])
            elif op == "memory":
                answer["bytes"] = peak_memory()
        except Exception:
            answer = {"error": traceback.format_exc()}
        print(json.dumps(answer), flush=True)
