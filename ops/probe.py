"""Tries a camera from the command line: through the camera worker if it runs, else in a short-lived child of our own.

Either way what the camera answers is decoded in a process that holds no database credentials.
"""

import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from api.errors import by_code
from api.video import VideoDesk
from ingest.messages import source_to_json
from ingest.pipes import encode
from ingest.shards import child_program, do_job
from models.camera import Credentials, SourceUrl
from models.errors import InvalidInput
from models.settings import Settings
from ops.product import listens

JOB_S = 30.0
"""A probe watches for 12 s; the rest is for a slow machine to start a child and load the detector."""


def probe(settings: Settings, source: SourceUrl) -> tuple[dict[str, Any], bytes]:
    """What the camera sends, and a masked still as JPEG. Raises CameraError, Unavailable."""
    if listens(settings.video_desk):
        answer = VideoDesk(settings.video_desk).probe(_with_credentials(source))
        return _facts(answer.facts), answer.data
    children = child_program(replace(settings, log_level="error"), os.environ)
    job = encode("probe", {"source": source_to_json(source), "settings": children.settings})
    message = do_job(children.command, children.environment, job, JOB_S)
    if not message.fields.get("ok"):
        raise by_code(str(message.fields.get("code")), str(message.fields.get("message")))
    return _facts(message.fields), message.blobs[0]


def read_source(address: str, login: str | None, password: str | None) -> SourceUrl:
    """The address with its credentials. Raises InvalidInput where they stand in the address itself.

    What stands on a command line is seen by everyone on the machine and kept in the shell's history.
    """
    source = SourceUrl.parse(address)
    if source.credentials is not None:
        raise InvalidInput(
            "leave user name and password out of the address, others see the command line: use --login NAME, and type "
            "the password when it is asked for, or pipe it in"
        )
    if login is None:
        return source
    return SourceUrl(source.scheme, source.host, source.port, source.target, Credentials(login, password or ""))


def _with_credentials(source: SourceUrl) -> str:
    if source.credentials is None:
        return source.shown
    name, password = (quote(part, safe="") for part in (source.credentials.username, source.credentials.password))
    scheme, _, rest = source.shown.partition("://")
    return f"{scheme}://{name}:{password}@{rest}"


def _facts(told: Mapping[str, Any]) -> dict[str, Any]:
    return {name: told.get(name) for name in ("codec", "width_px", "height_px", "fps", "gop_s", "warnings")}
