"""Kinds of channels: what is refused, how a template is filled, what a messenger's robot gets."""

import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
from receivers import receiver

from alerts.channel_kinds import AppriseChannel, Message, read_channel
from alerts.egress import Egress
from models.camera import AllowedNetworks
from models.errors import EgressFailed, EgressRefused, InvalidInput

EGRESS = Egress(AllowedNetworks.parse("127.0.0.0/8"))
MESSAGE = Message("id-1", '标题 "{text}"', 'a "b" & c=d\\ {phone}')
HTTP: dict[str, Any] = {"url": "http://127.0.0.1:1/", "phone": "13800000000"}


@pytest.mark.parametrize(
    ("kind", "config"),
    [
        ("apprise", {"url": "file:///tmp/x"}),
        ("apprise", {"url": "syslog://"}),
        ("apprise", {"url": "dbus://"}),
        ("apprise", {"url": "json://169.254.169.254/"}),
        ("apprise", {"url": "wecombot://"}),
        ("apprise", {"url": "ntfy://127.0.0.1"}),
        ("apprise", {"url": "no address"}),
        ("apprise", {}),
        ("apprise", {"url": 7}),
        ("exec", {"url": "rm -rf /"}),
        ("http", HTTP | {"url": "file:///etc/passwd"}),
        ("http", HTTP | {"url": "http://{phone}/"}),
        ("http", HTTP | {"url": "http://h/\r\nX: y"}),
        ("http", HTTP | {"method": "CONNECT"}),
        ("http", HTTP | {"headers": {"Host": "x"}}),
        ("http", HTTP | {"headers": {"X": "a\r\nY: b"}}),
        ("http", HTTP | {"headers": ["X"]}),
        ("http", HTTP | {"phone": "1; DROP"}),
        ("http", HTTP | {"body": "x" * 5000}),
    ],
)
def test_what_cannot_be_a_channel_is_refused(kind: str, config: dict[str, Any]) -> None:
    with pytest.raises((InvalidInput, EgressRefused)):
        read_channel(kind, config)


def test_a_template_is_filled_and_escaped_once() -> None:
    with receiver() as far:
        body = '{"to": "{phone}", "t": "{title}", "m": "{text}", "id": "{id}"}'
        config = HTTP | {"url": far.url("/send?to={phone}&m={text}"), "body": body, "headers": {"X-Token": "s"}}
        read_channel("http", config).send(EGRESS, MESSAGE)
        form = {"headers": {"Content-Type": "application/x-www-form-urlencoded"}, "body": "m={text}"}
        read_channel("http", HTTP | {"url": far.url()} | form).send(EGRESS, MESSAGE)
    sent, formed = far.got
    told = {"to": "13800000000", "t": MESSAGE.title, "m": MESSAGE.text, "id": "id-1"}
    assert json.loads(sent.body) == told
    assert sent.path == "/send?to=13800000000&m=a%20%22b%22%20%26%20c%3Dd%5C%20%7Bphone%7D"
    assert (sent.headers["x-token"], sent.headers["idempotency-key"]) == ("s", "id-1")
    assert formed.body == b"m=a%20%22b%22%20%26%20c%3Dd%5C%20%7Bphone%7D"


def test_the_gateways_of_the_documents_get_what_they_ask_for() -> None:
    text = (Path(__file__).resolve().parents[2] / "docs" / "notifications.md").read_text(encoding="utf-8")
    shapes = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", text, re.DOTALL)]
    assert len(shapes) == 2
    with receiver() as far:
        for shape in shapes:
            own = shape | {"url": far.url(shape["url"].partition(".com")[2])}
            read_channel(shape["kind"], own).send(EGRESS, MESSAGE)
    messages, call = far.got
    told = {"to": ["13800000000"], "params": {"title": MESSAGE.title, "text": MESSAGE.text}, "ref": "id-1"}
    assert json.loads(messages.body) == told | {"template": "WG01"}
    assert messages.headers["authorization"] == "Bearer TOKEN"
    form = {"mobile": ["+8613800000000"], "content": [f"{MESSAGE.title} {MESSAGE.text}"], "msgid": ["id-1"]}
    assert parse_qs(call.body.decode()) == form
    assert (call.path, call.headers["x-signature"]) == ("/call?account=4711", "SIGNATURE")


def test_a_robot_by_apprise_gets_it_and_follows_no_redirect() -> None:
    with receiver() as far:
        channel = read_channel("apprise", {"url": f"ntfy://127.0.0.1:{far.port}/topic?redirect=yes"})
        channel.send(EGRESS, MESSAGE)
        assert 'a "b"' in far.got[0].body.decode() or 'a \\"b\\"' in far.got[0].body.decode()
        assert "id-1" in far.got[0].body.decode()
        far.answers = [302]
        with pytest.raises(EgressFailed):
            channel.send(EGRESS, MESSAGE)
    assert len(far.got) == 2
    with pytest.raises(EgressRefused):
        read_channel("apprise", {"url": "ntfy://169.254.169.254/topic"}).send(EGRESS, MESSAGE)


def test_no_token_shows() -> None:
    robot = read_channel("apprise", {"url": "dingtalk://tokentokentoken/"})
    gateway = read_channel("http", HTTP | {"url": "https://h/tokentoken", "headers": {"A": "tokentoken"}})
    for channel in (robot, gateway):
        assert "tokentoken" not in repr(channel) + channel.shown
        assert "13800000000" not in repr(channel) + channel.shown


def test_an_address_that_asks_for_the_makers_servers_is_judged_by_where_it_leads() -> None:
    made = AppriseChannel("ntfy://10.0.0.5/topic?mode=cloud")
    assert made.host == ("ntfy.sh", 443)
    asked: list[tuple[str, int]] = []

    def resolved(host: str, port: int) -> list[str]:
        asked.append((host, port))
        return ["8.8.8.8"]

    with pytest.raises(EgressRefused):  # nothing leaves
        made.send(Egress(AllowedNetworks.parse("10.0.0.0/8"), resolved), MESSAGE)
    assert asked == [("ntfy.sh", 443)]
