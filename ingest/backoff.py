"""When to try a camera again, and who may try an account now. Pure: every call takes the time."""

from dataclasses import dataclass

from models.camera import Credentials, SourceUrl
from models.errors import (
    CameraError,
    CameraRefused,
    CameraStalled,
    CameraUnauthorised,
    CameraUnreachable,
)

FIRST_S = 1.0
GONE_S = 6.0
"""The longest wait for a camera that is away: its first picture is to be here within 10 s of its return."""
WRONG_S = 60.0
"""The longest wait for a camera that someone has to mend first: wrong path, no video, nonsense."""
ACCOUNT_S = 60.0
"""A recorder's account is shared by its channels and locks after a few wrong passwords."""
TRY_S = 20.0
"""A try that has not ended after so long is forgotten: whoever made it is gone."""
POLL_S = 0.5
"""How soon to ask again while another one tries the same account."""


def delay_s(error: CameraError, failures: int, chance: float) -> float:
    """Seconds to wait after the ``failures``-th failure in a row (from 1). ``chance`` 0..1 spreads cameras out."""
    if isinstance(error, CameraUnauthorised):
        return ACCOUNT_S * (1 + chance / 4)
    gone = isinstance(error, CameraRefused | CameraUnreachable | CameraStalled)
    longest_s = GONE_S if gone else WRONG_S
    wait_s: float = min(longest_s, FIRST_S * 2.0 ** min(failures - 1, 10))
    return wait_s * (1 - chance / 2)


@dataclass
class _Account:
    proven: Credentials | None = None
    refused_until_s: float = 0.0
    tried_by: str | None = None
    tried_s: float = 0.0


class Accounts:
    """Lets a password that is not known to be right be tried at most once a minute per host and user name.

    Whoever asks for video (worker, probe) asks here first and says afterwards how it went. While one tries a password
    that is not proven, the others of that account wait for its answer. Not for several threads.
    """

    def __init__(self) -> None:
        self._accounts: dict[tuple[str, str], _Account] = {}

    def wait_s(self, source: SourceUrl, who: str, now_s: float) -> float:
        """0 when ``who`` may try now, and is then expected to tell the outcome; else how long to wait first."""
        if source.credentials is None:
            return 0.0  # no password, no account that could lock
        account = self._of(source)
        if account.proven == source.credentials:
            return 0.0
        if now_s < account.refused_until_s:
            return account.refused_until_s - now_s
        if account.tried_by not in (None, who) and now_s - account.tried_s < TRY_S:
            return POLL_S
        account.tried_by, account.tried_s = who, now_s
        return 0.0

    def is_refused(self, source: SourceUrl, now_s: float) -> bool:
        """Whether a wrong password for this account is less than a minute old."""
        return source.credentials is not None and now_s < self._of(source).refused_until_s

    def accepted(self, source: SourceUrl, who: str) -> None:
        """The camera took the password."""
        account = self._of(source)
        account.proven = source.credentials
        self._ended(account, who)

    def failed(self, source: SourceUrl, who: str, error: CameraError, now_s: float) -> None:
        """The try ended, or a stream did. A password must then be proven again: it may have been changed meanwhile."""
        account = self._of(source)
        if account.proven == source.credentials:
            account.proven = None
        if isinstance(error, CameraUnauthorised):
            account.refused_until_s = now_s + ACCOUNT_S
        self._ended(account, who)

    def gave_up(self, source: SourceUrl, who: str) -> None:
        """The try was stopped before it had an outcome."""
        self._ended(self._of(source), who)

    def _ended(self, account: _Account, who: str) -> None:
        if account.tried_by == who:
            account.tried_by = None

    def _of(self, source: SourceUrl) -> _Account:
        username = source.credentials.username if source.credentials else ""
        return self._accounts.setdefault((source.host.lower(), username), _Account())
