"""What the doctor found, as people read it."""

import inspect
import re

import pytest
import typer

from ops import doctor, ledger_checks
from ops.findings import Finding, Level
from ops.printing import print_findings

SOURCE = inspect.getsource(doctor) + inspect.getsource(ledger_checks)
CHECKS = sorted({*re.findall(r'\b(?:ok|warn|fail)\(\s*"(\w+)"', SOURCE), "disk", "ready: redis"})


def test_every_check_and_level_is_named_in_both_languages(capsys: pytest.CaptureFixture[str]) -> None:
    findings = [Finding(check, level, "said", "the fix") for check in CHECKS for level in Level]
    with pytest.raises(typer.Exit) as ended:
        print_findings(findings, as_json=False)
    lines = [line for line in capsys.readouterr().out.splitlines() if "→" not in line]
    assert ended.value.exit_code == 1
    assert len(CHECKS) > 15
    for finding, line in zip(findings, lines, strict=True):
        assert re.fullmatch(rf"[\u4e00-\u9fff]+ {finding.level.value} +[\u4e00-\u9fff]+ {finding.check} +said", line)
