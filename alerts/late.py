"""What someone sends after their claim was lost: refused as ever, but kept as a note, never lost, never overwriting."""

import hashlib
import json
from collections.abc import Sequence

from alerts.lifecycle import read_arguments
from alerts.projection import LATE
from alerts.transitions import HELD
from models.alert import Alert, Command, CommandType, Event, EventType
from models.errors import InvalidInput

KEPT = frozenset({CommandType.ACCEPT, CommandType.ARRIVE, CommandType.HANDLE, CommandType.RETURN})
"""Commands of a grid worker that tell of work done."""


def note(alert: Alert, log: Sequence[Event], command: Command, expected_version: int, now_s: float) -> Event | None:
    """The note that keeps it.

    None for someone who never held the case, who holds it now (they only have to look again), for what could never have
    been accepted, and for what is kept already: a phone sends it again and again.
    """
    person = command.actor
    claimed = alert.claim is not None and alert.claim.person_id == person.id and alert.claim.until_s > now_s
    if claimed or (alert.assignee == person.id and alert.state in HELD):
        return None
    held = [event for event in log if event.type is EventType.CLAIMED and event.actor_id == person.id]
    if not held or person.is_system:
        return None
    try:
        arguments = read_arguments(command)
    except InvalidInput:
        return None
    sent = {
        "type": command.type.value,
        "arguments": arguments,
        "reason": command.reason,
        "expected_version": expected_version,
        "client_at_s": command.client_at_s,
    }
    digest = hashlib.sha256(json.dumps([person.id, sent], sort_keys=True, default=str).encode()).hexdigest()
    if any(event.reason == LATE and event.data.get("sha256") == digest for event in log):
        return None
    text = f"迟到的提交 / submitted after the claim was lost: {command.type.value}"
    data = {"text": text, "late": sent, "sha256": digest}
    return Event(alert.id, alert.version + 1, EventType.NOTED, person.id, person.name, held[-1].role, now_s, data, LATE)
