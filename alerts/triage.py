"""What becomes of an incident: raised, merged, suppressed or rejected; always with a reason. Pure."""

import json
import re
from dataclasses import dataclass
from enum import StrEnum

from models.alert import ENDED, Alert
from models.gate import KIND as GATE_EVENT
from models.incident import Evidence, Incident, Phase, Severity
from models.incident_json import incident_to_json

RETELL_S = 60.0
"""A scene that goes on is told to the alert's log once in so many seconds of frame time; in between, it only counts."""

MACHINE_EVIDENCE = 20
"""Pictures that sightings may add to one alert. A crowd of a whole day would bury those that matter."""


HEAD_START_S = {Severity.RED: -1e10, Severity.ORANGE: 300.0, Severity.YELLOW: 900.0, Severity.BLUE: 14_400.0}
"""How much later than it came a severity counts as come: the time in which it is to be acknowledged (dispatch.md, "Two
clocks"; blue's 4 working hours as 4 h). Red's stands before all others'."""


def urgent_s(severity: Severity, created_s: float) -> float:
    """What queues sort by, the least first: red, then whatever must be answered first (earliest deadline first).

    That is severity with an age boost. Ageing is linear and the same for all, so nobody moves past another while they
    wait: "severity + age" at any moment sorts as this number does, which does not change, and which an index holds.
    """
    return created_s + HEAD_START_S[severity]


class Action(StrEnum):
    RAISE = "raise"
    MERGE = "merge"
    SUPPRESS = "suppress"
    REJECT = "reject"


@dataclass(frozen=True)
class Disposition:
    """What is done with an incident, and why, in a sentence."""

    action: Action
    reason: str


def unfit(incident: Incident) -> str | None:
    """Why the ledger can never hold this incident, in a sentence; None if it can."""
    if incident.camera_id is not None and not re.fullmatch(r"[A-Za-z0-9_\-]{1,26}", incident.camera_id):
        return "the camera's id is none that we give out"
    if incident.zone_id is not None and not re.fullmatch(r"[A-Za-z0-9_\-]{1,40}", incident.zone_id):
        return "the zone's id is none that a zone can have"
    if incident.part is not None and not re.fullmatch(r"[A-Za-z0-9_\-]{1,40}", incident.part):
        return "the part is none that a zone can have"
    numbers = (incident.at_s, incident.onset_s, incident.accuracy_m)
    if not all(0 <= number < 1e10 for number in numbers):
        return "a time or an accuracy is none that can be"
    try:
        json.dumps(incident_to_json(incident), allow_nan=False)
    except (TypeError, ValueError):
        return "a measure is no finite number or no JSON"
    return None


def triage(incident: Incident, latest: Alert | None, now_s: float) -> Disposition:
    """``latest`` is the newest alert of the incident's fold key, open or ended."""
    if incident.kind == GATE_EVENT and "event" in incident.measure:
        return Disposition(Action.SUPPRESS, "a gate says what it does: kept beside what its camera sees, no alert")
    if latest is not None and latest.state not in ENDED:
        age_s = max(0.0, now_s - latest.created_s)
        return Disposition(Action.MERGE, f"alert {latest.id} of this place is open since {age_s:.0f} s")
    if incident.phase is Phase.CLEARED:
        return Disposition(Action.SUPPRESS, "the scene is clear and no alert is open for it")
    if incident.phase is Phase.CONTINUING and latest is not None and incident.onset_s <= latest.last_seen_s:
        return Disposition(
            Action.SUPPRESS, f"alert {latest.id} of this same happening has ended ({latest.state.value})"
        )
    if incident.phase is Phase.CONTINUING:
        return Disposition(Action.RAISE, "this happening goes on and no alert was ever raised for it")
    return Disposition(Action.RAISE, "no alert is open for this kind and place")


def worth_telling(alert: Alert, incident: Incident) -> bool:
    """Whether a merged incident becomes an event of the alert's log, or only counts."""
    if incident.phase is Phase.CLEARED:
        return alert.scene_clear_s is None
    return (
        (incident.place_key is not None and incident.phase is Phase.ONSET)  # somebody's own words
        or alert.scene_clear_s is not None
        or incident.severity < alert.severity
        or bool(new_evidence(alert, incident))
        or incident.at_s - alert.last_seen_s >= RETELL_S
    )


def new_evidence(alert: Alert, incident: Incident) -> tuple[Evidence, ...]:
    """The pictures of the incident that the alert does not have; none once it holds MACHINE_EVIDENCE."""
    known = {item.sha256 for item in alert.evidence}
    if len(known) >= MACHINE_EVIDENCE:
        return ()
    return tuple(item for item in incident.evidence if item.sha256 not in known)
