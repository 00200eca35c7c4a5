"""What names a person: refused by the field's name, wherever it stands, and by its shape in free text. Pure.

No face, plate, gait or re-identification feature is taken into any store. A reporter's contact has a place of its own,
kept apart from the log.
"""

import re
from collections.abc import Iterator
from typing import Any

from models.errors import Fault

_WORDS = re.compile(
    "faces?|facial|gait|iris|retina|fingerprints?|palmprint|voiceprint|biometrics?|plates?|passport|ssn|phone|telephone"
    "|mobile|cellphone|email|surname|nickname|embedding|reid|username"
)
_COMPACT = re.compile(
    "id(entity)?(number|card|no)$|nationalid|personname|nameofperson|personid|(full|first|last|real)name"
    "|licen[sc]eplate|numberplate|platenumber|faceid|faceimage|phonenumber|homeaddress"
)
_CHINESE = re.compile("人脸|面部|身份证|证件号|车牌|号牌|步态|姓名|名字|手机|电话|指纹|掌纹|虹膜|声纹|邮箱|护照|住址")
_CHINA_MOBILE = re.compile(r"(?<!\d)(?:\+?86[ -]?)?1[3-9]\d[ -]?\d{4}[ -]?\d{4}(?!\d)")
_CHINA_ID = re.compile(r"(?<!\d)[1-9]\d{5}(?:19|20)\d{2}(?:0[1-9]|1[0-2])(?:[0-2]\d|3[01])\d{3}[\dXx](?!\d)")
"""GB 11643: region, birthday, sequence, check digit."""

_WORD = re.compile(r"[0-9A-Za-z+]+")

MOST_TOLD = 20


def identity_faults(value: Any, where: str, own_place: str) -> list[Fault]:
    """Each field of JSON that names a person, with its place; nothing of what stands under ``own_place``."""
    found = []
    for path in _named(value, where, own_place):
        found.append(Fault(shown(path)[:200], "identity of persons is not taken: leave this field out"))
        if len(found) == MOST_TOLD:
            break
    return found


def shown(text: str) -> str:
    """What somebody sent, such as a field's name, as it can be sent back: half characters and the like are "?"."""
    return "".join(character if character.isprintable() else "?" for character in text)


def number_of_a_person(text: str) -> str | None:
    """What the text holds that names a person, in words; None for nothing that can be told by its shape."""
    if _CHINA_ID.search(text):
        return "an identity card's number (身份证号)"
    if _CHINA_MOBILE.search(text):
        return "a telephone number (手机号)"
    return None


def name_of_a_person(word: Any) -> str | None:
    """As ``number_of_a_person``, of what devices name things by: only a whole word counts, since a serial number in
    hexadecimal holds such a run of digits by chance."""
    whole = (each for each in _WORD.findall(str(word)) if _CHINA_ID.fullmatch(each) or _CHINA_MOBILE.fullmatch(each))
    return number_of_a_person(next(whole, ""))


def _named(value: Any, where: str, own_place: str) -> Iterator[str]:
    # A list of what is still to be looked at, and no call per level: whoever nests a thousand deep ends no process.
    waiting = [(value, where)]
    while waiting:
        item, path = waiting.pop()
        if path == own_place:
            continue
        if isinstance(item, dict):
            for name, inner in item.items():
                inside = f"{path}.{name}"
                if _is_identity(str(name)):
                    yield inside
                else:
                    waiting.append((inner, inside))
        elif isinstance(item, list):
            waiting += [(inner, f"{path}[{number}]") for number, inner in enumerate(item)]


def _is_identity(name: str) -> bool:
    words = re.findall(r"[a-z]+", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name).lower())
    return bool(any(map(_WORDS.fullmatch, words)) or _COMPACT.search("".join(words)) or _CHINESE.search(name))
