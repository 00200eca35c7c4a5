"""A case on paper: what is known of it and its whole log, line by line, as an HTML page that prints on A4.

It holds no script and no style of its own; all that anyone typed is escaped.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Engine, select

from alerts import ledger
from alerts.database import reading
from alerts.policy import NO_SUCH_THING, check_on
from alerts.projection import replay
from alerts.words import EVENTS, ROLES, SEVERITIES, STATES, coded, said
from models.alert import Alert, Event
from models.errors import NotFound
from models.incident import KINDS
from models.people import Actor, Permission
from models.tables import cameras, events, grids, people, seals

MOST_PICTURES = 4

_LABELS: Mapping[str, tuple[str, str]] = {
    "title": ("事件处置单", "Case sheet"),
    "case": ("编号", "Case"),
    "kind": ("类别", "Kind"),
    "severity": ("等级", "Severity"),
    "state": ("状态", "State"),
    "grid": ("网格", "Grid"),
    "place": ("位置（WGS-84）", "Place (WGS-84)"),
    "camera": ("摄像机", "Camera"),
    "detected": ("发现依据", "Detected because"),
    "model": ("模型与置信度", "Model, confidence"),
    "started": ("始于", "Since"),
    "assignee": ("责任人", "Assignee"),
    "handled_by": ("处置人", "Handled by"),
    "verified_by": ("核查人", "Verified by"),
    "outcome": ("结案方式", "Outcome"),
    "evidence": ("佐证", "Evidence"),
    "erased_picture": ("已依规删除", "erased"),
    "log": ("处理记录", "What happened"),
    "number": ("序", "#"),
    "time": ("时间", "Time"),
    "event": ("事项", "Event"),
    "actor": ("经办人", "By"),
    "said": ("原因与说明", "Reason and remarks"),
    "client_at": ("手机时间", "by the phone"),
    "unsealed": ("尚未存证", "not sealed yet"),
    "signed": ("（签字、日期）", "(signature, date)"),
    "practice": ("演练", "EXERCISE"),
}
_DETAILS: Mapping[str, tuple[str, str]] = {
    "text": ("", ""),
    "outcome": ("", ""),
    "shortfall": ("", ""),
    "offered_to": ("派给", "offered to"),
    "who": ("告知", "told"),
    "person_id": ("人员", "person"),
    "unit": ("部门", "unit"),
    "grid_code": ("网格", "grid"),
    "until_s": ("至", "until"),
    "reply_due_s": ("回复期限", "reply due"),
    "confirm_by_s": ("确认期限", "to be confirmed by"),
    "rating": ("评分", "rating"),
    "sha256": ("SHA-256", "SHA-256"),
    "evidence": ("图片", "pictures"),
}
"""What of an event's data is put into words; its seal vouches for all of it."""


@dataclass(frozen=True)
class Line:
    """An event of the log; ``position`` and ``hash`` of its seal, None before it has one."""

    event: Event
    position: int | None
    hash: str | None


@dataclass(frozen=True)
class CaseFile:
    """All that a sheet is made of. ``grids``: names from the root down; ``names``: of people, by id."""

    alert: Alert
    lines: tuple[Line, ...]
    grids: tuple[str, ...]
    camera: str | None
    names: Mapping[str, str]


def case_file(engine: Engine, alert_id: str, actor: Actor) -> CaseFile:
    """Everything of one moment: the alert is what the lines tell. Raises NotFound for what is out of sight."""
    with reading(engine) as connection:
        found = ledger.load(connection, alert_id)
        if found is None:
            raise NotFound(NO_SUCH_THING)
        check_on(found, actor, Permission.ALERT_READ)
        log = ledger.log(connection, alert_id)
        where = (events.c.alert_id == alert_id,)
        sealed = select(events.c.version, seals.c.position, seals.c.hash).join(seals, seals.c.event_seq == events.c.seq)
        by_version = {row.version: (row.position, row.hash) for row in connection.execute(sealed.where(*where))}
        lines = tuple(Line(event, *by_version.get(event.version, (None, None))) for event in log)
        alert = replay(log)
        return CaseFile(
            alert, lines, _grids(connection, alert), _camera(connection, alert), _names(connection, alert, log)
        )


def _grids(connection: Connection, alert: Alert) -> tuple[str, ...]:
    codes = [code for code in alert.grid_path.split("/") if code]
    rows = connection.execute(select(grids.c.code, grids.c.name).where(grids.c.code.in_(codes)))
    names = {row.code: row.name for row in rows}
    return tuple(names.get(code, code) for code in codes)


def _camera(connection: Connection, alert: Alert) -> str | None:
    row = connection.execute(select(cameras.c.code, cameras.c.name).where(cameras.c.id == alert.camera_id)).first()
    return f"{row.name} ({row.code})" if row else alert.camera_id


def _names(connection: Connection, alert: Alert, log: Iterable[Event]) -> dict[str, str]:
    ids = {alert.assignee, alert.handled_by, alert.verified_by}
    for event in log:
        ids |= {*_ids(event.data.get("offered_to")), *_ids(event.data.get("who")), event.data.get("person_id")}
    known = {name for name in ids if isinstance(name, str)}
    return {
        row.id: row.name for row in connection.execute(select(people.c.id, people.c.name).where(people.c.id.in_(known)))
    }


def _ids(value: object) -> list[str]:
    return [item for item in value if isinstance(item, str)] if isinstance(value, list | tuple) else []


class Sheet:
    """Writes a case file down in one language and time zone. ``printed_by`` and ``now_s`` stand at its foot."""

    def __init__(self, case: CaseFile, language: str, zone: ZoneInfo, printed_by: str, now_s: float) -> None:
        self._case, self._language, self._zone = case, language, zone
        self._printed_by, self._now_s = printed_by, now_s

    def html(self) -> str:
        alert = self._case.alert
        title = f"{self._word('title')} {alert.id}"
        mark = f'<p class="mark">{self._word("practice")}</p>' if alert.practice else ""
        return (
            f'<!DOCTYPE html>\n<html lang="{"zh-CN" if self._language == "zh" else "en"}">\n'
            f'<head><meta charset="utf-8"><title>{escape(title)}</title>'
            '<meta name="viewport" content="width=device-width">'
            '<link rel="stylesheet" href="/console/sheet.css"></head>\n'
            f"<body>\n<main>\n{mark}<h1>{self._word('title')}</h1>\n{self._facts()}{self._pictures()}{self._log()}"
            f"{self._foot()}</main>\n</body>\n</html>\n"
        )

    def _word(self, name: str) -> str:
        return escape(said(_LABELS[name], self._language))

    def _time(self, at_s: float) -> str:
        """What a program reads is exact to the microsecond, what a person reads to the second."""
        local = datetime.fromtimestamp(at_s, self._zone)
        exact = local.astimezone(UTC).isoformat(timespec="microseconds")
        return f'<time datetime="{exact}">{local:%Y-%m-%d %H:%M:%S}</time>'

    def _facts(self) -> str:
        case, alert, language = self._case, self._case.alert, self._language
        kind = KINDS[alert.kind]
        place = f"{alert.place.lon_deg:.6f}, {alert.place.lat_deg:.6f} ± {max(1, round(alert.accuracy_m))} m"
        model = f"{alert.model or '–'}, {alert.confidence:.2f}"
        facts: list[tuple[str, str]] = [
            ("case", escape(alert.id)),
            ("state", escape(said(STATES[alert.state], language))),
            ("kind", escape(said((kind.name_zh, kind.name_en), language))),
            ("severity", escape(said(SEVERITIES[alert.severity], language))),
            ("grid", _text(f"{' / '.join(case.grids)} ({alert.grid_code})")),
            ("place", escape(place)),
            ("started", self._time(alert.started_s)),
            ("camera", _text(case.camera)),
            ("detected", _text(alert.detected_reason)),
            ("model", _text(model)),
            ("assignee", _text(self._name(alert.assignee))),
            ("handled_by", _text(self._name(alert.handled_by))),
            ("verified_by", _text(self._name(alert.verified_by))),
            ("outcome", escape(coded(alert.outcome, language))),
        ]
        rows = "".join(f"<div><dt>{self._word(name)}</dt><dd>{value or '–'}</dd></div>\n" for name, value in facts)
        return f'<dl class="facts">\n{rows}</dl>\n'

    def _name(self, person_id: str | None) -> str | None:
        return None if person_id is None else self._case.names.get(person_id, person_id)

    def _pictures(self) -> str:
        alert = self._case.alert
        if not alert.evidence:
            return ""
        there = [item for item in alert.evidence if item.sha256 not in alert.erased]
        shown = [*there[:1], *there[1:][-(MOST_PICTURES - 1) :]]
        images = "".join(
            f'<img src="/v1/evidence/{escape(item.sha256)}" alt="{escape(coded(item.kind, self._language))}">'
            for item in shown
        )
        lines = "".join(
            f"<li>{self._time(item.at_s)} {escape(coded(item.kind, self._language))} <code>{escape(item.sha256)}</code>"
            f"{' ' + self._word('erased_picture') if item.sha256 in alert.erased else ''}</li>\n"
            for item in alert.evidence
        )
        return (
            f'<h2>{self._word("evidence")}</h2>\n<p class="pictures">{images}</p>\n<ul class="hashes">\n{lines}</ul>\n'
        )

    def _log(self) -> str:
        heads = "".join(f"<th>{self._word(name)}</th>" for name in ("number", "time", "event", "actor", "said"))
        zone = f"{self._zone.key}, UTC{datetime.fromtimestamp(self._now_s, self._zone):%z}"
        rows = "".join(map(self._line, self._case.lines))
        head = f"<h2>{self._word('log')} <small>({escape(zone)})</small></h2>\n"
        return f'{head}<table class="log">\n<thead><tr>{heads}</tr></thead>\n{rows}</table>\n'

    def _line(self, line: Line) -> str:
        event, language = line.event, self._language
        name = said(EVENTS.get(event.type, (event.type.value, event.type.value)), language)
        role = said(ROLES.get(event.role, (event.role, event.role)), language)
        seal = f"№ {line.position} <code>{escape(line.hash or '')}</code>" if line.position else self._word("unsealed")
        return (
            f'<tbody data-type="{escape(event.type.value)}" data-actor="{escape(event.actor_id)}">\n'
            f"<tr><td>{event.version}</td><td>{self._time(event.at_s)}</td><td>{escape(name)}</td>"
            f"<td>{_text(event.actor_name)} <small>{escape(role)}</small></td>"
            f'<td><span class="reason">{_text(coded(event.reason, language))}</span>{self._details(event)}</td></tr>\n'
            f'<tr class="seal"><td></td><td colspan="4">{seal}</td></tr>\n</tbody>\n'
        )

    def _details(self, event: Event) -> str:
        told = []
        if event.client_at_s is not None:
            told.append(f"<p>{self._word('client_at')} {self._time(event.client_at_s)}</p>")
        for key, pair in _DETAILS.items():
            if value := self._detail(key, event.data.get(key)):
                label = said(pair, self._language)
                told.append(f"<p>{escape(label) + ' ' if label else ''}{value}</p>")
        return "".join(told)

    def _detail(self, key: str, value: object) -> str:
        """As HTML; empty for nothing to say."""
        if value is None or value == []:
            return ""
        if key.endswith("_s") and isinstance(value, int | float):
            return self._time(value)
        if key in ("offered_to", "who"):
            return _text(", ".join(self._case.names.get(item, item) for item in _ids(value)))
        if key == "person_id":
            return _text(self._name(str(value)))
        if key == "outcome":
            return escape(coded(str(value), self._language))
        if key == "evidence" and isinstance(value, Sequence):
            return str(len(value))
        return _text(str(value))

    def _foot(self) -> str:
        case, time = self._case, self._time(self._now_s)
        sealed = [line for line in case.lines if line.position is not None]
        total, by = len(case.lines), _text(self._printed_by)
        if self._language == "zh":
            text = f"以上为本案全部 {total} 条记录，其中 {len(sealed)} 条已存证。{by} 于 {time} 打印。"
        else:
            text = (
                f"These are all {total} events of the case; {len(sealed)} of them are sealed. Printed by {by}, {time}."
            )
        signs = "".join(
            f"<div>{self._word(name)} {self._word('signed')}</div>" for name in ("handled_by", "verified_by")
        )
        return f'<p class="foot">{text}</p>\n<div class="signs">{signs}</div>\n'


def _text(text: str | None) -> str:
    """What somebody typed: escaped, and its writing direction kept to itself."""
    return f"<bdi>{escape(text)}</bdi>" if text else ""
