"""Prints as JSON what TensorBoard itself reads from a model's folder, file by file.

    pip install tensorboard==2.21.0
    deno eval 'import { writeCase } from "./tests/training/tensorboard_case.ts"; await writeCase("case")'
    python tests/faces/training/tensorboard_read.py case > tests/faces/training/tensorboard_read.json
    deno fmt tests/faces/training/tensorboard_read.json
"""

import base64
import json
import sys
from pathlib import Path

import tensorboard
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.util import tensor_util

runs = {}
for run in sorted((Path(sys.argv[1]) / "tensorboard").iterdir()):
    accumulator = EventAccumulator(str(run))
    accumulator.Reload()
    (file,) = run.iterdir()
    runs[run.name] = {
        "file": file.name,
        "bytes": base64.b64encode(file.read_bytes()).decode(),
        "scalars": {
            tag: {
                "plugin": accumulator.SummaryMetadata(tag).plugin_data.plugin_name,
                "steps": [event.step for event in accumulator.Tensors(tag)],
                "times": [event.wall_time for event in accumulator.Tensors(tag)],
                "values": [
                    tensor_util.make_ndarray(event.tensor_proto).item()
                    for event in accumulator.Tensors(tag)
                ],
            }
            for tag in accumulator.Tags()["tensors"]
        },
    }
print(json.dumps({"tensorboard": tensorboard.__version__, "runs": runs}))
