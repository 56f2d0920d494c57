#!/usr/bin/env python3
"""Makes summary.md of what tests/gpu.sh left in a folder of bench/results.

    python3 bench/summary.py FOLDER

Reads environment.json, steps.json, ours*.json (of gpunet bench), torch.json, accuracy.json, accuracy-tuned.json and
first_answer.json; whatever is not there is said to be missing.
"""
import json
import pathlib
import statistics
import sys

# us on an H100: fp16, nothing fused beyond convolution, bias, activation and residual, each kernel
# max(1.5 us, bytes / 3.0 TB/s, operations / 800 TFLOP/s). By batch.
FLOOR_H100 = {
    "GPUNet-0": {1: 52, 8: 139, 64: 1046}, "GPUNet-1": {1: 74, 8: 144, 64: 994},
    "GPUNet-2": {1: 163, 8: 370, 64: 2608}, "GPUNet-P0": {1: 59, 8: 118, 64: 874},
    "GPUNet-P1": {1: 75, 8: 210, 64: 1601}, "GPUNet-D1": {1: 120, 8: 563, 64: 4449},
    "GPUNet-D2": {1: 189, 8: 1221, 64: 9712},
}
WANTED = {1: 2.0, 64: 1.0}  # ours against the better of eager and compile
PEERS = ["eager", "eager_norms", "graph", "compile"]
JUDGED_BY = ["eager", "eager_norms", "compile"]


def read(path):
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):
        return None


def table(head, rows):
    lines = [" | ".join(head), " | ".join("---" for _ in head)] + [" | ".join(map(str, row)) for row in rows]
    return [f"| {line} |" for line in lines] + [""]


def ms(value):
    return "" if value is None else f"{value:.4f}" if value < 10 else f"{value:.2f}"


class Latency:
    def __init__(self, folder):
        self.passes = []  # (name, tuned, {(model, batch): row})
        for path in sorted(folder.glob("ours*.json"), key=lambda p: p.stem):
            rows = [r for r in read(path) or [] if r["precision"] == "fp16"]
            for tuned in (False, True):
                found = {(r["model"], r["batch"]): r for r in rows if r.get("tuned", False) == tuned}
                if found:
                    name = path.stem + (" tuned" if tuned and "tuned" not in path.stem else "")
                    self.passes.append((name, tuned, found))
        self.wrong = {r["model"] for r in read(folder / "accuracy-tuned.json") or []
                      if r["precision"] == "fp16" and r["verdict"] == "failed"}
        self.torch = {}
        for row in (read(folder / "torch.json") or {}).get("latency", []):
            if row.get("correct", True) and row["precision"] == "fp16":
                self.torch[row["model"], row["batch"], row["peer"]] = row

    def ours(self, model, batch, tuned):
        """The slowest of the passes' medians."""
        found = [p[model, batch]["median_ms"] for _, t, p in self.passes if t == tuned and (model, batch) in p]
        return max(found) if found else None

    def peer(self, model, batch, peer):
        """The faster of the latency of one call and the pace of calls in a queue."""
        row = self.torch.get((model, batch, peer))
        return None if row is None else min(row["median_ms"], row["queued_ms"])

    def batches(self):
        keys = {key for _, _, p in self.passes for key in p} | {key[:2] for key in self.torch}
        return sorted({b for _, b in keys}), sorted({m for m, _ in keys})


def latency_section(folder, environment):
    latency = Latency(folder)
    lines = ["## Latency, fp16, ms", ""]
    batches, models = latency.batches()
    if not batches:
        return lines + ["Nothing was measured.", ""]
    h100 = "H100" in str(environment.get("gpu", ""))
    both = {tuned for _, tuned, _ in latency.passes} == {False, True}
    for batch in batches:
        lines += [f"### Batch {batch}", ""]
        rows, ratios = [], []
        for model in models:
            untuned, tuned = latency.ours(model, batch, False), latency.ours(model, batch, True)
            taken = "tuned" if tuned and model not in latency.wrong else "untuned" if untuned else ""
            ours = {"tuned": tuned, "untuned": untuned}.get(taken)
            times = {peer: latency.peer(model, batch, peer) for peer in PEERS}
            judged = [times[p] for p in JUDGED_BY if times[p] is not None]
            ratio = min(judged) / ours if ours and judged else None
            if ratio:
                ratios.append((ratio, taken))
            verdict = "" if batch not in WANTED or ratio is None else (
                "yes" if ratio >= WANTED[batch] else "**no**")
            if verdict == "yes" and times["compile"] is None:
                verdict = "yes, but not compiled"
            floor = FLOOR_H100.get(model, {}).get(batch) if h100 else None
            rows.append([model, *(ms(p[model, batch]["median_ms"]) if (model, batch) in p else ""
                                  for _, _, p in latency.passes),
                         *(ms(times[peer]) for peer in PEERS), taken, f"{ratio:.2f}" if ratio else "", verdict,
                         *([f"{min(judged) / untuned:.2f}" if untuned and judged else ""] if both else []),
                         f"{floor / 1e3:.3f}" if floor else "", f"{1e3 * ours / floor:.2f}" if floor and ours else ""])
        wanted = f">= {WANTED[batch]:g}" if batch in WANTED else ""
        lines += table(["model", *(name for name, _, _ in latency.passes), *PEERS, "compared", "peer / ours", wanted,
                        *(["peer / untuned"] if both else []), "floor", "ours / floor"], rows)
        if ratios:
            values = [ratio for ratio, _ in ratios]
            lines += [f"Geometric mean of peer / ours: {statistics.geometric_mean(values):.2f} ({len(ratios)} models, "
                      f"{sum(taken == 'tuned' for _, taken in ratios)} of them tuned), worst {min(values):.2f}.", ""]
    if latency.wrong:
        lines += [f"Tuned, a golden fails in fp16 of {', '.join(sorted(latency.wrong))}: their tuned figures are not compared.",
                  ""]
    return lines + ["ours: median of single runs by CUDA events. Compared is the slowest tuned pass, as the peers are tuned "
                    "too (`cudnn.benchmark`, `max-autotune`), and where there is none the slowest untuned pass. A "
                    "peer's number is the smaller of its median latency and the median pace of queued calls; the ratio takes the fastest of "
                    f"{', '.join(JUDGED_BY)}. `graph` (PyTorch's eager kernels in one CUDA graph) is shown beside it. "
                    "Rows with wrong logits are left out.", ""]


def accuracy_section(path, title):
    rows = read(path)
    lines = [f"## {title}", ""]
    if not rows:
        return lines + ["Not run.", ""]
    precisions = list(dict.fromkeys(r["precision"] for r in rows))

    def name(row):
        return row["golden"] + (f" x {row['times']}" if row.get("times", 1) > 1 else "")

    cells = {(name(r), r["precision"]): r for r in rows}

    def cell(row):
        if row is None:
            return ""
        if "failed" in row:
            return row["failed"] if row["verdict"] == "not run" else f"**{row['failed']}**"
        text = f"{row['rel_l2']:.1e}"
        if "torch_rel_l2" in row:
            text += f" ({row['torch_rel_l2']:.1e})"
        return f"**{text}**" if row["verdict"] == "failed" else text + (" ?" if row["verdict"] != "passed" else "")

    goldens = list(dict.fromkeys(map(name, rows)))
    lines += table(["golden", *precisions], [[g, *(cell(cells.get((g, p))) for p in precisions)] for g in goldens])
    lines += ["In brackets PyTorch's own error at that precision on this device; twice that is the limit, 1e-4 in fp32. "
              "Bold: over the limit or failed; ?: not judged; x N: the picture N times in a batch, the worst of its logits.", ""]
    return lines + [f"- {r['golden']} {r['precision']} departs first at {r['departs']}" for r in rows if "departs" in r] + [""]


def first_answer_section(folder):
    rows = read(folder / "first_answer.json")
    lines = ["## First answer, process start to logits, s", ""]
    if not rows:
        return lines + ["Not measured.", ""]
    return lines + table(["model", "precision", "cold cache", "warm cache"],
                         [[r["model"], r["precision"], r["cold_s"], r["warm_s"]] for r in rows])


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    folder = pathlib.Path(sys.argv[1])
    environment = read(folder / "environment.json") or {}
    torch = read(folder / "torch.json") or {}
    facts = {**environment, **{f"torch {k}" if not k.startswith("torch") else k: v
                               for k, v in torch.get("facts", {}).items()}}
    lines = [f"# GPU measurements: {environment.get('gpu') or 'no GPU'}, {environment.get('date', '')}", "",
             "Made by `bench/summary.py` of the files beside it.", "", "## Steps", ""]
    lines += table(["step", "result", "s"], [[s["step"], s["result"], s["seconds"]] for s in read(folder / "steps.json") or []])
    lines += latency_section(folder, environment)
    lines += accuracy_section(folder / "accuracy.json", "Goldens: relative L2 of the logits")
    lines += accuracy_section(folder / "accuracy-tuned.json", "Goldens, tuned: relative L2 of the logits")
    lines += first_answer_section(folder)
    skipped = torch.get("skipped", [])
    if skipped:
        lines += ["## Not measured of PyTorch", ""] + [f"- {s['model']} {s['peer']} batch {s['batch']}: {s['why']}"
                                                       for s in skipped] + [""]
    lines += ["## Machine", ""] + [f"- {k}: {v}" for k, v in facts.items() if v not in (None, "")]
    (folder / "summary.md").write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
