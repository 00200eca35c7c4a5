"""What came of a run: why the proof does not hold, and the report for people and for programs."""

from collections import Counter
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from bench.loss_count import Count, shown
from bench.loss_faults import Bitten
from bench.loss_processes import ANYWHERE
from bench.loss_sync import Witness

RESUMED_WITHIN_S = 10.0
DRAINED_WITHIN_S = 180.0
LEAST_IN_FLIGHT = 50
"""Incidents that a spool has acknowledged and the ledger has not, when a kill is ordered."""
MOST_AGAIN = 0.01
"""Share of the incidents that may be on the wire twice."""


@dataclass(frozen=True)
class Wanted:
    """``alerts`` incidents at least and ``kills`` kills at named points (more at none), over about ``seconds``."""

    alerts: int = 2000
    kills: int = 12
    seconds: float = 6.0
    sources: int = 3
    dispatchers: int = 2
    phones: int = 2
    locked_s: float = 2.0
    database: str = ""
    sabotage: tuple[str, ...] = ()
    only: frozenset[str] = frozenset()
    without: frozenset[str] = frozenset()
    seed: int = 1


@dataclass
class Result:
    """What was done and what came of it. ``skipped`` names what could not be shown here, and why."""

    wanted: Wanted
    killed: Counter[str] = field(default_factory=Counter)
    in_flight: list[int] = field(default_factory=list)
    bitten: list[Bitten] = field(default_factory=list)
    witnesses: list[Witness] = field(default_factory=list)
    hasty: list[str] = field(default_factory=list)
    """Settings of the database by which it answers too soon."""
    ended: dict[str, list[str]] = field(default_factory=dict)
    """How each process ended that nobody killed, by its name."""
    skipped: dict[str, str] = field(default_factory=dict)
    missed: Counter[str] = field(default_factory=Counter)
    count: Count = field(default_factory=Count)
    appended: int = 0
    again: int = 0
    """Messages on the wire that were there before, and that Redis had not lost."""
    anew: int = 0
    """Those that it had."""
    tries: int = 0
    connections: int = 0
    load_s: float = 0.0
    drain_s: float = 0.0
    drained: bool = True

    @property
    def kills(self) -> int:
        return sum(self.killed.values())

    @property
    def named(self) -> int:
        """Kills at named points."""
        return sum(times for name, times in self.killed.items() if not name.endswith(f" {ANYWHERE}"))

    @property
    def sent_again(self) -> float:
        return self.again / self.appended if self.appended else 0.0

    def refusals(self) -> list[str]:
        """Why the check does not hold; empty where it does."""
        count = self.count
        found = [f"lost: {shown(count.lost)}"] if count.lost else []
        found += [f"duplicates: {shown(count.duplicates)}"] if count.duplicates else []
        found += count.faults[:10]
        found += [f"{name}: {why}" for name, why in self.skipped.items()]
        found += [f"{bite.fault} did not bite: it proves nothing" for bite in self.bitten if not bite.bit]
        found += [
            f"{bite.fault}: the ledger went on only after {bite.resumed_s:.1f} s, {RESUMED_WITHIN_S:.0f} are promised"
            for bite in self.bitten
            if bite.resumed_s > RESUMED_WITHIN_S
        ]
        found += [f"fsync: {setting} in the database" for setting in self.hasty]
        for witness in self.witnesses:
            if not witness.acknowledged:
                found.append(f"fsync: no acknowledgement of the {witness.role} was seen")
            elif witness.unflushed:
                found.append(
                    f"fsync: {len(witness.unflushed)} of {witness.acknowledged} acknowledgements of the {witness.role} "
                    f"came before the disk had the data, as {witness.unflushed[0]}"
                )
        found += [
            f"{name} ended by itself {len(ends)} times, first {ends[0]}" for name, ends in self.ended.items() if ends
        ]
        if not self.drained:
            found.append(f"spools or seals were not done {DRAINED_WITHIN_S:.0f} s after the last kill")
        if count.incidents < self.wanted.alerts or self.named < self.wanted.kills:
            found.append(f"only {count.incidents} incidents and {self.named} kills at named points of those wanted")
        if idle := sum(flying < LEAST_IN_FLIGHT for flying in self.in_flight):
            found.append(f"{idle} of {self.kills} kills came with fewer than {LEAST_IN_FLIGHT} incidents in flight")
        if self.sent_again > MOST_AGAIN:
            found.append(f"{self.sent_again:.2%} of the incidents were sent again, {MOST_AGAIN:.0%} may be")
        return found


def as_json(result: Result) -> dict[str, Any]:
    """The report for programs."""
    count, kills = result.count, result.kills
    refusals = result.refusals()
    return {
        "holds": not refusals,
        "refusals": refusals,
        "incidents": count.incidents,
        "alerts": count.alerts,
        "commands_2xx": count.commands,
        "command_tries": result.tries,
        "positions": count.positions,
        "lost": len(count.lost),
        "duplicates": len(count.duplicates),
        "kills": kills,
        "kills_at_named_points": result.named,
        "killed": dict(sorted(result.killed.items())),
        "missed_points": dict(result.missed),
        "in_flight": {"least": min(result.in_flight, default=0), "median": median(result.in_flight or [0])},
        # The rule of three: 0 in n tries leaves, at 95 %, a rate of at most 3/n. It says nothing where there was one.
        "upper_bound_95": None
        if count.lost or not kills
        else {"loss_per_kill": 3 / kills, "loss_per_incident": 3 / max(3, count.incidents)},
        "sent_again": result.sent_again,
        "sent_anew_after_a_flush": result.anew,
        "stream_connections": result.connections,
        "faults": [vars(bite) for bite in result.bitten],
        "fsync": [
            {"role": each.role, "acknowledgements": each.acknowledged, "unflushed": len(each.unflushed)}
            for each in result.witnesses
        ],
        "load_s": round(result.load_s, 1),
        "drain_s": round(result.drain_s, 1),
        "incidents_per_s": round(count.incidents / max(result.load_s + result.drain_s, 1e-9), 1),
    }


def as_text(report: dict[str, Any]) -> str:
    """The report for people."""
    lines = [
        f"{report['incidents']} incidents in {report['alerts']} alerts, {report['commands_2xx']} commands, "
        f"{report['positions']} sealed events: {report['incidents_per_s']} incidents/s over "
        f"{report['load_s']} s and {report['drain_s']} s of draining",
        f"{report['kills']} kills, {report['kills_at_named_points']} of them at named points, with at least "
        f"{report['in_flight']['least']} incidents in flight ({report['in_flight']['median']:.0f} in the median):",
        *(f"  {times:4d}  {name}" for name, times in report["killed"].items()),
        *(
            f"  {bite['fault']} for {bite['seconds']:.1f} s; went on after {bite['resumed_s']:.1f} s, had all after "
            f"{bite['recovered_s']:.1f} s {bite['note']}"
            for bite in report["faults"]
        ),
        *(
            f"  fsync: {each['acknowledgements']} acknowledgements of the {each['role']} under strace, "
            f"{each['unflushed']} before the disk had the data"
            for each in report["fsync"]
        ),
        f"lost {report['lost']}, duplicates {report['duplicates']}; on the wire {report['sent_again']:.2%} twice, and "
        f"{report['sent_anew_after_a_flush']} that a flush had lost",
        *_bounds(report["upper_bound_95"]),
        "holds" if report["holds"] else "DOES NOT HOLD",
        *(f"  {refusal}" for refusal in report["refusals"]),
    ]
    return "\n".join(lines)


def _bounds(bound: dict[str, float] | None) -> list[str]:
    if bound is None:
        return []
    return [
        f"0 lost in n tries shows, at 95 %, a rate below 3/n: {bound['loss_per_kill']:.2%} a kill, "
        f"{bound['loss_per_incident']:.4%} an incident"
    ]
