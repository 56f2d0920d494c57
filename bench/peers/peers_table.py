"""The result of peers.sh as a page: pure functions of what cpu.py measured."""
import statistics

import ratios


def row(*cells):
    return "| " + " | ".join(str(c) for c in cells) + " |"


def head(*cells):
    return [row(*cells), "|" + "---|" * len(cells)]


def spread(quartiles):
    """The median with the interquartile range as a share of it."""
    first, middle, third = quartiles
    return f"{middle:.2f} ({round(100 * (third - first) / middle)} %)"


def compared(cases):
    return [{**case, **ratios.compare(case["rounds"])} for case in cases]


def latencies(rows):
    """Every case with its ratio."""
    engines = list(rows[0]["latency_ms"])
    lines = head("model", "batch", "threads", *(f"{e}, ms" for e in engines), "better peer", "ratio", "its quartiles")
    for r in rows:
        first, third = r["ratio_quartiles"]
        lines.append(row(r["model"], r["batch"], r["threads"], *(spread(r["latency_ms"][e]) for e in engines),
                         r["better_peer"], f"**{r['ratio']:.3f}**", f"{first:.3f} - {third:.3f}"))
    return lines


def geometric_means(rows):
    """By model, by shape, and of all."""
    lines = head("geometric mean of the ratio", "cases", "ours / better peer")
    for key in (lambda r: r["model"], lambda r: f"batch {r['batch']}, threads {r['threads']}", lambda r: "**all**"):
        lines += [row(name, count, f"{mean:.3f}") for name, (mean, count) in ratios.means(rows, key).items()]
    return lines


def cold_starts(rows):
    """Medians over the fresh processes: milliseconds to the first answer, and what that added to peak memory."""
    engines = list(rows[0]["latency_ms"])
    lines = head("model", "batch", "threads", *(f"{e}, ms" for e in engines), *(f"{e}, MiB" for e in engines))
    for r in rows:
        load = [statistics.median(c[e]["load_ms"] for c in r["cold"]) for e in engines]
        memory = [statistics.median(c[e]["peak_bytes"] - c[e]["baseline_bytes"] for c in r["cold"]) for e in engines]
        lines.append(row(r["model"], r["batch"], r["threads"], *(f"{ms:.0f}" for ms in load),
                         *(f"{b / 2**20:.0f}" for b in memory)))
    return lines


def baselines(rows):
    """What a process takes before it loads, which is the interpreter's with the peers."""
    engines = list(rows[0]["latency_ms"])
    mib = {e: statistics.median(c[e]["baseline_bytes"] for r in rows for c in r["cold"]) / 2**20 for e in engines}
    return ", ".join(f"{e} {mib[e]:.0f} MiB" for e in engines)


def markdown(result):
    """The whole page. Warm cases first, then cold starts if there are any."""
    rows = compared(result["cases"])
    lines = [f"# CPU, against its peers, {result['date']}", ""]
    lines += [f"- {name}: {value}" for name, value in {**result["machine"], **result["versions"]}.items()]
    busy = [100 * r["others"] for r in rows]
    lines += [f"- others' share of all cores meanwhile: {statistics.median(busy):.0f} %, "
              f"at most {max(busy):.0f} % in a case",
              f"- logits agree within {max(r['difference'] for r in rows):.1e} of the largest", "",
              f"fp32, warm, {result['rounds']} rounds: the median over the rounds of each round's median latency, and",
              "the interquartile range in percent of it. Ratio: the median of the rounds' ratios, ours by the better",
              "peer's; below 1 ours is faster.", ""]
    lines += [*latencies(rows), "", *geometric_means(rows)]
    with_cold = [r for r in rows if r["cold"]]
    if with_cold:
        count = len(with_cold[0]["cold"])
        lines += ["", f"Cold start, medians over {count} fresh processes of each engine: from the call to load to the",
                  "first answer, and the peak memory that this added to what the process had before:",
                  f"{baselines(with_cold)}.", "", *cold_starts(with_cold)]
    return "\n".join(lines) + "\n"
