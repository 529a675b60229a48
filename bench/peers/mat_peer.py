"""SciPy's side of `deno task bench mat`: writes a file in IMDB's format, and reads one.

    mat.py write FILE ROWS
    mat.py load FILE          prints seconds, the most memory held in bytes, and rows as JSON
"""
import json, resource, sys, time

import numpy as np
import scipy.io

PEOPLE = 20_284  # as many as IMDB's file has


def cell(values, count):
    array = np.empty((1, count), dtype=object)
    for i, value in enumerate(values):
        array[0, i] = value
    return array


def write(path, rows):
    rng = np.random.default_rng(0)
    person = rng.integers(1, PEOPLE + 1, rows)
    names = [f"Person {i} Åse" if i % 50 == 0 else f"Some Name {i}" for i in range(PEOPLE + 1)]
    taken = rng.integers(1960, 2015, rows)
    photo = rng.integers(10**8, 4 * 10**9, rows)
    paths = (
        f"{p % 100:02d}/nm{p:07d}_rm{r}_{1900 + p % 90}-1-1_{t}.jpg"
        for p, r, t in zip(person, photo, taken)
    )
    boxes = rng.random((rows, 4)) * 500
    score = rng.random(rows) * 6
    score[rng.random(rows) < 0.2] = -np.inf
    second = rng.random(rows) * 5
    second[rng.random(rows) < 0.6] = np.nan
    gender = rng.integers(0, 2, rows).astype(float)
    gender[rng.random(rows) < 0.02] = np.nan
    struct = {
        "dob": rng.integers(700_000, 730_000, PEOPLE + 1).astype(float)[person][None],
        "photo_taken": taken.astype(np.uint16)[None],
        "full_path": cell(paths, rows),
        "gender": gender[None],
        "name": cell((names[p] for p in person), rows),
        "face_location": cell((boxes[i : i + 1] for i in range(rows)), rows),
        "face_score": score[None],
        "second_face_score": second[None],
        "celeb_names": cell(names[1:], PEOPLE),
        "celeb_id": person[None].astype(float),
    }
    scipy.io.savemat(path, {"imdb": struct}, do_compression=True)


def load(path):
    began = time.perf_counter()
    imdb = scipy.io.loadmat(path)["imdb"]
    seconds = time.perf_counter() - began
    kilo = 1 if sys.platform == "darwin" else 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * kilo
    print(json.dumps({"seconds": seconds, "bytes": peak, "rows": imdb["dob"][0, 0].size}))


if sys.argv[1] == "write":
    write(sys.argv[2], int(sys.argv[3]))
else:
    load(sys.argv[2])
