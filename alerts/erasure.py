"""Erasure of personal data: the bytes go, the log stays whole, since it holds hashes and never the data.

What an alert's log says of it is committed first, the bytes go after: whoever is killed in between leaves them to the
next ``sweep``. From the commit on nobody is shown them.
"""

from sqlalchemy import Connection, Engine, select, update

from alerts.database import writing
from alerts.evidence import EvidenceStore
from alerts.policy import NO_SUCH_THING
from models import crash
from models.alert import Alert, Event, EventType
from models.errors import NotFound
from models.people import Actor
from models.tables import evidence
from models.text import checked_text

LONGEST_REASON = 500


def picture_erased(alert: Alert, actor: Actor, role: str, sha256: str, reason: str, now_s: float) -> Event | None:
    """What the log says of it; None for a picture that was erased before.

    Raises NotFound for a picture that is not the alert's, InvalidInput for a reason that says nothing.
    """
    said = checked_text(" ".join(reason.split()), "the reason", LONGEST_REASON)
    if sha256 not in {item.sha256 for item in alert.evidence}:
        raise NotFound(NO_SUCH_THING)
    if sha256 in alert.erased:
        return None
    data = {"what": "picture", "sha256": sha256}
    return Event(alert.id, alert.version + 1, EventType.ERASED, actor.id, actor.name, role, now_s, data, said)


def mark_erased(connection: Connection, alert_id: str, sha256: str, now_s: float) -> None:
    """The alert's picture is shown to nobody from the commit on."""
    row = (evidence.c.sha256 == sha256, evidence.c.alert_id == alert_id)
    connection.execute(update(evidence).where(*row).values(erased_s=now_s))


def sweep(engine: Engine, store: EvidenceStore, sha256: str | None = None) -> int:
    """Removes the bytes of pictures that are erased, of all or of that one; how many. Those that another alert holds,
    from which they were not erased, stay. Raises Unavailable: ask again."""
    other = evidence.alias()
    held = select(other.c.sha256).where(other.c.sha256 == evidence.c.sha256, other.c.erased_s.is_(None)).exists()
    gone = select(evidence.c.sha256).where(evidence.c.erased_s.is_not(None), ~held).distinct()
    if sha256 is not None:
        gone = gone.where(evidence.c.sha256 == sha256)
    crash.point("after-erasure-before-sweep")
    with writing(engine) as connection:  # alone: no alert comes to hold one meanwhile
        return sum(store.remove(name) for name in connection.execute(gone).scalars().all())
