"""Fields and limits of the components of messages and modals."""

from bot.playground.model.enums import ButtonStyle, ComponentType
from bot.playground.rest.validation.fields import (
    ATTACHMENT,
    WEB,
    Boolean,
    Choice,
    Field,
    Integer,
    ListOf,
    Model,
    Required,
    Snowflake,
    Text,
    Union,
    Url,
)

COMPONENTS_LIMIT = 40  # components of a message, including nested ones
CHANNEL_TYPES = (0, 1, 2, 3, 4, 5, 10, 11, 12, 13, 14, 15, 16)

CUSTOM_ID = Required(Text(100, 1))
EMOJI = Model({"id": Snowflake(), "name": Text(32), "animated": Boolean()})
MEDIA = Required(Model({"url": Required(Url(2048, (*WEB, ATTACHMENT)))}))
UPLOADED = Required(Model({"url": Required(Url(2048, (ATTACHMENT,)))}))
CAPTIONED: dict[str, Field] = {
    "media": MEDIA,
    "description": Text(1024, 1),
    "spoiler": Boolean(),
}
OPTION: dict[str, Field] = {
    "label": Required(Text(100, 1)),
    "value": Required(Text(100, 1)),
    "description": Text(100),
    "default": Boolean(),
}


def _component(**fields: Field) -> Model:
    """Return a component with these fields."""
    return Model({"id": Integer(0, (1 << 31) - 1, "int32"), **fields})


def _input(**fields: Field) -> Model:
    """Return a component with a custom id and a value of the user; modals use `required`."""
    return _component(custom_id=CUSTOM_ID, required=Boolean(), **fields)


def _multiple_choice(limit: int, **fields: Field) -> Model:
    """Return a component from which the user chooses up to `limit` values."""
    return _input(min_values=Integer(0, limit), max_values=Integer(1, limit), **fields)


def _select(**fields: Field) -> Model:
    return _multiple_choice(25, placeholder=Text(150), disabled=Boolean(), **fields)


def _entity_select(*types: str, **fields: Field) -> Model:
    """Return a select menu whose default values have one of the types."""
    default = Model({"id": Required(Snowflake()), "type": Required(Choice(types))})
    return _select(default_values=ListOf(default, 25), **fields)


BUTTON = _component(
    style=Required(Choice(tuple(ButtonStyle))),
    custom_id=Text(100, 1),
    label=Text(80),
    emoji=EMOJI,
    url=Url(512, (*WEB, "discord")),
    sku_id=Snowflake(),
    disabled=Boolean(),
)
SELECTS: dict[int, Model] = {
    ComponentType.STRING_SELECT: _select(
        options=Required(ListOf(Model({**OPTION, "emoji": EMOJI}), 25, 1))
    ),
    ComponentType.USER_SELECT: _entity_select("user"),
    ComponentType.ROLE_SELECT: _entity_select("role"),
    ComponentType.MENTIONABLE_SELECT: _entity_select("user", "role"),
    ComponentType.CHANNEL_SELECT: _entity_select(
        "channel", channel_types=ListOf(Choice(CHANNEL_TYPES), unique=True)
    ),
}
TEXT_DISPLAY = _component(content=Required(Text(4000, 1)))
ACCESSORIES: dict[int, Model] = {
    ComponentType.BUTTON: BUTTON,
    ComponentType.THUMBNAIL: _component(**CAPTIONED),
}
CONTENT: dict[int, Model] = {
    ComponentType.ACTION_ROW: _component(
        components=Required(ListOf(Union({ComponentType.BUTTON: BUTTON, **SELECTS}), 5, 1))
    ),
    ComponentType.SECTION: _component(
        components=Required(ListOf(Union({ComponentType.TEXT_DISPLAY: TEXT_DISPLAY}), 3, 1)),
        accessory=Required(Union(ACCESSORIES)),
    ),
    ComponentType.TEXT_DISPLAY: TEXT_DISPLAY,
    ComponentType.MEDIA_GALLERY: _component(items=Required(ListOf(Model(CAPTIONED), 10, 1))),
    ComponentType.FILE: _component(file=UPLOADED, spoiler=Boolean()),
    ComponentType.SEPARATOR: _component(spacing=Choice((1, 2)), divider=Boolean()),
}
"""The components at the top level of a message with Components V2, and in a container."""
CONTAINER = _component(
    components=Required(ListOf(Union(CONTENT), COMPONENTS_LIMIT, 1)),
    accent_color=Integer(0, 0xFFFFFF),
    spoiler=Boolean(),
)
MESSAGE_COMPONENTS = ListOf(
    Union({**CONTENT, ComponentType.CONTAINER: CONTAINER}), COMPONENTS_LIMIT
)

TEXT_INPUT = _input(
    style=Required(Choice((1, 2))),
    label=Text(45, 1),
    value=Text(4000),
    placeholder=Text(100),
    min_length=Integer(0, 4000),
    max_length=Integer(1, 4000),
)
INPUTS: dict[int, Model] = {
    ComponentType.TEXT_INPUT: TEXT_INPUT,
    ComponentType.FILE_UPLOAD: _multiple_choice(10, file_types=ListOf(Text(100), 10)),
    ComponentType.RADIO_GROUP: _input(options=Required(ListOf(Model(OPTION), 10, 2))),
    ComponentType.CHECKBOX_GROUP: _multiple_choice(
        10, options=Required(ListOf(Model(OPTION), 10, 1))
    ),
    ComponentType.CHECKBOX: _input(default=Boolean()),
    **SELECTS,
}
MODAL_COMPONENTS: dict[int, Model] = {
    ComponentType.ACTION_ROW: _component(
        components=Required(ListOf(Union({ComponentType.TEXT_INPUT: TEXT_INPUT}), 5, 1))
    ),
    ComponentType.TEXT_DISPLAY: TEXT_DISPLAY,
    ComponentType.LABEL: _component(
        label=Required(Text(45, 1)), description=Text(100, 1), component=Required(Union(INPUTS))
    ),
}
MODAL = Model(
    {
        "custom_id": CUSTOM_ID,
        "title": Required(Text(45, 1)),
        "components": Required(ListOf(Union(MODAL_COMPONENTS), 5, 1)),
    }
)
