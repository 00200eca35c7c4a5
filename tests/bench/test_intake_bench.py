"""The benchmark of intake over HTTP, small: each report is answered as taken, and stands in the ledger."""

from pathlib import Path

from sqlalchemy import func, select

from alerts.database import open_database, reading
from bench.intake import WHOLE
from bench.intake_http import CLIENTS, measure
from models.tables import incidents


def test_each_report_is_taken_one_by_one_and_in_batches(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    rates = measure(url, tmp_path, 20, WHOLE, 10 * CLIENTS * len(WHOLE), 20)
    assert set(rates) == {"http, single", "http, batched"}
    assert min(rates.values()) > 0
    engine = open_database(url)
    with reading(engine) as connection:
        assert connection.execute(select(func.count()).select_from(incidents)).scalar_one() == 11 * CLIENTS * len(WHOLE)
    engine.dispose()
