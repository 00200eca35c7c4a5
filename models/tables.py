"""The tables at rest. Only this module, the migrations and ``alerts`` know SQLAlchemy.

Times are Unix seconds (double). Ids are ULIDs (26 characters) unless said otherwise.
"""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

Serial = BigInteger().with_variant(Integer, "sqlite")
"""A growing number. SQLite only makes one of INTEGER PRIMARY KEY."""

GridPath = Text().with_variant(Text(collation="C"), "postgresql")
"""Sorts by character, so that a subtree is a range of an index. Most servers sort by a language, where "/" may count
for nothing; SQLite sorts so by itself."""

QUEUED = text("state || '' IN ('dispatched', 'accepted', 'on_scene', 'returned', 'reopened')")
"""The part of the alerts that stands in a grid's queue (``alerts.listing.QUEUED``): few of all that there ever were.

Said so that no other index serves it: SQLite would take the one by state, and fetch and sort all that it finds."""

WAITING = text("state || '' IN ('new', 'acknowledged', 'returned', 'reopened')")
"""The part of the alerts that waits for an operator: few of all that there ever were. Said so as QUEUED is."""

HELD = text("held_by IS NOT NULL")
"""The part of the alerts that someone has in hand."""

ERASED = text("erased_s IS NOT NULL")
"""The few pictures that were erased."""

grids = Table(
    "grids",
    metadata,
    Column("code", String(64), primary_key=True),
    Column("scheme", String(32), nullable=False),
    Column("name", Text, nullable=False),
    Column("parent", String(64), ForeignKey("grids.code")),
    Column("level", Integer, nullable=False),
    Column("path", GridPath, nullable=False, index=True),
    Column("polygon", JSON),
    Column("system", String(16), nullable=False, server_default="wgs84", comment="that the file stated it in"),
    Column("polygon_raw", JSON, comment="as the file stated it, where that was not WGS-84"),
    Column("valid_from_s", Double),
    Column("valid_to_s", Double),
    Column("changed_s", Double, nullable=False),
)

organisations = Table(
    "organisations",
    metadata,
    Column("code", String(64), primary_key=True),
    Column("name", Text, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("grid_code", String(64), ForeignKey("grids.code"), nullable=False),
    Column("active", Boolean, nullable=False),
    Column("created_s", Double, nullable=False),
)

people = Table(
    "people",
    metadata,
    Column("id", String(26), primary_key=True),
    Column("username", String(64), nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("password_hash", Text, nullable=False),
    Column("must_change_password", Boolean, nullable=False),
    Column("active", Boolean, nullable=False),
    Column("created_s", Double, nullable=False),
    # No foreign key: to add one, SQLite makes the table anew, and drops the one that grants and duties lean on.
    Column("organisation_code", String(64), index=True),
    Column("skills", JSON),
    Column("last_seen_s", Double),
    Column("unreachable_s", Double, comment="marked so then; void once seen alive since"),
    Column("unreachable_reason", Text),
)

grants = Table(
    "grants",
    metadata,
    Column("person_id", String(26), ForeignKey("people.id"), primary_key=True),
    Column("role", String(32), primary_key=True),
    Column("grid_code", String(64), ForeignKey("grids.code"), primary_key=True),
)

duties = Table(
    "duties",
    metadata,
    Column("id", Serial, primary_key=True, autoincrement=True),
    Column("person_id", String(26), ForeignKey("people.id"), nullable=False),
    Column("grid_code", String(64), ForeignKey("grids.code"), nullable=False, index=True),
    Column("rank", Integer, nullable=False),
    Column("starts_s", Double, nullable=False),
    Column("ends_s", Double, nullable=False),
)

absences = Table(
    "absences",
    metadata,
    Column("id", Serial, primary_key=True, autoincrement=True),
    Column("person_id", String(26), ForeignKey("people.id"), nullable=False, index=True),
    Column("starts_s", Double, nullable=False),
    Column("ends_s", Double, nullable=False),
    Column("stand_in_id", String(26), ForeignKey("people.id"), index=True),
    Column("reason", Text, nullable=False),
    Column("entered_by", String(64), nullable=False),
    Column("entered_s", Double, nullable=False),
)

skill_needs = Table(
    "skill_needs",
    metadata,
    Column("grid_code", String(64), ForeignKey("grids.code"), primary_key=True),
    Column("kind", String(64), primary_key=True),
    Column("skill", String(32), primary_key=True),
)

promises = Table(
    "promises",
    metadata,
    Column("id", String(26), primary_key=True),
    Column("grid_code", String(64), ForeignKey("grids.code"), nullable=False, index=True),
    Column("alert_id", String(26)),
    Column("text", Text, nullable=False),
    Column("due_s", Double, nullable=False),
    Column("made_by", String(64), nullable=False),
    Column("made_by_name", Text, nullable=False),
    Column("made_s", Double, nullable=False),
    Column("kept_by", String(64)),
    Column("kept_s", Double),
)

handovers = Table(
    "handovers",
    metadata,
    Column("id", String(26), primary_key=True),
    Column("grid_code", String(64), ForeignKey("grids.code"), nullable=False, index=True),
    Column("sheet", Text, nullable=False, comment="canonical JSON: what both signed, byte for byte"),
    Column("sha256", String(64), nullable=False),
    Column("outgoing_id", String(26), ForeignKey("people.id"), nullable=False),
    Column("outgoing_s", Double, nullable=False),
    Column("incoming_id", String(26), ForeignKey("people.id")),
    Column("incoming_s", Double),
    Column("remark", Text),
)

sessions = Table(
    "sessions",
    metadata,
    Column("token_sha256", String(64), primary_key=True),
    Column("person_id", String(26), ForeignKey("people.id"), nullable=False, index=True),
    Column("csrf_token", String(64), nullable=False),
    Column("created_s", Double, nullable=False),
    Column("expires_s", Double, nullable=False),
    Column("revoked_s", Double),
)

sign_in_failures = Table(
    "sign_in_failures",
    metadata,
    Column("id", Serial, primary_key=True, autoincrement=True),
    Column("subject", String(128), nullable=False),
    Column("at_s", Double, nullable=False),
    Index(None, "subject", "at_s"),
)

cameras = Table(
    "cameras",
    metadata,
    Column("id", String(26), primary_key=True),
    Column("code", String(64), nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("lon_deg", Double, nullable=False),
    Column("lat_deg", Double, nullable=False),
    Column("url", Text, nullable=False, comment="without user name and password"),
    Column("credentials", LargeBinary, comment="sealed (AEAD); the key is outside the database"),
    Column("purpose", Text, nullable=False),
    Column("grid_code", String(64), ForeignKey("grids.code"), nullable=False),
    Column("grid_path", GridPath, nullable=False, index=True),
    Column("zones", JSON, nullable=False),
    Column("control_points", JSON, nullable=False),
    Column("enabled", Boolean, nullable=False),
    Column("version", Integer, nullable=False),
    Column("created_s", Double, nullable=False),
    Column("changed_s", Double, nullable=False),
    Column("site", String(64), comment="the building, square or pole that it belongs to"),
    Column("upstream", String(64), comment="the switch or recorder without which it is dark"),
    Column("vision", JSON, comment="how it is to be looked at; null: nothing is set"),
)

zone_templates = Table(
    "zone_templates",
    metadata,
    Column("code", String(64), primary_key=True),
    Column("name", Text, nullable=False),
    Column("grid_code", String(64), ForeignKey("grids.code"), nullable=False),
    Column("grid_path", GridPath, nullable=False, index=True),
    Column("body", JSON, nullable=False, comment="levels, night_levels and hours that zones share"),
    Column("version", Integer, nullable=False),
    Column("changed_s", Double, nullable=False),
)

alerts = Table(
    "alerts",
    metadata,
    # A default is a string, never text(): for that, a migration of SQLite drops the table, which its logs lean on.
    Column("id", String(26), primary_key=True),
    Column("version", Integer, nullable=False),
    Column("state", String(32), nullable=False),
    Column("kind", String(64), nullable=False),
    Column("severity", Integer, nullable=False),
    Column("fold_key", Text, nullable=False),
    Column("open_fold_key", Text, unique=True, comment="the fold key while the alert is open: one open alert a place"),
    Column("camera_id", String(26), index=True),
    Column("grid_code", String(64), nullable=False),
    Column("grid_path", GridPath, nullable=False),
    Column("lon_deg", Double, nullable=False),
    Column("lat_deg", Double, nullable=False),
    Column("created_s", Double, nullable=False),
    Column("changed_s", Double, nullable=False),
    Column("claim_until_s", Double, index=True),
    Column("unit", String(64), index=True, comment="the organisation that the case was given to"),
    Column("practice", Boolean, nullable=False, server_default="0"),
    Column("case_id", String(26), index=True, comment="the case that it is a member of"),
    Column("held_by", String(26), comment="whoever has it in hand, while they have"),
    Column("urgent_s", Double, nullable=False, server_default="0", comment="the less, the sooner: alerts.triage"),
    Column("body", JSON, nullable=False, comment="the whole projection"),
    Index(None, "fold_key", "created_s"),
    Index("ix_alerts_held_by", "held_by", sqlite_where=HELD, postgresql_where=HELD),
    # For lists and queues: each holds all that decides what is on a page, so that only the page's rows are fetched.
    Index("ix_alerts_newest", "created_s", "id", "grid_path", "state", "kind", "severity", "practice"),
    Index("ix_alerts_by_place", "grid_path", "created_s", "id", "state", "kind", "severity", "practice"),
    Index("ix_alerts_by_state", "state", "created_s", "id", "grid_path", "kind", "severity", "practice"),
    Index("ix_alerts_by_sort", "severity", "kind", "created_s", "id", "grid_path", "state", "practice"),
    Index(
        "ix_alerts_queued",
        "urgent_s",
        "id",
        "grid_path",
        "state",
        "practice",
        sqlite_where=QUEUED,
        postgresql_where=QUEUED,
    ),
    Index(
        "ix_alerts_waiting",
        "urgent_s",
        "id",
        "case_id",
        "grid_path",
        "practice",
        sqlite_where=WAITING,
        postgresql_where=WAITING,
    ),
)

events = Table(
    "events",
    metadata,
    Column("seq", Serial, primary_key=True, autoincrement=True),
    Column("alert_id", String(26), ForeignKey("alerts.id"), nullable=False),
    Column("version", Integer, nullable=False),
    Column("type", String(32), nullable=False),
    Column("actor_id", String(64), nullable=False),
    Column("actor_name", Text, nullable=False),
    Column("role", String(32), nullable=False),
    Column("at_s", Double, nullable=False),
    Column("client_at_s", Double),
    Column("reason", Text),
    Column("data", JSON, nullable=False),
    UniqueConstraint("alert_id", "version"),
)

seals = Table(
    "seals",
    metadata,
    Column("position", BigInteger, primary_key=True, autoincrement=False),
    Column("event_seq", BigInteger, ForeignKey("events.seq"), nullable=False, unique=True),
    Column("previous_hash", String(64), nullable=False),
    Column("hash", String(64), nullable=False),
    Column("sealed_s", Double, nullable=False),
)

anchors = Table(
    "anchors",
    metadata,
    Column("id", String(64), primary_key=True, comment="the random number in the file's first line"),
    Column("place", Text, nullable=False, comment="host:path, where it was kept last"),
    Column("lines", BigInteger, nullable=False),
    Column("position", BigInteger, nullable=False, comment="that its last line notes"),
    Column("sha256", String(64), nullable=False, comment="of its last line"),
    Column("at_s", Double, nullable=False),
)

outbox = Table(
    "outbox",
    metadata,
    Column("id", Serial, primary_key=True, autoincrement=True),
    Column("event_seq", BigInteger, ForeignKey("events.seq"), nullable=False, unique=True),
    Column("published_s", Double, index=True),
)

incidents = Table(
    "incidents",
    metadata,
    Column("source", String(64), primary_key=True),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("kind", String(64), nullable=False),
    Column("phase", String(16), nullable=False),
    Column("camera_id", String(26), nullable=False, index=True),
    Column("at_s", Double, nullable=False),
    Column("disposition", String(32), nullable=False),
    Column("disposition_reason", Text, nullable=False),
    Column("alert_id", String(26), ForeignKey("alerts.id"), index=True),
    Column("received_s", Double, nullable=False),
    Column("body", JSON, nullable=False),
)

source_cursors = Table(
    "source_cursors",
    metadata,
    Column("source", String(64), primary_key=True),
    Column("seq", BigInteger, nullable=False, comment="every incident up to here is in the ledger"),
)

evidence = Table(
    "evidence",
    metadata,
    Column("sha256", String(64), primary_key=True),
    Column("alert_id", String(26), ForeignKey("alerts.id"), primary_key=True),
    Column("kind", String(32), nullable=False),
    Column("media_type", String(64), nullable=False),
    Column("at_s", Double, nullable=False),
    Column("added_by", String(64), nullable=False),
    Column("added_s", Double, nullable=False),
    Column("erased_s", Double, comment="since then its bytes are gone, or go unless another alert holds them"),
    Index("ix_evidence_erased", "sha256", sqlite_where=ERASED, postgresql_where=ERASED),
)

idempotency = Table(
    "idempotency",
    metadata,
    Column("person_id", String(26), primary_key=True),
    Column("key", String(128), primary_key=True),
    Column("request_sha256", String(64), nullable=False),
    Column("status", Integer, nullable=False),
    Column("response", JSON, nullable=False),
    Column("at_s", Double, nullable=False, index=True),
)

leases = Table(
    "leases",
    metadata,
    Column("name", String(64), primary_key=True, comment="what one process at a time may do, such as sealing"),
    Column("holder", String(64), nullable=False),
    Column("fence", BigInteger, nullable=False),
    Column("until_s", Double, nullable=False),
)

timers = Table(
    "timers",
    metadata,
    Column("id", Serial, primary_key=True, autoincrement=True),
    Column("alert_id", String(26), ForeignKey("alerts.id"), nullable=False),
    Column("version", Integer, nullable=False, comment="of the event that set it"),
    Column("kind", String(16), nullable=False),
    Column("due_s", Double, nullable=False),
    Column("fired_s", Double, comment="when it had its effect, or lost its meaning"),
    Column("effect", String(32), comment="the type of the event that it led to; none where it was overtaken"),
    Index(None, "fired_s", "due_s"),
    UniqueConstraint("alert_id", "kind", "version"),
)

co_assignees = Table(
    "co_assignees",
    metadata,
    Column("alert_id", String(26), ForeignKey("alerts.id"), primary_key=True),
    Column("person_id", String(26), primary_key=True, index=True),
)

clock_policies = Table(
    "clock_policies",
    metadata,
    Column("grid_code", String(64), ForeignKey("grids.code"), primary_key=True),
    Column("kind", String(64), primary_key=True, comment="* for any"),
    Column("severity", Integer, primary_key=True, autoincrement=False),
    Column("stage", String(16), primary_key=True),
    Column("amount", Double, comment="none: no clock there"),
    Column("unit", String(16), nullable=False),
    Column("changed_s", Double, nullable=False),
    Column("changed_by", String(64), nullable=False),
)

calendars = Table(
    "calendars",
    metadata,
    Column("grid_code", String(64), ForeignKey("grids.code"), primary_key=True),
    Column("body", JSON, nullable=False),
    Column("changed_s", Double, nullable=False),
    Column("changed_by", String(64), nullable=False),
)

clock_stamp = Table(
    "clock_stamp",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("version", BigInteger, nullable=False, comment="rises with each change of a policy or calendar"),
)

cursors = Table(
    "cursors",
    metadata,
    Column("reader", String(64), primary_key=True, comment="who reads the log by position"),
    Column("position", BigInteger, nullable=False, comment="every sealed event up to here has been read"),
)

channels = Table(
    "channels",
    metadata,
    Column("id", String(26), primary_key=True),
    Column("person_id", String(26), ForeignKey("people.id"), nullable=False),
    Column("place", Integer, nullable=False, comment="1 is tried first"),
    Column("kind", String(16), nullable=False),
    Column("shown", Text, nullable=False, comment="what may be read of it: no token, no number"),
    Column("sealed", LargeBinary, nullable=False, comment="its address and tokens (AEAD)"),
    Column("wait_s", Double, nullable=False, comment="without an answer, the next channel is tried after this long"),
    Column("language", String(8), nullable=False),
    Column("created_s", Double, nullable=False),
    Column("dead_s", Double, comment="since then its receiver says that there is nobody: it is passed over"),
    UniqueConstraint("person_id", "place"),
)

webhooks = Table(
    "webhooks",
    metadata,
    Column("id", String(26), primary_key=True),
    Column("name", Text, nullable=False),
    Column("grid_code", String(64), ForeignKey("grids.code"), nullable=False),
    Column("shown", Text, nullable=False, comment="scheme and host of its address"),
    Column("sealed", LargeBinary, nullable=False, comment="its address and secret (AEAD)"),
    Column("created_s", Double, nullable=False),
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("id", Serial, primary_key=True, autoincrement=True),
    Column("key", String(128), nullable=False, unique=True, comment="one message; receivers tell duplicates by it"),
    Column("purpose", String(16), nullable=False),
    Column("target_id", String(26), index=True, comment="a channel or webhook, which may be gone by now"),
    Column("person_id", String(26)),
    Column("alert_id", String(26), ForeignKey("alerts.id"), nullable=False, index=True),
    Column("version", Integer, nullable=False, comment="of the event that it tells of"),
    Column("position", BigInteger, nullable=False),
    Column("topic", String(32), nullable=False),
    Column("place", Integer, nullable=False, comment="of the channel among the person's"),
    Column("on_duty_only", Boolean, nullable=False),
    Column("state", String(16), nullable=False),
    Column("said", Text, comment="why it was dropped, or what failed last"),
    Column("attempts", Integer, nullable=False),
    Column("made_s", Double, nullable=False),
    Column("due_s", Double, nullable=False),
    Column("settled_s", Double),
    Index(None, "state", "due_s"),
)

cases = Table(
    "cases",
    metadata,
    Column("id", String(26), primary_key=True),
    Column("cause", String(16), nullable=False, comment="storm, upstream or place"),
    Column("kind", String(64), nullable=False),
    Column("grid_path", GridPath, nullable=False, comment="the subtree, or the grid of the first member"),
    Column("reason", Text, nullable=False),
    Column("opened_s", Double, nullable=False),
)

breakers = Table(
    "breakers",
    metadata,
    Column("key", Text, primary_key=True, comment="kind and town, or kind and what feeds the cameras"),
    Column("body", JSON, nullable=False, comment="what storms.Breaker remembers: bounded"),
)

silences = Table(
    "silences",
    metadata,
    Column("id", String(26), primary_key=True),
    Column("what", String(16), nullable=False, comment="silence or maintenance"),
    Column("grid_code", String(64), ForeignKey("grids.code"), nullable=False),
    Column("grid_path", GridPath, nullable=False, index=True),
    Column("kind", String(64), comment="none: any"),
    Column("camera_id", String(26)),
    Column("zone_id", String(40)),
    Column("reason", Text, nullable=False),
    Column("starts_s", Double, nullable=False),
    Column("ends_s", Double, nullable=False, index=True),
    Column("made_by", String(64), nullable=False),
    Column("made_by_name", Text, nullable=False),
    Column("made_s", Double, nullable=False),
    Column("replaces", String(26), comment="the one that was lifted for this one"),
    Column("lifted_by", String(64)),
    Column("lifted_by_name", Text),
    Column("lifted_s", Double),
    Column("held", Integer, nullable=False, server_default="0", comment="incidents that it held back"),
)

held_back = Table(
    "held_back",
    metadata,
    Column("fold_key", Text, primary_key=True),
    Column("silence_id", String(26), ForeignKey("silences.id"), nullable=False, index=True),
    Column("body", JSON, nullable=False, comment="the last incident held back that has not cleared"),
)

intake_sources = Table(
    "intake_sources",
    metadata,
    Column("id", String(26), primary_key=True),
    Column("name", Text, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("grid_code", String(64), ForeignKey("grids.code"), nullable=False),
    Column("kinds", JSON, nullable=False, comment="of incidents, that it may report"),
    Column("camera_id", String(26), comment="the camera that sees the device"),
    Column("lon_deg", Double, comment="where it stands, WGS-84"),
    Column("lat_deg", Double),
    Column("responsible_id", String(26), comment="whom its warnings are dispatched to at once"),
    Column("rate_per_s", Double, nullable=False),
    Column("token_sha256", String(64), nullable=False, unique=True),
    Column("active", Boolean, nullable=False),
    Column("created_s", Double, nullable=False),
    Column("created_by", String(64), nullable=False),
)

intake_items = Table(
    "intake_items",
    metadata,
    Column("source", String(64), primary_key=True),
    Column("external_id", String(128), primary_key=True, comment="the source's own name of what it reported"),
    Column("seq", BigInteger, nullable=False, comment="of its incident"),
    Column("contact", LargeBinary, comment="the reporter's, sealed (AEAD); in no log, gone when erased"),
    Column("evaluated_s", Double, comment="when the reporter said how content they are"),
    UniqueConstraint("source", "seq"),
)

intake_rates = Table(
    "intake_rates",
    metadata,
    Column("source", String(64), primary_key=True),
    Column("tokens", Double, nullable=False, comment="what it may still send at once, as of at_s"),
    Column("at_s", Double, nullable=False),
)

figure_books = Table(
    "figure_books",
    metadata,
    Column("number", Serial, primary_key=True, autoincrement=True),
    Column("position", BigInteger, nullable=False, comment="every sealed event up to here is counted"),
    Column("zones", JSON, nullable=False, comment="by root grid: the time zone that its hours and days are of"),
    Column("is_current", Boolean, nullable=False, comment="one is; another is being counted anew, or is to go"),
)

figure_tallies = Table(
    "figure_tallies",
    metadata,
    Column("book", BigInteger, primary_key=True, autoincrement=False),
    Column("grid_code", String(64), primary_key=True, comment="with all below it"),
    Column("bucket", String(8), primary_key=True),
    Column("start_s", Double, primary_key=True),
    Column("kind", String(64), primary_key=True),
    Column("source", String(16), primary_key=True),
    Column("tally", LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)

figure_cases = Table(
    "figure_cases",
    metadata,
    Column("alert_id", String(26), primary_key=True),
    Column("body", JSON, nullable=False, comment="an open alert as the figures last saw it, and what they note of it"),
)
