"""A new kind of jobs costs two files: its plan and its feature."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
KIND = '''
"""Turned: pictures of the same recipe, with width and height exchanged."""

import msgspec

from bot.domain.plan import Edge, JobKind, Plan, PlanContext, Relation
from bot.domain.row_classes import with_row_classes


def plan(request: None, context: PlanContext) -> Plan:
    recipes = [
        msgspec.structs.replace(
            parent.recipe, width=parent.recipe.height, height=parent.recipe.width
        )
        for parent in context.parents
    ]
    edges = [
        Edge(nth, parent.id, Relation.CELL) for nth, parent in enumerate(context.parents, start=1)
    ]
    return Plan(recipes=with_row_classes(recipes, context.models), edges=tuple(edges))


KIND = JobKind(name="turned", title="Turned: ", plan=plan, actions=("upscale", "turn"))
'''
FEATURE = '''
"""The button that turns a picture."""

from bot.context import services
from bot.domain.kinds import turned
from bot.features.exports import Action, Exports
from bot.features.responses import defer_and_start, request_context
from bot.messages.action_views import ActionScope


async def turn(interaction, job, nth):
    picture = await services(interaction).job_finder.picture(job, nth)
    context = request_context(interaction)
    plan = turned.plan(None, await services(interaction).planner.context(context, [picture]))
    new = await services(interaction).job_service.submit(turned.KIND, plan, context)
    await defer_and_start(interaction, new)


exports = Exports(
    actions=(
        Action(
            name="turn",
            label="Turn",
            scope=ActionScope.PICTURE,
            initial="T",
            order=90,
            is_on_picture=lambda _: True,
            handler=turn,
        ),
        Action(
            name="turnfirst",
            label="Turn the first",
            scope=ActionScope.JOB,
            is_added_to_result=lambda job: job.kind.name == "imagine",
            handler=lambda interaction, job, _: turn(interaction, job, 1),
        ),
    )
)
'''
STORY = """
import asyncio
import sys
from pathlib import Path

import bot
from bot.playground import Playground
from tests.bot_harness import BotHarness
from tests.fake_engine import FakeEngine


async def main(data: Path) -> None:
    assert Path(bot.__file__).is_relative_to(Path.cwd()), bot.__file__
    engine = FakeEngine()
    async with Playground(port=0) as discord, BotHarness(discord, engine, data) as harness:
        grid = await harness.imagine(aspect="wide")
        assert grid.buttons[-1] == "Turn the first", grid.buttons
        shown = await harness.ada.click(grid, "U2")
        await discord.until(lambda: shown.response and shown.response.attachments)
        turned = await harness.result(await harness.ada.click(shown.response, "Turn"))
        assert turned.content.startswith("Turned: **a red house**"), turned.content
        assert turned.buttons[0] == "U1" and turned.buttons[-1] == "T1", turned.buttons
        (recipe,) = engine.paints[-1].recipes
        assert recipe.height > recipe.width
        await harness.stop()
        await harness.start()
        await harness.result(await harness.ada.click(turned, "T1"))
        (recipe,) = engine.paints[-1].recipes
        assert recipe.height < recipe.width
        edges = harness.query("SELECT parent FROM lineage")
        assert sorted(edge["parent"][-2:] for edge in edges) == ["-1", "-2"]
    print("The story is complete.")


asyncio.run(main(Path(sys.argv[1])))
"""


def test_a_kind_of_two_files_is_a_part_of_the_bot(tmp_path: Path) -> None:
    """Its button stands below pictures and results, and works after a restart too."""
    tree = tmp_path / "tree"
    shutil.copytree(ROOT / "bot", tree / "bot", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("engine", "migrations", "tests"):
        (tree / name).symlink_to(ROOT / name, target_is_directory=True)
    (tree / "bot" / "domain" / "kinds" / "turned.py").write_text(KIND, encoding="utf-8")
    (tree / "bot" / "features" / "turned.py").write_text(FEATURE, encoding="utf-8")
    story = subprocess.run(
        [sys.executable, "-c", STORY, str(tmp_path / "data")],
        cwd=tree,
        env={**os.environ, "PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=170,
        check=False,
    )
    assert story.stdout.endswith("The story is complete.\n"), story.stderr
