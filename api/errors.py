"""The one map from what went wrong to HTTP: RFC 9457 problem documents, titled in the reader's language."""

import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from models import errors as core
from models.errors import Fault

STATUS: Mapping[type[core.WanggeError], int] = {
    core.InvalidInput: 422,
    core.NotFound: 404,
    core.Erased: 410,
    core.Unauthenticated: 401,
    core.Forbidden: 403,
    core.Conflict: 409,
    core.TooManyAttempts: 429,
    core.RetryLater: 503,
    core.TooLarge: 413,
    core.CameraUrlInvalid: 422,
    core.CameraAddressNotAllowed: 422,
    core.CameraError: 502,
    core.EgressRefused: 422,
    core.EgressFailed: 502,
    core.WanggeError: 500,
}
"""The nearest class in an error's ancestry decides."""

TITLES: Mapping[str, tuple[str, str]] = {
    "invalid_input": ("The request was refused", "请求内容有误"),
    "malformed": ("The request cannot be read", "请求无法解析"),
    "not_found": ("Not found", "未找到"),
    "erased": ("It was erased", "内容已依规删除"),
    "method_not_allowed": ("This address does not take that method", "此地址不支持该方法"),
    "unauthenticated": ("Please sign in", "请先登录"),
    "forbidden": ("You may not do this", "您没有此项权限"),
    "conflict": ("Not possible in its present state", "当前状态不允许此操作"),
    "stale_version": ("It has changed since you looked", "内容已被他人更新"),
    "too_many_attempts": ("Too many attempts", "尝试次数过多"),
    "rate_limited": ("More than this source may send", "发送过于频繁"),
    "retry_later": ("Please try again", "请稍后重试"),
    "unavailable": ("A part of the system does not answer now", "系统部分服务暂不可用"),
    "too_large": ("Too large", "内容过大"),
    "camera_error": ("The camera cannot be watched", "摄像机无法接入"),
    "camera_url_invalid": ("The camera address cannot be used", "摄像机地址无效"),
    "camera_address_not_allowed": ("The camera is outside the allowed networks", "摄像机不在允许的网络内"),
    "camera_refused": ("The camera's port does not answer", "摄像机端口拒绝连接"),
    "camera_unreachable": ("The camera cannot be reached", "摄像机无法到达"),
    "camera_untrusted": ("The camera's certificate cannot be trusted", "摄像机证书不可信"),
    "camera_unauthorised": ("The camera refuses the user name or password", "摄像机拒绝该用户名或密码"),
    "camera_not_found": ("The camera has no such stream", "摄像机没有该码流"),
    "camera_no_video": ("The stream has no video that can be read", "码流中没有可用视频"),
    "camera_redirected": ("The camera points elsewhere", "摄像机要求重定向"),
    "camera_stalled": ("The camera's picture stands still", "摄像机画面停滞"),
    "camera_corrupt": ("What the camera sends cannot be understood", "摄像机数据无法解析"),
    "egress_refused": ("Messages may not go to this address", "不允许向此地址发送消息"),
    "egress_failed": ("The message was not taken", "消息未被接收"),
    "error": ("Something went wrong on the server", "服务器内部错误"),
}
"""Title by code: English, Chinese."""

_FOREIGN = (core.InvalidInput, core.NotFound, core.TooLarge, core.RetryLater, core.CameraError)
_CODES = {400: "malformed", 404: "not_found", 405: "method_not_allowed", 413: "too_large"}
_HIDDEN = "the fault has been logged; nothing more is said here"


def by_code(code: str, message: str, retry_after_s: object = None) -> core.WanggeError:
    """The core error that the camera worker named by its code.

    Any code that is not its to say, as that someone is not signed in, is Unavailable.
    """
    kinds: list[type[core.WanggeError]] = [*_FOREIGN]
    for kind in kinds:
        kinds.extend(kind.__subclasses__())
    kind = next((kind for kind in kinds if kind.code == code), core.Unavailable)
    if issubclass(kind, core.RetryLater):
        later_s = retry_after_s if isinstance(retry_after_s, int) and 1 <= retry_after_s <= 3600 else 5
        return kind(message, later_s)
    return kind(message)


def wants_chinese(accept_language: str) -> bool:
    """Whether a reader's Accept-Language (RFC 9110, 12.5.4) puts Chinese before English."""
    best = {"zh": 0.0, "en": 0.0}
    for rank, part in enumerate(accept_language[:200].lower().split(",")[:20]):
        tag, _, weight = part.strip().partition(";")
        number = re.fullmatch(r"\s*q=(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)\s*", weight)
        quality = float(number.group(1)) if number else 1.0
        language = tag.split("-")[0]
        if language in best:
            best[language] = max(best[language], quality - rank * 1e-6)
    return best["zh"] > best["en"]


def problem(
    request: Request,
    status: int,
    code: str,
    detail: str,
    *,
    faults: Sequence[Fault] = (),
    headers: Mapping[str, str] | None = None,
    **more: Any,
) -> JSONResponse:
    """An application/problem+json answer (RFC 9457)."""
    english, chinese = TITLES.get(code, TITLES["error"])
    body: dict[str, Any] = {
        "type": f"urn:wangge:problem:{code}",
        "title": chinese if wants_chinese(request.headers.get("accept-language", "")) else english,
        "status": status,
        "detail": detail,
        "code": code,
        "errors": [{"where": fault.where, "what": fault.what} for fault in faults],
        **more,
    }
    return JSONResponse(body, status, dict(headers or {}), media_type="application/problem+json")


def of_core(request: Request, error: core.WanggeError) -> JSONResponse:
    """The answer for an error of the core's tree."""
    status = next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)
    headers: dict[str, str] = {}
    more: dict[str, int] = {}
    faults: Sequence[Fault] = ()
    if isinstance(error, core.RetryLater):
        headers["Retry-After"] = str(max(1, round(error.retry_after_s)))
    if isinstance(error, core.Unauthenticated):
        headers["WWW-Authenticate"] = "Bearer"
    if isinstance(error, core.StaleVersion):
        more["current_version"] = error.current
    if isinstance(error, core.InvalidInput):
        faults = error.faults
    detail = _HIDDEN if status == HTTPStatus.INTERNAL_SERVER_ERROR else str(error)
    return problem(request, status, error.code, detail, faults=faults, headers=headers, **more)


def of_validation(request: Request, error: RequestValidationError) -> JSONResponse:
    """The answer for a request that does not fit its schema. What was sent is never repeated: it may be a password."""
    found = error.errors()
    if any(item["type"] == "json_invalid" for item in found):
        return problem(request, 400, "malformed", "the body is not JSON (RFC 8259)")
    faults = [Fault(".".join(str(step) for step in item["loc"])[:200], str(item["msg"])[:300]) for item in found[:50]]
    return problem(request, 422, "invalid_input", f"{len(found)} fields do not fit; see errors", faults=faults)


def of_http(request: Request, error: HTTPException) -> JSONResponse:
    """The answer for what the framework itself refuses: no such address, wrong method, body too large."""
    detail = {
        404: "there is nothing at this address",
        413: "the body is larger than this address takes",
    }.get(error.status_code, str(error.detail))
    code = _CODES.get(error.status_code, "error")
    return problem(request, error.status_code, code, detail, headers=error.headers)


def install(app: FastAPI) -> None:
    """Every error of ``app`` becomes a problem document."""

    def core_error(request: Request, error: Exception) -> JSONResponse:
        return of_core(request, error if isinstance(error, core.WanggeError) else core.WanggeError())

    def validation_error(request: Request, error: Exception) -> JSONResponse:
        return of_validation(
            request, error if isinstance(error, RequestValidationError) else RequestValidationError([])
        )

    def http_error(request: Request, error: Exception) -> JSONResponse:
        return of_http(request, error if isinstance(error, HTTPException) else HTTPException(500))

    app.add_exception_handler(core.WanggeError, core_error)
    app.add_exception_handler(RequestValidationError, validation_error)
    app.add_exception_handler(HTTPException, http_error)
