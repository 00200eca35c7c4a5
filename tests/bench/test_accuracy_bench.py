"""The accuracy bench's check: it passes with the real gate and fails with one that lets nothing through."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from bench import accuracy, accuracy_others
from bench.accuracy import BEGIN, END, SABOTAGES, faults, markdown, write_between
from bench.accuracy_footage import Clip, clips, footage_part
from bench.accuracy_others import Other, run_other
from bench.accuracy_parts import Part, Promise, Table
from models.errors import InvalidInput
from tests.ops.replay_scene import Eyes, detector, draw, truth


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Clip:
    return Clip("drawn", draw(tmp_path_factory.mktemp("accuracy") / "clip.mp4"), truth())


def judged(clip: Clip, sabotage: str | None) -> Part:
    return footage_part([clip], [], detector(), Eyes(), SABOTAGES[sabotage])


def test_the_check_passes_with_the_real_gate(clip: Clip) -> None:
    part = judged(clip, None)
    assert faults([part]) == []
    assert part.figures["together"][0]["recall"] == 1.0
    assert "| drawn | keyframes | 40 |" in markdown([part], 60.0)


def test_the_check_fails_with_a_gate_that_lets_nothing_through(clip: Clip) -> None:
    part = judged(clip, "closed-gate")
    assert part.figures["together"][1]["gate_pass_rate"] == 0.0
    assert [said for said in faults([part]) if "recall" in said] == [
        f"footage at {rate}: recall: 0, promised ≥ 0.9" for rate in ("keyframes", "1", "0.5")
    ]


def test_without_any_footage_nothing_is_promised_to_be_kept(tmp_path: Path) -> None:
    found, absent = clips(tmp_path)
    assert [each.name for each in found] in ([], ["vtest"])
    assert len(absent) >= 6
    assert len(faults([footage_part([], absent, detector(), Eyes())])) == 9


def test_a_bench_that_breaks_off_is_said_and_is_a_fault(tmp_path: Path) -> None:
    other = Other("nothing", (), False, lambda _: Part("nothing", None))
    said: list[str] = []
    part = run_other(other, tmp_path, said.append)
    assert "No module named bench.nothing" in part.left_out[0]
    assert faults([part]) == ["nothing: nothing was measured"]


def test_the_tables_are_written_between_their_marks(tmp_path: Path) -> None:
    page = tmp_path / "accuracy.md"
    page.write_text(f"# Accuracy\n{BEGIN}\nold\n{END}\nlimits\n")
    part = Part("a", {}, (Table("Recall", [{"kind": "a|b", "recall": "1"}]),), (Promise("recall", 0.5, 0.9, True),))
    write_between(page, markdown([part], 60.0))
    text = page.read_text()
    assert text.startswith(f"# Accuracy\n{BEGIN}\n")
    assert text.endswith(f"{END}\nlimits\n")
    assert "| a/b | 1 |" in text
    assert "| recall | 0.5 | ≥ 0.9 | NO |" in text
    assert "old" not in text
    (tmp_path / "other.md").write_text("no marks")
    with pytest.raises(InvalidInput, match="has no place for the tables"):
        write_between(tmp_path / "other.md", "")


def test_the_command_ends_with_1_where_a_promise_is_broken(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def measured(*given: object) -> Sequence[Part]:
        del given
        return [Part("a", {}, (), (Promise("recall", 0.5, 0.9, True),))]

    monkeypatch.setattr(accuracy, "measure", measured)
    assert accuracy.main(["--check", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["missed"] == ["recall: 0.5, promised ≥ 0.9"]
    assert accuracy.main(["--json"]) == 0
    assert accuracy.main(["--markdown", str(tmp_path / "none.md")]) == 1


def test_each_bench_beside_is_there_and_prints_for_programs() -> None:
    for other in accuracy_others.OTHERS:
        source = Path(accuracy_others.__file__).with_name(f"{other.name}.py").read_text()
        assert '"--json"' in source
        assert ('"--data"' in source) == other.takes_data
