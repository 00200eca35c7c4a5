"""The report of a replay: one HTML file that needs no other, in Chinese and English, with masked pictures."""

import base64
from collections.abc import Mapping, Sequence
from html import escape

from ingest.images import check_picture
from ingest.replay import Still
from models.camera import CameraPoint
from models.incident import KINDS
from ops.printing import shown
from ops.replay import Rated, Result
from ops.replay_score import KindScore, Outcome, Verdict

MOST_SHOWN = 60
"""Pictures of one outcome at one rate: a browser is to open the report."""
OUTCOMES: Mapping[Outcome, str] = {
    "miss": "漏报 Missed",
    "false": "误报 False alarms",
    "hit": "命中 Hits",
    "joined": "并入 Found by an alarm that still lasted",
    "repeat": "重复 Repeats",
    "unjudged": "未判 Not judged",
}
HEADS = {
    "rate": "帧率 rate",
    "pictures": "画面 pictures",
    "gate": "门控通过 gate passes",
    "recall": "召回 recall",
    "MAE": "计数误差 count MAE",
    "corr": "计数相关 correlation",
    "pos m": "位置误差(米) position m",
    "speed": "倍速 × real time",
    "kind": "类别 kind",
    "incidents": "真值 incidents",
    "precision": "精确 precision",
    "late s": "告警延时(秒) late s",
    "worst s": "最长延时 worst s",
    "repeats": "重复 repeats",
    "false": "误报 false",
    "a day": "每机日误报 false a camera-day",
    "at most": "每机日至多(95 %) at most",
}
_STYLE = """
body{font:15px/1.5 system-ui,"Noto Sans CJK SC","Microsoft YaHei",sans-serif;margin:2em;max-width:1200px}
table{border-collapse:collapse;margin:.5em 0 1.5em}th,td{border:1px solid #bbb;padding:.2em .6em;text-align:right}
th:first-child,td:first-child{text-align:left}figure{display:inline-block;width:370px;margin:.4em;vertical-align:top}
svg{width:100%;height:auto;background:#ddd}figcaption{font-size:13px}
.zone{fill:none;stroke:#ffd400;stroke-width:.5%}.box{fill:none;stroke:#00e0ff;stroke-width:.3%}
"""


def report_html(result: Result) -> str:
    title = escape(result.footage.path.name)
    notes = "".join(f"<p>⚠ {escape(note)}</p>" for note in result.notes)
    return (
        f'<!doctype html><html lang="zh-CN"><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style>'
        f"<h1>回放评测 Replay: {title}</h1>{notes}{_table([summary_row(rated) for rated in result.rates])}"
        f"{''.join(_of_rate(rated, result.camera) for rated in result.rates)}</html>\n"
    )


def summary_row(rated: Rated) -> dict[str, str]:
    """The gate's pass rate beside the recall: a gate that lets nothing through is fast and blind."""
    counts, places = rated.score.counts, rated.score.places
    return {
        "rate": rated.rate,
        "pictures": str(rated.played.pictures),
        "gate": shown(rated.pass_rate),
        "recall": shown(rated.score.recall),
        "MAE": shown(counts.mae if counts else None),
        "corr": shown(counts.correlation if counts else None),
        "pos m": shown(places.median_m if places else None),
        "speed": shown(rated.speed),
    }


def kind_row(rated: Rated, kind: KindScore) -> dict[str, str]:
    """``late s`` is the median from onset to alert; ``at most`` bounds the false alarms a camera-day (95 %)."""
    return {
        "rate": rated.rate,
        "kind": kind.kind,
        "incidents": str(kind.incidents),
        "recall": shown(kind.recall),
        "precision": shown(kind.precision),
        "late s": shown(kind.late_median_s),
        "worst s": shown(kind.late_worst_s),
        "repeats": str(kind.repeats),
        "false": str(kind.false),
        "a day": shown(kind.false_per_day),
        "at most": shown(kind.false_per_day_bound),
    }


def _of_rate(rated: Rated, camera: CameraPoint) -> str:
    kinds = [kind_row(rated, kind) | {"kind": f"{KINDS[kind.kind].name_zh} {kind.kind}"} for kind in rated.score.kinds]
    parts = [f"<h2>{escape(rated.rate)}</h2>", _table(kinds)]
    for outcome, name in OUTCOMES.items():
        found = [verdict for verdict in rated.score.verdicts if verdict.outcome == outcome]
        if found:
            parts.append(f"<h3>{name}: {len(found)}</h3>")
            parts += [_figure(verdict, camera) for verdict in found[:MOST_SHOWN]]
        if len(found) > MOST_SHOWN:
            parts.append(f"<p>仅显示前 {MOST_SHOWN} 项 / only the first {MOST_SHOWN} are shown</p>")
    return "".join(parts)


def _figure(verdict: Verdict, camera: CameraPoint) -> str:
    where = "" if verdict.zone is None else f" · {verdict.zone}"
    late = "" if verdict.late_s is None else f" · +{verdict.late_s:.1f} s"
    off = "" if verdict.error_m is None else f" · {verdict.error_m:.1f} m"
    name = KINDS[verdict.kind].name_zh
    caption = f"{verdict.at_s:.1f} s · {name} {verdict.kind}{where}{late}{off}: {verdict.reason}"
    picture = _picture(verdict.still, verdict.zone, camera) if verdict.still else "<p>无画面 no picture</p>"
    return f"<figure>{picture}<figcaption>{escape(caption)}</figcaption></figure>"


def _picture(still: Still, zone_id: str | None, camera: CameraPoint) -> str:
    """The masked still; over it, drawn by the browser, its zone and what was detected."""
    width, height = check_picture(still.jpeg)
    drawn = [
        f'<polygon class="zone" points="{" ".join(f"{x * width:.1f},{y * height:.1f}" for x, y in zone.polygon)}"/>'
        for zone in camera.zones
        if zone.id == zone_id
    ]
    for box in still.boxes or ():
        left, top, right, bottom = box.ltrb
        drawn.append(
            f'<rect class="box" x="{left * width:.1f}" y="{top * height:.1f}" width="{(right - left) * width:.1f}" '
            f'height="{(bottom - top) * height:.1f}"><title>{escape(box.label)} {box.score:.2f}</title></rect>'
        )
    data = base64.b64encode(still.jpeg).decode()
    return (
        f'<svg viewBox="0 0 {width} {height}"><image width="{width}" height="{height}" '
        f'href="data:image/jpeg;base64,{data}"/>{"".join(drawn)}</svg>'
    )


def _table(rows: Sequence[Mapping[str, str]]) -> str:
    if not rows:
        return ""
    head = "".join(f"<th>{escape(HEADS[name])}</th>" for name in rows[0])
    body = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row.values())}</tr>" for row in rows)
    return f"<table><tr>{head}</tr>{body}</table>"
