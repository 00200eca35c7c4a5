"""Alerts: their states, the commands that people give, the events that result, and the projection of those events."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from models.clocks import Clock, Light
from models.geo import GeoPoint
from models.incident import Evidence, Severity
from models.people import Actor


class State(StrEnum):
    """Where an alert stands; the comment names the stage in grid management."""

    NEW = "new"  # 信息收集
    ACKNOWLEDGED = "acknowledged"  # 受理
    DISMISSED = "dismissed"  # 不予受理
    DISPATCHED = "dispatched"  # 分流派遣
    ACCEPTED = "accepted"  # 处置
    ON_SCENE = "on_scene"  # 处置
    RETURNED = "returned"  # 回退
    SUSPENDED = "suspended"  # 挂账
    HANDLED = "handled"  # 处置反馈
    VERIFIED = "verified"  # 核查
    CLOSED = "closed"  # 结案、归档
    REOPENED = "reopened"  # 返工
    TRANSFERRED_UP = "transferred_up"  # 上报
    ASSIGNED_DOWN = "assigned_down"  # 交办
    VOIDED = "voided"  # 作废


ENDED = frozenset({State.DISMISSED, State.CLOSED, State.VOIDED})
"""States in which a new incident at the same place begins a new alert."""


IN_HAND = frozenset({State.ACCEPTED, State.ON_SCENE, State.REOPENED})
"""States in which the assignee works on the case."""


class CommandType(StrEnum):
    ACKNOWLEDGE = "acknowledge"
    DISMISS = "dismiss"
    DISPATCH = "dispatch"
    CLAIM = "claim"
    RELEASE = "release"
    ACCEPT = "accept"
    ARRIVE = "arrive"
    RETURN = "return"
    SUSPEND = "suspend"
    RESUME = "resume"
    HANDLE = "handle"
    VERIFY = "verify"
    REJECT = "reject"
    CLOSE = "close"
    REOPEN = "reopen"
    TRANSFER_UP = "transfer_up"
    ASSIGN_DOWN = "assign_down"
    VOID = "void"
    NOTE = "note"
    TRANSFER_ACROSS = "transfer_across"
    TAKE_OVER = "take_over"
    DECLINE = "decline"
    CONFIRM_VOID = "confirm_void"
    REFUSE_VOID = "refuse_void"
    VOID_ALONE = "void_alone"
    SUPERVISE = "supervise"
    REPLY = "reply"
    ADD_CO_ASSIGNEE = "add_co_assignee"
    REMOVE_CO_ASSIGNEE = "remove_co_assignee"
    EVALUATE = "evaluate"
    CALL_BACK = "call_back"


class EventType(StrEnum):
    """What has happened to an alert. Past tense: an event is never refused, only recorded."""

    DETECTED = "detected"
    SEEN_AGAIN = "seen_again"
    SCENE_CLEAR = "scene_clear"
    ACKNOWLEDGED = "acknowledged"
    DISMISSED = "dismissed"
    DISPATCHED = "dispatched"
    CLAIMED = "claimed"
    RELEASED = "released"
    CLAIM_EXPIRED = "claim_expired"
    ACCEPTED = "accepted"
    ARRIVED = "arrived"
    RETURNED = "returned"
    SUSPENDED = "suspended"
    RESUMED = "resumed"
    HANDLED = "handled"
    VERIFIED = "verified"
    REJECTED = "rejected"
    CLOSED = "closed"
    REOPENED = "reopened"
    TRANSFERRED_UP = "transferred_up"
    ASSIGNED_DOWN = "assigned_down"
    VOIDED = "voided"
    NOTED = "noted"
    TRANSFERRED_ACROSS = "transferred_across"
    TAKEN_OVER = "taken_over"
    DECLINED = "declined"
    VOID_REQUESTED = "void_requested"
    VOID_REFUSED = "void_refused"
    VOIDED_ALONE = "voided_alone"
    VOID_LAPSED = "void_lapsed"
    SUPERVISED = "supervised"
    SUPERVISION_REPLIED = "supervision_replied"
    CO_ASSIGNEE_ADDED = "co_assignee_added"
    CO_ASSIGNEE_REMOVED = "co_assignee_removed"
    EVALUATED = "evaluated"
    CALLED_BACK = "called_back"
    ASKED_AGAIN = "asked_again"
    ESCALATED = "escalated"
    ERASED = "erased"
    GROUPED = "grouped"


DISMISS_REASONS = ("false_alarm", "duplicate", "permitted", "out_of_scope")
RETURN_REASONS = ("wrong_grid", "wrong_unit", "beyond_authority", "cannot_find", "unsafe", "other")
OUTCOMES = (
    "fixed_service",
    "fixed_management",
    "fixed_enforcement",
    "not_fixed_dispersed",
    "not_fixed_permitted",
    "not_fixed_other",
)
"""Closing codes: fixed apart from not fixed; service, management, enforcement apart (the 721 practice)."""


@dataclass(frozen=True)
class Command:
    """What someone asks to be done to an alert. ``arguments`` are those that the type needs (see lifecycle)."""

    type: CommandType
    actor: Actor
    arguments: Mapping[str, Any] = field(default_factory=dict)
    reason: str | None = None
    client_at_s: float | None = None


@dataclass(frozen=True)
class Event:
    """One line of an alert's log. ``version`` is the alert's version after it; the log of an alert has no gaps."""

    alert_id: str
    version: int
    type: EventType
    actor_id: str
    actor_name: str
    role: str
    at_s: float
    data: Mapping[str, Any] = field(default_factory=dict)
    reason: str | None = None
    client_at_s: float | None = None


@dataclass(frozen=True)
class SealedEvent:
    """An event with its place in the one order of the whole system, chained by hash."""

    position: int
    event: Event
    previous_hash: str
    hash: str


@dataclass(frozen=True)
class Claim:
    """A lease on an offer. ``fence`` rises with each claim, so that a late writer can be told apart."""

    person_id: str
    fence: int
    until_s: float


@dataclass(frozen=True)
class Supervision:
    """督办: someone above wants to know. ``chased_s`` is when the missing reply was escalated."""

    by: str
    by_name: str
    opinion: str
    at_s: float
    reply_due_s: float
    reply: str | None = None
    replied_by: str | None = None
    replied_s: float | None = None
    chased_s: float | None = None


@dataclass(frozen=True)
class VoidAsked:
    """作废: one person asked; another has to confirm. ``confirm_by_s`` and ``was`` where it was voided alone."""

    by: str
    reason: str
    at_s: float
    confirm_by_s: float | None = None
    was: State | None = None


@dataclass(frozen=True)
class Escalation:
    """How far the present stage has climbed. ``level``: 1 assignee, 2 backup on the same grid, 3 lead of a grid above,
    4 supervisor; 0: only asked again. ``next_s`` is when it climbs on, None for no more.
    """

    level: int
    who: tuple[str, ...]
    at_s: float
    next_s: float | None


@dataclass(frozen=True)
class Evaluation:
    """评价: what the reporter says of it, as the operator entered it; ``rating`` 1 (bad) to 5 (good)."""

    rating: int
    text: str | None
    by: str
    at_s: float


@dataclass(frozen=True)
class CallBack:
    """回访: the reporter was asked, or could not be reached. ``satisfied`` None: not said."""

    reached: bool
    satisfied: bool | None
    text: str | None
    by: str
    at_s: float


@dataclass(frozen=True)
class Origin:
    """Where a case in transfer came from: who sent it, and the grid and unit that get it back if it is declined."""

    by: str
    grid_code: str
    grid_path: str
    unit: str | None


@dataclass(frozen=True, kw_only=True)
class Alert:
    """The projection of an alert's log: nothing here that its events do not say. Times are Unix seconds."""

    id: str
    version: int
    state: State
    kind: str
    severity: Severity
    fold_key: str
    camera_id: str | None
    zone_id: str | None
    place: GeoPoint
    accuracy_m: float
    grid_code: str
    grid_path: str
    candidates: tuple[str, ...]
    confidence: float
    model: str | None
    measure: Mapping[str, Any]
    detected_reason: str
    evidence: tuple[Evidence, ...]
    started_s: float
    last_seen_s: float
    created_s: float
    changed_s: float
    incidents: int = 1
    scene_clear_s: float | None = None
    offered_to: tuple[str, ...] = ()
    shortfall: str | None = None
    fence: int = 0
    claim: Claim | None = None
    assignee: str | None = None
    handled_by: str | None = None
    verified_by: str | None = None
    outcome: str | None = None
    closed_s: float | None = None
    suspended_from: State | None = None
    suspended_until_s: float | None = None
    suspended_since_s: float | None = None
    suspended_s: float = 0.0
    acknowledged_by: str | None = None
    unit: str | None = None
    moved_from: Origin | None = None
    co_assignees: tuple[str, ...] = ()
    supervision: Supervision | None = None
    void_asked: VoidAsked | None = None
    evaluation: Evaluation | None = None
    call_back: CallBack | None = None
    stage_clock: Clock | None = None
    whole_clock: Clock | None = None
    escalation: Escalation | None = None
    whole_overdue_s: float | None = None
    practice: bool = False
    erased: tuple[str, ...] = ()
    case_id: str | None = None

    def light(self, now_s: float) -> Light | None:
        """The worse of its two clocks' lights; None without a clock."""
        lights = [clock.light(now_s) for clock in (self.stage_clock, self.whole_clock) if clock is not None]
        return max(lights, key=list(Light).index, default=None)
