"""How well the product sees: every set that there is, in one table, against what is promised.

``python -m bench.accuracy [--data DIR] [--part NAME]... [--json] [--check] [--markdown FILE]
[--reports DIR] [--sabotage closed-gate]``

Real footage goes through the real pipeline (``accuracy_footage``); the other parts are benches of their own, run beside
it at a size that fits. ``--markdown docs/accuracy.md`` writes the tables between that file's two marks. ``--sabotage
closed-gate``: a gate that lets nothing through, with which ``--check`` must fail.
"""

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bench.accuracy_footage import clips, footage_part
from bench.accuracy_others import OTHERS, run_other
from bench.accuracy_parts import Part, Table
from ingest.decode import reason_to_look
from ingest.watched import Gate
from models.errors import InvalidInput, WanggeError
from models.settings import read_settings
from ops.footage import ACKNOWLEDGEMENT, cached
from ops.replay import open_pipeline

FOOTAGE = "footage"
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
SAID_S = 5.0
SABOTAGES: dict[str | None, Gate] = {None: reason_to_look, "closed-gate": lambda *_: None}


def measure(
    data: Path, wanted: Sequence[str], gate: Gate, reports: Path | None, say: Callable[[str], None]
) -> list[Part]:
    """The parts, in order: footage in this process, the others one after the other in processes beside it."""
    with ThreadPoolExecutor(1) as beside:
        others = [beside.submit(run_other, other, data, say) for other in OTHERS if other.name in wanted]
        parts = [_footage(data, gate, reports, say)] if FOOTAGE in wanted else []
        return [*parts, *(other.result() for other in others)]


def _footage(data: Path, gate: Gate, reports: Path | None, say: Callable[[str], None]) -> Part:
    detector, eyes = open_pipeline(read_settings(os.environ))
    found, absent = clips(data)
    if cached():
        say(ACKNOWLEDGEMENT)
    return footage_part(found, absent, detector, eyes, gate, _sometimes(say), reports)


def _sometimes(say: Callable[[str], None]) -> Callable[[str, float], None]:
    said_s = 0.0

    def tell(what: str, share: float) -> None:
        nonlocal said_s
        if time.monotonic() - said_s >= SAID_S:
            said_s = time.monotonic()
            say(f"{FOOTAGE}: {what} {share:.0%}")

    return tell


def promises(parts: Sequence[Part]) -> Table:
    return Table("Promised and measured", [promise.row for part in parts for promise in part.promises])


def faults(parts: Sequence[Part]) -> list[str]:
    """What is promised and not kept. A part that could not be measured at all is one of them."""
    broken = [p.row for part in parts for p in part.promises if not p.is_kept]
    said = [f"{row['promise']}: {row['measured']}, promised {row['promised']}" for row in broken]
    return [*said, *(f"{part.name}: nothing was measured" for part in parts if not part.promises)]


def markdown(parts: Sequence[Part], took_s: float) -> str:
    """The tables, as they stand between the two marks."""
    blocks = [f"Measured on {platform.machine()}, {os.cpu_count()} CPUs, in {took_s / 60:.0f} minutes.", ""]
    blocks.append(promises(parts).markdown())
    blocks += [table.markdown() for part in parts for table in part.tables]
    left_out = [sentence for part in parts for sentence in part.left_out]
    if left_out:
        blocks += ["Not measured: " + "; ".join(left_out) + ".", ""]
    return "\n".join(blocks)


def write_between(path: Path, text: str) -> None:
    """Replaces what stands between the marks. Raises InvalidInput for a file without them."""
    before, after = _marked(path)
    path.write_text(f"{before}{BEGIN}\n\n{text}\n{END}{after}", encoding="utf-8")


def _marked(path: Path) -> tuple[str, str]:
    """What stands before and after the marks."""
    try:
        before, begin, rest = path.read_text(encoding="utf-8").partition(BEGIN)
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read: {error.strerror}") from None
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise InvalidInput(f"{path} has no place for the tables: it needs the lines {BEGIN} and {END}")
    return before, after


def main(arguments: Sequence[str]) -> int:
    names = [FOOTAGE, *(other.name for other in OTHERS)]
    parser = argparse.ArgumentParser(
        prog="python -m bench.accuracy", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder of the footage sets")
    parser.add_argument("--part", action="append", choices=names, help="this part only; may be given several times")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--check", action="store_true", help="exit 1 where what was promised is not so")
    parser.add_argument("--markdown", type=Path, help="write the tables between the marks of this file")
    parser.add_argument("--reports", type=Path, metavar="DIR", help="write a report of each clip, with pictures, there")
    parser.add_argument("--sabotage", choices=[name for name in SABOTAGES if name])
    asked = parser.parse_args(arguments)
    began_s = time.monotonic()
    try:
        if asked.markdown:
            _marked(asked.markdown)  # before the minutes that the rest takes
        if asked.reports:
            asked.reports.mkdir(parents=True, exist_ok=True)
        parts = measure(asked.data, asked.part or names, SABOTAGES[asked.sabotage], asked.reports, _say)
        took_s, missed = time.monotonic() - began_s, faults(parts)
        if asked.markdown:
            write_between(asked.markdown, markdown(parts, took_s))
    except (WanggeError, OSError) as error:
        _say(str(error))
        return 1
    if asked.json:
        document = {"parts": {part.name: part.to_json() for part in parts}, "missed": missed, "took_s": took_s}
        print(json.dumps(document, ensure_ascii=False))
    else:
        print(markdown(parts, took_s))
        print(*missed, sep="\n")
    return 1 if asked.check and missed else 0


def _say(line: str) -> None:
    print(line, file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
