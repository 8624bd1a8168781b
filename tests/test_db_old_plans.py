"""Jobs that were stored before there were plans."""

from pathlib import Path

from bot.db import migrations, rows
from bot.db.tables import Value
from bot.domain.job_input import PENDING_IMAGE
from bot.domain.plan import PlanDetails
from engine.contract import Img2Img
from tests.test_db_migrations import OLD_RECIPE, insert, old_job, opened


def test_parents_and_sketches_of_old_jobs_have_their_own_tables(tmp_path: Path) -> None:
    """Of one parent all pictures are variations; of several, each has its own child."""
    path = tmp_path / "a.db"
    migrations.migrate(path, migrations.migrations()[:11])
    varied: dict[str, Value] = {"kind": "variation", "parents": '["z-3"]'}
    pending: dict[str, Value] = {
        "status": "accepted",
        "ended_at": None,
        "sketch": '{"url":"https://a/b","strength":0.35000000000000003,"keep_size":true}',
        "recipes": rows.json([OLD_RECIPE]),
    }
    with opened(path) as connection:
        insert(connection, "jobs", old_job("z"))
        insert(connection, "jobs", old_job("a") | varied)
        insert(connection, "jobs", old_job("b") | varied | {"parents": '["z-1","z-2","z-3","z-4"]'})
        insert(connection, "jobs", old_job("c") | pending)
    migrations.migrate(path)
    with opened(path) as connection:
        edges = connection.execute("SELECT child, parent, relation FROM lineage ORDER BY child")
        assert list(map(tuple, edges)) == [
            *((f"a-{nth}", "z-3", "variation") for nth in (1, 2, 3, 4)),
            *((f"b-{nth}", f"z-{nth}", "variation") for nth in (1, 2, 3, 4)),
        ]
        inputs = connection.execute("SELECT job, role, url, options, sha256 FROM job_inputs")
        assert [tuple(row) for row in inputs if row["job"] in "cz"] == [
            ("c", "sketch", "https://a/b", '{"keep_size":true}', None),
            ("z", "sketch", None, "{}", "b" * 64),
        ]
        [row] = connection.execute(f"{rows.JOBS} WHERE id = 'c'")
        assert [item.recipe.source for item in rows.to_job(row).recipes] == [
            Img2Img(PENDING_IMAGE, 0.35000000000000003)
        ]
        assert rows.to_job(row).plan == PlanDetails()
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
