"""The styles and wildcards of all guilds; pure.

The starter model knows the words of STARTER_STYLES and STARTER_WILDCARDS: it was trained on these
places, times, things and colours. The other styles are words of the captions that Stable Diffusion
and its successors were trained on, and have hardly an effect on the starter model.
"""

from collections.abc import Mapping
from typing import Final

from bot.domain.styles import Style
from bot.domain.wildcards import Wildcard
from engine.contract import Sampler

_SCENES: Final = {
    "beach": Style(prompt="on the beach", negative="snow"),
    "meadow": Style(prompt="in a meadow", negative="snow"),
    "night": Style(prompt="at night, under the stars", negative="daylight"),
    "ocean": Style(prompt="on the ocean, on the waves", negative="desert"),
    "sunny": Style(prompt="on a sunny day, under a blue sky", negative="night"),
    "sunset": Style(prompt="at sunset, under an orange sky", negative="daylight"),
    "winter": Style(prompt="in the snow, in winter", negative="grass"),
}
_LOOKS: Final = {
    "3d-render": Style(
        prompt="3d render of {prompt}, octane render, soft studio lighting, highly detailed",
        negative="flat, sketch, photo",
    ),
    "anime": Style(
        prompt="anime artwork of {prompt}, anime style, cel shading, vibrant colors",
        negative="photo, realistic, 3d render",
    ),
    "cinematic": Style(
        prompt="cinematic still of {prompt}, shallow depth of field, film grain, dramatic lighting",
        negative="drawing, cartoon, anime, low contrast",
    ),
    "comic": Style(
        prompt="comic book illustration of {prompt}, bold ink outlines, halftone, flat colors",
        negative="photo, realistic, blurry",
    ),
    "isometric": Style(
        prompt="isometric view of {prompt}, isometric diorama, clean edges, soft shadows",
        negative="photo, perspective, blurry",
    ),
    "line-art": Style(
        prompt="line art of {prompt}, black ink lines on white paper, minimalist",
        negative="color, shading, photo, 3d render",
    ),
    "neon": Style(
        prompt="{prompt}, neon lights, glowing neon colors, dark background, synthwave",
        negative="daylight, dull colors",
    ),
    "oil-painting": Style(
        prompt="oil painting of {prompt}, visible brush strokes, canvas texture, rich colors",
        negative="photo, 3d render, smooth",
    ),
    "pencil": Style(
        prompt="pencil drawing of {prompt}, graphite, cross hatching, white paper",
        negative="color, photo, 3d render",
    ),
    "photo": Style(
        prompt="photo of {prompt}, natural light, 50mm lens, sharp focus, highly detailed",
        negative="drawing, painting, illustration, cartoon, 3d render, blurry",
        steps=30,
        sampler=Sampler.DPMPP_2M_KARRAS.value,
    ),
    "pixel-art": Style(
        prompt="pixel art of {prompt}, 16-bit, limited palette, retro game sprite",
        negative="photo, blurry, smooth, anti-aliasing",
    ),
    "storybook": Style(
        prompt="{prompt}, storybook style, children's book illustration, soft colors",
        negative="photo, realistic, dark",
    ),
    "watercolor": Style(
        prompt="watercolor painting of {prompt}, soft washes, paper texture, bleeding colors",
        negative="photo, 3d render, harsh lines",
    ),
}
STYLES: Final[Mapping[str, Style]] = dict(sorted((_SCENES | _LOOKS).items()))
"""By name, in alphabetical order."""
STARTER_STYLES: Final = tuple(_SCENES)

_STARTER_LISTS: Final = {
    "colors": (
        *("red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "white"),
        "black",
    ),
    "places": ("on the grass", "in a meadow", "on the beach", "in the snow", "on the sea"),
    "things": (
        *("house", "tree", "boat", "fish", "cat", "robot", "car", "rocket", "flower"),
        *("mushroom", "bird", "balloon", "umbrella", "castle"),
    ),
    "times": ("on a sunny day", "at noon", "at sunset", "at dusk", "at night", "at midnight"),
}
_OTHER_LISTS: Final = {
    "animals": (
        *("bear", "bird", "butterfly", "cat", "deer", "dog", "dolphin", "elephant", "fish"),
        *("fox", "frog", "giraffe", "hedgehog", "horse", "lion", "octopus", "owl", "panda"),
        *("penguin", "rabbit", "squirrel", "tiger", "turtle", "whale", "wolf"),
    ),
    "artforms": (
        *("charcoal drawing", "collage", "digital painting", "etching", "fresco", "linocut"),
        *("mosaic", "oil painting", "origami", "pastel drawing", "stained glass", "woodcut"),
    ),
    "materials": (
        *("bronze", "cardboard", "clay", "felt", "glass", "gold", "ice", "lace", "marble"),
        *("paper", "porcelain", "stone", "velvet", "wood", "wool"),
    ),
    "weather": (
        *("in a thunderstorm", "in fog", "in light rain", "in strong wind", "under a rainbow"),
        *("under a clear sky", "under dark clouds", "while it snows"),
    ),
}
WILDCARDS: Final[Mapping[str, Wildcard]] = {
    name: Wildcard(entries) for name, entries in sorted((_STARTER_LISTS | _OTHER_LISTS).items())
}
"""By name, in alphabetical order."""
STARTER_WILDCARDS: Final = tuple(_STARTER_LISTS)
