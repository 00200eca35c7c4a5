"""Kinds of channels to a phone: a messenger's robot by apprise, an SMS or voice gateway by an HTTP template.

A kind reads its configuration (InvalidInput says what is wrong, never repeats it) and sends one message.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlsplit

from apprise import AppriseAsset, NotifyBase
from apprise.plugins.dingtalk import NotifyDingTalk
from apprise.plugins.feishu import NotifyFeishu
from apprise.plugins.lark import NotifyLark
from apprise.plugins.ntfy import NotifyNtfy, NtfyMode
from apprise.plugins.wecombot import NotifyWeComBot

from alerts.egress import Egress, http_target
from models.errors import EgressFailed, EgressRefused, InvalidInput
from models.text import checked_text

APPRISE: Mapping[str, tuple[type[NotifyBase], str | None]] = {
    "wecombot": (NotifyWeComBot, "qyapi.weixin.qq.com"),
    "dingtalk": (NotifyDingTalk, "oapi.dingtalk.com"),
    "feishu": (NotifyFeishu, "open.feishu.cn"),
    "lark": (NotifyLark, "open.larksuite.com"),
    "ntfy": (NotifyNtfy, None),
    "ntfys": (NotifyNtfy, None),
}
"""The schemas that may be used, and where they lead; None: to the host in the address. All others are refused, and not
even loaded: some of apprise's run programs or write files."""

MOST_HEADERS = 20
LONGEST = 4000
_HEADER = re.compile(r"[A-Za-z0-9\-]{1,64}")
_PHONE = re.compile(r"\+?[0-9]{3,20}")
_PLACE = re.compile(r"\{(phone|title|text|id)\}")
_RESERVED = frozenset({"host", "content-length", "transfer-encoding", "connection", "idempotency-key"})


@dataclass(frozen=True)
class Message:
    """``id`` names it: a receiver that sees it twice shows it once."""

    id: str
    title: str
    text: str


@dataclass(frozen=True)
class AppriseChannel:
    """A messenger's robot. ``url`` holds its token."""

    url: str = field(repr=False)

    @property
    def shown(self) -> str:
        return f"{self.url.partition('://')[0]}://…"

    @property
    def host(self) -> tuple[str, int]:
        """Where it leads."""
        scheme = self.url.partition("://")[0].lower()
        known = APPRISE[scheme][1]
        if known is not None:
            return known, 443
        plugin = self.plugin()
        if (
            isinstance(plugin, NotifyNtfy) and plugin.mode == NtfyMode.CLOUD
        ):  # the address may ask for it, whatever host it names
            return "ntfy.sh", 443
        return str(plugin.host), int(plugin.port or (443 if plugin.secure else 80))

    def plugin(self) -> NotifyBase:
        """Raises InvalidInput."""
        asset = AppriseAsset(plugin_paths=[], http_redirects=False, secure_logging=True)
        kind = APPRISE[self.url.partition("://")[0].lower()][0]
        read = kind.parse_url(self.url)
        try:
            made = kind(**{**(read or {}), "asset": asset})
        except TypeError:  # as apprise says that something is missing or malformed
            raise InvalidInput("the address does not fit its kind of messenger") from None
        made.redirects = False  # whatever the address asks for
        made.verify_certificate = True
        made.socket_connect_timeout = made.socket_read_timeout = 4.0
        return made

    def send(self, egress: Egress, message: Message) -> None:
        """Raises EgressRefused, EgressFailed."""
        plugin = self.plugin()
        egress.addresses(*self.host)
        if not plugin.notify(body=f"{message.text} ({message.id})", title=message.title):
            raise EgressFailed("the messenger did not take it")


@dataclass(frozen=True)
class HttpChannel:
    """A gateway: ``{phone}``, ``{title}``, ``{text}`` and ``{id}`` in address and body stand for the message's."""

    url: str = field(repr=False)
    method: str
    headers: Mapping[str, str] = field(repr=False)
    body: str = field(repr=False)
    phone: str = field(repr=False)

    @property
    def shown(self) -> str:
        host, port = http_target(self.url)
        return f"{urlsplit(self.url).scheme}://{host}:{port}/…"

    def send(self, egress: Egress, message: Message) -> None:
        """Raises EgressRefused, EgressFailed."""
        values = {"phone": self.phone, "title": message.title, "text": message.text, "id": message.id}
        media_type = next((v for k, v in self.headers.items() if k.lower() == "content-type"), "application/json")
        url = _filled(self.url, {name: quote(value, safe="") for name, value in values.items()})
        body = _filled(self.body, {name: _escaped(value, media_type) for name, value in values.items()})
        headers = {"Content-Type": "application/json", **self.headers, "Idempotency-Key": message.id}
        egress.send(self.method, url, headers, b"" if self.method == "GET" else body.encode())


Channel = AppriseChannel | HttpChannel


def _filled(template: str, values: Mapping[str, str]) -> str:
    """In one pass: what a value holds is never taken for a placeholder."""
    return _PLACE.sub(lambda found: values[found.group(1)], template)


def _escaped(value: str, media_type: str) -> str:
    kind = media_type.partition(";")[0].strip().lower()
    if kind == "application/x-www-form-urlencoded":
        return quote(value, safe="")
    if kind == "text/plain":
        return value
    return json.dumps(value, ensure_ascii=False)[1:-1]


def read_channel(kind: str, config: Mapping[str, Any]) -> Channel:
    """Raises InvalidInput, EgressRefused. What was given is never repeated."""
    if kind == "apprise":
        return _apprise(_text(config, "url"))
    if kind == "http":
        return _http(config)
    raise InvalidInput("a channel is of the kind apprise or http")


def _apprise(url: str) -> AppriseChannel:
    scheme = url.partition("://")[0].lower()
    if "://" not in url or scheme not in APPRISE:
        raise InvalidInput(f"the address must begin with one of {', '.join(APPRISE)}, followed by ://")
    channel = AppriseChannel(url)
    channel.plugin()  # reads the address whole
    if scheme.startswith("ntfy") and not re.match(r"ntfys?://[^/]+/[^/]", url):
        raise InvalidInput("an ntfy address names a host and a topic")
    return channel


def _http(config: Mapping[str, Any]) -> HttpChannel:
    url = _text(config, "url")
    parts = urlsplit(url)
    if _PLACE.search(parts.scheme + parts.netloc):
        raise InvalidInput("a placeholder may stand in path, query and body, not in the host")
    http_target(url)
    method = config.get("method", "POST")
    if method not in ("POST", "PUT", "GET"):
        raise InvalidInput("the method is POST, PUT or GET")
    headers = config.get("headers", {})
    if not isinstance(headers, Mapping) or len(headers) > MOST_HEADERS:
        raise InvalidInput(f"headers are at most {MOST_HEADERS} names with a text each")
    for name, value in headers.items():
        fine = isinstance(value, str) and value.isascii() and value.isprintable() and len(value) <= LONGEST
        if not _HEADER.fullmatch(str(name)) or name.lower() in _RESERVED or not fine:
            raise InvalidInput("a header's name or value cannot be sent")
    body = config.get("body", "")
    if not isinstance(body, str) or len(body) > LONGEST:
        raise InvalidInput(f"the body is a text of at most {LONGEST} characters")
    phone = config.get("phone", "")
    if not isinstance(phone, str) or not _PHONE.fullmatch(phone):
        raise InvalidInput("the phone number is 3 to 20 digits, with or without a leading +")
    return HttpChannel(url, method, dict(headers), body, phone)


def _text(config: Mapping[str, Any], name: str) -> str:
    text = checked_text(config.get(name), f"the channel's {name}", LONGEST)
    if not text.isprintable() or " " in text:
        raise EgressRefused(f"the channel's {name} holds characters that no address has")
    return text
