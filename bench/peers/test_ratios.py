#!/usr/bin/env python3
"""Tests of ratios.py and of the tables made with it. Needs nothing but Python."""
import pathlib
import sys
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import peers_table
import ratios

# b is the better peer by its median, though a is faster in one round.
ROUNDS = [{"gpunet": 3.0, "a": 4.0, "b": 2.0}, {"gpunet": 6.0, "a": 4.0, "b": 5.0}, {"gpunet": 3.0, "a": 4.0, "b": 3.0}]


class Ratios(unittest.TestCase):
    def test_quartiles_are_interpolated(self):
        self.assertEqual(ratios.quartiles([7]), (7, 7, 7))
        self.assertEqual(ratios.quartiles([4, 1, 3, 2, 5]), (2, 3, 4))
        self.assertEqual(ratios.quartiles([1, 2]), (1.25, 1.5, 1.75))

    def test_better_peer_is_one_for_all_rounds_and_never_ours(self):
        self.assertEqual(ratios.better_peer(ROUNDS), "b")
        self.assertEqual(ratios.better_peer([{"gpunet": 1.0, "a": 2.0, "b": 3.0}]), "a")

    def test_ratios_are_of_one_round_each(self):
        self.assertEqual(ratios.paired_ratios(ROUNDS, "b"), [1.5, 1.2, 1.0])
        # not the ratio of the medians, which is 1
        self.assertAlmostEqual(ratios.compare(ROUNDS)["ratio"], 1.2)

    def test_what_slows_a_whole_round_cancels(self):
        slowed = [{e: t * k for e, t in r.items()} for r, k in zip(ROUNDS, (1, 10, 3))]
        self.assertEqual(ratios.paired_ratios(slowed, "b"), ratios.paired_ratios(ROUNDS, "b"))

    def test_compare(self):
        found = ratios.compare(ROUNDS)
        self.assertEqual(found["better_peer"], "b")
        self.assertEqual(found["latency_ms"]["gpunet"], (3.0, 3.0, 4.5))
        self.assertAlmostEqual(found["ratio_quartiles"][0], 1.1)
        self.assertAlmostEqual(found["ratio_quartiles"][1], 1.35)

    def test_geometric_mean(self):
        self.assertAlmostEqual(ratios.geometric_mean([0.5, 2.0]), 1.0)
        self.assertAlmostEqual(ratios.geometric_mean([1.0, 2.0, 4.0]), 2.0)

    def test_means_of_groups(self):
        rows = [{"model": m, "ratio": r} for m, r in (("x", 2.0), ("y", 3.0), ("x", 8.0))]
        found = ratios.means(rows, lambda row: row["model"])
        self.assertEqual(list(found), ["x", "y"])
        self.assertAlmostEqual(found["x"][0], 4.0)
        self.assertEqual((found["x"][1], found["y"][1]), (2, 1))


class Table(unittest.TestCase):
    CASE = {"model": "M", "batch": 1, "threads": 2, "rounds": ROUNDS, "difference": 1e-6, "others": 0.02,
            "cold": [{e: {"load_ms": 10.0, "baseline_bytes": 1 << 20, "peak_bytes": 3 << 20} for e in ROUNDS[0]}]}
    RESULT = {"date": "2000-01-01", "machine": {"CPU": "a processor"}, "versions": {"gpunet": "gpunet 1"},
              "rounds": 3, "cases": [CASE]}

    def test_says_the_ratio_and_the_peer(self):
        self.assertIn("| M | 1 | 2 | 3.00 (50 %) | 4.00 (0 %) | 3.00 (50 %) | b | **1.200** | 1.100 - 1.350 |",
                      peers_table.markdown(self.RESULT).splitlines())

    def test_memory_is_without_what_was_there_before_loading(self):
        self.assertIn("| M | 1 | 2 | 10 | 10 | 10 | 2 | 2 | 2 |", peers_table.markdown(self.RESULT).splitlines())

    def test_says_how_busy_the_machine_was(self):
        self.assertIn("meanwhile: 2 %, at most 2 % in a case", peers_table.markdown(self.RESULT))

    def test_no_cold_starts_no_table_of_them(self):
        self.assertNotIn("Cold", peers_table.markdown({**self.RESULT, "cases": [{**self.CASE, "cold": []}]}))


if __name__ == "__main__":
    unittest.main()
