"""dlib's own CNN face detector, as a peer: see bench/peer.ts. Its weights are the argument."""
import json
import sys
import time

import dlib
import numpy

detector = dlib.cnn_face_detection_model_v1(sys.argv[1])


def detect(file, width, height, **_):
    picture = numpy.fromfile(file, numpy.uint8).reshape(height, width, 3)
    start = time.perf_counter()
    found = detector(picture, 0)
    ms = (time.perf_counter() - start) * 1000
    faces = [
        [f.rect.left(), f.rect.top(), f.rect.width(), f.rect.height(), f.confidence] for f in found
    ]
    return {"ms": ms, "faces": faces}


for line in sys.stdin:
    order = json.loads(line)
    print(json.dumps(detect(**order)), flush=True)
