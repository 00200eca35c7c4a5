"""The page at /: static files that ship with the product. Nothing is fetched from any other host."""

import hashlib
import mimetypes
from dataclasses import dataclass
from pathlib import Path

from fastapi import APIRouter, Depends, Request, Response

from api.auth import PUBLIC
from models.errors import NotFound

CONSOLE = Path(__file__).parent / "console"


@dataclass(frozen=True)
class _File:
    data: bytes
    media_type: str
    etag: str


def _load(directory: Path) -> dict[str, _File]:
    files = {}
    for path in sorted(path for path in directory.rglob("*") if path.is_file()):
        data = path.read_bytes()
        kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        kind += "; charset=utf-8" if kind.startswith("text/") else ""
        files[path.relative_to(directory).as_posix()] = _File(data, kind, f'"{hashlib.sha256(data).hexdigest()[:32]}"')
    return files


def pages(directory: Path = CONSOLE) -> APIRouter:
    """Routes for the files in ``directory``, read once: a path can only name one of them."""
    files = _load(directory)
    router = APIRouter(include_in_schema=False, dependencies=[Depends(PUBLIC)])

    def answer(request: Request, name: str) -> Response:
        file = files.get(name)
        if file is None:
            raise NotFound("there is nothing at this address")
        headers = {"ETag": file.etag, "Cache-Control": "no-cache"}
        if request.headers.get("if-none-match") == file.etag:
            return Response(status_code=304, headers=headers)
        return Response(file.data, media_type=file.media_type, headers=headers)

    @router.get("/")
    def index(request: Request) -> Response:
        return answer(request, "index.html")

    @router.get("/console/{name:path}")
    def asset(request: Request, name: str) -> Response:
        return answer(request, name)

    return router
