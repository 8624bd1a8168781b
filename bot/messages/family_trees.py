"""Draws the family tree of a picture from what is stored."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from bot.domain.job import Job
from bot.domain.picture import Picture
from bot.domain.recipe_diff import recipe_changes
from bot.i18n import N_, _
from bot.messages import family_tree, picture_files
from bot.messages.family_layout import MAX_DISTANCE, Family, nearest
from bot.messages.family_tree import THUMBNAIL, Member
from bot.messages.grid import Cell
from bot.messages.picture_files import FittedFile
from bot.services.family import FamilyFinder, FamilyMember, Relatives
from bot.storage import FileMissing, FileStorage

DELETED: Final = "deleted"
ELSEWHERE: Final = N_("in another channel")


class FamilyPictures(msgspec.Struct, frozen=True):
    """The family of a picture, and what is stored of its members."""

    picture_id: str
    family: Family
    relatives: Relatives
    members: Mapping[str, FamilyMember]

    @property
    def left_out(self) -> int:
        """How many relatives next to those that are shown are not shown."""
        return sum(self.family.more.values())

    def pictures(self, can_view: Callable[[Job], bool]) -> list[Picture]:
        """Those that exist and that a user may view, and the one whose family it is."""
        return [
            member.picture
            for name, member in self.members.items()
            if member.picture is not None
            and member.job is not None
            and (name == self.picture_id or can_view(member.job))
        ]


class FamilyTrees:
    """Finds families and draws them."""

    def __init__(self, finder: FamilyFinder, storage: FileStorage) -> None:
        self._finder = finder
        self._storage = storage

    async def find(self, picture_id: str, *, viewer_id: int) -> FamilyPictures:
        """The nearest relatives of a picture that this user may know of."""
        relatives = await self._finder.relatives(picture_id, MAX_DISTANCE, viewer_id=viewer_id)
        family = nearest(relatives.parents, picture_id)
        members = {name: await self._finder.member(name) for name in family.parents}
        return FamilyPictures(picture_id, family, relatives, members)

    async def member(self, picture_id: str) -> FamilyMember:
        """The picture of this id, with its job."""
        return await self._finder.member(picture_id)

    async def latest(self, user_id: int, limit: int) -> list[Picture]:
        """The latest pictures of a user, newest first."""
        return await self._finder.latest(user_id, limit)

    async def draw(
        self, pictures: FamilyPictures, visible: Mapping[str, Picture], limit: int
    ) -> FittedFile:
        """The tree as a file. Only visible pictures are shown."""
        return await asyncio.to_thread(self._draw, pictures, visible, limit)

    def _draw(
        self, pictures: FamilyPictures, visible: Mapping[str, Picture], limit: int
    ) -> FittedFile:
        members = {
            name: Member(self._cell(name, pictures, visible), _label(name, pictures, visible))
            for name in pictures.family.parents
        }
        image = family_tree.draw(pictures.family, members, pictures.picture_id)
        return picture_files.encode_within(image, limit)

    def _cell(self, name: str, pictures: FamilyPictures, visible: Mapping[str, Picture]) -> Cell:
        picture = visible.get(name)
        if picture is None:
            return DELETED if pictures.members[name].picture is None else _(ELSEWHERE)
        if picture.unavailable_reason is not None:
            return picture.unavailable_reason
        try:
            return picture_files.thumbnail(self._storage, picture, THUMBNAIL)
        except FileMissing:
            return DELETED


def _label(name: str, pictures: FamilyPictures, visible: Mapping[str, Picture]) -> list[str]:
    """The relation to the parent, and what changed if the user may know both recipes."""
    parent = pictures.family.parents[name]
    if parent is None:
        return []
    relation = pictures.relatives.relations[name].value
    old, new = visible.get(parent), visible.get(name)
    if old is None or new is None or old.is_removed or new.is_removed:
        return [relation]
    return [relation, *recipe_changes(old.recipe, new.recipe)]
