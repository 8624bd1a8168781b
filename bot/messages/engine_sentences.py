"""What the engine says to people, marked for the catalogs: the engine has no translations.

It says these in English. `from_english` finds them as they are shown.
"""

from typing import Final

from bot.i18n import N_

SENTENCES: Final = (
    N_("Save it again as a plain PNG and try that file."),
    N_("Send it as a JPEG or PNG; a screenshot of it works too."),
    N_("It must be a PNG, JPEG, WebP, AVIF, GIF, BMP or TIFF image."),
    N_("{subject} is not an image that can be read."),
    N_("{subject} is damaged or truncated."),
    N_("{subject} is {size} pixels; each side must have at least {pixels}."),
    N_("The file is {size} MiB large; at most {limit} MiB are allowed."),
    N_(
        "{width} x {height} is too large for this model: widths and heights of at most "
        "{limit} pixels are allowed."
    ),
    N_("{width} x {height} is too large for this model: at most {limit} pixels are allowed."),
    N_("The model {model} takes no LoRAs here."),
    N_("The model {model} takes no reference pictures here."),
    N_("The model {model} does not edit pictures by instructions."),
    N_("The model {model} edits pictures by instructions, and does nothing else."),
    N_("The model {model} cannot repaint a part of a picture."),
    N_("The model {model} does not work with the sampler {sampler}. Choose one of: {samplers}."),
    N_("The sampler {sampler} takes at most {limit} steps; this request has {steps}."),
    N_("The model {model} takes a clip skip of {allowed}; this request has {clip_skip}."),
    N_(
        "The model {model} is distilled ({kind}) and paints in a few steps: choose at most "
        "{limit}, best {best}; this request has {steps}."
    ),
    N_(
        "The model {model} is distilled ({kind}) for a low guidance: choose at most {limit}, "
        "best {best}; this request has {guidance}."
    ),
    N_("The prompt is empty. Say in a few words what you want to see."),
    N_("The prompt is empty from step {step} on. Say in a few words what you want to see then."),
    N_("The {name} has {count} characters; at most {limit} are allowed."),
    N_("The {name} is {value}; it must be {least} to {most}."),
    N_("The strength is {strength}; it must be above 0 and at most 1."),
    N_("The strength says how much of a sketch to paint over, so it needs a sketch."),
    N_("BREAK divides a prompt into {count} parts; at most {limit} are allowed."),
    N_("The film does not fit into the upload limit, even at its lowest quality."),
    N_("The weight in {tag} is not valid: write <lora:NAME> or <lora:NAME:0.8>."),
    N_("This file is no PNG, WebP or JPEG picture."),
    N_("The last word of the {name} was left out: the model reads no more."),
    N_("The last {count} words of the {name} were left out: the model reads no more."),
)
"""Sentences of `engine.contract` and `engine.core`, with names for their values."""
SUBJECTS: Final = (N_("The sketch"), N_("The mask"), N_("The picture"), N_("the sketch"))
"""Values of some of them."""
