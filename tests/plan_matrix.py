#!/usr/bin/env python3
"""Plans every model for GPUs that are not here, through `gpunet plan`: each operation must have a cuDNN plan that
finalises, or is compiled and wants only a driver, or a kernel that compiles.

    tests/plan_matrix.py GPUNET          a subset: every model, every combination of architecture, precision and batch
    tests/plan_matrix.py GPUNET --all    every combination; for the night (about an hour on two cores)
"""
import argparse
import itertools
import json
import os
import subprocess
import sys
import tempfile

ARCHITECTURES = ["sm_80", "sm_89", "sm_90", "sm_100", "sm_120"]
PRECISIONS = ["fp16", "bf16", "fp32"]
BATCHES = [1, 8]
GOOD = ["ready", "compiled, not loaded"]


def combinations(models, everything):
    whole = list(itertools.product(ARCHITECTURES, PRECISIONS, BATCHES))
    if everything:
        return [(m, *c) for m in models for c in whole]
    # One of the thirty for each model: more models than combinations, and each combination has one.
    return [(m, *whole[7 * i % len(whole)]) for i, m in enumerate(models)]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("gpunet", help="the program")
    parser.add_argument("--all", action="store_true", help="every combination")
    arguments = parser.parse_args()

    def run(*command):
        return subprocess.run([arguments.gpunet, *command], capture_output=True, text=True, env=environment)

    with tempfile.TemporaryDirectory() as cache:
        environment = {**os.environ, "GPUNET_CACHE": cache}
        listed = run("list", "--json")
        models = [m["name"] for m in json.loads(listed.stdout)]
        bad = []
        statuses = dict.fromkeys(GOOD, 0)
        chosen = combinations(models, arguments.all)
        for model, architecture, precision, batch in chosen:
            what = f"{model} {architecture} {precision} batch {batch}"
            result = run("plan", model, "--gpu", architecture, "--precision", precision, "--batch", str(batch), "--json")
            if result.returncode != 0:
                if "cuDNN 9 cannot be opened" in result.stderr:
                    print("skipped:", result.stderr.strip())
                    return 0
                bad.append(f"{what}: status {result.returncode}: {result.stderr.strip()}")
                print(bad[-1], file=sys.stderr)
                continue
            operations = json.loads(result.stdout)["operations"]
            for o in operations:
                if o["status"] in statuses:
                    statuses[o["status"]] += 1
                else:
                    bad.append(f"{what}: layer {o['layer']}: {o['operation']}: {o['status']}")
                    print(bad[-1], file=sys.stderr)
            print(f"{what}: {len(operations)} operations", flush=True)
    pairs = {c[1:] for c in chosen}
    print(f"{len(chosen)} plans of {len(models)} models, {len(pairs)} of 30 combinations; "
          + ", ".join(f"{n} {s}" for s, n in statuses.items()) + f"; {len(bad)} bad")
    return 1 if bad or len(pairs) < 30 or not models else 0


sys.exit(main())
