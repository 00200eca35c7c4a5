"""The product under kill -9, FLUSHALL, and footage without people: one case, raised by pixels, through all of it."""

import io
import json
import math
import os
import re
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
import redis
from rich.console import Console

from alerts.database import open_database
from alerts.sealer import verify_chain
from models.frame import Pixels
from models.settings import Settings, read_settings
from ops.demo import on_stage, play
from ops.demo_scene import Scene, gate, plaza
from ops.demo_trip import Watch, travel
from ops.footage import CACHE
from ops.product import Product
from ops.supervisor import Stage
from tests.end_to_end.processes import family

DWELL_S, KEYFRAME_S = 4.0, 2.0
BLIND_S = 6.0
"""The longest that a killed child may keep a camera from being looked at: back within 2 s, then a model to load and a
keyframe to wait for."""


def settings_for(data: Path) -> Settings:
    return read_settings({"WANGGE_DATA": str(data), "WANGGE_PORT": "0"})


def wait_for(what: str, is_so: Callable[[], bool], within_s: float) -> None:
    until = time.monotonic() + within_s
    while not is_so():
        if time.monotonic() > until:
            pytest.fail(f"not within {within_s:.0f} s: {what}")
        time.sleep(0.05)


def rows(path: Path, query: str) -> list[tuple[Any, ...]]:
    """What a query gives on a SQLite file that others write to; nothing while it is not there yet."""
    if not path.exists():
        return []
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
        return database.execute(query).fetchall()


class Killer:
    """Kills the product's processes by name: whichever has the name then."""

    def __init__(self, product: Product) -> None:
        self._product = product
        self.killed: list[str] = []

    def pid(self, name: str) -> int:
        wait_for(f"{name} runs", lambda: self._running(name) is not None, within_s=20)
        return self._running(name) or 0

    def _running(self, name: str) -> int | None:
        found = next(process for process in self._product.processes() if process.name == name)
        return found.pid if found.stage is Stage.RUNNING else None

    def kill(self, name: str) -> None:
        os.kill(self.pid(name), signal.SIGKILL)
        self.killed.append(name)

    def kill_child(self) -> None:
        """The worker's child, which decodes and looks."""
        children = [seen.pid for seen in family(self.pid("worker")) if "ingest.child" in seen.words]
        assert len(children) == 1
        os.kill(children[0], signal.SIGKILL)
        self.killed.append("child")


def dwell_began(data: Path, zone_id: str) -> float | None:
    """Since when the crowd is there, by the rule's state in the spool; None before, and once it was reported."""
    for (body,) in rows(data / "spool.db", "SELECT body FROM states"):
        state = json.loads(body)["rules"].get("rules", {}).get(f"crowding/{zone_id}")
        if state and state["onset_s"] is None and state["held_since_s"] is not None:
            return float(state["held_since_s"])
    return None


def reported(data: Path) -> int:
    """How many incidents the worker has taken responsibility for."""
    found = rows(data / "spool.db", "SELECT seq FROM sqlite_sequence WHERE name = 'outgoing'")
    return int(found[0][0]) if found else 0


def test_a_case_closes_though_every_process_is_killed_and_redis_is_flushed(tmp_path: Path, vtest: Path) -> None:
    scenes = (plaza(vtest), gate())
    files = {scene.name: scene.prepare(CACHE / "footage", lambda _done: None) for scene in scenes}
    watch = Watch(time.monotonic())
    with on_stage(settings_for(tmp_path), scenes, files, lambda _what: None, 60) as (product, seeded):
        killer = Killer(product)
        zone_id = seeded.wanted.zone_id

        # The child dies in the middle of the dwell, while the dispatcher is held: the incident gets no farther than
        # the spool and the stream, and there the worker dies and the stream is flushed.
        dispatcher = killer.pid("dispatcher")
        os.kill(dispatcher, signal.SIGSTOP)
        wait_for("a dwell runs", lambda: dwell_began(tmp_path, zone_id) is not None, within_s=20)
        killer.kill_child()
        began_s = dwell_began(tmp_path, zone_id)
        wait_for("the crowd is reported", lambda: reported(tmp_path) > 0, within_s=DWELL_S + KEYFRAME_S + BLIND_S + 3)
        with closing(redis.Redis.from_url(product.settings.redis_url or "")) as transport:
            wait_for("the stream has it", lambda: transport.xlen("incidents") > 0, within_s=5)
            killer.kill("worker")
            assert rows(tmp_path / "wangge.db", "SELECT seq FROM incidents") == []
            transport.flushall()
        os.kill(dispatcher, signal.SIGCONT)

        then = {
            "acknowledge": "api",
            "dispatch": "valkey",
            "claim": "dispatcher",
            "arrive": "worker",
            "close": "cameras",
        }

        def say(line: str) -> None:
            step = line.partition(":")[0]
            if step in then:
                killer.kill(then[step])

        deadline = time.monotonic() + 80
        report = travel(product.url, seeded.party, seeded.wanted, watch=watch, deadline=deadline, say=say)

    assert set(killer.killed) == {"child", "worker", "api", "valkey", "dispatcher", "cameras"}
    assert report["alert"]["properties"]["state"] == "closed"
    onsets = rows(tmp_path / "wangge.db", "SELECT body FROM incidents WHERE kind = 'crowding' AND phase = 'onset'")
    assert len(onsets) == 1
    onset = json.loads(onsets[0][0])
    assert onset["onset_s"] == began_s, "the dwell that was seen before the kill is the one that was reported"
    assert DWELL_S <= onset["at_s"] - onset["onset_s"] <= DWELL_S + KEYFRAME_S + BLIND_S
    assert len(rows(tmp_path / "wangge.db", "SELECT id FROM alerts WHERE kind = 'crowding'")) == 1
    engine = open_database(product.settings.database_url)
    assert verify_chain(engine) is None
    engine.dispose()


def without_people(vtest: Path) -> Path:
    """The footage's first 30 s with whoever moves painted over by what is behind them; light goes up and down instead.

    Noise, lamp posts, cones and cars stay; the light, as of clouds, gives the detector reason to look.
    """
    made = CACHE / "footage" / "vtest-without-people-30s.mp4"
    if made.exists():
        return made
    sample = np.stack([picture for number, picture in enumerate(pictures(vtest)) if number % 25 == 0])
    behind = np.sort(sample, axis=0)[len(sample) // 2]  # the median: who walks by is not in it
    half_made = made.with_suffix(f".{os.getpid()}.mp4")
    with av.open(str(half_made), "w") as out:
        keys = {"x264-params": "keyint=20:min-keyint=20:scenecut=0:bframes=0", "preset": "ultrafast", "crf": "23"}
        stream = out.add_stream("libx264", rate=10, options=keys)
        stream.width, stream.height, stream.pix_fmt = 768, 576, "yuv420p"
        for number, picture in enumerate(islice(pictures(vtest), 300)):
            empty = blanked(picture, behind, light=20 * math.sin(number / 14))
            frame = av.VideoFrame.from_ndarray(empty, format="bgr24")
            frame.pts, frame.time_base = number, Fraction(1, 10)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    half_made.replace(made)
    return made


def pictures(video: Path) -> Iterator[Pixels]:
    with av.open(str(video)) as media:
        for frame in media.decode(media.streams.video[0]):
            yield frame.to_ndarray(format="bgr24")


def blanked(frame: Pixels, behind: Pixels, light: float) -> Pixels:
    """What differs from the background, and 10 pixels around it, is the background."""
    blue, green, red = cv2.split(cv2.absdiff(frame, behind))
    moved = cv2.threshold(cv2.max(cv2.max(blue, green), red), 25, 255, cv2.THRESH_BINARY)[1]
    around = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (21, 21))
    moved = cv2.dilate(cv2.morphologyEx(moved, cv2.MORPH_OPEN, np.ones((2, 2), np.uint8)), around)
    empty = cv2.copyTo(behind, moved, frame.copy())
    shade = np.full_like(empty, round(abs(light)))
    return cv2.add(empty, shade) if light > 0 else cv2.subtract(empty, shade)


def test_without_people_in_the_picture_no_alert_comes(tmp_path: Path, vtest: Path) -> None:
    empty = without_people(vtest)
    scene: Scene = replace(plaza(vtest), prepare=lambda _cache, _progress: empty)
    console = Console(file=io.StringIO(), width=1000)
    file = tmp_path / "trip.json"
    data = tmp_path / "data"
    status = play(
        settings_for(data), (scene, gate()), Watch(time.monotonic()), trip_s=25, json_file=file, console=console
    )
    assert isinstance(console.file, io.StringIO)
    said = console.file.getvalue()
    assert status == 1, said
    assert "no crowding alert came in time" in said
    looked = re.findall(r"demo-plaza-1 watching, \d+ keyframes, (\d+) looks", said)
    assert looked, said
    assert int(looked[-1]) >= 5, "the detector looked and saw nobody"
    assert rows(data / "wangge.db", "SELECT id FROM alerts WHERE kind = 'crowding'") == []
    assert not file.exists()
