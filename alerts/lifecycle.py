"""The life of an alert: whether a command may be given now, and the event that it leads to.

Pure: it takes ``now_s`` and what the desk looked up, and returns an event or refuses. The state table is in
``alerts.transitions``, what each event says in ``alerts.sayings``, what it does to an alert in ``alerts.projection``.
"""

from typing import Any

from alerts.arguments import free_text, moment
from alerts.policy import check_on, role_on
from alerts.sayings import DATA, Facts
from alerts.transitions import HELD, TRANSITIONS, Transition, Who
from models.alert import Alert, Command, CommandType, Event, State
from models.errors import Conflict, Fault, Forbidden, InvalidInput, WanggeError
from models.people import Actor

REOPEN_WINDOW_S = 7 * 86_400.0
"""A closed case may be reopened for this long; later it is reported anew."""

_C = CommandType
NO_FACTS = Facts()


def decide(alert: Alert, command: Command, now_s: float, facts: Facts = NO_FACTS) -> Event:
    """The event that the command leads to.

    Raises NotFound or Forbidden (policy, or not the person who may), Conflict (state, claim), InvalidInput (arguments).
    """
    row = TRANSITIONS[command.type]
    role = check_on(alert, command.actor, row.permission)
    refusal = _refusal(alert, command.type, command.actor, now_s)
    if refusal is not None:
        raise refusal
    data = read_arguments(command)
    reason = _reason(command, row, alert)
    build = DATA.get(command.type)
    if build is not None:
        data |= build(alert, command, data, now_s, facts)
    return Event(
        alert_id=alert.id,
        version=alert.version + 1,
        type=row.event,
        actor_id=command.actor.id,
        actor_name=command.actor.name,
        role=role,
        at_s=now_s,
        data=data,
        reason=reason,
        client_at_s=None if command.client_at_s is None else moment(command.client_at_s),
    )


def allowed(alert: Alert, actor: Actor, now_s: float) -> tuple[CommandType, ...]:
    """What this actor may do to the alert now, arguments apart."""
    return tuple(
        command
        for command, row in TRANSITIONS.items()
        if role_on(alert, actor, row.permission) is not None and _refusal(alert, command, actor, now_s) is None
    )


def read_arguments(command: Command) -> dict[str, Any]:
    """The command's arguments, checked and normalised. Raises InvalidInput, naming every one that is wrong."""
    row = TRANSITIONS[command.type]
    readers = {"text": free_text, **row.takes, **row.needs}
    faults = [Fault(str(name)[:64], "no such argument") for name in command.arguments if name not in readers]
    data: dict[str, Any] = {}
    for name, reader in readers.items():
        if command.arguments.get(name) is None:
            if name in row.needs:
                faults.append(Fault(name, "is needed"))
            continue
        try:
            data[name] = reader(command.arguments[name])
        except InvalidInput as error:
            faults.append(Fault(name, str(error)))
    if faults:
        said = "; ".join(str(fault)[:100] for fault in faults[:5])
        raise InvalidInput(f"{command.type.value}: {said}", faults[:20])
    return data


def _reason(command: Command, row: Transition, alert: Alert) -> str | None:
    if row.reasons:
        if command.reason not in row.reasons:
            raise InvalidInput(f"{command.type.value} needs one of these reasons: {', '.join(row.reasons)}")
        return command.reason
    takes_away = command.type is _C.DISPATCH and alert.state in HELD
    if command.reason is None and (row.must_say or takes_away):
        raise InvalidInput(f"{command.type.value} needs a reason: say in a sentence why")
    return None if command.reason is None else free_text(command.reason)


def _refusal(alert: Alert, command: CommandType, actor: Actor, now_s: float) -> WanggeError | None:
    row = TRANSITIONS[command]
    if alert.state not in row.sources:
        return Conflict(f"{command.value} does not fit an alert that is {alert.state.value}")
    if command is _C.REOPEN and now_s - (alert.closed_s or 0.0) > REOPEN_WINDOW_S:
        return Conflict("a case can be reopened for 7 days after it was closed; report it anew")
    claim = alert.claim if alert.claim is not None and alert.claim.until_s > now_s else None
    if row.who in (Who.OFFERED, Who.CLAIMANT):
        return _claim_refusal(
            alert, row.who, actor, claim is not None, claim is not None and claim.person_id == actor.id
        )
    if row.who is Who.ASSIGNEE and alert.assignee != actor.id:
        return Forbidden("only whoever accepted the case may do this")
    if row.who is Who.NOT_HANDLER and alert.handled_by == actor.id:
        return Forbidden("whoever handled a case does not verify or close it: ask another person")
    if row.who is Who.NEW_OWNER and alert.moved_from is not None and alert.moved_from.by == actor.id:
        return Forbidden("whoever sent a case on does not take it over: that is for its new owner")
    if command is _C.DISPATCH and claim is not None:
        return Conflict("someone is about to accept this case: wait until the claim runs out, or is released")
    return _void_refusal(alert, command, actor) or _supervision_refusal(alert, command, actor)


def _claim_refusal(alert: Alert, who: Who, actor: Actor, claimed: bool, mine: bool) -> WanggeError | None:
    if who is Who.CLAIMANT:
        return None if mine else Conflict("you hold no claim on this case, or it has run out: claim it first")
    if claimed:
        return Conflict("you hold the claim already" if mine else "someone else has claimed this case")
    if alert.offered_to and actor.id not in alert.offered_to:
        return Forbidden("this case is offered to others")
    return None


def _void_refusal(alert: Alert, command: CommandType, actor: Actor) -> WanggeError | None:
    asked = alert.void_asked
    if command in (_C.VOID, _C.VOID_ALONE) and asked is not None:
        return Conflict("someone has asked to void this alert already: confirm or refuse that")
    if command in (_C.CONFIRM_VOID, _C.REFUSE_VOID):
        if asked is None:
            return Conflict("nobody has asked to void this alert, or it is settled")
        if asked.by == actor.id and (command is _C.CONFIRM_VOID or alert.state is State.VOIDED):
            return Forbidden("voiding takes two persons: ask another one")
    return None


def _supervision_refusal(alert: Alert, command: CommandType, actor: Actor) -> WanggeError | None:
    open_ = alert.supervision is not None and alert.supervision.reply is None
    if command is _C.SUPERVISE and open_:
        return Conflict("this case is supervised already, and the reply is still to come")
    if command is _C.REPLY:
        if alert.supervision is None or not open_:
            return Conflict("nobody waits for a reply on this case")
        if alert.supervision.by == actor.id:
            return Forbidden("whoever supervises a case does not reply to it")
    return None
