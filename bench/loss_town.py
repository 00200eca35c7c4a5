"""Where the proof is carried out: a ledger with one grid, a camera for each source, and who gives the commands."""

import json
import socket
import time
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import Engine, func, select

from alerts.camera_checks import NewCamera
from alerts.database import open_database, reading, upgrade
from alerts.grid_import import parse_grids
from alerts.registry import Registry
from alerts.vault import Vault
from bench.loss_source import PLACE
from models import tables
from models.camera import SourceUrl
from models.errors import Misconfigured
from models.people import SYSTEM, Role
from models.settings import Settings, read_settings
from ops.product import to_environ

USERNAME, PASSWORD = "bench-operator", "a sentence for the benchmark"
GRID = "C"


@dataclass
class Town:
    """``cameras`` by source's name; ``folder`` holds journals and logs, ``settings.data`` what may fill up."""

    folder: Path
    settings: Settings
    engine: Engine = field(repr=False)
    cameras: dict[str, str]

    def environ(self) -> dict[str, str]:
        return to_environ(self.settings)


def free_port() -> int:
    """A TCP port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def settings_for(data: Path, database_url: str, redis_url: str, port: int) -> Settings:
    """Raises Misconfigured for a URL that is none."""
    return read_settings(
        {
            "WANGGE_DATA": str(data),
            "WANGGE_DATABASE_URL": database_url,
            "WANGGE_REDIS_URL": redis_url,
            "WANGGE_PORT": str(port),
            "WANGGE_LOG_LEVEL": "warning",
        }
    )


def found(folder: Path, settings: Settings, sources: list[str]) -> Town:
    """Makes the schema and what stands in it. Raises Misconfigured for a ledger that holds incidents already."""
    engine = open_database(settings.database_url)
    upgrade(engine)
    with reading(engine) as connection:
        if connection.execute(select(func.count()).select_from(tables.grids)).scalar_one():
            raise Misconfigured("that database is in use: the proof needs an empty one of its own")
    registry = Registry(engine, Vault(settings.key_file), time.time)
    registry.import_grids(parse_grids(json.dumps(_city()).encode()), SYSTEM)
    registry.add_person(SYSTEM, USERNAME, "Bench", PASSWORD, [(Role.OPERATOR, GRID)])
    url = SourceUrl.parse("rtsp://10.1.2.3/ch1")
    cameras = {name: registry.add_camera(SYSTEM, NewCamera(name, name, PLACE, url, "a proof")).id for name in sources}
    return Town(folder, settings, engine, cameras)


def _city() -> dict[str, object]:
    west, south, east, north = 109.0, 32.70, 109.01, 32.71
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    properties = {"code": GRID, "name": "a grid", "parent": None}
    feature = {"type": "Feature", "properties": properties, "geometry": {"type": "Polygon", "coordinates": [ring]}}
    return {"type": "FeatureCollection", "features": [feature]}
