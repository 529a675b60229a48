"""Holds model.onnx of a run against onnxruntime for Python and onnx.checker, on the whole test set.

    pip install onnx onnxruntime numpy pyarrow
    deno task run pipeline --set trainGender.export=[onnx] --set trainAge.export=[onnx]
    python tests/faces/training/onnx/check.py artifacts

takes the newest evaluate, and prints how far the predictions are from those in predictions.parquet.
It skips models that were not exported, and ends with exit code 2 if none was.
"""
import json, pathlib, sys
import numpy as np, onnx, onnxruntime, pyarrow.parquet as parquet

artifacts = pathlib.Path(sys.argv[1])
report = max(artifacts.glob("evaluate/*/record.json"), key=lambda path: path.stat().st_mtime)
inputs = json.loads(report.read_text())["dependencies"]["inputs"]


def folder(digest):
    for path in artifacts.glob("*/*/record.json"):
        for name, output in json.loads(path.read_text())["outputs"].items():
            if output["digest"] == digest:
                return path.parent / name
    raise SystemExit(f"no result with digest {digest}")


images = np.load(folder(inputs["dataset"]) / "images.npy")
rows = parquet.read_table(report.parent / "report" / "predictions.parquet").to_pylist()
worst, checked = 0.0, 0
for stage, digest in inputs["models"].items():
    path = folder(digest) / "model.onnx"
    if not path.exists():
        trained = stage.split(".")[0]
        print(f"{stage}: skipped, as it was not exported: --set {trained}.export=[onnx]")
        continue
    checked += 1
    onnx.checker.check_model(str(path), full_check=True)
    ours = [row for row in rows if row["stage"] == stage and row["split"] == "test"]
    session = onnxruntime.InferenceSession(str(path))
    output, = session.run(None, {"images": images[[row["row"] for row in ours]]})
    name = session.get_outputs()[0].name
    if name in ("years", "value"):
        ages = np.array([row["prediction"] for row in ours])
        if name == "years":
            output, ages = np.maximum(output, 0), np.maximum(ages, 0)
        # Of numbers of any scale relative to them.
        difference = np.abs(output[:, 0] - ages) / (np.maximum(1, np.abs(ages)) if name == "value" else 1)
    else:
        difference = np.abs(output - np.array([row["probabilities"] for row in ours])).max(1)
    worst = max(worst, difference.max())
    print(f"{stage}: {len(ours)} test rows, largest difference {difference.max():.2g}")
sys.exit(2 if checked == 0 else int(worst > 1e-4))
