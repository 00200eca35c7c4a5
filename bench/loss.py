"""Nothing is lost: incidents and commands while every process is killed, Redis is emptied, database and disk refuse.

    python -m bench.loss --check                                       # a small one, about half a minute
    python -m bench.loss --alerts 100000 --kills 200 --seconds 600 --check
    python -m bench.loss --database postgresql+psycopg://… --check     # an empty database of its own
    python -m bench.loss --sabotage ack-before-commit --check          # shows that the check can fail

Sources (the worker's spool and courier) append incidents and write down each that the spool acknowledged; a real Valkey
carries them to two dispatchers and a ledger; phones give commands over HTTP and write down each 2xx; a reader follows
the live stream. Meanwhile they are killed at named points. Then what was promised is compared with what is there.
"""

import argparse
import json
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from bench.crashing import POINTS
from bench.loss_plan import FAULTS
from bench.loss_processes import preload
from bench.loss_report import Wanted, as_json, as_text
from bench.loss_run import Proof
from bench.loss_sabotage import SABOTAGES
from models.errors import WanggeError


def read_arguments(words: Sequence[str]) -> tuple[Wanted, argparse.Namespace]:
    parser = argparse.ArgumentParser("wangge bench loss", description=__doc__.partition("\n")[0])
    standard = Wanted()

    def number(low: float, high: float, kind: type = int) -> Callable[[str], Any]:
        def convert(text: str) -> Any:
            value = kind(text)
            if not low <= value <= high:
                raise argparse.ArgumentTypeError(f"it must be {low:g} to {high:g}")
            return value

        return convert

    parser.add_argument("--alerts", type=number(1, 10_000_000), default=standard.alerts, help="incidents at least")
    parser.add_argument("--kills", type=number(0, 100_000), default=standard.kills)
    parser.add_argument("--seconds", type=number(1, 86_400, float), default=standard.seconds, help="about so long")
    parser.add_argument("--sources", type=number(1, 50), default=standard.sources)
    parser.add_argument("--dispatchers", type=number(1, 20), default=standard.dispatchers)
    parser.add_argument("--locked", type=number(2, 600, float), default=standard.locked_s, help="seconds of that fault")
    parser.add_argument("--database", default="", help="an empty database; else SQLite in a folder of its own")
    parser.add_argument(
        "--sabotage", choices=sorted(SABOTAGES), action="append", default=[], help="a fault that the check must find"
    )
    points = [point for each in POINTS.values() for point in each]
    parser.add_argument("--at", choices=points, action="append", default=[], help="kill only there; else everywhere")
    parser.add_argument("--without", choices=(*FAULTS, "fsync"), action="append", default=[], help="leave that out")
    parser.add_argument("--seed", type=int, default=standard.seed)
    parser.add_argument("--json", action="store_true", help="for programs: one JSON document on stdout")
    parser.add_argument("--check", action="store_true", help="exit status 1 unless all of it holds")
    parser.add_argument("--keep", type=Path, help="leave ledger, journals and logs in this new folder")
    asked = parser.parse_args(words)
    wanted = Wanted(
        asked.alerts,
        asked.kills,
        asked.seconds,
        asked.sources,
        asked.dispatchers,
        standard.phones,
        asked.locked,
        asked.database,
        tuple(asked.sabotage),
        frozenset(asked.at),
        frozenset(asked.without),
        asked.seed,
    )
    return wanted, asked


def main() -> int:
    wanted, asked = read_arguments(sys.argv[1:])

    def say(line: str) -> None:
        print(f"{time.strftime('%H:%M:%S')} {line}", file=sys.stderr, flush=True)

    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that it ends what it started
    preload()
    with tempfile.TemporaryDirectory(prefix="wangge-loss-") as made:
        folder = Path(made) if asked.keep is None else asked.keep.absolute()
        if asked.keep:
            try:
                folder.mkdir(parents=True)
            except OSError as error:
                print(f"{folder} cannot be made: {error.strerror}", file=sys.stderr)
                return 1
        try:
            report = as_json(Proof(wanted, folder, say).run())
        except WanggeError as error:
            print(error, file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            return 130
    print(json.dumps(report, indent=1) if asked.json else as_text(report))
    return int(asked.check and not report["holds"])


if __name__ == "__main__":
    sys.exit(main())
