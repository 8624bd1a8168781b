"""What starts jobs of /imagine: its command, and the buttons that paint a prompt they show."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from bot.context import Interaction, services
from bot.domain.kinds import draft as drafts
from bot.domain.kinds import imagine
from bot.domain.kinds.imagine import ImagineRequest, parse
from bot.domain.plan import JobKind, Plan, PlanContext
from bot.domain.preferred_plan import preferred_plan
from bot.features.responses import make_private, request_context


class TypedRequest(NamedTuple):
    """What a user asks /imagine for."""

    values: Mapping[str, Any]
    """By option, without attachments."""
    urls: Mapping[str, str]
    """The addresses of the attachments, by option."""
    notes: tuple[str, ...] = ()
    """Sentences for the user."""
    own_words: str = ""
    """What the user typed, if the prompt is an expansion of it."""

    @property
    def request(self) -> ImagineRequest:
        """The same, checked. Raises Refused for a value of the wrong type."""
        fields = imagine.ImagineOptions.__struct_fields__
        return ImagineRequest(
            options=parse(**{name: value for name, value in self.values.items() if name in fields}),
            sketch_url=self.urls.get("sketch"),
            style_url=self.urls.get("style"),
            like_url=self.urls.get("like"),
            notes=self.notes,
            own_words=self.own_words,
        )


async def planned(
    interaction: Interaction, typed: TypedRequest
) -> tuple[JobKind, Plan, PlanContext]:
    """The job that a request is. Raises Refused, with a sentence for the user."""
    if typed.values.get("private", False):
        make_private(interaction)
    context = await services(interaction).planner.context(request_context(interaction))
    is_draft = typed.values.get("draft", False)
    kind, plan = (drafts.KIND, drafts.plan) if is_draft else (imagine.KIND, imagine.plan)
    filled = preferred_plan(plan, typed.request, context, imagine.with_preference)
    return kind, filled, context
