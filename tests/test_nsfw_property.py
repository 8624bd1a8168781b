"""Nothing that is flagged, or was not checked, is uploaded where the policy says block.

The rule itself is tried with every combination in test_domain_nsfw.py and test_visibility.py; here
the whole bot runs through a sample of them, and every file that it uploads is looked at.
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
from tests.fake_engine import FakeEngine, flat
from tests.house import House, eventually
from tests.nsfw_watch import Uploads, choose, colours, restrict
from tests.samples import picture

SEED: Final = 20_261_121
SAMPLES: Final = 32

PLACES = ("text", "thread", "direct")
RESTRICTED = (False, True)
CHOICES = (None, "block", "spoiler", "allow")
SAYS = ("passed", "flagged", "unchecked", "failed")
INSTALLS = ("server", "person")
CHANGES = ("none", "unrestricted early", "unrestricted late", "blocked early", "blocked late")


class Case(msgspec.Struct, frozen=True):
    """One world in which somebody asks for four pictures."""

    place: str
    restricted: bool
    server: str | None
    """What was chosen for the server as a whole."""
    room: str | None
    """What was chosen for the channel."""
    install: str
    change: str
    """What changes: early, while the job is painted; late, when its grid is there."""
    says: tuple[str, ...]

    def level(self, *, changed: bool) -> str:
        """What the policy makes of flagged pictures, in words of its own."""
        if self.place == "direct" or self.install == "person" or not self.restricted:
            return "block"
        if changed and self.change != "none":
            return "block"
        return self.room or self.server or "block"

    def numbers(self, *says: str) -> set[int]:
        """Of which pictures (from 1) the checkers say so."""
        return {nth for nth, result in enumerate(self.says, start=1) if result in says}


def sample() -> list[Case]:
    """A fixed sample of all cases; half of them may show flagged pictures."""
    verdicts = [says for says in product(SAYS, repeat=4) if set(says) != {"failed"}]
    rng = random.Random(SEED)
    axes = (PLACES, RESTRICTED, CHOICES, CHOICES, INSTALLS, CHANGES)
    worlds = [Case(*world, ()) for world in product(*axes)]
    open_ones = [world for world in worlds if world.level(changed=False) != "block"]
    chosen = rng.sample(worlds, SAMPLES // 2) + rng.sample(open_ones, SAMPLES // 2)
    return [msgspec.structs.replace(world, says=rng.choice(verdicts)) for world in chosen]


class Story:
    """Lives through one case, and holds every upload against the policy of that moment."""

    def __init__(self, house: House, engine: FakeEngine, case: Case) -> None:
        self.house = house
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
        self.parent = house.discord.add_channel("here", nsfw=case.restricted)
        self.channel = self._channel()
        Uploads(house, self._look)

    def _channel(self) -> Channel:
        if self.case.place == "direct":
            return self.house.ada.dm
        if self.case.place == "thread":
            return self.house.discord.add_thread(self.parent, "there")
        return self.parent

    def _look(self, message: Message, file: Attachment) -> None:
        file_colours = colours(file.data)
        self.files += 1
        flagged = self._colours("flagged") & file_colours
        if self._colours("unchecked") & file_colours:
            self.leaks.append(f"{file.filename} was not checked")
        private = message.channel is self.house.ada.dm
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
        """The admin's choices."""
        if self.case.server:
            await choose(self.house, self.case.server)
        if self.case.room:
            await choose(self.house, self.case.room, self.parent)

    async def change(self, when: str) -> None:
        """The channel or the admin's mind is another from now on, if it is time."""
        if not self.case.change.endswith(when):
            return
        self.level = self.case.level(changed=True)
        if self.case.change.startswith("unrestricted"):
            restrict(self.house, self.parent, nsfw=False)
        else:
            await choose(self.house, "block")
            await choose(self.house, "block", self.parent)

    def ask(
        self, kind: InteractionType, data: Mapping[str, Any], message: Message | None
    ) -> Interaction:
        """Do something by an installation of this case's."""
        discord = self.house.discord
        interaction = discord.interactions.open(
            kind, self.house.ada.user, self.channel, dict(data), message
        )
        event = interaction_json(interaction)
        if self.case.install == "person":
            event["authorizing_integration_owners"] = {"1": str(self.house.ada.id)}
        discord.world.emit("INTERACTION_CREATE", event, self.channel)
        return interaction

    def imagine(self) -> Interaction:
        """/imagine."""
        options = [{"name": "prompt", "type": 3, "value": "a red house"}]
        data = {"id": "1", "name": "imagine", "type": 1, "options": options}
        return self.ask(InteractionType.APPLICATION_COMMAND, data, None)

    async def press(self, message: Message, label: str) -> None:
        """A button, and wait for what comes of it."""
        buttons = [part for row in message.components for part in row["components"]]
        [custom_id] = [button["custom_id"] for button in buttons if button.get("label") == label]
        data = {"custom_id": custom_id, "component_type": 2, "id": 1}
        interaction = self.ask(InteractionType.MESSAGE_COMPONENT, data, message)
        await interaction.acknowledged()
        await self.house.discord.until(
            lambda: (
                interaction.ephemerals
                or (interaction.response and not interaction.response.loading)
            ),
            why="an answer",
        )


@pytest.mark.parametrize("case", sample(), ids=str)
async def test_no_upload_violates_the_policy(house: House, engine: FakeEngine, case: Case) -> None:
    """In the grid, at full size, in variations and in a DM; and what may be shown, is shown."""
    story = Story(house, engine, case)
    await story.choose()
    engine.gate.clear()
    interaction = story.imagine()
    await eventually(lambda: engine.paints)
    await story.change("early")
    engine.gate.set()
    grid = await house.result(interaction)
    is_visible = story.level != "block"
    assert sorted(story.flagged_uploads) == (sorted(case.numbers("flagged")) if is_visible else [])
    story.flagged_uploads.clear()
    await story.change("late")
    for nth in range(1, 5):
        await story.press(grid, f"U{nth}")
    is_visible = story.level != "block"
    assert sorted(story.flagged_uploads) == (sorted(case.numbers("flagged")) if is_visible else [])
    await house.ada.react(grid, "✉️")
    await house.discord.until(
        lambda: [message for message in house.discord.dms(house.ada) if "seed" in message.content][
            -1:
        ]
    )
    await story.press(grid, f"V{min(case.numbers('passed', 'flagged') or {1})}")
    stored = {row["nth"] for row in house.query("SELECT nth FROM pictures WHERE path IS NOT NULL")}
    assert stored <= case.numbers("passed", "flagged")
    assert story.files and not story.leaks


VERDICTS = st.builds(
    lambda score, threshold: Verdict(
        checker="model", score=score, flagged=score is None or score >= threshold
    ),
    st.none() | st.floats(0, 1),
    st.floats(0, 1),
)


@given(
    place=st.builds(
        ChannelContext,
        kind=st.sampled_from(ChannelKind),
        guild_id=st.none() | st.integers(1, 3),
        channel=st.none() | st.builds(ChannelInfo, st.integers(1, 3), st.booleans()),
    ),
    choices=st.builds(
        NsfwSettings,
        st.sampled_from(NsfwPolicy),
        st.dictionaries(st.integers(1, 3), st.sampled_from(NsfwPolicy)),
    ),
    results=st.lists(st.lists(VERDICTS, min_size=1, max_size=3), min_size=1, max_size=4),
)
def test_flagged_pictures_have_no_file_where_the_policy_is_block(
    place: ChannelContext, choices: NsfwSettings, results: list[list[Verdict]]
) -> None:
    """For all results of the checkers, channels and settings."""
    pictures = [_picture(nth, verdicts) for nth, verdicts in enumerate(results, start=1)]
    visible = visible_in(pictures, nsfw_policy(place, choices))
    allowed = (
        place.kind is ChannelKind.GUILD
        and place.guild_id is not None
        and place.channel is not None
        and place.channel.is_age_restricted
        and choices.channels.get(place.channel.id, choices.guild) is not NsfwPolicy.BLOCK
    )
    for verdicts, visible_picture in zip(results, visible.pictures, strict=True):
        flagged = any(verdict.flagged for verdict in verdicts)
        unchecked = any(verdict.score is None for verdict in verdicts)
        assert (visible_picture.path is not None) == (not flagged or (allowed and not unchecked))
        assert (
            not (visible_picture.path and flagged)
            or visible.needs_spoiler
            or nsfw_policy(place, choices) is NsfwPolicy.ALLOW
        )


def _picture(nth: int, verdicts: list[Verdict]) -> Picture:
    """As stored in a channel where flagged pictures are kept."""
    flagged = any(verdict.flagged for verdict in verdicts)
    if any(verdict.score is None for verdict in verdicts):
        return picture(nth=nth, is_withheld=True, path=None, verdicts=tuple(verdicts))
    return picture(nth=nth, is_flagged_but_kept=flagged, verdicts=tuple(verdicts))
