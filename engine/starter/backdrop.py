"""Draw the sky and the ground of a scene."""

import random
from collections.abc import Callable
from typing import Final

from PIL import Image, ImageDraw

from engine.starter.pen import RGB, WHITE, darker, lighter, mix

SKIES: Final[dict[str, tuple[RGB, RGB]]] = {
    "day": ((104, 184, 236), (206, 236, 250)),
    "night": ((18, 22, 58), (52, 58, 112)),
    "sunset": ((118, 78, 150), (255, 176, 104)),
}
"""Top and bottom of the sky at each time of day."""
GROUNDS: Final[dict[str, RGB]] = {
    "grass": (112, 186, 88),
    "sand": (238, 208, 140),
    "snow": (238, 244, 252),
    "sea": (52, 122, 190),
}
LIGHT: Final[dict[str, tuple[RGB, float]]] = {
    "day": ((255, 255, 255), 0.0),
    "night": ((16, 20, 62), 0.42),
    "sunset": ((210, 90, 60), 0.2),
}
"""Tint of the ground and its share, by time of day."""


def ground_colour(colour: RGB, time: str) -> RGB:
    """A colour of the ground at a time of day."""
    return mix(colour, *LIGHT[time])


def paint_backdrop(
    size: tuple[int, int],
    horizon: float,
    ground: str,
    time: str,
    sky_rng: random.Random,
    hills_rng: random.Random,
    ground_rng: random.Random,
) -> Image.Image:
    """A picture of `size` pixels with the sky above `horizon` (pixels from the top).

    Each part has a generator of its own, so that another sky can stand above the same ground; they
    may be the same object.
    """
    width, height = size
    image = Image.new("RGB", size)
    draw = ImageDraw.Draw(image)
    top, bottom = SKIES[time]
    for y in range(int(horizon) + 1):
        draw.line([(0, y), (width, y)], fill=mix(top, bottom, y / horizon))
    _LIGHTS[time](draw, width, horizon, sky_rng)
    _hills(draw, size, horizon, ground, time, hills_rng)
    draw.rectangle((0, horizon, width, height), fill=ground_colour(GROUNDS[ground], time))
    _TEXTURES[ground](draw, size, horizon, ground_colour(GROUNDS[ground], time), ground_rng)
    return image


def _disc(draw: ImageDraw.ImageDraw, x: float, y: float, r: float, fill: RGB) -> None:
    draw.ellipse((x - r, y - r, x + r, y + r), fill=fill)


def _day(draw: ImageDraw.ImageDraw, width: int, horizon: float, rng: random.Random) -> None:
    side = rng.choice((0.13, 0.87))
    x, y, r = width * side, horizon * rng.uniform(0.18, 0.3), horizon * 0.12
    _disc(draw, x, y, r * 1.35, mix(SKIES["day"][0], (255, 236, 150), 0.45))
    _disc(draw, x, y, r, (255, 222, 92))
    for _ in range(rng.randint(1, 3)):
        _cloud(draw, rng.uniform(0.1, 0.9) * width, rng.uniform(0.1, 0.5) * horizon, horizon, rng)


def _cloud(
    draw: ImageDraw.ImageDraw, x: float, y: float, horizon: float, rng: random.Random
) -> None:
    r = horizon * rng.uniform(0.07, 0.11)
    for dx, dy, size in ((-1.1, 0.2, 0.7), (0.0, -0.15, 1.0), (1.1, 0.2, 0.75)):
        _disc(draw, x + dx * r, y + dy * r, r * size, WHITE)
    draw.rounded_rectangle((x - 1.8 * r, y, x + 1.85 * r, y + 0.9 * r), 0.45 * r, fill=WHITE)


def _night(draw: ImageDraw.ImageDraw, width: int, horizon: float, rng: random.Random) -> None:
    for _ in range(rng.randint(7, 12)):
        x, y = rng.uniform(0.03, 0.97) * width, rng.uniform(0.04, 0.8) * horizon
        _disc(draw, x, y, horizon * rng.choice((0.016, 0.022)), (255, 246, 205))
    x, y, r = width * rng.choice((0.15, 0.85)), horizon * rng.uniform(0.18, 0.28), horizon * 0.12
    _disc(draw, x, y, r, (255, 240, 190))
    sky = mix(*SKIES["night"], y / horizon)
    _disc(draw, x + r * 0.5, y - r * 0.2, r * 0.85, sky)


def _sunset(draw: ImageDraw.ImageDraw, width: int, horizon: float, rng: random.Random) -> None:
    x, r = width * rng.uniform(0.2, 0.8), horizon * 0.2
    glow = mix(SKIES["sunset"][1], (255, 236, 150), 0.5)
    _disc(draw, x, horizon * 0.97, r * 1.5, glow)
    _disc(draw, x, horizon * 0.97, r, (255, 226, 120))
    for _ in range(rng.randint(1, 3)):
        cx, cy = rng.uniform(0.1, 0.9) * width, rng.uniform(0.12, 0.5) * horizon
        w, h = width * rng.uniform(0.1, 0.17), horizon * 0.035
        draw.rounded_rectangle((cx - w, cy - h, cx + w, cy + h), h, fill=(250, 150, 130))


_LIGHTS: Final[dict[str, Callable[[ImageDraw.ImageDraw, int, float, random.Random], None]]] = {
    "day": _day,
    "night": _night,
    "sunset": _sunset,
}


def hill_boxes(
    size: tuple[int, int], horizon: float, rng: random.Random
) -> list[tuple[float, float, float, float]]:
    """Left, top, right and bottom, in pixels, of the ellipses whose upper halves are hills."""
    boxes = []
    for _ in range(2):
        x, w = rng.uniform(0.0, 1.0) * size[0], size[0] * rng.uniform(0.3, 0.45)
        h = horizon * rng.uniform(0.1, 0.22)
        boxes.append((x - w, horizon - h, x + w, horizon + h))
    return boxes


def _hills(
    draw: ImageDraw.ImageDraw,
    size: tuple[int, int],
    horizon: float,
    ground: str,
    time: str,
    rng: random.Random,
) -> None:
    if ground == "sea":
        return
    far = mix(ground_colour(darker(GROUNDS[ground], 0.16), time), SKIES[time][1], 0.3)
    for box in hill_boxes(size, horizon, rng):
        draw.ellipse(box, fill=far)


def _grass(
    draw: ImageDraw.ImageDraw,
    size: tuple[int, int],
    horizon: float,
    base: RGB,
    rng: random.Random,
) -> None:
    tuft, unit = darker(base, 0.28), size[1] * 0.02
    for _ in range(9):
        x, y = rng.uniform(0, size[0]), rng.uniform(horizon + 3 * unit, size[1])
        for dx in (-1.0, 0.0, 1.0):
            draw.line(
                [(x, y), (x + dx * unit, y - 1.6 * unit)], fill=tuft, width=max(1, round(unit / 2))
            )


def _sand(
    draw: ImageDraw.ImageDraw,
    size: tuple[int, int],
    horizon: float,
    base: RGB,
    rng: random.Random,
) -> None:
    ripple, unit = darker(base, 0.16), size[1] * 0.02
    for _ in range(6):
        x, y = rng.uniform(0, size[0]), rng.uniform(horizon + 2 * unit, size[1])
        w = size[0] * rng.uniform(0.05, 0.12)
        draw.arc((x - w, y, x + w, y + 3 * unit), 200, 340, fill=ripple, width=round(unit * 0.7))


def _snow(
    draw: ImageDraw.ImageDraw,
    size: tuple[int, int],
    horizon: float,
    base: RGB,
    rng: random.Random,
) -> None:
    unit = size[1] * 0.02
    for _ in range(4):
        x, y = rng.uniform(0, size[0]), rng.uniform(horizon + unit, size[1])
        w = size[0] * rng.uniform(0.12, 0.25)
        draw.ellipse((x - w, y, x + w, y + 4 * unit), fill=mix(base, (150, 180, 220), 0.3))
    for _ in range(14):
        _disc(draw, rng.uniform(0, size[0]), rng.uniform(0, size[1]), unit * 0.55, WHITE)


def _sea(
    draw: ImageDraw.ImageDraw,
    size: tuple[int, int],
    horizon: float,
    base: RGB,
    rng: random.Random,
) -> None:
    unit = size[1] * 0.02
    draw.rectangle((0, horizon, size[0], horizon + unit), fill=lighter(base, 0.3))
    for row in range(4):
        y = horizon + (size[1] - horizon) * (0.2 + 0.23 * row)
        for _ in range(3):
            x, w = rng.uniform(0, size[0]), size[0] * rng.uniform(0.05, 0.1)
            box = (x - w, y, x + w, y + 2.4 * unit)
            draw.arc(box, 190, 350, fill=lighter(base, 0.4), width=round(unit * 0.8))


_TEXTURES: Final[
    dict[
        str,
        Callable[[ImageDraw.ImageDraw, tuple[int, int], float, RGB, random.Random], None],
    ]
] = {"grass": _grass, "sand": _sand, "snow": _snow, "sea": _sea}
