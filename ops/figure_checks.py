"""The doctor's recount of the figures: whether what is kept is what the log says, and counting it all anew."""

from alerts.clock_policies import ClockPolicies
from alerts.database import open_database, schema_fault
from alerts.recount import compare
from alerts.recount import rebuild as count_anew
from models.settings import Settings
from ops.backup import ledger_file
from ops.findings import Finding, fail, ok, warn

MEND = "`wangge doctor figures --rebuild` counts them anew, also while the product runs"


def figures(settings: Settings, now_s: float, *, rebuild: bool = False) -> Finding:
    """Reads the whole log: minutes for a million cases. ``rebuild``: first counts it all anew."""
    if (file := ledger_file(settings)) is not None and not file.is_file():
        return fail("figures", f"there is no ledger at {file}", "set WANGGE_DATA to the directory to be looked at")
    engine = open_database(settings.database_url)
    try:
        if fault := schema_fault(engine):
            return fail("figures", fault)
        policies = ClockPolicies(engine)
        if rebuild:
            count_anew(engine, policies, now_s)
        found = compare(engine, policies, now_s)
    finally:
        engine.dispose()
    if found.differing:
        return fail("figures", f"{len(found.differing)} rows are not what the log says: {found.differing[0]} …", MEND)
    if found.moved_zones:
        said = f"the days of {', '.join(found.moved_zones[:5])} are those of the time zone that its calendar had before"
        return warn("figures", said, MEND)
    return ok("figures", f"all {found.rows} rows equal a recount of the log up to position {found.position}")
