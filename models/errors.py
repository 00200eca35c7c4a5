"""One error tree. Core errors carry meaning; only ``api/errors.py`` knows HTTP.

Every error has a stable ``code`` for programs and a sentence for people that says what to do next. No message
ever holds a secret: whoever builds one from a camera's address uses ``SourceUrl.shown``.
"""

from collections.abc import Sequence
from dataclasses import dataclass


class WanggeError(Exception):
    """The root: ``code`` is stable, ``str(error)`` is a sentence for a person."""

    code = "error"


@dataclass(frozen=True)
class Fault:
    """One thing wrong with an input: ``where`` it is (a row, a field, a path) and ``what`` is wrong there."""

    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


class InvalidInput(WanggeError):
    """An input was refused whole; ``faults`` names each reason with its place."""

    code = "invalid_input"

    def __init__(self, message: str, faults: Sequence[Fault] = ()) -> None:
        super().__init__(message)
        self.faults = tuple(faults)


class NotFound(WanggeError):
    """No such thing, or none that the asker may know of."""

    code = "not_found"


class Erased(WanggeError):
    """It was there, and personal data of somebody: it was erased, for a reason that the log holds."""

    code = "erased"


class Unauthenticated(WanggeError):
    """Nobody is signed in, or the sign-in has ended."""

    code = "unauthenticated"


class Forbidden(WanggeError):
    """Signed in, the thing is in sight, but this person may not do this to it."""

    code = "forbidden"


class Conflict(WanggeError):
    """The thing is not in the state that the command needs."""

    code = "conflict"


class StaleVersion(Conflict):
    """The command saw an older version of ``what``; ``current`` is the one to look at before trying again."""

    code = "stale_version"

    def __init__(self, expected: int, current: int, what: str = "the alert") -> None:
        super().__init__(
            f"{what} has moved on to version {current} since version {expected} was read: look again, then decide"
        )
        self.expected, self.current = expected, current


class RetryLater(WanggeError):
    """Nothing was done; the same request may succeed in ``retry_after_s`` seconds."""

    code = "retry_later"

    def __init__(self, message: str, retry_after_s: int = 1) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class TooManyAttempts(RetryLater):
    """A limit per account or address was reached."""

    code = "too_many_attempts"


class RateLimited(TooManyAttempts):
    """A source sends more than it may; ``retry_after_s`` is when this very request would be taken."""

    code = "rate_limited"


class Unavailable(RetryLater):
    """A part that this needs (database locked, Redis away, video desk down) does not answer now."""

    code = "unavailable"


class TooLarge(WanggeError):
    """The input passes a size or pixel cap; the sentence names the cap."""

    code = "too_large"


class ModelRefused(WanggeError):
    """A detector model was not loaded: wrong hash, shape, labels, type, external data."""

    code = "model_refused"


class Misconfigured(WanggeError):
    """The installation cannot run as it is set up; the sentence names the setting and the fix."""

    code = "misconfigured"


class EgressRefused(WanggeError):
    """A message may not go to that address. The sentence never repeats the address: it may hold a token."""

    code = "egress_refused"


class EgressFailed(WanggeError):
    """A message was not taken: no answer, or one that says no."""

    code = "egress_failed"


class EgressGone(EgressFailed):
    """The receiver says that there is nothing at that address (404, 410)."""


class CameraError(WanggeError):
    """A camera could not be watched. ``code`` is one of the subclasses' below, shown in probe, API and log alike."""

    code = "camera_error"


class CameraUrlInvalid(CameraError):
    """The address is not an rtsp:// or rtsps:// address that can be used."""

    code = "camera_url_invalid"


class CameraAddressNotAllowed(CameraError):
    """The address resolves outside the networks that cameras may be on."""

    code = "camera_address_not_allowed"


class CameraRefused(CameraError):
    """The host answers, the port does not."""

    code = "camera_refused"


class CameraUnreachable(CameraError):
    """No answer from the host, or its name does not resolve."""

    code = "camera_unreachable"


class CameraUntrusted(CameraError):
    """The camera's TLS certificate does not prove that it is the camera (rtsps only)."""

    code = "camera_untrusted"


class CameraUnauthorised(CameraError):
    """The camera refuses the user name and password (401, 403)."""

    code = "camera_unauthorised"


class CameraNotFound(CameraError):
    """The camera has no stream of that path (404)."""

    code = "camera_not_found"


class CameraNoVideo(CameraError):
    """The stream has no video track, or none in H.264 or H.265."""

    code = "camera_no_video"


class CameraRedirected(CameraError):
    """The camera points to another address (3xx); it is never followed."""

    code = "camera_redirected"


class CameraStalled(CameraError):
    """Connected, but frame time does not advance."""

    code = "camera_stalled"


class CameraCorrupt(CameraError):
    """What the camera sends cannot be understood as RTSP, RTP or video."""

    code = "camera_corrupt"
