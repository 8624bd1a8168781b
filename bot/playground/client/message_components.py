"""Find the components of a message that a user can click or choose from."""

from bot.playground.errors import Json, NoSuchButton
from bot.playground.model.enums import SELECT_TYPES, ButtonStyle, ComponentType
from bot.playground.model.messages import Message, button_label, walk_components


def find_button(message: Message, label: str | None, custom_id: str | None) -> Json:
    """Return a button with this label, emoji or custom id; raise NoSuchButton."""
    for component in walk_components(message.components):
        if component["type"] != ComponentType.BUTTON or component.get("style") == ButtonStyle.LINK:
            continue
        emoji = (component.get("emoji") or {}).get("name")
        labels = (button_label(component), component.get("label"), emoji)
        has_label = label is not None and label in labels
        if has_label or (custom_id is not None and component["custom_id"] == custom_id):
            if component.get("disabled"):
                raise NoSuchButton(f"The button {label or custom_id} is disabled.")
            return component
    buttons = ", ".join(message.buttons) or "none"
    raise NoSuchButton(f"There is no button {label or custom_id}; the buttons are: {buttons}.")


def find_menu(message: Message, custom_id: str) -> Json:
    """Return a select menu with this custom id; raise NoSuchButton."""
    for component in walk_components(message.components):
        is_menu = component["type"] in SELECT_TYPES and not component.get("disabled")
        if is_menu and component["custom_id"] == custom_id:
            return component
    raise NoSuchButton(f"The message has no menu with the id {custom_id}.")


def find_option(message: Message, label: str) -> tuple[str, str] | None:
    """The custom id of the menu with an option of this label, and the option's value.

    None if no menu of texts has one, or if a button has the label.
    """
    if label in message.buttons:
        return None
    for component in walk_components(message.components):
        if component["type"] == ComponentType.STRING_SELECT and not component.get("disabled"):
            for option in component["options"]:
                if option["label"] == label:
                    return component["custom_id"], option["value"]
    return None
