"""Every backend test that the onnx package ships, through `check`, the lowered graph and an 8-bit network.

    python benchmarks/onnx_nodes.py                  all of them, by verdict
    python benchmarks/onnx_nodes.py --only conv      those whose name holds "conv", one line each
    python benchmarks/onnx_nodes.py --reasons        with every reason and how often it was given

A model is `lowered and equal` where the lowered graph gives the stored outputs up to float rounding; it is
then compiled with 8-bit levels and weights, calibrated on the stored input and perturbed copies, and every
population must stay within the error that the roundings allow (tests/support/bounds.py).
Exits 1 on any traceback or disagreement.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from support.node_cases import Outcome, Verdict, node_cases, run, stored_cases


def main() -> int:
    """Run the cases and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default="", help="cases whose name holds this text")
    parser.add_argument("--reasons", action="store_true", help="count the reasons as well")
    options = parser.parse_args()
    cases = [case for case in (*node_cases(), *stored_cases()) if options.only in case.name]
    outcomes = [run(case) for case in cases]
    if options.only:
        for outcome in outcomes:
            print(f"{outcome.name:50} {outcome.verdict.value:18} {outcome.reason}")
    print_table(outcomes)
    if options.reasons:
        print_reasons(outcomes)
    failed = [outcome for outcome in outcomes if outcome.failed]
    for outcome in failed:
        print(f"{outcome.suite}/{outcome.name}: {outcome.verdict.value}: {outcome.reason}", file=sys.stderr)
    return 1 if failed else 0


def print_table(outcomes: list[Outcome]) -> None:
    """One row per suite, one column per verdict."""
    print(
        "| suite | models | " + " | ".join(verdict.value for verdict in Verdict) + " | compiled at 8 bits |"
    )
    print("|---" * (len(Verdict) + 3) + "|")
    for suite in dict.fromkeys(outcome.suite for outcome in outcomes):
        rows = [outcome for outcome in outcomes if outcome.suite == suite]
        counts = Counter(outcome.verdict for outcome in rows)
        cells = [suite, len(rows), *(counts[verdict] for verdict in Verdict), sum(o.quantised for o in rows)]
        print("| " + " | ".join(map(str, cells)) + " |")


def print_reasons(outcomes: list[Outcome]) -> None:
    """How often each reason was given."""
    counts = Counter((o.verdict.value, o.reason.strip().splitlines()[-1]) for o in outcomes)
    for (verdict, reason), count in sorted(counts.items(), key=lambda item: (item[0][0], -item[1])):
        print(f"{count:5} {verdict}: {reason}")


if __name__ == "__main__":
    sys.exit(main())
