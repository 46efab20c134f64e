"""The same points as main.rs, which runs it, through PyPI river (HalfSpaceTrees) and a NumPy moving z-score, one core.

python benches/detect/peers.py [scoring|memory], with river and numpy
"""
import math
import sys
import time
import tracemalloc

import numpy as np
from river import anomaly

M = (1 << 64) - 1


def value(series, n):
    state = ((series << 32 | n) ^ 0x9E3779B97F4A7C15) * 0xBF58476D1CE4E5B9 & M
    noise = (state >> 40) / float(1 << 24)
    return 50.0 + 20.0 * math.sin(n % 288 / 288 * math.tau) + 5.0 * noise


def told(what, points, secs):
    print("%-44s %9.0f points/s  %7.3f us/point" % (what, points / secs, secs * 1e6 / points))


def trees(points):
    model = anomaly.HalfSpaceTrees(seed=42, limits={"v": (0, 100)})
    began = time.perf_counter()
    for v in points:
        x = {"v": v}
        model.score_one(x)
        model.learn_one(x)
    return time.perf_counter() - began


def z_by_point(points, window=288):
    ring, total, squares = np.zeros(window), 0.0, 0.0
    began = time.perf_counter()
    for n, v in enumerate(points):
        old = ring[n % window]
        total += v - old
        squares += v * v - old * old
        ring[n % window] = v
        mean = total / window
        abs(v - mean) / math.sqrt(max(squares / window - mean * mean, 1e-12))
    return time.perf_counter() - began


def z_by_batch(points, window=288):
    a = np.asarray(points)
    began = time.perf_counter()
    sums, squares = np.cumsum(a), np.cumsum(a * a)
    mean = (sums[window:] - sums[:-window]) / window
    spread = np.sqrt(np.maximum((squares[window:] - squares[:-window]) / window - mean * mean, 1e-12))
    np.abs(a[window:] - mean) / spread
    return time.perf_counter() - began


def scoring(points):
    n = len(points)
    told("river HalfSpaceTrees, score and learn", n, trees(points))
    told("NumPy moving z-score, point by point", n, z_by_point(points))
    many = points * 50
    told("NumPy moving z-score, one batch", len(many), z_by_batch(many))


def memory(points):
    tracemalloc.start()
    models = []
    for k in range(20):
        model = anomaly.HalfSpaceTrees(seed=k, limits={"v": (0, 100)})
        for v in points[:300]:
            model.learn_one({"v": v})
        models.append(model)
    print("%-44s %9d B/series" % ("river HalfSpaceTrees, memory", tracemalloc.get_traced_memory()[0] // len(models)))
    print("%-44s %9d B/series" % ("NumPy window of 288, memory", sys.getsizeof(np.zeros(288))))


def main():
    points = [value(0, k) for k in range(20_000)]
    wanted = sys.argv[1] if len(sys.argv) > 1 else ""
    if wanted != "memory":
        scoring(points)
    if wanted != "scoring":
        memory(points)


main()
