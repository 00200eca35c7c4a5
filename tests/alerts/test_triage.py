"""What becomes of an incident, and why."""

from dataclasses import replace

import pytest
from desk_scene import NOW, PATHS, SHA, incident, later

from alerts.projection import apply, detected
from alerts.triage import Action, triage, unfit, worth_telling
from models.alert import Alert, State
from models.incident import Evidence, Incident, Phase, Severity


def alert(state: State = State.NEW, first: Incident | None = None) -> Alert:
    born = apply(None, detected("A" * 26, first or incident(), ("g1", PATHS["g1"]), ("g1",), "why", NOW))
    return replace(born, state=state)


@pytest.mark.parametrize("phase", list(Phase))
@pytest.mark.parametrize("state", [State.NEW, State.HANDLED, State.VERIFIED, State.SUSPENDED, State.REOPENED])
def test_open_alert_takes_every_phase(phase: Phase, state: State) -> None:
    assert triage(later(incident(), phase, 2, 5), alert(state), NOW + 9).action is Action.MERGE


@pytest.mark.parametrize("state", [State.DISMISSED, State.CLOSED, State.VOIDED])
def test_after_the_end(state: State) -> None:
    ended = alert(state)
    verdicts = {phase: triage(later(incident(), phase, 2, 60), ended, NOW + 60) for phase in Phase}
    assert {phase: verdict.action for phase, verdict in verdicts.items()} == {
        Phase.ONSET: Action.RAISE,
        Phase.CONTINUING: Action.SUPPRESS,
        Phase.CLEARED: Action.SUPPRESS,
    }
    assert state.value in verdicts[Phase.CONTINUING].reason


def test_a_happening_whose_onset_never_became_an_alert_is_raised_late() -> None:
    missed = later(incident(), Phase.CONTINUING, 2, 60)
    assert triage(missed, None, NOW).action is Action.RAISE
    anew = replace(missed, onset_s=NOW + 30)  # begun after the ended alert was last seen
    assert triage(anew, alert(State.CLOSED), NOW).action is Action.RAISE


def test_clear_without_an_alert_is_suppressed() -> None:
    assert triage(later(incident(), Phase.CLEARED, 2, 60), None, NOW).action is Action.SUPPRESS


def test_a_scene_that_goes_on_is_told_once_a_minute_of_frame_time() -> None:
    standing = alert()
    assert not worth_telling(standing, later(incident(), Phase.CONTINUING, 2, 59.9))
    assert worth_telling(standing, later(incident(), Phase.CONTINUING, 2, 60))


def test_what_changes_the_picture_is_told_at_once() -> None:
    standing = alert()
    seen = later(incident(), Phase.CONTINUING, 2, 1)
    assert worth_telling(standing, replace(seen, severity=Severity.RED))
    assert not worth_telling(standing, replace(seen, severity=Severity.BLUE))
    assert worth_telling(standing, replace(seen, evidence=(Evidence("0" * 64, "still", "image/jpeg", NOW),)))
    assert not worth_telling(standing, replace(seen, evidence=(Evidence(SHA, "still", "image/jpeg", NOW),)))
    clear = replace(seen, phase=Phase.CLEARED)
    assert worth_telling(standing, clear)
    assert not worth_telling(replace(standing, scene_clear_s=NOW), clear)
    assert worth_telling(replace(standing, scene_clear_s=NOW), seen)


def test_pictures_of_one_alert_are_bounded() -> None:
    many = tuple(Evidence(f"{n:064x}", "still", "image/jpeg", NOW) for n in range(20))
    full = alert(first=incident(evidence=many))
    more = replace(later(incident(), Phase.CONTINUING, 2, 1), evidence=(Evidence(SHA, "still", "image/jpeg", NOW),))
    assert not worth_telling(full, more)


@pytest.mark.parametrize(
    "changes",
    [
        {"camera_id": ""},
        {"camera_id": "a" * 27},
        {"zone_id": "\n"},
        {"at_s": 1e12},
        {"accuracy_m": -1.0},
        {"measure": {"x": float("nan")}},
        {"measure": {"x": {1, 2}}},
    ],
)
def test_unfit(changes: dict[str, object]) -> None:
    assert unfit(incident(1, **changes)) is not None
    assert unfit(incident()) is None
