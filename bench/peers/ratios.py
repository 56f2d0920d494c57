"""The arithmetic of the comparison: pure functions of the rounds' figures.

A round is {engine: milliseconds}: the median latency of each engine in it. OURS is the engine that is compared; all
others are peers.
"""
import math
import statistics

OURS = "gpunet"


def quartiles(values):
    """First quartile, median, third quartile, interpolated; of one value, that value."""
    return tuple(statistics.quantiles(values, n=4, method="inclusive") if len(values) > 1 else [values[0]] * 3)


def medians(rounds):
    """{engine: median over all rounds}"""
    return {engine: statistics.median(r[engine] for r in rounds) for engine in rounds[0]}


def better_peer(rounds):
    """The peer whose median over all rounds is the lowest."""
    found = medians(rounds)
    return min((engine for engine in found if engine != OURS), key=found.get)


def paired_ratios(rounds, peer):
    """Ours by the peer's, round by round: below 1 where ours is faster."""
    return [r[OURS] / r[peer] for r in rounds]


def compare(rounds):
    """What the rounds say: every engine's median and quartiles, the better peer, the median ratio to it and its
    quartiles."""
    peer = better_peer(rounds)
    first, middle, third = quartiles(paired_ratios(rounds, peer))
    return {"latency_ms": {engine: quartiles([r[engine] for r in rounds]) for engine in rounds[0]},
            "better_peer": peer, "ratio": middle, "ratio_quartiles": (first, third)}


def geometric_mean(values):
    return math.exp(statistics.fmean(math.log(v) for v in values))


def means(rows, key):
    """{key(row): (geometric mean of the rows' ratios, how many)}, in the order of the rows."""
    groups = {}
    for row in rows:
        groups.setdefault(key(row), []).append(row["ratio"])
    return {k: (geometric_mean(ratios), len(ratios)) for k, ratios in groups.items()}
