"""No flagged or unchecked picture is uploaded where the NSFW policy is to block.

test_domain_nsfw.py and test_visibility.py test the policy with all combinations; here a whole bot
runs a sample of them, and every file that it uploads is checked.
"""

import random
from collections.abc import Mapping
from itertools import product
from typing import Any, Final

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.nsfw import (
    ChannelContext,
    ChannelInfo,
    ChannelKind,
    NsfwPolicy,
    NsfwSettings,
    nsfw_policy,
)
from bot.domain.picture import Picture
from bot.domain.visibility import visible_in
from bot.playground import Attachment, Channel, Interaction, Message
from bot.playground.gateway.interaction_create import interaction_json
from bot.playground.model.interactions import InteractionType
from engine.contract import Verdict
from tests.bot_harness import BotHarness, eventually
from tests.fake_engine import FakeEngine, flat
from tests.nsfw_watch import Uploads, choose, colours, restrict
from tests.samples import picture

SEED: Final = 20_261_121
SAMPLES: Final = 32

CHANNEL_KINDS = ("text", "thread", "direct")
RESTRICTED = (False, True)
POLICIES = (None, "block", "spoiler", "allow")
RESULTS = ("passed", "flagged", "unchecked", "failed")
INSTALLATIONS = ("server", "person")
CHANGES = ("none", "unrestricted early", "unrestricted late", "blocked early", "blocked late")


class Case(msgspec.Struct, frozen=True):
    """Channel, settings, installation and safety results of a job of four pictures."""

    channel_kind: str
    restricted: bool
    guild_policy: str | None
    """The setting of the guild."""
    channel_policy: str | None
    """The setting of the channel."""
    installation: str
    change: str
    """What changes; "early": while the job is running, "late": after its delivery."""
    results: tuple[str, ...]

    def level(self, *, changed: bool) -> str:
        """The policy for flagged pictures that the test expects."""
        if self.channel_kind == "direct" or self.installation == "person" or not self.restricted:
            return "block"
        if changed and self.change != "none":
            return "block"
        return self.channel_policy or self.guild_policy or "block"

    def numbers(self, *results: str) -> set[int]:
        """The numbers (from 1) of the pictures with one of these results."""
        return {nth for nth, result in enumerate(self.results, start=1) if result in results}


def sample() -> list[Case]:
    """A fixed sample of all cases; in half of them flagged pictures may be shown."""
    verdicts = [results for results in product(RESULTS, repeat=4) if set(results) != {"failed"}]
    rng = random.Random(SEED)
    axes = (CHANNEL_KINDS, RESTRICTED, POLICIES, POLICIES, INSTALLATIONS, CHANGES)
    cases = [Case(*case, ()) for case in product(*axes)]
    permissive = [case for case in cases if case.level(changed=False) != "block"]
    selection = rng.sample(cases, SAMPLES // 2) + rng.sample(permissive, SAMPLES // 2)
    return [msgspec.structs.replace(case, results=rng.choice(verdicts)) for case in selection]


class CaseRun:
    """Runs one case, and checks every upload against the policy that applies when it is sent."""

    def __init__(self, harness: BotHarness, engine: FakeEngine, case: Case) -> None:
        self.harness = harness
        self.engine = engine
        self.case = case
        self.level = case.level(changed=False)
        self.leaks: list[str] = []
        """Uploads against the policy."""
        self.files = 0
        self.flagged_uploads: list[int] = []
        """The numbers of the flagged pictures that were uploaded."""
        engine.flagged = case.numbers("flagged")
        engine.unchecked = case.numbers("unchecked")
        engine.overflowing = case.numbers("failed")
        self.parent = harness.discord.add_channel("here", nsfw=case.restricted)
        self.channel = self._channel()
        Uploads(harness, self._check_upload)

    def _channel(self) -> Channel:
        if self.case.channel_kind == "direct":
            return self.harness.ada.dm
        if self.case.channel_kind == "thread":
            return self.harness.discord.add_thread(self.parent, "there")
        return self.parent

    def _check_upload(self, message: Message, file: Attachment) -> None:
        file_colours = colours(file.data)
        self.files += 1
        flagged = self._colours("flagged") & file_colours
        if self._colours("unchecked") & file_colours:
            self.leaks.append(f"{file.filename} was not checked")
        private = message.channel is self.harness.ada.dm
        if flagged and (private or self.level == "block"):
            self.leaks.append(f"{file.filename} in {message.channel.name}")
        if flagged and self.level == "spoiler" and not file.spoiler:
            self.leaks.append(f"{file.filename} is no spoiler")
        self.flagged_uploads += [self._number(colour) for colour in flagged]

    def _colours(self, result: str) -> set[Any]:
        numbers = self.case.numbers(result)
        jobs = [paint.recipes for paint in self.engine.paints]
        return {
            colour
            for recipes in jobs
            for nth, recipe in enumerate(recipes, start=1)
            if nth in numbers
            for colour in colours(flat(recipe))
        }

    def _number(self, colour: object) -> int:
        for paint in self.engine.paints:
            for nth, recipe in enumerate(paint.recipes, start=1):
                if colour in colours(flat(recipe)):
                    return nth
        raise AssertionError("no picture has this colour")

    async def choose(self) -> None:
        """Choose the settings as an admin."""
        if self.case.guild_policy:
            await choose(self.harness, self.case.guild_policy)
        if self.case.channel_policy:
            await choose(self.harness, self.case.channel_policy, self.parent)

    async def change(self, when: str) -> None:
        """Change the channel or the setting, if the case has a change at this time."""
        if not self.case.change.endswith(when):
            return
        self.level = self.case.level(changed=True)
        if self.case.change.startswith("unrestricted"):
            restrict(self.harness, self.parent, nsfw=False)
        else:
            await choose(self.harness, "block")
            await choose(self.harness, "block", self.parent)

    def send_interaction(
        self, kind: InteractionType, data: Mapping[str, Any], message: Message | None
    ) -> Interaction:
        """Send an interaction with the installation type of the case."""
        discord = self.harness.discord
        interaction = discord.interactions.open(
            kind, self.harness.ada.user, self.channel, dict(data), message
        )
        event = interaction_json(interaction)
        if self.case.installation == "person":
            event["authorizing_integration_owners"] = {"1": str(self.harness.ada.id)}
        discord.world.emit("INTERACTION_CREATE", event, self.channel)
        return interaction

    def imagine(self) -> Interaction:
        """Send /imagine."""
        options = [{"name": "prompt", "type": 3, "value": "a red house"}]
        data = {"id": "1", "name": "imagine", "type": 1, "options": options}
        return self.send_interaction(InteractionType.APPLICATION_COMMAND, data, None)

    async def click(self, message: Message, label: str) -> None:
        """Click a button, and wait for the response."""
        buttons = [part for row in message.components for part in row["components"]]
        [custom_id] = [button["custom_id"] for button in buttons if button.get("label") == label]
        data = {"custom_id": custom_id, "component_type": 2, "id": 1}
        interaction = self.send_interaction(InteractionType.MESSAGE_COMPONENT, data, message)
        await interaction.acknowledged()
        await self.harness.discord.until(
            lambda: (
                interaction.ephemerals
                or (interaction.response and not interaction.response.loading)
            ),
            why="a response",
        )


@pytest.mark.parametrize("case", sample(), ids=str)
async def test_no_upload_violates_the_policy(
    harness: BotHarness, engine: FakeEngine, case: Case
) -> None:
    """Grid, full-size picture, variations and DM are checked; allowed pictures must be shown."""
    run = CaseRun(harness, engine, case)
    await run.choose()
    engine.gate.clear()
    interaction = run.imagine()
    await eventually(lambda: engine.paints)
    await run.change("early")
    engine.gate.set()
    grid = await harness.result(interaction)
    is_shown = run.level != "block"
    assert sorted(run.flagged_uploads) == (sorted(case.numbers("flagged")) if is_shown else [])
    run.flagged_uploads.clear()
    await run.change("late")
    for nth in range(1, 5):
        await run.click(grid, f"U{nth}")
    is_shown = run.level != "block"
    assert sorted(run.flagged_uploads) == (sorted(case.numbers("flagged")) if is_shown else [])
    await harness.ada.react(grid, "✉️")
    await harness.discord.until(
        lambda: [
            message for message in harness.discord.dms(harness.ada) if "seed" in message.content
        ][-1:]
    )
    await run.click(grid, f"V{min(case.numbers('passed', 'flagged') or {1})}")
    stored = {
        row["nth"] for row in harness.query("SELECT nth FROM pictures WHERE path IS NOT NULL")
    }
    assert stored <= case.numbers("passed", "flagged")
    assert run.files and not run.leaks


VERDICTS = st.builds(
    lambda score, threshold: Verdict(
        checker="model", score=score, flagged=score is None or score >= threshold
    ),
    st.none() | st.floats(0, 1),
    st.floats(0, 1),
)


@given(
    context=st.builds(
        ChannelContext,
        kind=st.sampled_from(ChannelKind),
        guild_id=st.none() | st.integers(1, 3),
        channel=st.none() | st.builds(ChannelInfo, st.integers(1, 3), st.booleans()),
    ),
    settings=st.builds(
        NsfwSettings,
        st.sampled_from(NsfwPolicy),
        st.dictionaries(st.integers(1, 3), st.sampled_from(NsfwPolicy)),
    ),
    results=st.lists(st.lists(VERDICTS, min_size=1, max_size=3), min_size=1, max_size=4),
)
def test_flagged_pictures_have_no_file_where_the_policy_is_block(
    context: ChannelContext, settings: NsfwSettings, results: list[list[Verdict]]
) -> None:
    """Safety results, channels and settings are combined at random."""
    pictures = [_picture(nth, verdicts) for nth, verdicts in enumerate(results, start=1)]
    visible = visible_in(pictures, nsfw_policy(context, settings))
    allowed = (
        context.kind is ChannelKind.GUILD
        and context.guild_id is not None
        and context.channel is not None
        and context.channel.is_age_restricted
        and settings.channels.get(context.channel.id, settings.guild) is not NsfwPolicy.BLOCK
    )
    for verdicts, visible_picture in zip(results, visible.pictures, strict=True):
        flagged = any(verdict.flagged for verdict in verdicts)
        unchecked = any(verdict.score is None for verdict in verdicts)
        assert (visible_picture.path is not None) == (not flagged or (allowed and not unchecked))
        assert (
            not (visible_picture.path and flagged)
            or visible.needs_spoiler
            or nsfw_policy(context, settings) is NsfwPolicy.ALLOW
        )


def _picture(nth: int, verdicts: list[Verdict]) -> Picture:
    """The picture as stored for a channel where flagged pictures may be shown."""
    flagged = any(verdict.flagged for verdict in verdicts)
    if any(verdict.score is None for verdict in verdicts):
        return picture(nth=nth, is_withheld=True, path=None, verdicts=tuple(verdicts))
    return picture(nth=nth, is_flagged_but_kept=flagged, verdicts=tuple(verdicts))
