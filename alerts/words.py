"""What states, events, codes and roles are called on paper: Chinese (综治 terms), English. The page says the same."""

from collections.abc import Mapping

from models.alert import EventType, State
from models.incident import Severity

Pair = tuple[str, str]
"""Chinese, English."""

_S, _E = State, EventType

STATES: Mapping[State, Pair] = {
    _S.NEW: ("待受理", "new"),
    _S.ACKNOWLEDGED: ("已受理", "acknowledged"),
    _S.DISMISSED: ("不予受理", "dismissed"),
    _S.DISPATCHED: ("已派遣", "dispatched"),
    _S.ACCEPTED: ("处置中", "accepted"),
    _S.ON_SCENE: ("已到场", "on scene"),
    _S.RETURNED: ("已退回", "returned"),
    _S.SUSPENDED: ("挂账", "suspended"),
    _S.HANDLED: ("已处置", "handled"),
    _S.VERIFIED: ("已核查", "verified"),
    _S.CLOSED: ("已结案", "closed"),
    _S.REOPENED: ("返工", "reopened"),
    _S.TRANSFERRED_UP: ("已上报", "transferred up"),
    _S.ASSIGNED_DOWN: ("已交办", "assigned down"),
    _S.VOIDED: ("已作废", "voided"),
}

EVENTS: Mapping[str, Pair] = {
    _E.DETECTED: ("发现", "detected"),
    _E.SEEN_AGAIN: ("再次发现", "seen again"),
    _E.SCENE_CLEAR: ("现场恢复", "scene clear"),
    _E.CLAIMED: ("抢单", "claimed"),
    _E.RELEASED: ("放弃", "released"),
    _E.CLAIM_EXPIRED: ("抢单超时", "claim ran out"),
    _E.ACCEPTED: ("接单", "accepted"),
    _E.ARRIVED: ("到场", "on scene"),
    _E.RESUMED: ("恢复", "resumed"),
    _E.REJECTED: ("核查不通过", "not fixed"),
    _E.NOTED: ("备注", "note"),
    _E.TRANSFERRED_ACROSS: ("移交部门", "transferred to a unit"),
    _E.TAKEN_OVER: ("接手", "taken over"),
    _E.DECLINED: ("拒收", "declined"),
    _E.VOID_REQUESTED: ("申请作废", "void asked for"),
    _E.VOID_REFUSED: ("不同意作废", "void refused"),
    _E.VOIDED_ALONE: ("单人作废", "voided by one"),
    _E.VOID_LAPSED: ("作废无人确认，已撤销", "void taken back: nobody confirmed it"),
    _E.SUPERVISED: ("督办", "supervised"),
    _E.SUPERVISION_REPLIED: ("督办回复", "answer to the supervisor"),
    _E.CO_ASSIGNEE_ADDED: ("增加协同", "co-assignee added"),
    _E.CO_ASSIGNEE_REMOVED: ("取消协同", "co-assignee removed"),
    _E.EVALUATED: ("评价", "evaluated"),
    _E.CALLED_BACK: ("回访", "called back"),
    _E.ASKED_AGAIN: ("再次催办受理", "asked again"),
    _E.ESCALATED: ("超时升级", "escalated: time ran out"),
    _E.ERASED: ("依规删除", "erased"),
    "grouped": ("归并成案", "grouped into one case"),
    # What leads to a state is called by it.
    **{_E(state): pair for state, pair in STATES.items() if state not in (_S.NEW, _S.ACCEPTED, _S.ON_SCENE)},
}

CODES: Mapping[str, Pair] = {
    "false_alarm": ("误报", "false alarm"),
    "duplicate": ("重复", "duplicate"),
    "permitted": ("已许可", "permitted"),
    "out_of_scope": ("不在范围", "out of scope"),
    "wrong_grid": ("网格不对", "wrong grid"),
    "wrong_unit": ("部门不对", "wrong unit"),
    "beyond_authority": ("超出权限", "beyond my authority"),
    "cannot_find": ("找不到现场", "cannot find it"),
    "unsafe": ("不安全", "unsafe"),
    "other": ("其他", "other"),
    "fixed_service": ("已解决·服务", "fixed: service"),
    "fixed_management": ("已解决·管理", "fixed: management"),
    "fixed_enforcement": ("已解决·执法", "fixed: enforcement"),
    "not_fixed_dispersed": ("未处置·已散去", "not fixed: dispersed"),
    "not_fixed_permitted": ("未处置·已许可", "not fixed: permitted"),
    "not_fixed_other": ("未解决·其他", "not fixed: other"),
    "reporter_silent": ("反映人逾期未评价", "the reporter was silent"),
    "still": ("截图", "still"),
    "photo": ("照片", "photo"),
    "late": ("迟到的提交", "sent too late"),
}

ROLES: Mapping[str, Pair] = {
    "operator": ("受理员", "operator"),
    "grid_worker": ("网格员", "grid worker"),
    "unit": ("职能部门", "unit"),
    "verifier": ("核查员", "verifier"),
    "supervisor": ("督查员", "supervisor"),
    "admin": ("管理员", "admin"),
    "auditor": ("审计员", "auditor"),
    "co_assignee": ("协同", "co-assignee"),
    "system": ("系统", "system"),
}

SEVERITIES: Mapping[Severity, Pair] = {
    Severity.RED: ("红色", "red"),
    Severity.ORANGE: ("橙色", "orange"),
    Severity.YELLOW: ("黄色", "yellow"),
    Severity.BLUE: ("蓝色", "blue"),
}


def said(pair: Pair, language: str) -> str:
    """``language``: "zh", or English."""
    return pair[0] if language == "zh" else pair[1]


def coded(code: str | None, language: str) -> str:
    """A coded reason in words; free text, and a code that has none, as it is."""
    return "" if code is None else said(CODES.get(code, (code, code)), language)
