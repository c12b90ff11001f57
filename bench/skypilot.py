"""SkyPilot's optimiser on price files: what it decides, at what price, and how long that takes.

    skypilot.py PRICES RUNTIME as-they-are|mended

Reads the price files of the folder PRICES, lays them out in the folder RUNTIME as SkyPilot's own
catalogues, and writes one JSON document to RUNTIME/decisions.json. Mended files have no prices of
nothing. The optimiser is slow, so mended files are decided on once, for their prices alone. Everything is decided in process: SkyPilot is
spared its API server. `cargo xtask bench quote` runs this.
"""

import csv
import json
import os
import re
import sys
import time

FILES = ["gcp", "azure", "lambda", "vast"]
SIX = ["L4", "T4", "V100", "A100", "A100-80GB", "H100"]
# Name, accelerators, spot or not, and how often it is timed on the files as they are.
CASES = [
    ("H100:8", ["H100:8"], [False], 3),
    ("any of 6 GPUs, spot or on-demand", [f"{name}:1" for name in SIX], [True, False], 3),
]


def rows_of(path):
    """The rows of a file as lists; a row with unquoted commas is split again from its right."""
    with open(path, newline="", encoding="utf-8") as file:
        lines = csv.reader(file)
        head = next(lines)
        yield head
        for row in lines:
            if len(row) == len(head):
                yield row
                continue
            generations = []
            while re.fullmatch(r"V\d", row[-1]):
                generations.insert(0, row.pop())
            info = ",".join(row[5:-3])
            yield [*row[:5], info, *row[-3:], ",".join(generations)]


def lay_out(prices, runtime, is_mended):
    """Writes the catalogues; where mended, prices of nothing are taken out."""
    catalogues = os.path.join(runtime, ".sky", "catalogs", "v8")
    clouds = {}
    for name in FILES:
        rows = rows_of(os.path.join(prices, f"{name}.csv"))
        head = next(rows)
        price, spot = head.index("Price"), head.index("SpotPrice")
        card = head.index("AcceleratorName")
        folder = os.path.join(catalogues, name)
        os.makedirs(folder, exist_ok=True)
        with open(os.path.join(folder, "vms.csv"), "w", newline="", encoding="utf-8") as file:
            out = csv.writer(file)
            out.writerow(head)
            for row in rows:
                if row[card]:
                    clouds.setdefault(row[card], set()).add(name)
                if is_mended and row[spot] and float(row[spot]) == 0:
                    row[spot] = ""
                if is_mended and row[card] and row[price] and float(row[price]) == 0:
                    continue
                out.writerow(row)
    os.makedirs(os.path.join(catalogues, "common"), exist_ok=True)
    path = os.path.join(catalogues, "common", "accelerators.csv")
    with open(path, "w", newline="", encoding="utf-8") as file:
        out = csv.writer(file)
        out.writerow(["AcceleratorName", "Clouds"])
        out.writerows([name, sorted(where)] for name, where in sorted(clouds.items()))


def decide(sky, accelerators, kinds):
    """One decision: seconds by the wall and of the processor, dollars an hour, what was chosen."""
    from sky import optimizer
    with sky.Dag() as dag:
        task = sky.Task(run="true")
        task.set_resources({
            sky.Resources(accelerators=name, use_spot=spot)
            for name in accelerators for spot in kinds
        })
        task.set_time_estimator(lambda _: 3600)
    wall, processor = time.perf_counter(), time.process_time()
    optimizer.Optimizer.optimize(dag, quiet=True)
    wall, processor = time.perf_counter() - wall, time.process_time() - processor
    best = task.best_resources
    return wall, processor, best.get_cost(3600), str(best)


def all_cases(sky, is_mended):
    """Every case; timed as often as it says where the files are as they are."""
    found = []
    for name, accelerators, kinds, runs in CASES:
        decided = [decide(sky, accelerators, kinds) for _ in range(1 if is_mended else runs)]
        found.append({
            "case": name,
            "wall_s": [wall for wall, _, _, _ in decided],
            "processor_s": [processor for _, processor, _, _ in decided],
            "usd_per_hour": decided[-1][2],
            "chosen": decided[-1][3],
        })
    return found


def main():
    """Decides on the files as they are, or, when told, as they should be."""
    prices, runtime, is_mended = sys.argv[1], sys.argv[2], sys.argv[3] == "mended"
    os.environ["SKY_RUNTIME_DIR"] = runtime
    os.environ["HOME"] = runtime
    os.environ["SKYPILOT_DISABLE_USAGE_COLLECTION"] = "1"
    lay_out(prices, runtime, is_mended)
    import sky
    from sky import check
    from sky.clouds import GCP, Azure, Lambda, Vast
    enabled = [GCP(), Azure(), Lambda(), Vast()]
    check.get_cached_enabled_clouds_or_refresh = lambda *_, **__: enabled
    found = {"version": sky.__version__, "decisions": all_cases(sky, is_mended)}
    with open(os.path.join(runtime, "decisions.json"), "w", encoding="utf-8") as file:
        json.dump(found, file)


if __name__ == "__main__":
    main()
