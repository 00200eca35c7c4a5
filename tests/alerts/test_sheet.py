"""A case on paper equals its log, in both languages, whatever people typed."""

import re
from dataclasses import dataclass, field
from datetime import datetime
from html.parser import HTMLParser
from zoneinfo import ZoneInfo

import pytest
from desk_scene import ACTORS, NOW, PHOTO, do, handled, raised
from sqlalchemy import Engine

from alerts.desk import Desk
from alerts.sealer import seal, sealed_after
from alerts.sheet import Sheet, case_file
from alerts.words import EVENTS, coded, said
from api.page import CONSOLE
from models.alert import DISMISS_REASONS, OUTCOMES, RETURN_REASONS, EventType, State
from models.errors import NotFound

ZONE = ZoneInfo("Asia/Shanghai")
UNSEALED = {"zh": "尚未存证", "en": "not sealed yet"}
HOSTILE = "<script>alert(1)</script>&lt;b onclick='x'\">\u202e\ufeff"


@dataclass
class Read(HTMLParser):
    """A sheet as a reader finds it: rows of cells of text, times, and what a browser would load or run."""

    rows: list[list[str]] = field(default_factory=list)
    bodies: list[dict[str, str | None]] = field(default_factory=list)
    times: list[list[str]] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)
    loads: list[tuple[str, str]] = field(default_factory=list)
    tags: set[str] = field(default_factory=set)
    text: str = ""
    in_reason: bool = False
    in_cell: bool = False

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        about = dict(attrs)
        assert not [name for name in about if name.startswith("on") or name == "style"]
        self.loads += [(tag, about[name] or "") for name in ("src", "href") if name in about]
        if tag == "tbody":
            self.bodies.append(about)
            self.reasons.append("")
        if tag == "tr":
            self.rows.append([])
            self.times.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
            self.in_cell = True
        if tag == "time" and self.times:
            self.times[-1].append(about["datetime"] or "")
        if tag == "span":
            self.in_reason = True

    def handle_endtag(self, tag: str) -> None:
        if tag == "span":
            self.in_reason = False
        if tag in ("td", "th"):
            self.in_cell = False

    def handle_data(self, data: str) -> None:
        self.text += data
        if self.in_cell:
            self.rows[-1][-1] += data
        if self.in_reason:
            self.reasons[-1] += data


def read(page: str) -> Read:
    found = Read()
    found.feed(page)
    found.close()
    return found


def sheet_of(town: Engine, alert_id: str, language: str = "zh", who: str = "op") -> str:
    case = case_file(town, alert_id, ACTORS[who])
    return Sheet(case, language, ZONE, ACTORS[who].name, NOW + 1000).html()


@pytest.fixture
def alert_id(desk: Desk, town: Engine) -> str:
    alert = handled(desk, raised(desk, reason=HOSTILE))
    alert = do(desk, alert, "ver", "reject", NOW + 20, reason=f"照片不清 {HOSTILE}"[:-2])
    seal(town, "a", NOW + 21)
    do(desk, alert, "w1", "return", NOW + 30, reason="cannot_find", text="不在本处")
    return alert.id


@pytest.mark.parametrize("language", ["zh", "en"])
def test_it_equals_its_log(desk: Desk, town: Engine, alert_id: str, language: str) -> None:
    page = read(sheet_of(town, alert_id, language))
    log = desk.log(alert_id, ACTORS["op"])
    seals = {item.event.version: item for item in sealed_after(town, 0)}
    lines = [(cells, times) for cells, times in zip(page.rows, page.times, strict=True) if len(cells) == 5][1:]
    foots = [cells for cells in page.rows if len(cells) == 2]
    assert len(lines) == len(foots) == len(page.bodies) == len(log)
    for event, (cells, times), foot, body, reason in zip(log, lines, foots, page.bodies, page.reasons, strict=True):
        number, at, name, actor, remarks = cells
        assert int(number) == event.version
        assert datetime.fromisoformat(times[0]).timestamp() == pytest.approx(event.at_s, abs=1e-6)
        assert at == f"{datetime.fromtimestamp(event.at_s, ZONE):%Y-%m-%d %H:%M:%S}"
        assert (name, body["data-type"]) == (said(EVENTS[event.type], language), event.type.value)
        assert actor.startswith(event.actor_name)
        assert body["data-actor"] == event.actor_id
        assert reason == coded(event.reason, language)
        assert str(event.data.get("text", "")) in remarks
        sealed = seals.get(event.version)
        assert foot[1] == (f"№ {sealed.position} {sealed.hash}" if sealed else UNSEALED[language])
    assert foots[-1][1] == UNSEALED[language]
    assert f"{len(log)}" in page.text


def test_what_anyone_typed_is_text_and_nothing_is_run_or_fetched_from_elsewhere(town: Engine, alert_id: str) -> None:
    html = sheet_of(town, alert_id)
    page = read(html)
    assert "script" not in page.tags
    assert HOSTILE in page.text
    assert {tag for tag, _ in page.loads} == {"link", "img"}
    assert all(re.fullmatch(r"/console/sheet\.css|/v1/evidence/[0-9a-f]{64}", where) for _, where in page.loads)
    assert (CONSOLE / "sheet.css").is_file()
    assert "url(" not in (CONSOLE / "sheet.css").read_text(encoding="utf-8")
    assert "Asia/Shanghai, UTC+0800" in page.text


def test_an_erased_picture_is_named_and_not_shown(desk: Desk, town: Engine, alert_id: str) -> None:
    desk.erase_picture(alert_id, ACTORS["aud"], PHOTO, "request 17", NOW + 40)
    page = read(sheet_of(town, alert_id, "en"))
    assert f"/v1/evidence/{PHOTO}" not in [where for _, where in page.loads]
    assert f"{PHOTO} erased" in page.text
    assert page.rows[-2][2] == "erased"


def test_a_case_out_of_sight_has_no_sheet(town: Engine, alert_id: str) -> None:
    for wanted, who in ((alert_id, "w3"), ("nothing", "op")):
        with pytest.raises(NotFound):
            case_file(town, wanted, ACTORS[who])


def test_paper_and_page_say_the_same() -> None:
    """One word for one thing: these are also the words of the page, which cannot read ours."""
    text = (CONSOLE / "words.js").read_text(encoding="utf-8")
    for language in ("zh", "en"):
        part = text.partition(f"const {language} = ")[2].partition("\n};")[0]
        page = dict(re.findall(r'(\w+): "([^"]*)"', part.partition("\n  event: {")[2].partition("\n  },")[0]))
        states = dict(re.findall(r'(\w+): "([^"]*)"', part.partition("\n  state: {")[2].partition("\n  },")[0]))
        for event in set(EventType) - {EventType.SEEN_AGAIN}:
            assert said(EVENTS[event], language) == page.get(event.value, states.get(event.value)), event
        assert set(states) == set(State)
        codes = dict(re.findall(r'(\w+): "([^"]*)"', part.partition("\n  code: {")[2]))
        for code in (*DISMISS_REASONS, *RETURN_REASONS, *OUTCOMES):
            assert coded(code, language) == codes[code]
