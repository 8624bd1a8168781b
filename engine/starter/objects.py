"""Draw the things of scenes: one function of a pen and a colour for each kind."""

from collections.abc import Callable
from typing import Final

from engine.starter.pen import INK, RGB, WHITE, Pen, darker, lighter

Drawing = Callable[[Pen, RGB], None]

WOOD: Final[RGB] = (139, 94, 60)
GLASS: Final[RGB] = (255, 226, 140)
SKIN: Final[RGB] = (247, 225, 196)
BLUSH: Final[RGB] = (245, 142, 142)
STEEL: Final[RGB] = (150, 158, 172)


def house(pen: Pen, colour: RGB) -> None:
    edge = darker(colour, 0.45)
    pen.box(0.2, 0.72, 0.32, 0.98, darker(colour, 0.35), outline=edge)
    pen.box(-0.42, 0.0, 0.42, 0.58, colour, outline=edge)
    pen.shape([(-0.54, 0.54), (0.54, 0.54), (0.0, 1.0)], darker(colour, 0.22), outline=edge)
    pen.box(-0.1, 0.0, 0.1, 0.32, WOOD, outline=darker(WOOD), radius=0.04)
    for x in (-0.27, 0.27):
        pen.box(x - 0.09, 0.24, x + 0.09, 0.44, GLASS, outline=edge, radius=0.02)
        pen.stroke([(x, 0.24), (x, 0.44)], edge, 0.02)
    pen.blob(0.0, 0.7, 0.08, 0.08, GLASS, outline=edge)


def tree(pen: Pen, colour: RGB) -> None:
    edge = darker(colour, 0.4)
    pen.shape([(-0.1, 0.0), (0.1, 0.0), (0.06, 0.5), (-0.06, 0.5)], WOOD, outline=darker(WOOD))
    for x, y, r in ((-0.24, 0.52, 0.2), (0.24, 0.52, 0.2), (0.0, 0.74, 0.27)):
        pen.blob(x, y, r, r, colour, outline=edge)
    pen.blob(0.0, 0.56, 0.28, 0.19, colour)
    pen.blob(-0.1, 0.82, 0.09, 0.07, lighter(colour))


def boat(pen: Pen, colour: RGB) -> None:
    edge = darker(colour, 0.45)
    pen.stroke([(0.0, 0.25), (0.0, 1.0)], WOOD, 0.045)
    pen.shape([(0.05, 0.36), (0.05, 0.96), (0.48, 0.4)], lighter(colour, 0.25), outline=edge)
    pen.shape([(-0.05, 0.36), (-0.05, 0.84), (-0.38, 0.38)], WHITE, outline=STEEL)
    pen.shape([(-0.56, 0.3), (0.6, 0.3), (0.42, 0.0), (-0.38, 0.0)], colour, outline=edge)
    pen.stroke([(-0.5, 0.22), (0.54, 0.22)], lighter(colour, 0.5), 0.04)


def fish(pen: Pen, colour: RGB) -> None:
    edge = darker(colour, 0.4)
    pen.shape([(-0.3, 0.42), (-0.62, 0.72), (-0.62, 0.12)], darker(colour, 0.15), outline=edge)
    pen.shape([(-0.14, 0.68), (0.02, 0.92), (0.2, 0.66)], darker(colour, 0.15), outline=edge)
    pen.blob(0.05, 0.42, 0.46, 0.3, colour, outline=edge)
    for x in (-0.16, 0.02):
        pen.stroke([(x, 0.62), (x + 0.07, 0.42), (x, 0.22)], lighter(colour, 0.5), 0.045)
    pen.blob(0.28, 0.5, 0.09, 0.09, WHITE)
    pen.eye(0.3, 0.5, 0.055)
    pen.stroke([(0.34, 0.3), (0.4, 0.31), (0.45, 0.35)], edge, 0.03)


def cat(pen: Pen, colour: RGB) -> None:
    edge = darker(colour, 0.4)
    pen.stroke([(0.24, 0.08), (0.46, 0.16), (0.48, 0.4), (0.4, 0.5)], darker(colour, 0.12), 0.1)
    pen.blob(0.0, 0.25, 0.3, 0.27, colour, outline=edge)
    pen.blob(0.0, 0.2, 0.15, 0.17, lighter(colour, 0.5))
    for side in (-1, 1):
        pen.shape(
            [(side * 0.32, 0.7), (side * 0.3, 1.0), (side * 0.06, 0.86)], colour, outline=edge
        )
        pen.blob(side * 0.14, 0.04, 0.11, 0.06, colour, outline=edge)
    pen.blob(0.0, 0.66, 0.34, 0.26, colour, outline=edge)
    for side in (-1, 1):
        pen.blob(side * 0.15, 0.68, 0.1, 0.1, WHITE, outline=edge)
        pen.blob(side * 0.14, 0.68, 0.055, 0.065, INK)
    pen.shape([(-0.06, 0.57), (0.06, 0.57), (0.0, 0.5)], BLUSH)


def robot(pen: Pen, colour: RGB) -> None:
    edge = darker(colour, 0.45)
    pen.stroke([(0.0, 0.86), (0.0, 0.97)], STEEL, 0.05)
    pen.blob(0.0, 0.97, 0.065, 0.065, GLASS, outline=darker(GLASS))
    for side in (-1, 1):
        pen.box(side * 0.14 - 0.09, 0.0, side * 0.14 + 0.09, 0.2, STEEL, outline=INK)
        pen.box(side * 0.33 - 0.09, 0.2, side * 0.33 + 0.09, 0.42, STEEL, outline=INK)
    pen.box(-0.26, 0.15, 0.26, 0.5, colour, outline=edge)
    pen.box(-0.13, 0.23, 0.13, 0.39, lighter(colour, 0.6), outline=edge)
    pen.box(-0.34, 0.46, 0.34, 0.88, colour, outline=edge, radius=0.07)
    for side in (-1, 1):
        pen.blob(side * 0.15, 0.71, 0.115, 0.115, WHITE, outline=edge)
        pen.blob(side * 0.15, 0.71, 0.06, 0.06, INK)
    pen.box(-0.16, 0.51, 0.16, 0.57, INK)


def car(pen: Pen, colour: RGB) -> None:
    edge = darker(colour, 0.45)
    pen.shape(
        [(-0.36, 0.4), (-0.22, 0.74), (0.2, 0.74), (0.38, 0.4)], darker(colour, 0.12), outline=edge
    )
    pen.shape([(-0.26, 0.42), (-0.16, 0.67), (-0.03, 0.67), (-0.03, 0.42)], (190, 228, 244))
    pen.shape([(0.03, 0.42), (0.03, 0.67), (0.15, 0.67), (0.27, 0.42)], (190, 228, 244))
    pen.box(-0.6, 0.14, 0.62, 0.44, colour, outline=edge, radius=0.11)
    pen.blob(0.55, 0.32, 0.06, 0.06, GLASS, outline=edge)
    pen.blob(-0.56, 0.32, 0.04, 0.05, BLUSH)
    for x in (-0.32, 0.34):
        pen.blob(x, 0.14, 0.155, 0.155, INK)
        pen.blob(x, 0.14, 0.075, 0.075, (214, 218, 226))


def rocket(pen: Pen, colour: RGB) -> None:
    edge = darker(colour, 0.45)
    pen.shape([(-0.1, 0.16), (0.1, 0.16), (0.0, -0.02)], (255, 170, 60))
    for side in (-1, 1):
        pen.shape(
            [(side * 0.14, 0.44), (side * 0.36, 0.1), (side * 0.12, 0.16)],
            darker(colour, 0.25),
            outline=edge,
        )
    pen.shape(
        [
            (-0.13, 0.14), (0.13, 0.14), (0.2, 0.36), (0.2, 0.6),
            (0.12, 0.84), (0.0, 1.0), (-0.12, 0.84), (-0.2, 0.6), (-0.2, 0.36),
        ],
        colour,
        outline=edge,
    )  # fmt: skip
    pen.shape([(-0.12, 0.84), (0.12, 0.84), (0.0, 1.0)], WHITE, outline=edge)
    pen.blob(0.0, 0.6, 0.12, 0.12, WHITE, outline=edge)
    pen.blob(0.0, 0.6, 0.075, 0.075, (120, 196, 232))
    pen.stroke([(-0.17, 0.3), (0.17, 0.3)], lighter(colour, 0.5), 0.04)


def flower(pen: Pen, colour: RGB) -> None:
    leaf: RGB = (74, 150, 74)
    edge = darker(colour, 0.35)
    pen.stroke([(0.0, 0.0), (0.03, 0.3), (0.0, 0.6)], leaf, 0.06)
    pen.blob(-0.15, 0.22, 0.14, 0.07, leaf, outline=darker(leaf))
    pen.blob(0.18, 0.3, 0.14, 0.07, leaf, outline=darker(leaf))
    for x, y in ((-0.2, 0.78), (0.2, 0.78), (-0.13, 0.55), (0.13, 0.55), (0.0, 0.9)):
        pen.blob(x, y - 0.02, 0.175, 0.175, colour, outline=edge)
    pen.blob(0.0, 0.7, 0.12, 0.12, (250, 206, 84), outline=(196, 140, 40))
    pen.blob(-0.05, 0.73, 0.022, 0.028, INK)
    pen.blob(0.05, 0.73, 0.022, 0.028, INK)


def mushroom(pen: Pen, colour: RGB) -> None:
    edge = darker(colour, 0.45)
    pen.box(-0.17, 0.0, 0.17, 0.5, SKIN, outline=darker(SKIN, 0.4), radius=0.1)
    pen.pie(0.0, 0.42, 0.5, 0.52, 0, 180, colour, outline=edge)
    for x, y, r in ((-0.26, 0.58, 0.075), (0.04, 0.76, 0.09), (0.3, 0.56, 0.065)):
        pen.blob(x, y, r, r, lighter(colour, 0.75))
    pen.eye(-0.08, 0.26, 0.042)
    pen.eye(0.08, 0.26, 0.042)
    pen.blob(-0.12, 0.18, 0.035, 0.02, BLUSH)
    pen.blob(0.12, 0.18, 0.035, 0.02, BLUSH)


def bird(pen: Pen, colour: RGB) -> None:
    edge = darker(colour, 0.4)
    beak: RGB = (246, 158, 50)
    for x in (-0.07, 0.09):
        pen.stroke([(x, 0.16), (x, 0.0), (x + 0.09, 0.0)], beak, 0.035)
    pen.shape([(-0.24, 0.4), (-0.62, 0.62), (-0.54, 0.34)], darker(colour, 0.2), outline=edge)
    pen.shape([(0.38, 0.78), (0.62, 0.68), (0.38, 0.6)], beak, outline=darker(beak))
    pen.blob(0.0, 0.4, 0.34, 0.29, colour, outline=edge)
    pen.blob(0.2, 0.7, 0.24, 0.22, colour, outline=edge)
    pen.blob(0.08, 0.58, 0.2, 0.13, colour)
    pen.blob(0.1, 0.32, 0.17, 0.16, lighter(colour, 0.5))
    pen.pie(-0.1, 0.48, 0.22, 0.24, 180, 360, darker(colour, 0.2), outline=edge)
    pen.blob(0.26, 0.74, 0.085, 0.085, WHITE)
    pen.eye(0.28, 0.74, 0.052)


def balloon(pen: Pen, colour: RGB) -> None:
    edge = darker(colour, 0.4)
    for x in (-0.12, 0.12):
        pen.stroke([(x, 0.2), (x * 1.5, 0.42)], INK, 0.018)
    pen.shape([(-0.3, 0.5), (0.3, 0.5), (0.12, 0.3), (-0.12, 0.3)], darker(colour, 0.1))
    pen.blob(0.0, 0.64, 0.37, 0.35, colour, outline=edge)
    pen.blob(0.0, 0.64, 0.15, 0.35, lighter(colour, 0.4), outline=edge)
    pen.box(-0.14, 0.04, 0.14, 0.22, WOOD, outline=darker(WOOD), radius=0.03)
    pen.stroke([(-0.12, 0.13), (0.12, 0.13)], darker(WOOD), 0.02)


def umbrella(pen: Pen, colour: RGB) -> None:
    edge = darker(colour, 0.45)
    pen.stroke([(0.0, 0.94), (0.0, 0.08), (0.05, 0.02), (0.12, 0.02), (0.16, 0.1)], WOOD, 0.05)
    pen.pie(0.0, 0.48, 0.54, 0.46, 0, 180, colour, outline=edge)
    pen.pie(0.0, 0.48, 0.2, 0.46, 0, 180, lighter(colour, 0.45), outline=edge)
    for x in (-0.37, 0.0, 0.37):
        pen.pie(x, 0.47, 0.175, 0.09, 0, 180, darker(colour, 0.3))
    pen.blob(0.0, 0.96, 0.035, 0.04, WOOD)


def castle(pen: Pen, colour: RGB) -> None:
    edge = darker(colour, 0.45)
    pen.box(-0.3, 0.0, 0.3, 0.5, colour, outline=edge)
    for x in (-0.2, 0.0, 0.2):
        pen.box(x - 0.06, 0.48, x + 0.06, 0.58, colour, outline=edge)
    for side in (-1, 1):
        pen.box(side * 0.38 - 0.13, 0.0, side * 0.38 + 0.13, 0.66, colour, outline=edge)
        pen.shape(
            [(side * 0.38 - 0.17, 0.66), (side * 0.38 + 0.17, 0.66), (side * 0.38, 0.92)],
            darker(colour, 0.3),
            outline=edge,
        )
        pen.box(side * 0.38 - 0.05, 0.4, side * 0.38 + 0.05, 0.54, GLASS, outline=edge, radius=0.04)
    pen.pie(0.0, 0.2, 0.13, 0.16, 0, 180, WOOD, outline=edge)
    pen.box(-0.13, 0.0, 0.13, 0.2, WOOD)
    pen.stroke([(0.0, 0.56), (0.0, 0.86)], WOOD, 0.03)
    pen.shape([(0.0, 0.88), (0.2, 0.8), (0.0, 0.72)], BLUSH)


def skull(pen: Pen, colour: RGB) -> None:
    edge = darker(colour, 0.5)
    pen.box(-0.22, 0.02, 0.22, 0.4, colour, outline=edge, radius=0.08)
    pen.blob(0.0, 0.6, 0.42, 0.38, colour, outline=edge)
    pen.box(-0.19, 0.18, 0.19, 0.42, colour)
    for side in (-1, 1):
        pen.blob(side * 0.17, 0.56, 0.12, 0.13, INK)
    pen.shape([(-0.06, 0.34), (0.06, 0.34), (0.0, 0.44)], INK)
    for x in (-0.1, 0.0, 0.1):
        pen.stroke([(x, 0.04), (x, 0.2)], INK, 0.03)


OBJECTS: Final[dict[str, Drawing]] = {
    "house": house,
    "tree": tree,
    "boat": boat,
    "fish": fish,
    "cat": cat,
    "robot": robot,
    "car": car,
    "rocket": rocket,
    "flower": flower,
    "mushroom": mushroom,
    "bird": bird,
    "balloon": balloon,
    "umbrella": umbrella,
    "castle": castle,
    "skull": skull,
}
BODIES: Final[dict[str, tuple[float, float, float, float]]] = {
    "house": (-0.4, 0.04, -0.14, 0.2),
    "tree": (-0.2, 0.5, 0.2, 0.8),
    "boat": (-0.35, 0.08, 0.35, 0.26),
    "fish": (-0.2, 0.25, 0.15, 0.6),
    "cat": (-0.22, 0.3, 0.22, 0.88),
    "robot": (-0.27, 0.2, 0.27, 0.85),
    "car": (-0.5, 0.2, 0.5, 0.42),
    "rocket": (-0.14, 0.25, 0.14, 0.8),
    "flower": (-0.25, 0.5, 0.25, 0.95),
    "mushroom": (-0.35, 0.45, 0.35, 0.85),
    "bird": (-0.2, 0.25, 0.3, 0.75),
    "balloon": (-0.3, 0.45, 0.3, 0.9),
    "umbrella": (-0.4, 0.55, 0.4, 0.8),
    "castle": (-0.4, 0.25, 0.4, 0.55),
    "skull": (-0.35, 0.6, 0.35, 0.95),
}
"""Left, bottom, right and top of the part in the thing's own colour, in units of its height."""
UNSAFE: Final = "skull"
"""The thing that counts as not safe for work."""
