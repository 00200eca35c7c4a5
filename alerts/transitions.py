"""The state table of an alert, as data: command, states it leads from and to, who may give it, what it must say.

The states are the stages of a case in Chinese grid management; ``models.alert`` names the stage beside each.
Supervision, co-assignees, evaluation, call-back and a void that waits for its second person are overlays: their
commands lead to events, and leave the state as it is.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from types import MappingProxyType
from typing import Any

from alerts.arguments import code, evidence_list, free_text, moment, number, one_of, rating, truth
from models.alert import DISMISS_REASONS, ENDED, OUTCOMES, RETURN_REASONS, CommandType, EventType, State
from models.people import Permission


class Who(Enum):
    """Which of those with the permission may give the command."""

    ANYONE = auto()
    OFFERED = auto()
    CLAIMANT = auto()
    ASSIGNEE = auto()
    NOT_HANDLER = auto()
    NEW_OWNER = auto()
    SECOND_PERSON = auto()
    NOT_SUPERVISOR = auto()


Reader = Callable[[Any], Any]


@dataclass(frozen=True)
class Transition:
    """One row of the state table. ``to`` None: the state stays, or (resume) goes back to what it was.

    ``needs`` and ``takes`` name the command's arguments and how each is read; every command also takes ``text``.
    ``reasons`` are the codes that ``Command.reason`` must be one of; with ``must_say`` it must be a free sentence.
    """

    event: EventType
    sources: frozenset[State]
    to: State | None
    permission: Permission
    who: Who = Who.ANYONE
    reasons: tuple[str, ...] = ()
    must_say: bool = False
    needs: Mapping[str, Reader] = field(default_factory=dict)
    takes: Mapping[str, Reader] = field(default_factory=dict)


_S, _E, _P, _C = State, EventType, Permission, CommandType
_OPEN = frozenset(State) - ENDED
HELD = frozenset({_S.ACCEPTED, _S.ON_SCENE})
_TO_DISPATCH = frozenset({_S.ACKNOWLEDGED, _S.DISPATCHED, _S.RETURNED, _S.REOPENED}) | HELD
_TO_MOVE = frozenset({_S.ACKNOWLEDGED, _S.RETURNED})
IN_TRANSFER = frozenset({_S.TRANSFERRED_UP, _S.ASSIGNED_DOWN})
_TO_SHARE = HELD | {_S.DISPATCHED, _S.RETURNED, _S.REOPENED, _S.SUSPENDED}
_TO_VOID = _OPEN | {_S.CLOSED}

TRANSITIONS: Mapping[CommandType, Transition] = MappingProxyType(
    {
        _C.ACKNOWLEDGE: Transition(
            _E.ACKNOWLEDGED,
            frozenset({_S.NEW}),
            _S.ACKNOWLEDGED,
            _P.ALERT_ACKNOWLEDGE,
        ),
        _C.DISMISS: Transition(
            _E.DISMISSED,
            frozenset({_S.NEW, _S.ACKNOWLEDGED}),
            _S.DISMISSED,
            _P.ALERT_ACKNOWLEDGE,
            reasons=DISMISS_REASONS,
        ),
        _C.DISPATCH: Transition(
            _E.DISPATCHED,
            _TO_DISPATCH,
            _S.DISPATCHED,
            _P.ALERT_DISPATCH,
            takes={"person_id": code, "grid_code": code},
        ),
        _C.CLAIM: Transition(_E.CLAIMED, frozenset({_S.DISPATCHED}), None, _P.ALERT_WORK, Who.OFFERED),
        _C.RELEASE: Transition(_E.RELEASED, frozenset({_S.DISPATCHED}), None, _P.ALERT_WORK, Who.CLAIMANT),
        _C.ACCEPT: Transition(
            _E.ACCEPTED,
            frozenset({_S.DISPATCHED}),
            _S.ACCEPTED,
            _P.ALERT_WORK,
            Who.CLAIMANT,
            needs={"fence": number},
        ),
        _C.ARRIVE: Transition(
            _E.ARRIVED, frozenset({_S.ACCEPTED, _S.REOPENED}), _S.ON_SCENE, _P.ALERT_WORK, Who.ASSIGNEE
        ),
        _C.RETURN: Transition(
            _E.RETURNED, HELD | {_S.REOPENED}, _S.RETURNED, _P.ALERT_WORK, Who.ASSIGNEE, reasons=RETURN_REASONS
        ),
        _C.SUSPEND: Transition(
            _E.SUSPENDED,
            HELD | {_S.REOPENED, _S.RETURNED},
            _S.SUSPENDED,
            _P.ALERT_DISPATCH,
            must_say=True,
            needs={"until_s": moment},
        ),
        _C.RESUME: Transition(_E.RESUMED, frozenset({_S.SUSPENDED}), None, _P.ALERT_DISPATCH),
        _C.HANDLE: Transition(
            _E.HANDLED,
            frozenset({_S.ON_SCENE}),
            _S.HANDLED,
            _P.ALERT_WORK,
            Who.ASSIGNEE,
            needs={"evidence": evidence_list, "text": free_text},
        ),
        _C.VERIFY: Transition(
            _E.VERIFIED,
            frozenset({_S.HANDLED}),
            _S.VERIFIED,
            _P.ALERT_VERIFY,
            Who.NOT_HANDLER,
            takes={"outcome": one_of(OUTCOMES)},
        ),
        _C.REJECT: Transition(
            _E.REJECTED, frozenset({_S.HANDLED}), _S.REOPENED, _P.ALERT_VERIFY, Who.NOT_HANDLER, must_say=True
        ),
        _C.CLOSE: Transition(
            _E.CLOSED,
            frozenset({_S.VERIFIED}),
            _S.CLOSED,
            _P.ALERT_VERIFY,
            Who.NOT_HANDLER,
            needs={"outcome": one_of(OUTCOMES)},
        ),
        _C.REOPEN: Transition(_E.REOPENED, frozenset({_S.CLOSED}), _S.REOPENED, _P.ALERT_REOPEN, must_say=True),
        _C.TRANSFER_UP: Transition(
            _E.TRANSFERRED_UP, _TO_MOVE, _S.TRANSFERRED_UP, _P.ALERT_TRANSFER, needs={"grid_code": code}
        ),
        _C.ASSIGN_DOWN: Transition(
            _E.ASSIGNED_DOWN, _TO_MOVE, _S.ASSIGNED_DOWN, _P.ALERT_TRANSFER, needs={"grid_code": code}
        ),
        _C.TRANSFER_ACROSS: Transition(
            _E.TRANSFERRED_ACROSS, _TO_MOVE, _S.ASSIGNED_DOWN, _P.ALERT_TRANSFER, needs={"unit": code}
        ),
        _C.TAKE_OVER: Transition(_E.TAKEN_OVER, IN_TRANSFER, _S.ACKNOWLEDGED, _P.ALERT_TRANSFER, Who.NEW_OWNER),
        _C.DECLINE: Transition(
            _E.DECLINED, IN_TRANSFER, _S.RETURNED, _P.ALERT_TRANSFER, Who.NEW_OWNER, reasons=RETURN_REASONS
        ),
        _C.VOID: Transition(_E.VOID_REQUESTED, _TO_VOID, None, _P.ALERT_VOID, must_say=True),
        _C.CONFIRM_VOID: Transition(_E.VOIDED, _TO_VOID | {_S.VOIDED}, _S.VOIDED, _P.ALERT_VOID, Who.SECOND_PERSON),
        _C.REFUSE_VOID: Transition(_E.VOID_REFUSED, _TO_VOID | {_S.VOIDED}, None, _P.ALERT_VOID),
        _C.VOID_ALONE: Transition(_E.VOIDED_ALONE, _TO_VOID, _S.VOIDED, _P.ALERT_VOID, must_say=True),
        _C.SUPERVISE: Transition(
            _E.SUPERVISED, _OPEN, None, _P.ALERT_SUPERVISE, needs={"text": free_text, "reply_due_s": moment}
        ),
        _C.REPLY: Transition(
            _E.SUPERVISION_REPLIED,
            frozenset(State),
            None,
            _P.ALERT_NOTE,
            Who.NOT_SUPERVISOR,
            needs={"text": free_text},
        ),
        _C.ADD_CO_ASSIGNEE: Transition(
            _E.CO_ASSIGNEE_ADDED, _TO_SHARE, None, _P.ALERT_DISPATCH, needs={"person_id": code}
        ),
        _C.REMOVE_CO_ASSIGNEE: Transition(
            _E.CO_ASSIGNEE_REMOVED, _TO_SHARE, None, _P.ALERT_DISPATCH, needs={"person_id": code}
        ),
        _C.EVALUATE: Transition(
            _E.EVALUATED,
            frozenset({_S.VERIFIED, _S.CLOSED}),
            None,
            _P.ALERT_EVALUATE,
            needs={"rating": rating},
        ),
        _C.CALL_BACK: Transition(
            _E.CALLED_BACK,
            frozenset({_S.HANDLED, _S.VERIFIED, _S.CLOSED}),
            None,
            _P.ALERT_EVALUATE,
            needs={"reached": truth},
            takes={"satisfied": truth},
        ),
        _C.NOTE: Transition(_E.NOTED, frozenset(State), None, _P.ALERT_NOTE, needs={"text": free_text}),
    }
)
